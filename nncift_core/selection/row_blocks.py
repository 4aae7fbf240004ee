"""Sums over single rows of a large float32 matrix, in batches. Knows no objective.

The matrix is never copied as a whole; a batch is gathered into one reused buffer.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch

from nncift_core.selection.matrices import DoubleArray
from nncift_core.types import FloatArray, IndexArray

BUFFER_ELEMENTS = 32_000
"""Elements of the working buffer: 125 KiB of float32, so that the passes over it stay in the cache
of one core. Also below the 32,768 from which torch calls its thread pool: batches here take some
20 microseconds, and waiting for a second thread on a busy machine was measured at 12 ms."""

EXACT_ELEMENTS = 1 << 17
"""Elements of a float64 batch, 1 MiB."""


class RowBlocks:
    """Gathers batches of rows and sums what exceeds a level.

    Attributes:
        matrix: ``(n_rows, n_columns)`` float32, rows contiguous.
        slack: Share by which ``excess`` may be wrong. A float32 sum of n non-negative terms, in
            any order, is right to (n - 1) * 2**-24, and each term to 2**-24.
    """

    def __init__(self, matrix: FloatArray) -> None:
        # Only a transposed view or another type is copied: a float32 matrix by rows is used as is.
        self.matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        n_columns = self.matrix.shape[1]
        self.slack = (n_columns + 8) * 2.0**-24
        with warnings.catch_warnings():
            # A read-only memory map: torch warns, and nothing here writes to it.
            warnings.simplefilter("ignore", UserWarning)
            self._tensor = torch.from_numpy(self.matrix)
        self._rows = max(1, BUFFER_ELEMENTS // max(1, n_columns))
        self._buffer = torch.empty((self._rows, n_columns), dtype=torch.float32)

    def excess(self, rows: IndexArray, level: FloatArray, cap: FloatArray | None) -> DoubleArray:
        """Per row the sum of max(0, min(row, cap) - level), float32 inside, right to ``slack``."""
        floor = torch.from_numpy(level)
        ceiling = None if cap is None else torch.from_numpy(cap)
        sums = []
        for batch in torch.split(torch.from_numpy(rows), self._rows):
            block = torch.index_select(self._tensor, 0, batch, out=self._buffer[: batch.numel()])
            if ceiling is not None:
                torch.minimum(block, ceiling, out=block)
            sums.append(block.sub_(floor).relu_().sum(dim=1))
        return torch.cat(sums).numpy().astype(np.float64)

    def exact_excess(
        self, rows: IndexArray, level: FloatArray, cap: FloatArray | None
    ) -> DoubleArray:
        """The same sums in float64."""
        sums = np.empty(len(rows), dtype=np.float64)
        step = max(1, EXACT_ELEMENTS // max(1, self.matrix.shape[1]))
        for start in range(0, len(rows), step):
            block = self.matrix[rows[start : start + step]]
            if cap is not None:
                np.minimum(block, cap, out=block)
            wide = np.subtract(block, level, dtype=np.float64)
            np.maximum(wide, 0.0, out=wide)
            sums[start : start + step] = wide.sum(axis=1)
        return sums

    def root_growth(self, rows: IndexArray, total: DoubleArray) -> DoubleArray:
        """Per row the sum of sqrt(total + row) - sqrt(total), float32 terms summed in float64.

        Gains here differ by little, so a float32 sum would leave many rows undecided.
        """
        base = total.astype(np.float32)
        root = np.sqrt(total).astype(np.float32)
        sums = np.empty(len(rows), dtype=np.float64)
        for start in range(0, len(rows), self._rows):
            batch = rows[start : start + self._rows]
            block = np.maximum(self.matrix[batch], np.float32(0.0))
            # x / (sqrt(c + x) + sqrt(c)) is the difference of the roots without cancellation.
            # NumPy's root: torch's waits for its thread pool whatever the size.
            denominator = block + base
            np.sqrt(denominator, out=denominator)
            denominator += root
            np.maximum(denominator, np.finfo(np.float32).tiny, out=denominator)
            with np.errstate(
                invalid="ignore"
            ):  # infinite values give NaN, which the caller refuses
                np.divide(block, denominator, out=block)
            block.sum(axis=1, dtype=np.float64, out=sums[start : start + len(batch)])
        return sums

    def exact_root_growth(self, rows: IndexArray, total: DoubleArray) -> DoubleArray:
        """The same sums in float64."""
        sums = np.empty(len(rows), dtype=np.float64)
        step = max(1, EXACT_ELEMENTS // max(1, self.matrix.shape[1]))
        root = np.sqrt(total)
        for start in range(0, len(rows), step):
            block = np.maximum(self.matrix[rows[start : start + step]], 0.0).astype(np.float64)
            denominator = np.sqrt(block + total) + root
            np.maximum(denominator, np.finfo(np.float64).tiny, out=denominator)
            sums[start : start + step] = np.divide(block, denominator, out=block).sum(axis=1)
        return sums
