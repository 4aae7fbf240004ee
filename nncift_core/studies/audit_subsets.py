"""Check of subsets: chosen by estimates, by true influence and by chance, all valued by the truth.

Knows matrices and objectives, nothing of runs. The share of the gap closed is this project's
measure: a plain ratio flatters, since chance alone reaches most of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.selection.matrices import Matrices, scale
from nncift_core.selection.maximise import maximise, random_selection, value
from nncift_core.studies.audit_checks import Check
from nncift_core.types import FloatArray, IndexArray

DoubleArray = NDArray[np.float64]
Scores = Callable[[FloatArray, Sequence[str | None] | None], DoubleArray]

RESAMPLES = 200
RANDOM_DRAWS = 20

SUBSETS = ("subsets", "Subsets are worth as much as those chosen with true influence")


def gap_closed(
    objective: str,
    truth: Matrices,
    estimated: Matrices,
    budget: int,
    row_ids: Sequence[str],
    seed: int,
    scores: Scores | None = None,
) -> dict[str, Any]:
    """What a subset chosen by estimates is worth, between chance and true influence.

    ``(f(A) - f(random)) / (f(greedy on truth) - f(random))``, f by true influence; the interval
    resamples target rows, where the objective has them, and random draws.

    Args:
        objective: A name of ``OBJECTIVES`` that needs no W and no E.
        truth: True influence of a sample, scaled.
        estimated: The same of predictions with labels standing in.
        budget: Rows to choose.
        row_ids: Ids of the sample's rows.
        seed: Of the random draws and the bootstrap.
        scores: Row scores of a matrix and the subtasks of its columns; the mean unless given.
    """
    best = maximise(objective, truth, budget, row_ids=row_ids).order
    ours = maximise(objective, estimated, budget, row_ids=row_ids).order
    drawn = [
        random_selection(truth.n_train, budget, seed + number) for number in range(RANDOM_DRAWS)
    ]

    def share(matrices: Matrices, chance: Sequence[IndexArray]) -> float | None:
        floor = float(np.mean([value(objective, matrices, order) for order in chance]))
        gap = value(objective, matrices, best) - floor
        # A tie of everything leaves no gap to close.
        if gap <= 1e-9 * max(1.0, abs(floor)):
            return None
        return (value(objective, matrices, ours) - floor) / gap

    rng = np.random.default_rng((seed, 23))
    found = []
    for _ in range(RESAMPLES):
        matrices = truth
        if truth.target is not None:
            n_target = truth.target.shape[1]
            columns: IndexArray = np.asarray(rng.integers(n_target, size=n_target))
            matrices = _columns(truth, columns, scores or mean_scores)
        once = share(matrices, [drawn[n] for n in rng.integers(len(drawn), size=len(drawn))])
        if once is not None:
            found.append(once)
    spread = None
    if found:
        low, high = np.quantile(found, [0.025, 0.975])
        spread = [float(low), float(high)]
    return {"budget": budget, "share": share(truth, drawn), "ci": spread}


def subsets(objective: str, closed: Sequence[Mapping[str, Any]], rows: int, columns: int) -> Check:
    """The check of subsets from what ``gap_closed`` gave for each budget."""
    numbers = {"objective": objective, "rows": rows, "columns": columns, "budgets": list(closed)}
    if all(row["share"] is None for row in closed):
        sentence = "On the sample no subset is better than chance, so there is no gap to close."
        return Check(*SUBSETS, "skipped", sentence, numbers)
    parts = []
    for row in closed:
        if row["share"] is not None:
            low, high = row["ci"] or (None, None)
            ends = "" if low is None else f" (95 % interval {low:.2f} to {high:.2f})"
            parts.append(f"{row['budget']} rows close {row['share']:.0%} of the gap{ends}")
    sample = f"{rows} x {columns} sample" if columns > 1 else f"sample of {rows} rows"
    sentence = f"On a {sample}, by {objective}: {'; '.join(parts)}. Chance closes 0 %."
    worse = [row for row in closed if row["ci"] is not None and row["ci"][1] <= 0]
    return Check(*SUBSETS, "failed" if worse else "reported", sentence, numbers)


def sample_matrices(
    values: FloatArray,
    lo: float,
    hi: float,
    subtasks: Sequence[str | None] | None,
    scores: Scores,
) -> Matrices:
    """What objectives read of a sample.

    Args:
        values: ``(n_train, n_target)`` influence, original units; one column and no subtasks for a
            pointwise method.
        lo: Lowest training label.
        hi: Highest training label.
        subtasks: Subtask of each column, None for a pointwise method.
        scores: ``mean_scores`` or ``best_subtask_scores``.
    """
    if subtasks is None:
        single = mean_scores(values, None)
        return Matrices(single, row_scores=single)
    target = scale(values, lo, hi)
    return Matrices(
        mean_scores(target, None),
        target=target,
        row_scores=scores(target, subtasks),
        subtasks=subtasks,
    )


def mean_scores(target: FloatArray, subtasks: Sequence[str | None] | None) -> DoubleArray:
    """``(n_train,)`` mean influence on the target rows."""
    del subtasks
    scores: DoubleArray = target.mean(axis=1, dtype=np.float64)
    return scores


def best_subtask_scores(target: FloatArray, subtasks: Sequence[str | None] | None) -> DoubleArray:
    """``(n_train,)`` mean influence on the rows of a subtask, of the best subtask."""
    names = np.array([str(name) for name in subtasks or [None] * target.shape[1]])
    by_subtask = [mean_scores(target[:, names == name], None) for name in np.unique(names)]
    scores: DoubleArray = np.max(by_subtask, axis=0)
    return scores


def _columns(
    matrices: Matrices,
    columns: IndexArray,
    scores: Scores,
) -> Matrices:
    assert isinstance(matrices.target, np.ndarray)
    target = np.ascontiguousarray(matrices.target[:, columns])
    subtasks = None if matrices.subtasks is None else [matrices.subtasks[j] for j in columns]
    return Matrices(
        mean_scores(target, None),
        target=target,
        row_scores=scores(target, subtasks),
        subtasks=subtasks,
    )
