"""All jobs of a workspace: those that work or wait, in their order, and those that ended.

Told by folders and states alone, without the catalog. Knows nothing of what jobs do.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.jobs import state as states
from nncift_core.jobs.queue import BELOW_RUNS, FOLDERS, queue_places
from nncift_core.jobs.state import JobState, read_state

FRESH_SECONDS = 60.0
"""A job whose heartbeat is older does not live, and its state need not be read to know that."""

_PART = re.compile(r"[A-Za-z0-9_-]+")
_NAME = re.compile(r"[a-z]+/[A-Za-z0-9_-]+(?:/[a-z]+/[A-Za-z0-9_-]+)?")


@dataclass(frozen=True)
class JobEntry:
    """A job as a list shows it.

    Attributes:
        name: Its place in the workspace, ``runs/ID`` or ``runs/ID/audits/ID``.
        folder: Its folder.
        state: How far it is.
    """

    name: str
    folder: Path
    state: JobState

    @property
    def kind(self) -> str:
        """What the job is: run, select, pilot, plan, study, audit, spot-check or map."""
        parts = self.name.split("/")
        return BELOW_RUNS[parts[2]] if len(parts) == 4 else FOLDERS[parts[0]]

    @property
    def run_id(self) -> str | None:
        """The run that it is, or belongs to; None for jobs of their own."""
        parts = self.name.split("/")
        return parts[1] if parts[0] == "runs" else None


def living_jobs(workspace: Path) -> list[JobEntry]:
    """The job that works, then those that wait in the order in which they come up."""
    now = time.time()
    found = []
    for name, folder in _folders(workspace):
        # Most jobs ended long ago: one look at the file's time, and nothing is read.
        with contextlib.suppress(OSError, ConfigError, WorkspaceError):
            if now - (folder / states.HEARTBEAT_FILE).stat().st_mtime < FRESH_SECONDS:
                state = read_state(folder)
                if state.live:
                    found.append(JobEntry(name, folder, state))
    places = queue_places(workspace)

    def order(entry: JobEntry) -> tuple[bool, str, float]:
        # A job without a ticket came a moment ago.
        return (
            entry.state.status != states.RUNNING,
            places.get(entry.name, "~"),
            entry.state.created_at,
        )

    return sorted(found, key=order)


def ended_jobs(workspace: Path) -> list[JobEntry]:
    """Jobs on which nothing works, the one that ended last first; not those never started."""
    found = []
    for name, folder in _folders(workspace):
        with contextlib.suppress(ConfigError, WorkspaceError):
            if (folder / states.STATE_FILE).is_file():
                state = read_state(folder)
                if not state.live:
                    found.append(JobEntry(name, folder, state))
    return sorted(found, key=lambda entry: entry.state.updated_at, reverse=True)


def job_at(workspace: Path, name: str) -> JobEntry:
    """A job by its place in the workspace, or a run by its id.

    Raises:
        ConfigError: There is no such job.
    """
    name = name if "/" in name else f"runs/{name}"
    parts = name.split("/")
    known = (
        _NAME.fullmatch(name) is not None
        and parts[0] in FOLDERS
        and (len(parts) == 2 or (parts[0] == "runs" and parts[2] in BELOW_RUNS))
    )
    folder = workspace / name
    if not known or not folder.is_dir():
        raise ConfigError(f"There is no job {name.removeprefix('runs/')!r}.", "See nncift jobs.")
    return JobEntry(name, folder, read_state(folder))


def _folders(workspace: Path) -> Iterator[tuple[str, Path]]:
    """Every job folder with its place in the workspace."""
    for place in FOLDERS:
        for name in _names(workspace / place):
            folder = workspace / place / name
            yield f"{place}/{name}", folder
            if place == "runs":
                for below in BELOW_RUNS.keys() & _names(folder):
                    for inner in _names(folder / below):
                        yield f"runs/{name}/{below}/{inner}", folder / below / inner


def _names(folder: Path) -> set[str]:
    """What lies in a folder and could be a job; nothing where the folder is not."""
    try:
        return {name for name in os.listdir(folder) if _PART.fullmatch(name)}  # noqa: PTH208 (fast)
    except OSError:
        return set()
