"""The catalog's tables of selections.

The rows and the request of a stored selection never change. Until it is exported it can be renamed
and deleted; from then on it is what its files say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nncift_core.errors import ConfigError
from nncift_core.files import json_text
from nncift_core.store.database import (
    Connection,
    Database,
    first_row,
    insert_columns,
    storable,
    utc_now,
)
from nncift_core.store.ids import absent, checked_id, short_hash
from nncift_core.store.records import SelectedRow, SelectionRecord
from nncift_core.store.run_tables import MAX_NAME, require_run

_STORED = "id, run_id, name, objective, budget, row_count, meta, created_at"
_EXPORTED_AT = (
    "(SELECT min(exports.created_at) FROM exports WHERE exports.selection_id = selections.id)"
)
_SELECTION = f"{_STORED}, {_EXPORTED_AT} AS exported_at"
_SELECTED = "rank, selection_rows.row_id, gain, round, reason"


class SelectionTables:
    """Selections: ``Catalog`` inherits these methods."""

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

        The name does not count then, since it may have been changed.

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
                held = json_text([(r.row_id, r.gain, r.round, r.reason) for r in stored])
                wanted = (run_id, objective, str(budget), content)
                if (known.run_id, known.objective, known.budget, held) != wanted:
                    raise ValueError(f"selection {selection_id} exists with other content")
                return known
            connection.execute(
                f"INSERT INTO selections ({_STORED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [selection_id, *identity, len(chosen), json_text(meta or {}), utc_now()],
            )
            _insert_selected(connection, selection_id, chosen)
            return require_selection(connection, selection_id)

    def selections(self, run_id: str | None = None) -> list[SelectionRecord]:
        """The selections of a run, or all, the oldest first."""
        if run_id is not None:
            checked_id("run", run_id)
        with self._database.session() as connection:
            found = connection.execute(
                f"SELECT {_SELECTION} FROM selections WHERE $1 IS NULL OR run_id = $1"
                " ORDER BY selections.created_at, id",
                [run_id],
            ).fetchall()
        return [_selection_record(values) for values in found]

    def selection(self, selection_id: str) -> SelectionRecord:
        """One selection. Raises: ConfigError if there is none."""
        checked_id("selection", selection_id)
        with self._database.session() as connection:
            return require_selection(connection, selection_id)

    def selection_rows(self, selection_id: str) -> list[SelectedRow]:
        """The chosen rows in selection order. Raises: ConfigError."""
        checked_id("selection", selection_id)
        with self._database.session() as connection:
            require_selection(connection, selection_id)
            return _selected_rows(connection, selection_id)

    def rename_selection(self, selection_id: str, name: str) -> SelectionRecord:
        """Give a selection another name; its id, rows and request stay.

        Raises:
            ConfigError: There is no such selection, the name is empty or too long, or the
                selection was exported.
        """
        name = _checked_name(name)
        checked_id("selection", selection_id)
        with self._database.session() as connection:
            record = require_selection(connection, selection_id)
            _require_unexported(record, "renamed")
            connection.execute("UPDATE selections SET name = ? WHERE id = ?", [name, selection_id])
            return require_selection(connection, selection_id)

    def delete_selection(self, selection_id: str) -> None:
        """Delete a later selection's records; ``Workspace.delete_selection`` also its folder.

        Raises:
            ConfigError: There is no such selection, it is the one its run made, or it was
                exported.
        """
        checked_id("selection", selection_id)
        with self._database.session() as connection:
            require_deletable(require_selection(connection, selection_id))
            connection.execute("DELETE FROM selection_rows WHERE selection_id = ?", [selection_id])
            connection.execute("DELETE FROM selections WHERE id = ?", [selection_id])


def require_deletable(record: SelectionRecord) -> None:
    """Whether a selection may go. Raises: ConfigError, with why not."""
    if record.is_first:
        raise ConfigError(
            f"Selection {record.id} is the one its run made, so it cannot be deleted alone.",
            "Delete the run to delete it.",
        )
    _require_unexported(record, "deleted")


def _require_unexported(record: SelectionRecord, done: str) -> None:
    if record.exported_at is not None:
        raise ConfigError(
            f"Selection {record.name!r} was exported on {record.exported_at[:10]}, "
            f"so it cannot be {done} any more.",
            "Its files name it; make another selection instead.",
        )


def _checked_name(name: str) -> str:
    cleaned = " ".join(storable(name).split())
    if not cleaned or not cleaned.isprintable():
        raise ConfigError(f"{name[:60]!r} is no selection name.", "Give it a name in letters.")
    if len(cleaned) > MAX_NAME:
        raise ConfigError(
            f"The selection name {cleaned[:30]!r}... has {len(cleaned)} characters.",
            f"Give at most {MAX_NAME}.",
        )
    return cleaned


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


def require_selection(connection: Connection, selection_id: str) -> SelectionRecord:
    """A selection's record. Raises: ConfigError."""
    record = _find_selection(connection, selection_id)
    if record is None:
        raise absent("selection", selection_id)
    return record


def _selection_record(values: Sequence[Any]) -> SelectionRecord:
    selection_id, run_id, name, objective, budget, row_count, meta, created_at, exported = values
    return SelectionRecord(
        selection_id,
        run_id,
        name,
        objective,
        budget,
        row_count,
        json.loads(meta),
        created_at,
        exported,
    )
