"""All influence functions on the command line: quadrants, seconds, and what the subsets hold.

    python benchmarks/methods.py [--real POOL TARGET]

One run of each method with the paper's network and labels on the demo data and, where files are
given, on 300 x 100 of their rows (a seeded sample). The language model is the demo model, which
knows the demo data only. On real rows the label fraction is 0.2, so that SelectIT has rows to train
on.
Writes ``benchmarks/results/methods.json`` and prints the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from nncift_core.datasets import assign_ids, demo_paths, load_files
from nncift_core.datasets.demo_kinds import KINDS, count_kinds, read_truth
from nncift_core.influence import METHODS
from nncift_core.runtime import versions

RESULTS = Path(__file__).parent / "results" / "methods.json"
REAL_ROWS = (300, 100)
REAL_FRACTION = "0.2"


def run(arguments: Sequence[str], workspace: str, output: Path) -> dict[str, Any]:
    """The ``--json`` summary of one run in a process of its own."""
    command = [sys.executable, "-m", "nncift_core", "run", *arguments, "--json"]
    command += ["--workspace", workspace, "--output", str(output)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    summary: dict[str, Any] = json.loads(finished.stdout)
    return summary


def sample(path: str, count: int, folder: Path) -> Path:
    """A seeded sample of a file's accepted rows as JSON lines."""
    rows = list(load_files([path]).rows)
    chosen = sorted(Random(0).sample(range(len(rows)), min(count, len(rows))))
    cut = folder / f"{Path(path).stem}-{count}.jsonl"
    lines = [json.dumps({"prompt": rows[i].prompt, "response": rows[i].response}) for i in chosen]
    cut.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return cut


def all_methods(pool: Path, target: Path, extra: Sequence[str], folder: Path) -> dict[str, Any]:
    """Summaries by method, and the chosen rows' ids."""
    found: dict[str, Any] = {}
    for method in METHODS.names:
        output = folder / f"{method}.jsonl"
        arguments = ["--train", str(pool), "--target", str(target), "--method", method, *extra]
        arguments += ["--network", "paper", "--design", "block", "--inputs", "text"]
        arguments += ["--duplicates", "keep"]
        summary = run(arguments, str(folder / "workspace"), output)
        rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        ids = assign_ids((row["prompt"], row["response"]) for row in rows)
        found[method] = {"summary": summary, "ids": ids}
    return found


def quadrant_table(found: Mapping[str, Any]) -> list[str]:
    """A Markdown table: one line a method."""
    lines = [
        "| method | labels | label seconds | Q1 R² | Q2 R² | Q3 R² | Q4 R² | Q4 rank corr. | "
        "Q4 MSE | mean's |",
        "|" + "---|" * 10,
    ]
    for method, entry in found.items():
        summary = entry["summary"]
        table = summary["quadrants"]
        r2 = [_cell(table[name], "r2") for name in ("q1", "q2", "q3", "q4")]
        rest = [_cell(table["q4"], name, 4) for name in ("mse", "mse_mean")]
        lines.append(
            f"| {METHODS[method].title} | "
            f"{summary['labelled_pairs']:,} + {summary['evaluation_pairs']:,} | "
            f"{summary['seconds']['label']:.1f} | {' | '.join(r2)} | "
            f"{_cell(table['q4'], 'spearman')} | {' | '.join(rest)} |"
        )
    return lines


def _cell(metrics: Mapping[str, Any] | None, name: str, digits: int = 2) -> str:
    value = metrics[name] if metrics else None
    return "" if value is None else f"{value:.{digits}f}"


def truth_table(found: Mapping[str, Any]) -> tuple[dict[str, dict[str, float]], list[str]]:
    """What the chosen demo rows are, with the pool beside it."""
    truth = read_truth()
    chosen = {"pool (random)": [row.id for row in truth.values() if row.split == "pool"]}
    chosen |= {METHODS[method].title: entry["ids"] for method, entry in found.items()}
    counted = {
        name: count_kinds([truth[row_id] for row_id in ids])["shares"]
        for name, ids in chosen.items()
    }
    lines = ["| chosen by | " + " | ".join(KINDS) + " |", "|" + "---|" * (len(KINDS) + 1)]
    for row, values in counted.items():
        cells = [f"{100 * values[name]:.1f} %" for name in KINDS]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return counted, lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", nargs=2, metavar=("POOL", "TARGET"))
    options = parser.parse_args()
    result: dict[str, Any] = {
        "command": "python benchmarks/methods.py"
        + (f" --real {' '.join(Path(p).name for p in options.real)}" if options.real else ""),
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": versions(),
    }
    with tempfile.TemporaryDirectory() as name:
        folder, paths = Path(name), demo_paths()
        found = all_methods(paths.pool, paths.target, [], folder)
        counted, lines = truth_table(found)
        print("\n".join(["Demo data", *quadrant_table(found), "", *lines, ""]))
        result["demo"] = {method: entry["summary"] for method, entry in found.items()}
        result["demo_shares"] = counted
        if options.real:
            pool, target = (
                sample(path, count, folder)
                for path, count in zip(options.real, REAL_ROWS, strict=True)
            )
            found = all_methods(pool, target, ["--label-fraction", REAL_FRACTION], folder)
            print("\n".join(["Real rows", *quadrant_table(found)]))
            result["real"] = {method: entry["summary"] for method, entry in found.items()}
    for part in ("demo", "real"):
        for summary in result.get(part, {}).values():
            del summary["output"], summary["run_id"]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
