"""A coverage of columns: what the objectives of selection have in common, as arrays.

Every column (a target row, or a pool row) is covered by the chosen rows, in one of two ways:

    best    sum over columns of what the best chosen row has above ``start``, up to ``cap``
    root    sum over columns of the square root of what all chosen rows add up to

plus a bonus a row, which it brings whatever is covered. Knows nothing of greedy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import DataError
from nncift_core.selection.matrices import DoubleArray, finite_rows
from nncift_core.selection.scaled import ScaledSource
from nncift_core.types import FloatArray, IndexArray

VALUE_ROWS = 2_000_000
"""Values read at once to evaluate a set."""


@dataclass(frozen=True, eq=False)
class SparseRows:
    """The entries of a matrix that count, row by row; all others count 0.

    Attributes:
        starts: ``(n_rows + 1,)`` where each row's entries begin.
        columns: ``(n_entries,)`` int32.
        values: ``(n_entries,)`` float32.
        n_columns: Columns of the matrix.
    """

    starts: IndexArray
    columns: NDArray[np.int32]
    values: FloatArray
    n_columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_rows, n_columns)``."""
        return len(self.starts) - 1, self.n_columns


@dataclass(frozen=True, eq=False)
class ColumnCoverage:
    """A monotone submodular function of sets of pool rows.

    Attributes:
        rows: ``(n_rows, n_columns)``: a float32 matrix, the entries of one that count, or a
            source of blocks that an optimizer makes into one of these.
        root: Whether columns add up under a square root; else each has its best row.
        start: ``(n_columns,)`` what is covered before the first pick; zeros if None.
        cap: ``(n_columns,)`` beyond which a column cannot be covered; none if None.
        bonus: ``(n_rows,)`` added to a row's gain whatever is covered; none if None.
        unit: What gains and values are multiplied by in the end; it changes no choice.
    """

    rows: FloatArray | SparseRows | ScaledSource
    root: bool = False
    start: FloatArray | None = None
    cap: FloatArray | None = None
    bonus: DoubleArray | None = None
    unit: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_rows, n_columns)``."""
        n_rows, n_columns = self.rows.shape
        return n_rows, n_columns

    def first_level(self) -> FloatArray:
        """``(n_columns,)`` what is covered before the first pick; a new array."""
        if self.start is None:
            return np.zeros(self.shape[1], dtype=np.float32)
        return self.start.astype(np.float32)

    def last_level(self) -> FloatArray | None:
        """``(n_columns,)`` the cap, nowhere below the start; None without one."""
        return None if self.cap is None else np.maximum(self.cap, self.first_level())

    def value(self, order: IndexArray) -> float:
        """The value of a set of rows, from float64 sums.

        Raises:
            DataError: A value of a chosen row is NaN or infinite.
        """
        bonus = 0.0 if self.bonus is None else float(self.bonus[order].sum())
        if self.root:
            total = np.zeros(self.shape[1], dtype=np.float64)
            for values in self._read(order):
                total += np.maximum(values, np.float32(0.0)).sum(axis=0, dtype=np.float64)
            return self.unit * _finite(float(np.sqrt(total).sum()) + bonus)
        covered = self.level_after(order).astype(np.float64)
        return self.unit * _finite(float((covered - self.first_level()).sum()) + bonus)

    def level_after(self, order: IndexArray) -> FloatArray:
        """``(n_columns,)`` what is covered after the picks, where columns have their best row."""
        covered = self.first_level()
        for values in self._read(order):
            np.maximum(covered, values.max(axis=0), out=covered)
        cap = self.last_level()
        return covered if cap is None else np.minimum(covered, cap)

    def _read(self, order: IndexArray) -> Iterator[FloatArray]:
        """The chosen rows, some at a time."""
        step = max(1, VALUE_ROWS // max(1, self.shape[1]))
        for start in range(0, len(order), step):
            yield read_rows(self.rows, order[start : start + step])


def read_rows(rows: FloatArray | SparseRows | ScaledSource, positions: IndexArray) -> FloatArray:
    """``(len(positions), n_columns)`` float32, whatever the matrix is kept as."""
    if isinstance(rows, ScaledSource):
        return rows.rows(positions)
    if isinstance(rows, SparseRows):
        dense = np.zeros((len(positions), rows.n_columns), dtype=np.float32)
        for place, row in enumerate(positions):
            part = slice(rows.starts[row], rows.starts[row + 1])
            dense[place, rows.columns[part]] = rows.values[part]
        return dense
    return np.asarray(rows[positions], dtype=np.float32)


def in_blocks(
    rows: FloatArray | ScaledSource, most_values: int
) -> Iterator[tuple[int, FloatArray]]:
    """The rows of a matrix block by block, each with its first row's position."""
    if isinstance(rows, ScaledSource):
        yield from rows.blocks(most_values)
        return
    step = max(1, most_values // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        yield start, np.ascontiguousarray(rows[start : start + step], dtype=np.float32)


def row_max(matrix: FloatArray | ScaledSource) -> DoubleArray:
    """``(n_rows,)`` highest value of each row, at least 0. Raises: DataError."""
    if isinstance(matrix, ScaledSource):
        parts = [block.max(axis=1, initial=0.0) for _, block in matrix.blocks()]
        return finite_rows(np.concatenate(parts))
    return finite_rows(matrix.max(axis=1, initial=0.0))


def _finite(value: float) -> float:
    if not np.isfinite(value):
        raise DataError(
            "The influence of a chosen row holds values that are not finite.",
            "Compute the influence again, or leave the row out.",
        )
    return value
