from __future__ import annotations

import signal
import threading
import time

import duckdb
import pytest

from nncift_core.errors import WorkspaceError
from nncift_core.store import Catalog
from nncift_core.store.database import Database, Migration, insert_columns, packaged_migrations

ONE = Migration(1, "CREATE TABLE notes (writer VARCHAR, number INTEGER)")

WRITER = """
from pathlib import Path
from nncift_core.store.database import Database, Migration
database = Database(
    Path(sys.argv[1]),
    patience=60,
    migrations=[Migration(1, "CREATE TABLE notes (writer VARCHAR, number INTEGER)")],
)
for number in range(int(sys.argv[3])):
    with database.session() as connection:
        connection.execute("INSERT INTO notes VALUES (?, ?)", [sys.argv[2], number])
    print(number, flush=True)
"""


def _database(tmp_path, **options):
    return Database(tmp_path / "a.duckdb", migrations=[ONE], **options)


def _numbers(database, writer):
    with database.session() as connection:
        found = connection.execute(
            "SELECT number FROM notes WHERE writer = ? ORDER BY number", [writer]
        ).fetchall()
    return [number for (number,) in found]


def test_a_session_is_one_transaction(tmp_path):
    database = _database(tmp_path)
    with pytest.raises(KeyError), database.session() as connection:
        connection.execute("INSERT INTO notes VALUES ('a', 1)")
        raise KeyError
    assert _numbers(database, "a") == []
    with database.session() as connection:
        connection.execute("INSERT INTO notes VALUES ('a', 2)")
    assert _numbers(database, "a") == [2]


def test_migrations_run_once_and_in_order(tmp_path):
    with _database(tmp_path).session() as connection:
        connection.execute("INSERT INTO notes VALUES ('a', 1)")
    steps = [ONE, Migration(2, "ALTER TABLE notes ADD COLUMN extra VARCHAR DEFAULT 'new'")]
    database = Database(tmp_path / "a.duckdb", migrations=steps)
    for _ in range(2):
        with database.session() as connection:
            assert connection.execute("SELECT extra FROM notes").fetchall() == [("new",)]
            versions = connection.execute("SELECT version FROM schema_version").fetchall()
            assert versions == [(1,), (2,)]


def test_a_failed_migration_changes_nothing(tmp_path):
    with _database(tmp_path).session():
        pass
    broken = [ONE, Migration(2, "CREATE TABLE more (x INTEGER)"), Migration(3, "CREATE nonsense")]
    with (
        pytest.raises(duckdb.Error, match="syntax"),
        Database(tmp_path / "a.duckdb", migrations=broken).session(),
    ):
        pass
    with _database(tmp_path).session() as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert {name for (name,) in tables} == {"notes", "schema_version"}


def test_a_newer_schema_is_refused(tmp_path):
    newest = packaged_migrations()[-1].version
    future = Migration(newest + 1, "CREATE TABLE future (x INTEGER)")
    path = tmp_path / "a.duckdb"
    with Database(path, migrations=[*packaged_migrations(), future]).session():
        pass
    with pytest.raises(WorkspaceError, match=f"newer version.*schema {newest + 1}"):
        Catalog(path).check()


def test_packaged_migrations_are_numbered_without_gaps():
    versions = [migration.version for migration in packaged_migrations()]
    assert versions == list(range(1, len(versions) + 1))


@pytest.mark.parametrize("content", [b"hello " * 1000, b"\0" * 20_000])
def test_a_file_that_is_no_catalog_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "a.duckdb"
    path.write_bytes(content)
    with pytest.raises(WorkspaceError, match=r"a\.duckdb is damaged"):
        Catalog(path).check()
    assert path.read_bytes() == content


def test_places_that_hold_no_catalog(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "a", tmp_path / "folder", tmp_path / "no" / "a"):
        with pytest.raises(WorkspaceError, match="cannot be used"):
            Catalog(path).check()


def test_sql_reaches_no_other_file_and_settings_are_locked(tmp_path):
    for setting in ("threads = 1", "enable_external_access = true", "lock_configuration = false"):
        with (
            pytest.raises(duckdb.Error, match="locked"),
            _database(tmp_path).session() as connection,
        ):
            connection.execute(f"SET {setting}")
    for statement in (
        "SELECT * FROM read_text('/etc/hostname')",
        f"ATTACH '{tmp_path}/b.duckdb'",
        f"COPY notes TO '{tmp_path}/notes.csv'",
        "INSTALL httpfs",
    ):
        with pytest.raises(duckdb.Error), _database(tmp_path).session() as connection:
            connection.execute(statement)
    assert [p.name for p in tmp_path.iterdir()] == ["a.duckdb"]


def test_text_columns_are_never_guessed(tmp_path):
    with _database(tmp_path).session() as connection:
        texts = [None] * 3000 + ["123", "2020-01-01", "", "nan", "a\0b"]
        numbers = list(range(len(texts)))
        insert_columns(connection, "notes", {"writer": texts, "number": numbers})
        found = connection.execute("SELECT writer FROM notes ORDER BY number").fetchall()
        assert [text for (text,) in found] == texts
        with pytest.raises(ValueError, match="different lengths"):
            insert_columns(connection, "notes", {"writer": texts, "number": [1]})


def test_storing_rows_loads_no_pandas(tmp_path, spawn):
    script = """
from pathlib import Path
from nncift_core.store.database import Database, Migration, insert_columns
steps = [Migration(1, "CREATE TABLE notes (writer VARCHAR, number INTEGER)")]
with Database(Path(sys.argv[1]), migrations=steps).session() as connection:
    insert_columns(connection, "notes", {"writer": ["a"], "number": [1]})
    connection.execute("SELECT * FROM notes").fetchall()
import nncift_core.store, nncift_core.jobs
print({"pandas", "pyarrow", "torch", "streamlit"} & set(sys.modules))
"""
    out, err = spawn(script, tmp_path / "a.duckdb").communicate(timeout=60)
    assert out.strip() == "set()", err


def test_three_processes_lose_nothing(tmp_path, spawn):
    """They also race to create the file; a reader looks on all the while."""
    path, count = tmp_path / "a.duckdb", 25
    writers = [spawn(WRITER, path, name, count) for name in "abc"]
    database = _database(tmp_path, patience=60)
    seen = []
    while any(writer.poll() is None for writer in writers):
        seen.append(len(_numbers(database, "a")))
        time.sleep(0.1)
    for writer in writers:
        _, err = writer.communicate()
        assert writer.returncode == 0, err
    for name in "abc":
        assert _numbers(database, name) == list(range(count))
    assert seen == sorted(seen)
    assert len(set(seen)) > 1, "the reader never got in while they wrote"


def test_threads_get_their_own_rows(tmp_path):
    database = _database(tmp_path, patience=60)
    problems = []

    def work(name):
        try:
            for number in range(8):
                with database.session() as connection:
                    connection.execute("INSERT INTO notes VALUES (?, ?)", [name, number])
                if _numbers(database, name) != list(range(number + 1)):
                    problems.append((name, number))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path, spawn):
    path = tmp_path / "a.duckdb"
    for round_number in range(3):
        writer = spawn(WRITER, path, f"w{round_number}", 10**6)
        acknowledged = [writer.stdout.readline() for _ in range(4 + round_number)]
        writer.send_signal(signal.SIGKILL)
        out, _ = writer.communicate()
        last = int((acknowledged + out.split("\n")[:-1])[-1])
        numbers = _numbers(_database(tmp_path), f"w{round_number}")
        assert numbers[: last + 1] == list(range(last + 1))
        assert len(numbers) <= last + 2
        assert numbers == list(range(len(numbers)))


def test_kill_9_inside_a_large_transaction_leaves_none_of_it(tmp_path, spawn):
    script = """
from pathlib import Path
from nncift_core.store.database import Database, Migration, insert_columns
steps = [Migration(1, "CREATE TABLE notes (writer VARCHAR, number INTEGER)")]
with Database(Path(sys.argv[1]), migrations=steps).session() as connection:
    for part in range(1000):
        insert_columns(
            connection, "notes", {"writer": ["big"] * 50_000, "number": list(range(50_000))}
        )
        print(part, flush=True)
"""
    with _database(tmp_path).session() as connection:
        connection.execute("INSERT INTO notes VALUES ('before', 1)")
    writer = spawn(script, tmp_path / "a.duckdb")
    for _ in range(4):
        assert writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert _numbers(_database(tmp_path), "big") == []
    assert _numbers(_database(tmp_path), "before") == [1]


def test_a_busy_catalog_is_one_sentence(tmp_path, spawn):
    script = """
import time, duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
time.sleep(60)
"""
    holder = spawn(script, tmp_path / "a.duckdb")
    try:
        assert holder.stdout.readline()
        started = time.monotonic()
        with (
            pytest.raises(WorkspaceError, match="in use by another program"),
            _database(tmp_path, patience=0.5).session(),
        ):
            pass
        assert 0.4 < time.monotonic() - started < 5
    finally:
        holder.kill()
        holder.communicate()
    assert _numbers(_database(tmp_path), "a") == []


def test_nested_sessions_end_instead_of_hanging(tmp_path):
    database = _database(tmp_path, patience=0.3)
    with (
        database.session(),
        pytest.raises(WorkspaceError, match="in use"),
        database.session(),
    ):
        pass
    assert _numbers(database, "a") == []


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path, spawn):
    """A limit on file size stops the write in its middle, as a full disk does."""
    script = """
import random, resource
from pathlib import Path
from nncift_core.errors import WorkspaceError
from nncift_core.store.database import Database, Migration, insert_columns
steps = [Migration(1, "CREATE TABLE notes (writer VARCHAR, number INTEGER)")]
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
draw = random.Random(0)
texts = [draw.randbytes(400).hex() for _ in range(20_000)]
try:
    with Database(Path(sys.argv[1]), migrations=steps).session() as connection:
        insert_columns(connection, "notes", {"writer": texts, "number": list(range(20_000))})
except WorkspaceError as error:
    print(error.message)
"""
    with _database(tmp_path).session() as connection:
        connection.execute("INSERT INTO notes VALUES ('before', 1)")
    writer = spawn(script, tmp_path / "a.duckdb")
    out, err = writer.communicate(timeout=120)
    assert "disk is full" in out, err
    assert "\n" not in out.strip()
    with _database(tmp_path).session() as connection:
        assert connection.execute("SELECT * FROM notes").fetchall() == [("before", 1)]
