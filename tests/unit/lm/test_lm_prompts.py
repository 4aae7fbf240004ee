"""Prompts: what stands in them, token by token, for many shapes of chat templates."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from nncift_core.errors import ModelError
from nncift_core.lm.prompts import FOLLOW, Prompter, Template, flatten
from tests.tiny_lm import CHATS, END, make_tokenizer

GOOD_CHATS = [name for name in CHATS if name != "raises"]


def decoded(prompter: Prompter, ids: list[int]) -> str:
    return str(prompter.tokenizer.decode(ids, skip_special_tokens=False))


def test_plain_prompts_are_these() -> None:
    prompter = Prompter(make_tokenizer(), "plain")
    alone = flatten(prompter.example_prefix([]))
    shown = flatten(prompter.example_prefix([("What is a word?", "A sign.\n"), ("Two?", "2")]))
    query = flatten(prompter.query("Translate: the"))
    assert decoded(prompter, alone) == "Answer the prompt."
    assert decoded(prompter, shown) == (
        "Answer the last prompt in the way of the example."
        "\n\nPrompt:\nWhat is a word?\n\nResponse:\nA sign.\n"
        "\n\nPrompt:\nTwo?\n\nResponse:\n2"
    )
    assert decoded(prompter, query) == "\n\nPrompt:\nTranslate: the\n\nResponse:\n"
    assert decoded(prompter, prompter.response("le")) == f"le{END}"
    message = flatten(prompter.message(["Rate:\n", ("that",), "\n\nNow."]))
    assert decoded(prompter, message) == "Rate:\nthat\n\nNow.\n\nResponse:\n"


@pytest.mark.parametrize("chat", GOOD_CHATS)
def test_a_chat_prompt_is_what_the_template_renders(chat: str) -> None:
    tokenizer = make_tokenizer(chat_template=chat)
    prompter = Prompter(tokenizer)
    assert prompter.frame.name == "chat"
    content = f"{FOLLOW}\n\nPrompt:\nadd one\n\nResponse:\n2 3\n\nPrompt:\nnumber?"
    said: Any = [{"type": "text", "text": content}] if chat == "parts" else content
    before = [{"role": "system", "content": ""}] if chat == "needs_system" else []
    rendered = tokenizer.apply_chat_template(
        [*before, {"role": "user", "content": said}], tokenize=False, add_generation_prompt=True
    )
    thought = "<think>\n\n</think>\n\n" if chat == "thinking" else ""
    ids = flatten([*prompter.example_prefix([("add one", "2 3")]), *prompter.query("number?")])
    assert decoded(prompter, ids) == rendered + thought


@pytest.mark.parametrize("chat", GOOD_CHATS)
def test_an_answer_ends_with_the_templates_own_token(chat: str) -> None:
    tokenizer = make_tokenizer(chat_template=chat)
    ids = Prompter(tokenizer).response("the answer")
    assert ids[-1] == tokenizer.convert_tokens_to_ids(CHATS[chat].close)
    assert tokenizer.decode(ids[:-1]) == "the answer"


def test_an_answer_that_is_ended_after_a_space() -> None:
    template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}[Q] {{ m['content'] }} [A]"
        "{% else %} {{ m['content'] }} {{ eos_token }}{% endif %}{% endfor %}"
    )
    tokenizer = make_tokenizer(chat_template=template)
    frame = Prompter(tokenizer).frame
    assert (frame.start, frame.turn) == ("[Q] ", " [A] ")
    assert frame.close_id == tokenizer.eos_token_id


@pytest.mark.parametrize("chat", [None, *GOOD_CHATS])
def test_a_prefix_has_the_same_tokens_whatever_follows(chat: str | None) -> None:
    prompter = Prompter(make_tokenizer(chat_template=chat))
    for prompt in ("word", " \n", "", "...", "é 漢字"):
        segments = prompter.example_prefix([(prompt, "of"), ("is", prompt)])
        assert flatten(segments) == [i for s in segments for i in s.ids]
        kinds = [segment.kind for segment in segments]
        assert kinds == ["template", *["template", "prompt", "template", "response"] * 2]
        parts: list[str | tuple[str]] = ["Prompt:\n", (prompt,), "\n\nResponse:\n", (prompt,)]
        whole = flatten(prompter.message([*parts, "\n\nRate."]))
        start, end = prompter.message_start(parts), prompter.message_end(["\n\nRate."])
        assert flatten(start) + flatten(end) == whole


@pytest.mark.parametrize("chat", ["chatml", "llama3", None])
def test_rows_cannot_speak_in_control_tokens(chat: str | None) -> None:
    tokenizer = make_tokenizer(chat_template=chat)
    prompter = Prompter(tokenizer)
    control = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    for spelled in tokenizer.all_special_tokens + list(CHATS[chat or "chatml"].control):
        ids = prompter.text_ids(f"before {spelled} after")
        assert not control & set(ids)
        assert tokenizer.decode(ids) == f"before {spelled} after"
        assert control & set(prompter.response(spelled)) == {prompter.frame.close_id}
    # Whereas words of ours may: they come from the template.
    if chat == "chatml":
        start = flatten(prompter.example_prefix([]))[0]
        assert start == tokenizer.convert_tokens_to_ids("<|im_start|>")


def test_a_begin_token_stands_where_the_tokenizer_puts_one() -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<|begin|>"})
    begin = tokenizer.bos_token_id
    assert Prompter(tokenizer, "plain").frame.begin_ids == ()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", begin)]
    )
    prompter = Prompter(tokenizer, "plain")
    assert prompter.frame.begin_ids == (begin,)
    for segments in (prompter.example_prefix([("a", "b")]), prompter.message(["Rate."])):
        assert flatten(segments)[0] == begin and flatten(segments).count(begin) == 1
    assert begin not in flatten(prompter.query("a")) + prompter.response("a")


@pytest.mark.parametrize(
    ("template", "chat", "name"),
    [
        ("auto", "chatml", "chat"),
        ("auto", None, "plain"),
        ("plain", "chatml", "plain"),
        ("chat", "gemma", "chat"),
    ],
)
def test_the_template_is_chosen(template: Template, chat: str | None, name: str) -> None:
    assert Prompter(make_tokenizer(chat_template=chat), template).frame.name == name


@pytest.mark.parametrize(
    ("chat", "pattern"),
    [
        ("raises", "cannot be rendered: this template is broken"),
        ("{{ unclosed", "cannot be rendered"),
        ("nothing of it", "does not show a message as it is"),
        ("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}", "does not show"),
        ("{% for m in messages %}{{ m['content'] * 2 }}{% endfor %}", "does not show"),
        ("{{ messages[0]['content'] }}", "does not show"),
    ],
)
def test_a_template_that_cannot_be_used_is_named(chat: str, pattern: str) -> None:
    tokenizer = make_tokenizer(chat_template=chat)
    with pytest.raises(ModelError, match=pattern) as caught:
        Prompter(tokenizer)
    assert "'plain'" in caught.value.hint
    Prompter(tokenizer, "plain")


def test_a_tokenizer_must_know_how_an_answer_ends() -> None:
    with pytest.raises(ModelError, match="no chat template"):
        Prompter(make_tokenizer(), "chat")
    endless = make_tokenizer(chat_template="plain_words")
    endless.eos_token = None
    with pytest.raises(ModelError, match="no end-of-text token"):
        Prompter(endless, "plain")
    with pytest.raises(ModelError, match="does not end an answer"):
        Prompter(endless, "chat")
