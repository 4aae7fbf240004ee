"""The entries of a matrix that can still add coverage, row by row. Knows no objective.

An entry at or below what its column is covered to adds nothing for the rest of a round. Of columns
covered by the best of k rows, about one entry in k + 1 is above; on 6,000 x 6,000 cosines 5 % were
left after 10 picks, 0.7 % after 50, 0.2 % after 100. Sums over the rest cost next to nothing and
are in float64 at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nncift_core.selection.matrices import DoubleArray
from nncift_core.types import FloatArray, IndexArray

BLOCK_ELEMENTS = 1 << 19
"""Elements compared at a time: 2 MiB of float32 beside as many flags."""

SAMPLE_ROWS = 64
"""Rows by which the share of live entries is judged before they are collected."""


class LiveEntries:
    """Values above a level, in compressed rows: 8 bytes an entry.

    Args:
        matrix: ``(n_rows, n_columns)`` float32.
        level: ``(n_columns,)`` what is covered now; it may only rise later.
        cap: ``(n_columns,)`` largest value that counts, or None.
    """

    def __init__(self, matrix: FloatArray, level: FloatArray, cap: FloatArray | None) -> None:
        n_rows, n_columns = matrix.shape
        step = max(1, BLOCK_ELEMENTS // max(1, n_columns))
        counts = np.zeros(n_rows, dtype=np.int64)
        columns: list[NDArray[np.int32]] = []
        values: list[FloatArray] = []
        bar = _bar(level, cap)
        for start in range(0, n_rows, step):
            block = matrix[start : start + step]
            live = block > bar
            # Flat positions, then less each row's offset: half the time of a two-axis nonzero.
            found = np.flatnonzero(live)
            kept = block.ravel()[found]
            held = np.count_nonzero(live, axis=1)
            found -= np.repeat(np.arange(len(block)) * n_columns, held)
            counts[start : start + step] = held
            columns.append(found.astype(np.int32))
            values.append(kept if cap is None else np.minimum(kept, cap[found]))
        self._columns = np.concatenate(columns)
        self._values = np.concatenate(values)
        self._ends = np.cumsum(counts)
        self._counts = counts

    def __len__(self) -> int:
        return len(self._values)

    def excess(self, rows: IndexArray, level: FloatArray) -> DoubleArray:
        """Per row the sum of max(0, value - level) in float64."""
        counts = self._counts[rows]
        ends = np.cumsum(counts)
        if not len(rows) or not ends[-1]:
            return np.zeros(len(rows), dtype=np.float64)
        # Positions of all entries of all rows, as one run of numbers shifted row by row.
        shift = self._ends[rows] - ends
        segment = np.repeat(np.arange(len(rows)), counts)
        entries = np.arange(ends[-1]) + shift[segment]
        above = np.subtract(self._values[entries], level[self._columns[entries]], dtype=np.float64)
        np.maximum(above, 0.0, out=above)
        return np.bincount(segment, weights=above, minlength=len(rows)).astype(
            np.float64, copy=False
        )

    def drop_covered(self, level: FloatArray) -> None:
        """Forget the entries that a risen level has reached."""
        live = self._values > level[self._columns]
        before = np.concatenate([[0], np.cumsum(live)])
        self._ends = before[self._ends]
        self._counts = np.diff(self._ends, prepend=0)
        self._columns = self._columns[live]
        self._values = self._values[live]


def live_share(matrix: FloatArray, level: FloatArray, cap: FloatArray | None) -> float:
    """Share of entries above the level, by evenly spaced rows."""
    sample = matrix[:: max(1, len(matrix) // SAMPLE_ROWS)]
    return float(np.count_nonzero(sample > _bar(level, cap))) / max(1, sample.size)


def _bar(level: FloatArray, cap: FloatArray | None) -> FloatArray:
    """What a value must exceed to add coverage: nothing does in a column covered to its cap."""
    return level if cap is None else np.where(cap > level, level, np.float32(np.inf))
