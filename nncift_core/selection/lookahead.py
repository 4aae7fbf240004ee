"""Finds the row of the largest gain without computing all gains.

Knows a ``Coverage`` and nothing of rounds or objectives. Gains only shrink within a round, so a
row's last known gain bounds its present one (Minoux 1978) and few rows need a new look at each
pick: 25 of 6,000 on average, 3 late in a round. Those are looked at in batches, in float32 with a
proven error bound; the rows that could still be best are then decided in float64.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nncift_core.selection.matrices import DoubleArray, finite_rows
from nncift_core.types import IndexArray

TIE = 1e-9
"""Gains within this share of the best are ties. A float64 sum of n non-negative terms is right
to n * 1.1e-16, so at 100,000 columns rounding cannot part equal gains, nor join unlike ones."""

ROUNDING = 1e-12
"""How far above its true value a float64 bound may lie, with room to spare."""

FRONT_ROWS = 256
"""Rows with the highest bounds that are looked at before all others: small enough that sorting
them costs microseconds, large enough to last many picks."""

LEAST_BATCH = 8
"""Gains computed at once, at least: late in a round 3 looks a pick are usual."""


class Coverage(Protocol):
    """A set function with its current set."""

    def reset(self) -> None:
        """Empty the set."""

    def estimate(self, rows: IndexArray) -> tuple[DoubleArray, float]:
        """Gains of rows, quick, and the share by which any may be wrong; 0.0 if exact."""

    def exact(self, rows: IndexArray) -> DoubleArray:
        """Gains of rows in float64."""

    def add(self, row: int) -> tuple[int, int]:
        """Put a row into the set; returns columns it is newly best for, column it gains most on."""


class Lookahead:
    """Upper bounds of all gains. Rows are addressed by tie rank: the smaller one wins a tie.

    Args:
        coverage: With an empty set.
        by_rank: ``(n_train,)`` row of each rank.

    Raises:
        DataError: A gain is NaN or infinite.
    """

    def __init__(self, coverage: Coverage, by_rank: IndexArray) -> None:
        self._coverage = coverage
        self._by_rank = by_rank
        # Read in the order of memory: by rank, every row would be a jump.
        gains, slack = coverage.estimate(np.arange(len(by_rank)))
        self._first_bounds = finite_rows(gains)[by_rank] * (1.0 + slack)
        self._open = np.ones(len(by_rank), dtype=bool)
        self._look = np.zeros(len(by_rank), dtype=np.int64)
        self._now = 0
        self._batch = LEAST_BATCH
        self.restart()

    def restart(self) -> None:
        """Begin a round: nothing is covered, so the first gains bound all again."""
        self._bounds = np.where(self._open, self._first_bounds, -np.inf)
        self._front = np.empty(0, dtype=np.int64)
        self._behind = np.inf

    def remove(self, rank: int) -> None:
        """Take a chosen row out."""
        self._open[rank] = False
        self._bounds[rank] = -np.inf

    def remaining(self) -> IndexArray:
        """Ranks of the rows not chosen yet, in tie order."""
        ranks: IndexArray = np.flatnonzero(self._open)
        return ranks

    def best(self, least: float) -> tuple[int, float]:
        """The pick of greedy: of all rows whose gain ties with the largest, the smallest rank.

        Args:
            least: A gain must exceed this to count.

        Returns:
            Rank and float64 gain; -1 and 0.0 when no row gains more than ``least``.
        """
        self._now += 1
        contest = _Contest(least)
        looked, batch = 0, self._batch
        while True:
            ranks = self._challengers(self._front, contest)
            if not len(ranks):
                if self._behind < contest.floor or not self._refill_front(contest):
                    break
                continue
            # Ranks come sorted, so a stable sort by bound leaves ties with the smaller rank first.
            ranks = ranks[np.argsort(-self._bounds[ranks], kind="stable")][:batch]
            self._look_at(ranks, contest)
            looked += len(ranks)
            batch = min(2 * batch, FRONT_ROWS)
        # Grow at once when one batch was not enough, shrink slowly when it was.
        self._batch = max(LEAST_BATCH, min(looked, FRONT_ROWS, self._batch * 2) * 7 // 8)
        return contest.winner, contest.gain

    def _look_at(self, ranks: IndexArray, contest: _Contest) -> None:
        """Compute gains now, exactly for those that may be the largest."""
        estimates, slack = self._coverage.estimate(self._by_rank[ranks])
        self._look[ranks] = self._now
        self._bounds[ranks] = estimates * (1.0 + slack)
        if slack == 0.0:
            contest.enter(ranks, estimates)
            return
        floor = max(contest.floor, float(estimates.max()) * (1.0 - slack) * (1.0 - TIE))
        close = ranks[estimates * (1.0 + slack) >= floor]
        if not len(close):
            return
        gains = self._coverage.exact(self._by_rank[close])
        self._bounds[close] = gains
        contest.enter(close, gains)

    def _challengers(self, ranks: IndexArray, contest: _Contest) -> IndexArray:
        """Those of ``ranks`` not looked at yet whose bound lets them win or raise the best gain."""
        bounds = self._bounds[ranks]
        able = contest.open_to(ranks, bounds) & (self._look[ranks] != self._now)
        challengers: IndexArray = ranks[able]
        return challengers

    def _refill_front(self, contest: _Contest) -> bool:
        """Put the highest bounds to the front; False when no row anywhere can still win."""
        everywhere = np.arange(len(self._bounds))
        challengers = self._challengers(everywhere, contest)
        if not len(challengers):
            return False
        front = np.union1d(
            _highest(challengers, self._bounds[challengers]), _highest(everywhere, self._bounds)
        )
        behind = self._bounds.copy()
        behind[front] = -np.inf
        self._front, self._behind = front, float(behind.max())
        return True


class _Contest:
    """The exact gains seen in one pick, and who wins."""

    def __init__(self, least: float) -> None:
        self.winner = -1
        self.gain = 0.0
        self.floor = least
        self._best = least
        self._ranks = np.empty(0, dtype=np.int64)
        self._gains = np.empty(0, dtype=np.float64)

    def enter(self, ranks: IndexArray, gains: DoubleArray) -> None:
        """Add exact gains."""
        if len(self._ranks):
            ranks = np.concatenate([self._ranks, ranks])
            gains = np.concatenate([self._gains, gains])
        self._ranks, self._gains = ranks, gains
        top = float(gains.max())
        if top <= self._best and self.winner < 0:
            return
        self._best = top
        self.floor = top * (1.0 - TIE)
        ties = (gains >= self.floor).nonzero()[0]
        first = ties[0] if len(ties) == 1 else ties[ranks[ties].argmin()]
        self.winner, self.gain = int(ranks[first]), float(gains[first])

    def open_to(self, ranks: IndexArray, bounds: DoubleArray) -> NDArray[np.bool_]:
        """Which bounds leave room for a larger gain, or for a tie of a smaller rank."""
        if self.winner < 0:
            return bounds > self._best
        able = bounds >= self.floor
        if able.any():
            able &= (ranks < self.winner) | (bounds > self._best * (1.0 + ROUNDING))
        return able


def _highest(ranks: IndexArray, bounds: DoubleArray) -> IndexArray:
    if len(ranks) <= FRONT_ROWS:
        return ranks
    return ranks[np.argpartition(-bounds, FRONT_ROWS)[:FRONT_ROWS]]
