"""Whether the estimates can be believed, in words: the one place of that rule.

Three levels. The estimates are good for ranking rows and pairs when, on unseen rows and unseen
targets (Q4), they certainly beat the mean (the 95 % interval of R² lies above 0) and order the
pairs well (rank correlation of at least 0.5, certainly above 0). They are good for ranking rows
when at least the order of the row scores on unseen rows (Q4, or Q2 with targets that were seen) is
certainly better than chance and its correlation is at least 0.5. Where the table does not have it,
the order of pairs stands in, of which 0.3 is enough. Anything less is no better than the mean.

Knows the numbers of a quadrant table, nothing of how they were measured or how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

QUADRANTS: Mapping[str, str] = {
    "q1": "trained pairs",
    "q2": "unseen rows x seen targets",
    "q3": "seen rows x unseen targets",
    "q4": "unseen rows x unseen targets",
}
"""The quadrants in words, in the order they are shown."""

UNLABELLED = "q1u"
"""Pairs of seen rows with seen targets that were not trained on, where the labels are spread."""

UNLABELLED_WORDS = "other pairs of seen rows x seen targets"

BASELINES: Mapping[str, str] = {
    "mse_mean": "mean label",
    "mse_zero": "zero",
    "mse_random": "random",
    "mse_additive": "row + column mean",
    "mse_cosine": "plain cosine",
}
"""What must be beaten, by the name of its error in a quadrant table."""

PAIR_RANK = 0.5
"""Rank correlation in Q4 from which the order of single pairs is worth following."""

ROW_RANK = 0.5
"""Rank correlation of the scores of unseen rows from which their order is worth following."""

ROW_RANK_BY_PAIRS = 0.3
"""The same where only pairs were ranked: over a row's many targets the errors of its pairs average
out, so that the order of rows is better than that of pairs."""

Level = Literal["exact", "pairs", "rows", "none", "unknown"]

_LEVELS: Mapping[str, str] = {
    "exact": "The values are exact: there is nothing to estimate and nothing to doubt.",
    "pairs": "They are reliable for ranking rows and pairs.",
    "rows": "They are reliable for ranking rows only.",
    "none": "They are not better than the mean: label more or choose another method.",
    "unknown": "Label more rows, so that some can be kept apart to measure with.",
}

_POINTWISE_ROWS = "They are reliable for ranking rows."


@dataclass(frozen=True)
class Verdict:
    """What may be done with a run's estimates.

    Attributes:
        level: ``exact``, ``pairs``, ``rows``, ``none``, or ``unknown`` where nothing unseen
            was measured.
        finding: One sentence with the numbers.
        advice: One sentence: what the estimates are good for.
    """

    level: Level
    finding: str
    advice: str

    @property
    def sentence(self) -> str:
        """Both sentences."""
        return f"{self.finding} {self.advice}".strip()


def judge(
    quadrants: Mapping[str, Mapping[str, Any] | None],
    *,
    exact: bool = False,
    pointwise: bool = False,
) -> Verdict:
    """How far a run's estimates can be trusted.

    Args:
        quadrants: A quadrant table as stored: by ``q1`` to ``q4`` the metrics or None. Tables of
            older runs have no rank correlation of row scores.
        exact: Whether the run computed every value instead of predicting it.
        pointwise: Whether rows were scored alone. Then there are no pairs to rank: an order of
            rows that is certainly better than chance is all that can be reached.
    """
    if exact:
        return Verdict("exact", "", _LEVELS["exact"])
    unseen = quadrants.get("q4")
    things = "rows" if pointwise else "pairs"
    if unseen is None or unseen.get("r2") is None:
        finding = (
            "No unseen rows could be measured."
            if pointwise
            else "No pairs of unseen rows and unseen targets could be measured."
        )
        level: Level = "rows" if _ranks_rows(quadrants.get("q2")) else "unknown"
        return Verdict(level, finding, _LEVELS[level])
    if not pointwise and _lower(unseen, "r2") > 0 and _ranks(unseen, "spearman", PAIR_RANK):
        level = "pairs"
    elif _ranks_rows(unseen) or _ranks_rows(quadrants.get("q2")):
        level = "rows"
    else:
        level = "none"
    advice = _POINTWISE_ROWS if pointwise and level == "rows" else _LEVELS[level]
    return Verdict(level, _finding(float(unseen["r2"]), things), advice)


def _finding(r2: float, things: str) -> str:
    if r2 <= 0:
        return (
            f"On unseen {things} the estimates are further off than predicting the mean "
            f"(R² {r2:.3f}; the mean has 0)."
        )
    return (
        f"The estimates explain {_percent(r2)} of the differences between unseen {things}; "
        "predicting the mean explains 0 %."
    )


def _percent(share: float) -> str:
    """A share in percent; what is not quite everything or nothing never reads as it."""
    if share < 0.01:
        return "less than 1 %"
    if 0.99 < share < 1:
        return "more than 99 %"
    return f"{share:.0%}".replace("%", " %")


def _ranks_rows(metrics: Mapping[str, Any] | None) -> bool:
    """Whether the order of row scores is worth following, by the order of pairs if need be."""
    if metrics is not None and metrics.get("row_spearman") is not None:
        return _ranks(metrics, "row_spearman", ROW_RANK)
    return _ranks(metrics, "spearman", ROW_RANK_BY_PAIRS)


def _ranks(metrics: Mapping[str, Any] | None, name: str, least: float) -> bool:
    """Whether a rank correlation is at least ``least`` and certainly above 0."""
    if metrics is None or metrics.get(name) is None:
        return False
    return float(metrics[name]) >= least and _lower(metrics, name) > 0


def _lower(metrics: Mapping[str, Any], name: str) -> float:
    """Lower end of the interval; without an interval nothing is certain."""
    interval = metrics.get(f"{name}_ci")
    return float(interval[0]) if interval is not None else float("-inf")
