"""The two ways to score blocks of pairs from projected rows: plain PyTorch and compiled.

Both compute ``relu(helpers[i] + helped[j]) @ weight + constant`` for all ``i`` and ``j``
without a tensor of ``rows x columns x hidden``. Knows nothing of networks, units or sizes.
"""

from __future__ import annotations

import numpy as np

from nncift_core.network.native import Kernel, aligned
from nncift_core.types import FloatArray


class EagerScorer:
    """Plain PyTorch, on any machine.

    ``relu(x) = (x + |x|) / 2``. The sum over the halves ``x / 2`` is one number a row plus one
    a column, and the sum of ``weight * |h + t|`` is a Manhattan distance between weighted rows,
    one for the positive and one for the negative weights: PyTorch has a vectorised kernel for
    it that needs no memory but the result.

    Args:
        helped: ``(columns, hidden)``.
        weight: ``(hidden,)``.
        constant: Added to every score.
    """

    def __init__(self, helped: FloatArray, weight: FloatArray, constant: float) -> None:
        # Here as below: a finished run without hidden units is read without waiting for it.
        import torch

        half = weight.astype(np.float64) / 2
        self._half = half
        self._column_term = torch.from_numpy((helped @ half + constant).astype(np.float32))
        self._signs = []
        for sign in (1.0, -1.0):
            units = np.flatnonzero(sign * half > 0)
            factor = np.abs(half[units]).astype(np.float32)
            mirrored = torch.from_numpy(np.ascontiguousarray(helped[:, units] * -factor))
            self._signs.append((sign, units, factor, mirrored))

    def scores(self, helpers: FloatArray) -> FloatArray:
        """``(rows, hidden)`` to ``(rows, columns)``."""
        import torch

        row_term = torch.from_numpy((helpers @ self._half).astype(np.float32))
        scores = row_term[:, None] + self._column_term
        for sign, units, factor, mirrored in self._signs:
            if len(units):
                rows = torch.from_numpy(np.ascontiguousarray(helpers[:, units] * factor))
                scores.add_(torch.cdist(rows, mirrored, p=1.0), alpha=sign)
        return scores.numpy()


class CompiledScorer:
    """The kernel of ``scores.cpp``; see there for the arithmetic.

    Args:
        kernel: The compiled functions.
        helped: ``(columns, hidden)``.
        weight: ``(hidden,)``.
        constant: Added to every score.
    """

    def __init__(
        self, kernel: Kernel, helped: FloatArray, weight: FloatArray, constant: float
    ) -> None:
        self._kernel = kernel
        self._tiles = kernel.tiles(helped)
        self._columns = len(helped)
        self._weight = np.ascontiguousarray(weight, np.float32)
        self._base = aligned((self._tiles.shape[0] * self._tiles.shape[2],))
        self._base[:] = 0
        self._base[: self._columns] = helped @ weight.astype(np.float64) + constant

    def scores(self, helpers: FloatArray) -> FloatArray:
        """``(rows, hidden)`` to ``(rows, columns)``."""
        import torch

        return self._kernel.scores(
            np.ascontiguousarray(helpers, np.float32),
            self._tiles,
            self._weight,
            self._base,
            self._columns,
            threads=torch.get_num_threads(),
        )
