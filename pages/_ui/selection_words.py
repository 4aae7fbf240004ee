"""Honest sentences about a live selection: exact or not, rounds, labelled rows, why fewer came.

Knows the numbers of a selection, nothing of Streamlit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def round_words(shown: Shown) -> str:
    """Where coverage was exhausted, and what came after; empty where rows have own scores."""
    if not shown.has_rounds or not shown.n_rows:
        return ""
    saturated_at = shown.live.saturated_at
    if saturated_at is None:
        return "Every pick still adds to the value, so one round is enough."
    if saturated_at >= shown.n_rows:
        return (
            "Within this budget every pick still adds to the value; after "
            f"{counted(saturated_at, 'pick')} no row would."
        )
    return (
        f"After **{counted(saturated_at, 'pick')}** no remaining row added anything: the "
        f"objective was exhausted. Coverage then began anew, {counted(shown.rounds, 'round')} in "
        f"all, so the first {saturated_at:,} rows are the core and later rounds add second and "
        "third bests."
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


def score_words(curve: GainCurve) -> str:
    """The curve of an objective in which every row has a score of its own."""
    if not curve.pick:
        return "Nothing was chosen."
    return (
        f"Rows are taken by their own score, from {number(curve.gain[0])} for the first to "
        f"{number(curve.gain[-1])} for the last; no row changes what another is worth."
    )
