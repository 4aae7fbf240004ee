"""Honest sentences about a live selection: exact or not, rounds, labelled rows, why fewer came.

Knows the numbers of a selection, nothing of Streamlit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncift_core.selection import OBJECTIVES
from pages._ui.format import counted, number, percent, plain

if TYPE_CHECKING:
    from nncift_core.pipeline.browsing import Shown
    from nncift_core.selection.curve import GainCurve

_MUCH_MORE = 1.5


def exact_words(shown: Shown) -> str:
    """Whether the order is that of plain greedy, and how good it is where it is not."""
    result = shown.live.result
    if not shown.has_rounds and result.exact:
        return "Every row has a score of its own, so this is exactly the best subset by it."
    if result.exact:
        return "**Exact**: the same rows in the same order as the plain greedy algorithm."
    words = f"**Approximate** ({plain(result.optimizer)} optimizer): not the exact greedy order"
    # The bound is one of the first round of the whole order.
    saturated_at = result.saturated_at
    within = saturated_at is not None and saturated_at <= shown.n_rows
    if result.ratio is None or not (within or shown.n_rows == len(result)):
        return f"{words}; how near its value comes is not known for this budget."
    return (
        f"{words}; the value of its first round is proven to be at least {percent(result.ratio)} "
        "of what exact greedy reaches."
    )


def finding_words(shown: Shown, curve: GainCurve) -> str:
    """The one sentence of what the chosen rows are worth."""
    if not shown.n_rows:
        return "Nothing is chosen."
    if not shown.has_rounds:
        low, high = shown.score_range or (None, None)
        if takes_turns(shown.live.objective):
            return (
                "Targets take their best remaining row in turn; the influence of these rows lies "
                f"between {number(low)} and {number(high)}."
            )
        return (
            f"Rows are taken by their own score, the best first: from {number(high)} down to "
            f"{number(low)}."
        )
    saturated_at = shown.live.saturated_at
    if saturated_at is not None and saturated_at < shown.n_rows:
        return (
            f"After **{counted(saturated_at, 'pick')}** nothing was left to gain: these rows are "
            "the core, the later ones add second and third bests."
        )
    knee = curve.knee
    if knee is not None and knee < shown.n_rows:
        return (
            f"Every pick adds to the value, but the first {counted(knee, 'row')} bring nine "
            "tenths of it."
        )
    return "Every pick still adds to the value: more rows would bring more."


def round_words(shown: Shown) -> str:
    """How often coverage began anew; empty where it did not, or where rows have own scores."""
    if not shown.has_rounds or shown.rounds < 2:
        return ""
    return (
        f"The objective was exhausted after {counted(shown.live.saturated_at or 0, 'pick')}, since "
        "no remaining row added anything. Coverage then began anew, "
        f"{counted(shown.rounds, 'round')} in all."
    )


def demanded_words(shown: Shown) -> str:
    """That pins and quotas ask for more than the budget has; empty where they do not."""
    if shown.demanded <= shown.n_rows:
        return ""
    return (
        f"Your pins and quotas ask for {counted(shown.demanded, 'row')}, more than the "
        f"{shown.n_rows:,} of this budget: raise the budget or take some back."
    )


def fewer_words(shown: Shown, wanted: int, *, tokens: int = 0) -> str:
    """Why fewer rows came than were asked for; empty where that is not so.

    Args:
        shown: What is chosen.
        wanted: Rows that were asked for.
        tokens: Token budget, 0 without one.
    """
    if not tokens:
        return shown.fewer_words(wanted)
    if shown.live.result.ended == "tokens":
        return ""
    return f"All {counted(shown.n_rows, 'row')} that may be chosen fit into {tokens:,} tokens."


def labelled_words(share: float | None, in_pool: float) -> str:
    """What it means that labelled rows are more frequent among the chosen; else empty."""
    if share is None or in_pool <= 0 or in_pool >= 1 or share < _MUCH_MORE * in_pool:
        return ""
    return (
        f"Labelled rows are {number(share / in_pool, 2)} times as frequent among the chosen rows "
        "as in the pool: the estimates seem to underrate rows that were never labelled."
    )


def duplicate_words(shown: Shown) -> str:
    """How many rows of the pool have duplicates; empty where all are kept."""
    groups = shown.live.groups
    if groups is None:
        return ""
    counts = groups.counts()
    if not counts["groups"]:
        return "No row of the pool has a duplicate."
    return (
        f"The pool has {counted(counts['groups'], 'group')} of duplicates "
        f"({counts['exact']:,} rows with an exact copy, {counts['near']:,} nearly the same); of "
        "each at most one is kept unless you pin more, which spares "
        f"{counted(counts['removable'], 'row')}."
    )


def curve_words(curve: GainCurve) -> str:
    """The curve in a sentence or two."""
    if not curve.pick:
        return "Nothing was chosen."
    first_end = (curve.round_starts[1] - 1) if len(curve.round_starts) > 1 else curve.pick[-1]
    last = curve.value[curve.pick.index(first_end)] if first_end in curve.pick else None
    text = (
        f"The first pick adds {number(curve.gain[0])}; the first round reaches {number(last)} "
        f"with {counted(first_end, 'pick')}."
    )
    if curve.knee is not None:
        text += f" Nine tenths of that are reached after {counted(curve.knee, 'pick')}."
    return text


def takes_turns(objective: str) -> bool:
    """Whether rows are taken in turn by targets, and not by a score of their own."""
    return objective in OBJECTIVES and OBJECTIVES[objective].needs != {"row-scores"}


def score_words(curve: GainCurve, objective: str) -> str:
    """The curve of an objective in which no row changes what another is worth."""
    if not curve.pick:
        return "Nothing was chosen."
    if takes_turns(objective):
        return (
            "Targets take their best remaining row in turn; its influence lies between "
            f"{number(min(curve.gain))} and {number(max(curve.gain))}."
        )
    return (
        f"Rows are taken by their own score, from {number(curve.gain[0])} for the first to "
        f"{number(curve.gain[-1])} for the last; no row changes what another is worth."
    )
