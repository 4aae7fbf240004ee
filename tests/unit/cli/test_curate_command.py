"""``nncift curate``: the order of options, what is shown, and what is refused before it is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nncift_core import pipeline
from nncift_core.cli import curate as command
from nncift_core.config import RunConfig
from nncift_core.selection.actions import Action
from nncift_core.store import Workspace

pytestmark = pytest.mark.usefixtures("open_databases")


@pytest.fixture
def run(tmp_path: Path, demo_files: Any) -> tuple[Workspace, str, list[str]]:
    """A workspace, a run that has not begun, and the ids of its pool rows."""
    workspace = Workspace.open(tmp_path / "workspace")
    pool, target = demo_files(30, 10)
    train = pipeline.import_files(workspace, [pool]).source
    aim = pipeline.import_files(workspace, [target]).source
    project = workspace.catalog.add_project("Mine", train.id, aim.id)
    spec = pipeline.RunSpec(config=RunConfig(), train=train, target=aim)
    run_id = pipeline.create_run(workspace, project.id, spec)
    return workspace, run_id, [row.id for row in workspace.catalog.dataset_rows(train.id)]


def _kinds(workspace: Workspace, run_id: str) -> list[tuple[str, str]]:
    return [(action.kind, action.value) for action in workspace.catalog.actions(run_id)]


def test_actions_are_done_in_the_order_given(cli: Any, run: Any, tmp_path: Path) -> None:
    workspace, run_id, ids = run
    summary = cli(
        "curate", run_id, "--pin", ids[0], f"{ids[1]},{ids[2]}", "--ban", ids[1],
        "--ban-where", "characters>5000; response contains \"a;b\"", "--unpin", ids[0],
        "--undo", "--json",
    ).summary  # fmt: skip
    # The rows of one option are one action, rules are one each.
    assert _kinds(workspace, run_id) == [
        ("pin", ",".join(ids[:3])),
        ("ban", ids[1]),
        ("ban-where", "characters > 5000"),
        ("ban-where", 'response contains "a;b"'),
        ("unpin", ids[0]),
        ("undo", ""),
    ]
    assert (summary["pinned"], summary["banned"]) == ([ids[0], ids[2]], [ids[1]])
    assert summary["rules"] == ["characters > 5000", 'response contains "a;b"']
    assert (summary["run_id"], summary["quotas"]) == (run_id, [])
    assert summary["undo"] == 'ban rows where response contains "a;b"'
    assert summary["redo"] == f"unpin row {ids[0]}"
    assert [action["in_force"] for action in summary["actions"]] == [True] * 4 + [False, None]
    assert [action["ordinal"] for action in summary["actions"]] == list(range(1, 7))
    # A file of ids, and the other order of the same two options.
    listed = tmp_path / "ids.txt"
    listed.write_text(f"{ids[3]}\n\n{ids[4]}\n", "utf-8")
    summary = cli("curate", run_id, "--undo", "--pin", listed, "--json").summary
    assert summary["pinned"] == [ids[0], ids[2], ids[3], ids[4]]
    assert summary["rules"] == ["characters > 5000"]
    assert summary["redo"] is None
    # One undo takes all rows of an option back, and a release ends pins and bans alike.
    summary = cli("curate", run_id, "--undo", "--json").summary
    assert summary["pinned"] == [ids[0], ids[2]]
    assert summary["redo"] == "pin 2 rows"
    summary = cli("curate", run_id, "--release", ids[0], ids[1], "--json").summary
    assert (summary["pinned"], summary["banned"]) == ([ids[2]], [])
    assert summary["undo"] == "release 2 rows"


def test_the_state_in_words(cli: Any, run: Any) -> None:
    workspace, run_id, ids = run
    assert cli("curate", run_id).out.splitlines() == [
        f"run        {run_id}",
        "log        0 actions, 0 in force",
        "pinned     0 rows",
        "banned     0 rows",
        "undo       -",
        "redo       -",
    ]
    done = cli("curate", run_id, "--pin", ids[0], "--ban-where", "characters > 9", "--undo")
    assert done.out.splitlines() == [
        f"run        {run_id}",
        "log        3 actions, 1 in force",
        "pinned     1 row",
        "banned     0 rows",
        f"undo       pin row {ids[0]}",
        "redo       ban rows where characters > 9",
    ]
    lines = cli("curate", run_id, "--list").out.splitlines()
    at = [action.at for action in workspace.catalog.actions(run_id)]
    assert lines[6:] == [
        f"1  {at[0][:10]} {at[0][11:19]}  pin row {ids[0]}",
        f"2  {at[1][:10]} {at[1][11:19]}  ban rows where characters > 9   (taken back)",
        f"3  {at[2][:10]} {at[2][11:19]}  undo",
        "Times are in UTC.",
    ]
    cli("curate", run_id, "--redo")
    assert "ban where  characters > 9" in cli("curate", run_id).out


def test_quotas_of_groups_that_are_there(cli: Any, tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    pool.write_text(
        "".join(
            json.dumps({"prompt": f"p{i}", "response": f"r{i}", "subtask": f"s{i % 2}"}) + "\n"
            for i in range(6)
        ),
        "utf-8",
    )
    workspace = Workspace.open(tmp_path / "workspace")
    train = pipeline.import_files(workspace, [pool]).source
    project = workspace.catalog.add_project("Mine", train.id, target_sample=2)
    spec = pipeline.RunSpec(config=RunConfig(), train=train, target_sample=2)
    run_id = pipeline.create_run(workspace, project.id, spec)
    assert cli("curate", run_id, "--quota", "subtask:s1=1..", "--json").summary["quotas"] == [
        "subtask:s1=1.."
    ]
    # One quota a group: the later one takes the place of the one before.
    again = cli("curate", run_id, "--quota", "subtask:s1 = ..0.5; subtask:s0=1..1", "--json")
    assert again.summary["quotas"] == ["subtask:s1=..0.5", "subtask:s0=1..1"]
    dropped = cli("curate", run_id, "--drop-quota", "subtask:s1=..0.5", "--json").summary
    assert dropped["quotas"] == ["subtask:s0=1..1"]
    assert dropped["undo"] == "drop the quota subtask:s1=..0.5"
    assert "There are: s0, s1." in cli("curate", run_id, "--quota", "subtask:s2=1..").sentence
    # A row that was taken out as target cannot be chosen, so it cannot be pinned.
    pooled = {row.id for row in command._facts(workspace, run_id).rows}
    rows = workspace.catalog.dataset_rows(train.id)
    (taken, _) = [row.id for row in rows if row.id not in pooled]
    assert "in the pool of this run" in cli("curate", run_id, "--pin", taken).sentence
    assert len(workspace.catalog.actions(run_id)) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pin", "{new}"], "There is no row '{new}' in the pool"),
        (["--ban", "{new}"], "There is no row '{new}' in the pool"),
        (["--pin", "nothing.txt"], "neither a list of row ids nor a file"),
        (["--pin", ""], "names no row"),
        (["--unpin", "{0}"], "is not pinned by the curator's log"),
        (["--pin", "{1}", "--pin", "{1}"], "is pinned already"),
        (["--ban-where", "length > 5"], "field 'length'"),
        (["--ban-where", ""], "'' is no rule"),
        (["--ban-where", "id = {new}"], "which the pool does not have"),
        (["--ban-where", "score > 1"], "which this run does not have"),
        (["--drop-ban-where", "characters > 5"], "not asked for"),
        (["--quota", "group:forum=1.."], "no row of the pool has one"),
        (["--quota", "x"], "no quota of the form"),
        (["--undo", "--undo"], "nothing to undo"),
        (["--redo"], "nothing to redo"),
        (["--pin"], "--pin"),
    ],
)
def test_one_wrong_action_keeps_all_others_out(
    cli: Any, run: Any, options: list[str], words: str
) -> None:
    workspace, run_id, ids = run
    places = {"new": "f" * 16 + "-0"}
    given = [part.format(ids[0], ids[1], **places) for part in options]
    done = cli("curate", run_id, "--ban", ids[5], *given)
    assert words.format(ids[0], ids[1], **places) in done.sentence
    assert _kinds(workspace, run_id) == []


def test_runs_that_are_not_there(cli: Any, run: Any) -> None:
    workspace, run_id, ids = run
    assert "There is no run" in cli("curate", "20200101-000000-abcdef", "--undo").sentence
    assert "is not a run id" in cli("curate", "../runs", "--pin", ids[0]).sentence
    (workspace.run_dir(run_id) / "config.json").unlink()
    assert "config.json" in cli("curate", run_id, "--pin", ids[0]).sentence
    # What takes something back reads no rows.
    assert "nothing to undo" in cli("curate", run_id, "--undo").sentence


def test_long_logs_are_aligned() -> None:
    actions = [
        Action(n, "ban-where", "characters > 1", "2026-01-31T23:59:59") for n in range(1, 1001)
    ]
    lines = command.text("r", actions, every=True).splitlines()
    found = [line for line in lines if "23:59:59" in line]
    assert len({line.index("2026") for line in found}) == 1
    assert found[0].startswith("    1  2026-01-31 23:59:59  ban rows where")
