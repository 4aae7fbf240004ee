"""What every influence function offers. Knows no method, no label plan and no storage."""

from __future__ import annotations

import abc
from collections.abc import Sequence

from nncift_core.types import FloatArray, InfluenceSource, Row


class PairwiseInfluence(abc.ABC):
    """Influence of one row on another, computed truly, pair by pair or faster."""

    @abc.abstractmethod
    def matrix(self, helpers: Sequence[Row], helped: Sequence[Row]) -> FloatArray:
        """True influence, ``(len(helpers), len(helped))`` float32, higher is more helpful.

        The value of a pair does not depend on which other pairs are computed with it.
        """

    def source(self, helpers: Sequence[Row], helped: Sequence[Row]) -> InfluenceSource:
        """The same values, a block of helpers at a time."""
        return _MatrixBlocks(self, helpers, helped)


class _MatrixBlocks:
    def __init__(
        self, method: PairwiseInfluence, helpers: Sequence[Row], helped: Sequence[Row]
    ) -> None:
        self._method = method
        self._helpers = helpers
        self._helped = helped

    @property
    def n_train(self) -> int:
        return len(self._helpers)

    @property
    def n_target(self) -> int:
        return len(self._helped)

    def block(self, start: int, stop: int) -> FloatArray:
        return self._method.matrix(self._helpers[start:stop], self._helped)
