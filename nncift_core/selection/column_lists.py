"""For each column the rows of its highest values, from one pass over a matrix of any size.

Equal values go to the row that wins ties. Knows values and tie ranks; nothing of what lists are
used for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import DataError
from nncift_core.progress import Progress
from nncift_core.selection import kernels
from nncift_core.selection.column_coverage import SparseRows, in_blocks
from nncift_core.selection.scaled import BLOCK_VALUES, ScaledSource
from nncift_core.types import FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class ColumnLists:
    """The best rows of each column, the best first.

    Attributes:
        rows: ``(n_columns, length)`` int32 positions; -1 where a column has fewer rows.
        values: ``(n_columns, length)`` float32, the rows' values, ``-inf`` at -1.
        cut: ``(n_columns,)`` no row outside the list has a higher value; ``-inf`` where all rows
            are in it.
        n_rows: Rows of the matrix.
    """

    rows: NDArray[np.int32]
    values: FloatArray
    cut: FloatArray
    n_rows: int

    def by_row(self) -> SparseRows:
        """The same entries row by row, without those that cover nothing, being 0 or less."""
        columns, places = np.nonzero(self.values > 0)
        rows = self.rows[columns, places].astype(np.int64)
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=self.n_rows)
        return SparseRows(
            starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            columns=columns[order].astype(np.int32),
            values=self.values[columns, places][order],
            n_columns=len(self.rows),
        )


def column_lists(
    matrix: FloatArray | ScaledSource,
    rank: IndexArray,
    length: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    columns: IndexArray | None = None,
    progress: Progress | None = None,
) -> ColumnLists:
    """The lists of a matrix, read block by block.

    Args:
        matrix: ``(n_rows, n_columns)``.
        rank: ``(n_rows,)`` tie rank of each row, the smaller one wins.
        length: Rows a list, at most.
        allowed: ``(n_rows,)`` rows that may be in a list; all if None.
        columns: Columns that get a list, in that order; all if None.
        progress: Advanced by rows.

    Raises:
        DataError: A value is NaN or infinite; names the first such pool row, from 1.
        Cancelled: From ``progress``.
    """
    n_rows, n_columns = matrix.shape
    wanted = np.arange(n_columns) if columns is None else np.asarray(columns, dtype=np.int64)
    length = max(1, min(length, n_rows))
    rows = np.full((len(wanted), length), -1, dtype=np.int32)
    values = np.full((len(wanted), length), -np.inf, dtype=np.float32)
    allowed = np.ones(n_rows, dtype=np.bool_) if allowed is None else allowed
    # The last values of all lists side by side: looked at for every entry of the matrix.
    cut = np.full(len(wanted), -np.inf, dtype=np.float32)
    for start, block in in_blocks(matrix, BLOCK_VALUES):
        bad = _gather(block, start, wanted, rank, allowed, rows, values, cut)
        if bad >= 0:
            raise DataError(
                f"The influence of pool row {bad + 1} holds values that are not finite.",
                "Compute the influence again, or leave the row out.",
            )
        if progress is not None:
            progress.advance(len(block))
    # What is not allowed is not left out either.
    if np.count_nonzero(allowed) <= length:
        cut[:] = -np.inf
    _sort_lists(rows, values, rank)
    return ColumnLists(rows, values, cut, n_rows)


@kernels.compiled
def _worse(rows, values, a, b, rank):  # type: ignore[no-untyped-def]
    if values[a] != values[b]:
        return values[a] < values[b]
    if rows[a] < 0 or rows[b] < 0:
        return rows[a] < rows[b]
    return rank[rows[a]] > rank[rows[b]]


@kernels.compiled
def _sink(rows, values, place, size, rank):  # type: ignore[no-untyped-def]
    """Restore a heap whose root is the worst entry, after the entry at ``place`` got better."""
    while True:
        child = 2 * place + 1
        if child >= size:
            return
        if child + 1 < size and _worse(rows, values, child + 1, child, rank):
            child += 1
        if not _worse(rows, values, child, place, rank):
            return
        rows[place], rows[child] = rows[child], rows[place]
        values[place], values[child] = values[child], values[place]
        place = child


@kernels.compiled
def _gather(  # type: ignore[no-untyped-def]
    block, start, wanted, rank, allowed, rows, values, cut
):
    """Let the rows of a block into the lists; returns a row that is not finite, or -1.

    A list is a heap with its worst entry, whose value is ``cut``, as the root.
    """
    length = rows.shape[1]
    for i in range(block.shape[0]):
        row = start + i
        if not np.isfinite(kernels.check_sum(block[i])):
            return row
        if not allowed[row]:
            continue
        for place in range(wanted.shape[0]):
            value = block[i, wanted[place]]
            if value < cut[place]:
                continue
            last = rows[place, 0]
            if value == cut[place] and last >= 0 and rank[row] > rank[last]:
                continue
            rows[place, 0], values[place, 0] = row, value
            _sink(rows[place], values[place], 0, length, rank)
            cut[place] = values[place, 0]
    return -1


@kernels.compiled
def _sort_lists(rows, values, rank):  # type: ignore[no-untyped-def]
    """Turn heaps into lists, the best first: the worst goes to the end again and again."""
    for place in range(rows.shape[0]):
        for size in range(rows.shape[1] - 1, 0, -1):
            r, v = rows[place], values[place]
            r[0], r[size] = r[size], r[0]
            v[0], v[size] = v[size], v[0]
            _sink(r, v, 0, size, rank)
