"""One working job per workspace: the others wait, the oldest first.

The right to work is a lock on ``jobs.lock`` that the kernel frees when its holder dies. The
order is that of the tickets in ``queue/``, named by the time a job was started; a ticket whose
job no longer lives is passed over and removed. Knows nothing of what jobs do.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from nncift_core.errors import WorkspaceError
from nncift_core.files import named_errors
from nncift_core.jobs.state import is_alive

QUEUE_FOLDER = "queue"
DEVICE_LOCK = "jobs.lock"
OWNER_LOCK = "owner.lock"

POLL_SECONDS = 0.25

FOLDERS = {"runs": "run", "pilots": "pilot", "plans": "plan", "studies": "study", "maps": "map"}
"""Folders of a workspace that hold jobs, each with the kind of its jobs."""

BELOW_RUNS = {
    "selections": "select",
    "audits": "audit",
    "checks": "spot-check",
    "maps": "map",
    "pushes": "push",
}
"""Likewise folders of a run."""


def workspace_of(job_dir: Path) -> Path:
    """The workspace of a job in ``runs/ID``, below a run or in a folder of its own kind.

    That is ``runs/ID/selections/ID`` and the like, or ``pilots/ID`` and the like.

    Raises:
        ValueError: The folder lies anywhere else.
    """
    folder = job_dir.absolute()
    if folder.parent.name in BELOW_RUNS and folder.parents[2].name == "runs":
        folder = folder.parent.parent
    if folder.parent.name not in FOLDERS:
        raise ValueError(f"{job_dir} is no job folder: it must lie in {'/, '.join(FOLDERS)}/")
    return folder.parent.parent


@contextlib.contextmanager
def owned(job_dir: Path, *, patience: float = 5.0) -> Iterator[None]:
    """Be the only process that changes this job.

    Raises:
        WorkspaceError: Another process works on it, or the folder cannot be written.
    """
    path = job_dir / OWNER_LOCK
    with _opened(path) as descriptor:
        deadline = time.monotonic() + patience
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise WorkspaceError(
                    f"Another process works on the job in {job_dir}.",
                    "Wait for it to end, or cancel it.",
                )
            time.sleep(0.02)
        yield


def take_ticket(job_dir: Path) -> Path:
    """A place at the end of the queue, in exchange for any older one. Raises: WorkspaceError."""
    folder = workspace_of(job_dir) / QUEUE_FOLDER
    with named_errors(folder):
        folder.mkdir(exist_ok=True)
        drop_tickets(job_dir)
        ticket = folder / f"{time.time_ns():020d}-{_key(job_dir)}"
        partial = ticket.with_name(f"{ticket.name}.partial")
        relative = job_dir.absolute().relative_to(workspace_of(job_dir))
        partial.write_text(relative.as_posix(), encoding="utf-8")
        partial.replace(ticket)
    return ticket


def drop_tickets(job_dir: Path) -> None:
    """Leave the queue."""
    for ticket in _own_tickets(job_dir):
        with contextlib.suppress(OSError):
            ticket.unlink()


@contextlib.contextmanager
def turn(job_dir: Path, waiting: Callable[[int], None]) -> Iterator[None]:
    """Wait for this job's turn and hold the device until the end.

    Args:
        job_dir: A job that lives by its state and heartbeat.
        waiting: Called several times a second with the number of jobs before this one; what
            it raises ends the waiting.

    Raises:
        WorkspaceError: The workspace cannot be written.
    """
    workspace = workspace_of(job_dir)
    ticket = next(iter(_own_tickets(job_dir)), None) or take_ticket(job_dir)
    try:
        with _opened(workspace / DEVICE_LOCK) as descriptor:
            while True:
                before = _living_before(workspace, ticket)
                if not before and _try_lock(descriptor):
                    break
                # One holds the device, the others wait before this one.
                waiting(before + 1)
                time.sleep(POLL_SECONDS)
            drop_tickets(job_dir)
            yield
    finally:
        drop_tickets(job_dir)


def queue_places(workspace: Path) -> dict[str, str]:
    """The tickets: for each job that took one, by its place in the workspace, what orders it."""
    places = {}
    with contextlib.suppress(OSError):
        for ticket in (workspace / QUEUE_FOLDER).iterdir():
            if ticket.suffix != ".partial":
                # One that leaves the queue at this moment is not in it.
                with contextlib.suppress(OSError):
                    places[ticket.read_text(encoding="utf-8")] = ticket.name
    return places


def _living_before(workspace: Path, own: Path) -> int:
    """How many jobs with an older ticket live. Removes tickets of those that do not."""
    living = 0
    for ticket in sorted((workspace / QUEUE_FOLDER).iterdir()):
        if ticket.name >= own.name or ticket.suffix == ".partial":
            continue
        try:
            alive = is_alive(workspace / ticket.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, WorkspaceError):
            alive = False
        if alive:
            living += 1
        else:
            with contextlib.suppress(OSError):
                ticket.unlink()
    return living


def _own_tickets(job_dir: Path) -> list[Path]:
    return sorted((workspace_of(job_dir) / QUEUE_FOLDER).glob(f"*-{_key(job_dir)}"))


def _key(job_dir: Path) -> str:
    relative = job_dir.absolute().relative_to(workspace_of(job_dir)).as_posix()
    return hashlib.sha256(relative.encode()).hexdigest()[:16]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    with named_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
