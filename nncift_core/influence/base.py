"""What every influence function offers. Knows no method, no label plan and no storage."""

from __future__ import annotations

import abc
from collections.abc import Sequence

from nncift_core.influence.shards import Shards
from nncift_core.types import FloatArray, IndexArray, InfluenceSource, Row

Rows = Sequence[Row]


class PairwiseInfluence(abc.ABC):
    """Influence of one row on another, computed truly, pair by pair or faster.

    Attributes:
        identity: Changes with everything besides the rows that values depend on: method,
            settings, model. Part of the names of shards.
        unit: What the cost is counted in: ``pairs`` or ``gradients``.
    """

    identity: str = ""
    unit: str = "pairs"

    def planned_units(self, blocks: Sequence[tuple[Rows, Rows]]) -> int:
        """The units of work that the pairs of these (helpers, helped) blocks cost."""
        return sum(len(helpers) * len(helped) for helpers, helped in blocks)

    def prepare(self, blocks: Sequence[tuple[Rows, Rows]], shards: Shards) -> None:
        """Compute what is needed once a row, before the pairs of these blocks.

        Raises:
            Cancelled: Between shards.
        """
        del blocks, shards

    def shard_rows(self, n_helped: int) -> int:
        """Helpers of one shard of a block with ``n_helped`` columns."""
        return max(1, 65_536 // max(1, n_helped))

    @abc.abstractmethod
    def matrix(self, helpers: Sequence[Row], helped: Sequence[Row]) -> FloatArray:
        """True influence, ``(len(helpers), len(helped))`` float32, higher is more helpful.

        The value of a pair does not depend on which other pairs are computed with it.
        """

    def source(self, helpers: Sequence[Row], helped: Sequence[Row]) -> InfluenceSource:
        """The same values, a block of helpers at a time."""
        return MatrixBlocks(self, helpers, helped)


class PointwiseInfluence(abc.ABC):
    """The worth of a single row, whatever the target.

    Attributes:
        identity: As for pairwise influence.
        unit: What the cost is counted in.
    """

    identity: str = ""
    unit: str = "rows"

    @abc.abstractmethod
    def scores(self, rows: Sequence[Row]) -> FloatArray:
        """True scores, ``(len(rows),)`` float32, higher is better.

        The score of a row does not depend on which other rows are scored with it.
        """

    def planned_units(self, n_rows: int) -> int:
        """The units of work that so many rows cost."""
        return n_rows

    def shard_rows(self) -> int:
        """Rows of one shard."""
        return 16


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
