"""Runs in words: what was set, how far it is, what may be done with it. Draws nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from nncift_core import jobs
from nncift_core.errors import NNCIFTError
from nncift_core.influence import METHODS
from nncift_core.jobs import JobState
from nncift_core.store import RunRecord, Workspace
from pages._ui.format import duration, number, percent, plain

_STAGES = {
    "embed": "Embed rows",
    "label": "Label",
    "read": "Read rows with the language model",
    "ensemble": "Compare members of an ensemble",
    "train": "Fit estimators",
    "compare": "Compare added rows with labelled ones",
    "predict": "Predict",
    "count": "Count tokens",
    "duplicates": "Find duplicates",
    "scale": "Scale influence",
    "select": "Select rows",
}
_STAGES_BY_UNIT = {("label", "gradients"): "Compute gradients"}
_COUNTED_STAGES = ("label", "predict")
"""Stages that are named with what they count."""
_STATES = {
    "queued": "waiting for its turn",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}
LIVE = ("queued", "running")
"""What a job calls itself while it works or waits to."""


def stage_words(stage: str, unit: str = "") -> str:
    """A stage as people read it, by what it counts where that is known: ``Label pairs``."""
    if (stage, unit) in _STAGES_BY_UNIT:
        return _STAGES_BY_UNIT[stage, unit]
    words = _STAGES.get(stage, stage.replace("-", " ").capitalize())
    return f"{words} {unit}" if unit and stage in _COUNTED_STAGES else words


def state_words(status: str) -> str:
    """A job's status as people read it."""
    return _STATES.get(status, status)


def method_title(name: str) -> str:
    """A method's title, or its name where it is not registered (any more)."""
    return METHODS[name].title if name in METHODS else name


def needs_of(name: str) -> frozenset[str]:
    """What a method needs, nothing where it is not registered (any more)."""
    return METHODS[name].needs if name in METHODS else frozenset()


def is_pointwise(name: str) -> bool:
    """Whether a method scores single rows instead of pairs."""
    return "pointwise" in needs_of(name)


def label_unit(name: str) -> str:
    """What the labelling of a method is counted in: ``pairs``, ``gradients`` or ``rows``."""
    if is_pointwise(name):
        return "rows"
    return "gradients" if "gradients" in needs_of(name) else "pairs"


def stages_of(config: Mapping[str, Any], *, extended: bool = False) -> dict[str, str]:
    """The stages of a run in their order, each with what it counts.

    Args:
        config: The run's settings, as they are recorded.
        extended: Whether the run extends another, so that it neither labels nor trains.
    """
    name = str(config.get("method", ""))
    pairs = "rows" if is_pointwise(name) else "pairs"
    # Records of older versions know no such setting and had no such stage.
    reads = "language-model" in needs_of(name) and (
        config.get("inputs") == "states"
        or (config.get("inputs") == "auto" and not is_pointwise(name))
    )
    reads = reads and config.get("network") not in ("paper", "cosine", "additive")
    read = {"read": "rows"} if reads else {}
    stages = {"embed": "rows", "label": label_unit(name), **read, "train": "fits"}
    if extended:
        stages = {"embed": "rows", **({} if config.get("exact") else {**read, "compare": "rows"})}
    elif config.get("exact"):
        # A function of the embeddings alone is computed where others are predicted.
        dropped = "embed" if "language-model" in needs_of(name) else "label"
        stages = {n: unit for n, unit in stages.items() if n not in ("read", "train", dropped)}
    # Records of older versions kept duplicates without a word.
    near = config.get("selection", {}).get("duplicates") in ("auto", "near")
    found = {"duplicates": "rows"} if near else {}
    return {**stages, "predict": pairs, **found, "select": "rows"}


def settings_words(run: RunRecord) -> str:
    """``DELIFT (SE), u = 5 %`` or ``DELIFT (SE), exact``, safe for markdown."""
    return plain(settings_text(run))


def settings_text(run: RunRecord) -> str:
    """The same for places that read no markdown."""
    config = run.config.get("config", {})
    title = method_title(str(config.get("method", "?")))
    longer = ", rows added" if is_extended(run) else ""
    if config.get("exact"):
        return f"{title}, exact{longer}"
    return f"{title}, u = {percent(config.get('label_fraction'))}{longer}"


def is_extended(run: RunRecord) -> bool:
    """Whether a run took over labels and network of another and added rows to its pool."""
    return run.config.get("extends") is not None


def run_status(workspace: Workspace, run: RunRecord) -> str:
    """The status of a run as its job says, the catalog's word where there is no job folder."""
    if run.status == "done":
        return run.status
    with contextlib.suppress(NNCIFTError):
        return jobs.read_state(workspace.run_dir(run.run_id)).status
    return run.status


def live_run(workspace: Workspace, runs: Iterable[RunRecord]) -> RunRecord | None:
    """The run that works, else one that waits, else None."""
    waiting = None
    for run in runs:
        # A killed run keeps the catalog's "running"; a resumed one may still be "failed" there.
        status = run_status(workspace, run)
        if status == "running":
            return run
        if status == "queued":
            waiting = run
    return waiting


def progress_words(job: JobState) -> str:
    """``Label pairs 61 %``, or what a queued job waits for."""
    if job.status == "queued":
        return f"waiting behind {job.ahead}" if job.ahead else "starting"
    stage = stage_words(job.stage, job.unit) if job.stage else "starting"
    return stage if job.share is None else f"{stage} {percent(round(job.share, 2))}"


def stage_line(job: JobState) -> str:
    """``610 of 1,000 pairs · 24 pairs/s · 8 min left``."""
    if not job.total:
        return "starting"
    parts = [f"{job.done:,} of {job.total:,} {job.unit}"]
    if job.rate and job.rate < 0.5:
        parts.append(f"{duration(1 / job.rate)} per {job.unit.removesuffix('s')}")
    elif job.rate:
        parts.append(f"{number(job.rate)} {job.unit}/s")
    if job.seconds_left is not None:
        parts.append(f"{duration(job.seconds_left)} left")
    return " · ".join(parts)
