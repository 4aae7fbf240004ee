"""What labels cost: units of work, how fast they come, and how sure that is.

Knows numbers only; the rate is measured elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SPREAD_UNKNOWN = 0.25
"""Half width of a rate's interval, as a share of it, where its spread was not measured."""

LEAST_MEASURED = 0.5
"""Seconds of labelling that tell a rate; what takes less is said to take this long."""

PILOT_SECONDS = 60.0
"""About how long a plan labels where no labels exist yet."""

AUDIT_SECONDS = 60.0
"""About how long each comparison of an audit with true influence may take."""

Seconds = tuple[float, float]


@dataclass(frozen=True)
class Rates:
    """Units of labels a second: as measured, and the ends of its interval."""

    rate: float
    low: float
    high: float
    source: str


@dataclass(frozen=True)
class Work:
    """What a label fraction costs.

    Attributes:
        training: Labels that are trained on.
        evaluation: Labels that only measure.
        units: Units of labelling.
        other_seconds: Everything besides labelling.
    """

    training: int
    evaluation: int
    units: int
    other_seconds: float

    def seconds(self, rates: Rates | None) -> tuple[float, float, float]:
        """How long it takes, and the ends of its interval."""
        if rates is None:
            return (self.other_seconds,) * 3
        middle, short, long = (
            self.units / rate + self.other_seconds for rate in (rates.rate, rates.high, rates.low)
        )
        return middle, short, long


def about(seconds: float) -> str:
    """``8 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def rates_of(chunks: Sequence[tuple[float, float]], known: float | None) -> Rates | None:
    """The rate of labelling and its interval.

    Args:
        chunks: Units and seconds of each part that was labelled just now.
        known: A rate that was kept earlier, used where too little was labelled now.
    """
    units, seconds = (sum(part) for part in zip(*chunks, strict=True)) if chunks else (0.0, 0.0)
    if len(chunks) >= 4 and seconds >= LEAST_MEASURED:
        single = sorted(part / spent for part, spent in chunks)
        # The slowest and fastest tenth may have met something that has nothing to do with labels.
        cut = len(single) // 10
        rate = units / seconds
        low, high = min(rate, single[cut]), max(rate, single[-1 - cut])
        return Rates(rate, low, high, "measured now")
    rate = known or (units / seconds if seconds > 0 else 0.0)
    if rate <= 0:
        return None
    low, high = rate * (1 - SPREAD_UNKNOWN), rate * (1 + SPREAD_UNKNOWN)
    return Rates(rate, low, high, "measured before" if known else "measured now")
