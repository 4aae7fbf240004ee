"""What a pair costs by estimator: nanoseconds a pair of the blockwise path, side by side.

    python benchmarks/estimators.py [--rows 4000] [--columns 5000] [--rounds 5]

Every estimator is fitted to 2,000 labels of random unit vectors (384 numbers a row) and predicts
all pairs in blocks, as a run does. Rounds are interleaved; medians are shown, and ratios to the
paper's network. Writes ``benchmarks/results/estimators.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core.network import NETWORKS, RIVALS, fitting
from nncift_core.network.fitting import fit
from nncift_core.network.predict import Predictor
from nncift_core.network.reducers import RowMean
from nncift_core.progress import SilentProgress
from nncift_core.runtime import versions
from nncift_core.types import FloatArray, Pairs

RESULTS = Path(__file__).parent / "results" / "estimators.json"
DIMENSION = 384
LABELS = 2_000


def unit_rows(count: int, seed: int) -> FloatArray:
    """Random rows of length 1."""
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    found: FloatArray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--columns", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    fitting.DRAWS_OF_FEW = 1
    helpers, helped = unit_rows(options.rows, 0), unit_rows(options.columns, 1)
    rng = np.random.default_rng(2)
    i, j = rng.integers(options.rows, size=LABELS), rng.integers(options.columns, size=LABELS)
    values = np.einsum("nd,nd->n", helpers[i], helped[j]) + 0.05 * rng.standard_normal(LABELS)
    labels = {"q1": Pairs(i, j, values.astype(np.float32))}
    predictors: dict[str, Predictor] = {}
    found: dict[str, dict[str, Any]] = {}
    for name in (*NETWORKS.names, *RIVALS.names):
        fitted = fit(name, helpers, helped, labels, 0, SilentProgress())
        predictors[name] = Predictor(fitted.project(helpers, helped))
        predictors[name].prepare()
        found[name] = {
            "parameters": fitted.parameters,
            "multiply_adds": fitted.candidates[0].pair_cost,
            "seconds": [],
        }
    for _ in range(options.rounds):
        for name, predictor in predictors.items():
            start = time.perf_counter()
            predictor.stream([RowMean()])
            found[name]["seconds"].append(time.perf_counter() - start)
    pairs = options.rows * options.columns
    paper = statistics.median(found["paper"]["seconds"])
    print("| estimator | multiply-adds a pair | ns a pair | paper = 1 |\n|---|---|---|---|")
    for name, one in found.items():
        seconds = statistics.median(one.pop("seconds"))
        one |= {"nanoseconds_a_pair": 1e9 * seconds / pairs, "ratio_to_paper": seconds / paper}
        print(
            f"| {name} | {one['multiply_adds']} | {one['nanoseconds_a_pair']:.1f} | "
            f"{one['ratio_to_paper']:.2f} |"
        )
    result = {
        "command": "python benchmarks/estimators.py",
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": versions(),
        "pairs": pairs,
        "estimators": found,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
