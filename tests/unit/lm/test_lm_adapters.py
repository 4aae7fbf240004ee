"""LoRA adapters on top of a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from nncift_core.config import LanguageModelConfig
from nncift_core.errors import ModelError
from nncift_core.lm.adapters import with_adapter
from nncift_core.lm.loading import model_identity, open_model
from nncift_core.lm.sources import find_adapter

IDS = torch.tensor([[5, 9, 70, 31, 8]])


def adapter_for(model: Path, folder: Path, seed: int = 0) -> Path:
    """An adapter that changes what the model says."""
    plain = AutoModelForCausalLM.from_pretrained(model)
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])
    wrapped = peft.get_peft_model(plain, config)
    torch.manual_seed(seed)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    wrapped.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tiny_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter_for(tiny_models["llama"], tmp_path_factory.mktemp("adapter"))


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found


def test_an_adapter_changes_what_the_model_says(
    tiny_models: dict[str, Path], adapter: Path
) -> None:
    folder = str(tiny_models["llama"])
    plain = open_model(LanguageModelConfig(model=folder))
    adapted = open_model(LanguageModelConfig(model=folder, adapter=str(adapter)))
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    expected = logits(peft.PeftModel.from_pretrained(reference, str(adapter)).eval())
    torch.testing.assert_close(logits(adapted.model), expected, atol=1e-4, rtol=1e-4)
    assert (logits(plain.model) - expected).abs().max() > 0.1
    # Nothing shows that there was one.
    assert type(adapted.model) is type(plain.model)
    assert adapted.parameters == plain.parameters
    assert not any(weight.requires_grad for weight in adapted.model.parameters())
    assert "adapter" in adapted.description


def test_an_adapter_can_stay_beside_the_weights(
    tiny_models: dict[str, Path], adapter: Path
) -> None:
    source = find_adapter(str(adapter))
    folder = tiny_models["llama"]
    merged, beside = (
        with_adapter(AutoModelForCausalLM.from_pretrained(folder), source, merge=merge).eval()
        for merge in (True, False)
    )
    torch.testing.assert_close(logits(merged), logits(beside), atol=1e-4, rtol=1e-4)
    assert any("lora" in name for name, _ in beside.named_parameters())
    assert not any("lora" in name for name, _ in merged.named_parameters())


def test_identity_changes_with_the_adapter(
    tiny_models: dict[str, Path], adapter: Path, tmp_path: Path
) -> None:
    folder = str(tiny_models["llama"])
    other = adapter_for(tiny_models["llama"], tmp_path / "other", seed=1)
    names = ("", str(adapter), str(other))
    found = {model_identity(LanguageModelConfig(model=folder, adapter=name)) for name in names}
    assert len(found) == 3


def refuses(tiny: Path, adapter: Path, pattern: str) -> None:
    with pytest.raises(ModelError, match=pattern):
        open_model(LanguageModelConfig(model=str(tiny), adapter=str(adapter)))


def test_an_adapter_of_another_model(
    tiny_models: dict[str, Path], adapter: Path, tmp_path: Path
) -> None:
    from tests.tiny_lm import make_tiny_model

    deeper = make_tiny_model(tmp_path / "deeper", layers=3)
    refuses(tiny_models["llama"], adapter_for(deeper, tmp_path / "of_deeper"), "does not fit")
    refuses(deeper, adapter, "does not fit")
    refuses(make_tiny_model(tmp_path / "gpt2", "gpt2"), adapter, "adapter")


def test_adapters_that_are_broken_or_no_adapters(
    tiny_models: dict[str, Path], tmp_path: Path, copy_of: Callable[[str], Path]
) -> None:
    tiny = tiny_models["llama"]
    refuses(tiny, tmp_path / "nowhere", r"adapter folder .* does not exist")
    refuses(tiny, copy_of("llama"), "holds no adapter")
    adapter = adapter_for(tiny, tmp_path / "adapter")
    weights = adapter / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    refuses(tiny, adapter, "broken")
    weights.rename(adapter / "adapter_model.bin")
    refuses(tiny, adapter, "pickled weights only")
    weights.write_bytes(whole)
    (adapter / "adapter_config.json").write_text("{}")
    refuses(tiny, adapter, "adapter .* could not be loaded")
