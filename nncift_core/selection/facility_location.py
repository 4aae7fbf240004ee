"""Facility location and its relatives: every column is covered by its best chosen row.

Knows how the five objectives of this family reduce to one coverage, and nothing of greedy:

    FL            f(A) = sum_j max_a s[a, j]                      start 0
    FLMI          ... min(s[a, i], eta * max_q X[i, q])           cap on each column
    FLCG          ... max(s[a, i] - nu * max_p E[p, i], 0)        coverage starts at the floor
    FLMI (query)  FL over X + eta * sum_a max_q X[a, q]           a modular term a row

DELIFT (ICLR 2025), section 3; FLMI and FLCG after Iyer et al. 2021.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nncift_core.progress import Progress
from nncift_core.selection.greedy import greedy
from nncift_core.selection.live_entries import LiveEntries, live_share
from nncift_core.selection.matrices import DoubleArray, Matrices, finite_rows
from nncift_core.selection.maximise import Picks, Settings
from nncift_core.selection.row_blocks import RowBlocks
from nncift_core.types import FloatArray, IndexArray

LIVE_SHARE = 1 / 32
"""Share of live entries at which they are collected: a sixteenth of the matrix's memory."""

FIRST_CHECK = 4
"""Picks of a round before the share of live entries is first looked at."""


class MaxCoverage:
    """Sum over columns of the best chosen row's value above ``start`` and below ``cap``.

    Args:
        matrix: ``(n_rows, n_columns)`` float32.
        start: ``(n_columns,)`` what is covered before the first pick; zeros if None.
        cap: ``(n_columns,)`` beyond which a column cannot be covered; none if None.
        bonus: ``(n_rows,)`` added to a row's gain whatever is covered; none if None.
    """

    def __init__(
        self,
        matrix: FloatArray,
        *,
        start: FloatArray | None = None,
        cap: FloatArray | None = None,
        bonus: DoubleArray | None = None,
    ) -> None:
        self._blocks = RowBlocks(matrix)
        n_columns = matrix.shape[1]
        self._start = np.zeros(n_columns, np.float32) if start is None else start
        # A column whose cap lies below its start can gain nothing: cap at the start.
        self._cap = None if cap is None else np.maximum(cap, self._start)
        self._bonus = bonus
        self.reset()

    def reset(self) -> None:
        """Empty the set."""
        self._covered = self._start.copy()
        self._live: LiveEntries | None = None
        self._picks, self._next_check = 0, FIRST_CHECK

    def estimate(self, rows: IndexArray) -> tuple[DoubleArray, float]:
        """Gains of rows and the share they may be wrong by: float32 sums while dense."""
        if self._live is not None:
            return self.exact(rows), 0.0
        gains = self._blocks.excess(rows, self._covered, self._cap)
        return self._with_bonus(rows, gains), self._blocks.slack

    def exact(self, rows: IndexArray) -> DoubleArray:
        """Gains of rows from float64 sums."""
        if self._live is not None:
            return self._with_bonus(rows, self._live.excess(rows, self._covered))
        gains = self._blocks.exact_excess(rows, self._covered, self._cap)
        return self._with_bonus(rows, gains)

    def add(self, row: int) -> tuple[int, int]:
        """Cover by one more row; returns columns newly best, column of the largest gain."""
        values = self._blocks.matrix[row]
        if self._cap is not None:
            values = np.minimum(values, self._cap)
        excess = values - self._covered
        most = int(excess.argmax())
        newly_best = int(np.count_nonzero(excess > 0))
        np.maximum(self._covered, values, out=self._covered)
        self._picks += 1
        if self._picks >= self._next_check:
            self._forget_covered()
        return newly_best, most if newly_best else -1

    def _forget_covered(self) -> None:
        """Go on with the entries that can still add something, once they are few."""
        matrix, covered, cap = self._blocks.matrix, self._covered, self._cap
        # The share falls like 1 / picks: each look at the live entries finds half of them covered.
        self._next_check = self._picks * (3 if self._live is None else 4) // 2
        if self._live is not None:
            self._live.drop_covered(covered)
        elif live_share(matrix, covered, cap) <= LIVE_SHARE:
            self._live = LiveEntries(matrix, covered, cap)

    def value(self, order: IndexArray) -> float:
        """The value of a set of rows, in float64."""
        covered = self._start.copy()
        for row in order:
            np.maximum(covered, self._blocks.matrix[row], out=covered)
        if self._cap is not None:
            np.minimum(covered, self._cap, out=covered)
        total = float((covered.astype(np.float64) - self._start).sum())
        return total if self._bonus is None else total + float(self._bonus[order].sum())

    def _with_bonus(self, rows: IndexArray, gains: DoubleArray) -> DoubleArray:
        return gains if self._bonus is None else gains + self._bonus[rows]


class _FacilityLocation:
    """What the family shares; members build the coverage from the matrices."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def coverage(self, matrices: Matrices) -> MaxCoverage:
        """The empty coverage this objective maximises."""
        raise TypeError(f"{type(self).__name__} builds no coverage.")

    def select(
        self, matrices: Matrices, budget: int, by_rank: IndexArray, progress: Progress
    ) -> Picks:
        """Greedy with rounds. Raises: DataError, Cancelled."""
        return greedy(self.coverage(matrices), budget, by_rank, progress)

    def value(self, matrices: Matrices, order: IndexArray) -> float:
        """f(A) in a single round."""
        return self.coverage(matrices).value(order)


class FacilityLocationTarget(_FacilityLocation):
    """f(A) = sum over target rows j of max over a in A of X[a, j]."""

    def coverage(self, matrices: Matrices) -> MaxCoverage:
        """Columns are target rows."""
        return MaxCoverage(_present(matrices.target))


class FacilityLocationPool(_FacilityLocation):
    """f(A) = sum over pool rows i of max over a in A of W[a, i]."""

    def coverage(self, matrices: Matrices) -> MaxCoverage:
        """Columns are pool rows."""
        return MaxCoverage(_present(matrices.pool))


class MutualInformation(_FacilityLocation):
    """f(A) = sum over pool rows i of min(max over a of W[a, i], eta * max over q of X[i, q])."""

    def coverage(self, matrices: Matrices) -> MaxCoverage:
        """Columns are pool rows, capped by what they give the targets."""
        cap = self._settings.eta * _row_max(_present(matrices.target))
        return MaxCoverage(_present(matrices.pool), cap=cap.astype(np.float32))


class MutualInformationQuery(_FacilityLocation):
    """f(A) = FL over X + eta * sum over a in A of max over q of X[a, q]."""

    def coverage(self, matrices: Matrices) -> MaxCoverage:
        """Columns are target rows; each row brings its best value once more."""
        target = _present(matrices.target)
        return MaxCoverage(target, bonus=self._settings.eta * _row_max(target))


class ConditionalGain(_FacilityLocation):
    """f(A) = sum over i of max(max over a of W[a, i] - nu * max over p of E[p, i], 0)."""

    def coverage(self, matrices: Matrices) -> MaxCoverage:
        """Columns are pool rows, covered from the start by the existing rows."""
        existing = _present(matrices.existing)
        floor = self._settings.nu * finite_rows(existing.max(axis=0, initial=0.0))
        return MaxCoverage(_present(matrices.pool), start=floor.astype(np.float32))


def _row_max(matrix: FloatArray) -> DoubleArray:
    return finite_rows(matrix.max(axis=1, initial=0.0))


def _present(matrix: FloatArray | None) -> NDArray[np.float32]:
    if matrix is None:
        raise ValueError("The objective's matrix is missing.")
    return matrix
