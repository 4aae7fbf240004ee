"""The catalog's rows of datasets: to read, to search, to put in order, a page at a time.

Rows never change once stored. All values are bound parameters; column names come from fixed lists.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from nncift_core.callers import own_behalf
from nncift_core.datasets.row_filter import RowFilter
from nncift_core.errors import unknown_name
from nncift_core.store.database import Connection, Database, first_row
from nncift_core.store.ids import absent, checked_id
from nncift_core.store.records import RowRecord
from nncift_core.store.row_hints import RowHint, hinted_in, hints_in
from nncift_core.store.row_search import (
    ROW_COLUMNS,
    is_prepared,
    matching_in,
    ordered_in,
    prepare_stored,
    row_record,
    rows_at,
)
from nncift_core.types import IndexArray, Row

ROW_ORDERS = {
    "position": "position",
    "id": "row_id",
    "prompt": "prompt",
    "response": "response",
    "subtask": "subtask",
    "group": "row_group",
    "prompt-length": "length(prompt)",
    "response-length": "length(response)",
    "length": "length(prompt) + length(response)",
}
"""What rows can be ordered by, and the SQL for it."""

MAX_PAGE = 10_000
EVERY_ROW = RowFilter()


class RowTables:
    """Rows of datasets: ``Catalog`` inherits these methods."""

    _database: Database

    def dataset_rows(self, dataset_id: str) -> list[Row]:
        """All rows of a dataset in input order. Raises: ConfigError if it is not stored."""
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            found = connection.execute(
                "SELECT row_id, prompt, response, subtask, row_group FROM rows"
                " WHERE dataset_id = ? ORDER BY position",
                [dataset_id],
            ).fetchall()
        return [Row(*values) for values in found]

    def dataset_raw(self, dataset_id: str, positions: Sequence[int] | None = None) -> list[str]:
        """The original JSON text of rows, one line each.

        Args:
            dataset_id: A stored dataset.
            positions: Which rows, in the order wanted, repeats allowed; all in input order
                if None.

        Raises:
            ConfigError: The dataset is not stored.
            ValueError: A position is outside the dataset.
        """
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            count = require_dataset(connection, dataset_id)
            if positions is None:
                found = connection.execute(
                    "SELECT raw FROM rows WHERE dataset_id = ? ORDER BY position", [dataset_id]
                ).fetchall()
                return [raw for (raw,) in found]
            wanted = np.asarray(positions, dtype=np.int64).reshape(-1)
            if wanted.size == 0:
                return []
            if wanted.min() < 0 or wanted.max() >= count:
                raise ValueError(f"positions outside 0 to {count - 1}")
            unique, where = np.unique(wanted, return_inverse=True)
            connection.register("wanted_positions", {"wanted": unique})
            found = connection.execute(
                "SELECT raw FROM rows JOIN wanted_positions ON position = wanted"
                " WHERE dataset_id = ? ORDER BY position",
                [dataset_id],
            ).fetchall()
        return [found[index][0] for index in where.tolist()]

    def rows_by_id(self, dataset_id: str, row_ids: Sequence[str]) -> list[RowRecord]:
        """The rows with these ids, in the order given; unknown ids are left out.

        Raises:
            ConfigError: The dataset is not stored.
        """
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            found = connection.execute(
                f"SELECT {ROW_COLUMNS} FROM rows"
                " WHERE dataset_id = ? AND list_contains(?::VARCHAR[], row_id)",
                [dataset_id, list(row_ids)],
            ).fetchall()
        records = {record.row.id: record for record in map(row_record, found)}
        return [records[row_id] for row_id in row_ids if row_id in records]

    def browse_rows(
        self,
        dataset_id: str,
        *,
        row_filter: RowFilter = EVERY_ROW,
        among: IndexArray | None = None,
        order: str = "position",
        descending: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> tuple[list[RowRecord], int]:
        """One page of the rows that match, and how many match.

        With 250,000 rows of 400 characters about 0.3 s on two cores, session included.

        Args:
            dataset_id: A stored dataset.
            row_filter: Which rows match.
            among: Ascending positions of the rows to look at; None for all.
            order: A name of ``ROW_ORDERS``; equal rows stand in input order, missing values last.
            descending: The other way round; missing values stay last, ties in input order.
            offset: Matching rows to skip; negative counts as 0.
            limit: Rows wanted, at most 10,000.

        Raises:
            ConfigError: The dataset is not stored, or the order is unknown.
        """
        ordering = order_clause(order, descending)
        with self._searchable(dataset_id, row_filter) as (connection, count):
            limit, offset = page_bounds(offset, limit)
            found = None if among is None else among[(among >= 0) & (among < count)]
            if not row_filter.empty:
                matching = matching_in(connection, dataset_id, row_filter)
                found = matching if found is None else np.intersect1d(found, matching)
            if order == "position":
                everything = np.arange(count, dtype=np.int64) if found is None else found
                everything = everything[::-1] if descending else everything
                wanted = everything[offset : offset + limit]
            else:
                wanted = ordered_in(connection, dataset_id, count, found, ordering, limit, offset)
            records = rows_at(connection, dataset_id, wanted)
        return records, count if found is None else len(found)

    def matching_positions(self, dataset_id: str, row_filter: RowFilter) -> IndexArray:
        """``(n,)`` ascending positions of the dataset's rows that match, as ``row_filter`` means.

        Raises:
            ConfigError: The dataset is not stored.
        """
        with self._searchable(dataset_id, row_filter) as (connection, count):
            if row_filter.empty:
                return np.arange(count, dtype=np.int64)
            return matching_in(connection, dataset_id, row_filter)

    def row_hints(self, dataset_id: str) -> list[RowHint]:
        """What is noticed in a dataset's rows, counted. Raises: ConfigError if it is not stored."""
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            return hints_in(connection, dataset_id)

    def hinted_positions(self, dataset_id: str, name: str, value: str = "") -> IndexArray:
        """``(n,)`` ascending positions of the rows that a hint is about.

        Raises:
            ConfigError: The dataset is not stored, or there is no such hint.
        """
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            return hinted_in(connection, dataset_id, name, value)

    def row_column(self, dataset_id: str, name: str) -> list[str | None]:
        """``row_id``, ``subtask`` or ``row_group`` of all rows, in input order.

        Raises:
            ConfigError: The dataset is not stored.
        """
        checked_id("dataset", dataset_id)
        column = {"row_id": "row_id", "subtask": "subtask", "row_group": "row_group"}[name]
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            found = connection.execute(
                f"SELECT {column} FROM rows WHERE dataset_id = ? ORDER BY position", [dataset_id]
            ).fetchall()
        return [value for (value,) in found]

    def text_lengths(self, dataset_id: str) -> tuple[IndexArray, IndexArray]:
        """``(n,)`` characters of each prompt and of each response. Raises: ConfigError."""
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            found = connection.execute(
                "SELECT length(prompt) AS prompt, length(response) AS response FROM rows"
                " WHERE dataset_id = ? ORDER BY position",
                [dataset_id],
            ).fetchnumpy()
        return found["prompt"].astype(np.int64), found["response"].astype(np.int64)

    def rows_at(self, dataset_id: str, positions: Sequence[int] | IndexArray) -> list[RowRecord]:
        """The rows at these positions, in the order given.

        Raises:
            ConfigError: The dataset is not stored.
            KeyError: A position is outside the dataset.
        """
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            return rows_at(connection, dataset_id, np.asarray(positions, dtype=np.int64))

    @contextlib.contextmanager
    def _searchable(
        self, dataset_id: str, row_filter: RowFilter
    ) -> Iterator[tuple[Connection, int]]:
        """A session in which the dataset can be searched, and the dataset's number of rows."""
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            count = require_dataset(connection, dataset_id)
            if not row_filter.terms or is_prepared(connection, dataset_id, count):
                yield connection, count
                return
        # Of an older version. Who happens to search first need not be one who may change anything.
        with own_behalf(), self._database.session() as connection:
            prepare_stored(connection, dataset_id)
        with self._database.session() as connection:
            yield connection, count

    def subtask_counts(self, dataset_id: str) -> dict[str | None, int]:
        """Rows of each subtask, the largest first; None counts rows without one."""
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            found = connection.execute(
                "SELECT subtask, count(*) AS amount FROM rows WHERE dataset_id = ?"
                " GROUP BY subtask ORDER BY amount DESC, subtask NULLS LAST",
                [dataset_id],
            ).fetchall()
        return dict(found)


def order_clause(order: str, descending: bool) -> str:
    """SQL that orders rows by a name of ``ROW_ORDERS``. Raises: ConfigError."""
    if order not in ROW_ORDERS:
        raise unknown_name("row order", order, ROW_ORDERS)
    direction = "DESC" if descending else "ASC"
    return f"{ROW_ORDERS[order]} {direction} NULLS LAST, position"


def page_bounds(offset: int, limit: int) -> tuple[int, int]:
    """LIMIT and OFFSET from what a page's address may hold."""
    return min(max(limit, 0), MAX_PAGE), max(offset, 0)


def require_dataset(connection: Connection, dataset_id: str) -> int:
    """The number of rows of a stored dataset. Raises: ConfigError."""
    found = first_row(connection, "SELECT accepted FROM datasets WHERE id = ?", [dataset_id])
    if found is None:
        raise absent("dataset", dataset_id)
    return int(found[0])
