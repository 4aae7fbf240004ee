"""The law by which estimates improve with labels, fitted to a few sizes and carried further.

``error(n) = floor + a * n ** -b`` for the error 1 - R², with floor, a >= 0 and b > 0: what is left
with any number of labels, and what more of them take away. Fitted by weighted least squares; a
multiplier bootstrap over the draws gives the interval. Knows numbers of labels and R², nothing of
how either came about. Sources: Hestness et al., "Deep learning scaling is predictable,
empirically", arXiv 1712.00409, for the law; Nadeau and Bengio, "Inference for the generalization
error", Machine Learning 52, 2003, for draws that share their labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.types import IndexArray

DoubleArray = NDArray[np.float64]
Interval = tuple[float, float]

LEVEL = 0.95
RESAMPLES = 2000

FAR = 8.0
"""Times the labels at hand up to which the law was seen to hold; beyond it is a guess."""

WORST_ERROR = 2.0
"""An error is taken as no more than this: the few labels of a small size can give any value."""

LEAST_R2 = 0.02
"""Less than this explains nothing worth the labels."""

# From "hardly changes" to "gone after the first labels". A law outside is not told apart from
# these by four sizes.
_EXPONENTS: DoubleArray = np.geomspace(0.1, 2.0, 48)


@dataclass(frozen=True)
class LearningCurve:
    """A fitted law with what it was fitted to.

    Attributes:
        labels: ``(sizes,)`` labels that were learned from, ascending.
        r2: ``(draws, sizes)`` what was measured.
        floor: Error that no number of labels takes away.
        scale: Error on top of it at the largest size.
        exponent: How fast that falls with the labels.
        resampled: ``(RESAMPLES, 3)`` floor, scale and exponent of the bootstrap.
    """

    labels: IndexArray
    r2: DoubleArray
    floor: float
    scale: float
    exponent: float
    resampled: DoubleArray

    @property
    def largest(self) -> int:
        """Labels of the largest size."""
        return int(self.labels[-1])

    def predict(self, labels: float) -> float:
        """The R² that so many labels give."""
        share = labels / self.largest
        return float(1 - self.floor - self.scale * share**-self.exponent)

    def interval(self, labels: float, level: float = LEVEL) -> Interval:
        """The interval of ``predict``."""
        floor, scale, exponent = self.resampled.T
        values = np.minimum(1 - floor - scale * (labels / self.largest) ** -exponent, 1.0)
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def labels_for(self, r2: float) -> float | None:
        """Labels that give this R², None where no number does."""
        left = 1 - r2 - self.floor
        if left <= 0:
            return None
        if self.scale == 0:
            return float(self.labels[0])
        share = float((self.scale / left) ** (1 / self.exponent))
        return share * self.largest if np.isfinite(share) else None

    def is_far(self, labels: float) -> bool:
        """Whether so many labels lie beyond what the measured sizes speak of."""
        return labels > FAR * self.largest

    @property
    def explains_nothing(self) -> bool:
        """Whether what was measured cannot be told from predicting the mean, at any size."""
        r2 = self.r2[:, -1]
        low, _ = self.interval(self.largest)
        return float(r2.mean()) <= LEAST_R2 or (low <= 0 and self.predict(self.largest) <= LEAST_R2)

    def line(self, most: float, points: int = 24) -> list[dict[str, float]]:
        """The law with its interval from the smallest size to ``most`` labels, to be drawn."""
        drawn = []
        for labels in np.geomspace(self.labels[0], max(most, self.largest), points):
            low, high = self.interval(float(labels))
            row = {"labels": float(labels), "r2": self.predict(float(labels))}
            drawn.append({**row, "low": low, "high": high})
        return drawn

    def as_json(self) -> dict[str, Any]:
        """The law and its points as JSON types."""
        return {
            "floor": self.floor,
            "scale": self.scale,
            "exponent": self.exponent,
            "largest": self.largest,
            "points": [
                {
                    "labels": int(labels),
                    "r2": float(self.r2[:, size].mean()),
                    "r2_of_draws": [float(value) for value in self.r2[:, size]],
                    "law": self.predict(float(labels)),
                    "law_ci": list(self.interval(float(labels))),
                }
                for size, labels in enumerate(self.labels)
            ],
        }


def fit_curve(
    labels: IndexArray, r2: DoubleArray, *, seed: int = 0, shared: float = 0.0
) -> LearningCurve:
    """Fit the law.

    Args:
        labels: ``(sizes,)`` labels of each size, ascending; three sizes or more.
        r2: ``(draws, sizes)`` R² of each draw at each size; two draws or more.
        seed: Of the bootstrap.
        shared: Test labels over training labels where all draws come from the same few labels:
            their mean varies by that much more than by one over their number (Nadeau and
            Bengio). 0 for independent draws.

    Raises:
        ValueError: Too few sizes or draws.
    """
    draws, sizes = r2.shape
    if draws < 2 or sizes < 3 or len(labels) != sizes:
        raise ValueError(f"{draws} draws of {sizes} sizes do not make a curve")
    error = np.minimum(1 - r2.astype(np.float64), WORST_ERROR)
    mean, rest = error.mean(axis=0), error - error.mean(axis=0)
    variance = (rest**2).sum(axis=0) / (draws - 1)
    # A size that happens to scatter little must not decide alone.
    weight = 1 / np.maximum(0.5 * variance + 0.5 * variance.mean(), 1e-12)
    share = labels / float(labels[-1])
    floor, scale, exponent = _fit(share, mean[None, :], weight)[0]

    rng = np.random.default_rng(seed)
    # Whole draws are weighted by chance, since the sizes of a draw belong together; the factor
    # makes the few draws' spread a Student's t.
    multipliers = rng.standard_normal((RESAMPLES, draws)) @ rest
    spread = np.sqrt((1 / draws + shared) / (draws - 1))
    student = np.sqrt((draws - 1) / rng.chisquare(draws - 1, RESAMPLES))
    drawn = mean + spread * student[:, None] * multipliers
    resampled = _fit(share, drawn, weight, free_floor=True)
    return LearningCurve(
        labels.astype(np.int64),
        r2.astype(np.float64),
        float(floor),
        float(scale),
        float(exponent),
        resampled,
    )


def _fit(
    share: DoubleArray, error: DoubleArray, weight: DoubleArray, *, free_floor: bool = False
) -> DoubleArray:
    """Best floor, scale and exponent for each of ``(n, sizes)`` errors: ``(n, 3)``.

    For a given exponent the law is linear, so its best floor and scale are known in closed form,
    and the exponents are tried one by one.

    Args:
        share: ``(sizes,)`` labels over those of the largest size.
        error: ``(n, sizes)``.
        weight: ``(sizes,)``.
        free_floor: Whether the floor may be negative. In a bootstrap it must: held at 0 it would
            err to one side only, and an interval of a law without a floor would miss it.
    """
    basis = share[None, :] ** -_EXPONENTS[:, None]
    total, first, second = weight.sum(), basis @ weight, basis**2 @ weight
    weighted = error * weight
    level, slope = weighted.sum(axis=1)[:, None], weighted @ basis.T
    squares = (weighted * error).sum(axis=1)[:, None]
    scale = (total * slope - first * level) / (total * second - first**2)
    floor = (level - scale * first) / total
    # Where a bound is met, the other of the two takes all.
    if not free_floor:
        scale = np.where(floor < 0, slope / second, scale)
        floor = np.maximum(floor, 0)
    floor = np.where(scale < 0, level / total, floor)
    scale = np.maximum(scale, 0)
    left = (
        squares
        - 2 * (floor * level + scale * slope)
        + floor**2 * total
        + 2 * floor * scale * first
        + scale**2 * second
    )
    best = left.argmin(axis=1)
    rows = np.arange(len(error))
    return np.stack([floor[rows, best], scale[rows, best], _EXPONENTS[best]], axis=1)
