"""Values of a heatmap as 16-bit codes: small enough to send, fine enough to read three digits.

Knows numbers only, nothing of browsers or pages.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.types import FloatArray, IndexArray

HIGHEST_CODE = 65_534
NO_VALUE = 65_535
"""The code of a cell that has no value."""


@dataclass(frozen=True)
class Codes:
    """Quantised values.

    Attributes:
        codes: uint16 in the shape of the values.
        lo: Value of code 0.
        hi: Value of ``HIGHEST_CODE``.
    """

    codes: NDArray[np.uint16]
    lo: float
    hi: float

    @property
    def text(self) -> str:
        """The codes, little-endian and row by row, in base64."""
        return base64.b64encode(self.codes.astype("<u2").tobytes()).decode("ascii")

    def values(self) -> FloatArray:
        """What the codes stand for; NaN where there is none."""
        found = self.lo + self.codes.astype(np.float64) * (self.hi - self.lo) / HIGHEST_CODE
        return np.where(self.codes == NO_VALUE, np.nan, found).astype(np.float32)


def quantised(values: FloatArray) -> Codes:
    """Values between the lowest and the highest of them in equal steps; others have no value."""
    known = np.isfinite(values)
    if not known.any():
        return Codes(np.full(values.shape, NO_VALUE, np.uint16), 0.0, 0.0)
    wide = values.astype(np.float64)
    lo, hi = float(wide[known].min()), float(wide[known].max())
    steps = np.zeros(values.shape) if hi <= lo else (wide - lo) * (HIGHEST_CODE / (hi - lo))
    codes = np.where(known, np.rint(np.where(known, steps, 0)), NO_VALUE).astype(np.uint16)
    return Codes(codes, lo, hi)


def spread(values: FloatArray, lo: float, hi: float, bins: int = 48) -> IndexArray:
    """``(bins,)`` how many values lie in each part of a range; the end parts hold what is beyond.

    Values that are not finite are left out.
    """
    known = values[np.isfinite(values)].astype(np.float64)
    at = np.floor((known - lo) * (bins / (hi - lo))) if hi > lo else np.zeros(len(known))
    places = np.clip(at, 0, bins - 1).astype(np.int64)
    return np.bincount(places, minlength=bins).astype(np.int64)
