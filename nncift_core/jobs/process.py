"""Which process does a job, told apart from a later one that was given the same number.

Uses ``/proc``; where there is none, or the process belongs to another machine or container,
nothing is claimed and the heartbeat alone decides.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_ENDED = {"Z", "X"}


@dataclass(frozen=True)
class ProcessMark:
    """A process: its number, when it started (in clock ticks since boot), and on which host."""

    pid: int
    started: int
    host: str


def mark_of(pid: int) -> ProcessMark | None:
    """The mark of a running process, None where it cannot be made."""
    status = _status(pid)
    host = _host()
    return None if status is None or host is None else ProcessMark(pid, status[1], host)


def is_running(mark: ProcessMark | None) -> bool | None:
    """Whether that very process runs (an ended child that nobody reaped does not).

    None: it cannot be told from here.
    """
    if mark is None or mark.host != _host():
        return None
    status = _status(mark.pid)
    return status is not None and status[0] not in _ENDED and status[1] == mark.started


def _status(pid: int) -> tuple[str, int] | None:
    """State letter and start time of a process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name before it may hold spaces and brackets.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _host() -> str | None:
    """This boot of this machine and this namespace of process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 (not a path)
    except OSError:
        return None
