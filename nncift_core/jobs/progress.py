"""The progress of a job, written to its folder where pages and terminals read it.

Writes the state at most four times a second, keeps the heartbeat, and ends the job with its
final status, whatever happens inside. Knows nothing of what the job computes.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from nncift_core.callers import caller
from nncift_core.errors import Cancelled, NNCIFTError, WorkspaceError
from nncift_core.files import (
    is_machine_state,
    named_errors,
    remove_partials,
    workspace_error,
    write_bytes,
)
from nncift_core.jobs import state as states
from nncift_core.jobs.process import mark_of
from nncift_core.jobs.queue import owned, turn
from nncift_core.jobs.state import FinishedStage, JobError, JobState
from nncift_core.progress import Progress, SilentProgress, StageClock, skip

WRITE_SECONDS = 0.25
BEAT_SECONDS = 1.0
MAX_DETAILS = 20_000

RESERVE_BYTES = 65_536
"""Kept free on the disk while a job runs, so that a full disk can still be told."""


class FileProgress:
    """Progress that is written to a job folder; use it as a context manager.

    Inside the ``with`` block a thread keeps the heartbeat. At its end the status becomes
    ``done``, ``cancelled`` or ``failed``; exceptions pass on. It is queued until ``begin`` or
    the first stage.

    Args:
        job_dir: An existing job folder.
        echo: Told everything as well, a terminal for instance.

    Raises:
        WorkspaceError: The folder cannot be written.
    """

    def __init__(self, job_dir: Path, *, echo: Progress | None = None) -> None:
        self.job_dir = job_dir
        self._echo = echo or SilentProgress()
        self._cancel = job_dir / states.CANCEL_FILE
        self._state = JobState(states.QUEUED)
        self._clock = StageClock(0)
        self._lock = threading.Lock()
        self._changed = False
        self._written = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)

    def __enter__(self) -> FileProgress:
        stored = states.stored_state(self.job_dir)
        if stored is None or not _waits_for_process(stored):
            stored = prepare(self.job_dir)
        self._state = replace(stored, process=mark_of(os.getpid()))
        with named_errors(self.job_dir):
            states.beat(self.job_dir)
        write_bytes(self.job_dir / states.RESERVE_FILE, bytes(RESERVE_BYTES))
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        with self._lock:
            if error is None:
                self._finish_stage()
            self._refresh()
            self._state = replace(
                self._state, seconds_left=None, ahead=0, **_ending(self.job_dir, error)
            )
            with contextlib.suppress(OSError):
                (self.job_dir / states.RESERVE_FILE).unlink()
            try:
                states.write_state(self.job_dir, self._state)
            except WorkspaceError:
                # What went wrong inside matters more than that it cannot be noted down.
                if error is None:
                    raise

    def begin(self) -> None:
        """The work starts now. Raises: WorkspaceError."""
        with self._lock:
            if self._state.status == states.QUEUED:
                self._state = replace(
                    self._state, status=states.RUNNING, started_at=time.time(), ahead=0
                )
                self._write()

    def waiting(self, ahead: int) -> None:
        """The job waits behind ``ahead`` others. Raises: Cancelled."""
        with self._lock:
            changed = self._state.ahead != ahead
            if changed:
                self._state = replace(self._state, ahead=ahead)
                self._write_soon()
        if changed:
            # Pages read it from the state; a terminal would look as if nothing happened.
            others = "another job" if ahead == 1 else f"{ahead} other jobs"
            self._echo.warn(f"This waits until {others} of the workspace ended.")
        self._check_cancelled()

    def stage(self, name: str, total: int, unit: str) -> None:
        """Begin a stage; one that an earlier attempt began starts its points afresh."""
        self.begin()
        with self._lock:
            self._finish_stage()
            earlier = tuple(stage for stage in self._state.stages if stage.name != name)
            if self._state.attempt > 1:
                # Not earlier: if this attempt skips the stage, its points are still right.
                states.drop_points(self.job_dir, name, self._state.attempt)
            self._clock = StageClock(total)
            self._state = replace(
                self._state, stages=earlier, stage=name, done=0, total=total, unit=unit
            )
            self._write_soon()
        self._echo.stage(name, total, unit)

    def advance(self, count: int = 1) -> None:
        """``count`` more units are done. Raises: Cancelled."""
        with self._lock:
            self._clock.advance(count)
            self._write_soon()
        self._echo.advance(count)
        self._check_cancelled()

    def skip(self, count: int) -> None:
        """``count`` more units are done, and were before this attempt. Raises: Cancelled."""
        with self._lock:
            self._clock.skip(count)
            self._write_soon()
        skip(self._echo, count)
        self._check_cancelled()

    def point(self, kind: str, values: Mapping[str, Any]) -> None:
        """Keep a measurement for pages to draw. Raises: WorkspaceError."""
        with self._lock:
            states.append_point(
                self.job_dir,
                kind,
                values,
                stage=self._state.stage,
                attempt=self._state.attempt,
            )
        self._echo.point(kind, values)

    def warn(self, message: str) -> None:
        """Keep a sentence for the user; the same one only once."""
        with self._lock:
            if message not in self._state.warnings:
                self._state = replace(self._state, warnings=(*self._state.warnings, message))
                self._write_soon()
        self._echo.warn(message)

    def _check_cancelled(self) -> None:
        if self._cancel.exists():
            raise Cancelled

    def _finish_stage(self) -> None:
        if self._state.stage:
            finished = FinishedStage(
                self._state.stage, self._clock.seconds, self._clock.total, self._state.unit
            )
            others = (stage for stage in self._state.stages if stage.name != finished.name)
            self._state = replace(self._state, stages=(*others, finished))

    def _refresh(self) -> None:
        clock = self._clock
        self._state = replace(
            self._state, done=clock.done, rate=clock.rate, seconds_left=clock.seconds_left
        )

    def _write_soon(self) -> None:
        """Write now, or leave it to the next call or heartbeat that is due."""
        self._changed = True
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self._changed = False
            self._written = time.monotonic()
            self._refresh()
            # Progress that cannot be shown must not end the work.
            with contextlib.suppress(WorkspaceError):
                states.write_state(self.job_dir, self._state, durable=False)

    def _write(self) -> None:
        self._written = time.monotonic()
        states.write_state(self.job_dir, self._state, durable=False)

    def _keep_beating(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                # A folder that was deleted is not made again.
                os.utime(self.job_dir / states.HEARTBEAT_FILE)
            except OSError:
                continue
            with self._lock:
                if self._changed:
                    self._write_soon()


@contextlib.contextmanager
def running(job_dir: Path, *, echo: Progress | None = None) -> Iterator[FileProgress]:
    """Work on a job: wait for its turn, keep the heartbeat, note down how it ends.

    Args:
        job_dir: A job folder made by ``create``.
        echo: Told everything as well, a terminal for instance.

    Raises:
        Cancelled: It was cancelled while it waited or inside the block.
        WorkspaceError: Another process works on it, or the workspace cannot be written.
    """
    with (
        owned(job_dir),
        FileProgress(job_dir, echo=echo) as progress,
        turn(job_dir, progress.waiting),
    ):
        progress.begin()
        yield progress


def prepare(job_dir: Path) -> JobState:
    """Make a job ready for its next attempt: queued, not cancelled, stages and points kept.

    Raises:
        WorkspaceError: The folder cannot be written.
    """
    former = states.stored_state(job_dir)
    with named_errors(job_dir):
        (job_dir / states.CANCEL_FILE).unlink(missing_ok=True)
        states.beat(job_dir)
    remove_partials(job_dir)
    now = time.time()
    if former is None:
        fresh = JobState(states.QUEUED, created_at=now, started_by=caller().name)
    else:
        fresh = JobState(
            states.QUEUED,
            stages=former.stages,
            warnings=former.warnings,
            attempt=former.attempt + 1,
            created_at=former.created_at,
            started_by=caller().name,
        )
    # Ends a torn last line, so that the next point does not hang on to it.
    states.drop_points(job_dir, "", fresh.attempt)
    states.write_state(job_dir, fresh)
    return fresh


def _waits_for_process(state: JobState) -> bool:
    """Whether ``start`` prepared it and no process has taken it yet."""
    return state.status == states.QUEUED and state.process is None


def _ending(job_dir: Path, error: BaseException | None) -> dict[str, Any]:
    """Status and error of a job that ended with this exception, or without one."""
    if error is None:
        return {"status": states.DONE, "error": None}
    if isinstance(error, Cancelled | KeyboardInterrupt):
        return {"status": states.CANCELLED, "error": None}
    details = "".join(traceback.format_exception(error))[-MAX_DETAILS:]
    if isinstance(error, OSError) and is_machine_state(error):
        # A write to an open file that fails does not name it.
        path = job_dir if error.filename is None else Path(os.fsdecode(error.filename))
        error = workspace_error(error, path)
    if isinstance(error, NNCIFTError):
        problem = JobError(error.message, error.hint, details)
    elif isinstance(error, MemoryError):
        problem = JobError("Memory ran out.", "Close other programs or use fewer rows.", details)
    else:
        problem = JobError(
            f"The job stopped at a fault of this software: {type(error).__name__}: {error}",
            "Please report it with the details below.",
            details,
        )
    return {"status": states.FAILED, "error": problem}
