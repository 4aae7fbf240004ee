"""What selections of the demo pool keep and avoid, counted against the planted truth.

    python benchmarks/selection_truth.py [--cache DIR] [--rounds 2] [--seeds 3]

For each influence function, true and predicted with the product's defaults, every objective that
needs no existing set chooses 5, 10 and 30 % of the 2,000 demo rows, with duplicates removed and
with duplicates kept. Counted are useful rows (a house of the target, right answer, no repetition of
another chosen row), rows off target and off style, wrong answers by kind, near duplicates and the
houses of the target that have a right row among the chosen; beside them five random choices and the
whole pool. Influence comes from ``selection_truth_influence.py``, which keeps it: on two cores it
takes about an hour, half of it for DELIFT's true influence; with kept influence 20 seconds. Writes
``benchmarks/results/selection_truth.json`` and prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import selection_truth_influence as influences
import selection_truth_tables as tables
from selection_truth_influence import Demo, Influence

from nncift_core.datasets.demo_kinds import count_kinds
from nncift_core.influence import METHODS
from nncift_core.runtime import versions
from nncift_core.selection import OBJECTIVES, Matrices, maximise
from nncift_core.selection.constraints import Constraints
from nncift_core.selection.duplicates import duplicate_groups
from nncift_core.selection.use_cases import GENERAL, objective_for
from nncift_core.types import IndexArray

RESULTS = Path(__file__).parent / "results" / "selection_truth.json"
SHARES = (0.05, 0.1, 0.3)
RANDOM_SEEDS = 5
WEIGHTS = (0.25, 0.5, 0.75)
DEFAULT_WEIGHT = 0.5
MULTIPLES = ("useful_once", "off_target", "off_style", "wrong")
BY_SEED = (*MULTIPLES, "target_groups", "groups_with_any_row", "repeated_groups")


def count(demo: Demo, order: Sequence[int] | IndexArray) -> dict[str, Any]:
    """What a choice of pool rows holds."""
    chosen = [demo.planted[i] for i in order]
    counted = count_kinds(chosen, demo.contexts)
    return {
        "rows": counted["rows"],
        **counted["counts"],
        **{name: counted[name] for name in ("useful_once", "repeated_groups", "target_groups")},
        "groups_with_any_row": len({row.context for row in chosen if row.in_target_context}),
        "target_families": len({row.family for row in chosen if row.in_target_family}),
    }


def random_choices(demo: Demo, budgets: Sequence[int]) -> dict[str, Any]:
    """Mean, lowest and highest of every count over the random choices, by budget."""
    found = {}
    for budget in budgets:
        drawn = [
            count(demo, np.random.default_rng(seed).permutation(len(demo.pool))[:budget])
            for seed in range(RANDOM_SEEDS)
        ]
        found[str(budget)] = {
            how: {name: float(function([one[name] for one in drawn])) for name in drawn[0]}
            for how, function in (("mean", np.mean), ("lowest", np.min), ("highest", np.max))
        }
    return found


def choices(matrices: Matrices) -> Iterator[tuple[str, str, Matrices, float]]:
    """Every objective that these matrices allow: its label, name, matrices and weight."""
    given = {"row-scores"}
    given |= {"target-matrix"} if matrices.target is not None else set()
    given |= {"pool-matrix"} if matrices.pool is not None else set()
    for entry in OBJECTIVES:
        if not entry.needs <= given:
            continue
        if entry.name == "mix":
            for weight in WEIGHTS:
                yield f"mix, weight {weight:g}", "mix", matrices, weight
            continue
        yield entry.name, entry.name, matrices, DEFAULT_WEIGHT
        if entry.name == "round-robin":
            by_row = replace(matrices, subtasks=None)
            yield "round-robin, by target row", entry.name, by_row, DEFAULT_WEIGHT


def selections(
    demo: Demo, found: Influence, groups: IndexArray, budgets: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """The counts of every objective, without and with duplicates, at every budget."""
    matrices = found.matrices()
    row_ids = [row.id for row in demo.pool]
    for label, objective, some, weight in choices(matrices):
        for duplicates, kept in (("near", groups), ("keep", None)):
            result = maximise(
                objective,
                some,
                max(budgets),
                row_ids=row_ids,
                constraints=Constraints(duplicates=kept),
                quality_weight=weight,
            )
            for budget in budgets:
                counted = count(demo, result.order[:budget])
                once = {"objective": label, "duplicates": duplicates, "budget": budget}
                yield once | {"saturated_at": result.saturated_at} | counted


def default_objective(method: str) -> str:
    """The label of what the use case ``general`` means for the method."""
    name = objective_for(GENERAL, METHODS[method])
    return f"mix, weight {DEFAULT_WEIGHT:g}" if name == "mix" else name


def averaged(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines that differ by the seed alone become their mean, with the counts of each seed."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in lines:
        key = tuple(line[name] for name in ("objective", "duplicates", "budget"))
        groups.setdefault(key, []).append(line)
    means = []
    for some in groups.values():
        names = [name for name, value in some[0].items() if isinstance(value, int)]
        mean = {name: float(np.mean([one[name] or 0 for one in some])) for name in names}
        by_seed = {name: [one[name] for one in some] for name in BY_SEED}
        means.append(some[0] | mean | {"by_seed": by_seed})
    return means


def multiples(lines: Sequence[dict[str, Any]], random: dict[str, Any]) -> None:
    """Add each line's counts as multiples of the mean random choice of as many rows."""
    for line in lines:
        mean = random[str(int(line["budget"]))]["mean"]
        line["of_random"] = {name: line[name] / mean[name] for name in MULTIPLES}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that the tables show."""
    demo = influences.read_demo()
    budgets = [int(share * len(demo.pool)) for share in SHARES]
    embeddings = influences.pool_embeddings(demo, options.cache)
    groups = duplicate_groups(demo.pool, embeddings)
    random = random_choices(demo, budgets)
    entries: list[dict[str, Any]] = []
    for method in options.only.split(","):
        found = influences.true_influence(method, demo, options.cache, options.rounds)
        kinds = [("true", [found])]
        predicted = [
            influences.predicted_influence(method, demo, options.cache, seed)
            for seed in range(options.seeds)
        ]
        kinds.append(("predicted", predicted))
        for kind, several in kinds:
            start = time.perf_counter()
            lines = averaged(
                [line for one in several for line in selections(demo, one, groups.group, budgets)]
            )
            multiples(lines, random)
            entries.append(
                {
                    "method": method,
                    "influence": kind,
                    "default_objective": default_objective(method),
                    "target_rows": several[0].values.shape[1],
                    "estimators": [one.estimator for one in several],
                    "influence_seconds": [one.seconds for one in several],
                    "selection_seconds": time.perf_counter() - start,
                    "lines": lines,
                }
            )
            print(f"{method}, {kind}: {time.perf_counter() - start:.0f} s", flush=True)
    return {
        "command": "python benchmarks/selection_truth.py",
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": versions(),
        "about_seconds": "Wall time of influence on one thread, with whatever else the machine did "
        "and waits for the model; labels that an earlier seed left are not computed again.",
        "budgets": budgets,
        "target_groups": len(set(demo.contexts)),
        "duplicate_groups": groups.counts(),
        "pool": count(demo, range(len(demo.pool))),
        "random": random,
        "entries": entries,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=influences.CACHE)
    parser.add_argument(
        "--rounds", type=int, default=influences.DELIFT_ROUNDS, help="of DELIFT's target rows"
    )
    parser.add_argument("--seeds", type=int, default=3, help="predicted runs of each function")
    parser.add_argument("--only", default=",".join(METHODS.names), help="functions, by commas")
    options = parser.parse_args()
    start = time.perf_counter()
    result = measure(options)
    result["seconds"] = time.perf_counter() - start
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(tables.markdown(result)))


if __name__ == "__main__":
    main()
