"""The CUDA part of the labelling benchmark: a model of the shape of Llama-3.1-8B, random weights.

Timing only: nothing it scores means anything. In bf16 and in NF4 it gives pairs per second of the
plain way and of the engine, the share of the card's bf16 matrix rate that the engine reaches,
and the seconds that DELIFT would take for 15,000 x 5,000 rows, full and with u = 0.05, beside
what the paper reports for its own model, data and card.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Sequence
from typing import Any

import torch
from labelling_plain import plain_log_probs
from labelling_setup import interleaved, largest_logits, random_model

from nncift_core.lm.loading import LanguageModel
from nncift_core.lm.scoring import Group, ScoringEngine
from nncift_core.types import Row

LARGE: dict[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
    "tie_word_embeddings": False,
    "max_position_embeddings": 8192,
}
MEMORY_MB = 8192
PAIRS = 15_000 * 5_000
LABEL_SHARE = 0.05**2
PAPER_SECONDS = {"full": 65_711, "with NN-CIFT": 211}
"""DELIFT with Llama-3.1-8B in NF4 on Alpaca, as the paper reports it."""


def matrix_rate() -> float:
    """bf16 floating-point operations per second of one large product, the best of ten."""
    size = 8192
    left, right = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(12):
        torch.cuda.synchronize()
        start = time.perf_counter()
        left @ right
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def in_nf4(model: LanguageModel) -> None:
    """Quantise the layers of a model in place, its output head excepted."""
    import bitsandbytes as bnb

    head = model.model.get_output_embeddings()
    for module in list(model.model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Linear) and child is not head:
                small = bnb.nn.Linear4bit(
                    child.in_features,
                    child.out_features,
                    bias=child.bias is not None,
                    compute_dtype=torch.bfloat16,
                    quant_type="nf4",
                )
                small.weight = bnb.nn.Params4bit(
                    child.weight.data.cpu(), requires_grad=False, quant_type="nf4"
                )
                setattr(module, name, small.to("cuda"))
    model.model.is_quantized = True
    torch.cuda.empty_cache()


def operations(model: LanguageModel, groups: Sequence[Group]) -> float:
    """Floating-point operations that the engine's way needs: weights and attention."""
    config = model.model.config
    head = config.hidden_size * config.vocab_size
    body = model.parameters - 2 * head
    total = 0.0
    for prefix, targets in groups:
        start = len(prefix)
        total += 2 * body * start + 2 * config.num_hidden_layers * config.hidden_size * start**2
        for target in targets:
            count = len(target.tokens)
            seen = start * count + count**2 / 2
            total += 2 * body * count + 2 * head * len(target.response)
            total += 4 * config.num_hidden_layers * config.hidden_size * seen
    return total


def one_format(name: str, rows: Sequence[Row], options: argparse.Namespace) -> dict[str, Any]:
    from labelling import PLAIN_SHARE, RATIOS, best_batch, pairs_at

    model = random_model(LARGE, "cuda", torch.bfloat16, MEMORY_MB)
    if name == "nf4":
        in_nf4(model)
    engine = ScoringEngine(model)
    rate = matrix_rate()
    found: dict[str, Any] = {"packs": engine.packs, "matrix_tflops": rate / 1e12}
    for title, ratio in RATIOS.items():
        groups = pairs_at(model, rows, ratio, options.helpers, options.targets)
        fewer = [(prefix, targets[::PLAIN_SHARE]) for prefix, targets in groups]

        def plain(
            batch: int, model: LanguageModel = model, groups: Sequence[Group] = fewer
        ) -> None:
            plain_log_probs(model.model, groups, batch)

        def packed(groups: Sequence[Group] = groups) -> None:
            engine.log_probs_of_groups(groups)

        packed()
        batch = best_batch(plain)
        times = interleaved(
            {"engine": packed, "plain": lambda plain=plain, batch=batch: plain(batch)},  # type: ignore[misc]
            options.repeat,
        )
        pairs = len(groups) * options.targets / times["engine"]
        plain_pairs = sum(len(targets) for _, targets in fewer) / times["plain"]
        found[title] = {
            "plain_batch": batch,
            "engine_pairs_per_second": pairs,
            "plain_pairs_per_second": plain_pairs,
            "speedup": pairs / plain_pairs,
            "share_of_matrix_rate": operations(model, groups) / times["engine"] / rate,
            "engine_logits_mb": largest_logits(model.model, packed),
            "seconds_full": PAIRS / pairs,
            "seconds_with_nn_cift": PAIRS * LABEL_SHARE / pairs,
        }
    return found


def measure(rows: Sequence[Row], options: argparse.Namespace) -> dict[str, Any]:
    """Figures of both formats; random weights, so they are times and nothing else."""
    return {
        "card": torch.cuda.get_device_name(),
        "weights": "random, of the shape of Llama-3.1-8B: timing only",
        "paper_seconds": PAPER_SECONDS,
        **{name: _freed(one_format(name, rows, options)) for name in ("bf16", "nf4")},
    }


def _freed(found: dict[str, Any]) -> dict[str, Any]:
    """The figures, after the model that gave them has left the card."""
    gc.collect()
    torch.cuda.empty_cache()
    return found
