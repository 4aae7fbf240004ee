"""What every influence function offers. Knows no method, no label plan and no storage."""

from __future__ import annotations

import abc
from collections.abc import Sequence

from nncift_core.influence.shards import Shards
from nncift_core.progress import Progress
from nncift_core.types import FloatArray, IndexArray, InfluenceSource, Row

Rows = Sequence[Row]

SHARD_PAIRS = 65_536
"""Pairs of a shard where a pair costs next to nothing."""


class PairwiseInfluence(abc.ABC):
    """Influence of one row on another, computed truly, pair by pair or faster.

    Attributes:
        unit: What the cost is counted in: ``pairs`` or ``gradients``.
    """

    unit: str = "pairs"

    @property
    def identity(self) -> str:
        """Changes with everything besides the rows that values depend on: method, settings, model.

        Part of the names of shards. Reads no weights.
        """
        return ""

    def planned_units(self, blocks: Sequence[tuple[Rows, Rows]]) -> int:
        """The units of work that the pairs of these (helpers, helped) blocks cost."""
        return sum(len(helpers) * len(helped) for helpers, helped in blocks)

    def open(self, progress: Progress) -> None:
        """Load what values need, so that nobody takes it for the time of the first values.

        Raises:
            NNCIFTError: It cannot be loaded.
            Cancelled: By ``progress``, while waiting for a device.
        """
        del progress

    def prepare(self, blocks: Sequence[tuple[Rows, Rows]], shards: Shards) -> None:
        """Compute what is needed once a row, before the pairs of these blocks.

        Raises:
            Cancelled: Between shards.
        """
        del blocks, shards

    def shard_rows(self, n_helped: int) -> int:
        """Helpers of one shard of a block with ``n_helped`` columns."""
        return max(1, SHARD_PAIRS // max(1, n_helped))

    @abc.abstractmethod
    def matrix(
        self, helpers: Sequence[Row], helped: Sequence[Row], progress: Progress | None = None
    ) -> FloatArray:
        """True influence, ``(len(helpers), len(helped))`` float32, higher is more helpful.

        The value of a pair does not depend on which other pairs are computed with it. NaN where
        there is none, such as for a target row that the model cannot read whole.

        Args:
            helpers: Rows that help.
            helped: Rows that are helped.
            progress: Asked now and then whether to stop; its units are counted by the caller.

        Raises:
            Cancelled: By ``progress``.
        """

    def source(
        self, helpers: Sequence[Row], helped: Sequence[Row], progress: Progress | None = None
    ) -> InfluenceSource:
        """The same values, a block of helpers at a time."""
        return MatrixBlocks(self, helpers, helped, progress)

    def notes(self) -> list[str]:
        """Sentences for the user about what was computed so far."""
        return []


class PointwiseInfluence(abc.ABC):
    """The worth of a single row, whatever the target.

    Attributes:
        unit: What the cost is counted in.
    """

    unit: str = "rows"

    @property
    def identity(self) -> str:
        """As for pairwise influence."""
        return ""

    @abc.abstractmethod
    def scores(self, rows: Sequence[Row], progress: Progress | None = None) -> FloatArray:
        """True scores, ``(len(rows),)`` float32, higher is better; NaN where there is none.

        The score of a row does not depend on which other rows are scored with it.

        Args:
            rows: What to score.
            progress: As for pairwise influence.

        Raises:
            Cancelled: By ``progress``.
        """

    def notes(self) -> list[str]:
        """Sentences for the user about what was computed so far."""
        return []

    def open(self, progress: Progress) -> None:
        """As for pairwise influence."""
        del progress

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
        progress: Asked whether to stop.
    """

    def __init__(
        self,
        method: PairwiseInfluence,
        helpers: Sequence[Row],
        helped: Sequence[Row],
        progress: Progress | None = None,
    ) -> None:
        self._method = method
        self._helpers = helpers
        self._helped = helped
        self._progress = progress

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
        return self._method.matrix(self._helpers[start:stop], self._helped, self._progress)

    def subset(self, rows: IndexArray, columns: IndexArray) -> MatrixBlocks:
        """The same for some rows and columns, in that order."""
        return MatrixBlocks(
            self._method,
            [self._helpers[i] for i in rows],
            [self._helped[j] for j in columns],
            self._progress,
        )
