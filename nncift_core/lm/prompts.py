"""How rows become the tokens a language model reads: templates, segments, closing tokens.

A prompt is cut into segments at the borders of the rows' texts, and each segment is turned into
tokens on its own. So an example's tokens are the same whatever query follows it, and a prefix
that was encoded once plus the rest is exactly what a whole prompt gives. Row texts never become
control tokens, whatever they spell. Knows nothing of models, scores or batches.

Prompts with an in-context example follow Agarwal et al., "DELIFT", ICLR 2025, in our words.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from nncift_core.errors import ModelError

Template = Literal["auto", "chat", "plain"]
TEMPLATES: tuple[Template, ...] = ("auto", "chat", "plain")

ANSWER = "Answer the prompt."
FOLLOW = "Answer the last prompt in the way of the example."

_EXAMPLE = ("\n\nPrompt:\n", "\n\nResponse:\n")
_QUERY = "\n\nPrompt:\n"
_PLAIN_END = "\n\nResponse:\n"

TEMPLATE_WORDS = (ANSWER, FOLLOW, *_EXAMPLE, _QUERY, _PLAIN_END)
"""All words of ours that stand in prompts with examples."""

# Stand for a text while the chat template is rendered; letters and digits no template changes.
_CONTENT_MARK = "content1f0e3dad99908345f7439f8ffabdffc4"
_ANSWER_MARK = "answer98f13708210194c475687be6106a3b84"


class Segment(NamedTuple):
    """Tokens of one part of a prompt.

    Attributes:
        kind: ``template``, ``prompt`` (of an example or the query) or ``response``.
        ids: Its tokens.
    """

    kind: str
    ids: list[int]


@dataclass(frozen=True)
class Frame:
    """What stands around a user's message: before it, between it and the answer, after that.

    Attributes:
        name: ``chat`` or ``plain``.
        start: Text before the message.
        turn: Text from the end of the message to the start of the answer.
        begin_ids: Control tokens before everything, such as a begin-of-text token.
        close_id: The token that ends an answer.
    """

    name: str
    start: str
    turn: str
    begin_ids: tuple[int, ...]
    close_id: int


class Prompter:
    """Turns rows into tokens for one tokenizer.

    Args:
        tokenizer: A fast Hugging Face tokenizer.
        template: ``chat`` uses the tokenizer's chat template, ``plain`` a template of this
            project, ``auto`` the first where there is one.

    Raises:
        ModelError: ``chat`` is asked for and there is none, or it leaves the message out, or
            the tokenizer knows no token that ends an answer.
    """

    def __init__(self, tokenizer: Any, template: Template = "auto") -> None:
        self.tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        chat = getattr(tokenizer, "chat_template", None)
        if template == "chat" and not chat:
            raise ModelError(
                f"The tokenizer of {tokenizer.name_or_path!r} has no chat template.",
                "Use the template 'plain', or an instruction-tuned model.",
            )
        wants_chat = template == "chat" or (template == "auto" and bool(chat))
        self.frame = _chat_frame(tokenizer) if wants_chat else _plain_frame(tokenizer)

    def text_ids(self, text: str) -> list[int]:
        """Tokens of a row's text: control tokens that it spells stay plain text."""
        ids: list[int] = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return ids

    def _template_ids(self, text: str) -> list[int]:
        """Tokens of words of ours; there are few of them, so each is turned into tokens once."""
        if text not in self._known:
            self._known[text] = self.tokenizer(text, add_special_tokens=False, verbose=False)[
                "input_ids"
            ]
        return self._known[text]

    def example_prefix(self, examples: Sequence[tuple[str, str]]) -> list[Segment]:
        """Everything before the query: the instruction and, in order, (prompt, response) pairs.

        Without examples it is the instruction to answer.
        """
        instruction = FOLLOW if examples else ANSWER
        segments = [self._opening(self.frame.start + instruction)]
        for prompt, response in examples:
            segments += [
                Segment("template", self._template_ids(_EXAMPLE[0])),
                Segment("prompt", self.text_ids(prompt)),
                Segment("template", self._template_ids(_EXAMPLE[1])),
                Segment("response", self.text_ids(response)),
            ]
        return segments

    def query(self, prompt: str) -> list[Segment]:
        """What follows a prefix: the query and whatever asks for the answer."""
        return [
            Segment("template", self._template_ids(_QUERY)),
            Segment("prompt", self.text_ids(prompt)),
            Segment("template", self._template_ids(self.frame.turn)),
        ]

    def message(self, parts: Sequence[str | tuple[str]]) -> list[Segment]:
        """One message of our words and of row texts, up to where the answer starts.

        Args:
            parts: Strings are ours; a string in a tuple is a row's text.
        """
        segments = [*self.message_start(parts), *self.message_end([])]
        return [segment for segment in segments if segment.ids]

    def message_start(self, parts: Sequence[str | tuple[str]]) -> list[Segment]:
        """The first parts of a message: what messages that begin alike share."""
        return [self._opening(self.frame.start), *self._parts(parts)]

    def message_end(self, parts: Sequence[str | tuple[str]]) -> list[Segment]:
        """The last parts of a message, and what asks for the answer."""
        turn = Segment("template", self._template_ids(self.frame.turn))
        return [*self._parts(parts), turn]

    def response(self, text: str) -> list[int]:
        """Tokens of an answer with its closing token."""
        return [*self.text_ids(text), self.frame.close_id]

    def _parts(self, parts: Sequence[str | tuple[str]]) -> list[Segment]:
        return [
            Segment("prompt", self.text_ids(part[0]))
            if isinstance(part, tuple)
            else Segment("template", self._template_ids(part))
            for part in parts
        ]

    def _opening(self, text: str) -> Segment:
        return Segment("template", [*self.frame.begin_ids, *self._template_ids(text)])


def flatten(segments: Sequence[Segment]) -> list[int]:
    """The tokens of all segments in order."""
    return [token for segment in segments for token in segment.ids]


def cut_example(segments: Sequence[Segment], room: int) -> list[Segment]:
    """An example's prefix, at most ``room`` tokens where its template alone is not longer.

    The example's response is cut from its end and then its prompt; words of the template stay.
    """
    excess = max(0, sum(len(segment.ids) for segment in segments) - room)
    kept: list[Segment] = []
    for segment in reversed(segments):
        lost = 0 if segment.kind == "template" else min(excess, len(segment.ids))
        excess -= lost
        kept.append(Segment(segment.kind, segment.ids[: len(segment.ids) - lost]))
    return kept[::-1]


def _plain_frame(tokenizer: Any) -> Frame:
    close = tokenizer.eos_token_id
    if close is None:
        raise ModelError(
            f"The tokenizer of {tokenizer.name_or_path!r} has no end-of-text token.",
            "Use a model whose tokenizer defines one.",
        )
    # Only tokenizers that put a begin token before plain text were trained with one there.
    read = tokenizer("a", verbose=False)["input_ids"]
    begins = tokenizer.bos_token_id is not None and read[:1] == [tokenizer.bos_token_id]
    begin = (int(tokenizer.bos_token_id),) if begins else ()
    return Frame("plain", "", _PLAIN_END, begin, int(close))


def _chat_frame(tokenizer: Any) -> Frame:
    asked, answered = _conversation(tokenizer)
    start, turn = asked.split(_CONTENT_MARK)
    middle, after = answered.split(_CONTENT_MARK)[1].split(_ANSWER_MARK)
    if middle.startswith(turn):
        # Models that think first have an empty thought before an answer; only there is it likely.
        turn = middle
    close = _closing_token(tokenizer, after)
    if close is None:
        raise ModelError(
            f"The chat template of {tokenizer.name_or_path!r} does not end an answer.",
            "Use the template 'plain'.",
        )
    return Frame("chat", start, turn, (), close)


def _conversation(tokenizer: Any) -> tuple[str, str]:
    """A question as the template shows it, ready to be answered, and with its answer.

    Templates differ in what they take: most a message's text, some a list of its parts, some
    want a system message first.
    """
    problems = []
    for in_parts, system in itertools.product((False, True), (False, True)):
        question = [_message("system", "", in_parts)] if system else []
        question.append(_message("user", _CONTENT_MARK, in_parts))
        answer = _message("assistant", _ANSWER_MARK, in_parts)
        try:
            asked = _rendered(tokenizer, question, ask=True)
            answered = _rendered(tokenizer, [*question, answer], ask=False)
        except ModelError as error:
            problems.append(error)
            continue
        before, shown, after = answered.partition(_CONTENT_MARK)
        whole = shown and before.count(_ANSWER_MARK) == 0 and after.count(_ANSWER_MARK) == 1
        if whole and after.count(_CONTENT_MARK) == 0 and asked.count(_CONTENT_MARK) == 1:
            return asked, answered
        problems.append(
            ModelError(
                f"The chat template of {tokenizer.name_or_path!r} does not show a message as it "
                "is.",
                "Use the template 'plain'.",
            )
        )
    raise problems[0]


def _message(role: str, text: str, in_parts: bool) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}] if in_parts else text}


def _closing_token(tokenizer: Any, after: str) -> int | None:
    """The first control token of what follows an answer, or else the end-of-text token."""
    control = {*tokenizer.all_special_ids}
    control |= {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    for token in tokenizer(after, add_special_tokens=False, verbose=False)["input_ids"]:
        if token in control:
            return int(token)
    end = tokenizer.eos_token_id
    return None if end is None else int(end)


def _rendered(tokenizer: Any, messages: list[dict[str, Any]], *, ask: bool) -> str:
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask)
    except Exception as error:  # Templates raise whatever their authors chose.
        raise ModelError(
            f"The chat template of {tokenizer.name_or_path!r} cannot be rendered: {error}",
            "Use the template 'plain'.",
        ) from error
    return str(text)
