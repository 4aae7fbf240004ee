"""Opening a model: what it says of itself, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForMaskedLM

from nncift_core.config import LanguageModelConfig
from nncift_core.errors import ModelError
from nncift_core.lm import memory
from nncift_core.lm.loading import LanguageModel, model_identity, open_model
from tests.tiny_lm import CHATS, make_tiny_model, make_tokenizer, scale_weights

CopyOf = Callable[[str], Path]


def opened(folder: Path, **settings: Any) -> LanguageModel:
    return open_model(LanguageModelConfig(model=str(folder), **settings))


def refuses(folder: Path, pattern: str, **settings: Any) -> None:
    with pytest.raises(ModelError, match=pattern) as caught:
        opened(folder, **settings)
    assert caught.value.hint


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_an_opened_model_says_what_it_is(tiny_models: dict[str, Path]) -> None:
    model = opened(tiny_models["llama"])
    assert model.device.type == "cpu" and model.dtype == torch.float32
    assert model.context == 256
    assert model.parameters == sum(weight.numel() for weight in model.model.parameters())
    assert model.prompter.frame.name == "plain"
    assert model.description == "Llama, 0.0 M parameters, float32, cpu, sdpa"
    assert not model.model.training
    assert not any(weight.requires_grad for weight in model.model.parameters())
    assert opened(tiny_models["qwen2"]).prompter.frame.name == "chat"


def test_settings_decide_how_it_is_opened(tiny_models: dict[str, Path]) -> None:
    folder = tiny_models["qwen2"]
    model = opened(folder, dtype="bfloat16", attention="eager", template="plain", context=100)
    assert model.dtype == torch.bfloat16
    assert next(model.model.parameters()).dtype == torch.bfloat16
    assert (model.context, model.prompter.frame.name) == (100, "plain")
    assert "bfloat16" in model.description and "eager" in model.description
    # It cannot read more than it was made for.
    assert opened(folder, context=10_000).context == 256


def test_the_tokenizers_own_limit_counts(copy_of: CopyOf, change_json: Any) -> None:
    folder = copy_of("llama")
    change_json(folder / "tokenizer_config.json", model_max_length=40)
    assert opened(folder).context == 40
    change_json(folder / "tokenizer_config.json", model_max_length=10**30)
    assert opened(folder).context == 256


def test_identity_is_known_before_and_after_opening(tiny_models: dict[str, Path]) -> None:
    settings = LanguageModelConfig(model=str(tiny_models["qwen2"]))
    assert model_identity(settings) == open_model(settings).identity
    changed = [
        replace(settings, template="plain"),
        replace(settings, dtype="bfloat16"),
        replace(settings, context=77),
        replace(settings, quantization="nf4"),
        replace(settings, model=str(tiny_models["llama"])),
    ]
    found = {model_identity(one) for one in [settings, *changed]}
    assert len(found) == 1 + len(changed)
    for same in (
        replace(settings, memory_mb=64),
        replace(settings, attention="eager"),
        replace(settings, dtype="float32"),
        replace(settings, device="cpu"),
    ):
        assert model_identity(same) == model_identity(settings)


# Templates


def test_templates_that_cannot_be_used(copy_of: CopyOf) -> None:
    refuses(copy_of("llama"), "no chat template.*'plain'", template="chat")
    qwen2 = copy_of("qwen2")
    (qwen2 / "chat_template.jinja").write_text(CHATS["raises"].template)
    refuses(qwen2, "this template is broken")
    assert opened(qwen2, template="plain").prompter.frame.name == "plain"
    (qwen2 / "chat_template.jinja").write_text("{{ unclosed")
    refuses(qwen2, "cannot be rendered")


# Broken models


def test_logits_that_are_not_numbers(copy_of: CopyOf) -> None:
    folder = copy_of("llama")
    change_weights(folder, lambda weights: weights["model.norm.weight"].fill_(float("nan")))
    refuses(folder, "not numbers.*float32")


def test_weights_that_are_missing_or_of_another_shape(copy_of: CopyOf, change_json: Any) -> None:
    folder = copy_of("llama")
    name = "model.layers.1.mlp.up_proj.weight"
    change_weights(folder, lambda weights: weights.__delitem__(name))
    refuses(folder, f"incomplete: {name} is missing")
    qwen2 = copy_of("qwen2")
    change_json(qwen2 / "config.json", intermediate_size=48)
    refuses(qwen2, "do not have the shapes")


@pytest.mark.parametrize("keep", [100, -5000])
def test_a_torn_weight_file(copy_of: CopyOf, keep: int) -> None:
    folder = copy_of("llama")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    refuses(folder, "broken.*again")


def test_a_shard_that_is_missing(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    make_tiny_model(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    model.save_pretrained(tmp_path, max_shard_size="60KB")
    assert opened(tmp_path)
    sorted(tmp_path.glob("model-*.safetensors"))[-1].unlink()
    refuses(tmp_path, "safetensors")


def test_a_tokenizer_of_another_model(copy_of: CopyOf) -> None:
    folder = copy_of("llama")
    make_tokenizer(vocab=450).save_pretrained(folder)
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    assert len(make_tokenizer(vocab=450)) > rows
    refuses(folder, "belongs to another model")


def test_a_chat_template_with_tokens_that_the_model_lacks(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path, "qwen2", chat_template="chatml")
    tokenizer = make_tokenizer(chat_template="chatml")
    extra = [f"<|more_{number}|>" for number in range(8)]
    tokenizer.add_special_tokens({"additional_special_tokens": [*extra, "<|begin|>"]})
    tokenizer.chat_template = "<|begin|>" + CHATS["chatml"].template
    tokenizer.save_pretrained(folder)
    refuses(folder, "belongs to another model")


def test_a_folder_without_a_tokenizer(copy_of: CopyOf) -> None:
    folder = copy_of("llama")
    for path in folder.glob("*token*"):
        path.unlink()
    refuses(folder, "tokenizer")


def bert(folder: Path) -> Path:
    """An encoder, with a tokenizer whose tokens it knows."""
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    tokenizer = make_tokenizer()
    config = AutoConfig.for_model(
        "bert",
        vocab_size=len(tokenizer),
        intermediate_size=64,
        max_position_embeddings=128,
        **shape,
    )
    model = AutoModelForMaskedLM.from_config(config)
    scale_weights(model, seed=0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_an_encoder_is_no_causal_model(tmp_path: Path, change_json: Any) -> None:
    folder = bert(tmp_path)
    refuses(folder, "not a causal language model")
    # It says that it continues text; but it looks ahead.
    change_json(folder / "config.json", architectures=["BertLMHeadModel"])
    refuses(folder, "not a causal language model")
    # Without a head.
    change_json(folder / "config.json", architectures=["BertModel"])
    change_weights(folder, lambda weights: [weights.pop(n) for n in list(weights) if "cls" in n])
    refuses(folder, "not a causal language model")


def test_code_that_a_model_brings_is_not_run(copy_of: CopyOf, change_json: Any) -> None:
    folder = copy_of("llama")
    (folder / "modeling_own.py").write_text("raise SystemExit('this code was run')\n")
    change_json(
        folder / "config.json",
        model_type="own",
        architectures=["OwnForCausalLM"],
        auto_map={
            "AutoConfig": "modeling_own.OwnConfig",
            "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
        },
    )
    refuses(folder, "Python code of its own, which is not run.*trust_remote_code")


def test_a_kind_of_model_that_nobody_knows(copy_of: CopyOf, change_json: Any) -> None:
    folder = copy_of("llama")
    change_json(folder / "config.json", model_type="of_the_future", architectures=["Future"])
    refuses(folder, "does not know the kind of model")


def test_settings_that_are_no_json(copy_of: CopyOf) -> None:
    folder = copy_of("llama")
    (folder / "config.json").write_text("{")
    refuses(folder, "could not be loaded|broken|not valid")


# The machine


def test_settings_that_this_machine_cannot_meet(tiny_models: dict[str, Path]) -> None:
    folder = tiny_models["llama"]
    refuses(folder, "FlashAttention is not available on cpu", attention="flash_attention_2")
    refuses(folder, "device 'tpu' is unknown", device="tpu")
    if not torch.cuda.is_available():
        refuses(folder, "no CUDA device", device="cuda")


def test_weights_larger_than_the_free_memory(
    monkeypatch: pytest.MonkeyPatch, tiny_models: dict[str, Path]
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 100_000.0)
    refuses(tiny_models["llama"], r"need 0\.0 GB and cpu has 0\.0 GB free")
    opened(tiny_models["llama"], dtype="bfloat16")
