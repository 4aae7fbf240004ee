"""What a comparison of selections says, in sentences. Reads what ``compare`` returns.

Selections are called by their letters, so that no name of a person's making is in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NUMBERS = {2: "both", 3: "all three", 4: "all four"}


def headline(found: Mapping[str, Any]) -> list[str]:
    """Two to four sentences: what is shared, who covers the targets best, what is useful."""
    return [
        *_overlap(found),
        *coverage_words(found),
        *_planted(found),
    ]


def share(value: float | None) -> str:
    """A share as a percentage: ``69 %``, ``0.4 %``; ``-`` if None."""
    if value is None:
        return "-"
    percent = 100 * value
    return f"{percent:.0f} %" if abs(percent) >= 10 or percent == 0 else f"{percent:.2g} %"


def letters(found: Mapping[str, Any]) -> list[str]:
    """What the selections are called, in their order."""
    return [one["letter"] for one in found["selections"]]


def _overlap(found: Mapping[str, Any]) -> list[str]:
    names = letters(found)
    pairs = [tuple(one["pair"]) for one in found["agreement"]]
    overlap = found["overlap"]

    def of(what: str, pair: tuple[int, int]) -> float:
        value: float = overlap[what][pair[0]][pair[1]]
        return value

    if len(names) == 2:
        (pair,) = pairs
        sizes = overlap["shared"][0][0], overlap["shared"][1][1]
        whose = "of each" if sizes[0] == sizes[1] else "of the smaller one"
        words = (
            f"{names[0]} and {names[1]} share {of('shared', pair):,} rows, "
            f"{share(of('of_smaller', pair))} {whose}; two random draws would share "
            f"{of('chance', pair):,.0f}."
        )
        spearman = found["agreement"][0]["spearman"]
        if spearman is not None:
            words += f" Shared rows stand in {_order(spearman)} order ({_signed(spearman)})."
        return [words]
    most = max(pairs, key=lambda pair: of("of_smaller", pair))
    least = min(pairs, key=lambda pair: of("of_smaller", pair))
    together = f"{NUMBERS[len(names)].capitalize()} share {found['in_all']:,} rows."
    if of("of_smaller", most) == of("of_smaller", least):
        every = share(of("of_smaller", most))
        return [f"{together} Of each two the smaller one shares {every} with the other."]
    return [
        f"{together} The most alike are "
        f"{names[most[0]]} and {names[most[1]]} ({share(of('of_smaller', most))} of the smaller "
        f"one), the least {names[least[0]]} and {names[least[1]]} "
        f"({share(of('of_smaller', least))})."
    ]


def coverage_words(found: Mapping[str, Any]) -> list[str]:
    """Which selection covers the targets best, by what; no sentence where that is unknown."""
    coverage = found["coverage"]
    if coverage is None:
        return []
    kind = "true influence" if coverage["exact"] else "estimated influence"
    measured = f"By {kind} ({coverage['title']}, run {coverage['run_id']})"
    gaps = [one["gap_closed"] for one in coverage["selections"]]
    if any(gap is None for gap in gaps):
        return [f"{measured}, random rows cover the targets as well as the whole pool."]
    ranked = sorted(zip(gaps, letters(found), strict=True), key=lambda item: -item[0])
    best, name = ranked[0]
    if best <= 0:
        among = NUMBERS[len(ranked)].removeprefix("all ") if len(ranked) > 2 else "two"
        return [
            f"{measured}, none of the {among} covers the targets better than random rows of the "
            f"same number; {name} comes nearest."
        ]
    better = ", ".join(f"{letter} {share(gap)}" for gap, letter in ranked[1:] if gap > 0)
    worse = [letter for gap, letter in ranked if gap <= 0]
    no_better = ""
    if worse:
        verb = "cover" if len(worse) > 1 else "covers"
        no_better = f"{_joined(worse)} {verb} them no better than random rows do"
    rest = "".join(f"; {words}" for words in (better, no_better) if words)
    return [
        f"{measured}, {name} covers the targets best: it closes {share(best)} of the gap between "
        f"random rows and the whole pool{rest}."
    ]


def _joined(names: Sequence[str]) -> str:
    """``B``, ``B and C``, ``B, C and D``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _planted(found: Mapping[str, Any]) -> list[str]:
    planted = found["planted"]
    if planted is None:
        return []

    def of(kind: str) -> Sequence[str]:
        return [share(one["shares"][kind]) for one in planted["selections"]]

    parts = [
        ", ".join(f"{name} {value}" for name, value in zip(letters(found), of(kind), strict=True))
        for kind in ("useful", "wrong")
    ]
    pool = planted["pool"]["shares"]
    return [
        f"Of what is planted in the demo, useful rows make up: {parts[0]} (pool "
        f"{share(pool['useful'])}); wrong answers: {parts[1]} (pool {share(pool['wrong'])})."
    ]


def _order(spearman: float) -> str:
    for bound, word in ((0.8, "nearly the same"), (0.4, "a similar"), (-0.4, "no common")):
        if spearman >= bound:
            return word
    return "the opposite"


def _signed(value: float) -> str:
    return f"rank correlation {value:.2f}"
