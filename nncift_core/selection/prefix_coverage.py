"""What the first k rows of one nested order cover, for any k, without beginning anew.

The order is read once, as far as somebody asks; on the way the state is kept every so many rows, so
that moving a budget reads a few rows and not all of them. Knows positions and numbers only.
"""

from __future__ import annotations

import threading

import numpy as np

from nncift_core.selection.covered_targets import (
    Covered,
    CoveredSoFar,
    ReadRows,
    row_blocks,
)
from nncift_core.types import IndexArray

MARKS = 64
"""States that are kept of a whole order, evenly spaced."""


class PrefixCoverage:
    """Coverage of the targets by the beginnings of one order. Safe to share between threads.

    Args:
        read_rows: Influence of pool rows on the targets.
        order: ``(k,)`` positions in selection order, each once.
    """

    def __init__(self, read_rows: ReadRows, order: IndexArray) -> None:
        self._read_rows = read_rows
        self._order = np.asarray(order, dtype=np.int64)
        self._step = max(1, -(-len(self._order) // MARKS))
        self._marks = [CoveredSoFar.nothing(read_rows)]
        self._lock = threading.Lock()

    def first(self, rows: int) -> Covered:
        """What ``target_coverage`` finds for the first ``rows`` of the order."""
        rows = min(max(0, rows), len(self._order))
        with self._lock:
            self._read_to(rows // self._step)
            found = self._marks[rows // self._step].copy()
            self._add(found, self._order[rows - rows % self._step : rows])
        return found.covered(self._order[:rows])

    def _read_to(self, mark: int) -> None:
        """Have every state up to this one."""
        while len(self._marks) <= mark:
            at = self._step * (len(self._marks) - 1)
            # A copy each time: the state before stays as it is.
            state = self._marks[-1].copy()
            self._add(state, self._order[at : at + self._step])
            self._marks.append(state)

    def _add(self, state: CoveredSoFar, positions: IndexArray) -> None:
        for block in row_blocks(positions, state.n_target):
            state.add(block, self._read_rows(block))
