"""In which order rows of a run are drawn, where each then stands, and which neighbours form groups.

Every order is found once and kept: a page asks for it each time that it is drawn. Knows rows,
means and clusters, nothing of pages or of the matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from nncift_core.datasets.lazy_rows import lengths_of, subtask_names, subtasks_of
from nncift_core.types import FloatArray, IndexArray, Row

Order = Literal["input", "influence", "subtask", "cluster", "length"]
ORDERS: tuple[Order, ...] = ("influence", "subtask", "cluster", "length", "input")


class Group(NamedTuple):
    """Neighbouring rows that share a name: first and past-the-last place, from 0."""

    name: str
    first: int
    last: int


@dataclass(frozen=True)
class RowOrders:
    """The orders of one side of a run.

    Attributes:
        rows: The side's rows, in input order.
        mean: Gives ``(n,)`` what ``influence`` orders by.
        clusters: Gives ``(n,)`` cluster numbers, None where there are none.
    """

    rows: Sequence[Row]
    mean: Callable[[], FloatArray]
    clusters: Callable[[], IndexArray | None] = lambda: None
    _kept: dict[str, IndexArray] = field(default_factory=dict)
    _names: dict[str, tuple[IndexArray, list[str]] | None] = field(default_factory=dict)

    def known(self) -> tuple[Order, ...]:
        """The orders that mean something here: by subtask only where rows have one."""
        none = {
            "subtask": self._groups("subtask") is None,
            "cluster": self._groups("cluster") is None,
        }
        return tuple(order for order in ORDERS if not none.get(order, False))

    @property
    def first(self) -> Order:
        """The order that rows are drawn in at first.

        Subtasks show the most where there are any, then the order by influence.
        """
        return "subtask" if self._groups("subtask") is not None else "influence"

    def order(self, by: Order) -> IndexArray:
        """``(n,)`` positions in the order drawn; ties stay in input order.

        ``influence`` puts the highest mean first, ``length`` the shortest row (characters of
        prompt and response); ``subtask`` sorts by name, rows without one last; ``cluster`` by
        number.
        """
        if by == "cluster" and self._groups(by) is None:
            # Not kept under that name: clusters may be found later.
            return self.order("input")
        if by not in self._kept:
            self._kept[by] = self._sorted(by)
            self._kept[by].setflags(write=False)
        return self._kept[by]

    def places(self, by: Order) -> IndexArray:
        """``(n,)`` place, from 0, of each position in an order."""
        if by == "cluster" and self._groups(by) is None:
            return self.places("input")
        key = f"places of {by}"
        if key not in self._kept:
            order = self.order(by)
            found = np.empty_like(order)
            found[order] = np.arange(len(order), dtype=np.int64)
            found.setflags(write=False)
            self._kept[key] = found
        return self._kept[key]

    def groups(self, by: Order, window: tuple[int, int], most: int = 200) -> list[Group]:
        """Rows side by side that share a subtask or a cluster, within a window of places.

        None where rows are not ordered by groups, or where more than ``most`` would be shown.
        """
        named = self._groups(by)
        if named is None:
            return []
        codes, names = named
        shown = codes[self.order(by)[window[0] : window[1]]]
        if not len(shown):
            return []
        starts = np.flatnonzero(np.diff(shown, prepend=shown[0] - 1))
        if len(starts) > most:
            return []
        ends = np.append(starts[1:], len(shown))
        return [
            Group(names[shown[a]], int(a) + window[0], int(b) + window[0])
            for a, b in zip(starts, ends, strict=True)
        ]

    def _sorted(self, by: Order) -> IndexArray:
        named = self._groups(by)
        if named is not None:
            return np.argsort(named[0], kind="stable").astype(np.int64)
        if by == "influence":
            mean = np.nan_to_num(self.mean(), nan=-np.inf)
            return np.argsort(-mean, kind="stable").astype(np.int64)
        if by == "length":
            prompt, response = lengths_of(self.rows)
            return np.argsort(prompt + response, kind="stable").astype(np.int64)
        return np.arange(len(self.rows), dtype=np.int64)

    def _groups(self, by: str) -> tuple[IndexArray, list[str]] | None:
        """Number of each row's group, in the order of their names, and the names."""
        # Clusters may be found later: that there are none is asked anew.
        if self._names.get(by) is None and (by != "subtask" or by not in self._names):
            self._names[by] = self._found_groups(by)
        return self._names[by]

    def _found_groups(self, by: str) -> tuple[IndexArray, list[str]] | None:
        if by == "subtask":
            distinct = subtask_names(self.rows)
            if not distinct:
                return None
            numbers: dict[str | None, int] = {name: at for at, name in enumerate(distinct)}
            numbers[None] = len(distinct)
            codes = np.array([numbers[name] for name in subtasks_of(self.rows)], np.int64)
            return codes, [*distinct, ""]
        if by == "cluster":
            clusters = self.clusters()
            if clusters is None or len(clusters) != len(self.rows) or not len(clusters):
                return None
            clusters = np.asarray(clusters, np.int64)
            return clusters, [f"cluster {number}" for number in range(int(clusters.max()) + 1)]
        return None
