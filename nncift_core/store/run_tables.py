"""The catalog's tables of projects and runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nncift_core.errors import ConfigError
from nncift_core.files import json_text
from nncift_core.store.database import Connection, Database, first_row, utc_now
from nncift_core.store.ids import absent, checked_id, short_hash, slug
from nncift_core.store.records import ProjectRecord, RunRecord
from nncift_core.store.row_tables import require_dataset

MAX_NAME = 120

_PROJECT = "id, name, pool_id, target_id, target_sample, created_at"
_RUN = "run_id, project_id, config, created_at, status, result, trashed_at"


class RunTables:
    """Projects and runs: ``Catalog`` inherits these methods."""

    _database: Database

    def add_project(
        self,
        name: str,
        pool_id: str,
        target_id: str | None = None,
        target_sample: int | None = None,
    ) -> ProjectRecord:
        """A new project on a stored pool.

        Args:
            name: Unique among projects, upper and lower case being equal.
            pool_id: Dataset to choose from.
            target_id: Dataset of the target rows, None where there is none
            target_sample: or where so many pool rows are sampled as target. A project without
                any target is for methods that score single rows.

        Raises:
            ConfigError: The name is empty, too long or taken, a dataset is not stored, or both
                kinds of target are given.
        """
        name = _checked_name(name)
        if target_id is not None and target_sample is not None:
            raise ConfigError(
                f"Project {name!r} has two targets: a second dataset and a sample of the pool.",
                "Give either the target dataset or the number of rows to sample.",
            )
        if target_sample is not None and target_sample < 1:
            raise ConfigError(f"A target sample of {target_sample} rows is too small.")
        created_at = utc_now()
        record = ProjectRecord(
            id=f"{slug(name, 'project')}-{short_hash(name, created_at, digits=6)}",
            name=name,
            pool_id=checked_id("dataset", pool_id),
            target_id=None if target_id is None else checked_id("dataset", target_id),
            target_sample=target_sample,
            created_at=created_at,
        )
        with self._database.session() as connection:
            require_dataset(connection, record.pool_id)
            if record.target_id is not None:
                require_dataset(connection, record.target_id)
            _require_free_name(connection, name, record.id)
            connection.execute(
                f"INSERT INTO projects ({_PROJECT}) VALUES (?, ?, ?, ?, ?, ?)",
                [record.id, name, record.pool_id, record.target_id, target_sample, created_at],
            )
        return record

    def projects(self) -> list[ProjectRecord]:
        """All projects, the newest first."""
        with self._database.session() as connection:
            return all_projects(connection)

    def project(self, project_id: str) -> ProjectRecord:
        """One project. Raises: ConfigError if there is none."""
        checked_id("project", project_id)
        with self._database.session() as connection:
            return _require_project(connection, project_id)

    def rename_project(self, project_id: str, name: str) -> ProjectRecord:
        """Give a project another name; its id stays. Raises: ConfigError."""
        name = _checked_name(name)
        checked_id("project", project_id)
        with self._database.session() as connection:
            _require_project(connection, project_id)
            _require_free_name(connection, name, project_id)
            connection.execute("UPDATE projects SET name = ? WHERE id = ?", [name, project_id])
            return _require_project(connection, project_id)

    def delete_project(self, project_id: str) -> tuple[str, ...]:
        """Delete a project, its runs, and the datasets that no other project uses.

        Files stay: ``Workspace.delete_project`` removes them first.

        Returns:
            The ids of the deleted datasets.

        Raises:
            ConfigError: There is no such project.
        """
        checked_id("project", project_id)
        with self._database.session() as connection:
            project = _require_project(connection, project_id)
            runs = connection.execute(
                "SELECT run_id FROM runs WHERE project_id = ?", [project_id]
            ).fetchall()
            for (run_id,) in runs:
                _delete_run(connection, run_id)
            connection.execute("DELETE FROM projects WHERE id = ?", [project_id])
            deleted = []
            for dataset_id in dict.fromkeys((project.pool_id, project.target_id)):
                used = first_row(
                    connection,
                    "SELECT count(*) FROM projects WHERE pool_id = $1 OR target_id = $1",
                    [dataset_id],
                )
                if dataset_id is not None and not used[0]:
                    for table, column in (
                        ("rows", "dataset_id"),
                        ("prepared_texts", "dataset_id"),
                        ("rejections", "dataset_id"),
                        ("datasets", "id"),
                    ):
                        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", [dataset_id])
                    deleted.append(dataset_id)
        return tuple(deleted)

    def add_run(
        self,
        run_id: str,
        project_id: str,
        config: Mapping[str, Any],
        *,
        status: str = "queued",
        created_at: str | None = None,
    ) -> RunRecord:
        """Record a new run.

        Raises:
            ConfigError: The id is malformed or taken, or there is no such project.
        """
        checked_id("run", run_id)
        checked_id("project", project_id)
        with self._database.session() as connection:
            _require_project(connection, project_id)
            if _find_run(connection, run_id) is not None:
                raise ConfigError(f"There is a run {run_id!r} already.", "Resume it instead.")
            connection.execute(
                f"INSERT INTO runs ({_RUN}) VALUES (?, ?, ?, ?, ?, NULL, NULL)",
                [run_id, project_id, json_text(config), created_at or utc_now(), status],
            )
            return require_run(connection, run_id)

    def update_run(
        self,
        run_id: str,
        *,
        status: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> RunRecord:
        """Change a run's status or result; what is None stays. Raises: ConfigError."""
        checked_id("run", run_id)
        with self._database.session() as connection:
            require_run(connection, run_id)
            connection.execute(
                "UPDATE runs SET status = coalesce(?, status), result = coalesce(?, result)"
                " WHERE run_id = ?",
                [status, None if result is None else json_text(result), run_id],
            )
            return require_run(connection, run_id)

    def run(self, run_id: str) -> RunRecord:
        """One run. Raises: ConfigError if there is none, or it is in the trash."""
        checked_id("run", run_id)
        with self._database.session() as connection:
            return require_run(connection, run_id)

    def runs(self, project_id: str | None = None) -> list[RunRecord]:
        """The runs of a project, or of all projects, the newest first; none of the trash."""
        if project_id is not None:
            checked_id("project", project_id)
        with self._database.session() as connection:
            return runs_of(connection, project_id)

    def trashed_runs(self, project_id: str | None = None) -> list[RunRecord]:
        """The runs in the trash, of a project if given, the last one thrown away first."""
        if project_id is not None:
            checked_id("project", project_id)
        with self._database.session() as connection:
            found = connection.execute(
                f"SELECT {_RUN} FROM runs WHERE ($1 IS NULL OR project_id = $1)"
                " AND trashed_at IS NOT NULL ORDER BY trashed_at DESC, run_id DESC",
                [project_id],
            ).fetchall()
        return [_run_record(values) for values in found]

    def mark_trashed(self, run_id: str, *, trashed: bool) -> RunRecord:
        """Put a run into the trash or take it out; ``Workspace.trash_run`` moves its folder.

        Raises:
            ConfigError: There is no such run.
        """
        checked_id("run", run_id)
        with self._database.session() as connection:
            record = require_run(connection, run_id, in_trash=True)
            if (record.trashed_at is not None) != trashed:
                connection.execute(
                    "UPDATE runs SET trashed_at = ? WHERE run_id = ?",
                    [utc_now() if trashed else None, run_id],
                )
            return require_run(connection, run_id, in_trash=True)

    def delete_run(self, run_id: str) -> None:
        """Delete a run's records; ``Workspace.delete_run`` removes its files first.

        Raises:
            ConfigError: There is no such run.
        """
        checked_id("run", run_id)
        with self._database.session() as connection:
            require_run(connection, run_id, in_trash=True)
            _delete_run(connection, run_id)


def all_projects(connection: Connection) -> list[ProjectRecord]:
    """All projects, the newest first."""
    found = connection.execute(
        f"SELECT {_PROJECT} FROM projects ORDER BY created_at DESC, id"
    ).fetchall()
    return [ProjectRecord(*values) for values in found]


def runs_of(connection: Connection, project_id: str | None) -> list[RunRecord]:
    """The runs of a project, or of all projects, the newest first; none of the trash."""
    found = connection.execute(
        f"SELECT {_RUN} FROM runs WHERE ($1 IS NULL OR project_id = $1)"
        " AND trashed_at IS NULL ORDER BY created_at DESC, run_id DESC",
        [project_id],
    ).fetchall()
    return [_run_record(values) for values in found]


def project_of(connection: Connection, run_id: str) -> str | None:
    """The project of a run that is not in the trash; None where there is no such run."""
    sql = "SELECT project_id FROM runs WHERE run_id = ? AND trashed_at IS NULL"
    found = first_row(connection, sql, [run_id])
    return None if found is None else str(found[0])


def _checked_name(name: str) -> str:
    cleaned = " ".join(name.encode("utf-8", "replace").decode().split())
    if not cleaned or not cleaned.isprintable():
        raise ConfigError(f"{name!r} is no project name.", "Give it a name in letters.")
    if len(cleaned) > MAX_NAME:
        raise ConfigError(
            f"The project name {cleaned[:30]!r}... has {len(cleaned)} characters.",
            f"Give at most {MAX_NAME}.",
        )
    return cleaned


def _require_free_name(connection: Connection, name: str, own_id: str) -> None:
    taken = first_row(
        connection,
        "SELECT count(*) FROM projects WHERE lower(name) = lower(?) AND id <> ?",
        [name, own_id],
    )
    if taken[0]:
        raise ConfigError(f"There is a project {name!r} already.", "Choose another name.")


def _require_project(connection: Connection, project_id: str) -> ProjectRecord:
    values = first_row(connection, f"SELECT {_PROJECT} FROM projects WHERE id = ?", [project_id])
    if values is None:
        raise absent("project", project_id)
    return ProjectRecord(*values)


def require_run(connection: Connection, run_id: str, *, in_trash: bool = False) -> RunRecord:
    """A run's record, also of one in the trash if asked for. Raises: ConfigError."""
    record = _find_run(connection, run_id)
    if record is None:
        raise absent("run", run_id)
    if record.trashed_at is not None and not in_trash:
        raise ConfigError(
            f"Run {run_id} is in the trash.",
            f"Restore it on the page Jobs, or with nncift jobs --restore {run_id}.",
        )
    return record


def _find_run(connection: Connection, run_id: str) -> RunRecord | None:
    values = first_row(connection, f"SELECT {_RUN} FROM runs WHERE run_id = ?", [run_id])
    return None if values is None else _run_record(values)


def _run_record(values: Sequence[Any]) -> RunRecord:
    run_id, project_id, config, created_at, status, result, trashed_at = values
    return RunRecord(
        run_id,
        project_id,
        json.loads(config),
        created_at,
        status,
        None if result is None else json.loads(result),
        trashed_at,
    )


def _delete_run(connection: Connection, run_id: str) -> None:
    chosen = "SELECT id FROM selections WHERE run_id = ?"
    for table, column in (("exports", "selection_id"), ("selection_rows", "selection_id")):
        connection.execute(f"DELETE FROM {table} WHERE {column} IN ({chosen})", [run_id])
    for table in ("selections", "labels", "quadrant_metrics", "curation_actions", "runs"):
        connection.execute(f"DELETE FROM {table} WHERE run_id = ?", [run_id])
