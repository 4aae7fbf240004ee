"""Smaller weights through bitsandbytes, and when gradients can go through them.

On a CPU, bitsandbytes repacks 4-bit weights in place at the first pass of a layer in evaluation
mode; from then on gradients through them are silently wrong (cosine 0.2 to the right ones), also
after ``train()``. So repacked weights are loaded again before gradients, and quantised layers
stay in training mode while gradients are computed, whatever mode the rest of the model is in;
that also gives 8-bit layers on a CPU a pass and a gradient that belong together. Knows nothing
of what is trained.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nncift_core.errors import ModelError

if TYPE_CHECKING:
    import torch

    from nncift_core.lm.loading import LanguageModel


def check_quantization(quantization: str, device: torch.device) -> None:
    """Refuse a quantization that cannot work here.

    Raises:
        ModelError: bitsandbytes is missing or does not know the device.
    """
    if quantization == "none":
        return
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f"The quantization {quantization} needs the package bitsandbytes.",
            "Install it with: pip install bitsandbytes",
        )
    if device.type not in ("cuda", "cpu"):
        raise ModelError(
            f"The quantization {quantization} does not work on {device.type}.",
            "Choose the quantization none, or the device cuda or cpu.",
        )


def quantization_options(
    quantization: str, device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    """What loading needs to be told: nothing for ``none``."""
    if quantization == "none":
        return {}
    from transformers import BitsAndBytesConfig

    if quantization == "nf4":
        config = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    else:
        config = BitsAndBytesConfig(load_in_8bit=True)
    return {"quantization_config": config, "device_map": {"": device}}


def is_quantized(model: Any) -> bool:
    """Whether a model's weights are quantised, by us or by whoever made it."""
    return bool(getattr(model, "is_quantized", False))


def is_repacked(model: Any) -> bool:
    """Whether weights were rearranged for passes without gradients, so that gradients are wrong."""
    return any(
        getattr(getattr(layer.weight, "quant_state", None), "packing_format_for_cpu", False)
        for layer in _quantized_layers(model)
    )


def ready_for_training(language_model: LanguageModel) -> LanguageModel:
    """The same model, safe for gradients inside ``gradient_mode``.

    Returns:
        The model itself where its weights are as they were loaded; one with repacked weights is
        loaded again, and the given one stays as it is.

    Raises:
        ModelError: It cannot be loaded again.
    """
    if not is_repacked(language_model.model):
        return language_model
    from nncift_core.lm.loading import open_model

    return open_model(language_model.settings)


@contextlib.contextmanager
def gradient_mode(model: Any) -> Iterator[None]:
    """The model in evaluation mode, but its quantised layers in training mode.

    Raises:
        ModelError: Weights were repacked: see ``ready_for_training``.
    """
    if is_repacked(model):
        raise ModelError(
            "The quantised weights were rearranged for scoring and give wrong gradients.",
            "Open the model again.",
        )
    before = {module: module.training for module in model.modules()}
    model.eval()
    for layer in _quantized_layers(model):
        layer.train()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


def _quantized_layers(model: Any) -> list[Any]:
    """Layers of bitsandbytes; the package is not imported where there can be none."""
    if not is_quantized(model) or importlib.util.find_spec("bitsandbytes") is None:
        return []
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

    kinds = (Linear4bit, Linear8bitLt)
    return [module for module in model.modules() if isinstance(module, kinds)]
