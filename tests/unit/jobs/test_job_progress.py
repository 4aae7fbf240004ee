from __future__ import annotations

import errno
import json
import shutil
import threading
import time

import pytest

from nncift_core import jobs
from nncift_core.errors import Cancelled, DataError, WorkspaceError
from nncift_core.jobs import FileProgress
from nncift_core.jobs import progress as progress_module
from nncift_core.jobs import state as states
from nncift_core.jobs.progress import prepare
from nncift_core.jobs.queue import owned, take_ticket


class _Echo:
    def __init__(self):
        self.heard = []

    def stage(self, name, total, unit):
        self.heard.append(("stage", name, total, unit))

    def advance(self, count=1):
        self.heard.append(("advance", count))

    def point(self, kind, values):
        self.heard.append(("point", kind, dict(values)))

    def warn(self, message):
        self.heard.append(("warn", message))


def test_units_of_an_earlier_attempt_have_no_rate(job_dir):
    echo = _Echo()
    with FileProgress(job_dir, echo=echo) as progress:
        progress.stage("label", 100, "pairs")
        time.sleep(0.3)
        progress.skip(60)
        state = jobs.read_state(job_dir)
        assert (state.done, state.rate, state.seconds_left) == (60, None, None)
        time.sleep(0.3)
        progress.advance(4)
        state = jobs.read_state(job_dir)
        assert state.done == 64
        # 4 units in more than half a second, not 64.
        assert 0 < state.rate < 8
        assert state.seconds_left > 36 / 8
        (job_dir / states.CANCEL_FILE).touch()
        with pytest.raises(Cancelled):
            progress.skip(1)
        (job_dir / states.CANCEL_FILE).unlink()
    # A terminal that makes no difference is told all the same.
    assert echo.heard == [
        ("stage", "label", 100, "pairs"), ("advance", 60), ("advance", 4), ("advance", 1),
    ]  # fmt: skip


def test_a_job_from_begin_to_end(job_dir):
    echo = _Echo()
    with FileProgress(job_dir, echo=echo) as progress:
        assert jobs.read_state(job_dir).status == "queued"
        progress.stage("embed", 10, "rows")
        progress.advance(10)
        progress.warn("careful")
        progress.warn("careful")
        progress.stage("train", 2, "epochs")
        progress.point("epoch", {"n": 1})
        time.sleep(0.3)
        progress.advance()
        state = jobs.read_state(job_dir)
        assert (state.status, state.stage, state.done, state.total, state.unit) == (
            "running",
            "train",
            1,
            2,
            "epochs",
        )
        assert state.rate > 0
        assert state.seconds_left > 0
        assert [(s.name, s.total, s.unit) for s in state.stages] == [("embed", 10, "rows")]
        assert state.warnings == ("careful",)
        assert state.started_at is not None
    state = jobs.read_state(job_dir)
    assert state.status == "done"
    assert [s.name for s in state.stages] == ["embed", "train"]
    assert state.stages[1].seconds >= 0.3
    assert state.error is None
    assert jobs.read_points(job_dir) == [{"kind": "epoch", "n": 1}]
    assert echo.heard == [
        ("stage", "embed", 10, "rows"),
        ("advance", 10),
        ("warn", "careful"),
        ("warn", "careful"),
        ("stage", "train", 2, "epochs"),
        ("point", "epoch", {"n": 1}),
        ("advance", 1),
    ]


def test_states_are_written_four_times_a_second_at_most(job_dir, monkeypatch):
    writes = []
    write = states.write_state
    monkeypatch.setattr(
        states, "write_state", lambda *a, **k: (writes.append(time.monotonic()), write(*a, **k))
    )
    with FileProgress(job_dir) as progress:
        progress.stage("count", 10**6, "steps")
        before = len(writes)
        started = time.monotonic()
        calls = 0
        while time.monotonic() - started < 1.1:
            progress.advance()
            calls += 1
        assert calls > 200
        assert 3 <= len(writes) - before <= 5
        progress.warn("late")
    assert jobs.read_state(job_dir).done == calls


def test_the_heartbeat_goes_on_without_advances_and_shows_the_last_ones(job_dir, monkeypatch):
    monkeypatch.setattr(progress_module, "BEAT_SECONDS", 0.05)
    with FileProgress(job_dir) as progress:
        progress.stage("count", 10, "steps")
        progress.advance(7)
        first = (job_dir / "heartbeat").stat().st_mtime_ns
        time.sleep(0.6)
        assert (job_dir / "heartbeat").stat().st_mtime_ns > first
        assert jobs.read_state(job_dir).done == 7
    last = (job_dir / "heartbeat").stat().st_mtime_ns
    time.sleep(0.2)
    assert (job_dir / "heartbeat").stat().st_mtime_ns == last


def test_advance_raises_as_soon_as_cancel_is_asked_for(job_dir):
    with pytest.raises(Cancelled), FileProgress(job_dir) as progress:
        progress.stage("count", 10, "steps")
        progress.advance()
        jobs.request_cancel(job_dir)
        progress.advance()
    state = jobs.read_state(job_dir)
    assert (state.status, state.error, state.done) == ("cancelled", None, 2)
    assert state.stages == ()


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (DataError("Row 7 is bad.", "Mend it."), "Row 7 is bad.", "Mend it."),
        (ZeroDivisionError("by zero"), "fault of this software: ZeroDivisionError", "report"),
        (MemoryError(), "Memory ran out.", "fewer rows"),
        (OSError(errno.ENOSPC, "No space left"), "The disk is full", "Free some space"),
        (PermissionError(errno.EACCES, "denied", "/x/y"), "/x/y may not be written", "permission"),
        (FileNotFoundError(errno.ENOENT, "gone", "/x/y"), "fault of this software", "report"),
    ],
)
def test_failures_are_told_in_words(job_dir, error, message, hint):
    with pytest.raises(type(error)), FileProgress(job_dir) as progress:
        progress.stage("count", 10, "steps")
        raise error
    state = jobs.read_state(job_dir)
    assert state.status == "failed"
    assert message in state.error.message
    assert hint in state.error.hint
    assert "Traceback" in state.error.details
    assert "test_job_progress.py" in state.error.details
    assert state.stages == ()


def test_an_interrupt_from_the_keyboard_cancels(job_dir):
    with pytest.raises(KeyboardInterrupt), FileProgress(job_dir):
        raise KeyboardInterrupt
    assert jobs.read_state(job_dir).status == "cancelled"


def test_a_resumed_job_keeps_finished_stages_and_their_points(job_dir):
    with pytest.raises(Cancelled), FileProgress(job_dir) as progress:
        progress.stage("embed", 1, "rows")
        progress.point("row", {"n": 0})
        progress.warn("careful")
        progress.stage("train", 9, "epochs")
        progress.point("epoch", {"n": 0, "attempt": 1})
        progress.point("epoch", {"n": 1, "attempt": 1})
        jobs.request_cancel(job_dir)
        progress.advance()
    created = jobs.read_state(job_dir).created_at
    with FileProgress(job_dir) as progress:
        assert not (job_dir / "cancel").exists()
        state = jobs.read_state(job_dir)
        assert (state.status, state.attempt, state.created_at) == ("queued", 2, created)
        assert [s.name for s in state.stages] == ["embed"]
        assert len(jobs.read_points(job_dir)) == 3
        progress.stage("train", 9, "epochs")
        progress.point("epoch", {"n": 0, "attempt": 2})
        progress.advance()
    state = jobs.read_state(job_dir)
    assert [s.name for s in state.stages] == ["embed", "train"]
    assert state.warnings == ("careful",)
    assert jobs.read_points(job_dir, "row") == [{"kind": "row", "n": 0}]
    assert jobs.read_points(job_dir, "epoch") == [{"kind": "epoch", "n": 0, "attempt": 2}]


def test_the_same_stage_twice_in_one_attempt_keeps_its_points(job_dir):
    with FileProgress(job_dir) as progress:
        for number in range(2):
            progress.stage("label", 1, "pairs")
            progress.point("block", {"n": number})
    assert len(jobs.read_points(job_dir)) == 2


def test_progress_that_cannot_be_written_does_not_end_the_work(job_dir, monkeypatch):
    monkeypatch.setattr(progress_module, "WRITE_SECONDS", 0.0)
    with FileProgress(job_dir) as progress:
        progress.begin()
        with monkeypatch.context() as patch:
            patch.setattr(states, "write_json", _refuse)
            progress.stage("count", 2, "steps")
            progress.advance(2)
    assert jobs.read_state(job_dir).done == 2


def test_an_end_that_cannot_be_written_hides_no_other_error(job_dir, monkeypatch):
    with monkeypatch.context() as patch:
        with pytest.raises(DataError), FileProgress(job_dir):
            patch.setattr(states, "write_json", _refuse)
            raise DataError("the reason")
    with monkeypatch.context() as patch:
        with pytest.raises(WorkspaceError), FileProgress(job_dir):
            patch.setattr(states, "write_json", _refuse)


def test_a_full_disk_can_still_be_told(job_dir, monkeypatch):
    write = states.write_json

    def full(path, content, **options):
        if (job_dir / "reserve").exists():
            raise WorkspaceError("The disk is full.")
        write(path, content, **options)

    with monkeypatch.context() as patch, pytest.raises(OSError), FileProgress(job_dir):
        assert (job_dir / "reserve").stat().st_size >= 2 * progress_module.MAX_DETAILS
        patch.setattr(states, "write_json", full)
        raise OSError(errno.ENOSPC, "No space left")
    state = jobs.read_state(job_dir)
    assert (state.status, "disk is full" in state.error.message) == ("failed", True)
    assert not (job_dir / "reserve").exists()


def _refuse(path, content, **options):
    raise WorkspaceError("The disk is full.")


def test_a_deleted_folder_is_not_made_again(job_dir, monkeypatch):
    monkeypatch.setattr(progress_module, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(progress_module, "WRITE_SECONDS", 0.0)
    with pytest.raises(WorkspaceError), FileProgress(job_dir) as progress:
        progress.stage("count", 2, "steps")
        shutil.rmtree(job_dir)
        progress.advance()
        time.sleep(0.1)
    assert not job_dir.exists()


def test_two_processes_never_work_on_one_job(job_dir):
    with (
        owned(job_dir),
        pytest.raises(WorkspaceError, match="Another process"),
        owned(job_dir, patience=0.1),
    ):
        pass
    with owned(job_dir, patience=0.1):
        pass


def test_jobs_of_one_workspace_take_turns(tmp_path):
    """Five threads, each like a process of its own: locks belong to open files."""
    inside, most, problems = [0], [0], []

    def work(number):
        folder = tmp_path / "w" / "runs" / f"run-{number}"
        try:
            jobs.create(folder, {"kind": "run"})
            with jobs.running(folder) as progress:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                progress.stage("count", 1, "steps")
                time.sleep(0.05)
                inside[0] -= 1
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert most == [1]
    assert list((tmp_path / "w" / "queue").iterdir()) == []
    for number in range(5):
        assert jobs.read_state(tmp_path / "w" / "runs" / f"run-{number}").status == "done"


def test_who_waits_is_told_once(tmp_path, recording):
    first, second = (tmp_path / "w" / "runs" / name for name in ("one", "two"))
    for folder in (first, second):
        jobs.create(folder, {"kind": "run"})
    echo, threads = recording(), []
    with jobs.running(first):

        def wait():
            with jobs.running(second, echo=echo):
                pass

        threads = [threading.Thread(target=wait)]
        threads[0].start()
        deadline = time.monotonic() + 10
        while not echo.warnings and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
    threads[0].join()
    assert echo.warnings == ["This waits until another job of the workspace ended."]


def test_the_oldest_ticket_comes_first(tmp_path):
    """Five waiters that look at different moments: chance gives this order once in 120."""
    runs = tmp_path / "w" / "runs"
    order, threads = [], []

    def work(name):
        with jobs.running(runs / name):
            order.append(name)

    jobs.create(runs / "first", {"kind": "run"})
    with jobs.running(runs / "first"):
        for name in ("e", "c", "a", "d", "b"):
            jobs.create(runs / name, {"kind": "run"})
            prepare(runs / name)
            take_ticket(runs / name)
        for name in ("a", "b", "c", "d", "e"):
            threads.append(threading.Thread(target=work, args=(name,), daemon=True))
            threads[-1].start()
            time.sleep(0.03)
        deadline = time.monotonic() + 30
        while jobs.read_state(runs / "b").ahead != 5 and time.monotonic() < deadline:
            time.sleep(0.02)
    for thread in threads:
        thread.join(timeout=30)
    assert order == ["e", "c", "a", "d", "b"]


def test_other_workspaces_do_not_wait(tmp_path):
    for name in ("a", "b"):
        jobs.create(tmp_path / name / "runs" / "run-1", {"kind": "run"})
    started = time.monotonic()
    with (
        jobs.running(tmp_path / "a" / "runs" / "run-1"),
        jobs.running(tmp_path / "b" / "runs" / "run-1"),
    ):
        assert time.monotonic() - started < 2


def test_selections_wait_in_the_queue_of_their_workspace(job_dir):
    selection = job_dir / "selections" / "s1"
    jobs.create(selection, {"kind": "select"})
    with jobs.running(job_dir):
        timer = threading.Timer(0.3, jobs.request_cancel, [selection])
        timer.start()
        with pytest.raises(Cancelled), jobs.running(selection):
            pytest.fail("two jobs at once")
        timer.join()
        state = jobs.read_state(selection)
        assert (state.status, state.started_at) == ("cancelled", None)
    with jobs.running(selection):
        pass
    assert jobs.read_state(selection).status == "done"


def test_job_folders_lie_in_a_workspace(tmp_path):
    jobs.create(tmp_path / "elsewhere", {"kind": "run"})
    with pytest.raises(ValueError, match="runs/"), jobs.running(tmp_path / "elsewhere"):
        pass


def test_the_state_is_plain_json_for_other_programs(job_dir):
    with FileProgress(job_dir) as progress:
        progress.stage("count", 3, "steps")
    content = json.loads((job_dir / "state.json").read_text())
    assert content["status"] == "done"
    assert content["stages"][0]["name"] == "count"
