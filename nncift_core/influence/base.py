"""What every influence function offers. Knows no method, no label plan and no storage."""

from __future__ import annotations

import abc
from collections.abc import Sequence

from nncift_core.types import FloatArray, IndexArray, InfluenceSource, Row


class PairwiseInfluence(abc.ABC):
    """Influence of one row on another, computed truly, pair by pair or faster."""

    @abc.abstractmethod
    def matrix(self, helpers: Sequence[Row], helped: Sequence[Row]) -> FloatArray:
        """True influence, ``(len(helpers), len(helped))`` float32, higher is more helpful.

        The value of a pair does not depend on which other pairs are computed with it.
        """

    def source(self, helpers: Sequence[Row], helped: Sequence[Row]) -> InfluenceSource:
        """The same values, a block of helpers at a time."""
        return MatrixBlocks(self, helpers, helped)


class MatrixBlocks:
    """A method's matrix as a source of blocks, each computed when it is asked for.

    Args:
        method: Computes the values.
        helpers: ``n_train`` rows.
        helped: ``n_target`` rows.
    """

    def __init__(
        self, method: PairwiseInfluence, helpers: Sequence[Row], helped: Sequence[Row]
    ) -> None:
        self._method = method
        self._helpers = helpers
        self._helped = helped

    @property
    def n_train(self) -> int:
        """Number of helping rows."""
        return len(self._helpers)

    @property
    def n_target(self) -> int:
        """Number of helped rows."""
        return len(self._helped)

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, n_target)`` float32."""
        return self._method.matrix(self._helpers[start:stop], self._helped)

    def subset(self, rows: IndexArray, columns: IndexArray) -> MatrixBlocks:
        """The same for some rows and columns, in that order."""
        return MatrixBlocks(
            self._method, [self._helpers[i] for i in rows], [self._helped[j] for j in columns]
        )
