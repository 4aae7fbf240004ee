"""The catalog's tables of datasets, their rows and their rejections.

Datasets are content-addressed and never change once stored. All values are bound parameters;
column names come from fixed lists.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nncift_core.datasets.report import Rejection
from nncift_core.errors import unknown_name
from nncift_core.files import json_text
from nncift_core.store.database import (
    Connection,
    Database,
    first_row,
    insert_columns,
    storable,
    utc_now,
)
from nncift_core.store.ids import absent, checked_id
from nncift_core.store.records import DatasetRecord, RowRecord
from nncift_core.types import Row

if TYPE_CHECKING:
    from nncift_core.datasets import Dataset

ROW_ORDERS = {
    "position": "position",
    "id": "row_id",
    "prompt": "prompt",
    "response": "response",
    "subtask": "subtask",
    "group": "row_group",
    "prompt-length": "length(prompt)",
    "response-length": "length(response)",
}
"""What rows can be ordered by, and the SQL for it."""

MAX_PAGE = 10_000

_DATASET = "id, name, created_at, accepted, rejected, exact_duplicates, warnings, sources"
ROW_COLUMNS = "position, row_id, prompt, response, subtask, row_group, source_id"
MATCHES = "(contains(lower(prompt), lower(?)) OR contains(lower(response), lower(?)))"
"""Case-insensitive substring without wildcards, so nothing needs escaping."""


class DatasetTables:
    """Datasets: ``Catalog`` inherits these methods."""

    _database: Database

    def add_dataset(self, dataset: Dataset) -> tuple[DatasetRecord, bool]:
        """Store a dataset once.

        Returns:
            Its record, and whether it was there already (then nothing changes).

        Raises:
            WorkspaceError: The catalog cannot be written; nothing is half stored.
        """
        dataset_id = checked_id("dataset", dataset.id)
        with self._database.session() as connection:
            known = _find_dataset(connection, dataset_id)
            if known is not None:
                return known, True
            report = dataset.report
            connection.execute(
                f"INSERT INTO datasets ({_DATASET}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    dataset_id,
                    storable(dataset.name),
                    utc_now(),
                    len(dataset.rows),
                    len(report.rejected),
                    report.exact_duplicates,
                    json_text(report.warnings),
                    json_text(dataset.sources),
                ],
            )
            _insert_rows(connection, dataset_id, dataset)
            _insert_rejections(connection, dataset_id, dataset)
            record = _find_dataset(connection, dataset_id)
        if record is None:
            raise RuntimeError(f"dataset {dataset_id} is missing after it was stored")
        return record, False

    def datasets(self) -> list[DatasetRecord]:
        """All datasets, the newest first."""
        with self._database.session() as connection:
            found = connection.execute(
                f"SELECT {_DATASET} FROM datasets ORDER BY created_at DESC, id"
            ).fetchall()
        return [_dataset_record(values) for values in found]

    def dataset(self, dataset_id: str) -> DatasetRecord:
        """One dataset. Raises: ConfigError if it is not stored."""
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            record = _find_dataset(connection, dataset_id)
        if record is None:
            raise absent("dataset", dataset_id)
        return record

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
        search: str = "",
        subtask: str | None = None,
        order: str = "position",
        descending: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> tuple[list[RowRecord], int]:
        """One page of the rows that match, and how many match.

        Args:
            dataset_id: A stored dataset.
            search: Case-insensitive substring of prompt or response, taken literally.
            subtask: Only rows of this subtask, if given.
            order: A name of ``ROW_ORDERS``; equal rows stand in input order, missing values last.
            descending: The other way round; missing values stay last, ties in input order.
            offset: Matching rows to skip; negative counts as 0.
            limit: Rows wanted, at most 10,000.

        Raises:
            ConfigError: The dataset is not stored, or the order is unknown.
        """
        checked_id("dataset", dataset_id)
        condition, values = "dataset_id = ?", [dataset_id]
        if search:
            condition += f" AND {MATCHES}"
            values += [storable(search)] * 2
        if subtask is not None:
            condition += " AND subtask = ?"
            values.append(storable(subtask))
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            return page_of_rows(
                connection, condition, values, order_clause(order, descending), offset, limit
            )

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

    def rejections(self, dataset_id: str) -> list[Rejection]:
        """The refused rows of a dataset in input order. Raises: ConfigError."""
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            found = connection.execute(
                "SELECT file, line, reason, excerpt FROM rejections"
                " WHERE dataset_id = ? ORDER BY ordinal",
                [dataset_id],
            ).fetchall()
        return [Rejection(*values) for values in found]


def order_clause(order: str, descending: bool) -> str:
    """SQL that orders rows by a name of ``ROW_ORDERS``. Raises: ConfigError."""
    if order not in ROW_ORDERS:
        raise unknown_name("row order", order, ROW_ORDERS)
    direction = "DESC" if descending else "ASC"
    return f"{ROW_ORDERS[order]} {direction} NULLS LAST, position"


def page_of_rows(
    connection: Connection,
    condition: str,
    values: Sequence[Any],
    ordering: str,
    offset: int,
    limit: int,
) -> tuple[list[RowRecord], int]:
    """One page of rows under a condition with bound values, and how many there are."""
    total = first_row(connection, f"SELECT count(*) FROM rows WHERE {condition}", values)[0]
    found = connection.execute(
        f"SELECT {ROW_COLUMNS} FROM rows WHERE {condition} ORDER BY {ordering} LIMIT ? OFFSET ?",
        [*values, *page_bounds(offset, limit)],
    ).fetchall()
    return [row_record(row) for row in found], total


def page_bounds(offset: int, limit: int) -> tuple[int, int]:
    """LIMIT and OFFSET from what a page's address may hold."""
    return min(max(limit, 0), MAX_PAGE), max(offset, 0)


def row_record(values: Sequence[Any]) -> RowRecord:
    """A record from values in the order of ``ROW_COLUMNS``."""
    position, row_id, prompt, response, subtask, group, source_id = values
    return RowRecord(position, Row(row_id, prompt, response, subtask, group), source_id)


def require_dataset(connection: Connection, dataset_id: str) -> int:
    """The number of rows of a stored dataset. Raises: ConfigError."""
    found = first_row(connection, "SELECT accepted FROM datasets WHERE id = ?", [dataset_id])
    if found is None:
        raise absent("dataset", dataset_id)
    return int(found[0])


def _find_dataset(connection: Connection, dataset_id: str) -> DatasetRecord | None:
    values = first_row(connection, f"SELECT {_DATASET} FROM datasets WHERE id = ?", [dataset_id])
    return None if values is None else _dataset_record(values)


def _dataset_record(values: Sequence[Any]) -> DatasetRecord:
    dataset_id, name, created_at, accepted, rejected, duplicates, warnings, sources = values
    return DatasetRecord(
        dataset_id,
        name,
        created_at,
        accepted,
        rejected,
        duplicates,
        tuple(json.loads(warnings)),
        tuple(json.loads(sources)),
    )


def _insert_rows(connection: Connection, dataset_id: str, dataset: Dataset) -> None:
    rows, count = dataset.rows, len(dataset.rows)
    insert_columns(
        connection,
        "rows",
        {
            "dataset_id": [dataset_id] * count,
            "position": np.arange(count, dtype=np.int32),
            "row_id": [row.id for row in rows],
            "prompt": [row.prompt for row in rows],
            "response": [row.response for row in rows],
            "subtask": [row.subtask for row in rows],
            "row_group": [row.group for row in rows],
            "source_id": dataset.source_ids,
            "raw": dataset.raw,
        },
    )


def _insert_rejections(connection: Connection, dataset_id: str, dataset: Dataset) -> None:
    rejected = dataset.report.rejected
    if not rejected:
        return
    insert_columns(
        connection,
        "rejections",
        {
            "dataset_id": [dataset_id] * len(rejected),
            "ordinal": np.arange(len(rejected), dtype=np.int32),
            "file": [storable(rejection.file) for rejection in rejected],
            "line": np.array([rejection.line for rejection in rejected], dtype=np.int32),
            "reason": [storable(rejection.reason) for rejection in rejected],
            "excerpt": [storable(rejection.excerpt) for rejection in rejected],
        },
    )
