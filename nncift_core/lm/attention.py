"""Attention for packed sequences: many prompts in one pass, each seeing only what it should.

A pass is one sequence of segments. A segment that is a prefix attends to itself and leaves its
keys and values in a store; any other segment attends to the store of its prefix and to itself.
Nothing is padded, no mask spans the whole sequence, and no key is repeated or copied but the
segment's own. Knows nothing of prompts, scores and output heads.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

NAME = "nncift_packed"
"""The name of this attention in the model library, which makes no masks for a new name."""

_pass = threading.local()


class CannotPack(Exception):
    """A model asks its attention for something that is not done here."""


@dataclass(eq=False)
class PrefixStore:
    """Keys and values of one prefix, with room behind them for one segment that follows it.

    Attributes:
        length: Tokens of the prefix.
        room: Most tokens of a segment that follows.
        keys: By layer, ``(n_key_heads, length + room, d)``.
        values: Likewise.
    """

    length: int
    room: int
    keys: dict[int, torch.Tensor] = field(default_factory=dict)
    values: dict[int, torch.Tensor] = field(default_factory=dict)


class Segment(NamedTuple):
    """Tokens ``start`` to ``stop`` of a pass.

    Attributes:
        store: Where a prefix leaves its keys and values, or a follower finds them.
        is_prefix: Which of the two.
    """

    start: int
    stop: int
    store: PrefixStore
    is_prefix: bool


@dataclass(eq=False)
class Pass:
    """What one forward pass is about.

    Attributes:
        segments: In order, without gaps.
        kernel: ``sdpa``, ``flash`` or ``eager``.
        windows: Filled by the pass: the sliding window of each layer that ran, 0 without.
        masks: Filled by the pass: masks of the shapes that occurred.
    """

    segments: Sequence[Segment]
    kernel: str
    windows: dict[int, int] = field(default_factory=dict)
    masks: dict[tuple[int, int, int, int], torch.Tensor] = field(default_factory=dict)


def model_configs(model: torch.nn.Module) -> list[Any]:
    """Every configuration object that a part of the model may look at."""
    found = {id(part.config): part.config for part in model.modules() if hasattr(part, "config")}
    return [each for each in found.values() if hasattr(each, "_attn_implementation_internal")]


@contextlib.contextmanager
def packed(configs: Sequence[Any], plan: Pass) -> Iterator[None]:
    """A model attends by ``plan`` inside, and as before afterwards, whatever happens.

    Args:
        configs: From :func:`model_configs`.
        plan: What its next pass is about.
    """
    _register()
    before = [each._attn_implementation_internal for each in configs]
    outer = getattr(_pass, "plan", None)
    _pass.plan = plan
    try:
        for each in configs:
            each._attn_implementation_internal = NAME
        yield
    finally:
        for each, name in zip(configs, before, strict=True):
            each._attn_implementation_internal = name
        _pass.plan = outer


def choose_kernel(attention: str, device: torch.device, dtype: torch.dtype) -> str:
    """The kernel for a setting ``LanguageModelConfig.attention``."""
    if attention == "eager":
        return "eager"
    half = dtype in (torch.float16, torch.bfloat16)
    installed = importlib.util.find_spec("flash_attn") is not None
    if attention == "flash_attention_2" and device.type == "cuda" and half and installed:
        return "flash"
    return "sdpa"


def _register() -> None:
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, packed_attention)


def packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    is_causal: bool | None = None,
    position_bias: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of all segments of the pass; called by each layer of the model.

    Args:
        module: The layer's attention; tells which layer it is.
        query: ``(1, n_heads, tokens, d)``.
        key: ``(1, n_key_heads, tokens, d)``.
        value: ``(1, n_key_heads, tokens, d_value)``.
        attention_mask: Must be none.
        scaling: Factor of the scores, by default 1/√d.
        dropout: Must be 0.
        sliding_window: A token sees this many, itself included.
        softcap: Scores are squeezed into ± this.
        s_aux: ``(n_heads,)`` score of a key without a value, a sink.
        is_causal: Must not be false.
        position_bias: Must be none.

    Returns:
        ``(1, tokens, n_heads, d_value)`` and no weights.

    Raises:
        CannotPack: Something else is asked for.
    """
    plan: Pass | None = getattr(_pass, "plan", None)
    causal = is_causal if is_causal is not None else getattr(module, "is_causal", True)
    if plan is None or query.shape[0] != 1 or plan.segments[-1].stop != query.shape[2]:
        raise CannotPack("a pass that was not planned")
    if attention_mask is not None or position_bias is not None or dropout or not causal:
        raise CannotPack("a mask, a bias, dropout, or a look ahead")
    layer = int(module.layer_idx)
    if layer in plan.windows:
        raise CannotPack("a layer that runs twice")
    window = int(sliding_window or 0)
    plan.windows[layer] = window
    scale = float(scaling) if scaling is not None else query.shape[-1] ** -0.5
    tokens, heads, groups = query.shape[2], query.shape[1], query.shape[1] // key.shape[1]
    out = query.new_empty(1, tokens, heads, value.shape[-1])
    for segment in plan.segments:
        here = slice(segment.start, segment.stop)
        keys, values = _keys_and_values(segment, layer, key[0, :, here], value[0, :, here])
        if plan.kernel == "flash" and s_aux is None:
            found = _flash(query[0, :, here], keys, values, scale, window, softcap or 0.0)
        else:
            # Heads that share keys stand below each other, so that keys are not repeated.
            folded = query[0, :, here].reshape(key.shape[1], -1, query.shape[-1])
            mask = _mask(plan, folded.shape[1] // groups, keys.shape[1], window, groups, query)
            if plan.kernel == "eager" or softcap or s_aux is not None:
                found = _eager(folded, keys, values, mask, scale, softcap, s_aux)
            else:
                found = torch.nn.functional.scaled_dot_product_attention(
                    folded[None], keys[None], values[None], attn_mask=mask, scale=scale
                )[0]
            found = found.reshape(heads, -1, value.shape[-1]).transpose(0, 1)
        out[0, here] = found
    return out, None


def _keys_and_values(
    segment: Segment, layer: int, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a segment attends to: ``(n_key_heads, tokens, d)`` each, views of its store."""
    store, count = segment.store, segment.stop - segment.start
    if segment.is_prefix:
        for stored, new in ((store.keys, key), (store.values, value)):
            stored[layer] = new.new_empty(new.shape[0], store.length + store.room, new.shape[2])
    start = 0 if segment.is_prefix else store.length
    keys, values = store.keys[layer], store.values[layer]
    keys[:, start : start + count] = key
    values[:, start : start + count] = value
    return keys[:, : start + count], values[:, : start + count]


def _mask(
    plan: Pass, queries: int, keys: int, window: int, groups: int, like: torch.Tensor
) -> torch.Tensor:
    """``(groups · queries, keys)``: 0 where a query sees a key, else -∞; the ends are aligned."""
    shape = (queries, keys, window, groups)
    mask = plan.masks.get(shape)
    if mask is None:
        places = torch.arange(keys, device=like.device)
        ends = places[keys - queries :, None]
        seen = places <= ends
        if window:
            seen &= places > ends - window
        mask = torch.zeros(queries, keys, dtype=like.dtype, device=like.device)
        mask = mask.masked_fill_(~seen, -torch.inf).repeat(groups, 1)
        plan.masks[shape] = mask
    return mask


def _eager(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor,
    scale: float,
    softcap: float | None,
    sinks: torch.Tensor | None,
) -> torch.Tensor:
    scores = (query @ keys.transpose(1, 2)).float() * scale
    if softcap:
        scores = torch.tanh(scores / softcap) * softcap
    scores = scores + mask
    if sinks is None:
        return scores.softmax(-1).to(values.dtype) @ values
    heads = query.shape[0]
    groups = sinks.numel() // heads
    extra = sinks.float().reshape(heads, groups, 1, 1).expand(-1, -1, query.shape[1] // groups, 1)
    weights = torch.cat([scores, extra.reshape(heads, -1, 1)], dim=-1).softmax(-1)
    return weights[..., :-1].to(values.dtype) @ values


def _flash(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    scale: float,
    window: int,
    softcap: float,
) -> torch.Tensor:
    flash_attn_func = importlib.import_module("flash_attn").flash_attn_func

    # Its causal mask is aligned at the ends, and it shares keys among heads by itself.
    found: torch.Tensor = flash_attn_func(
        query.transpose(0, 1)[None],
        keys.transpose(0, 1)[None],
        values.transpose(0, 1)[None],
        softmax_scale=scale,
        causal=True,
        window_size=(window - 1, 0) if window else (-1, -1),
        softcap=softcap,
    )
    return found[0]
