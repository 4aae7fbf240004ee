"""LoRA weights on a language model through peft: which layers get them, their names, dropout.

The weights start from a seed and dropout is a hash, so that warm-up gives the same on every
device and goes on exactly where it was stopped. The model's own weights are frozen, and the
model is as it was when the adapter is removed. Knows nothing of losses and gradients.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nncift_core.config import LessConfig
from nncift_core.errors import ConfigError, ModelError
from nncift_core.lm.seeds import generator, hashed
from nncift_core.runtime import quiet_bitsandbytes

NAME = "less"
"""The adapter's name inside peft."""

LISTED_LAYERS = 20
"""Layers that an error names."""

_NUMBER = re.compile(r"(^|\.)\d+\.")


def linear_layers(model: nn.Module) -> list[str]:
    """Names of all layers that can get LoRA weights, in the model's order."""
    from transformers.pytorch_utils import Conv1D

    found: dict[str, None] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | Conv1D) and ".lora_" not in name:
            # An adapter that stands beside quantised weights wraps their layer.
            found[name.removesuffix(".base_layer")] = None
    return list(found)


def choose_layers(model: nn.Module, modules: str) -> list[str]:
    """Names of the layers that a setting means.

    Args:
        model: A transformers causal language model.
        modules: ``auto``: all linear layers inside attention modules, which are the projections
            of queries, keys, values and output under whatever names. Else ends of layer names,
            such as ``q_proj`` or ``mlp.down_proj``, separated by commas.

    Raises:
        ConfigError: A name fits no layer, or ``auto`` finds none.
    """
    layers = linear_layers(model)
    if modules.strip() == "auto":
        inside = [name for name in layers if _is_attention(name)]
        if not inside:
            raise ConfigError(
                "No attention projections were found in this model.", _choices(layers)
            )
        return inside
    wanted = [part.strip() for part in modules.split(",") if part.strip()]
    chosen = {part: [name for name in layers if f".{name}".endswith(f".{part}")] for part in wanted}
    missing = [part for part in wanted if not chosen[part]]
    if missing or not wanted:
        what = (
            f"has no linear layer {missing[0]!r}" if missing else "gets no adapter: none is named"
        )
        raise ConfigError(f"The model {what}.", _choices(layers))
    together = {name for names in chosen.values() for name in names}
    return [name for name in layers if name in together]


def _is_attention(name: str) -> bool:
    return any("attn" in part or "attention" in part for part in name.split(".")[:-1])


def _choices(layers: list[str]) -> str:
    """The ends of layer names, without those before the last number."""
    ends: dict[str, None] = {}
    for name in layers:
        ends[_NUMBER.split(name)[-1]] = None
    shown = ", ".join(list(ends)[:LISTED_LAYERS])
    return f"Name layers in --less-modules; its linear layers are: {shown}."


class Adapter:
    """LoRA weights on a model.

    Args:
        model: A transformers causal language model; gets the weights, and its own are frozen.
        settings: Rank, alpha, dropout and layers.
        seed: Of the first weights. As usual, A is uniform within 1 / sqrt(inputs) and B is 0.

    Attributes:
        parameters: The weights by name, names sorted, float32.

    Raises:
        ConfigError: The setting names a layer that the model lacks.
        ModelError: The layers are of a kind that cannot get LoRA weights.
    """

    def __init__(self, model: nn.Module, settings: LessConfig, seed: int) -> None:
        layers = choose_layers(model, settings.modules)
        self._model = model
        self._originals: dict[str, Any] = {name: model.get_submodule(name) for name in layers}
        self._peft_config = getattr(model, "peft_config", None)
        self._state = _DropoutKey()
        self._seed = seed
        # An adapter that belongs to the model stays active beside the new one.
        self._active = _active_adapters(model)
        try:
            self.parameters = self._put_on(settings)
        except BaseException:
            self.remove()
            raise
        self.reset()

    def _put_on(self, settings: LessConfig) -> dict[str, nn.Parameter]:
        """Add the weights with our dropout, and freeze everything else."""
        _inject(self._model, settings, list(self._originals))
        self._activate()
        for name in self._originals:
            layer: Any = self._model.get_submodule(name)
            layer.lora_dropout[NAME] = HashedDropout(
                settings.dropout, hashed(self._seed, name), self._state
            )
            layer.set_adapter([*self._active.get(name, ()), NAME])
        self._model.requires_grad_(False)
        ends = f".lora_A.{NAME}.weight", f".lora_B.{NAME}.weight"
        found = {
            name.removesuffix(f".{NAME}.weight"): weight
            for name, weight in self._model.named_parameters()
            if name.endswith(ends)
        }
        for weight in found.values():
            weight.data = weight.data.float()
            weight.requires_grad_(True)
        return dict(sorted(found.items()))

    def _activate(self) -> None:
        """What was active before is so again, and nothing else."""
        for name, adapters in self._active.items():
            layer: Any = self._model.get_submodule(name)
            layer.set_adapter(adapters)

    def reset(self) -> None:
        """Draw the first weights: the same for the same seed, on every device."""
        with torch.no_grad():
            for name, weight in self.parameters.items():
                start = torch.zeros(weight.shape)
                if name.endswith("lora_A"):
                    bound = weight.shape[1] ** -0.5
                    start.uniform_(-bound, bound, generator=generator(self._seed, "LoRA", name))
                weight.copy_(start)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights by name. Raises: KeyError."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(weights[name])

    def copy(self) -> dict[str, Tensor]:
        """The weights by name, on the CPU."""
        return {name: weight.detach().cpu().clone() for name, weight in self.parameters.items()}

    @contextlib.contextmanager
    def dropping(self, *key: int) -> Iterator[None]:
        """Dropout inside the block; the same key drops the same. Elsewhere there is none."""
        self._state.key = hashed(*key)
        try:
            yield
        finally:
            self._state.key = None

    def remove(self) -> None:
        """Give the model back as it was."""
        for name, original in self._originals.items():
            parent, _, child = name.rpartition(".")
            setattr(self._model.get_submodule(parent), child, original)
            if hasattr(original, "delete_adapter"):
                original.delete_adapter(NAME)
        self._activate()
        self._model.requires_grad_(False)
        if self._peft_config is None and hasattr(self._model, "peft_config"):
            del self._model.peft_config
        elif self._peft_config is not None:
            self._peft_config.pop(NAME, None)


def _active_adapters(model: nn.Module) -> dict[str, list[str]]:
    """By layer, the names of the adapters that act there."""
    quiet_bitsandbytes()  # peft imports bitsandbytes
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {
        name: list(layer.active_adapters)
        for name, layer in model.named_modules()
        if isinstance(layer, BaseTunerLayer)
    }


def _inject(model: nn.Module, settings: LessConfig, layers: list[str]) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    from nncift_core.lm.loading import quiet

    config = LoraConfig(
        r=settings.rank,
        # Whole numbers are what peft expects; it only divides by the rank.
        lora_alpha=settings.alpha,
        # Ours is put in its place.
        lora_dropout=0.0,
        target_modules=layers,
        bias="none",
    )
    try:
        # peft draws first weights of its own, which must not move anybody's random numbers.
        with quiet(), torch.random.fork_rng(devices=[]):
            inject_adapter_in_model(config, model, NAME)
    except ValueError as error:
        raise ModelError(
            f"The layers of this model cannot get LoRA weights: {error}",
            "Choose other layers, or load the model without its quantization.",
        ) from error


class _DropoutKey:
    """What all dropout layers of an adapter look at; None is off."""

    key: int | None = None


class HashedDropout(nn.Module):
    """Dropout whose mask is a hash of a key, of the layer and of the place.

    Args:
        share: Share of the inputs that becomes 0; the others are divided by the rest of it.
        layer: Number that tells layers apart.
        state: Holds the key.
    """

    def __init__(self, share: float, layer: int, state: _DropoutKey) -> None:
        super().__init__()
        self._share, self._layer, self._state = share, layer, state

    def forward(self, values: Tensor) -> Tensor:
        """The values, some of them 0."""
        if self._state.key is None or not self._share:
            return values
        key = hashed(self._layer, self._state.key)
        places = torch.arange(values.numel(), device=values.device).view(values.shape)
        return values * (scrambled(places, key) >= int(self._share * 2**32)) / (1 - self._share)


def scrambled(places: Tensor, key: int) -> Tensor:
    """Numbers from 0 to 2**32 - 1 that look random, one for each int64 place below 2**31.

    Two rounds of multiply and shift, as in the finalisers of common hash functions. Multipliers
    are below 2**31, so that no product leaves int64 and every device computes the same.
    """
    low = 2**32 - 1
    mixed = (places * 0x1E3779B1 + (key & low)) & low
    for multiplier in (0x7FEB352D, 0x31848BAB):
        mixed ^= mixed >> 16
        mixed = (mixed * multiplier) & low
        mixed ^= mixed >> 15
        mixed ^= (key >> 32) & low
    return mixed
