"""Memory: recognising that it ran out, going on with half of the work, planning a pass.

Knows nothing of prompts and scores. torch is imported only when something is measured.
"""

from __future__ import annotations

import contextlib
import gc
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from nncift_core.errors import ModelError

Result = TypeVar("Result")

LEAST_TOKENS = 128
"""A pass of fewer tokens spends its time elsewhere."""

_PHRASES = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "alloc_failed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on whichever device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # CPU and MPS allocators and cuBLAS raise plain RuntimeErrors.
    return isinstance(error, RuntimeError) and any(
        phrase in str(error).lower() for phrase in _PHRASES
    )


def release() -> None:
    """Give unused memory back to the device."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def halving(
    run: Callable[[int], Result], start_size: int, smallest: int = 1, *, advice: str = ""
) -> tuple[Result, int]:
    """``run(size)``, with half the size again and again while memory runs out.

    Args:
        run: Does the work with passes of the given size; may be called several times, so it
            must not keep what an unfinished call did.
        start_size: First size.
        smallest: Size below which it gives up.
        advice: What to do then; empty means the usual advice.

    Returns:
        The result and the size that worked, to start from next time.

    Raises:
        ModelError: Even the smallest size does not fit.
    """
    size = max(start_size, smallest)
    while True:
        try:
            return run(size), size
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if size <= smallest:
                raise ModelError(
                    "The memory of the device does not hold the smallest piece of work.",
                    advice or "Choose a smaller model, a quantization, or a shorter context.",
                ) from error
        # Outside the handler, so that the error's frames and what they hold are gone.
        size = max(smallest, size // 2)
        release()


def tokens_per_pass(config: Any, dtype: Any, memory_mb: int) -> int:
    """Tokens of one forward pass without gradients whose work fits into ``memory_mb``.

    Counts what a layer holds for each token at its peak, and the keys and values of all layers.
    Output logits are not counted: they are made in pieces.

    Args:
        config: The model's configuration.
        dtype: torch dtype that the model computes in.
        memory_mb: Memory in MB besides the weights.

    Returns:
        At least ``LEAST_TOKENS``.
    """
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    hidden = int(text.hidden_size)
    layers = int(text.num_hidden_layers)
    heads = int(text.num_attention_heads)
    shared = int(getattr(text, "num_key_value_heads", None) or heads)
    width = int(getattr(text, "head_dim", None) or hidden // heads)
    inner = _inner(text, hidden)
    values = 4 * hidden + 3 * inner + 2 * (heads + 2 * shared) * width + 2 * layers * shared * width
    # Normalisation and rotary positions are computed in float32, whatever the dtype.
    size = int(dtype.itemsize) * values + 4 * 2 * hidden
    return max(LEAST_TOKENS, int(memory_mb * 1e6) // size)


def _inner(config: Any, hidden: int) -> int:
    for name in ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return 4 * hidden


def free_bytes(device: Any) -> float:
    """Memory that is free on a device, as far as it can be told; infinite where it cannot."""
    if device.type == "cuda":
        import torch

        return float(torch.cuda.mem_get_info(device)[0])
    if device.type == "cpu":
        with contextlib.suppress(OSError, ValueError):
            for line in Path("/proc/meminfo").read_text().splitlines():
                if line.startswith("MemAvailable:"):
                    return float(line.split()[1]) * 1024
    return math.inf


def check_room(name: str, needed: float, device: Any) -> None:
    """Refuse a model whose weights alone are larger than the free memory.

    Raises:
        ModelError: ``needed`` bytes are more than the device has free.
    """
    free = free_bytes(device)
    if needed > free:
        raise ModelError(
            f"The weights of {name!r} need {needed / 1e9:.1f} GB and {device} has "
            f"{free / 1e9:.1f} GB free.",
            "Choose a smaller model, or load it with the quantization nf4.",
        )
