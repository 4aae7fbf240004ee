"""Weights from bitsandbytes: right gradients before and after scoring, or none.

On a CPU with AVX512-BF16 a pass in evaluation mode rearranges 4-bit weights, and gradients through
them are silently wrong from then on: that this is so is tested, too, or the guard would guard
nothing.
"""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from typing import Any

import bitsandbytes
import numpy as np
import peft
import pytest
import torch
from bitsandbytes.functional import dequantize_4bit, has_avx512bf16
from bitsandbytes.nn import Linear4bit, Linear8bitLt
from transformers import AutoConfig, AutoModelForCausalLM

from nncift_core.config import LanguageModelConfig, LessConfig
from nncift_core.errors import ModelError
from nncift_core.influence import create
from nncift_core.lm import quantization
from nncift_core.lm.gradients import RowGradients, tokenize
from nncift_core.lm.loading import LanguageModel, open_model
from nncift_core.lm.lora import Adapter
from nncift_core.lm.quantization import (
    check_quantization,
    gradient_mode,
    is_repacked,
    ready_for_training,
)
from nncift_core.types import Row
from tests.tiny_lm import make_rows, make_tokenizer, rare_tokens, scale_weights

SETTINGS = LessConfig(
    epochs=2, learning_rate=2e-3, batch_rows=4, rank=4, alpha=16.0, dimensions=128
)
repacks = pytest.mark.skipif(
    not has_avx512bf16(), reason="weights are rearranged on processors with AVX512-BF16 only"
)
KINDS = ("nf4", "int8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama wide enough for blocks of 64 weights."""
    folder = tmp_path_factory.mktemp("wide")
    tokenizer = make_tokenizer()
    config = AutoConfig.for_model(
        "llama",
        vocab_size=len(tokenizer) + 8,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    scale_weights(model, 0, rare=rare_tokens(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[Row]:
    return make_rows(folder, 8)


def opened(folder: Path, kind: str = "none", **more: str) -> LanguageModel:
    return open_model(
        LanguageModelConfig(model=str(folder), quantization=kind, device="cpu", **more)
    )


@pytest.fixture(scope="module")
def dequantised(folder: Path) -> dict[str, LanguageModel]:
    """By kind, plain float32 models with the values that the quantised weights stand for."""
    found = {}
    for kind in KINDS:
        plain, small = opened(folder), opened(folder, kind)
        for name, layer in small.model.named_modules():
            weight = plain.model.get_submodule(name)
            if isinstance(layer, Linear4bit):
                values = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
                weight.weight.data = values.float()
            elif isinstance(layer, Linear8bitLt):
                values = layer.weight.data.float() * layer.weight.SCB[:, None]
                weight.weight.data = values / 127
        found[kind] = plain
    return found


def gradient(language_model: LanguageModel, row: Row) -> torch.Tensor:
    """Of all LoRA weights, at random ones."""
    adapter = Adapter(language_model.model, SETTINGS, 0)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in adapter.parameters.values():
            weight.copy_(0.1 * torch.randn(weight.shape, generator=draw))
    tokens = tokenize(language_model.prompter, row)
    _, found = RowGradients(language_model, adapter.parameters)(tokens)
    adapter.remove()
    return torch.cat([part.reshape(-1) for part in found.values()]).double()


def guarded(language_model: LanguageModel, row: Row) -> torch.Tensor:
    ready = ready_for_training(language_model)
    with gradient_mode(ready.model):
        return gradient(ready, row)


def cosine(left: torch.Tensor, right: torch.Tensor) -> float:
    return float(left @ right / left.norm() / right.norm())


def scored(language_model: LanguageModel) -> torch.Tensor:
    """An evaluation pass, as scoring makes it."""
    with torch.inference_mode():
        logits: torch.Tensor = language_model.model(torch.tensor([[5, 9, 70, 31]])).logits
    return logits.clone()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_dequantised_weights(
    folder: Path, rows: list[Row], dequantised: dict[str, LanguageModel], kind: str
) -> None:
    expected = gradient(dequantised[kind], rows[0])
    language_model = opened(folder, kind)
    # Before scoring nothing has to be loaded again.
    assert ready_for_training(language_model) is language_model
    assert cosine(guarded(language_model, rows[0]), expected) >= 0.999
    # After it, and after both again.
    for _ in range(2):
        before = scored(language_model)
        assert cosine(guarded(language_model, rows[0]), expected) >= 0.999
        assert torch.equal(scored(language_model), before)
    # The weights that are compared with are not those before quantisation.
    if kind == "nf4":
        assert cosine(gradient(opened(folder), rows[0]), expected) < 0.99


@repacks
@pytest.mark.filterwarnings("ignore:bitsandbytes")
def test_without_the_reload_they_are_silently_wrong(
    folder: Path,
    rows: list[Row],
    dequantised: dict[str, LanguageModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = gradient(dequantised["nf4"], rows[0])
    language_model = opened(folder, "nf4")
    assert not is_repacked(language_model.model)
    scored(language_model)
    assert is_repacked(language_model.model)
    with (
        pytest.raises(ModelError, match="wrong gradients"),
        gradient_mode(language_model.model),
    ):
        pass
    reloaded = ready_for_training(language_model)
    assert reloaded is not language_model and not is_repacked(reloaded.model)
    assert reloaded.identity == language_model.identity
    monkeypatch.setattr(quantization, "is_repacked", lambda model: False)
    assert cosine(guarded(language_model, rows[0]), expected) < 0.9
    # Nor does training mode help.
    language_model.model.train()
    assert cosine(gradient(language_model, rows[0]), expected) < 0.9


@repacks
def test_gradient_mode_keeps_scoring_passes_from_spoiling_weights(
    folder: Path, rows: list[Row]
) -> None:
    language_model = opened(folder, "nf4")
    modes = [module.training for module in language_model.model.modules()]
    with gradient_mode(language_model.model):
        scored(language_model)
        layers = [m for m in language_model.model.modules() if isinstance(m, Linear4bit)]
        assert layers and all(layer.training for layer in layers)
        assert not language_model.model.training
    assert not is_repacked(language_model.model)
    assert [module.training for module in language_model.model.modules()] == modes


def test_plain_weights_are_left_alone(folder: Path) -> None:
    language_model = opened(folder)
    language_model.model.train()
    assert ready_for_training(language_model) is language_model
    with gradient_mode(language_model.model):
        assert not any(module.training for module in language_model.model.modules())
    assert all(module.training for module in language_model.model.modules())


@pytest.mark.parametrize("kind", KINDS)
def test_less_is_that_of_the_dequantised_weights(
    folder: Path, rows: list[Row], dequantised: dict[str, LanguageModel], kind: str
) -> None:
    """Warm-up and features, on a model that scored before and scores afterwards."""

    def influence(model: Any) -> np.ndarray:
        less = create("less", model=model, settings=SETTINGS, pool=rows)
        found: np.ndarray = less.matrix(rows[:3], rows[3:])
        return found

    expected = influence(dequantised[kind])
    language_model = opened(folder, kind)
    before = scored(language_model)
    found = influence(language_model)
    assert np.abs(found - expected).max() <= 1e-3
    assert torch.equal(scored(language_model), before)
    assert not any("lora" in name for name, _ in language_model.model.named_modules())
    settings = LanguageModelConfig(model=str(folder), quantization=kind, device="cpu")
    assert np.array_equal(influence(settings), found)


def test_an_adapter_beside_quantised_weights_stays(
    folder: Path, rows: list[Row], tmp_path: Path
) -> None:
    plain = AutoModelForCausalLM.from_pretrained(folder)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        peft.get_peft_model(plain, config).save_pretrained(tmp_path)
    adapted = opened(folder, "nf4", adapter=str(tmp_path))
    spare = copy.copy(ready_for_training(adapted))
    with gradient_mode(spare.model):
        logits = scored(spare)
        with_adapter = gradient(spare, rows[0])
        assert torch.equal(scored(spare), logits)
    bare = guarded(opened(folder, "nf4"), rows[0])
    assert with_adapter.shape == bare.shape
    assert cosine(with_adapter, bare) < 0.99


def test_bitsandbytes_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bitsandbytes is not None
    check_quantization("none", torch.device("mps"))
    check_quantization("nf4", torch.device("cpu"))
    with pytest.raises(ModelError, match="does not work on mps"):
        check_quantization("int8", torch.device("mps"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs the package.*pip install bitsandbytes"):
        check_quantization("nf4", torch.device("cpu"))
