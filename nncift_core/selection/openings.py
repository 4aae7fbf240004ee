"""Which rows may still be chosen, kept up to date pick by pick. Knows positions, no gains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nncift_core.selection import kernels
from nncift_core.selection.constraints import Constraints
from nncift_core.types import IndexArray

UNBOUNDED = np.iinfo(np.int64).max // 4
"""Room of a group that may have any number of rows."""


class Openings:
    """The state of the constraints.

    Args:
        constraints: Checked demands, see ``constraints.check``.
        n_train: Rows of the pool.

    Attributes:
        doors: The same as arrays for compiled code, which changes them.
    """

    def __init__(self, constraints: Constraints, n_train: int) -> None:
        self._pinned = np.asarray(constraints.pinned, dtype=np.int64)
        closed = np.zeros(n_train, dtype=np.uint8)
        closed[constraints.banned] = 1
        members, left, owed = _groups(constraints)
        counts = np.bincount(np.concatenate([*members, _NONE]), minlength=n_train)
        classes = np.repeat(np.arange(len(members)), [len(rows) for rows in members])
        by_row = np.argsort(np.concatenate([*members, _NONE]), kind="stable")
        budgeted = constraints.token_budget is not None and constraints.tokens is not None
        self.doors = kernels.Doors(
            closed=closed,
            starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            classes=classes[by_row].astype(np.int64),
            left=np.array(left, dtype=np.int64),
            owed=np.array(owed, dtype=np.int64),
            tokens=np.asarray(constraints.tokens if budgeted else [], dtype=np.int64),
            tokens_left=np.array([min(constraints.token_budget or 0, UNBOUNDED)], dtype=np.int64),
        )

    def rows(self, phase: int) -> IndexArray:
        """Rows that may be chosen in a phase now, by position."""
        if phase == kernels.PINNED:
            rows = self._pinned[self.doors.closed[self._pinned] == 0]
            return np.unique(rows)
        candidates = np.flatnonzero(self.doors.closed == 0)
        if not len(self.doors.classes):
            return candidates[:0] if phase == kernels.OWED else candidates
        open_ = np.empty(len(candidates), dtype=np.bool_)
        _are_open(self.doors, candidates, phase, open_)
        kept: IndexArray = candidates[open_]
        return kept

    @property
    def owing(self) -> bool:
        """Whether a quota still demands rows."""
        return bool((self.doors.owed > 0).any())

    def is_open(self, row: int, phase: int) -> bool:
        """Whether one row may be chosen now."""
        return bool(kernels.is_open(self.doors, row, phase))

    def fits(self, row: int) -> bool:
        """Whether the token budget has room for a row."""
        return bool(kernels.fits(self.doors, row))

    def take(self, row: int) -> None:
        """A row was chosen."""
        kernels.take(self.doors, row)


_NONE = np.empty(0, dtype=np.int64)


@kernels.compiled
def _are_open(doors, rows, phase, found):  # type: ignore[no-untyped-def]
    for place in range(rows.shape[0]):
        found[place] = kernels.is_open(doors, rows[place], phase)


def _groups(constraints: Constraints) -> tuple[list[IndexArray], list[int], list[int]]:
    """Members, room and debt of every group: of duplicates one row, of quotas as they say."""
    members: list[NDArray[np.int64]] = []
    left, owed = [], []
    if constraints.duplicates is not None:
        alike = np.flatnonzero(constraints.duplicates >= 0)
        alike = alike[np.argsort(constraints.duplicates[alike], kind="stable")]
        cuts = np.flatnonzero(np.diff(constraints.duplicates[alike])) + 1
        parts = np.split(alike, cuts) if len(alike) else []
        members += [part.astype(np.int64) for part in parts]
        left += [1] * len(parts)
        owed += [0] * len(parts)
    for quota in constraints.quotas:
        members.append(np.unique(np.asarray(quota.members, dtype=np.int64)))
        left.append(UNBOUNDED if quota.most is None else quota.most)
        owed.append(quota.least)
    return members, left, owed
