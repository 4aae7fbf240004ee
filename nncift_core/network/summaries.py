"""Reducers for columns, groups of columns and the matrix as a whole: means, range, row scores.

Those for rows are in ``reducers.py``, those for heatmaps in ``tiles.py``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nncift_core.network.reducers import Reducer
from nncift_core.types import FloatArray, IndexArray


class ColumnMean(Reducer):
    """Mean influence on each target of all rows but itself: ``(n_target,)`` float64.

    A target with no row left has mean 0.

    Args:
        helper_positions: ``(n,)`` rows of the pairs to leave out (equal content), each pair once.
        helped_positions: ``(n,)`` their columns.
    """

    def __init__(self, helper_positions: IndexArray, helped_positions: IndexArray) -> None:
        order = np.argsort(helper_positions, kind="stable")
        self._helpers = np.asarray(helper_positions, np.int64)[order]
        self._helped = np.asarray(helped_positions, np.int64)[order]

    def begin(self, n_train: int, n_target: int) -> None:
        """Make room for ``n_target`` means."""
        self._sum = np.zeros(n_target, np.float64)
        self._count = n_train - np.bincount(self._helped, minlength=n_target)

    def update(self, start: int, block: FloatArray) -> None:
        """Add the columns of the block, less the pairs left out."""
        first, last = np.searchsorted(self._helpers, [start, start + len(block)])
        columns = self._helped[first:last]
        left_out = block[self._helpers[first:last] - start, columns].astype(np.float64)
        self._sum += block.sum(axis=0, dtype=np.float64)
        self._sum -= np.bincount(columns, weights=left_out, minlength=len(self._sum))

    def result(self) -> NDArray[np.float64]:
        """``(n_target,)`` means."""
        return np.where(self._count > 0, self._sum / np.maximum(self._count, 1), 0.0)


class Range(Reducer):
    """Lowest and highest influence of all pairs."""

    def begin(self, n_train: int, n_target: int) -> None:
        """Start from nothing."""
        self._lowest, self._highest = np.inf, -np.inf

    def update(self, start: int, block: FloatArray) -> None:
        """Widen the range."""
        self._lowest = min(self._lowest, float(block.min()))
        self._highest = max(self._highest, float(block.max()))

    def result(self) -> tuple[float, float]:
        """Lowest, highest."""
        return self._lowest, self._highest


class BestGroupMean(Reducer):
    """Highest mean influence of each row over groups of targets: ``(n_train,)`` float64.

    LESS's row score: the mean over the target rows of a subtask, then the best subtask (Xia et
    al., ICML 2024, section 4.2). A row with no target left has score 0.

    Args:
        groups: ``(n_target,)`` number of each target's group, from 0.
        helper_positions: ``(n,)`` rows of the pairs to leave out (equal content), each pair once.
        helped_positions: ``(n,)`` their columns.
    """

    def __init__(
        self, groups: IndexArray, helper_positions: IndexArray, helped_positions: IndexArray
    ) -> None:
        order = np.argsort(helper_positions, kind="stable")
        self._helpers = np.asarray(helper_positions, np.int64)[order]
        self._helped = np.asarray(helped_positions, np.int64)[order]
        self._groups = groups
        self._member = np.zeros((len(groups), int(groups.max()) + 1), np.float64)
        self._member[np.arange(len(groups)), groups] = 1.0

    def begin(self, n_train: int, n_target: int) -> None:
        """Make room for ``n_train`` scores."""
        self._score = np.zeros(n_train, np.float64)

    def update(self, start: int, block: FloatArray) -> None:
        """Score the rows of the block, the pairs left out taken off."""
        sums = block.astype(np.float64) @ self._member
        counts = np.broadcast_to(self._member.sum(axis=0), sums.shape).copy()
        first, last = np.searchsorted(self._helpers, [start, start + len(block)])
        rows, columns = self._helpers[first:last] - start, self._helped[first:last]
        np.subtract.at(sums, (rows, self._groups[columns]), block[rows, columns])
        np.subtract.at(counts, (rows, self._groups[columns]), 1.0)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf)
        best = means.max(axis=1)
        self._score[start : start + len(block)] = np.where(np.isfinite(best), best, 0.0)

    def result(self) -> NDArray[np.float64]:
        """``(n_train,)`` scores."""
        return self._score
