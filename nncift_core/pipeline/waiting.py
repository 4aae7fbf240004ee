"""What works or waits in a workspace, and about how long that takes: what a new job waits behind.

Knows job folders and estimates; nothing of how a queue hands out turns.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nncift_core import jobs
from nncift_core.errors import NNCIFTError
from nncift_core.jobs import JobState
from nncift_core.pipeline.cost import estimate_cost
from nncift_core.pipeline.spec import RunSpec
from nncift_core.store import Workspace


@dataclass(frozen=True)
class Waiting:
    """Jobs that are before a new one.

    Attributes:
        count: How many work or wait.
        seconds: About how long they take from now, as far as that is known.
        complete: Whether that is known of all of them.
    """

    count: int
    seconds: float
    complete: bool


def jobs_before(workspace: Workspace, own: Path | None = None) -> Waiting:
    """What a job that is started now, or one that waits already, waits behind.

    Args:
        workspace: Where it would work.
        own: A job that waits: only what comes before it counts. None for a new one.
    """
    before = []
    for entry in jobs.living_jobs(workspace.path):
        if entry.folder == own:
            break
        before.append(_seconds_left(workspace, entry.folder, entry.state))
    known = [seconds for seconds in before if seconds is not None]
    return Waiting(len(before), sum(known), len(known) == len(before))


def _seconds_left(workspace: Workspace, folder: Path, state: JobState) -> float | None:
    """About how long a job goes on; None where nothing tells."""
    whole = _whole_run(workspace, folder)
    if state.status == "queued":
        return whole
    spent = time.time() - state.started_at if state.started_at is not None else 0.0
    if whole is not None:
        # A run that takes longer than it was thought to goes on for its stage at least.
        return max(whole - spent, state.seconds_left or 0.0)
    return state.seconds_left


def _whole_run(workspace: Workspace, folder: Path) -> float | None:
    """How long a run takes as a whole, where the rate of its labels is known."""
    if folder.parent.name != "runs":
        return None
    with suppress(NNCIFTError, KeyError):
        spec = RunSpec.read(folder / "config.json")
        n_train = _rows(workspace, spec.train.id) - (spec.target_sample or 0)
        n_target = _rows(workspace, spec.target.id) if spec.target else spec.target_sample or 0
        existing = _rows(workspace, spec.existing.id) if spec.existing else 0
        cost = estimate_cost(workspace, spec.config, n_train, n_target, existing)
        return cost.seconds if cost.label_seconds is not None else None
    return None


def _rows(workspace: Workspace, dataset_id: str) -> int:
    return workspace.catalog.dataset(dataset_id).accepted
