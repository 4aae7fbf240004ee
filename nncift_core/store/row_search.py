"""Searching stored rows: the SQL of a ``RowFilter``, and the prepared texts that make it fast.

Works inside a session of the catalog. All values are bound parameters. What a filter means is
said by ``datasets.row_filter``; this module finds the same rows.

Measured with 250,000 rows of 430 characters on two cores: a word 0.15 s, where folding the texts
at each search takes 0.6 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nncift_core.datasets.row_filter import RowFilter, prepared
from nncift_core.store.database import Connection, first_row, insert_columns, storable
from nncift_core.store.records import RowRecord
from nncift_core.types import IndexArray, Row

ROW_COLUMNS = "position, row_id, prompt, response, subtask, row_group, source_id"

_PART = 20_000
"""Rows whose texts are prepared at a time, to bound memory."""

_MANY = 0.05
"""From this share of the rows on, all rows are ordered and not only those that match."""

_CHARACTERS = "length(prompt) + length(response)"


def prepare(
    connection: Connection, dataset_id: str, first: int, texts: Sequence[tuple[str, str]]
) -> None:
    """Store the prepared texts of rows.

    Args:
        connection: Of an open session.
        dataset_id: Their dataset.
        first: Position of the first one; the others follow it.
        texts: Prompt and response of each.
    """
    for start in range(0, len(texts), _PART):
        part = texts[start : start + _PART]
        insert_columns(
            connection,
            "prepared_texts",
            {
                "dataset_id": [dataset_id] * len(part),
                "position": np.arange(first + start, first + start + len(part), dtype=np.int32),
                "folded": [prepared(prompt, response) for prompt, response in part],
            },
        )


def is_prepared(connection: Connection, dataset_id: str, count: int) -> bool:
    """Whether all ``count`` rows of a dataset can be searched."""
    sql = "SELECT count(*) FROM prepared_texts WHERE dataset_id = ?"
    return bool(first_row(connection, sql, [dataset_id])[0] == count)


def prepare_stored(connection: Connection, dataset_id: str) -> None:
    """Prepare the texts of a dataset that is stored without them; nothing where they are there."""
    sql = "SELECT count(*) FROM rows WHERE dataset_id = ?"
    count = first_row(connection, sql, [dataset_id])[0]
    if is_prepared(connection, dataset_id, count):
        return
    connection.execute("DELETE FROM prepared_texts WHERE dataset_id = ?", [dataset_id])
    for first in range(0, count, _PART):
        texts = connection.execute(
            "SELECT prompt, response FROM rows WHERE dataset_id = ?"
            " AND position >= ? AND position < ? ORDER BY position",
            [dataset_id, first, first + _PART],
        ).fetchall()
        prepare(connection, dataset_id, first, texts)


def matching_in(connection: Connection, dataset_id: str, row_filter: RowFilter) -> IndexArray:
    """``(n,)`` ascending positions of the rows that match.

    The texts must be prepared where the filter has terms.
    """
    conditions: list[str] = []
    values: list[str | int] = []
    for condition, value in (
        ("subtask = ?", None if row_filter.subtask is None else storable(row_filter.subtask)),
        (f"{_CHARACTERS} >= ?", row_filter.shortest),
        (f"{_CHARACTERS} <= ?", row_filter.longest),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    parts = []
    if conditions:
        parts.append(_positions(connection, "rows", dataset_id, conditions, values))
    if row_filter.terms:
        contained = ["contains(folded, ?)"] * len(row_filter.terms)
        parts.append(
            _positions(connection, "prepared_texts", dataset_id, contained, row_filter.terms)
        )
    if len(parts) == 1:
        return parts[0]
    # Much faster than a join of both tables where most rows match.
    return np.intersect1d(parts[0], parts[1], assume_unique=True)


def ordered_in(
    connection: Connection,
    dataset_id: str,
    count: int,
    among: IndexArray | None,
    ordering: str,
    limit: int,
    offset: int,
) -> IndexArray:
    """``(n,)`` positions of one page of rows.

    Args:
        connection: Of an open session.
        dataset_id: A stored dataset.
        count: Its rows.
        among: Positions to choose from; None for all.
        ordering: SQL from a fixed list, never a text from outside.
        limit: Rows of the page.
        offset: Rows before it.
    """
    if among is not None and len(among) > _MANY * count:
        # A join with most of the rows takes longer than to order all of them.
        order = _ordered(connection, dataset_id, ordering, count, 0)
        wanted = np.zeros(count, dtype=np.bool_)
        wanted[among] = True
        return order[wanted[order]][offset : offset + limit]
    return _ordered(connection, dataset_id, ordering, limit, offset, among)


def _ordered(
    connection: Connection,
    dataset_id: str,
    ordering: str,
    limit: int,
    offset: int,
    among: IndexArray | None = None,
) -> IndexArray:
    condition = "dataset_id = ?"
    if among is not None:
        connection.register("among_positions", {"wanted": among})
        condition += " AND position IN (SELECT wanted FROM among_positions)"
    found = connection.execute(
        f"SELECT position FROM rows WHERE {condition} ORDER BY {ordering} LIMIT ? OFFSET ?",
        [dataset_id, limit, offset],
    ).fetchnumpy()
    return np.asarray(found["position"], dtype=np.int64)


def _positions(
    connection: Connection,
    table: str,
    dataset_id: str,
    conditions: Sequence[str],
    values: Sequence[str | int],
) -> IndexArray:
    """Ascending positions of the rows of a table that meet conditions with bound values."""
    where = " AND ".join(["dataset_id = ?", *conditions])
    found = connection.execute(
        f"SELECT position FROM {table} WHERE {where}", [dataset_id, *values]
    ).fetchnumpy()
    return np.sort(np.asarray(found["position"], dtype=np.int64))


def rows_at(connection: Connection, dataset_id: str, positions: IndexArray) -> list[RowRecord]:
    """The rows at these positions, in the order given; repeats are not allowed."""
    if not len(positions):
        return []
    connection.register("wanted_positions", {"wanted": np.ascontiguousarray(positions)})
    found = connection.execute(
        f"SELECT {ROW_COLUMNS} FROM rows JOIN wanted_positions ON position = wanted"
        " WHERE dataset_id = ?",
        [dataset_id],
    ).fetchall()
    records = {record.position: record for record in map(row_record, found)}
    return [records[position] for position in positions.tolist()]


def row_record(values: Sequence[Any]) -> RowRecord:
    """A record from values in the order of ``ROW_COLUMNS``."""
    position, row_id, prompt, response, subtask, group, source_id = values
    return RowRecord(position, Row(row_id, prompt, response, subtask, group), source_id)
