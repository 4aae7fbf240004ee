"""Optimizers that go pick by pick: each finds the next rows, ``greedy`` decides what that means.

    lazy         the exact greedy order, most gains never computed (Minoux 1978)
    naive        the exact greedy order, every gain at every pick: the reference
    stochastic   the best of a random sample at every pick (Mirzasoleiman et al., AAAI 2015)

Knows coverages and open rows, nothing of rounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nncift_core.selection import kernels
from nncift_core.selection.column_coverage import ColumnCoverage, SparseRows
from nncift_core.selection.matrices import DoubleArray, finite_rows, rank_of
from nncift_core.selection.openings import Openings
from nncift_core.selection.scaled import ScaledSource
from nncift_core.types import IndexArray

EPSILON = 0.1
"""Stochastic greedy is expected to lose at most this share of the best value."""


@dataclass(frozen=True, eq=False)
class Trail:
    """The picks so far, as arrays that are filled in order.

    Attributes:
        order: ``(budget,)`` positions.
        gain: ``(budget,)`` what each added.
        newly_best: ``(budget,)`` columns it adds to.
        gains_most: ``(budget,)`` column it adds most to, -1 for none.
    """

    order: IndexArray
    gain: DoubleArray
    newly_best: IndexArray
    gains_most: IndexArray

    @classmethod
    def of_length(cls, budget: int) -> Trail:
        """An empty trail."""
        numbers = [np.full(budget, -1, dtype=np.int64) for _ in range(3)]
        return cls(numbers[0], np.zeros(budget, dtype=np.float64), numbers[1], numbers[2])


class Finder(Protocol):
    """Finds the next picks. Within a round it is asked again and again, phase by phase."""

    looks: int
    """Gains computed so far."""

    def restart(self) -> None:
        """Begin a round: nothing is covered."""

    def begin(self, phase: int) -> None:
        """Begin a phase within the round."""

    def picks(
        self, trail: Trail, first: int, last: int, value: float, share: float
    ) -> tuple[int, float, int]:
        """Pick until ``last`` picks are made.

        Args:
            trail: Filled from ``first`` on.
            first: Picks made so far.
            last: Picks to have at the end.
            value: The round's f(A).
            share: A gain must exceed this share of f(A); if negative, any will do.

        Returns:
            Picks made, f(A), and ``FULL``, ``SATURATED`` or ``TOKENS``.
        """


class _Finder:
    """What all finders share: the compiled function and its first gains.

    Args:
        coverage: With rows in memory.
        openings: Rows that may be chosen.
        by_rank: ``(n_rows,)`` rows, those that win ties first.
        cost: ``(n_rows,)`` what a row's gain is divided by; None for 1.

    Raises:
        DataError: A gain is NaN or infinite.
    """

    def __init__(
        self,
        coverage: ColumnCoverage,
        openings: Openings,
        by_rank: IndexArray,
        cost: DoubleArray | None = None,
    ) -> None:
        self._openings = openings
        self.rank = rank_of(by_rank)
        self.cost = np.empty(0, dtype=np.float64) if cost is None else cost
        self.function = compiled_function(coverage)
        self._start = coverage.first_level()
        self.looks = 0
        self._phase = kernels.FREE
        gains = np.empty(coverage.shape[0], dtype=np.float64)
        kernels.all_gains(self.function, gains)
        self.first_gains = finite_rows(gains)

    def restart(self) -> None:
        """Begin a round."""
        self.function.level[:] = self._start
        self.function.total[:] = 0.0
        self.function.root[:] = 0.0

    def begin(self, phase: int) -> None:
        """Begin a phase."""
        self._phase = phase

    def gains(self, rows: IndexArray) -> DoubleArray:
        """Gains of rows now."""
        found = np.empty(len(rows), dtype=np.float64)
        kernels.some_gains(self.function, rows, found)
        self.looks += len(rows)
        return found


class Lazy(_Finder):
    """The exact order of greedy."""

    def __init__(
        self,
        coverage: ColumnCoverage,
        openings: Openings,
        by_rank: IndexArray,
        cost: DoubleArray | None = None,
    ) -> None:
        super().__init__(coverage, openings, by_rank, cost)
        n_rows = len(by_rank)
        first = self.first_gains / self.cost if len(self.cost) else self.first_gains
        self._first_keys = first * (1.0 + kernels.ROUNDING)
        self._bounds = kernels.Bounds(
            key=self._first_keys.copy(),
            look=np.zeros(n_rows, dtype=np.int64),
            heap=np.empty(n_rows, dtype=np.int64),
            aside=np.empty(n_rows, dtype=np.int64),
        )
        self._size, self._now = 0, 0

    def restart(self) -> None:
        """Begin a round: the first gains bound all again."""
        super().restart()
        self._bounds.key[:] = self._first_keys

    def begin(self, phase: int) -> None:
        """Begin a phase: its rows by their bounds."""
        super().begin(phase)
        self._size = kernels.fill_heap(self._bounds, self._openings.rows(phase), self.rank)

    def picks(
        self, trail: Trail, first: int, last: int, value: float, share: float
    ) -> tuple[int, float, int]:
        """See ``Finder``."""
        picked = (trail.order, trail.gain, trail.newly_best, trail.gains_most)
        first, self._size, value, self._now, ended, looks = kernels.lazy_picks(
            self.function,
            self._openings.doors,
            self._bounds,
            self.rank,
            self.cost,
            self._phase,
            share,
            self._size,
            value,
            self._now,
            first,
            last,
            picked,
        )
        self.looks += looks
        return first, value, ended


class Naive(_Finder):
    """Every open row at every pick."""

    def picks(
        self, trail: Trail, first: int, last: int, value: float, share: float
    ) -> tuple[int, float, int]:
        """See ``Finder``."""
        while first < last:
            rows = self._candidates(last - first)
            gains = self.gains(rows)
            if share >= 0:
                rows, gains = rows[gains > share * value], gains[gains > share * value]
            if not len(rows):
                if self._candidates_are_all:
                    return first, value, kernels.SATURATED
                self._look_everywhere()
                continue
            keys = gains / self.cost[rows] if len(self.cost) else gains
            ties = np.flatnonzero(keys >= keys.max() - kernels.TIE * abs(keys.max()))
            place = ties[self.rank[rows[ties]].argmin()]
            row = int(rows[place])
            if not self._openings.fits(row):
                return first, value, kernels.TOKENS
            trail.order[first], trail.gain[first] = row, gains[place]
            found = kernels.add_row(self.function, row)
            trail.newly_best[first], trail.gains_most[first] = found
            self._openings.take(row)
            value += float(gains[place])
            first += 1
        return first, value, kernels.FULL

    _candidates_are_all = True

    def _candidates(self, picks_left: int) -> IndexArray:
        return self._openings.rows(self._phase)

    def _look_everywhere(self) -> None:
        """Look at all rows at the next pick."""


class Stochastic(Naive):
    """The best of a random sample: n / k * ln(1 / epsilon) rows at each of k picks.

    Where no row of the sample gains enough, all rows are looked at: a round ends for certain.
    """

    def __init__(
        self,
        coverage: ColumnCoverage,
        openings: Openings,
        by_rank: IndexArray,
        cost: DoubleArray | None = None,
        *,
        seed: int = 0,
        budget: int = 1,
    ) -> None:
        super().__init__(coverage, openings, by_rank, cost)
        self._rng = np.random.default_rng((seed, 31))
        size = math.ceil(coverage.shape[0] / budget * math.log(1.0 / EPSILON))
        self._size = min(max(size, 1), coverage.shape[0])
        self._everywhere = False

    def _candidates(self, picks_left: int) -> IndexArray:
        rows = super()._candidates(picks_left)
        whole = self._everywhere or self._phase != kernels.FREE or len(rows) <= self._size
        self._candidates_are_all, self._everywhere = whole, False
        if whole:
            return rows
        sample: IndexArray = np.sort(self._rng.choice(rows, self._size, replace=False))
        return sample

    def _look_everywhere(self) -> None:
        self._everywhere = True


def gains_left(coverage: ColumnCoverage, chosen: IndexArray) -> DoubleArray:
    """``(n_rows,)`` what each row would add to the chosen ones. Raises: DataError."""
    function = compiled_function(coverage)
    for row in chosen:
        kernels.add_row(function, row)
    gains = np.empty(coverage.shape[0], dtype=np.float64)
    kernels.all_gains(function, gains)
    return finite_rows(gains)


def compiled_function(coverage: ColumnCoverage) -> kernels.Function:
    """The arrays of a coverage with an empty set. Raises: TypeError for rows out of memory."""
    if isinstance(coverage.rows, ScaledSource):
        raise TypeError("a source of blocks is made into rows first")
    n_columns = coverage.shape[1]
    kind = kernels.ROOT if coverage.root else kernels.BEST
    cap = coverage.last_level()
    if cap is not None:
        kind = kernels.CAPPED
    sparse = isinstance(coverage.rows, SparseRows)
    if isinstance(coverage.rows, SparseRows):
        matrix = np.empty((0, 0), dtype=np.float32)
        entries = (coverage.rows.starts, coverage.rows.columns, coverage.rows.values)
    else:
        # Only a transposed view or another type is copied: a float32 matrix by rows is as it is.
        matrix = np.ascontiguousarray(coverage.rows, dtype=np.float32)
        entries = (
            np.zeros(1, np.int64),
            np.empty(0, np.int32),
            np.empty(0, np.float32),
        )
    width = n_columns if coverage.root else 0
    return kernels.Function(
        kind=kind,
        sparse=int(sparse),
        matrix=_read_only(matrix),
        starts=entries[0],
        columns=entries[1],
        values=entries[2],
        level=coverage.first_level(),
        total=np.zeros(width, dtype=np.float64),
        root=np.zeros(width, dtype=np.float64),
        cap=np.empty(0, dtype=np.float32) if cap is None else cap,
        bonus=np.empty(0) if coverage.bonus is None else coverage.bonus.astype(np.float64),
    )


def _read_only(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """A view that cannot be written to: memory maps cannot, and one kind is compiled once."""
    view = np.asarray(matrix).view(np.ndarray)
    view = view[:]
    view.flags.writeable = False
    return view
