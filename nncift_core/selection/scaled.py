"""Influence on the common scale that is computed when it is read, for matrices beyond memory.

Knows a source of blocks and the two ends of the scale; keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nncift_core.selection.matrices import scale
from nncift_core.types import FloatArray, IndexArray, InfluenceSource

BLOCK_VALUES = 8_000_000
"""Values of a block, 32 MiB of float32: large enough for the processor, small beside the rest."""


class ScaledSource:
    """A matrix of ``Matrices`` that does not fit in memory.

    Args:
        source: Influence in original units, a block of helping rows at a time. Where it has a
            ``subset(rows, columns)`` too, single rows are read without their neighbours.
        lo: Lowest training label of X.
        hi: Highest training label of X.
    """

    def __init__(self, source: InfluenceSource, lo: float, hi: float) -> None:
        self._source = source
        self._lo, self._hi = lo, hi

    @property
    def n_train(self) -> int:
        """Helping rows."""
        return self._source.n_train

    @property
    def n_target(self) -> int:
        """Helped rows."""
        return self._source.n_target

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_train, n_target)``."""
        return self.n_train, self.n_target

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, n_target)`` float32, scaled. Raises: DataError."""
        return scale(self._source.block(start, stop), self._lo, self._hi)

    def blocks(self, most_values: int = BLOCK_VALUES) -> Iterator[tuple[int, FloatArray]]:
        """The whole matrix, block by block, each with its first row's position."""
        step = max(1, most_values // max(1, self.n_target))
        for start in range(0, self.n_train, step):
            yield start, self.block(start, min(start + step, self.n_train))

    def rows(self, positions: IndexArray) -> FloatArray:
        """``(len(positions), n_target)`` float32, scaled, in that order."""
        subset = getattr(self._source, "subset", None)
        if subset is not None:
            part = subset(positions, np.arange(self.n_target))
            return scale(part.block(0, len(positions)), self._lo, self._hi)
        found = np.empty((len(positions), self.n_target), dtype=np.float32)
        for place, position in enumerate(positions):
            found[place] = self.block(int(position), int(position) + 1)[0]
        return found
