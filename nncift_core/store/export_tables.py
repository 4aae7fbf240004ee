"""The catalog's table of exports (files written from selections), and reading rows for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nncift_core.store.database import Database, storable, utc_now
from nncift_core.store.ids import absent, checked_id, short_hash
from nncift_core.store.records import ExportRecord
from nncift_core.store.row_tables import require_dataset
from nncift_core.store.selection_tables import require_selection
from nncift_core.types import Row

_EXPORT = "id, selection_id, export_schema, path, sha256, row_count, created_at"


class ExportTables:
    """Exports: ``Catalog`` inherits these methods."""

    _database: Database

    def add_export(
        self, selection_id: str, schema: str, path: str, sha256: str, rows: int
    ) -> ExportRecord:
        """Record a file that was written; the same file again replaces its record.

        From now on the selection cannot be renamed or deleted: a file says what it is.

        Raises:
            ConfigError: There is no such selection.
        """
        checked_id("selection", selection_id)
        record = ExportRecord(
            short_hash(selection_id, schema, path),
            selection_id,
            schema,
            storable(path),
            sha256,
            rows,
            utc_now(),
        )
        with self._database.session() as connection:
            require_selection(connection, selection_id)
            connection.execute(
                f"INSERT OR REPLACE INTO exports ({_EXPORT}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [record.id, selection_id, schema, record.path, sha256, rows, record.created_at],
            )
        return record

    def exports(
        self,
        *,
        project_id: str | None = None,
        run_id: str | None = None,
        selection_id: str | None = None,
    ) -> list[ExportRecord]:
        """Exports, the newest first, of a project, a run or a selection if given."""
        for kind, value in (("project", project_id), ("run", run_id), ("selection", selection_id)):
            if value is not None:
                checked_id(kind, value)
        columns = ", ".join(f"exports.{name}" for name in _EXPORT.split(", "))
        with self._database.session() as connection:
            found = connection.execute(
                f"SELECT {columns} FROM exports JOIN selections ON selections.id = selection_id"
                " JOIN runs USING (run_id)"
                " WHERE ($1 IS NULL OR project_id = $1) AND ($2 IS NULL OR run_id = $2)"
                " AND ($3 IS NULL OR selection_id = $3)"
                " ORDER BY exports.created_at DESC, exports.id",
                [project_id, run_id, selection_id],
            ).fetchall()
        return [ExportRecord(*values) for values in found]

    def export(self, export_id: str) -> ExportRecord:
        """One export. Raises: ConfigError if it is not recorded."""
        checked_id("export", export_id)
        with self._database.session() as connection:
            found = connection.execute(
                f"SELECT {_EXPORT} FROM exports WHERE id = ?", [export_id]
            ).fetchone()
        if found is None:
            raise absent("export", export_id)
        return ExportRecord(*found)

    def selected_positions(self, selection_id: str, dataset_id: str) -> list[int]:
        """Positions in a dataset of the rows of a selection, in selection order.

        Raises:
            ConfigError: There is no such selection or dataset.
        """
        checked_id("selection", selection_id)
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            require_selection(connection, selection_id)
            require_dataset(connection, dataset_id)
            found = connection.execute(
                "SELECT position FROM selection_rows JOIN rows USING (row_id)"
                " WHERE selection_id = ? AND dataset_id = ? ORDER BY rank",
                [selection_id, dataset_id],
            ).fetchall()
        return [position for (position,) in found]

    def row_ids(self, dataset_id: str) -> list[str]:
        """The ids of all rows of a dataset in input order. Raises: ConfigError."""
        checked_id("dataset", dataset_id)
        with self._database.session() as connection:
            require_dataset(connection, dataset_id)
            found = connection.execute(
                "SELECT row_id FROM rows WHERE dataset_id = ? ORDER BY position", [dataset_id]
            ).fetchall()
        return [row_id for (row_id,) in found]

    def stored_rows(self, dataset_id: str, positions: Sequence[int]) -> list[tuple[Row, str]]:
        """Rows with their original JSON text, in the order of the positions, no position twice.

        Raises:
            ConfigError: The dataset is not stored.
            ValueError: A position is outside the dataset.
        """
        checked_id("dataset", dataset_id)
        wanted = np.asarray(positions, dtype=np.int64).reshape(-1)
        if not len(wanted):
            return []
        with self._database.session() as connection:
            count = require_dataset(connection, dataset_id)
            if wanted.min() < 0 or wanted.max() >= count:
                raise ValueError(f"positions outside 0 to {count - 1}")
            connection.register(
                "wanted_rows", {"wanted": wanted, "place": np.arange(len(wanted), dtype=np.int64)}
            )
            found = connection.execute(
                "SELECT row_id, prompt, response, subtask, row_group, raw"
                " FROM rows JOIN wanted_rows ON position = wanted"
                # The bounds let DuckDB skip blocks of rows that are not asked for.
                " WHERE dataset_id = ? AND position BETWEEN ? AND ? ORDER BY place",
                [dataset_id, int(wanted.min()), int(wanted.max())],
            ).fetchall()
        return [(Row(*values[:5]), values[5]) for values in found]
