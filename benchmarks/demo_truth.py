"""What selections of the demo pool keep and avoid, counted against the planted truth.

    python benchmarks/demo_truth.py [--workspace DIR]

One predicted and one exact run with the command line's defaults (DELIFT (SE), u = 0.05, budget
30 %), then every objective that needs no existing set. Shares of the chosen rows, and of the
pool, which is what a random choice would keep on average.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.datasets import demo_paths
from nncift_core.runtime import versions
from nncift_core.store import SelectionRecord, Workspace

RESULTS = Path(__file__).parent / "results" / "demo_truth.json"
OBJECTIVES = ("fl", "coverage", "round-robin", "topk", "flmi-query", "flmi", "fl-pool")

Truth = Mapping[str, Any]
COUNTED: dict[str, Callable[[Truth], bool]] = {
    "target context": lambda truth: truth["in_target_context"],
    "target family, other context": lambda truth: (
        truth["in_target_family"] and not truth["in_target_context"]
    ),
    "other family": lambda truth: not truth["in_target_family"],
    "wrong answer": lambda truth: truth["fault"] not in (None, "truncated"),
    "truncated": lambda truth: truth["fault"] == "truncated",
    "near duplicate": lambda truth: truth["near_duplicate_of"] is not None,
}


def planted() -> dict[str, Truth]:
    """Truth of each pool row by row id."""
    lines = demo_paths().truth.read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines) if row["split"] == "pool"}


def shares(rows: Sequence[Truth]) -> dict[str, float]:
    """Share of rows of each kind, and how many target contexts have a row at all."""
    counted = {name: sum(map(test, rows)) / len(rows) for name, test in COUNTED.items()}
    contexts = {(row["family"], row["context"]) for row in rows if row["in_target_context"]}
    return counted | {"target contexts reached": float(len(contexts))}


def chosen(workspace: Workspace, config: RunConfig) -> dict[str, list[str]]:
    """Row ids by objective, from one run."""
    project = pipeline.ensure_demo(workspace)
    assert project.target_id is not None
    spec = pipeline.RunSpec(
        config=config,
        train=pipeline.DataSource(project.pool_id, "demo_pool.jsonl"),
        target=pipeline.DataSource(project.target_id, "demo_target.jsonl"),
    )
    run_id = pipeline.create_run(workspace, project.id, spec)
    pipeline.work(workspace.run_dir(run_id))
    found = {}
    for objective in OBJECTIVES:
        selection_id = pipeline.create_selection(
            workspace, run_id, objective, config.budget, objective
        )
        record = pipeline.work(workspace.selection_dir(run_id, selection_id))
        assert isinstance(record, SelectionRecord)
        found[objective] = [row.row_id for row in workspace.catalog.selection_rows(record.id)]
    return found


def paper_settings(exact: bool) -> RunConfig:
    """The paper's network and labels."""
    return RunConfig(exact=exact, network="paper", design="block", inputs="text")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path)
    options = parser.parse_args()
    workspace = Workspace.open(options.workspace or Path(tempfile.mkdtemp()))
    truth = planted()
    table = {"pool (random)": shares(list(truth.values()))}
    for kind, exact in (("predicted", False), ("exact", True)):
        for objective, ids in chosen(workspace, paper_settings(exact)).items():
            table[f"{objective}, {kind}"] = shares([truth[row_id] for row_id in ids])
    result = {"command": "python benchmarks/demo_truth.py", "versions": versions(), "shares": table}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    names = list(next(iter(table.values())))
    print("| selection | " + " | ".join(names) + " |")
    print("|" + "---|" * (len(names) + 1))
    for row, values in table.items():
        cells = [
            f"{value:.0f}" if name.startswith("target contexts") else f"{100 * value:.1f} %"
            for name, value in values.items()
        ]
        print(f"| {row} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
