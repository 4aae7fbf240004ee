"""How long a curator waits after a pin, a ban or an undo: 15,000 x 5,000.

    python benchmarks/selection_live.py [--pool 15000] [--target 5000] [--workspace DIR]

Demo rows in the wanted number, true DELIFT (SE) influence, near duplicates kept to one. The run is
made once (minutes, mostly embedding); then a desk, as the Select page holds it, answers a series
of demands, each for every objective that reads X, with a budget of 10 % and of 30 %. Seconds are
those of ``Desk.select``: all that the server does for the new selection. Each answer is compared
with that of a desk opened anew, which has nothing remembered.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.pipeline.curation import Desk, open_desk
from nncift_core.runtime import versions
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import Workspace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.demo import generate

RESULT = Path(__file__).parent / "results" / "selection_live.json"
OBJECTIVES = ("fl", "flmi-query", "round-robin", "mix", "coverage")
SHARES = (0.1, 0.3)


def finished_run(workspace: Workspace, folder: Path, n_pool: int, n_target: int) -> str:
    """A finished exact run; the one of an earlier call where there is one."""
    for run in workspace.catalog.runs():
        if run.status == "done":
            return run.run_id
    demo = generate(0, n_pool, n_target)
    files = {name: folder / name for name in demo.files()}
    for name, text in demo.files().items():
        files[name].write_text(text, encoding="utf-8")
    sources = []
    for name in ("demo_pool.jsonl", "demo_target.jsonl"):
        record = pipeline.import_files(workspace, [str(files[name])]).record
        sources.append(pipeline.DataSource(record.id, name, (str(files[name]),)))
    project = pipeline.ensure_project(workspace, "live", sources[0].id, sources[1].id, None)
    config = RunConfig(exact=True, budget="0.1")
    spec = pipeline.RunSpec(config=config, train=sources[0], target=sources[1])
    run_id = pipeline.create_run(workspace, project.id, spec)
    pipeline.work(workspace.run_dir(run_id))
    return run_id


def demands(desk: Desk, objective: str, budget: int) -> list[tuple[str, SelectionConfig]]:
    """What the curator does, one thing after the other."""
    plain = SelectionConfig()
    chosen = desk.select(objective, plain, budget)
    order = [chosen.row_ids[row] for row in chosen.order]
    inside = set(order)
    outside = [row for row in chosen.row_ids if row not in inside]
    early, late = order[len(order) // 20], order[len(order) // 2]
    return [
        ("pin a row that was left out", dataclasses.replace(plain, pin=outside[7])),
        ("ban a row chosen early", dataclasses.replace(plain, ban=early)),
        ("ban a second one", dataclasses.replace(plain, ban=f"{early},{late}")),
        ("undo the second ban", dataclasses.replace(plain, ban=early)),
        ("undo the first ban", plain),
        ("ban by rule", dataclasses.replace(plain, ban_where="characters > 400")),
        ("pin and ban", dataclasses.replace(plain, pin=outside[9], ban=late)),
    ]


def measure(desk: Desk, workspace: Workspace, run_id: str, n_train: int) -> list[dict[str, Any]]:
    rows = []
    for objective in OBJECTIVES:
        for share in SHARES:
            budget = int(share * n_train)
            for action, settings in demands(desk, objective, budget):
                start = time.perf_counter()
                found = desk.select(objective, settings, budget)
                seconds = time.perf_counter() - start
                anew = open_desk(workspace, run_id)
                start = time.perf_counter()
                scratch = anew.select(objective, settings, budget)
                rows.append(
                    {
                        "objective": objective,
                        "budget": budget,
                        "action": action,
                        "seconds": seconds,
                        "scratch_seconds": time.perf_counter() - start,
                        "equal": found.order.tolist() == scratch.order.tolist()
                        and found.gain.tolist() == scratch.gain.tolist(),
                    }
                )
                print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds after a pin, a ban or an undo.")
    parser.add_argument("--pool", type=int, default=15_000)
    parser.add_argument("--target", type=int, default=5_000)
    parser.add_argument("--workspace", type=Path)
    options = parser.parse_args()
    folder = options.workspace or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    workspace = Workspace.open(folder)
    run_id = finished_run(workspace, folder, options.pool, options.target)
    start = time.perf_counter()
    desk = open_desk(workspace, run_id)
    n_train, n_target = len(desk.roles.pool), len(desk.roles.target)
    opening = time.perf_counter() - start
    start = time.perf_counter()
    desk.select("fl", SelectionConfig(), 1)
    first = time.perf_counter() - start
    print(f"{n_train} x {n_target}: opened in {opening:.2f} s, first selection {first:.2f} s")
    rows = measure(desk, workspace, run_id, n_train)
    table = {}
    for objective in OBJECTIVES:
        for share in SHARES:
            part = [
                row
                for row in rows
                if row["objective"] == objective and row["budget"] == int(share * n_train)
            ]
            seconds = [row["seconds"] for row in part]
            table[f"{objective}, {share:.0%}"] = {
                "median": statistics.median(seconds),
                "longest": max(seconds),
                "all_equal": all(row["equal"] for row in part),
            }
    print(json.dumps(table, indent=1))
    report = {
        "command": "python benchmarks/selection_live.py",
        "pool": n_train,
        "target": n_target,
        "opening_seconds": opening,
        "first_selection_seconds": first,
        "seconds": table,
        "rows": rows,
        "hardware": {"cores": os.cpu_count(), "load_average": os.getloadavg()},
        "versions": versions(),
    }
    if n_train >= 10_000:
        RESULT.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
