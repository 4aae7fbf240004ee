"""The catalog's table of exports: files that were written from selections."""

from __future__ import annotations

from nncift_core.store.database import Database, storable, utc_now
from nncift_core.store.ids import checked_id, short_hash
from nncift_core.store.records import ExportRecord
from nncift_core.store.selection_tables import require_selection

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
