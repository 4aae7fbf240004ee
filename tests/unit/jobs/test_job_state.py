from __future__ import annotations

import os
import threading
import time
from dataclasses import replace

import pytest

from nncift_core import jobs
from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.jobs import state as states
from nncift_core.jobs.process import ProcessMark, is_running, mark_of
from nncift_core.jobs.state import FinishedStage, JobError, JobState


def _full_state():
    return JobState(
        "running",
        stage="train",
        done=3,
        total=20,
        unit="epochs",
        rate=1.5,
        seconds_left=11.0,
        stages=(FinishedStage("embed", 1.25, 10, "rows"),),
        warnings=("é",),
        error=JobError("m", "h", "d"),
        ahead=2,
        attempt=3,
        created_at=1.5,
        started_at=2.5,
        process=mark_of(os.getpid()),
    )


def test_states_read_back_as_written(job_dir):
    states.beat(job_dir)
    states.write_state(job_dir, _full_state())
    state = jobs.read_state(job_dir)
    assert time.time() - 5 < state.updated_at <= time.time()
    assert replace(state, updated_at=0.0) == _full_state()
    assert state.share == 0.15
    assert jobs.is_alive(job_dir)


def test_a_silent_heartbeat_means_interrupted(job_dir):
    states.write_state(job_dir, _full_state())
    states.beat(job_dir)
    old = time.time() - states.STALE_SECONDS - 1
    os.utime(job_dir / "heartbeat", (old, old))
    state = jobs.read_state(job_dir)
    assert state.status == "interrupted"
    assert not jobs.is_alive(job_dir)
    assert (state.rate, state.seconds_left) == (None, None)
    assert state.stages == _full_state().stages
    recent = time.time() - states.STALE_SECONDS + 5
    os.utime(job_dir / "heartbeat", (recent, recent))
    assert jobs.read_state(job_dir).status == "running"
    (job_dir / "heartbeat").unlink()
    assert jobs.read_state(job_dir).status == "interrupted"


def test_a_complete_result_counts_even_if_the_last_state_is_missing(job_dir):
    states.write_state(job_dir, _full_state())
    (job_dir / "result.json").write_text("{}")
    assert jobs.read_state(job_dir).status == "done"


def test_a_process_known_to_be_gone_needs_no_patience(job_dir):
    states.beat(job_dir)
    mine = mark_of(os.getpid())
    gone = {
        "number of another process": replace(mine, started=mine.started + 1),
        "no process": replace(mine, pid=2**22 + 1),
    }
    for mark in gone.values():
        states.write_state(job_dir, replace(_full_state(), process=mark))
        assert jobs.read_state(job_dir).status == "interrupted"
    # Elsewhere the number says nothing: the heartbeat decides.
    elsewhere = ProcessMark(2**22 + 1, 1, "another machine")
    states.write_state(job_dir, replace(_full_state(), process=elsewhere))
    assert jobs.read_state(job_dir).status == "running"


def test_a_zombie_is_not_running():
    pid = os.fork()
    if pid == 0:
        time.sleep(0.3)
        os._exit(0)
    try:
        mark = mark_of(pid)
        assert is_running(mark) is True
        deadline = time.monotonic() + 10
        while is_running(mark):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(pid, 0)  # The system calls it alive.
    finally:
        os.waitpid(pid, 0)
    assert is_running(mark) is False
    assert is_running(None) is None


def test_a_state_that_ends_between_two_looks_is_not_called_interrupted(job_dir, monkeypatch):
    """The worker writes its end and exits after the reader has read ``running``."""
    states.write_state(job_dir, _full_state())

    def look(folder, state):
        states.write_state(job_dir, replace(_full_state(), status="failed"))
        return False

    monkeypatch.setattr(states, "has_process", look)
    assert jobs.read_state(job_dir).status == "failed"


@pytest.mark.parametrize("status", ["done", "failed", "cancelled", "interrupted"])
def test_final_states_need_no_heartbeat(job_dir, status):
    states.write_state(job_dir, replace(_full_state(), status=status))
    assert jobs.read_state(job_dir).status == status


def test_missing_and_broken_jobs(tmp_path, job_dir):
    with pytest.raises(ConfigError, match="no job"):
        jobs.read_state(tmp_path / "nowhere")
    assert not jobs.is_alive(tmp_path / "nowhere")
    assert jobs.read_state(job_dir).status == "interrupted"
    assert jobs.read_job(job_dir) == {"kind": "run"}
    for content in ("{", "[]", '{"status": "done"}', '{"error": 1}'):
        (job_dir / "state.json").write_text(content)
        with pytest.raises(WorkspaceError, match=r"state\.json"):
            jobs.read_state(job_dir)
    (job_dir / "job.json").write_text("[]")
    with pytest.raises(WorkspaceError, match="no job"):
        jobs.read_job(job_dir)


def test_a_job_where_a_file_stands(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError, match="file"):
        jobs.create(tmp_path / "file" / "run-1", {"kind": "run"})


def test_readers_never_see_a_torn_state(job_dir):
    states.beat(job_dir)
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            text = "w" * (number % 50_000)
            states.write_state(
                job_dir, JobState("running", warnings=(text,), done=len(text)), durable=False
            )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not (job_dir / "state.json").exists():
            time.sleep(0.01)
        # On a busy machine the writer may stand still during hundreds of reads: go on until both
        # have worked side by side for a while.
        seen, reads, deadline = set(), 0, time.monotonic() + 60
        while (reads < 300 or len(seen) <= 5) and time.monotonic() < deadline:
            state = jobs.read_state(job_dir)
            assert len(state.warnings[0]) == state.done
            seen.add(state.done)
            reads += 1
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 5


def test_points_come_back_in_order_and_by_kind(job_dir):
    assert jobs.read_points(job_dir) == []
    for number in range(3):
        states.append_point(job_dir, "epoch", {"n": number, "mse": None}, stage="train", attempt=1)
    states.append_point(job_dir, "pilot", {"kind": "x", "é": [1]}, stage="label", attempt=1)
    assert [p["n"] for p in jobs.read_points(job_dir, "epoch")] == [0, 1, 2]
    assert jobs.read_points(job_dir, "pilot") == [{"kind": "pilot", "é": [1]}]
    assert len(jobs.read_points(job_dir)) == 4
    assert jobs.read_points(job_dir, "none") == []


def test_torn_points_are_left_out(job_dir):
    states.append_point(job_dir, "epoch", {"n": 0}, stage="train", attempt=1)
    whole = (job_dir / "points.jsonl").read_bytes()
    for cut in range(len(whole)):
        (job_dir / "points.jsonl").write_bytes(whole + whole[:cut])
        expected = 2 if cut == len(whole) - 1 else 1
        assert len(jobs.read_points(job_dir)) == expected
    (job_dir / "points.jsonl").write_bytes(whole + b'\xff\xfe\n[1]\nnull\n{"kind": 1}\n' + whole)
    assert len(jobs.read_points(job_dir)) == 2


def test_earlier_attempts_of_one_stage_are_dropped(job_dir):
    for stage, attempt in (("embed", 1), ("train", 1), ("train", 2)):
        values = {"stage": stage, "attempt": attempt}
        states.append_point(job_dir, "p", values, stage=stage, attempt=attempt)
    with (job_dir / "points.jsonl").open("ab") as file:
        file.write(b'{"kind": "p", "sta')
    states.drop_points(job_dir, "train", 2)
    states.append_point(job_dir, "p", {"stage": "new"}, stage="train", attempt=2)
    kept = [(p["stage"], p.get("attempt")) for p in jobs.read_points(job_dir)]
    assert kept == [("embed", 1), ("train", 2), ("new", None)]
