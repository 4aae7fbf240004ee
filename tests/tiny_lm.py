"""Tiny language models of several families with a tokenizer of their own, built in a second.

Their weights are random and scaled up so that logits have a standard deviation of several units
and depend on the context: with the usual small random weights every comparison would pass,
since nothing that is wrong would show.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from nncift_core.types import Row

END, PAD = "<|end|>", "<|pad|>"

FAMILIES = (
    "llama",
    "qwen2",
    "qwen3",
    "phi3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "mistral",
    "gpt2",
    "gpt_neox",
    "bloom",
)


class Chat(NamedTuple):
    """A chat template, its control tokens and what follows an answer."""

    template: str
    control: tuple[str, ...]
    close: str


CHATS: Mapping[str, Chat] = {
    "chatml": Chat(
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ("<|im_start|>", "<|im_end|>"),
        "<|im_end|>",
    ),
    "llama3": Chat(
        "<|begin_of_text|>{% for m in messages %}<|start_header_id|>{{ m['role'] }}"
        "<|end_header_id|>\n\n{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n"
        "{% endif %}",
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|eot_id|>",
    ),
    "gemma": Chat(
        "<bos>{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}"
        "{% endif %}{% for m in messages %}<start_of_turn>"
        "{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
        "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        ("<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<end_of_turn>",
    ),
    "phi3": Chat(
        "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end_turn|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
        ("<|user|>", "<|assistant|>", "<|system|>", "<|end_turn|>"),
        "<|end_turn|>",
    ),
    "needs_system": Chat(
        "{% if messages[0]['role'] != 'system' %}{{ raise_exception('a system message first') }}"
        "{% endif %}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}[/]\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant] {% endif %}",
        ("[system]", "[user]", "[assistant]", "[/]"),
        "[/]",
    ),
    "parts": Chat(
        "{% for m in messages %}<{{ m['role'] }}>{% for part in m['content'] %}"
        "{{ part['text'] }}{% endfor %}</s>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}",
        ("<user>", "<assistant>", "</s>"),
        "</s>",
    ),
    "thinking": Chat(
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% if m['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
        "{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ("<|im_start|>", "<|im_end|>"),
        "<|im_end|>",
    ),
    "plain_words": Chat(
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}",
        (),
        END,
    ),
    "raises": Chat("{{ raise_exception('this template is broken') }}", (), END),
}
"""Shapes of chat templates that models in the wild have."""

_WORDS = (
    "the prompt Prompt Response response example Answer way is of in to and What sum Rate score "
    "word capital France Paris translate Translate answer one digit from add number list colour"
).split()


def make_tokenizer(
    vocab: int = 400,
    chat_template: str | None = None,
    digits: str = "single",
    positions: int = 256,
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, at most ``vocab`` tokens with its control tokens.

    Args:
        vocab: Tokens, at least 290.
        chat_template: A name in ``CHATS`` or the template itself.
        digits: ``single``: a digit is one token, a space before it another; ``spaced``: a digit
            with the space before it is one token too; ``double``: a digit takes two tokens.
        positions: Most tokens the tokenizer says it may give.
    """
    chat = CHATS.get(chat_template or "", Chat(chat_template or "", (), END))
    words = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]|\s+"
    if digits == "spaced":
        words = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]|\s+"
    control = [END, PAD, *(token for token in chat.control if token not in (END, PAD))]
    tokenizer = Tokenizer(_model(control, vocab, digits))
    tokenizer.add_special_tokens(control)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    if digits == "double":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Replace(digit, f"#{digit}") for digit in "0123456789"]
        )
    tokenizer.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=positions,
        clean_up_tokenization_spaces=False,
    )
    if chat_template is not None:
        made.chat_template = chat.template
    return made


def _model(control: list[str], vocab: int, digits: str) -> models.BPE:
    """Control tokens, bytes, then merges that spell a few words, with a space before and without.

    Written down and not learnt: the library's training breaks ties at random.
    """
    tokens = {token: number for number, token in enumerate(control)}
    for letter in sorted(pre_tokenizers.ByteLevel.alphabet()):
        tokens.setdefault(letter, len(tokens))
    merges: list[tuple[str, str]] = []
    spelled = [f"Ġ{digit}" for digit in "12345"] if digits == "spaced" else []
    spelled += ["ĊĊ", *(f"Ġ{word}" for word in _WORDS), *_WORDS]
    for word in spelled:
        for end in range(2, len(word) + 1):
            merged = word[:end]
            if merged not in tokens and len(tokens) < vocab:
                tokens[merged] = len(tokens)
                merges.append((merged[:-1], merged[-1]))
    return models.BPE(vocab=tokens, merges=merges)


def make_tiny_model(
    folder: Path,
    family: str = "llama",
    *,
    vocab: int = 400,
    seed: int = 0,
    scale: float = 5.0,
    chat_template: str | None = None,
    digits: str = "single",
    positions: int = 256,
    layers: int = 2,
) -> Path:
    """Write a model folder: two layers of width 32, random scaled weights, a tokenizer.

    Args:
        folder: Where to write; made when missing.
        family: One of ``FAMILIES``.
        vocab: Tokens of the tokenizer; the model has eight more.
        seed: Of the weights.
        scale: Standard deviation of the logits of common tokens, roughly.
        chat_template: A name in ``CHATS``, a template, or none.
        digits: See :func:`make_tokenizer`.
        positions: Most tokens that the model can read.
        layers: Number of layers.

    Returns:
        The folder.
    """
    tokenizer = make_tokenizer(vocab, chat_template, digits, positions)
    config = make_config(
        family,
        # A few more, as models have; some tokenizer classes add a token of their own when loaded.
        vocab=len(tokenizer) + 8,
        positions=positions,
        layers=layers,
        end=tokenizer.eos_token_id,
        pad=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    scale_weights(model, seed, scale, rare_tokens(tokenizer))
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_config(
    family: str, *, vocab: int, positions: int, layers: int = 2, end: int = 0, pad: int = 1
) -> Any:
    """The configuration of a tiny model; four heads that share two keys where it can."""
    shape: dict[str, Any] = {
        "vocab_size": vocab,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": positions,
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": pad,
        # Random weights that are tied repeat the last token, whatever came before it.
        "tie_word_embeddings": False,
    }
    if family == "gpt2":
        shape = {
            "vocab_size": vocab,
            "n_embd": 32,
            "n_layer": layers,
            "n_head": 4,
            "n_positions": positions,
            "bos_token_id": None,
            "eos_token_id": end,
        }
    elif family == "bloom":
        shape = {
            "vocab_size": vocab,
            "hidden_size": 32,
            "n_layer": layers,
            "n_head": 4,
            "bos_token_id": None,
            "eos_token_id": end,
            "pad_token_id": pad,
            "tie_word_embeddings": False,
        }
    elif family.startswith("gemma") or family == "qwen3":
        shape["head_dim"] = 8
    if family in ("gemma2", "gemma3_text"):
        shape |= {"query_pre_attn_scalar": 8, "sliding_window": 24}
    if family == "mistral":
        shape["sliding_window"] = 24
    if family == "gpt_neox":
        del shape["num_key_value_heads"]
    return AutoConfig.for_model(family, **shape)


def rare_tokens(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """All tokens but letters, digits, a few signs, whole words and the first control token."""
    words = [f"{space}{word}" for word in _WORDS for space in ("Ġ", "")]
    common = {END, "Ġ", "Ċ", *"abcdefghijklmnopqrstuvwxyz0123456789.,?:", *words}
    return [token for text, token in tokenizer.get_vocab().items() if text not in common]


def scale_weights(
    model: torch.nn.Module, seed: int, scale: float = 5.0, rare: Sequence[int] = ()
) -> None:
    """Draw all weights anew so that attention is sharp and logits spread by ``scale``.

    Args:
        model: A causal language model; changed in place.
        seed: Of the weights.
        scale: Standard deviation of the logits.
        rare: Tokens that get next to no logit, so that the others have a probability to speak of.
    """
    generator = torch.Generator().manual_seed(seed)
    head = model.get_output_embeddings().weight
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if weight is head:
            value = noise * scale / weight.shape[1] ** 0.5
            value[list(rare)] *= 0.1
        elif weight.ndim < 2:
            # Norms keep what they are (1, or 0 where 1 is added); biases are small.
            value = weight.detach() + 0.1 * noise
        elif "embed" in name or "wte" in name or "wpe" in name:
            value = noise * 0.3
        else:
            # GPT-2 keeps its weights the other way round.
            inputs = weight.shape[0] if "c_" in name else weight.shape[1]
            gain = 1.6 if "att" in name else 1.0
            value = noise * gain / inputs**0.5
        weight.data.copy_(value)


def make_rows(folder: Path, count: int, seed: int = 0, response_tokens: int = 8) -> list[Row]:
    """Rows of a few words whose responses the model itself likes to give.

    So the probability of a response is neither 0 nor 1, and an example before it moves it.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    barred = torch.tensor([*tokenizer.all_special_ids, *rare_tokens(tokenizer)])
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    rows = []
    for number in range(count):
        prompt = " ".join(rng.choices(_WORDS, k=rng.randint(2, 9)))
        ids = tokenizer(f"{prompt}\n\nResponse:\n", add_special_tokens=False)["input_ids"]
        given = len(ids)
        for _ in range(rng.randint(2, response_tokens)):
            with torch.no_grad():
                logits = model(torch.tensor([ids])).logits[0, -1].double()
            logits[barred[barred < len(logits)]] = -torch.inf
            chances = (logits / 0.7).softmax(-1)
            ids.append(int(torch.multinomial(chances, 1, generator=generator)))
        response = tokenizer.decode(ids[given:]).strip() or "yes"
        rows.append(Row(f"{number:016x}-0", prompt, response))
    return rows
