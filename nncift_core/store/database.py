"""Short DuckDB sessions on one file: open, migrate, one transaction, close.

A process that holds the file keeps every other process out, even readers, and one connection
used by several threads mixes their results. So a session has a connection of its own, lives
for milliseconds, and waits its turn: threads of one process by a lock, other processes by
retrying. Knows no table but ``schema_version``.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import numpy as np

from nncift_core.callers import caller
from nncift_core.errors import ConfigError, WorkspaceError

Connection: TypeAlias = Any
"""A ``duckdb.DuckDBPyConnection``, which ships no types that mypy follows here."""

_SETTINGS: dict[str, str | int] = {
    # SQL never touches other files, and nothing can switch that on again.
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "threads": 2,
    # Every object column is text: no guessing of types from the first values.
    "pandas_analyze_sample": 0,
    "lock_configuration": "true",
}

_turns: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True)
class Migration:
    """One numbered step of the schema."""

    version: int
    sql: str


def packaged_migrations() -> tuple[Migration, ...]:
    """The migrations of this version of the software, in order."""
    found = []
    for file in importlib.resources.files("nncift_core.store").joinpath("migrations").iterdir():
        match = re.fullmatch(r"(\d{4})_\w+\.sql", file.name)
        if match:
            found.append(Migration(int(match[1]), file.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.version))


class Database:
    """One DuckDB file.

    Args:
        path: The file; created by the first session.
        patience: Seconds to wait for other processes and threads before giving up.
        migrations: Schema steps; those of this package by default.
    """

    def __init__(
        self,
        path: Path,
        *,
        patience: float = 20.0,
        migrations: Sequence[Migration] | None = None,
    ) -> None:
        self.path = path
        self.patience = patience
        self.migrations = packaged_migrations() if migrations is None else tuple(migrations)

    @contextlib.contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection in a transaction: committed at the end, rolled back on any exception.

        Sessions do not nest. On behalf of a caller who may change nothing, it only reads.

        Raises:
            ConfigError: It was about to write for such a caller.
            WorkspaceError: The file is busy for too long, broken, of a newer version, or
                cannot be written.
        """
        refusal = caller().refusal
        deadline = time.monotonic() + self.patience
        turn = _turns[self.path]
        if not turn.acquire(timeout=self.patience):
            raise self._busy()
        try:
            connection = self._connect(deadline)
            try:
                self._migrate(connection)
                with _transaction(connection, reads_only=bool(refusal)):
                    yield connection
            finally:
                connection.close()
        except duckdb.Error as error:
            if refusal and "read-only mode" in str(error):
                raise ConfigError(refusal) from error
            known = self._explained(error)
            if known is None:
                raise
            raise known from error
        finally:
            turn.release()

    def _connect(self, deadline: float) -> Connection:
        while True:
            try:
                return duckdb.connect(self.path, config=_SETTINGS)
            except duckdb.IOException as error:
                if "Could not set lock" not in str(error):
                    raise
                if time.monotonic() > deadline:
                    raise self._busy() from error
            # A session takes about 50 ms; jitter keeps two waiters from meeting again.
            time.sleep(random.uniform(0.005, 0.05))

    def _migrate(self, connection: Connection) -> None:
        try:
            found = connection.execute("SELECT version FROM schema_version").fetchall()
        except duckdb.CatalogException:
            found = []
        applied = {int(version) for (version,) in found}
        current = max(applied, default=0)
        latest = max((migration.version for migration in self.migrations), default=0)
        if current > latest:
            raise WorkspaceError(
                f"{self.path} was written by a newer version of this software "
                f"(schema {current}; this version knows {latest}).",
                "Update the software or choose another workspace.",
            )
        pending = [step for step in self.migrations if step.version not in applied]
        if not pending:
            return
        with _transaction(connection):
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER, applied_at VARCHAR)"
            )
            for migration in pending:
                connection.execute(migration.sql)
                connection.execute(
                    "INSERT INTO schema_version VALUES (?, ?)", [migration.version, utc_now()]
                )

    def _busy(self) -> WorkspaceError:
        return WorkspaceError(
            f"{self.path} has been in use by another program for {self.patience:.0f} seconds.",
            "Close other programs that have the catalog open, then try again.",
        )

    def _explained(self, error: Exception) -> WorkspaceError | None:
        """The sentence for what the state of the machine or the file causes."""
        text = str(error)
        if "No space left" in text or "File too large" in text:
            return WorkspaceError(
                f"The disk is full: {self.path} could not be written.",
                "Free some space and try again; everything finished before is kept.",
            )
        if "not a valid DuckDB" in text or "Corrupt" in text or "Serialization" in text:
            return WorkspaceError(
                f"{self.path} is damaged or no DuckDB file.",
                "Move it away to begin a new catalog, or choose another workspace.",
            )
        machine = (duckdb.IOException, duckdb.FatalException, duckdb.OutOfMemoryException)
        if isinstance(error, machine):
            return WorkspaceError(f"{self.path} cannot be used: {text.splitlines()[0]}.")
        return None


@contextlib.contextmanager
def _transaction(connection: Connection, *, reads_only: bool = False) -> Iterator[None]:
    connection.execute("BEGIN TRANSACTION READ ONLY" if reads_only else "BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # After a failed commit there is nothing left to roll back.
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise


def first_row(connection: Connection, sql: str, values: Sequence[Any] = ()) -> Any:
    """The first row of a result, None if it is empty.

    Unlike ``fetchone`` it leaves no open result, which would make DuckDB refuse ``register``.
    """
    found = connection.execute(sql, values).fetchall()
    return found[0] if found else None


def insert_columns(
    connection: Connection, table: str, columns: Mapping[str, Sequence[Any] | np.ndarray]
) -> None:
    """Append whole columns to ``table``.

    Measured with 200,000 rows of 0.9 KB on 2 cores: numpy columns 3.0 s, an Arrow table 4.8 s
    (and it loads pandas), unnested list parameters 5.6 s; ``executemany`` needs 7.6 s for 5,000.
    rows alone.

    Args:
        connection: Of an open session.
        table: A table of the schema, never a name from outside.
        columns: By column name, all of one length; text as Python strings or None.
    """
    arrays = {
        name: values if isinstance(values, np.ndarray) else _object_array(values)
        for name, values in columns.items()
    }
    if len({len(array) for array in arrays.values()}) != 1:
        raise ValueError(f"columns of different lengths for {table}")
    connection.register("incoming_columns", arrays)
    names = ", ".join(columns)
    connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM incoming_columns")
    # After an error the connection is closed anyway, and this would hide it.
    connection.unregister("incoming_columns")


def _object_array(values: Sequence[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def storable(text: str) -> str:
    """``text`` without lone surrogates, which no UTF-8 file can hold (file names have them)."""
    return text.encode("utf-8", "replace").decode()


def utc_now() -> str:
    """The time now as ISO-8601 text in UTC, always of the same length."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
