"""What an explanation says of a row or of a selection, and its sentences. Computes no influence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nncift_core.selection.explanations import (
    ChosenExplanation,
    GroupCoverage,
    LeftOutExplanation,
)
from nncift_core.selection.left_out import COVERED


@dataclass(frozen=True)
class TargetLine:
    """One target of a row.

    Attributes:
        target_id: The target row.
        target: Its position.
        prompt: Its text.
        subtask: Its subtask, None where it has none.
        value: Influence of the row on it, on the common scale.
        value_original: The same in the influence function's own units.
        other_row_id: The best chosen row besides this one, None where there is none.
        other_position: Its position in the pool.
        other: Its value, on the common scale.
        other_original: The same in own units.
        difference: ``value - other``; all of ``value`` where there is no other row.
        best: Whether the row covers the target better than every other chosen row.
    """

    target_id: str
    target: int
    prompt: str
    subtask: str | None
    value: float
    value_original: float | None
    other_row_id: str | None
    other_position: int | None
    other: float | None
    other_original: float | None
    difference: float
    best: bool


@dataclass(frozen=True)
class WorstLine:
    """A target that is covered badly; fields as in ``TargetLine`` and ``PoorlyCovered``."""

    target_id: str
    target: int
    prompt: str
    subtask: str | None
    best_row_id: str | None
    best: float
    best_original: float | None
    possible: float | None
    share: float | None


@dataclass(frozen=True)
class RowExplanation:
    """Why a row is in or out.

    Attributes:
        row_id: The row.
        position: Its position in the pool.
        input_row: Its place in the stored dataset, from 1.
        chosen: Whether it is in.
        kind: A name of ``left_out.KINDS``.
        reason: Why, without a full stop.
        rank: Its place in the selection from 1, None where it is out.
        round: The round it was picked in, None likewise.
        score: Its score in own units; for a pairwise function usually the mean influence.
        score_rank: How it stands by that in the pool, from 1.
        sentence: All of it in words.
        targets: For a chosen row what it covers best, for another its best targets; empty for a
            pointwise function.
        best_of: Targets a chosen row covers best.
        lost: What coverage would lose without it.
        better_of: Targets that a row left out would cover better than the chosen ones.
        added: What coverage would gain by it.
        covered_by: Ids of chosen rows that cover its targets, with how many of them.
    """

    row_id: str
    position: int
    input_row: int
    chosen: bool
    kind: str
    reason: str
    rank: int | None
    round: int | None
    score: float | None
    score_rank: int | None
    sentence: str
    targets: tuple[TargetLine, ...] = ()
    best_of: int | None = None
    lost: float | None = None
    better_of: int | None = None
    added: float | None = None
    covered_by: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class CoverageReport:
    """How well the targets are covered.

    Attributes:
        everything: All targets.
        subtasks: By subtask; empty where none is named.
        clusters: By cluster of the targets' embeddings; empty where these are not to be had.
        examples: By cluster the text of a target in its middle.
        worst: The targets covered worst.
        reached: From which share of the best possible a target counts as reached.
    """

    everything: GroupCoverage
    subtasks: tuple[GroupCoverage, ...]
    clusters: tuple[GroupCoverage, ...]
    examples: Mapping[str, str] = field(default_factory=dict)
    worst: tuple[WorstLine, ...] = ()
    reached: float = 0.9


def chosen_words(
    found: ChosenExplanation, reason: str, round_: int | None, best_in_round: int | None
) -> str:
    """Why a row is in.

    Args:
        found: What it covers.
        reason: Why it was picked.
        round_: The round it was picked in.
        best_in_round: Targets it covers best of the rows of its round; None with one round only.
    """
    words = [f"Chosen at rank {found.rank:,}. When it was picked: {reason}."]
    if found.best_of:
        words.append(
            f"Of all chosen rows it covers {_targets(found.best_of)} best; without it the coverage "
            f"of all targets together would be {found.lost:.3g} less."
        )
    else:
        words.append("Each of its targets is covered at least as well by another chosen row.")
    if best_in_round is not None:
        words.append(
            f"It was picked in round {round_}, and of the rows of that round it covers "
            f"{_targets(best_in_round)} best."
        )
    return " ".join(words)


def left_out_words(found: LeftOutExplanation, reason: str, kind: str) -> str:
    """Why a row is out, and who does what it could do.

    Args:
        found: What it could do.
        reason: Why it is out, without who covers its targets.
        kind: A name of ``left_out.KINDS``.
    """
    covered = "each of its targets is covered at least as well by a chosen row."
    if kind == COVERED:
        return f"Left out: {covered}"
    words = [f"Left out: {reason}."]
    if not found.targets:
        words.append("It helps no target.")
    elif found.better_of:
        words.append(
            f"It would cover {_targets(found.better_of)} better than the chosen rows do, by "
            f"{found.added:.3g} in all."
        )
    else:
        words.append(covered.capitalize())
    return " ".join(words)


def score_words(reason: str, known: Mapping[str, Any], n_train: int) -> str:
    """Why a row of a pointwise function is in or out."""
    first = f"Chosen at rank {known['rank']:,}" if known["chosen"] else "Left out"
    words = [f"{first}: {reason}."]
    if known["score"] is not None:
        words.append(
            f"Its score is {known['score']:.4g}, number {known['score_rank']:,} of {n_train:,}."
        )
    words.append("This influence function scores rows alone, so targets play no part.")
    return " ".join(words)


def _targets(number: int) -> str:
    return f"{number:,} target{'' if number == 1 else 's'}"
