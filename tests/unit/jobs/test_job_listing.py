"""Lists of jobs: every kind of place, the order of the queue, what is refused as a name."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nncift_core import callers, jobs
from nncift_core.callers import Caller
from nncift_core.errors import ConfigError
from nncift_core.jobs import JobState
from nncift_core.jobs.process import mark_of
from nncift_core.jobs.progress import prepare
from nncift_core.jobs.queue import BELOW_RUNS, FOLDERS, drop_tickets, take_ticket, workspace_of
from nncift_core.jobs.state import beat, read_state, write_state

PLACES = {
    "runs/r-1": "run",
    "runs/r-1/selections/s-1": "select",
    "runs/r-1/audits/a-1": "audit",
    "runs/r-1/checks/c-1": "spot-check",
    "runs/r-1/maps/m-1": "map",
    "pilots/p-1": "pilot",
    "plans/p-2": "plan",
    "studies/s-2": "study",
    "maps/m-2": "map",
    "runs/r-1/pushes/p-3": "push",
}


def make(workspace: Path, name: str, state: JobState | None = None, *, alive: bool = True) -> Path:
    folder = workspace / name
    jobs.create(folder, {"kind": "x"})
    if state is not None:
        write_state(folder, state)
        if alive:
            beat(folder)
    return folder


def test_every_place_of_a_job_is_found_and_named(tmp_path) -> None:
    for name in PLACES:
        folder = make(tmp_path, name, JobState("failed"))
        assert workspace_of(folder) == tmp_path
    found = {entry.name: entry.kind for entry in jobs.ended_jobs(tmp_path)}
    assert found == PLACES
    assert set(PLACES.values()) == {*FOLDERS.values(), *BELOW_RUNS.values()}
    for name in PLACES:
        assert jobs.job_at(tmp_path, name).name == name
    assert jobs.job_at(tmp_path, "r-1").name == "runs/r-1"
    assert jobs.job_at(tmp_path, "r-1").run_id == "r-1"
    assert jobs.job_at(tmp_path, "plans/p-2").run_id is None


def test_an_empty_workspace_has_none(tmp_path) -> None:
    assert jobs.living_jobs(tmp_path) == []
    assert jobs.ended_jobs(tmp_path / "nowhere") == []


def test_the_one_at_work_first_then_by_ticket_not_by_name(tmp_path) -> None:
    make(tmp_path, "runs/a", JobState("queued", created_at=3.0))
    make(tmp_path, "runs/b", JobState("queued", created_at=2.0))
    make(tmp_path, "plans/c", JobState("queued", created_at=1.0))
    work = make(tmp_path, "runs/z", JobState("running", process=mark_of(os.getpid())))
    for name in ("runs/b", "runs/a"):
        take_ticket(tmp_path / name)
    order = [entry.name for entry in jobs.living_jobs(tmp_path)]
    # The plan has no ticket yet, so it came last.
    assert order == ["runs/z", "runs/b", "runs/a", "plans/c"]
    drop_tickets(tmp_path / "runs/b")
    write_state(tmp_path / "runs/b", JobState("cancelled"))
    write_state(work, JobState("done"))
    assert [entry.name for entry in jobs.living_jobs(tmp_path)] == ["runs/a", "plans/c"]
    ended = [entry.name for entry in jobs.ended_jobs(tmp_path)]
    assert ended == ["runs/z", "runs/b"]


def test_a_job_whose_process_is_gone_does_not_live(tmp_path) -> None:
    folder = make(tmp_path, "runs/a", JobState("running"))
    long_ago = time.time() - 30
    os.utime(folder / "heartbeat", (long_ago, long_ago))
    assert jobs.living_jobs(tmp_path) == []
    assert [entry.state.status for entry in jobs.ended_jobs(tmp_path)] == ["interrupted"]


def test_broken_and_foreign_folders_are_passed_over(tmp_path) -> None:
    make(tmp_path, "runs/good", JobState("done"))
    broken = make(tmp_path, "runs/broken")
    (broken / "state.json").write_text("{")
    (tmp_path / "runs" / "no job").mkdir()
    (tmp_path / "runs" / "file").write_text("")
    make(tmp_path, "runs/never-started")
    assert [entry.name for entry in jobs.ended_jobs(tmp_path)] == ["runs/good"]


@pytest.mark.parametrize(
    "bad",
    ["../x", "runs/../../etc", "", "nobody", "exports/a", "plans/p/audits/a", "runs/a/x/b", "a b"],
)
def test_a_name_that_is_no_job_is_one_sentence(tmp_path, bad) -> None:
    make(tmp_path, "runs/a", JobState("done"))
    with pytest.raises(ConfigError, match="There is no job"):
        jobs.job_at(tmp_path, bad)


def test_who_started_it_is_kept_for_each_attempt(tmp_path) -> None:
    folder = make(tmp_path, "runs/a")
    try:
        callers.recognise_by(lambda: Caller("ann@firm.com"))
        assert prepare(folder).started_by == "ann@firm.com"
        callers.recognise_by(lambda: Caller("bob@firm.com"))
        prepare(folder)
    finally:
        callers._recognise.clear()
    assert read_state(folder).started_by == "bob@firm.com"
    assert prepare(folder).started_by == ""


def test_the_log_is_plain_text(tmp_path) -> None:
    folder = make(tmp_path, "runs/a")
    (folder / "log.txt").write_bytes(
        b"\x1b[1;31mred\x1b[0m and \x1b]8;;http://x\x07link\x1b]8;;\x07\n"
        b"10 %\r50 %\r100 %\r\nnext\ttab\x07\x00\n"
        b"\xe2\x80\xaeback\xe2\x81\xa6 \x1bMup \xf0\x9f\x98\x80 <b>\n"
    )
    assert jobs.log_tail(folder) == "red and link\n100 %\nnext\ttab\nback up 😀 <b>\n"
    (folder / "log.txt").write_bytes(b"x" * 1_000_000)
    assert jobs.log_tail(folder) == "x" * 4_000
