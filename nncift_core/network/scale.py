"""The scale that estimators learn on: what leaves them is in the labels' own units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nncift_core.types import Pairs


@dataclass(frozen=True)
class LabelScale:
    """Min-max scale of the training labels: lo becomes 0, hi becomes 1, nothing is clipped."""

    lo: float
    hi: float

    @classmethod
    def of(cls, training: Pairs) -> LabelScale:
        """The scale that the training labels set."""
        return cls(float(training.value.min()), float(training.value.max()))

    @property
    def width(self) -> float:
        """Hi - lo, above 0."""
        return self.hi - self.lo

    def scaled(self, pairs: Pairs) -> Pairs:
        """The same pairs with values on the scale."""
        values = (pairs.value.astype(np.float64) - self.lo) / self.width
        return Pairs(pairs.helper, pairs.helped, values.astype(np.float32))
