"""The curator's log in the catalog: order, refusals, several processes, old catalogs, deletion."""

from __future__ import annotations

import pytest

from nncift_core.errors import ConfigError
from nncift_core.selection.actions import curation
from nncift_core.store import Catalog, SelectedRow
from nncift_core.store.database import Database, packaged_migrations

ROWS = [f"{number:016x}-0" for number in range(40)]

WRITER = """
from pathlib import Path
from nncift_core.store import Catalog
catalog = Catalog(Path(sys.argv[1]), patience=60)
first, count = int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + count):
    print(catalog.add_action("run-1", "pin", f"{number:016x}-0").ordinal)
"""


def _kinds(actions):
    return [(action.ordinal, action.kind, action.value) for action in actions]


def test_a_log_reads_back_in_order_and_only_grows(selected_run):
    catalog = selected_run.catalog
    assert catalog.actions("run-1") == []
    added = [
        catalog.add_action("run-1", "pin", ROWS[0]),
        catalog.add_action("run-1", "ban", ROWS[0]),
        catalog.add_action("run-1", "ban-where", "tokens>500"),
        catalog.add_action("run-1", "quota", "subtask:it's; DROP TABLE runs=1..".replace(";", "")),
        catalog.add_action("run-1", "undo"),
        catalog.add_action("run-1", "undo"),
        catalog.add_action("run-1", "redo"),
    ]
    assert catalog.actions("run-1") == added
    assert [action.ordinal for action in added] == [1, 2, 3, 4, 5, 6, 7]
    assert added[2].value == "tokens > 500"
    times = [action.at for action in added]
    assert times == sorted(times)
    found = curation(catalog.actions("run-1"))
    assert (found.pinned, found.banned, found.rules) == ((), (ROWS[0],), ("tokens > 500",))
    assert (found.quotas, found.can_redo) == ((), True)


def test_several_actions_are_stored_all_or_none(selected_run):
    catalog = selected_run.catalog
    with pytest.raises(ConfigError, match="pinned already"):
        catalog.add_actions("run-1", [("pin", ROWS[1]), ("pin", ROWS[1])])
    with pytest.raises(ConfigError, match="nothing to undo"):
        catalog.add_actions("run-1", [("pin", ROWS[1]), ("undo", ""), ("undo", "")])
    assert catalog.actions("run-1") == []
    assert catalog.add_actions("run-1", []) == []
    added = catalog.add_actions("run-1", [("pin", ROWS[1]), ("undo", ""), ("redo", "")])
    assert catalog.actions("run-1") == added
    assert curation(added).pinned == (ROWS[1],)


@pytest.mark.parametrize(
    ("run", "kind", "value", "words"),
    [
        ("run-1", "undo", "", "nothing to undo"),
        ("run-1", "redo", "", "nothing to redo"),
        ("run-1", "pinn", ROWS[0], "Did you mean 'pin'"),
        ("run-1", "pin", "", "no row id"),
        ("run-1", "pin", "../x", "no row id"),
        ("run-1", "unpin", ROWS[0], "not pinned"),
        ("run-1", "quota", "x", "no quota"),
        ("run-9", "pin", ROWS[0], "no run"),
        ("../run", "pin", ROWS[0], "not a run id"),
    ],
)
def test_what_is_refused_leaves_no_trace(selected_run, run, kind, value, words):
    with pytest.raises(ConfigError, match=words) as caught:
        selected_run.catalog.add_action(run, kind, value)
    assert "\n" not in str(caught.value)
    assert selected_run.catalog.actions("run-1") == []
    with pytest.raises(ConfigError):
        selected_run.catalog.actions("run-9")


def test_processes_lose_nothing_and_share_no_place(selected_run, spawn):
    path = selected_run.catalog.path
    writers = [spawn(WRITER, path, first, 6) for first in (0, 10, 20)]
    places = []
    for writer in writers:
        out, err = writer.communicate(timeout=120)
        assert writer.returncode == 0, err
        own = [int(line) for line in out.split()]
        assert own == sorted(own)
        places += own
    assert sorted(places) == list(range(1, 19))
    actions = selected_run.catalog.actions("run-1")
    assert [action.ordinal for action in actions] == list(range(1, 19))
    wanted = {ROWS[first + number] for first in (0, 10, 20) for number in range(6)}
    assert {action.value for action in actions} == wanted


def test_a_catalog_of_version_1_opens_and_keeps_everything(tmp_path, make_dataset):
    path = tmp_path / "catalog.duckdb"
    old = Database(path, migrations=packaged_migrations()[:1])
    when = "2026-01-01T00:00:00.000000+00:00"
    rows = [
        ("aaaa0001", place, ROWS[place], f"prompt {place}", f"response {place}")
        for place in range(8)
    ]
    # As the version before wrote it, whatever the tables have got since.
    with old.session() as connection:
        connection.execute(
            "INSERT INTO datasets VALUES ('aaaa0001', 'rows.jsonl', $1, 8, 0, 0, '[]', '[]')",
            [when],
        )
        connection.executemany(
            "INSERT INTO rows VALUES (?, ?, ?, ?, ?, NULL, NULL, NULL, '{}')", rows
        )
        connection.execute(
            "INSERT INTO projects VALUES ('first-123456', 'First', 'aaaa0001', NULL, 2, $1)", [when]
        )
        connection.execute(
            "INSERT INTO runs VALUES ('run-1', 'first-123456', $2, $1, 'complete', NULL)",
            [when, '{"seed": 3}'],
        )
        connection.execute(
            "INSERT INTO selections VALUES ('run-1-s0', 'run-1', 'Run', 'fl', '1', 1, '{}', $1)",
            [when],
        )
        connection.execute(
            "INSERT INTO selection_rows VALUES ('run-1-s0', 1, $1, 0.25, 1, 'why')", [ROWS[5]]
        )
        connection.execute(
            "INSERT INTO exports VALUES ('e1', 'run-1-s0', 'raw', '/x/a.jsonl', 'ab', 1, $1)",
            [when],
        )

    new = Catalog(path)
    assert [(dataset.id, dataset.accepted) for dataset in new.datasets()] == [("aaaa0001", 8)]
    assert [project.name for project in new.projects()] == ["First"]
    (run,) = new.runs()
    assert (run.run_id, run.config, run.trashed_at) == ("run-1", {"seed": 3}, None)
    assert [row.id for row in new.dataset_rows("aaaa0001")] == ROWS[:8]
    assert new.selection_rows("run-1-s0") == [SelectedRow(1, ROWS[5], 0.25, 1, "why")]
    assert [export.path for export in new.exports()] == ["/x/a.jsonl"]
    assert new.selection("run-1-s0").exported_at == when
    assert new.actions("run-1") == []
    assert new.add_action("run-1", "pin", ROWS[5]).ordinal == 1
    with new._database.session() as connection:
        versions = connection.execute("SELECT version FROM schema_version").fetchall()
    assert versions == [(migration.version,) for migration in packaged_migrations()]


def test_a_log_goes_with_its_run_and_its_project_alone(selected_run):
    catalog = selected_run.catalog
    (project,) = catalog.projects()
    other = catalog.add_project("Other", "aaaa0001", target_sample=2)
    for run_id, owner in (("run-2", project), ("run-3", other)):
        catalog.add_run(run_id, owner.id, {})
    for run_id in ("run-1", "run-2", "run-3"):
        catalog.add_actions(run_id, [("pin", ROWS[1]), ("ban", ROWS[2])])

    def left():
        with catalog._database.session() as connection:
            found = connection.execute("SELECT run_id FROM curation_actions ORDER BY 1").fetchall()
        return [run_id for (run_id,) in found]

    selected_run.delete_run("run-1")
    assert left() == ["run-2", "run-2", "run-3", "run-3"]
    assert _kinds(catalog.actions("run-2")) == [(1, "pin", ROWS[1]), (2, "ban", ROWS[2])]
    selected_run.delete_project(project.id)
    assert left() == ["run-3", "run-3"]
