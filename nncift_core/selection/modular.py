"""Objectives without diminishing returns: top-k by row score, round robin over targets.

Neither covers anything, so neither has rounds: every pick is in round 1 and nothing saturates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nncift_core.progress import Progress
from nncift_core.selection.facility_location import FacilityLocationTarget
from nncift_core.selection.matrices import Matrices, finite_rows
from nncift_core.selection.maximise import Picks, Settings
from nncift_core.types import FloatArray, IndexArray

REPORT_ROWS = 64
"""Picks between two reports of progress."""

COLUMN_BLOCK = 64
"""Columns gathered at once: a row's cache lines are then read once for 16 columns, not for one."""


class TopK:
    """The rows of the highest score: ``row_scores`` where given, else the row mean."""

    def __init__(self, settings: Settings) -> None:
        del settings  # no parameters

    def select(
        self, matrices: Matrices, budget: int, by_rank: IndexArray, progress: Progress
    ) -> Picks:
        """Sorted by score, ties by rank. Raises: DataError, Cancelled."""
        scores = _scores(matrices)
        ranked = by_rank[np.argsort(-scores[by_rank], kind="stable")]
        order = ranked[:budget]
        progress.advance(budget)
        return _single_round(order, scores[order], np.full(budget, -1))

    def value(self, matrices: Matrices, order: IndexArray) -> float:
        """Sum of the chosen scores."""
        return float(_scores(matrices)[order].sum())


class RoundRobin:
    """Each subtask, or each target row where there are no subtasks, picks in turn.

    Turns go by first appearance in the target set. A subtask's score of a pool row is the row's
    mean scaled influence on the subtask's target rows, rounded to float32, so that the order of
    summation cannot part equal means. A pick's gain is that score.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def select(
        self, matrices: Matrices, budget: int, by_rank: IndexArray, progress: Progress
    ) -> Picks:
        """Picks in turn, ties by rank. Raises: DataError, Cancelled."""
        if matrices.target is None:
            raise ValueError("The objective's matrix is missing.")
        scores, columns = _turns(matrices.target, matrices.subtasks)
        queues = _Queues(scores, by_rank, budget)
        open_rows = np.ones(len(by_rank), dtype=bool)
        order = np.empty(budget, dtype=np.int64)
        turn = np.empty(budget, dtype=np.int64)
        reported = 0
        for pick in range(budget):
            turn[pick] = pick % scores.shape[1]
            order[pick] = queues.take(int(turn[pick]), open_rows)
            if pick + 1 - reported >= REPORT_ROWS or pick + 1 == budget:
                progress.advance(pick + 1 - reported)
                reported = pick + 1
        gain = scores[order, turn].astype(np.float64)
        return _single_round(order, gain, columns[turn])

    def value(self, matrices: Matrices, order: IndexArray) -> float:
        """Round robin maximises no function; its sets are valued by FL (target)."""
        return FacilityLocationTarget(self._settings).value(matrices, order)


class _Queues:
    """For each column its best rows in order, computed when first needed."""

    def __init__(self, scores: FloatArray, by_rank: IndexArray, budget: int) -> None:
        self._scores = scores
        self._by_rank = by_rank
        self._length = 16 + 2 * -(-budget // scores.shape[1])
        self._queues: dict[int, list[int]] = {}
        self._block_start = -1
        self._block = np.empty((0, 0), dtype=np.float32)

    def take(self, column: int, open_rows: NDArray[np.bool_]) -> int:
        """The best open row of the column, closed by this call."""
        while True:
            queue = self._queues.get(column)
            if not queue:
                queue = self._queues[column] = self._best_open(column, open_rows)
            row = queue.pop()
            if open_rows[row]:
                open_rows[row] = False
                return row

    def _best_open(self, column: int, open_rows: NDArray[np.bool_]) -> list[int]:
        """The best open rows of a column, best last; all rows tied at the cut are in."""
        rows = self._by_rank[open_rows[self._by_rank]]
        values = self._column(column)[rows]
        if len(rows) > self._length:
            cut = np.partition(values, len(rows) - self._length)[len(rows) - self._length]
            kept = values >= cut
            rows, values = rows[kept], values[kept]
        # Rows come by tie rank, so a stable sort leaves ties in that order.
        return rows[np.argsort(-values, kind="stable")][::-1].tolist()  # type: ignore[no-any-return]

    def _column(self, column: int) -> FloatArray:
        start = column - column % COLUMN_BLOCK
        if start != self._block_start:
            part = self._scores[:, start : start + COLUMN_BLOCK]
            self._block = np.ascontiguousarray(part.T)
            finite_rows(self._block.max(axis=0))
            self._block_start = start
        values: FloatArray = self._block[column - start]
        return values


def _scores(matrices: Matrices) -> NDArray[np.float64]:
    scores = matrices.row_mean if matrices.row_scores is None else matrices.row_scores
    return finite_rows(np.asarray(scores))


def _turns(
    target: FloatArray, subtasks: Sequence[str | None] | None
) -> tuple[FloatArray, IndexArray]:
    """Scores ``(n_train, n_turns)`` and the target column each turn stands for, -1 for subtasks."""
    names = list(subtasks or ())
    if not any(name is not None for name in names):
        return target, np.arange(target.shape[1])
    groups: dict[str | None, list[int]] = {}
    for column, name in enumerate(names):
        groups.setdefault(name, []).append(column)
    scores = np.empty((len(target), len(groups)), dtype=np.float32)
    for turn, columns in enumerate(groups.values()):
        for start in range(0, len(target), 4096):
            block = target[start : start + 4096, columns]
            scores[start : start + 4096, turn] = block.mean(axis=1, dtype=np.float64)
    return scores, np.full(len(groups), -1)


def _single_round(order: IndexArray, gain: NDArray[np.float64], most: IndexArray) -> Picks:
    return Picks(
        order.astype(np.int64),
        gain,
        np.ones(len(order), dtype=np.int32),
        None,
        np.full(len(order), -1, dtype=np.int64),
        most.astype(np.int64),
    )
