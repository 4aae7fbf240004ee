"""True and predicted influence of the demo data for ``selection_truth.py``: computed once, kept.

    python benchmarks/selection_truth_influence.py [--cache DIR] [--rounds 2] [--seeds 3]

Predicted influence is a run with the product's defaults on all 2,000 x 400 rows, labels standing
in where they are known. True influence is that of all pool rows. DELIFT (SE), LESS and SelectIT see
all 400 target rows. DELIFT costs a pass of the model a pair, so it is labelled in rounds: a round
has one target row of each target context, so that any number of rounds reaches every context.
Rounds are kept shard by shard; a call that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from nncift_core import pipeline
from nncift_core.config import DEFAULT_ENCODER, RunConfig
from nncift_core.datasets import demo_paths, find_self_pairs, load_files
from nncift_core.datasets.demo_kinds import Truth, read_truth
from nncift_core.embeddings import embed_groups, open_encoder
from nncift_core.influence import METHODS, create
from nncift_core.influence.base import Rows
from nncift_core.influence.shards import FolderShards
from nncift_core.influence.values import pairwise_values, row_values
from nncift_core.progress import SilentProgress
from nncift_core.selection.matrices import Matrices, scale
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, Row

CACHE = Path(tempfile.gettempdir()) / "nncift-selection-truth"
DELIFT_ROUNDS = 2


@dataclass(frozen=True)
class Demo:
    """The demo's rows and what is planted in them.

    Attributes:
        pool: All pool rows, in the order of the file.
        target: All target rows.
        planted: What is planted in each row of ``pool``.
        contexts: The house of each row of ``target``.
    """

    pool: list[Row]
    target: list[Row]
    planted: list[Truth]
    contexts: list[str]


@dataclass(frozen=True, eq=False)
class Influence:
    """Influence of all pool rows, with what objectives read besides it.

    Attributes:
        values: ``(n_train, n_target)`` original units; one column of a pointwise function.
        lo: Becomes 0 on the scale of selection: the lowest training label, or value.
        hi: Becomes 1.
        subtasks: Of each column; None for a pointwise function.
        by_subtask: Whether rows are scored by the mean of their best subtask, as LESS does.
        pool: ``(n_train, n_train)`` influence on pool rows, self pairs at its highest value.
        seconds: What it took to compute, None where that was not measured.
        estimator: What predicted it; empty for true influence.
    """

    values: FloatArray
    lo: float
    hi: float
    subtasks: list[str | None] | None
    by_subtask: bool = False
    pool: FloatArray | None = None
    seconds: float | None = None
    estimator: str = ""

    def matrices(self) -> Matrices:
        """What objectives read, on the scale of selection."""
        mean = self.values.mean(axis=1, dtype=np.float64)
        if self.subtasks is None:
            return Matrices(mean, row_scores=mean)
        scores = mean
        if self.by_subtask:
            names = np.array([str(name) for name in self.subtasks])
            means = [self.values[:, names == name].mean(axis=1) for name in np.unique(names)]
            scores = np.max(means, axis=0)
        return Matrices(
            mean,
            target=scale(self.values, self.lo, self.hi),
            pool=None if self.pool is None else scale(self.pool, self.lo, self.hi),
            row_scores=scores,
            subtasks=self.subtasks,
        )


def read_demo() -> Demo:
    """The demo's rows and what is planted in them."""
    paths, truth = demo_paths(), read_truth()
    pool, target = (load_files([str(path)]).rows for path in paths)
    return Demo(
        list(pool),
        list(target),
        [truth[row.id] for row in pool],
        [truth[row.id].context for row in target],
    )


def pool_embeddings(demo: Demo, cache: Path) -> FloatArray:
    """``(n_train, d)`` embeddings of the pool rows by the default encoder."""
    encoder, texts = open_encoder(DEFAULT_ENCODER), [row.text for row in demo.pool]
    found: FloatArray = embed_groups(encoder, [texts], cache / "embeddings", SilentProgress())[0]
    return found


def target_rounds(contexts: Sequence[str], seed: int = 0) -> list[list[int]]:
    """Positions of the target rows in rounds of one row of each context.

    Args:
        contexts: Of each target row.
        seed: Of the draw.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    for position, context in enumerate(contexts):
        rows_of[context].append(position)
    random = Random(seed)
    for rows in rows_of.values():
        random.shuffle(rows)
    most = max(len(rows) for rows in rows_of.values())
    return [
        sorted(rows[number] for rows in rows_of.values() if len(rows) > number)
        for number in range(most)
    ]


def kept(path: Path, compute: Callable[[], FloatArray]) -> tuple[FloatArray, float]:
    """The stored array and the seconds it took, or what ``compute`` gives, stored.

    Seconds of calls that were interrupted count too.
    """
    clock = path.with_suffix(".seconds")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        try:
            values = compute()
        finally:
            earlier = float(clock.read_text()) if clock.is_file() else 0.0
            clock.write_text(str(earlier + time.perf_counter() - start))
        np.save(path, values)
        print(f"{path.stem}: {values.shape} in {clock.read_text()} s", file=sys.stderr, flush=True)
    return np.load(path), float(clock.read_text())


def computed(method: Any, pool: Rows, target: Rows, folder: Path) -> FloatArray:
    """All pairs, or one column of scores without target rows, shard by shard."""
    shards = FolderShards(folder, SilentProgress())
    if not target:
        return row_values(method, pool, shards)[:, None]
    method.prepare([(pool, target)], shards)
    return pairwise_values(method, pool, target, shards)


def true_influence(method: str, demo: Demo, cache: Path, rounds: int) -> Influence:
    """True influence; of DELIFT on the target rows of ``rounds`` rounds."""
    pool, target = demo.pool, demo.target
    others = None
    if method == "delift":
        parts, columns, seconds = [], [], 0.0
        for number, places in enumerate(target_rounds(demo.contexts)[:rounds]):
            some = [target[j] for j in places]
            path = cache / f"delift-{number}.npy"
            part, spent = kept(
                path,
                lambda some=some: computed(create("delift"), pool, some, cache / "delift"),  # type: ignore[misc]
            )
            parts.append(part)
            columns += places
            seconds += spent
        # Columns in the order of the file, as in a run.
        order = np.argsort(columns)
        values = np.concatenate(parts, axis=1)[:, order]
        target = [target[columns[place]] for place in order]
    elif method == "delift-se":
        start = time.perf_counter()
        encoder = create("delift-se", cache_root=cache / "embeddings")
        values, others = encoder.matrix(pool, target), encoder.matrix(pool, pool)
        others[find_self_pairs(pool, pool)] = others.max()
        seconds = time.perf_counter() - start
    else:
        options = {"pool": pool, "seed": 0} if method == "less" else {}
        rows = [] if METHODS[method].pointwise else target
        values, seconds = kept(
            cache / f"{method}.npy",
            lambda: computed(create(method, **options), pool, rows, cache / method),
        )
    # As in a run: a row without a value counts as the lowest.
    values = np.where(np.isnan(values), np.nanmin(values), values).astype(np.float32)
    return Influence(
        values,
        float(values.min()),
        float(values.max()),
        None if METHODS[method].pointwise else [row.subtask for row in target],
        "subtask-scores" in METHODS[method].needs,
        others,
        seconds,
    )


def predicted_influence(method: str, demo: Demo, cache: Path, seed: int) -> Influence:
    """What a run with the product's defaults predicts, with labels where they are known."""
    path = cache / f"{method}-predicted-{seed}.npz"
    if not path.is_file():
        start = time.perf_counter()
        workspace = Workspace.open(cache / "workspace")
        project = pipeline.ensure_demo(workspace)
        assert project.target_id is not None
        spec = pipeline.RunSpec(
            config=RunConfig(method=method, seed=seed, objective="topk"),
            train=pipeline.DataSource(project.pool_id, "demo_pool.jsonl"),
            target=pipeline.DataSource(project.target_id, "demo_target.jsonl"),
        )
        run_id = pipeline.create_run(workspace, project.id, spec)
        pipeline.work(workspace.run_dir(run_id))
        seconds = time.perf_counter() - start
        view = pipeline.RunView(workspace, run_id)
        estimates = view.estimates
        assert estimates.scale is not None
        assert [row.id for row in view.roles.pool] == [row.id for row in demo.pool]
        candidates = view.files.candidates()
        with path.open("wb") as file:
            np.savez(
                file,
                values=estimates.best.block(0, len(demo.pool)),
                range=[estimates.scale.lo, estimates.scale.hi],
                seconds=seconds,
                estimator=str(candidates[0]["name"]) if candidates else "",
            )
        print(f"{path.stem} in {seconds:.0f} s", file=sys.stderr, flush=True)
    stored = np.load(path)
    lo, hi = stored["range"]
    return Influence(
        stored["values"],
        float(lo),
        float(hi),
        None if METHODS[method].pointwise else [row.subtask for row in demo.target],
        "subtask-scores" in METHODS[method].needs,
        # Cosines between pool rows cost nothing: the product takes the true ones.
        true_influence(method, demo, cache, 0).pool if method == "delift-se" else None,
        float(stored["seconds"]),
        str(stored["estimator"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--rounds", type=int, default=DELIFT_ROUNDS, help="of DELIFT's targets")
    parser.add_argument("--seeds", type=int, default=3, help="predicted runs of each function")
    parser.add_argument("--only", default=",".join(METHODS.names), help="functions, by commas")
    options = parser.parse_args()
    demo = read_demo()
    for method in options.only.split(","):
        for seed in range(options.seeds):
            found = predicted_influence(method, demo, options.cache, seed)
            print(method, seed, found.estimator, found.values.shape, flush=True)
        if options.rounds:
            found = true_influence(method, demo, options.cache, options.rounds)
            print(method, "true", found.values.shape, flush=True)


if __name__ == "__main__":
    main()
