"""How prompts can go through a language model, and whether a way gives the right values.

No list of model families is kept: what a family needs shows in a small trial, and in the few
settings whose effect would only show in longer prompts than a trial has. Knows no engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nncift_core.lm.heads import Head
from nncift_core.lm.packing import Target
from nncift_core.types import FloatArray


class Way(NamedTuple):
    """How prompts go through a model.

    Attributes:
        packs: Shared prefixes and packed targets, or one whole prompt at a time.
        head: How logits are made.
    """

    packs: bool
    head: Head


WAYS = (
    Way(True, "pieces"),
    Way(True, "kept"),
    Way(False, "pieces"),
    Way(False, "kept"),
    Way(False, "full"),
)
"""From the fastest to the one that every model can go."""

CLOSE = 1e-4
"""Largest difference of log-probabilities in float32; 19 tiny families stay below 2e-5."""

SHARE = 0.2
"""Largest error in half precision, as a share of what the prefix changes."""


def trial_group(vocabulary: int, context: int) -> tuple[list[int], list[Target]]:
    """A prefix of random tokens with two targets of different lengths, at most ``context``."""
    rng = np.random.default_rng(0)

    def draw(most: int, share: int) -> tuple[int, ...]:
        count = max(1, min(most, context // share))
        return tuple(rng.integers(vocabulary, size=count).tolist())

    prefix = list(draw(40, 2))
    return prefix, [Target(draw(12, 4), draw(7, 8)), Target(draw(5, 8), draw(4, 8))]


def agree(found: FloatArray, reference: FloatArray, bare: FloatArray, rounding: float) -> bool:
    """Whether log-probabilities are those of the plain forward pass.

    Args:
        found: ``(n,)``.
        reference: ``(n,)`` of the plain pass.
        bare: ``(n,)`` of the plain pass without the prefix: what a way that loses the prefix
            would give.
        rounding: Relative error of one number; 0 for float32.
    """
    error = np.abs(found - reference)
    largest = float(np.abs(reference).max())
    if not rounding:
        return bool(error.max() <= CLOSE * max(1.0, largest / 10))
    effect = float(np.sqrt(np.mean((bare - reference) ** 2)))
    return float(np.sqrt(np.mean(error**2))) <= max(SHARE * effect, rounding * largest)


def may_pack(config: Any, windows: Mapping[int, int], context: int) -> bool:
    """Whether what the layers asked for in a trial is all there is, in longer prompts too.

    Args:
        config: The model's configuration.
        windows: By layer that asked for attention, its sliding window, 0 without.
        context: Most tokens of a prompt.
    """
    text = config.get_text_config()
    layers = int(text.num_hidden_layers)
    if sorted(windows) != list(range(layers)):
        return False  # Some layers do without, such as state-space ones.
    window = getattr(text, "sliding_window", None) or context
    if getattr(text, "use_sliding_window", True) is False:
        window = context
    usual = "sliding_attention" if window < context else "full_attention"
    kinds = list(getattr(text, "layer_types", None) or [usual] * layers)
    chunk = getattr(text, "attention_chunk_size", None) or context
    for layer, kind in enumerate(kinds[:layers]):
        slides = kind == "sliding_attention" and window < context
        if slides != (0 < windows[layer] < context):
            return False  # The window is only in masks, which are not made here.
        if kind not in ("sliding_attention", "full_attention") and chunk < context:
            return False
    return fixed_positions(text, context)


def fixed_positions(config: Any, context: int) -> bool:
    """Whether positions are encoded alike, however long the longest prompt of a pass is."""
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    for each in (rope, *(value for value in rope.values() if isinstance(value, dict))):
        kind = each.get("rope_type", each.get("type", "default"))
        first = each.get("original_max_position_embeddings") or getattr(
            config, "original_max_position_embeddings", None
        )
        most = first if kind == "longrope" else getattr(config, "max_position_embeddings", None)
        if kind in ("dynamic", "longrope") and context > (most or 0):
            return False
    return True
