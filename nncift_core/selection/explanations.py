"""Why rows are in a selection or not, from their influence on the targets.

For a chosen row: the targets it covers best, and by how much more than any other chosen row. For a
row left out: its best targets, and the chosen rows that cover these already. A row's own value is
never counted as that of another row, and a target that it gives nothing (0 on the common scale) is
not one of its targets. Knows positions and numbers, no ids, no texts, and nothing of
objectives: it tells what a selection does for the targets, whatever it was made to maximise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.selection.covered_targets import (
    NOBODY,
    REACHED,
    TOP,
    Covered,
    GroupCoverage,
    PoorlyCovered,
    ReadRows,
    best_possible,
    coverage_by_group,
    target_coverage,
    worst_covered,
)
from nncift_core.types import FloatArray, IndexArray

__all__ = [
    "REACHED",
    "TOP",
    "ChosenExplanation",
    "Covered",
    "GroupCoverage",
    "LeftOutExplanation",
    "PoorlyCovered",
    "ReadRows",
    "TargetValue",
    "best_possible",
    "coverage_by_group",
    "explain_chosen",
    "explain_left_out",
    "target_coverage",
    "worst_covered",
]


@dataclass(frozen=True)
class TargetValue:
    """One target from the view of one pool row.

    Attributes:
        target: Position of the target row.
        value: Influence of the row on it, on the common scale.
        other_row: The best chosen row besides this one, None where there is none.
        other: Its value, None likewise.
        difference: ``value - other``; all of ``value`` where there is no other row.
        best: Whether the row covers the target better than every chosen row besides it; of equals
            the one chosen first.
    """

    target: int
    value: float
    other_row: int | None
    other: float | None
    difference: float
    best: bool


@dataclass(frozen=True)
class ChosenExplanation:
    """What a chosen row is for.

    Attributes:
        position: The row.
        rank: Its place in the selection, from 1.
        best_of: Targets that it covers best of all chosen rows.
        lost: What coverage of all targets together would lose without it, on the common scale.
        targets: The targets it covers best by the largest difference, then those of its highest
            values.
    """

    position: int
    rank: int
    best_of: int
    lost: float
    targets: tuple[TargetValue, ...]


@dataclass(frozen=True)
class LeftOutExplanation:
    """Who already does what a row that is left out could do.

    Attributes:
        position: The row.
        better_of: Targets that it would cover better than every chosen row.
        added: What coverage of all targets together would gain by it, on the common scale.
        targets: The targets of its highest values, the highest first.
        covered_by: Chosen rows that cover these targets at least as well, with the number of
            these targets, the row of most targets first.
    """

    position: int
    better_of: int
    added: float
    targets: tuple[TargetValue, ...]
    covered_by: tuple[tuple[int, int], ...]


def explain_chosen(
    read_rows: ReadRows,
    order: IndexArray,
    position: int,
    top: int = TOP,
    *,
    covered: Covered | None = None,
) -> ChosenExplanation:
    """The targets that a chosen row covers best, and by how much.

    Args:
        read_rows: Influence of pool rows on the targets.
        order: ``(k,)`` chosen rows in selection order.
        position: One of them.
        top: Targets listed at most.
        covered: ``target_coverage(read_rows, order)`` where it was computed before.

    Raises:
        ValueError: The row is not chosen.
    """
    found = np.flatnonzero(np.asarray(order) == position)
    if not len(found):
        raise ValueError(f"row {position} is not chosen")
    covered = covered or target_coverage(read_rows, order)
    values = _one(read_rows, position)
    helps = values > 0.0
    best = (covered.best_row == position) & helps
    # The best of the others: whoever comes second where this row is first.
    first = covered.best_row == position
    other_row = np.where(first, covered.second_row, covered.best_row)
    other = np.where(first, covered.second, covered.best)
    difference = values - other
    # Where it is best, by difference; after those by its own value. Equals: the first target.
    key = np.where(best, difference, values)
    listed = np.lexsort((np.arange(len(values)), -key, ~best))
    listed = listed[helps[listed]][:top]
    lost = float(np.maximum(difference[best], 0.0).sum(dtype=np.float64))
    return ChosenExplanation(
        int(position),
        int(found[0]) + 1,
        int(best.sum()),
        lost,
        tuple(_target_value(j, values, other_row, other, best) for j in listed),
    )


def explain_left_out(
    read_rows: ReadRows,
    order: IndexArray,
    position: int,
    top: int = TOP,
    *,
    covered: Covered | None = None,
) -> LeftOutExplanation:
    """The targets a left-out row would serve best, and the chosen rows that serve them already.

    The arguments are those of ``explain_chosen``.

    Raises:
        ValueError: The row is chosen.
    """
    if (np.asarray(order) == position).any():
        raise ValueError(f"row {position} is chosen")
    covered = covered or target_coverage(read_rows, order)
    values = _one(read_rows, position)
    better = values > covered.best
    listed = np.lexsort((np.arange(len(values)), -values))
    listed = listed[values[listed] > 0.0][:top]
    held = listed[~better[listed]]
    rows, first, number = np.unique(covered.best_row[held], return_index=True, return_counts=True)
    by_number = np.lexsort((first, -number))
    added = np.maximum(values - covered.best, 0.0).sum(dtype=np.float64)
    return LeftOutExplanation(
        int(position),
        int(better.sum()),
        float(added),
        tuple(_target_value(j, values, covered.best_row, covered.best, better) for j in listed),
        tuple((int(rows[i]), int(number[i])) for i in by_number),
    )


def _target_value(
    target: int,
    values: FloatArray,
    other_row: IndexArray,
    other: FloatArray,
    best: NDArray[np.bool_],
) -> TargetValue:
    alone = other_row[target] == NOBODY
    value = float(values[target])
    return TargetValue(
        int(target),
        value,
        None if alone else int(other_row[target]),
        None if alone else float(other[target]),
        value if alone else value - float(other[target]),
        bool(best[target]),
    )


def _one(read_rows: ReadRows, position: int) -> FloatArray:
    return np.asarray(read_rows(np.array([position], dtype=np.int64))[0], dtype=np.float32)
