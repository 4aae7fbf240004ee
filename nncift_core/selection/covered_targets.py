"""How well a set of chosen rows covers each target, each group of targets, and which worst.

A target counts as covered as well as its best chosen row covers it: max over chosen a of X[a, j].
Everything reads X through ``read_rows(positions) -> (k, n_target) float32`` in blocks, so the
matrix need not fit in memory. Knows positions and numbers, no ids and no texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, IndexArray

ReadRows = Callable[[IndexArray], FloatArray]
"""``(k,)`` positions in the pool -> ``(k, n_target)`` float32 influence on the common scale."""

TOP = 10
"""Targets that are listed unless asked otherwise."""

REACHED = 0.9
"""A target counts as reached when its best chosen value is this share of the best possible."""

ALL_TARGETS = "all targets"

NOBODY = -1
"""Stands for a row where there is none."""

_BLOCK_VALUES = 4_000_000
"""Values read at a time: 16 MB."""


@dataclass(frozen=True, eq=False)
class Covered:
    """What a set of chosen rows does for each target, computed once for many questions.

    Attributes:
        order: ``(k,)`` positions of the chosen rows, in selection order.
        best_row: ``(n_target,)`` position of the chosen row with the highest value on each
            target; of equals the one chosen first; ``NOBODY`` where nothing is chosen.
        best: ``(n_target,)`` that value; 0 where nothing is chosen.
        second_row: ``(n_target,)`` the best of the other chosen rows, ``NOBODY`` where there is
            none.
        second: ``(n_target,)`` its value; 0 where there is none.
        possible: ``(n_target,)`` the highest value of any pool row, None where that is not known.
    """

    order: IndexArray
    best_row: IndexArray
    best: FloatArray
    second_row: IndexArray
    second: FloatArray
    possible: FloatArray | None = None

    @property
    def n_target(self) -> int:
        """Number of target rows."""
        return len(self.best)


@dataclass(frozen=True)
class GroupCoverage:
    """How well a group of targets is covered.

    Attributes:
        name: The group.
        n_target: Its targets.
        mean_best: Mean over them of the best chosen value.
        mean_possible: Mean of the best value in the pool.
        share: The first over the second; None where no pool row helps any of them.
        reached: Share of those targets that some pool row helps whose best chosen value is at
            least the named share of the best possible; None where no pool row helps any.
    """

    name: str
    n_target: int
    mean_best: float
    mean_possible: float
    share: float | None
    reached: float | None


@dataclass(frozen=True)
class PoorlyCovered:
    """A target that the selection serves badly.

    Attributes:
        target: Its position.
        best_row: The chosen row that covers it best, None where nothing is chosen.
        best: That row's value.
        possible: The best value in the pool, None where that is not known.
        share: ``best / possible``; None where that is not known or nothing.
    """

    target: int
    best_row: int | None
    best: float
    possible: float | None
    share: float | None


class CoveredSoFar:
    """The best and the second-best chosen row of each target while rows are being added.

    Args:
        best_row: As in ``Covered``, likewise the others; values are -inf where there is no row.
        best: ``(n_target,)``
        second_row: ``(n_target,)``
        second: ``(n_target,)``
    """

    def __init__(
        self, best_row: IndexArray, best: FloatArray, second_row: IndexArray, second: FloatArray
    ) -> None:
        self._best_row, self._best = best_row, best
        self._second_row, self._second = second_row, second

    @classmethod
    def nothing(cls, read_rows: ReadRows) -> CoveredSoFar:
        """Nothing is chosen yet."""
        n_target = _width(read_rows)
        nobody = np.full(n_target, NOBODY, dtype=np.int64)
        least = np.full(n_target, -np.inf, dtype=np.float32)
        return cls(nobody, least, nobody.copy(), least.copy())

    @property
    def n_target(self) -> int:
        """Number of target rows."""
        return len(self._best)

    def copy(self) -> CoveredSoFar:
        """The same, to go on from without changing this one."""
        return CoveredSoFar(
            self._best_row.copy(), self._best.copy(), self._second_row.copy(), self._second.copy()
        )

    def add(self, positions: IndexArray, values: FloatArray) -> None:
        """Add rows in selection order; ``values`` is their ``(k, n_target)`` influence."""
        best_row, best = self._best_row, self._best
        second_row, second = self._second_row, self._second
        for position, row in zip(positions.tolist(), values, strict=True):
            # Few targets after the first rows. Of equals the row chosen first stays.
            touched = np.flatnonzero(row > second)
            offered = row[touched]
            wins = offered > best[touched]
            won, near = touched[wins], touched[~wins]
            second[won], second_row[won] = best[won], best_row[won]
            best[won], best_row[won] = offered[wins], position
            second[near], second_row[near] = offered[~wins], position

    def covered(self, order: IndexArray, possible: FloatArray | None = None) -> Covered:
        """What the rows cover; ``order`` says which rows were added."""
        return Covered(
            order,
            self._best_row,
            np.where(self._best_row == NOBODY, np.float32(0), self._best),
            self._second_row,
            np.where(self._second_row == NOBODY, np.float32(0), self._second),
            possible,
        )


def target_coverage(
    read_rows: ReadRows, order: IndexArray, possible: FloatArray | None = None
) -> Covered:
    """The best and the second-best chosen row of each target, in one pass over chosen rows.

    Args:
        read_rows: Influence of pool rows on the targets.
        order: ``(k,)`` chosen rows in selection order, each once.
        possible: From ``best_possible``, where it is known.
    """
    order = np.asarray(order, dtype=np.int64)
    found = CoveredSoFar.nothing(read_rows)
    for positions in row_blocks(order, found.n_target):
        found.add(positions, read_rows(positions))
    return found.covered(order, possible)


def best_possible(
    read_rows: ReadRows, n_train: int, progress: Progress | None = None
) -> FloatArray:
    """``(n_target,)`` the highest value that any of the pool's rows has on each target.

    Args:
        read_rows: Influence of pool rows on the targets.
        n_train: Rows of the pool; all of them are read once.
        progress: Advanced by rows; the caller begins the stage.

    Raises:
        Cancelled: From ``progress``.
    """
    progress = progress or SilentProgress()
    n_target = _width(read_rows)
    most = np.full(n_target, -np.inf, dtype=np.float32)
    for positions in row_blocks(np.arange(n_train, dtype=np.int64), n_target):
        np.maximum(most, read_rows(positions).max(axis=0), out=most)
        progress.advance(len(positions))
    return most


def coverage_by_group(
    covered: Covered, groups: Sequence[str | None] | None = None, *, reached: float = REACHED
) -> list[GroupCoverage]:
    """How well each group of targets is covered, the groups in order of first appearance.

    Args:
        covered: With ``possible``.
        groups: Name of each target's group, None for a target without one; one group of all
            targets, named ``all targets``, if None.
        reached: Share of the best possible value from which a target counts as reached.

    Raises:
        ValueError: ``possible`` is not known, or the groups are not one a target.
    """
    if covered.possible is None:
        raise ValueError("the best possible values are not known")
    if groups is None:
        groups = [ALL_TARGETS] * covered.n_target
    if len(groups) != covered.n_target:
        raise ValueError(f"{len(groups)} groups for {covered.n_target} targets")
    names = [name for name in dict.fromkeys(groups) if name is not None]
    number = {name: place for place, name in enumerate(names)}
    of = np.array([NOBODY if name is None else number[name] for name in groups], dtype=np.int64)
    return [
        _group(covered, covered.possible, of == place, name, reached)
        for place, name in enumerate(names)
    ]


def worst_covered(covered: Covered, top: int = TOP) -> list[PoorlyCovered]:
    """The targets covered worst, the worst first.

    Where the best possible values are known, worst is the lowest share of them, and targets that
    no pool row helps are left out: no selection could serve them. Elsewhere it is the lowest value.
    """
    best = covered.best.astype(np.float64)
    if covered.possible is None:
        share, offered = best, np.ones(len(best), dtype=bool)
    else:
        offered = covered.possible > 0.0
        share = np.divide(best, covered.possible, out=np.zeros_like(best), where=offered)
    ordered = np.lexsort((np.arange(len(best)), best, share))
    ordered = ordered[offered[ordered]][:top]
    return [
        PoorlyCovered(
            int(j),
            int(covered.best_row[j]) if covered.best_row[j] != NOBODY else None,
            float(best[j]),
            None if covered.possible is None else float(covered.possible[j]),
            None if covered.possible is None else float(share[j]),
        )
        for j in ordered
    ]


def _group(
    covered: Covered, possible: FloatArray, members: NDArray[np.bool_], name: str, reached: float
) -> GroupCoverage:
    best = covered.best[members].astype(np.float64)
    most = possible[members].astype(np.float64)
    offered = most > 0.0
    at_least = best[offered] >= reached * most[offered]
    return GroupCoverage(
        name,
        int(members.sum()),
        float(best.mean()),
        float(most.mean()),
        float(best.mean() / most.mean()) if most.mean() > 0.0 else None,
        float(at_least.mean()) if offered.any() else None,
    )


def _width(read_rows: ReadRows) -> int:
    return int(read_rows(np.empty(0, dtype=np.int64)).shape[1])


def row_blocks(positions: IndexArray, n_target: int) -> list[IndexArray]:
    """Positions in runs of so many rows as may be read at a time."""
    step = max(1, _BLOCK_VALUES // max(1, n_target))
    return [positions[start : start + step] for start in range(0, len(positions), step)]
