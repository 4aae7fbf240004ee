"""Jobs as processes of this machine: start, cancel, end.

A job outlives the page, the tab and the server that started it: it is a session of its own
that talks through its folder alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import nncift_core
from nncift_core.callers import require_change
from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.files import named_errors
from nncift_core.jobs import state as states
from nncift_core.jobs.process import is_running, mark_of
from nncift_core.jobs.progress import prepare
from nncift_core.jobs.queue import drop_tickets, owned, take_ticket
from nncift_core.jobs.state import JobError, JobState, read_state, stored_state

WORKER_MODULE = "nncift_core.worker"

_LOG_TAIL = 4_000

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def start(job_dir: Path, *, module: str = WORKER_MODULE) -> int:
    """Start or resume a job in a process of its own; it waits there for its turn.

    Args:
        job_dir: A job folder made by ``create``. A resumed job keeps its finished stages.
        module: What to run: ``python -m module job_dir``.

    Returns:
        The process number.

    Raises:
        ConfigError: There is no such job, or it is complete, waiting or running, or the caller
            may change nothing.
        WorkspaceError: The folder cannot be written or no process can be started.
    """
    require_change()
    job_dir = job_dir.absolute()
    if not job_dir.is_dir():
        raise ConfigError(f"There is no job in {job_dir}.")
    with owned(job_dir, patience=1.0):
        state = read_state(job_dir)
        if state.live:
            raise ConfigError("This job is running already.", "Wait for it, or cancel it first.")
        if state.status == states.DONE:
            raise ConfigError("This job is complete already.", "Start a new one.")
        attempt = prepare(job_dir).attempt
        take_ticket(job_dir)
    try:
        process = _spawn(job_dir, module)
    except OSError as error:
        _note_end(job_dir, attempt, JobError(f"No process could be started: {error}."), "failed")
        raise WorkspaceError(f"No process could be started: {error.strerror}.") from error
    threading.Thread(
        target=_reap, args=(process, job_dir, attempt), name=f"reap-{process.pid}", daemon=True
    ).start()
    return process.pid


def request_cancel(job_dir: Path) -> None:
    """Ask a job to stop at its next step; nothing happens if it has ended.

    Raises:
        ConfigError: There is no such job, or the caller may change nothing.
        WorkspaceError: The folder cannot be written.
    """
    require_change()
    if read_state(job_dir).live:
        with named_errors(job_dir):
            (job_dir / states.CANCEL_FILE).touch()


def terminate(job_dir: Path, *, grace_seconds: float = 5.0) -> bool:
    """End a job that does not react to a cancel request; its state becomes ``cancelled``.

    Its process group gets SIGTERM, and SIGKILL after ``grace_seconds``. A process that merely
    has the number of the former worker is left alone.

    Returns:
        Whether the job has ended.

    Raises:
        ConfigError: There is no such job, or the caller may change nothing.
        WorkspaceError: The folder cannot be written.
    """
    require_change()
    state = read_state(job_dir)
    stored = stored_state(job_dir)
    # Not what read_state says: a worker that hangs counts as interrupted and still runs.
    if stored is None or not stored.live:
        return not state.live
    state = stored
    with named_errors(job_dir):
        (job_dir / states.CANCEL_FILE).touch()
    for signal_number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        state = stored_state(job_dir) or state
        if is_running(state.process) is not True:
            break
        _signal(state, signal_number)
        deadline = time.monotonic() + seconds
        while is_running(state.process) and time.monotonic() < deadline:
            time.sleep(0.05)
    if state.process is None or is_running(state.process) is not False:
        # Not begun yet, or on another machine: the marker is all that can be done.
        return False
    _note_end(job_dir, state.attempt, None, states.CANCELLED)
    return True


def log_tail(job_dir: Path, characters: int = _LOG_TAIL) -> str:
    """The end of the job's log as plain text, empty if there is none.

    What a terminal would obey (colours, moves, rewritten lines) is left out, and so is what
    turns the direction of text around.
    """
    try:
        with (job_dir / states.LOG_FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            # A character has at most 4 bytes.
            file.seek(max(0, size - 4 * characters))
            text = file.read().decode("utf-8", "replace")[-characters:]
    except OSError:
        return ""
    lines = _ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")
    # A progress bar writes one line again and again: its last state counts.
    kept = (line.rstrip("\r").rpartition("\r")[2] for line in lines)
    return _CONTROLS.sub("", "\n".join(kept))


def _spawn(job_dir: Path, module: str) -> subprocess.Popen[bytes]:
    package_parent = str(Path(nncift_core.__file__).parent.parent)
    paths = [package_parent, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
    with (job_dir / states.LOG_FILE).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, str(job_dir)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def _reap(process: subprocess.Popen[bytes], job_dir: Path, attempt: int) -> None:
    """Wait for a worker and note down an end that it could not note down itself."""
    code = process.wait()
    with contextlib.suppress(WorkspaceError, ConfigError):
        if code < 0:
            name = signal.Signals(-code).name
            hint = "Resume it to go on from where it stopped."
            if name == "SIGKILL":
                hint = f"That often means that memory ran out. {hint}"
            problem = JobError(f"The job's process was ended by {name}.", hint)
            _note_end(job_dir, attempt, problem, states.INTERRUPTED)
        else:
            problem = JobError(
                f"The job's process ended with code {code} before the job did.",
                "The end of its log is in the details.",
                log_tail(job_dir),
            )
            _note_end(job_dir, attempt, problem, states.FAILED)


def _note_end(job_dir: Path, attempt: int, error: JobError | None, status: str) -> None:
    """Write a final status unless the job has one, or has been resumed since."""
    with owned(job_dir, patience=1.0):
        state = stored_state(job_dir)
        if state is None or state.attempt != attempt or not state.live:
            return
        if (job_dir / states.RESULT_FILE).is_file():
            status, error = states.DONE, None
        elif (job_dir / states.CANCEL_FILE).exists():
            status, error = states.CANCELLED, None
        ended = replace(state, status=status, error=error, rate=None, seconds_left=None, ahead=0)
        states.write_state(job_dir, ended)
        drop_tickets(job_dir)


def _signal(state: JobState, signal_number: int) -> None:
    process = state.process
    if process is None or mark_of(process.pid) != process:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        # A worker leads its own group; a command line shares one with its terminal.
        if os.getpgid(process.pid) == process.pid and process.pid != os.getpgrp():
            os.killpg(process.pid, signal_number)
        else:
            os.kill(process.pid, signal_number)
