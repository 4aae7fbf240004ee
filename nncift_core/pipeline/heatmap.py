"""A window of the influence matrix as it is drawn, and what the ends of its colors stand for.

Knows numbers only, nothing of runs or pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nncift_core.types import FloatArray, IndexArray

Aggregate = Literal["mean", "strongest", "high", "low"]
QUANTILES: dict[Aggregate, float] = {"high": 0.9, "low": 0.1}
"""What a cell shows of its pairs besides their mean and the strongest of them."""


@dataclass(frozen=True)
class Profile:
    """Means of the pairs of a window along one side of it.

    Attributes:
        mean: ``(tiles,)`` mean of all pairs of the window in a drawn row or column.
        half_width: ``(tiles,)`` how far such a mean may be off, NaN where not known; None where
            nothing is known.
    """

    mean: FloatArray
    half_width: FloatArray | None = None


@dataclass(frozen=True)
class Heatmap:
    """A window of the influence matrix as it is drawn: x = pool rows, y = target rows.

    Attributes:
        values: ``(target tiles, pool tiles)`` influence, original units.
        pool_edges: ``(pool tiles + 1,)`` places in the pool's order where tiles begin and end.
        target_edges: ``(target tiles + 1,)`` likewise for target rows.
        pool_positions: Positions of the window's pool rows, in the order drawn.
        target_positions: Positions of the window's target rows, in the order drawn.
        half_width: As ``values``: how far each pair may be off; NaN where it is labelled or not
            known. None unless every cell is one pair and the run has intervals.
        pool_profile: By drawn column, over the window's target rows.
        target_profile: By drawn row, over the window's pool rows.
    """

    values: FloatArray
    pool_edges: IndexArray
    target_edges: IndexArray
    pool_positions: IndexArray
    target_positions: IndexArray
    half_width: FloatArray | None = None
    pool_profile: Profile | None = None
    target_profile: Profile | None = None

    @property
    def is_raw(self) -> bool:
        """Whether every drawn cell is one pair."""
        return self.values.shape == (len(self.target_positions), len(self.pool_positions))

    @property
    def pairs_per_cell(self) -> tuple[int, int]:
        """Pool rows and target rows of the largest drawn cell."""
        return int(np.diff(self.pool_edges).max()), int(np.diff(self.target_edges).max())

    @property
    def window(self) -> tuple[int, int, int, int]:
        """First and past-the-last place of pool rows, then of target rows, from 0."""
        pool, target = self.pool_edges, self.target_edges
        return int(pool[0]), int(pool[-1]), int(target[0]), int(target[-1])

    @property
    def color_range(self) -> ColorRange:
        """Values that the ends of a color scale stand for."""
        return color_range(self.values)


@dataclass(frozen=True)
class ColorRange:
    """What the ends of a color scale stand for.

    Attributes:
        lo: Value of the lowest color.
        hi: Value of the highest color, above ``lo``.
        diverging: Whether there are values of both signs, each worth a color of its own; then
            ``lo`` is ``-hi``, so that zero has the middle color.
        clipped: Whether some values lie outside and share the end colors.
    """

    lo: float
    hi: float
    diverging: bool
    clipped: bool


def color_range(values: FloatArray) -> ColorRange:
    """The range that the middle 99 % of the values span: a few extremes must not dull the rest.

    Args:
        values: Influence in any shape; NaN is left out.
    """
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return ColorRange(0.0, 1.0, diverging=False, clipped=False)
    lowest, highest = float(known.min()), float(known.max())
    lo, hi = (float(end) for end in np.quantile(known, [0.005, 0.995]))
    # A trace of the other sign would cost the rest half of the scale.
    diverging = lo < 0 < hi and min(-lo, hi) >= 0.05 * max(-lo, hi)
    if diverging:
        hi = max(-lo, hi)
        lo = -hi
    if hi <= lo:
        lo, hi = lowest, highest
    if hi <= lo:
        lo, hi = lo - 0.5, lo + 0.5
    return ColorRange(lo, hi, diverging, clipped=lowest < lo or highest > hi)
