"""What every influence function offers. Knows no method, no label plan and no storage."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from nncift_core.influence.shards import Shards
from nncift_core.progress import Progress
from nncift_core.types import FloatArray, IndexArray, InfluenceSource, Row

Rows = Sequence[Row]

SHARD_PAIRS = 65_536
"""Pairs of a shard where a pair costs next to nothing."""


class RowBlock(NamedTuple):
    """Pairs that are wanted, by their rows.

    Attributes:
        helpers: ``(a,)`` rows that help.
        helped: ``(b,)`` rows that are helped.
        columns: ``(a, k)`` for each helper the places in ``helped`` of its own; None for all.
    """

    helpers: Rows
    helped: Rows
    columns: IndexArray | None = None

    @property
    def n_pairs(self) -> int:
        """Pairs in the block, self pairs included."""
        each = len(self.helped) if self.columns is None else self.columns.shape[1]
        return len(self.helpers) * each


Blocks = Sequence[tuple[Rows, Rows] | RowBlock]
"""Blocks of wanted pairs; (helpers, helped) stands for all pairs of both."""


class PairSource(Protocol):
    """Influence of each helper on some rows of its own, a block of helpers at a time."""

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, k)`` float32, original units, higher is more helpful."""


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

    def planned_units(self, blocks: Blocks) -> int:
        """The units of work that the pairs of these blocks cost."""
        return sum(RowBlock(*block).n_pairs for block in blocks)

    def open(self, progress: Progress) -> None:
        """Load what values need, so that nobody takes it for the time of the first values.

        Raises:
            NNCIFTError: It cannot be loaded.
            Cancelled: By ``progress``, while waiting for a device.
        """
        del progress

    def prepare(self, blocks: Blocks, shards: Shards) -> None:
        """Compute what is needed once a row, before the pairs of these blocks.

        Raises:
            Cancelled: Between shards.
        """
        del blocks, shards

    def shard_rows(self, n_helped: int) -> int:
        """Helpers of one shard of a block with ``n_helped`` pairs a helper."""
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

    def values_at(
        self,
        helpers: Sequence[Row],
        helped: Sequence[Row],
        columns: IndexArray,
        progress: Progress | None = None,
    ) -> FloatArray:
        """True influence of each helper on rows of its own: the values that ``matrix`` has there.

        Args:
            helpers: ``(a,)`` rows that help.
            helped: ``(b,)`` rows that are helped.
            columns: ``(a, k)`` places in ``helped``, those of each helper.
            progress: As for ``matrix``.

        Returns:
            ``(a, k)`` float32: the influence of ``helpers[r]`` on ``helped[columns[r, c]]``.

        Raises:
            Cancelled: By ``progress``.
        """
        values: FloatArray = np.empty(columns.shape, dtype=np.float32)
        # Helpers with the same rows are computed together.
        wanted, kind = np.unique(np.sort(columns, axis=1), axis=0, return_inverse=True)
        for number, places in enumerate(wanted):
            (rows,) = np.nonzero(kind.reshape(-1) == number)
            places = np.unique(places)
            some = [helped[int(j)] for j in places]
            found = self.matrix([helpers[int(i)] for i in rows], some, progress)
            inside = np.searchsorted(places, columns[rows])
            values[rows] = np.take_along_axis(found, inside, axis=1)
        return values

    def source(
        self, helpers: Sequence[Row], helped: Sequence[Row], progress: Progress | None = None
    ) -> InfluenceSource:
        """The values of ``matrix``, a block of helpers at a time."""
        return MatrixBlocks(self, helpers, helped, progress)

    def pair_source(
        self,
        helpers: Sequence[Row],
        helped: Sequence[Row],
        columns: IndexArray,
        progress: Progress | None = None,
    ) -> PairSource:
        """The values of ``values_at``, a block of helpers at a time."""
        return PairBlocks(self, RowBlock(helpers, helped, columns), progress)

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


class PairBlocks:
    """A method's values of some pairs as a source of blocks, each computed when it is asked for.

    Args:
        method: Computes the values.
        wanted: The pairs, with columns.
        progress: Asked whether to stop.
    """

    def __init__(
        self, method: PairwiseInfluence, wanted: RowBlock, progress: Progress | None = None
    ) -> None:
        self._method = method
        self._wanted = wanted
        self._progress = progress

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, k)`` float32."""
        helpers, helped, columns = self._wanted
        assert columns is not None
        # The method is shown the rows that these helpers need, no others.
        used, places = np.unique(columns[start:stop], return_inverse=True)
        return self._method.values_at(
            helpers[start:stop],
            [helped[j] for j in used],
            places.reshape(columns[start:stop].shape).astype(np.int64),
            self._progress,
        )
