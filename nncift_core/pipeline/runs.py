"""Runs, later selections and pilots as jobs: made here, worked on by worker or command line."""

from __future__ import annotations

import contextlib
import importlib
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nncift_core import jobs
from nncift_core.callers import require_change
from nncift_core.config import Budget
from nncift_core.errors import ConfigError, NNCIFTError, WorkspaceError
from nncift_core.files import json_text, named_errors, write_json
from nncift_core.influence import METHODS
from nncift_core.influence.shards import digest
from nncift_core.jobs.queue import workspace_of
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.demands import check_demands
from nncift_core.pipeline.estimates import read_estimates
from nncift_core.pipeline.labelling import run_pilot
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.roles import read_roles
from nncift_core.pipeline.selecting import select
from nncift_core.pipeline.spec import RunSpec, check_words, for_selection
from nncift_core.progress import Progress
from nncift_core.selection import OBJECTIVES
from nncift_core.selection.use_cases import objective_for
from nncift_core.selection_config import FORMER, SelectionConfig
from nncift_core.store import SelectionRecord, Workspace

_OTHER_KINDS = {
    "study": "nncift_core.pipeline.studies:work_on",
    "audit": "nncift_core.pipeline.audits:work_on",
    "spot-check": "nncift_core.pipeline.spot_checks:work_on",
    "plan": "nncift_core.pipeline.plans:work_on",
    "map": "nncift_core.pipeline.maps:work_on",
    "push": "nncift_core.pipeline.pushing:work_on",
}
"""Kinds of jobs besides runs, selections and pilots: who does them, writes the result, gives it."""


def create_run(workspace: Workspace, project_id: str, spec: RunSpec) -> str:
    """Record a run and make its folder; nothing is computed yet.

    Returns:
        The run's id.
    """
    run_id = workspace.new_run_id()
    folder = workspace.run_dir(run_id)
    jobs.create(folder, {"kind": "run", "run_id": run_id})
    spec.write(folder, run_id)
    workspace.catalog.add_run(run_id, project_id, spec.as_json())
    return run_id


def create_selection(
    workspace: Workspace,
    run_id: str,
    objective: str,
    budget: str,
    name: str,
    settings: SelectionConfig | None = None,
    *,
    seed: int | None = None,
) -> str:
    """Record a later selection from a finished run; nothing is computed yet.

    Args:
        workspace: Where the run is.
        run_id: The run.
        objective: A name of ``OBJECTIVES``; empty for the one that the use case means.
        budget: A share of the pool or a row count.
        name: What people call the selection.
        settings: What it must obey, None for what the run had to.
        seed: Of the optimizer's draws, None for the run's.

    Returns:
        The selection's id.

    Raises:
        ConfigError: The objective, budget or settings cannot be used, or the run has not finished.
    """
    files = RunFiles(workspace.run_dir(run_id))
    if not files.result.is_file():
        raise ConfigError(
            f"Run {run_id} has not finished, so nothing can be selected from it.",
            "Wait for it, or resume it.",
        )
    config = RunSpec.read(files.config).config
    settings = config.selection if settings is None else settings
    objective = objective_for(settings.use_case, METHODS[config.method], objective)
    OBJECTIVES[objective]
    Budget(budget)
    check_words(settings)
    selection_id = workspace.new_run_id()
    jobs.create(
        workspace.selection_dir(run_id, selection_id),
        {
            "kind": "select",
            "run_id": run_id,
            "selection_id": selection_id,
            "objective": objective,
            "budget": budget,
            "name": name,
            "settings": asdict(settings),
            "seed": config.seed if seed is None else seed,
        },
    )
    return selection_id


def pilot_folder(workspace: Workspace, spec: RunSpec) -> Path:
    """The job folder of the pilot for a run of this data and these settings; need not exist."""
    # Budget, network and selection change nothing of what labels cost.
    config = replace(
        spec.config, budget="0.3", network="paper", encoder="", selection=SelectionConfig()
    )
    settings = json_text(asdict(replace(spec, config=config)))
    return workspace.pilots_dir / digest(settings)


def create_pilot(workspace: Workspace, spec: RunSpec) -> Path:
    """Record a pilot, which labels for some seconds to tell the rate; nothing is computed yet.

    What it labels is kept, and a run of the same rows and settings does not compute it again.

    Returns:
        Its job folder. An earlier pilot of the same run is replaced unless it is at work.

    Raises:
        ConfigError: The method's labels cost no language model.
    """
    if not needs_model(spec.config):
        raise ConfigError(
            f"Labels of method {spec.config.method!r} take no time worth measuring.",
            "Start the run.",
        )
    folder = pilot_folder(workspace, spec)
    if folder.is_dir() and not jobs.read_state(folder).live:
        require_change()
        with named_errors(folder):
            shutil.rmtree(folder)
    if not folder.is_dir():
        jobs.create(folder, {"kind": "pilot"})
        spec.write(folder, folder.name)
    return folder


@dataclass(frozen=True)
class PendingSelection:
    """A later selection that is not stored: it waits, works, or ended without a result."""

    id: str
    name: str
    objective: str
    budget: str
    folder: Path
    state: jobs.JobState


def pending_selections(workspace: Workspace, run_id: str) -> list[PendingSelection]:
    """The later selections of a run that are not in the catalog, the oldest first."""
    parent = workspace.run_dir(run_id) / "selections"
    if not parent.is_dir():
        return []
    stored = {record.id for record in workspace.catalog.selections(run_id)}
    pending = []
    for folder in sorted(parent.iterdir()):
        if folder.name in stored:
            continue
        # A folder that is being made or removed at this moment is not there for anybody.
        with contextlib.suppress(NNCIFTError, KeyError):
            job = jobs.read_job(folder)
            pending.append(
                PendingSelection(
                    folder.name,
                    str(job["name"]),
                    str(job["objective"]),
                    str(job["budget"]),
                    folder,
                    jobs.read_state(folder),
                )
            )
    return pending


def discard_selection(workspace: Workspace, run_id: str, selection_id: str) -> None:
    """Remove the folder of a later selection that ended without a result.

    Raises:
        ConfigError: It is stored, or something still works on it.
        WorkspaceError: It cannot be removed.
    """
    folder = workspace.selection_dir(run_id, selection_id)
    if any(record.id == selection_id for record in workspace.catalog.selections(run_id)):
        raise ConfigError(
            f"Selection {selection_id} is complete.", "Delete it instead of discarding it."
        )
    require_change()
    if jobs.read_state(folder).live:
        raise ConfigError(f"Selection {selection_id} is being made.", "Cancel it first.")
    with named_errors(folder):
        shutil.rmtree(folder)


def work(job_dir: Path, echo: Progress | None = None) -> Any:
    """Do the job of a folder, waiting for its turn; the folder says how it went.

    Raises:
        NNCIFTError: The job failed for a reason the user can mend, or was cancelled.
    """
    job = jobs.read_job(job_dir)
    workspace = Workspace.open(_workspace_of(job_dir))
    if job.get("kind") == "run":
        run_id = str(job["run_id"])
        workspace.catalog.update_run(run_id, status="running")
        try:
            with jobs.running(job_dir, echo=echo) as progress:
                # Here, since training brings in torch; pages ask only for pending jobs.
                from nncift_core.pipeline.stages import execute

                return execute(workspace, run_id, progress)
        except BaseException:
            # The catalog's word for pages that list many runs; the job's own state says more.
            with contextlib.suppress(NNCIFTError):
                workspace.catalog.update_run(run_id, status=jobs.read_state(job_dir).status)
            raise
    if job.get("kind") == "select":
        with jobs.running(job_dir, echo=echo) as progress:
            return _select_again(workspace, job_dir, job, progress)
    if job.get("kind") == "pilot":
        with jobs.running(job_dir, echo=echo) as progress:
            spec = RunSpec.read(job_dir / "config.json")
            pilot = run_pilot(workspace, spec, progress)
            write_json(job_dir / "result.json", asdict(pilot))
            return pilot
    if job.get("kind") in _OTHER_KINDS:
        module, name = _OTHER_KINDS[str(job["kind"])].split(":")
        with jobs.running(job_dir, echo=echo) as progress:
            return getattr(importlib.import_module(module), name)(workspace, job_dir, job, progress)
    raise WorkspaceError(f"{job_dir} holds a job of unknown kind {job.get('kind')!r}.")


def _select_again(
    workspace: Workspace, job_dir: Path, job: dict[str, Any], progress: Progress
) -> SelectionRecord:
    run_id = str(job["run_id"])
    files = RunFiles(workspace.run_dir(run_id))
    spec = for_selection(
        RunSpec.read(files.config),
        str(job["objective"]),
        str(job["budget"]),
        # Jobs of older versions do what they did.
        SelectionConfig(**job.get("settings", FORMER)),
    )
    roles = read_roles(workspace, spec)
    check_demands(spec, roles, Budget(spec.config.budget).rows(len(roles.pool)))
    estimates = read_estimates(workspace, spec, roles, files)
    record = select(
        workspace,
        run_id,
        str(job["selection_id"]),
        spec,
        roles,
        files,
        estimates,
        progress,
        name=str(job["name"]),
        seed=job.get("seed"),
    )
    write_json(job_dir / "result.json", asdict(record))
    return record


def _workspace_of(job_dir: Path) -> Path:
    """The workspace that a job's folder lies in. Raises: WorkspaceError."""
    try:
        return workspace_of(job_dir)
    except ValueError as error:
        raise WorkspaceError(
            f"{job_dir} lies in no workspace.", "Give a folder below runs/."
        ) from error
