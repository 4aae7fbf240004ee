"""Seconds of a whole command-line run by stage, and the rates that cost estimates start from.

    python benchmarks/pipeline.py --train POOL [POOL ...] --target TARGET [--repeat 3]

Runs in a fresh workspace each time, so that nothing is answered from a cache. Also embeds a
sample of the pool in batches of different sizes, interleaved, to justify the batch size.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nncift_core.datasets import load_files
from nncift_core.embeddings import sentence
from nncift_core.runtime import versions

RESULTS = Path(__file__).parent / "results"
BATCHES = (4, 8, 16, 32, 64, 128)


def one_run(train: list[str], target: str) -> dict[str, Any]:
    """The summary of one run in a fresh process and workspace, with its wall seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "nncift_core", "run", "--target", target, "--json"]
        for path in train:
            command += ["--train", path]
        command += ["--network", "paper", "--design", "block"]
        command += ["--workspace", f"{folder}/workspace", "--output", f"{folder}/subset.jsonl"]
        start = time.perf_counter()
        finished = subprocess.run(command, check=True, capture_output=True, text=True)
        summary: dict[str, Any] = json.loads(finished.stdout)
        summary["wall_seconds"] = time.perf_counter() - start
        return summary


def batch_sizes(train: list[str], rows: int, rounds: int) -> dict[str, float]:
    """Rows embedded per second by batch size, medians of interleaved rounds."""
    texts = sorted((row.text for row in load_files(train).rows), key=len)
    sample = texts[:: max(1, len(texts) // rows)]
    encoder = sentence.SentenceEncoder(sentence.DEFAULT_ENCODER)
    encoder.encode(sample[:8])
    rates: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for _ in range(rounds):
        for batch in BATCHES:
            sentence.BATCH_ROWS = batch
            start = time.perf_counter()
            encoder.encode(sample)
            rates[batch].append(len(sample) / (time.perf_counter() - start))
    return {str(batch): statistics.median(found) for batch, found in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    runs = [one_run(options.train, options.target) for _ in range(options.repeat)]
    stages = {
        stage: statistics.median(run["seconds"][stage] for run in runs)
        for stage in runs[0]["seconds"]
    }
    first = runs[0]
    pairs = first["n_train"] * first["n_target"]
    result = {
        "command": "benchmarks/pipeline.py " + " ".join(Path(p).name for p in options.train),
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": versions(),
        "n_train": first["n_train"],
        "n_target": first["n_target"],
        "labelled_pairs": first["labelled_pairs"],
        "seconds": stages,
        "wall_seconds": statistics.median(run["wall_seconds"] for run in runs),
        "rows_embedded_per_second": (first["n_train"] + first["n_target"]) / stages["embed"],
        "pairs_trained_per_second": first["labelled_pairs"] * 20 / stages["train"],
        "pairs_predicted_per_second": pairs / stages["predict"],
        "rows_per_second_by_batch": batch_sizes(options.train, rows=300, rounds=3),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "pipeline.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
