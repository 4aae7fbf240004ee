"""Objectives without diminishing returns: top-k by row score, round robin over targets.

Neither covers anything, so neither has rounds: every pick is in round 1 and nothing saturates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import ConfigError
from nncift_core.progress import Progress
from nncift_core.selection import kernels
from nncift_core.selection.column_coverage import ColumnCoverage, in_blocks, read_rows
from nncift_core.selection.column_lists import column_lists
from nncift_core.selection.formulas import present
from nncift_core.selection.greedy import CHUNK, reporter
from nncift_core.selection.matrices import DoubleArray, Matrices, Picks, finite_rows, rank_of
from nncift_core.selection.openings import Openings
from nncift_core.selection.scaled import BLOCK_VALUES, ScaledSource
from nncift_core.types import FloatArray, IndexArray

_NO_ROWS, _NO_VALUES = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)

SPARE, SHARES = 24, 6
"""Rows of each turn's list: these, and its share of the budget so many times."""


class TopK:
    """The rows of the highest score: ``row_scores`` where given, else the row mean."""

    def __init__(self, matrices: Matrices) -> None:
        scores = matrices.row_mean if matrices.row_scores is None else matrices.row_scores
        self._scores = finite_rows(np.asarray(scores))

    def select(
        self, openings: Openings, by_rank: IndexArray, budget: int, progress: Progress
    ) -> Picks:
        """Sorted by score, ties by rank; with a token budget by score too. Raises: Cancelled."""
        ranked = by_rank[np.argsort(-self._scores[by_rank], kind="stable")]
        places = {phase: 0 for phase in (kernels.PINNED, kernels.OWED, kernels.FREE)}

        def best(phase: int) -> tuple[int, float, int]:
            for place in range(places[phase], len(ranked)):
                row = int(ranked[place])
                if phase == kernels.PINNED and row not in pinned:
                    continue
                if openings.is_open(row, phase):
                    places[phase] = place
                    return row, float(self._scores[row]), -1
            places[phase] = len(ranked)
            return -1, 0.0, -1

        pinned = set(openings.rows(kernels.PINNED).tolist())
        return _one_by_one(best, openings, budget, progress)

    def value(self, order: IndexArray) -> float:
        """Sum of the chosen scores."""
        return float(self._scores[order].sum())


class RoundRobin:
    """Each subtask, or each target row where there are no subtasks, picks in turn.

    Turns go by first appearance in the target set. A subtask's score of a pool row is the row's
    mean scaled influence on the subtask's target rows, rounded to float32, so that the order of
    summation cannot part equal means. A pick's gain is that score.
    """

    def __init__(self, matrices: Matrices) -> None:
        self._target = present(matrices.target)
        self._scores, self._columns = _turns(self._target, matrices.subtasks)

    def select(
        self, openings: Openings, by_rank: IndexArray, budget: int, progress: Progress
    ) -> Picks:
        """Picks in turn, ties by rank. Pins are taken by the turn they are best for.

        Raises: DataError, Cancelled.
        """
        queues = _Queues(self._scores, by_rank, openings, budget)
        turn = 0

        def best(phase: int) -> tuple[int, float, int]:
            nonlocal turn
            if phase != kernels.FREE:
                rows = openings.rows(phase)
                if not len(rows):
                    return -1, 0.0, -1
                scores = queues.best_scores(rows)
                row = int(rows[np.lexsort((queues.rank[rows], -scores))[0]])
                return row, float(scores.max()), -1
            row, score = queues.take(turn)
            column = int(self._columns[turn])
            turn = (turn + 1) % len(self._columns)
            return row, score, column

        return _one_by_one(best, openings, budget, progress)

    def value(self, order: IndexArray) -> float:
        """Round robin maximises no function; its sets are valued by FL (target)."""
        return ColumnCoverage(self._target).value(order)


def top_k(matrices: Matrices) -> TopK:
    """Objective ``topk``."""
    return TopK(matrices)


def round_robin(matrices: Matrices) -> RoundRobin:
    """Objective ``round-robin``."""
    return RoundRobin(matrices)


def _one_by_one(
    best: Callable[[int], tuple[int, float, int]],
    openings: Openings,
    budget: int,
    progress: Progress,
) -> Picks:
    """Pins, then what quotas demand, then the rest; ``best`` gives row, score, column."""
    order: list[int] = []
    gain: list[float] = []
    most: list[int] = []
    phases: list[int] = []
    report, ended = reporter(progress), "budget"
    for phase in (kernels.PINNED, kernels.OWED, kernels.FREE):
        if phase == kernels.FREE and openings.owing:
            raise ConfigError(
                "The quotas demand more rows than the other demands leave.",
                "Lower what they demand at least, or raise the budget.",
            )
        while len(order) < budget:
            row, score, column = best(phase)
            if row < 0:
                ended = "rows"
                break
            if not openings.fits(row):
                ended = "tokens"
                break
            openings.take(row)
            order.append(row)
            gain.append(score)
            most.append(column)
            phases.append(phase)
            if len(order) % CHUNK == 0:
                report(len(order))
    report(len(order), force=True)
    count = len(order)
    return Picks(
        order=np.array(order, dtype=np.int64),
        gain=np.array(gain, dtype=np.float64),
        round=np.ones(count, dtype=np.int32),
        saturated_at=None,
        newly_best=np.full(count, -1, dtype=np.int64),
        gains_most=np.array(most, dtype=np.int64),
        phase=np.array(phases, dtype=np.int8),
        ended="budget" if count == budget else ended,
    )


class _Queues:
    """For each turn its best rows in order.

    A list that runs out is made anew, twice as long, and with it all others of which little is
    left: each time is a pass over the whole matrix, and turns that want the same rows run out
    together.
    """

    def __init__(
        self,
        scores: FloatArray | ScaledSource,
        by_rank: IndexArray,
        openings: Openings,
        budget: int,
    ) -> None:
        self._scores, self._openings = scores, openings
        self.rank = rank_of(by_rank)
        self._best = np.full(len(by_rank), np.nan, dtype=np.float64)
        n_turns = scores.shape[1]
        self._length = SPARE + SHARES * -(-budget // n_turns)
        self._places = np.zeros(n_turns, dtype=np.int64)
        self._rows: list[NDArray[np.int32]] = [_NO_ROWS] * n_turns
        self._values: list[FloatArray] = [_NO_VALUES] * n_turns
        self._make_lists(np.arange(n_turns))

    def take(self, turn: int) -> tuple[int, float]:
        """The best open row of a turn and its score; -1 when no row is open."""
        row = self._next(turn)
        if row < 0 and len(self._openings.rows(kernels.FREE)):
            self._length *= 2
            self._make_lists(np.union1d(self._low(), [turn]))
            row = self._next(turn)
        if row < 0:
            return -1, 0.0
        return row, float(self._values[turn][self._places[turn] - 1])

    def best_scores(self, rows: IndexArray) -> DoubleArray:
        """``(len(rows),)`` highest score of any turn."""
        # Asked for the same rows at every pick that a quota demands: read once.
        unknown = rows[np.isnan(self._best[rows])]
        step = max(1, BLOCK_VALUES // max(1, self._scores.shape[1]))
        for start in range(0, len(unknown), step):
            part = unknown[start : start + step]
            self._best[part] = finite_rows(read_rows(self._scores, part).max(axis=1))
        return self._best[rows]

    def _next(self, turn: int) -> int:
        place = int(self._places[turn])
        rows = self._rows[turn]
        while place < len(rows) and rows[place] >= 0:
            row = int(rows[place])
            place += 1
            if self._openings.is_open(row, kernels.FREE):
                self._places[turn] = place
                return row
        self._places[turn] = len(rows)
        return -1

    def _low(self) -> IndexArray:
        """Turns of whose list a quarter or less is open, where it does not hold all rows."""
        open_ = self._open()
        left = [np.count_nonzero(open_[rows[rows >= 0]]) for rows in self._rows]
        full = [len(rows) > 0 and rows[-1] >= 0 for rows in self._rows]
        lengths = [len(rows) for rows in self._rows]
        return np.flatnonzero(np.array(full) & (np.array(left) * 4 <= np.array(lengths)))

    def _open(self) -> NDArray[np.bool_]:
        open_ = np.zeros(len(self.rank), dtype=np.bool_)
        open_[self._openings.rows(kernels.FREE)] = True
        return open_

    def _make_lists(self, turns: IndexArray) -> None:
        made = column_lists(
            self._scores, self.rank, self._length, allowed=self._open(), columns=turns
        )
        for place, turn in enumerate(turns):
            self._rows[turn], self._values[turn] = made.rows[place], made.values[place]
        self._places[turns] = 0


def _turns(
    target: FloatArray | ScaledSource, subtasks: Sequence[str | None] | None
) -> tuple[FloatArray | ScaledSource, IndexArray]:
    """Scores ``(n_train, n_turns)`` and the target column each turn stands for, -1 for subtasks."""
    names = list(subtasks or ())
    if not any(name is not None for name in names):
        return target, np.arange(target.shape[1])
    groups: dict[str | None, list[int]] = {}
    for column, name in enumerate(names):
        groups.setdefault(name, []).append(column)
    scores = np.empty((target.shape[0], len(groups)), dtype=np.float32)
    for start, block in in_blocks(target, BLOCK_VALUES):
        for turn, columns in enumerate(groups.values()):
            means = block[:, columns].mean(axis=1, dtype=np.float64)
            scores[start : start + len(block), turn] = means
    return scores, np.full(len(groups), -1)
