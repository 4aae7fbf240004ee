"""A job's folder: its state, its points, and whether anything still works on it.

A job folder holds ``job.json`` (what to do), ``state.json`` (how far it is), ``points.jsonl``
(measurements to draw), ``heartbeat`` (touched every second), ``log.txt``, and ``cancel`` once
somebody asked for it. The job's result is ``result.json``, written last. Readers need no lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nncift_core.callers import require_change
from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.files import json_text, named_errors, read_json, replacing, write_json
from nncift_core.jobs.process import ProcessMark, is_running

JOB_FILE = "job.json"
STATE_FILE = "state.json"
POINTS_FILE = "points.jsonl"
HEARTBEAT_FILE = "heartbeat"
CANCEL_FILE = "cancel"
LOG_FILE = "log.txt"
RESULT_FILE = "result.json"
RESERVE_FILE = "reserve"

QUEUED = "queued"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
CANCELLED = "cancelled"
INTERRUPTED = "interrupted"

LIVE = frozenset({QUEUED, RUNNING})
"""What a job is while a process works on it or waits to."""

STALE_SECONDS = 20.0
"""A heartbeat older than this means that the process is gone."""


@dataclass(frozen=True)
class FinishedStage:
    """A stage that is complete."""

    name: str
    seconds: float
    total: int
    unit: str


@dataclass(frozen=True)
class JobError:
    """Why a job failed: a sentence, what to do, and the traceback."""

    message: str
    hint: str = ""
    details: str = ""


@dataclass(frozen=True)
class JobState:
    """How far a job is. Times are seconds since 1970."""

    status: str
    stage: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    rate: float | None = None
    """Units per second in this stage so far."""
    seconds_left: float | None = None
    """Of this stage, at the rate so far."""
    stages: tuple[FinishedStage, ...] = ()
    warnings: tuple[str, ...] = ()
    error: JobError | None = None
    ahead: int = 0
    """While queued: jobs that come before this one."""
    attempt: int = 1
    """1, and one more for each time it was resumed."""
    created_at: float = 0.0
    started_at: float | None = None
    updated_at: float = 0.0
    process: ProcessMark | None = None
    started_by: str = ""
    """Who started or resumed it last, where that is known."""

    @property
    def live(self) -> bool:
        """Whether a process works on it or waits to."""
        return self.status in LIVE

    @property
    def share(self) -> float | None:
        """Share of the current stage that is done, None before its size is known."""
        return min(1.0, self.done / self.total) if self.total > 0 else None


def create(job_dir: Path, job: Mapping[str, Any]) -> None:
    """Make a job folder with ``job.json``: ``{"kind": "run" | "select", ...}``.

    Raises:
        ConfigError: The caller may change nothing.
        WorkspaceError: It cannot be written.
    """
    require_change()
    with named_errors(job_dir):
        job_dir.mkdir(parents=True, exist_ok=True)
    write_json(job_dir / JOB_FILE, job)


def read_job(job_dir: Path) -> dict[str, Any]:
    """What ``create`` wrote. Raises: WorkspaceError if it is missing or broken."""
    job = read_json(job_dir / JOB_FILE)
    if not isinstance(job, dict):
        raise WorkspaceError(f"{job_dir / JOB_FILE} describes no job.")
    return job


def read_state(job_dir: Path) -> JobState:
    """The state of a job, judged by its heartbeat.

    A job that says it lives and does not is ``done`` if its result is complete, otherwise
    ``interrupted``.

    Raises:
        ConfigError: There is no such job.
        WorkspaceError: Its state cannot be read.
    """
    state = stored_state(job_dir)
    if state is None:
        if not (job_dir / JOB_FILE).is_file() and not (job_dir / RESULT_FILE).is_file():
            raise ConfigError(f"There is no job in {job_dir}.")
        return JobState(_status_without_process(job_dir))
    if not state.live or has_process(job_dir, state):
        return state
    # It may have written its end between the two looks.
    latest = stored_state(job_dir)
    if latest is None or not latest.live:
        return latest or state
    if latest != state and has_process(job_dir, latest):
        return latest
    return replace(
        latest, status=_status_without_process(job_dir), rate=None, seconds_left=None, ahead=0
    )


def is_alive(job_dir: Path) -> bool:
    """Whether a process works on the job or waits to."""
    try:
        return read_state(job_dir).live
    except ConfigError:
        return False


def has_process(job_dir: Path, state: JobState) -> bool:
    """Whether something still works on a job of this stored state."""
    if is_running(state.process) is False:
        return False
    try:
        age = time.time() - (job_dir / HEARTBEAT_FILE).stat().st_mtime
    except OSError:
        return False
    return age < STALE_SECONDS


def stored_state(job_dir: Path) -> JobState | None:
    """The state as last written, whether or not it still holds; None if there is none yet.

    Raises:
        WorkspaceError: It cannot be read.
    """
    path = job_dir / STATE_FILE
    if not path.is_file():
        return None
    values = read_json(path)
    try:
        error, process = values.pop("error"), values.pop("process")
        stages = tuple(FinishedStage(**stage) for stage in values.pop("stages"))
        return JobState(
            stages=stages,
            warnings=tuple(values.pop("warnings")),
            error=None if error is None else JobError(**error),
            process=None if process is None else ProcessMark(**process),
            **values,
        )
    except (AttributeError, KeyError, TypeError) as problem:
        raise WorkspaceError(f"{path} holds no job state.") from problem


def write_state(job_dir: Path, state: JobState, *, durable: bool = True) -> None:
    """Replace the state at once. The folder of a deleted job is not made again.

    Raises:
        WorkspaceError: It cannot be written.
    """
    write_json(
        job_dir / STATE_FILE,
        replace(state, updated_at=time.time()),
        durable=durable,
        make_folder=False,
    )


def beat(job_dir: Path) -> None:
    """Touch the heartbeat. Raises: OSError."""
    (job_dir / HEARTBEAT_FILE).touch()


def append_point(
    job_dir: Path, kind: str, values: Mapping[str, Any], *, stage: str, attempt: int
) -> None:
    """Add a measurement to ``points.jsonl``. Raises: WorkspaceError."""
    point = {"kind": kind, "stage": stage, "attempt": attempt, "values": values}
    line = json_text(point) + "\n"
    path = job_dir / POINTS_FILE
    with named_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            # One call, so that a kill leaves at most this line torn.
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def read_points(job_dir: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """The measurements so far, each with its ``kind``, of one kind if given.

    A torn line (a job killed while writing) is left out.
    """
    return [
        {**point["values"], "kind": point["kind"]}
        for point in _points(job_dir)
        if kind is None or point["kind"] == kind
    ]


def drop_points(job_dir: Path, stage: str, attempt: int) -> None:
    """Drop what attempts before this one measured in a stage, and torn lines.

    Raises:
        WorkspaceError: The file cannot be written.
    """
    path = job_dir / POINTS_FILE
    if not path.exists():
        return
    kept = [
        json_text(point)
        for point in _points(job_dir)
        if point["stage"] != stage or point["attempt"] >= attempt
    ]
    with replacing(path, make_folder=False) as file:
        file.write("".join(f"{line}\n" for line in kept).encode())


def _points(job_dir: Path) -> list[dict[str, Any]]:
    try:
        lines = (job_dir / POINTS_FILE).read_bytes().split(b"\n")
    except OSError:
        return []
    points = []
    for line in lines:
        with contextlib.suppress(ValueError):
            point = json.loads(line)
            if isinstance(point, dict) and {"kind", "stage", "attempt", "values"} <= point.keys():
                points.append(point)
    return points


def _status_without_process(job_dir: Path) -> str:
    """The result is written last: where it is, the job is complete."""
    return DONE if (job_dir / RESULT_FILE).is_file() else INTERRUPTED
