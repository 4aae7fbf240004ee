"""Saturated coverage: the square root lets many picks serve a target, each counting less.

f(A) = sum over target rows j of sqrt(sum over a in A of X[a, j]). Lin and Bilmes, ACL 2011.
Knows nothing of greedy.
"""

from __future__ import annotations

import numpy as np

from nncift_core.progress import Progress
from nncift_core.selection.greedy import greedy
from nncift_core.selection.matrices import DoubleArray, Matrices
from nncift_core.selection.maximise import Picks, Settings
from nncift_core.selection.row_blocks import RowBlocks
from nncift_core.types import FloatArray, IndexArray

SLACK = 2.0**-20
"""Error of ``estimate``: sum, two roots and quotient of float32 numbers, each right to 2**-24."""


class RootCoverage:
    """Sum over columns of the square root of what the chosen rows add up to.

    Args:
        matrix: ``(n_rows, n_columns)`` float32, non-negative.
    """

    def __init__(self, matrix: FloatArray) -> None:
        self._blocks = RowBlocks(matrix)
        self.reset()

    def reset(self) -> None:
        """Empty the set."""
        self._total = np.zeros(self._blocks.matrix.shape[1], dtype=np.float64)

    def estimate(self, rows: IndexArray) -> tuple[DoubleArray, float]:
        """Gains of rows from float32 sums, and the share they may be wrong by."""
        return self._blocks.root_growth(rows, self._total), SLACK

    def exact(self, rows: IndexArray) -> DoubleArray:
        """Gains of rows from float64 sums."""
        return self._blocks.exact_root_growth(rows, self._total)

    def add(self, row: int) -> tuple[int, int]:
        """Add one more row; returns columns it adds to, column of the largest gain."""
        values = np.maximum(self._blocks.matrix[row], 0.0).astype(np.float64)
        growth = np.sqrt(self._total + values) - np.sqrt(self._total)
        self._total += values
        touched = int(np.count_nonzero(values))
        return touched, int(growth.argmax()) if touched else -1

    def value(self, order: IndexArray) -> float:
        """The value of a set of rows, in float64."""
        total = np.zeros(self._blocks.matrix.shape[1], dtype=np.float64)
        for row in order:
            total += np.maximum(self._blocks.matrix[row], 0.0)
        return float(np.sqrt(total).sum())


class SaturatedCoverage:
    """Coverage over the target rows."""

    def __init__(self, settings: Settings) -> None:
        del settings  # no parameters

    def select(
        self, matrices: Matrices, budget: int, by_rank: IndexArray, progress: Progress
    ) -> Picks:
        """Greedy with rounds. Raises: DataError, Cancelled."""
        return greedy(self._coverage(matrices), budget, by_rank, progress)

    def value(self, matrices: Matrices, order: IndexArray) -> float:
        """f(A) in a single round."""
        return self._coverage(matrices).value(order)

    @staticmethod
    def _coverage(matrices: Matrices) -> RootCoverage:
        if matrices.target is None:
            raise ValueError("The objective's matrix is missing.")
        return RootCoverage(matrices.target)
