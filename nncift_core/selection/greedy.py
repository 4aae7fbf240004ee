"""Batched lazy greedy with rounds, for any monotone submodular coverage.

Knows no objective and no arithmetic of gains: ``Lookahead`` finds the best row, this decides what
a pick, a saturated round and the end mean. The order is that of the plain greedy algorithm.
"""

from __future__ import annotations

import time

import numpy as np

from nncift_core.progress import Progress
from nncift_core.selection.lookahead import Coverage, Lookahead
from nncift_core.selection.maximise import Picks
from nncift_core.types import IndexArray

SATURATION = 1e-6
"""A round ends when no row gains more than this share of the round's f(A)."""


def greedy(coverage: Coverage, budget: int, by_rank: IndexArray, progress: Progress) -> Picks:
    """The first ``budget`` picks of greedy with rounds.

    Args:
        coverage: With an empty set.
        budget: 1 to ``len(by_rank)``.
        by_rank: ``(n_train,)`` positions, those that win ties first.
        progress: Advanced by picks.

    Raises:
        DataError: A gain is NaN or infinite.
        Cancelled: From ``progress``.
    """
    lookahead = Lookahead(coverage, by_rank)
    picks = _Record(budget, progress)
    current_round, value, saturated_at = 1, 0.0, None
    while len(picks) < budget:
        rank, gain = lookahead.best(SATURATION * value)
        if rank >= 0:
            row = int(by_rank[rank])
            picks.append(row, gain, current_round, *coverage.add(row))
            lookahead.remove(rank)
            value += gain
        elif current_round > 1 and value == 0.0:
            for rest in lookahead.remaining()[: budget - len(picks)]:
                picks.append(int(by_rank[rest]), 0.0, current_round, 0, -1)
        else:
            saturated_at = len(picks) if saturated_at is None else saturated_at
            current_round, value = current_round + 1, 0.0
            coverage.reset()
            lookahead.restart()
    picks.flush()
    return Picks(
        np.asarray(picks.order, dtype=np.int64),
        np.asarray(picks.gain, dtype=np.float64),
        np.asarray(picks.round, dtype=np.int32),
        saturated_at,
        np.asarray(picks.newly_best, dtype=np.int64),
        np.asarray(picks.gains_most, dtype=np.int64),
    )


class _Record:
    """Grows the pick lists and reports progress in small batches."""

    REPORT_ROWS = 64
    REPORT_SECONDS = 0.2

    def __init__(self, budget: int, progress: Progress) -> None:
        self.order: list[int] = []
        self.gain: list[float] = []
        self.round: list[int] = []
        self.newly_best: list[int] = []
        self.gains_most: list[int] = []
        self._progress = progress
        self._reported = 0
        self._last = time.monotonic()

    def __len__(self) -> int:
        return len(self.order)

    def append(self, row: int, gain: float, round_: int, newly_best: int, gains_most: int) -> None:
        self.order.append(row)
        self.gain.append(gain)
        self.round.append(round_)
        self.newly_best.append(newly_best)
        self.gains_most.append(gains_most)
        due = len(self.order) - self._reported >= self.REPORT_ROWS
        if due or time.monotonic() - self._last > self.REPORT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Report the picks not yet reported. Raises: Cancelled."""
        if len(self.order) > self._reported:
            count = len(self.order) - self._reported
            self._reported = len(self.order)
            self._last = time.monotonic()
            self._progress.advance(count)
