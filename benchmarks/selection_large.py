"""Selection from a pool whose influence matrix fits in no memory: 1,000,000 x 20,000.

    python benchmarks/selection_large.py [--pool 1000000] [--target 20000] [--sample 20000]

Influence is a product of unit vectors of 384 dimensions, computed block by block by the predictor
of the product (``Predictor`` on 384 factors), as it would be for a trained estimator. The vectors
imitate embeddings of instruction data: topics of unlike size (Zipf, 2,000 of them), phrasings
around each topic (20,000), rows around the phrasings; targets fall into a tenth of the topics.
Budget: 10 % of the pool, FL (target) with rounds, optimizer ``sparse``. Peak memory is that of
this process.

On a sample of the pool, with the same targets, the exact order is affordable: there each optimizer
is valued by the whole matrix, as a ratio to exact greedy. For ``partitioned`` a third of the
matrix fits in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from nncift_core.network.predict import Predictor, Projected
from nncift_core.runtime import versions
from nncift_core.selection import Matrices, maximise, partitioned, random_selection, value
from nncift_core.selection.scaled import ScaledSource
from nncift_core.types import FloatArray

RESULT = Path(__file__).parent / "results" / "selection_large.json"
WIDTH, TOPICS, PHRASINGS = 384, 2_000, 20_000
LO, HI = -0.3, 1.0
"""The ends of the common scale; a run takes those of its training labels."""

BUDGET_SHARE = 0.1


def unit(vectors: FloatArray) -> FloatArray:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def vectors(n_pool: int, n_target: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Unit vectors of pool and targets, float32, made block by block."""
    draw = np.random.default_rng(seed)
    noise = np.float32(1.0 / np.sqrt(WIDTH))
    share = 1.0 / np.arange(1, TOPICS + 1)
    centres = unit(draw.standard_normal((TOPICS, WIDTH), dtype=np.float32))
    topic = draw.choice(TOPICS, size=PHRASINGS, p=share / share.sum())
    spread = draw.standard_normal((PHRASINGS, WIDTH), dtype=np.float32)
    phrasings = unit(centres[topic] + np.float32(0.7) * noise * spread)

    def around(places: np.ndarray) -> FloatArray:
        found = np.empty((len(places), WIDTH), dtype=np.float32)
        for start in range(0, len(places), 50_000):
            part = places[start : start + 50_000]
            more = draw.standard_normal((len(part), WIDTH), dtype=np.float32)
            found[start : start + len(part)] = unit(
                phrasings[part] + np.float32(0.8) * noise * more
            )
        return found

    pool = around(draw.integers(0, PHRASINGS, n_pool))
    wanted = draw.choice(TOPICS, size=TOPICS // 10, replace=False)
    places = np.flatnonzero(np.isin(topic, wanted))
    return pool, around(draw.choice(places, n_target))


def source(pool: FloatArray, target: FloatArray) -> ScaledSource:
    """Influence as the predictor gives it, on the common scale."""
    nothing = np.empty(0, dtype=np.float32)
    return ScaledSource(Predictor(Projected(pool, target, nothing, 0.0)), LO, HI)


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


class Stages:
    """Progress that times stages and prints a sign of life."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._start, self._said = "", time.perf_counter(), 0.0
        self._done, self._total = 0.0, 1.0

    def stage(self, name: str, total: float, unit: str) -> None:  # noqa: D102
        self.end()
        self._name, self._start, self._done, self._total = name, time.perf_counter(), 0.0, total

    def advance(self, amount: float) -> None:  # noqa: D102
        self._done += amount
        if time.perf_counter() - self._said > 15:
            self._said = time.perf_counter()
            print(f"  {self._name}: {self._done / self._total:.0%}", file=sys.stderr, flush=True)

    def end(self) -> None:  # noqa: D102
        if self._name:
            spent = time.perf_counter() - self._start
            self.seconds[self._name] = self.seconds.get(self._name, 0.0) + spent
        self._name = ""

    def warn(self, message: str) -> None:  # noqa: D102
        print(message, file=sys.stderr)

    def point(self, kind: str, values: Any) -> None:  # noqa: D102
        del kind, values


def large(pool: FloatArray, target: FloatArray) -> dict[str, Any]:
    """The whole pool, nothing of the matrix kept."""
    n_train = len(pool)
    ids = [f"{row:07d}" for row in range(n_train)]
    # The row mean of unit vectors' products: the product with the mean target.
    row_mean = pool @ target.mean(axis=0)
    budget = int(BUDGET_SHARE * n_train)
    stages, start = Stages(), time.perf_counter()
    found = maximise(
        "fl",
        Matrices(row_mean, source(pool, target)),
        budget,
        row_ids=ids,
        optimizer="sparse",
        progress=stages,
    )
    seconds = time.perf_counter() - start
    stages.end()
    return {
        "pool": n_train,
        "target": len(target),
        "budget": budget,
        "chosen": len(found),
        "seconds": seconds,
        "stages": stages.seconds,
        "peak_gb": peak_gb(),
        "rounds": int(found.round.max()),
        "picks_by_round": np.bincount(found.round)[1:].tolist(),
        "picks_without_gain": int((found.gain <= 0).sum()),
        "saturated_at": found.saturated_at,
        "exact": found.exact,
        "proven_ratio_of_first_round": found.ratio,
        "value": found.value,
    }


def on_sample(pool: FloatArray, target: FloatArray, n_sample: int) -> list[dict[str, Any]]:
    """Every optimizer on a part of the pool, against exact greedy."""
    pool = pool[np.random.default_rng(1).choice(len(pool), n_sample, replace=False)]
    blocks = source(pool, target)
    dense = np.empty(blocks.shape, dtype=np.float32)
    for start, block in blocks.blocks():
        dense[start : start + len(block)] = block
    ids = [f"{row:07d}" for row in range(n_sample)]
    whole = Matrices(dense.mean(axis=1), dense)
    parts = Matrices(whole.row_mean, blocks)
    budget = int(BUDGET_SHARE * n_sample)
    rows = []
    for objective in ("fl", "coverage", "round-robin"):
        exact_value = None
        for optimizer in ("lazy", "sparse", "partitioned", "stochastic"):
            if objective == "round-robin" and optimizer != "sparse" and exact_value is not None:
                continue
            matrices = whole if optimizer in ("lazy", "stochastic") else parts
            start_time = time.perf_counter()
            with mock.patch.object(partitioned, "MOST_VALUES", dense.size // 3):
                found = maximise(objective, matrices, budget, row_ids=ids, optimizer=optimizer)
            seconds = time.perf_counter() - start_time
            first = found.order[: found.saturated_at or len(found)]
            worth = value(objective, whole, first)
            exact_value = worth if optimizer == "lazy" else exact_value
            rows.append(
                {
                    "objective": objective,
                    "optimizer": optimizer,
                    "seconds": seconds,
                    "first_round": len(first),
                    "ratio_of_first_round": worth / exact_value,
                    "ratio_of_all": value(objective, whole, found.order) / exact_value,
                    "proven_ratio": found.ratio,
                    "says_exact": found.exact,
                }
            )
            print(json.dumps(rows[-1]), flush=True)
        chance = [value(objective, whole, random_selection(n_sample, budget, s)) for s in range(5)]
        rows.append(
            {
                "objective": objective,
                "optimizer": "random (5 seeds)",
                "ratio_of_all": float(np.mean(chance)) / exact_value,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Selection from a pool beyond memory.")
    parser.add_argument("--pool", type=int, default=1_000_000)
    parser.add_argument("--target", type=int, default=20_000)
    parser.add_argument("--sample", type=int, default=20_000)
    options = parser.parse_args()
    pool, target = vectors(options.pool, options.target)
    whole = large(pool, target)
    print(json.dumps(whole), flush=True)
    sample = on_sample(pool, target, options.sample)
    report = {
        "command": "python benchmarks/selection_large.py",
        "large": whole,
        "sample_rows": options.sample,
        "sample": sample,
        "hardware": {"cores": os.cpu_count(), "load_average": os.getloadavg()},
        "versions": versions(),
    }
    if options.pool >= 1_000_000:
        RESULT.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
