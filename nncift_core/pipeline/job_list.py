"""The jobs of a workspace for people: what each is about, throwing one away, taking it back.

Knows folders, records and who reads what; how a job is done is the other modules' business.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nncift_core import jobs
from nncift_core.callers import require_change
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.files import read_json
from nncift_core.jobs import JobEntry
from nncift_core.store import ProjectRecord, RunRecord, Workspace


@dataclass(frozen=True)
class JobFacts:
    """A job and what it belongs to.

    Attributes:
        entry: The job.
        settings: Its ``RunConfig`` as it was written down, empty where it has none.
        run: The run that it is or belongs to, None for jobs of their own.
        project: The project of its data, None where there is none (any more).
    """

    entry: JobEntry
    settings: Mapping[str, Any]
    run: RunRecord | None
    project: ProjectRecord | None


def job_facts(workspace: Workspace, entries: Iterable[JobEntry]) -> list[JobFacts]:
    """What jobs are about, in two sessions of the catalog whatever their number."""
    entries = list(entries)
    if not entries:
        return []
    projects = {project.id: project for project in workspace.catalog.projects()}
    runs = {run.run_id: run for run in workspace.catalog.runs()}
    by_data = {
        (project.pool_id, project.target_id, project.target_sample): project
        for project in projects.values()
    }
    found = []
    for entry in entries:
        run = runs.get(entry.run_id or "")
        if run is not None:
            project = projects.get(run.project_id)
            found.append(JobFacts(entry, run.config.get("config", {}), run, project))
            continue
        content: Any = {}
        with contextlib.suppress(NNCIFTError):
            content = read_json(entry.folder / "config.json")
        if not isinstance(content, dict):
            content = {}
        data = (_id(content.get("train")), _id(content.get("target")))
        sample = content.get("target_sample")
        settings = content.get("config")
        found.append(
            JobFacts(
                entry,
                settings if isinstance(settings, dict) else {},
                None,
                by_data.get((data[0] or "", data[1], sample)),
            )
        )
    return found


def throw_away(workspace: Workspace, entry: JobEntry) -> str:
    """Move a job to the trash of the workspace.

    Returns:
        Its place, for ``take_back``.

    Raises:
        ConfigError: It works or waits, another job reads it, or it is a finished selection.
        WorkspaceError: Its folder cannot be moved.
    """
    require_change()
    _refuse_used(workspace, entry)
    if entry.kind == "run":
        workspace.trash_run(entry.folder.name)
        return entry.name
    if entry.kind == "select" and entry.state.status == "done":
        raise ConfigError(
            "This job made a selection, which has records of its own.",
            "Delete the selection on the page Select.",
        )
    return workspace.trash_folder(entry.folder)


def take_back(workspace: Workspace, name: str) -> None:
    """Restore what was thrown away, by its place or a run's id.

    Raises:
        ConfigError: It is not in the trash, or what it belongs to is not there.
        WorkspaceError: Its folder cannot be moved.
    """
    parts = name.split("/")
    run_id = parts[-1] if len(parts) == 1 or (len(parts) == 2 and parts[0] == "runs") else None
    if run_id is None:
        workspace.restore_folder(name)
        return
    if run_id not in {one.run.run_id for one in workspace.trashed_runs()}:
        raise ConfigError(f"There is no run {run_id!r} in the trash.", "See nncift jobs.")
    workspace.restore_run(run_id)


def _refuse_used(workspace: Workspace, entry: JobEntry) -> None:
    """Raises: ConfigError when the job, or one that reads its files, is at work."""
    for other in jobs.living_jobs(workspace.path):
        if other.name == entry.name:
            raise ConfigError("This job is at work or waits for its turn.", "Cancel it first.")
        if entry.kind == "run" and _reads(workspace, other, entry.folder.name):
            raise ConfigError(
                f"A job at work ({other.kind}) reads this run.", "Wait for it, or cancel it first."
            )


def _reads(workspace: Workspace, other: JobEntry, run_id: str) -> bool:
    if other.run_id == run_id:
        return True
    if other.kind != "run":
        return False
    with contextlib.suppress(NNCIFTError):
        return bool(read_json(other.folder / "config.json").get("extends") == run_id)
    return False


def _id(source: Any) -> str | None:
    return str(source["id"]) if isinstance(source, dict) and source.get("id") else None
