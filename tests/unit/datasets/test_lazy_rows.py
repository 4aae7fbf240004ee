"""Rows that are read as they are asked for are those that reading all of them gives."""

from __future__ import annotations

import numpy as np
import pytest

from nncift_core.datasets import lazy_rows
from nncift_core.datasets.lazy_rows import LazyRows
from nncift_core.types import IndexArray, Row

ROWS = [
    Row(f"{n % 7:016x}-{n}", f"prompt {n}", "r" * (n % 5), ["b", None, "a"][n % 3], f"g{n % 2}")
    for n in range(40)
]


class Reader:
    """A dataset in memory that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def rows(self, positions: IndexArray) -> list[Row]:
        self.asked.append(f"rows {len(positions)}")
        return [ROWS[position] for position in positions.tolist()]

    def everything(self) -> list[Row]:
        self.asked.append("everything")
        return list(ROWS)

    def column(self, name: str) -> list[str | None]:
        self.asked.append(name)
        return [{"row_id": r.id, "subtask": r.subtask, "row_group": r.group}[name] for r in ROWS]

    def lengths(self) -> tuple[IndexArray, IndexArray]:
        self.asked.append("lengths")
        both = [(len(row.prompt), len(row.response)) for row in ROWS]
        return np.array([a for a, _ in both]), np.array([b for _, b in both])


@pytest.mark.parametrize("positions", [np.arange(40), np.arange(3, 40, 2), np.array([5, 0, 39])])
def test_they_are_the_rows_of_a_list(positions: IndexArray) -> None:
    slow = [ROWS[position] for position in positions.tolist()]
    rows = LazyRows(Reader(), positions, len(ROWS))
    assert len(rows) == len(slow)
    assert rows[0] == slow[0] and rows[-1] == slow[-1] and rows[1:3] == slow[1:3]
    assert lazy_rows.rows_at(rows, [2, 0, 2]) == [slow[2], slow[0], slow[2]]
    for found in (
        lazy_rows.ids_of,
        lazy_rows.hashes_of,
        lazy_rows.subtasks_of,
        lazy_rows.subtask_names,
        lazy_rows.groups_of,
    ):
        assert found(rows) == found(slow)
    for lazy, known in zip(lazy_rows.lengths_of(rows), lazy_rows.lengths_of(slow), strict=True):
        assert lazy.tolist() == known.tolist()
    assert list(rows) == slow
    with pytest.raises(IndexError):
        rows[len(slow)]


def test_a_page_reads_its_rows_at_once_and_columns_once() -> None:
    reader = Reader()
    rows = LazyRows(reader, np.arange(40), len(ROWS))
    rows.take(range(8))
    rows.take(range(4, 10))
    lazy_rows.subtask_names(rows)
    lazy_rows.subtasks_of(rows)
    assert reader.asked == ["rows 8", "rows 2", "subtask"]


def test_many_single_rows_end_in_reading_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy_rows, "MOST_SINGLE", 3)
    reader = Reader()
    rows = LazyRows(reader, np.arange(40), len(ROWS))
    assert [rows[place] for place in range(10)] == ROWS[:10]
    assert reader.asked == ["rows 1"] * 3 + ["everything"]
