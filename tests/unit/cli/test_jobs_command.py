"""``nncift jobs``: the list, and cancel, resume, delete, restore and the trash, with refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nncift_core import jobs, pipeline
from nncift_core.config import RunConfig
from nncift_core.jobs import JobState
from nncift_core.jobs.process import mark_of
from nncift_core.jobs.state import beat, write_state
from nncift_core.store import Workspace

pytestmark = pytest.mark.usefixtures("open_databases")


@pytest.fixture
def run(tmp_path: Path, demo_files: Any) -> tuple[Workspace, str]:
    """A workspace with a run that failed."""
    workspace = Workspace.open(tmp_path / "workspace")
    pool, target = demo_files(30, 10)
    train = pipeline.import_files(workspace, [pool]).source
    aim = pipeline.import_files(workspace, [target]).source
    project = workspace.catalog.add_project("Mine", train.id, aim.id)
    spec = pipeline.RunSpec(config=RunConfig(), train=train, target=aim)
    run_id = pipeline.create_run(workspace, project.id, spec)
    write_state(workspace.run_dir(run_id), JobState("failed"))
    return workspace, run_id


def call(workspace: Workspace, capsys: pytest.CaptureFixture[str], *options: str) -> tuple:
    from nncift_core.cli import main

    code = main(["jobs", "--workspace", str(workspace.path), *options])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_list_for_people_and_for_programs(run, capsys) -> None:
    workspace, run_id = run
    code, out, err = call(workspace, capsys)
    assert code == 0
    head, line = out.splitlines()
    assert head.split() == ["id", "kind", "project", "state", "at", "size"]
    assert line.startswith(run_id)
    assert "failed" in line
    assert "\x1b" not in out + err
    code, out, _ = call(workspace, capsys, "--json")
    (found,) = json.loads(out)
    assert (found["id"], found["kind"], found["state"]) == (run_id, "run", "failed")
    assert found["method"] == "delift-se"
    assert found["bytes"] > 0


def test_an_empty_workspace(tmp_path, capsys) -> None:
    workspace = Workspace.open(tmp_path / "empty")
    assert call(workspace, capsys)[1] == "No jobs yet.\n"
    assert json.loads(call(workspace, capsys, "--json")[1]) == []


def test_a_job_at_work_shows_how_far_it_is_and_is_cancelled(run, capsys) -> None:
    workspace, run_id = run
    folder = workspace.run_dir(run_id)
    mark = mark_of(os.getpid())
    write_state(
        folder, JobState("running", stage="label", done=61, total=100, unit="pairs", process=mark)
    )
    beat(folder)
    assert "label 61 %" in call(workspace, capsys)[1]
    code, _, err = call(workspace, capsys, "--delete", run_id)
    assert code == 2
    assert "Cancel it first." in err
    assert call(workspace, capsys, "--cancel", run_id)[0] == 0
    assert (folder / "cancel").exists()


def test_delete_restore_and_empty(run, capsys) -> None:
    workspace, run_id = run
    _, out, err = call(workspace, capsys, "--delete", run_id)
    assert (out, workspace.catalog.runs()) == ("", [])
    assert f"nncift jobs --restore {run_id}" in err
    _, out, err = call(workspace, capsys)
    assert "No jobs yet." in out
    assert err.startswith(f"Trash: {run_id}; ")
    assert call(workspace, capsys, "--restore", run_id)[0] == 0
    assert [one.run_id for one in workspace.catalog.runs()] == [run_id]
    call(workspace, capsys, "--delete", run_id)
    assert call(workspace, capsys, "--empty-trash")[2].startswith("Freed ")
    assert workspace.trashed_runs() == ()
    assert call(workspace, capsys, "--restore", run_id)[0] == 2


def test_resume_starts_a_process(run, capsys, monkeypatch) -> None:
    workspace, run_id = run
    started: list[Path] = []
    monkeypatch.setattr(jobs, "start", started.append)
    assert call(workspace, capsys, "--resume", run_id)[0] == 0
    assert started == [workspace.run_dir(run_id)]


@pytest.mark.parametrize("option", ["--cancel", "--resume", "--delete", "--restore"])
@pytest.mark.parametrize("bad", ["nobody", "../../etc", "runs/../x"])
def test_an_unknown_job_is_one_sentence(run, capsys, option, bad) -> None:
    workspace, run_id = run
    code, out, err = call(workspace, capsys, option, bad)
    assert (code, out) == (2, "")
    assert err.startswith("nncift: ")
    assert err.count("\n") == 1
    assert [one.run_id for one in workspace.catalog.runs()] == [run_id]


def test_two_wishes_at_once_are_refused(run, capsys) -> None:
    workspace, run_id = run
    assert call(workspace, capsys, "--cancel", run_id, "--delete", run_id)[0] == 2
