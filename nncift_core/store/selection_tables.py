"""The catalog's tables of selections and exports. A stored selection never changes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

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
from nncift_core.store.dataset_tables import (
    MATCHES,
    ROW_COLUMNS,
    ROW_ORDERS,
    order_clause,
    page_bounds,
    page_of_rows,
    row_record,
)
from nncift_core.store.ids import absent, checked_id, short_hash
from nncift_core.store.records import (
    ChosenRecord,
    ExportRecord,
    RowRecord,
    SelectedRow,
    SelectionRecord,
)
from nncift_core.store.run_tables import require_run

CHOSEN_ORDERS = {
    "rank": "rank",
    "gain": "gain",
    "round": "round",
    **{name: sql for name, sql in ROW_ORDERS.items() if name != "id"},
}
"""What chosen rows can be ordered by, and the SQL for it."""

_SELECTION = "id, run_id, name, objective, budget, row_count, meta, created_at"
_SELECTED = "rank, selection_rows.row_id, gain, round, reason"
_EXPORT = "id, selection_id, export_schema, path, sha256, row_count, created_at"
_POOL = (
    "(SELECT pool_id FROM selections JOIN runs USING (run_id)"
    " JOIN projects ON projects.id = runs.project_id WHERE selections.id = ?)"
)


class SelectionTables:
    """Selections and exports: ``Catalog`` inherits these methods."""

    _database: Database

    def add_selection(
        self,
        run_id: str,
        name: str,
        objective: str,
        budget: str | int,
        rows: Iterable[SelectedRow],
        meta: Mapping[str, Any] | None = None,
        *,
        selection_id: str | None = None,
    ) -> SelectionRecord:
        """Store a selection once; storing the same one again (a resumed job) changes nothing.

        Args:
            run_id: The run whose influence it was made from.
            name: As shown to people.
            objective: Name of the objective.
            budget: As given: a share or a row count.
            rows: In selection order, ranks 1, 2, ... and each row once.
            meta: Anything else that is JSON, such as ``saturated_at``.
            selection_id: Its id if it must be known before; otherwise a hash of the content.

        Raises:
            ConfigError: There is no such run.
            ValueError: Ranks or ids are wrong, or the id holds another selection.
        """
        checked_id("run", run_id)
        chosen = list(rows)
        if [row.rank for row in chosen] != list(range(1, len(chosen) + 1)):
            raise ValueError("ranks are not 1, 2, 3, ... in order")
        if len({row.row_id for row in chosen}) != len(chosen):
            raise ValueError("a row is chosen twice")
        # A gain that is not finite reads back as None.
        content = json_text([(row.row_id, row.gain, row.round, row.reason) for row in chosen])
        identity = (run_id, storable(name), objective, str(budget))
        if selection_id is None:
            selection_id = short_hash(*identity, content)
        checked_id("selection", selection_id)
        with self._database.session() as connection:
            require_run(connection, run_id)
            known = _find_selection(connection, selection_id)
            if known is not None:
                stored = _selected_rows(connection, selection_id)
                if (known.run_id, known.name, known.objective, known.budget) != identity or (
                    json_text([(r.row_id, r.gain, r.round, r.reason) for r in stored]) != content
                ):
                    raise ValueError(f"selection {selection_id} exists with other content")
                return known
            connection.execute(
                f"INSERT INTO selections ({_SELECTION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [selection_id, *identity, len(chosen), json_text(meta or {}), utc_now()],
            )
            _insert_selected(connection, selection_id, chosen)
            return _require_selection(connection, selection_id)

    def selections(self, run_id: str | None = None) -> list[SelectionRecord]:
        """The selections of a run, or all, the oldest first."""
        if run_id is not None:
            checked_id("run", run_id)
        with self._database.session() as connection:
            found = connection.execute(
                f"SELECT {_SELECTION} FROM selections WHERE $1 IS NULL OR run_id = $1"
                " ORDER BY created_at, id",
                [run_id],
            ).fetchall()
        return [_selection_record(values) for values in found]

    def selection(self, selection_id: str) -> SelectionRecord:
        """One selection. Raises: ConfigError if there is none."""
        checked_id("selection", selection_id)
        with self._database.session() as connection:
            return _require_selection(connection, selection_id)

    def selection_rows(self, selection_id: str) -> list[SelectedRow]:
        """The chosen rows in selection order. Raises: ConfigError."""
        checked_id("selection", selection_id)
        with self._database.session() as connection:
            _require_selection(connection, selection_id)
            return _selected_rows(connection, selection_id)

    def browse_selection(
        self,
        selection_id: str,
        *,
        search: str = "",
        order: str = "rank",
        descending: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> tuple[list[ChosenRecord], int]:
        """One page of the chosen rows with their texts, and how many match.

        ``search`` and paging work as in ``browse_rows``; ``order`` is a name of
        ``CHOSEN_ORDERS``, ties by rank.

        Raises:
            ConfigError: There is no such selection, or the order is unknown.
        """
        checked_id("selection", selection_id)
        if order not in CHOSEN_ORDERS:
            raise unknown_name("row order", order, CHOSEN_ORDERS)
        direction = "DESC" if descending else "ASC"
        source = (
            "selection_rows LEFT JOIN rows"
            f" ON rows.row_id = selection_rows.row_id AND rows.dataset_id = {_POOL}"
            " WHERE selection_id = ?"
        )
        values: list[Any] = [selection_id, selection_id]
        if search:
            source += f" AND {MATCHES}"
            values += [storable(search)] * 2
        columns = ROW_COLUMNS.replace("row_id", "rows.row_id")
        with self._database.session() as connection:
            _require_selection(connection, selection_id)
            total = first_row(connection, f"SELECT count(*) FROM {source}", values)[0]
            found = connection.execute(
                f"SELECT {_SELECTED}, {columns} FROM {source}"
                f" ORDER BY {CHOSEN_ORDERS[order]} {direction} NULLS LAST, rank LIMIT ? OFFSET ?",
                [*values, *page_bounds(offset, limit)],
            ).fetchall()
        return [
            ChosenRecord(SelectedRow(*row[:5]), None if row[5] is None else row_record(row[5:]))
            for row in found
        ], total

    def browse_left_out(
        self,
        selection_id: str,
        *,
        search: str = "",
        order: str = "position",
        descending: bool = False,
        offset: int = 0,
        limit: int = 50,
        target_sample: Collection[str] = (),
    ) -> tuple[list[RowRecord], int]:
        """One page of the pool rows that were not chosen, and how many match.

        The arguments are those of ``browse_rows``; ``target_sample`` holds the ids of pool rows
        that were taken out as target, which nobody left out. Raises: ConfigError.
        """
        checked_id("selection", selection_id)
        condition = (
            f"dataset_id = {_POOL} AND row_id NOT IN"
            " (SELECT row_id FROM selection_rows WHERE selection_id = ?)"
        )
        values: list[Any] = [selection_id, selection_id]
        if target_sample:
            condition += " AND row_id NOT IN (SELECT unnest(?))"
            values.append(list(target_sample))
        if search:
            condition += f" AND {MATCHES}"
            values += [storable(search)] * 2
        with self._database.session() as connection:
            _require_selection(connection, selection_id)
            return page_of_rows(
                connection, condition, values, order_clause(order, descending), offset, limit
            )

    def add_export(
        self, selection_id: str, schema: str, path: str, sha256: str, rows: int
    ) -> ExportRecord:
        """Record a file that was written; the same file again replaces its record.

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
            _require_selection(connection, selection_id)
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


def _insert_selected(
    connection: Connection, selection_id: str, chosen: Sequence[SelectedRow]
) -> None:
    if not chosen:
        return
    gains = [np.nan if row.gain is None else row.gain for row in chosen]
    insert_columns(
        connection,
        "selection_rows",
        {
            "selection_id": [selection_id] * len(chosen),
            "rank": np.array([row.rank for row in chosen], dtype=np.int32),
            "row_id": [row.row_id for row in chosen],
            # NaN, also inside the array, is stored as NULL.
            "gain": np.array(gains, dtype=np.float64),
            "round": np.array([row.round for row in chosen], dtype=np.int32),
            "reason": [storable(row.reason) for row in chosen],
        },
    )


def _selected_rows(connection: Connection, selection_id: str) -> list[SelectedRow]:
    found = connection.execute(
        f"SELECT {_SELECTED} FROM selection_rows WHERE selection_id = ? ORDER BY rank",
        [selection_id],
    ).fetchall()
    return [SelectedRow(*values) for values in found]


def _find_selection(connection: Connection, selection_id: str) -> SelectionRecord | None:
    values = first_row(
        connection, f"SELECT {_SELECTION} FROM selections WHERE id = ?", [selection_id]
    )
    return None if values is None else _selection_record(values)


def _require_selection(connection: Connection, selection_id: str) -> SelectionRecord:
    record = _find_selection(connection, selection_id)
    if record is None:
        raise absent("selection", selection_id)
    return record


def _selection_record(values: Sequence[Any]) -> SelectionRecord:
    selection_id, run_id, name, objective, budget, row_count, meta, created_at = values
    return SelectionRecord(
        selection_id, run_id, name, objective, budget, row_count, json.loads(meta), created_at
    )
