"""What a spot check found: how far the estimates of new pairs are off, and whether they hold.

Errors are on the min-max scale of the training labels, as in the quadrant table, so that both can
be compared. Estimates *hold* unless one of three things is seen:

- their mean squared error is no lower than that of the mean training label;
- it is at least half as large again as what the run measured on its reserved pairs of the same
  quadrants, and that by more than both are uncertain (their 95 % bounds, added in squares);
- the run's intervals hold fewer of the true values than chance would let them (one-sided binomial
  bound of 1 %), by 5 points or more. Pairs of a row are alike, so the bound alone says too much.

Knows numbers only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nncift_core.network.bootstrap import intervals
from nncift_core.network.quadrants import r_squared, spearman
from nncift_core.types import FloatArray, Pairs

ENOUGH = 16
"""Values that a verdict takes."""

MUCH_WORSE = 1.5
RARE = 0.01
POINTS = 0.05


@dataclass(frozen=True)
class Expected:
    """What the run says of the pairs of a check.

    Attributes:
        lo: Lowest training label.
        hi: Highest training label.
        mean: Of the training labels.
        mse: ``(n,)`` scaled error that the run measured in the quadrant of each pair; NaN where
            it measured none.
        mse_high: ``(n,)`` upper 95 % bound of that.
        half_width: ``(n,)`` the true value lies within this of the estimate, original units; NaN
            where there is no interval.
        level: Share of the true values that the intervals are meant to hold.
    """

    lo: float
    hi: float
    mean: float
    mse: NDArray[np.float64]
    mse_high: NDArray[np.float64]
    half_width: NDArray[np.float64]
    level: float


@dataclass(frozen=True)
class CheckResult:
    """Errors of estimates on newly labelled pairs, or rows.

    Attributes:
        n: Pairs measured.
        r2: Share of the labels' variance that the estimates explain; None if they do not vary.
        spearman: Rank correlation with the labels.
        mse: Mean squared error, scaled.
        mse_ci: 95 % interval of that, rows and columns resampled.
        mse_mean: Error of predicting the mean of the run's training labels.
        mse_expected: What the run measured on reserved pairs of the same quadrants, or None.
        bias: Mean of estimate minus true value, original units.
        with_interval: Pairs that the run has an interval for.
        inside: How many of these hold the true value.
        level: Share of them that should.
        verdict: ``hold``, ``worse``, ``narrow``, ``mean`` or ``few``.
        sentence: The same in words.
    """

    n: int
    r2: float | None
    spearman: float | None
    mse: float
    mse_ci: tuple[float, float] | None
    mse_mean: float
    mse_expected: float | None
    bias: float
    with_interval: int
    inside: int
    level: float
    verdict: str
    sentence: str


def measure_check(
    pairs: Pairs, predicted: FloatArray, expected: Expected, seed: int, *, pointwise: bool
) -> CheckResult:
    """Compare estimates with new labels.

    Args:
        pairs: New labels, original units; at least one.
        predicted: ``(n,)`` estimates of the same pairs, original units.
        expected: What the run says of them.
        seed: Of the bootstrap.
        pointwise: Whether rows were scored alone.
    """
    width = expected.hi - expected.lo
    true = pairs.value.astype(np.float64)
    guess = predicted.astype(np.float64)
    truth, scaled = (true - expected.lo) / width, (guess - expected.lo) / width
    spread = intervals(pairs.helper, None if pointwise else pairs.helped, truth, scaled, seed)
    known = np.isfinite(expected.mse)
    has_interval = np.isfinite(expected.half_width)
    off = np.abs(guess - true)[has_interval]
    result = CheckResult(
        n=len(pairs),
        r2=r_squared(truth, scaled),
        spearman=spearman(truth, scaled),
        mse=float(np.mean((truth - scaled) ** 2)),
        mse_ci=spread.mse,
        mse_mean=float(np.mean((truth - (expected.mean - expected.lo) / width) ** 2)),
        mse_expected=float(expected.mse[known].mean()) if known.any() else None,
        bias=float(np.mean(guess - true)),
        with_interval=int(has_interval.sum()),
        inside=int((off <= expected.half_width[has_interval]).sum()),
        level=expected.level,
        verdict="",
        sentence="",
    )
    high = float(expected.mse_high[known].mean()) if known.any() else None
    verdict = _verdict(result, high)
    noun = "rows" if pointwise else "pairs"
    return replace(result, verdict=verdict, sentence=_sentence(result, verdict, noun))


def at_most_by_chance(inside: int, n: int, level: float) -> float:
    """Probability that at most ``inside`` of ``n`` hold, where each does with ``level``."""
    terms = (
        math.comb(n, count) * level**count * (1 - level) ** (n - count)
        for count in range(inside + 1)
    )
    return min(1.0, math.fsum(terms))


def _verdict(found: CheckResult, expected_high: float | None) -> str:
    if found.n < ENOUGH:
        return "few"
    if found.mse >= found.mse_mean:
        return "mean"
    expected, interval = found.mse_expected, found.mse_ci
    if expected is not None and expected_high is not None and interval is not None:
        uncertain = math.hypot(found.mse - interval[0], expected_high - expected)
        if found.mse >= MUCH_WORSE * expected and found.mse - expected > uncertain:
            return "worse"
    return "narrow" if _too_few_inside(found) else "hold"


def _too_few_inside(found: CheckResult) -> bool:
    n = found.with_interval
    if not n or found.inside / n > found.level - POINTS:
        return False
    return at_most_by_chance(found.inside, n, found.level) < RARE


def _sentence(found: CheckResult, verdict: str, noun: str) -> str:
    error = f"their mean squared error on {found.n:,} new {noun} is {found.mse:.3g}"
    if found.mse_expected is not None:
        error += f", the run measured {found.mse_expected:.3g} on reserved {noun}"
    relabel = "Start a new run that labels some of these rows."
    if verdict == "few":
        return f"{found.n:,} new {noun} are too few to tell whether the estimates hold."
    if verdict == "mean":
        return (
            f"The estimates do not hold here: {error}, and predicting the mean label has "
            f"{found.mse_mean:.3g}. {relabel}"
        )
    if verdict == "worse":
        return f"The estimates are worse here than the run says: {error}. {relabel}"
    if verdict == "narrow":
        return (
            f"The run's intervals are too narrow here: {found.inside:,} of "
            f"{found.with_interval:,} hold the true value, {100 * found.level:.0f} % should. "
            f"Otherwise the estimates hold: {error}."
        )
    return f"The estimates hold here: {error}, predicting the mean label has {found.mse_mean:.3g}."
