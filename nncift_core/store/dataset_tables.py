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
from nncift_core.files import json_text
from nncift_core.store.database import (
    Connection,
    first_row,
    insert_columns,
    storable,
    utc_now,
)
from nncift_core.store.ids import absent, checked_id
from nncift_core.store.records import DatasetRecord
from nncift_core.store.row_search import prepare
from nncift_core.store.row_tables import RowTables, require_dataset

if TYPE_CHECKING:
    from nncift_core.datasets import Dataset

_DATASET = "id, name, created_at, accepted, rejected, exact_duplicates, warnings, sources"


class DatasetTables(RowTables):
    """Datasets: ``Catalog`` inherits these methods."""

    def add_dataset(self, dataset: Dataset) -> tuple[DatasetRecord, bool]:
        """Store a dataset once.

        Returns:
            Its record, and whether it was there already (then nothing changes).

        Raises:
            WorkspaceError: The catalog cannot be written; nothing is half stored.
        """
        dataset_id = checked_id("dataset", dataset.id)
        with self._database.session() as connection:
            known = find_dataset(connection, dataset_id)
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
            prepare(connection, dataset_id, 0, [(row.prompt, row.response) for row in dataset.rows])
            _insert_rejections(connection, dataset_id, dataset)
            record = find_dataset(connection, dataset_id)
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
            record = find_dataset(connection, dataset_id)
        if record is None:
            raise absent("dataset", dataset_id)
        return record

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


def find_dataset(connection: Connection, dataset_id: str) -> DatasetRecord | None:
    """A stored dataset's record, None where there is none."""
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
