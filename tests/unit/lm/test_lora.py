"""LoRA weights: which layers, under which names, and the model as it was afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from nncift_core.config import LanguageModelConfig, LessConfig
from nncift_core.errors import ConfigError, ModelError
from nncift_core.lm.loading import open_model
from nncift_core.lm.lora import Adapter, choose_layers, linear_layers, scrambled
from tests.tiny_lm import make_config

SETTINGS = LessConfig(rank=4, alpha=16.0)
IDS = torch.tensor([[5, 9, 70, 31, 8]])
LLAMA = [f"model.layers.{n}.self_attn.{p}_proj" for n in range(2) for p in "qkvo"]


def family(name: str) -> Any:
    return AutoModelForCausalLM.from_config(make_config(name, vocab=100, positions=64))


@pytest.fixture
def model(tiny_models: dict[str, Path]) -> Any:
    return open_model(LanguageModelConfig(model=str(tiny_models["llama"]), device="cpu")).model


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("llama", ["q_proj", "k_proj", "v_proj", "o_proj"]),
        ("qwen2", ["q_proj", "k_proj", "v_proj", "o_proj"]),
        ("phi3", ["o_proj", "qkv_proj"]),
        ("gemma2", ["q_proj", "k_proj", "v_proj", "o_proj"]),
        ("gemma3_text", ["q_proj", "k_proj", "v_proj", "o_proj"]),
        ("gpt2", ["c_attn", "c_proj"]),
        ("gpt_neox", ["query_key_value", "dense"]),
        ("bloom", ["query_key_value", "dense"]),
    ],
)
def test_auto_means_the_attention_projections(name: str, ends: list[str]) -> None:
    found = choose_layers(family(name), "auto")
    assert sorted({layer.rpartition(".")[2] for layer in found}) == sorted(ends)
    assert len(found) == 2 * len(ends)
    assert not any("mlp" in layer for layer in found)


def test_layers_can_be_named() -> None:
    llama = family("llama")
    assert choose_layers(llama, "q_proj, layers.1.mlp.down_proj") == [
        "model.layers.0.self_attn.q_proj",
        "model.layers.1.self_attn.q_proj",
        "model.layers.1.mlp.down_proj",
    ]
    # Whole parts of names only.
    with pytest.raises(ConfigError, match="no linear layer 'proj'"):
        choose_layers(llama, "proj")
    # GPT-2 has two layers of one name.
    gpt2 = family("gpt2")
    assert len(choose_layers(gpt2, "c_proj")) == 4
    assert len(choose_layers(gpt2, "attn.c_proj")) == 2


def test_an_unknown_layer_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        choose_layers(family("phi3"), "o_proj,q_proj")
    assert "'q_proj'" in caught.value.message
    for name in ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.down_proj", "lm_head"):
        assert name in caught.value.hint
    assert "layers.0" not in caught.value.hint
    with pytest.raises(ConfigError, match="none is named"):
        choose_layers(family("phi3"), " , ")


def test_a_model_without_attention_layers_asks_for_names() -> None:
    with pytest.raises(ConfigError, match=r"No attention projections.*--less-modules"):
        choose_layers(torch.nn.Sequential(torch.nn.Linear(2, 2)), "auto")


def test_a_new_adapter_changes_nothing_yet_and_leaves_nothing(model: Any) -> None:
    expected = logits(model)
    names = [name for name, _ in model.named_modules()]
    kept = set(dir(model))
    adapter = Adapter(model, SETTINGS, 0)
    torch.testing.assert_close(logits(model), expected)
    with torch.no_grad():
        for weight in adapter.parameters.values():
            weight.add_(0.1)
    assert (logits(model) - expected).abs().max() > 0.01
    adapter.remove()
    assert torch.equal(logits(model), expected)
    assert [name for name, _ in model.named_modules()] == names
    assert set(dir(model)) == kept
    # And again, without a word of a second adapter.
    Adapter(model, SETTINGS, 0).remove()
    assert torch.equal(logits(model), expected)


def test_a_failure_half_way_leaves_nothing(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = logits(model)
    names = [name for name, _ in model.named_modules()]

    def refuse(*_: Any, **__: Any) -> Any:
        raise ValueError("Target module is not supported")

    with monkeypatch.context() as patch:
        patch.setattr(peft.tuners.lora.Linear, "update_layer", refuse)
        with pytest.raises(ModelError, match="cannot get LoRA weights: Target module"):
            Adapter(model, SETTINGS, 0)
    with monkeypatch.context() as patch:
        patch.setattr("nncift_core.lm.lora.HashedDropout", refuse)
        with pytest.raises(ValueError, match="not supported"):
            Adapter(model, SETTINGS, 0)
    assert [name for name, _ in model.named_modules()] == names
    assert torch.equal(logits(model), expected)
    assert not any(weight.requires_grad for weight in model.parameters())
    Adapter(model, SETTINGS, 0).remove()


def test_weights_are_named_sorted_float32_and_alone_trained(model: Any) -> None:
    half = model.to(torch.bfloat16)
    adapter = Adapter(half, SETTINGS, 0)
    expected = [f"{layer}.lora_{part}" for layer in LLAMA for part in "AB"]
    assert list(adapter.parameters) == sorted(expected)
    assert {weight.dtype for weight in adapter.parameters.values()} == {torch.float32}
    assert adapter.parameters["model.layers.0.self_attn.k_proj.lora_A"].shape == (4, 32)
    assert adapter.parameters["model.layers.0.self_attn.k_proj.lora_B"].shape == (16, 4)
    wanting = {id(weight) for weight in half.parameters() if weight.requires_grad}
    assert wanting == {id(weight) for weight in adapter.parameters.values()}
    logits(half)


def test_first_weights_depend_on_the_seed_alone(model: Any) -> None:
    state = torch.random.get_rng_state()
    first = Adapter(model, SETTINGS, 0)
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = first.copy()
    for name, weight in weights.items():
        if name.endswith("lora_B"):
            assert not weight.any()
        else:
            assert 0.8 < weight.abs().max() * weight.shape[1] ** 0.5 <= 1
    with torch.no_grad():
        for parameter in first.parameters.values():
            parameter.add_(1)
    first.reset()
    assert all(torch.equal(first.copy()[name], weight) for name, weight in weights.items())
    first.remove()
    other = Adapter(model, SETTINGS, 1)
    assert not torch.equal(other.copy()[f"{LLAMA[0]}.lora_A"], weights[f"{LLAMA[0]}.lora_A"])
    other.load(weights)
    assert all(torch.equal(other.copy()[name], weight) for name, weight in weights.items())


def test_a_rank_above_the_layer_is_fine(model: Any) -> None:
    adapter = Adapter(model, LessConfig(rank=128), 0)
    assert adapter.parameters[f"{LLAMA[0]}.lora_A"].shape == (128, 32)
    logits(model)


def test_it_stands_beside_an_adapter_of_the_model(model: Any) -> None:
    """As it does where an adapter cannot be merged, since the weights are quantised."""
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    peft.inject_adapter_in_model(config, model)
    expected = logits(model)
    assert [name for name in linear_layers(model) if "lora" in name or "base_layer" in name] == []
    adapter = Adapter(model, SETTINGS, 0)
    assert list(adapter.parameters) == sorted(f"{la}.lora_{p}" for la in LLAMA for p in "AB")
    torch.testing.assert_close(logits(model), expected)
    wanting = {id(weight) for weight in model.parameters() if weight.requires_grad}
    assert wanting == {id(weight) for weight in adapter.parameters.values()}
    adapter.remove()
    assert torch.equal(logits(model), expected)
    assert set(model.peft_config) == {"default"}


def test_dropout_is_off_outside_and_the_same_for_the_same_key(model: Any) -> None:
    adapter = Adapter(model, LessConfig(rank=4, dropout=0.5), 0)
    with torch.no_grad():
        for weight in adapter.parameters.values():
            weight.add_(0.1)
    # Not even a model in training mode drops anything outside the block.
    model.train()
    still = logits(model)
    model.eval()
    assert torch.equal(logits(model), still)
    with adapter.dropping(0, 1, 2):
        first = logits(model)
    with adapter.dropping(0, 1, 3):
        other = logits(model)
    with adapter.dropping(0, 1, 2):
        torch.manual_seed(1)
        assert torch.equal(logits(model), first)
    assert (first - still).abs().max() > 0.01 < (first - other).abs().max()
    assert torch.equal(logits(model), still)


def test_dropout_keeps_the_share_and_the_mean(model: Any) -> None:
    adapter = Adapter(model, LessConfig(rank=4, dropout=0.1), 0)
    layers = [model.get_submodule(name).lora_dropout["less"] for name in LLAMA[:2]]
    values = torch.ones(300, 200)
    with adapter.dropping(7):
        first, second = (layer(values) for layer in layers)
    assert float((first == 0).float().mean()) == pytest.approx(0.1, abs=0.005)
    assert float(first.max()) == pytest.approx(1 / 0.9)
    # Two layers drop independently: 1 of 100 in both.
    both = ((first == 0) & (second == 0)).float().mean()
    assert float(both) == pytest.approx(0.01, abs=0.002)
    # Neighbours, too, in rows and in columns.
    for near in ((first[1:] == 0) & (first[:-1] == 0), (first[:, 1:] == 0) & (first[:, :-1] == 0)):
        assert float(near.float().mean()) == pytest.approx(0.01, abs=0.002)


def test_hashes_are_spread_evenly() -> None:
    found = scrambled(torch.arange(1 << 16), key=12345678901234567)
    assert 0 <= int(found.min()) and int(found.max()) < 2**32
    counts = torch.bincount(found >> 24, minlength=256).double()
    # 255 degrees of freedom: 255 ± 22.6.
    assert 150 < float(((counts - 256) ** 2 / 256).sum()) < 360
