from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nncift_core import jobs
from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.jobs import local
from nncift_core.jobs import state as states
from nncift_core.jobs.process import is_running
from nncift_core.jobs.state import stored_state


def _running(state):
    return state.status == "running"


def _ended(state):
    return not state.live


def _order(folder):
    return (folder.parents[1] / "order.txt").read_text().splitlines()


def test_a_job_runs_in_a_session_of_its_own(stub, wait_for):
    folder = stub(steps=40)
    state = wait_for(folder, lambda s: s.done > 2)
    assert os.getsid(state.process.pid) == state.process.pid
    state = wait_for(folder, _ended)
    assert (state.status, state.attempt) == ("done", 1)
    assert [s.name for s in state.stages] == ["count", "write"]
    assert [p["step"] for p in jobs.read_points(folder, "step")] == list(range(40))
    assert jobs.log_tail(folder) == "counted\n"
    with pytest.raises(ConfigError, match="complete already"):
        jobs.start(folder, module="stub_worker")


def test_a_job_outlives_the_process_that_started_it(stub, wait_for):
    folder = stub(begin=False, steps=20)
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from nncift_core import jobs;"
            "jobs.start(Path(sys.argv[1]), module='stub_worker')",
            str(folder),
        ],
        check=True,
        cwd=Path(__file__).parents[3],
        timeout=60,
    )
    assert wait_for(folder, _ended).status == "done"


def test_kill_9_is_seen_as_interrupted_and_resumed(stub, wait_for):
    folder = stub(steps=100)
    state = wait_for(folder, lambda s: s.done >= 3)
    os.kill(state.process.pid, signal.SIGKILL)
    started = time.monotonic()
    state = wait_for(folder, _ended)
    assert state.status == "interrupted"
    assert time.monotonic() - started < 5
    assert state.stage == "count"
    before = len(jobs.read_points(folder))
    assert before >= 3
    state = wait_for(folder, lambda s: s.error is not None)
    assert "SIGKILL" in state.error.message
    assert "memory" in state.error.hint
    # As after a kill in the middle of a write.
    with (folder / "points.jsonl").open("ab") as file:
        file.write(b'{"kind": "st')
    (folder / "state.json.abcd.partial").write_text("{")
    (folder / "job.json").write_text(json.dumps({"kind": "run", "steps": 5}))
    jobs.start(folder, module="stub_worker")
    state = wait_for(folder, _ended)
    assert (state.status, state.attempt, state.error) == ("done", 2, None)
    assert [p["step"] for p in jobs.read_points(folder)] == list(range(5))
    assert not list(folder.glob("*.partial"))


def test_kill_9_without_anybody_to_reap_is_seen_too(stub, wait_for, monkeypatch):
    monkeypatch.setattr(local, "_reap", lambda *_: None)
    folder = stub(steps=100)
    state = wait_for(folder, _running)
    os.kill(state.process.pid, signal.SIGKILL)
    assert wait_for(folder, _ended, seconds=5).status == "interrupted"
    # It is a zombie now: signals reach it, and it does nothing.
    os.kill(state.process.pid, 0)
    assert stored_state(folder).status == "running"
    os.waitpid(state.process.pid, 0)


def test_cancel_stops_at_the_next_step_and_resuming_clears_it(stub, wait_for):
    folder = stub(steps=500)
    wait_for(folder, lambda s: s.done >= 2)
    jobs.request_cancel(folder)
    state = wait_for(folder, _ended)
    assert (state.status, state.error) == ("cancelled", None)
    jobs.request_cancel(folder)
    (folder / "job.json").write_text(json.dumps({"kind": "run", "steps": 2}))
    jobs.start(folder, module="stub_worker")
    assert wait_for(folder, _ended).status == "done"


def test_a_running_job_is_not_started_twice(stub, wait_for):
    folder = stub(steps=100)
    for condition in (lambda s: s.live, _running):
        wait_for(folder, condition)
        with pytest.raises((ConfigError, WorkspaceError), match=r"running already|Another process"):
            jobs.start(folder, module="stub_worker")
    assert wait_for(folder, _ended).attempt == 1
    with pytest.raises(ConfigError, match="no job"):
        jobs.start(folder.parent / "nowhere", module="stub_worker")


def test_a_deaf_job_is_ended_by_force(stub, wait_for):
    folder = stub(deaf=True)
    state = wait_for(folder, _running)
    time.sleep(0.1)
    jobs.request_cancel(folder)
    time.sleep(0.3)
    assert jobs.read_state(folder).status == "running"
    assert jobs.terminate(folder, grace_seconds=2)
    assert jobs.read_state(folder).status == "cancelled"
    assert is_running(state.process) is False
    assert jobs.terminate(folder)


def test_terminate_leaves_strangers_alone(job_dir):
    """The worker is gone and another process has its number."""
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        mark = local.mark_of(stranger.pid)
        for status, started in (("running", mark.started - 1), ("done", mark.started)):
            states.beat(job_dir)
            process = local.replace(mark, started=started)
            states.write_state(job_dir, jobs.JobState(status, process=process))
            assert jobs.terminate(job_dir, grace_seconds=0.1)
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_failures_of_the_work_and_of_the_worker(stub, wait_for):
    data = stub("data", crash="data")
    state = wait_for(data, _ended)
    assert (state.status, state.error.message, state.error.hint) == (
        "failed",
        "Row 7 is bad.",
        "Mend row 7.",
    )
    fault = stub("fault", crash="fault")
    state = wait_for(fault, _ended)
    assert "ZeroDivisionError" in state.error.message
    assert "1 / 0" in state.error.details
    broken = stub("broken", crash="import")
    state = wait_for(broken, _ended)
    assert state.status == "failed"
    assert "code 1" in state.error.message
    assert "no_such_module" in state.error.details
    silent = stub("silent", crash="exit")
    state = wait_for(silent, _ended)
    assert (state.status, "code 0" in state.error.message) == ("failed", True)


def test_jobs_wait_for_their_turn_in_the_order_of_their_start(stub, wait_for):
    first = stub("zz", hold=True)
    wait_for(first, _running)
    second = stub("mm", steps=2)
    third = stub("aa", steps=2)
    state = wait_for(third, lambda s: s.ahead == 2)
    assert state.status == "queued"
    assert wait_for(second, lambda s: s.ahead == 1).status == "queued"
    (first / "go").touch()
    for folder in (first, second, third):
        assert wait_for(folder, _ended).status == "done"
    names = [line.split()[0] for line in _order(first)]
    assert names == ["zz", "zz", "mm", "mm", "aa", "aa"]


def test_kill_9_of_the_one_at_work_lets_the_next_one_in(stub, wait_for):
    first = stub("first", deaf=True)
    state = wait_for(first, _running)
    killed = stub("killed", steps=2)
    last = stub("last", steps=2)
    wait_for(last, lambda s: s.ahead == 2)
    waiting = wait_for(killed, lambda s: s.process is not None)
    os.kill(waiting.process.pid, signal.SIGKILL)
    assert wait_for(killed, _ended).status == "interrupted"
    wait_for(last, lambda s: s.ahead == 1)
    os.killpg(state.process.pid, signal.SIGKILL)
    assert wait_for(last, _ended).status == "done"
    assert list((first.parents[1] / "queue").iterdir()) == []


def test_a_waiting_job_can_be_cancelled(stub, wait_for):
    first = stub("first", deaf=True)
    wait_for(first, _running)
    second = stub("second")
    wait_for(second, lambda s: s.ahead == 1)
    jobs.request_cancel(second)
    state = wait_for(second, _ended)
    assert (state.status, state.started_at) == ("cancelled", None)
    assert "second" not in " ".join(_order(first))
    # Asked for before its process is up.
    third = stub("third")
    jobs.request_cancel(third)
    assert wait_for(third, _ended).status == "cancelled"


def test_a_log_tail_begins_at_a_character(job_dir):
    assert jobs.log_tail(job_dir) == ""
    (job_dir / "log.txt").write_bytes(("é日" * 5000 + "end").encode() + b"\xff")
    assert jobs.log_tail(job_dir, 5) == "日end�"


def test_no_process_to_be_had_is_told(job_dir, monkeypatch):
    def refuse(*_, **__):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(WorkspaceError, match="No process could be started"):
        jobs.start(job_dir)
    assert jobs.read_state(job_dir).status == "failed"
