"""Rows that are read as they are asked for, and columns of rows without reading all their texts.

A page shows a screenful of a pool of 250,000 rows: to bring every text into Python would cost
seconds and hundreds of megabytes. The functions below answer for any sequence of rows. Knows
nothing of where rows are stored.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Protocol, overload

import numpy as np

from nncift_core.types import IndexArray, Row

MOST_KEPT = 2_000
"""Rows that are remembered one by one; a row may hold a megabyte."""

MOST_SINGLE = 200
"""Rows that may be asked for one at a time before all of them are read."""


class RowReader(Protocol):
    """Where the rows of a stored dataset come from; positions count from 0 in input order."""

    def rows(self, positions: IndexArray) -> list[Row]:
        """The rows at these positions, none twice, in the order given."""

    def everything(self) -> list[Row]:
        """All rows."""

    def column(self, name: str) -> list[str | None]:
        """``row_id``, ``subtask`` or ``row_group`` of all rows."""

    def lengths(self) -> tuple[IndexArray, IndexArray]:
        """``(n,)`` characters of each prompt and of each response."""


class LazyRows(Sequence[Row]):
    """Some rows of a stored dataset.

    Args:
        reader: Where they are.
        positions: ``(n,)`` which of them, in this order, none twice.
        count: Rows of the whole dataset.
    """

    def __init__(self, reader: RowReader, positions: IndexArray, count: int) -> None:
        self._reader, self._positions, self._count = reader, positions, count
        self._all: list[Row] | None = None
        self._kept: OrderedDict[int, Row] = OrderedDict()
        self._columns: dict[str, list[str | None]] = {}
        self._lengths: tuple[IndexArray, IndexArray] | None = None
        self._single = 0
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return self.take(range(len(self))[place])
        with self._lock:
            at = range(len(self))[place]
            if self._all is None and at not in self._kept:
                self._single += 1
            return self.take([at])[0]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._everything())

    def take(self, places: Sequence[int]) -> list[Row]:
        """The rows at these places, read at once; repeats are allowed."""
        with self._lock:
            wanted = dict.fromkeys(places)
            missing = [place for place in wanted if place not in self._kept]
            if self._all is None and (
                len(missing) > max(MOST_KEPT, len(self) // 4) or self._single > MOST_SINGLE
            ):
                self._everything()
            if self._all is not None:
                return [self._all[place] for place in places]
            found = {place: self._kept[place] for place in wanted if place in self._kept}
            if missing:
                read = self._reader.rows(self._positions[missing])
                fresh = dict(zip(missing, read, strict=True))
                found |= fresh
                self._kept |= dict(list(fresh.items())[:MOST_KEPT])
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            return [found[place] for place in places]

    def part(self, places: IndexArray) -> LazyRows:
        """The rows at these places, none twice."""
        return LazyRows(self._reader, self._positions[places], self._count)

    def column(self, name: str) -> list[str | None]:
        """``row_id``, ``subtask`` or ``row_group`` of each row."""
        with self._lock:
            if name not in self._columns:
                found = self._reader.column(name)
                if not self._whole:
                    found = [found[place] for place in self._positions.tolist()]
                self._columns[name] = found
            return self._columns[name]

    def lengths(self) -> tuple[IndexArray, IndexArray]:
        """``(n,)`` characters of each prompt and of each response."""
        with self._lock:
            if self._lengths is None:
                prompt, response = self._reader.lengths()
                self._lengths = prompt[self._positions], response[self._positions]
            return self._lengths

    @property
    def _whole(self) -> bool:
        """Whether these are all rows: positions are none twice, and ascending where all."""
        return len(self._positions) == self._count

    def _everything(self) -> list[Row]:
        with self._lock:
            if self._all is None:
                rows = self._reader.everything()
                if not self._whole:
                    rows = [rows[place] for place in self._positions.tolist()]
                self._all = rows
                self._kept.clear()
            return self._all


def rows_at(rows: Sequence[Row], places: Sequence[int]) -> list[Row]:
    """The rows at these places, in one reading where they are stored."""
    if isinstance(rows, LazyRows):
        return rows.take(places)
    return [rows[place] for place in places]


def ids_of(rows: Sequence[Row]) -> list[str]:
    """The id of each row."""
    if isinstance(rows, LazyRows):
        return [str(name) for name in rows.column("row_id")]
    return [row.id for row in rows]


def hashes_of(rows: Sequence[Row]) -> list[str]:
    """What equal rows share, of each row: its id without the ordinal."""
    return [name.rsplit("-", 1)[0] for name in ids_of(rows)]


def subtasks_of(rows: Sequence[Row]) -> list[str | None]:
    """The subtask of each row, None where it has none."""
    if isinstance(rows, LazyRows):
        return rows.column("subtask")
    return [row.subtask for row in rows]


def subtask_names(rows: Sequence[Row]) -> list[str]:
    """The different subtasks, sorted."""
    return sorted(name for name in set(subtasks_of(rows)) if name is not None)


def groups_of(rows: Sequence[Row]) -> list[str | None]:
    """The group of each row, None where it has none."""
    if isinstance(rows, LazyRows):
        return rows.column("row_group")
    return [row.group for row in rows]


def lengths_of(rows: Sequence[Row]) -> tuple[IndexArray, IndexArray]:
    """``(n,)`` characters of each prompt and of each response."""
    if isinstance(rows, LazyRows):
        return rows.lengths()
    return (
        np.fromiter((len(row.prompt) for row in rows), dtype=np.int64, count=len(rows)),
        np.fromiter((len(row.response) for row in rows), dtype=np.int64, count=len(rows)),
    )
