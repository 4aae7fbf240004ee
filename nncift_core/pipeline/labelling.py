"""The label stage: true influence of the planned pairs or rows, or of all of them.

Finished parts are kept in the workspace under everything that they depend on, so that a resumed
run, another run of the same rows and a pilot share them. Knows how methods are built and which
matrices an objective needs; what the values are is the methods' business.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core import influence
from nncift_core.config import RunConfig
from nncift_core.errors import DataError
from nncift_core.files import json_text, read_json, save_array, write_json
from nncift_core.influence import METHODS
from nncift_core.influence.base import PairwiseInfluence, PointwiseInfluence, Rows
from nncift_core.influence.label import Labels, label, label_rows, pairwise_values, row_values
from nncift_core.influence.shards import (
    FolderShards,
    MemoryShards,
    PilotDone,
    Shards,
    digest,
)
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.planning import full_units, label_plan, labelled_matrices, needs_model
from nncift_core.pipeline.roles import Roles, read_roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.types import FloatArray

PILOT_SECONDS = 20.0
"""Seconds of labelling that tell the rate."""

LEAST_SECONDS = 0.5
"""A rate from less than this much work is not kept."""


@dataclass(frozen=True)
class Pilot:
    """How fast labels come.

    Attributes:
        unit: ``pairs``, ``gradients`` or ``rows``.
        rate: Units a second, None when everything was labelled before and no rate was kept.
        units_done: Units computed now; a run of the same rows will not compute them again.
        seconds: Seconds that they took.
    """

    unit: str
    rate: float | None
    units_done: int
    seconds: float


def make_method(workspace: Workspace, spec: RunSpec, roles: Roles) -> Any:
    """The run's influence function. Nothing is loaded before it is asked for a value."""
    config, entry = spec.config, METHODS[spec.config.method]
    options: dict[str, Any]
    if "language-model" in entry.needs:
        options = {"model": config.lm}
        if entry.settings:
            options["settings"] = getattr(config, entry.settings)
        if "gradients" in entry.needs:
            options |= {"pool": roles.pool, "seed": config.seed}
    else:
        options = {"encoder": config.encoder, "cache_root": workspace.embeddings_dir}
    return influence.create(config.method, **options)


def matrix_sides(roles: Roles) -> dict[str, tuple[Rows, Rows]]:
    """For each matrix the rows that help and the rows that are helped."""
    return {
        "target": (roles.pool, roles.target),
        "pool": (roles.pool, roles.pool),
        "existing": (roles.existing, roles.pool),
    }


def compute_labels(workspace: Workspace, spec: RunSpec, roles: Roles, progress: Progress) -> Labels:
    """The labels of a run.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: Finished shards are kept.
    """
    method = make_method(workspace, spec, roles)
    shards = _shards(workspace, spec, method, progress)
    try:
        return _planned(method, spec, roles, shards)
    finally:
        _finish(workspace, spec, method, shards, progress)


def compute_everything(
    workspace: Workspace, spec: RunSpec, roles: Roles, files: RunFiles, progress: Progress
) -> None:
    """The true influence of all pairs or rows of an exact run, as files of the run's folder.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: Finished shards are kept.
    """
    if files.influence.is_file():
        return
    _say_cost(_pilot(workspace, spec, roles, progress, PILOT_SECONDS), spec, roles, progress)
    method = make_method(workspace, spec, roles)
    shards = _shards(workspace, spec, method, progress)
    try:
        if isinstance(method, PointwiseInfluence):
            progress.stage("label", method.planned_units(len(roles.pool)), method.unit)
            values = row_values(method, roles.pool, shards)[:, None]
            save_array(files.influence, _without_gaps(values, progress))
            return
        sides = matrix_sides(roles)
        wanted = {name: sides[name] for name in labelled_matrices(spec.config)}
        progress.stage("label", method.planned_units(list(wanted.values())), method.unit)
        method.prepare(list(wanted.values()), shards)
        # X comes last: its file says that all are complete.
        for name in reversed(wanted):
            values = pairwise_values(method, *wanted[name], shards)
            save_array(files.exact_matrix(name), _without_gaps(values, progress))
    finally:
        _finish(workspace, spec, method, shards, progress)


def run_pilot(
    workspace: Workspace, spec: RunSpec, progress: Progress, seconds: float = PILOT_SECONDS
) -> Pilot:
    """Label until the rate is known; what was labelled is kept for the run.

    Args:
        workspace: Where labels are kept.
        spec: The run that the pilot is for.
        progress: Told of stage ``label``.
        seconds: Stop after the first shard that ends later than this.

    Raises:
        NNCIFTError: As the run's label stage would.
    """
    return _pilot(workspace, spec, read_roles(workspace, spec), progress, seconds)


def _pilot(
    workspace: Workspace, spec: RunSpec, roles: Roles, progress: Progress, seconds: float
) -> Pilot:
    method = make_method(workspace, spec, roles)
    shards = _shards(workspace, spec, method, progress, pilot_seconds=seconds)
    try:
        if spec.config.exact:
            _all(method, spec, roles, shards)
        else:
            _planned(method, spec, roles, shards)
    except PilotDone:
        pass
    finally:
        _finish(workspace, spec, method, shards, progress)
    units, spent = _computed(shards)
    return Pilot(method.unit, known_rate(workspace, spec.config), units, spent)


def known_rate(workspace: Workspace, config: RunConfig) -> float | None:
    """Units a second that labelling with this model and these settings did last, or None."""
    path = _rate_file(workspace, config)
    return float(read_json(path)["rate"]) if path.is_file() else None


def _planned(method: Any, spec: RunSpec, roles: Roles, shards: Shards) -> Labels:
    plan = label_plan(spec.config, len(roles.pool), len(roles.target), len(roles.existing))
    if isinstance(method, PointwiseInfluence):
        return label_rows(method, plan, roles.pool, shards)
    return label(method, plan, matrix_sides(roles), shards)


def _all(method: Any, spec: RunSpec, roles: Roles, shards: Shards) -> None:
    """Shards of everything, in the order of ``compute_everything``; values are thrown away."""
    if isinstance(method, PointwiseInfluence):
        shards.progress.stage("label", method.planned_units(len(roles.pool)), method.unit)
        row_values(method, roles.pool, shards)
        return
    assert isinstance(method, PairwiseInfluence)
    sides = matrix_sides(roles)
    wanted = [sides[name] for name in labelled_matrices(spec.config)]
    shards.progress.stage("label", method.planned_units(wanted), method.unit)
    method.prepare(wanted, shards)
    for helpers, helped in reversed(wanted):
        pairwise_values(method, helpers, helped, shards)


def _shards(
    workspace: Workspace,
    spec: RunSpec,
    method: Any,
    progress: Progress,
    pilot_seconds: float | None = None,
) -> Shards:
    """Files for what a language model computes, memory for what takes no time."""
    if not needs_model(spec.config):
        return MemoryShards(progress)
    folder = workspace.labels_dir / f"{spec.config.method}-{digest(method.identity)}"
    return FolderShards(folder, progress, pilot_seconds, before=lambda: method.open(progress))


def _finish(
    workspace: Workspace, spec: RunSpec, method: Any, shards: Shards, progress: Progress
) -> None:
    """Keep the rate, and tell the user what the method has to say."""
    for note in method.notes():
        progress.warn(note)
    units, seconds = _computed(shards)
    if seconds >= LEAST_SECONDS and units:
        write_json(
            _rate_file(workspace, spec.config), {"unit": method.unit, "rate": units / seconds}
        )


def _computed(shards: Shards) -> tuple[int, float]:
    if isinstance(shards, FolderShards):
        return shards.computed_units, shards.computed_seconds
    return 0, 0.0


def _rate_file(workspace: Workspace, config: RunConfig) -> Path:
    """Settings alone name it, so that a page can ask without loading a model."""
    settings = METHODS[config.method].settings
    group = asdict(getattr(config, settings)) if settings else {}
    key = digest(config.method, json_text(asdict(config.lm)), json_text(group))
    return workspace.labels_dir / f"rate-{key}.json"


def _without_gaps(values: FloatArray, progress: Progress) -> FloatArray:
    """Exact values with the lowest one where there is none, which is said."""
    gaps = np.isnan(values)
    if not gaps.any():
        return values
    if gaps.all():
        raise DataError(
            "The model could give no value at all.",
            "Its context may be too short for these rows: choose another model.",
        )
    progress.warn(
        f"{int(gaps.sum()):,} of {gaps.size:,} values could not be computed and count as the "
        "lowest one."
    )
    return np.where(gaps, np.nanmin(values), values).astype(np.float32)


def _say_cost(pilot: Pilot, spec: RunSpec, roles: Roles, progress: Progress) -> None:
    """What an exact run will cost, before it is done."""
    if pilot.rate is None:
        return
    units = full_units(spec.config, len(roles.pool), len(roles.target), len(roles.existing))
    hours = units / pilot.rate / 3600
    time = f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"
    progress.warn(
        f"Exact influence of all {units:,} {pilot.unit} takes about {time} at {pilot.rate:,.3g} "
        f"{pilot.unit} a second. Without --exact a share of them is enough."
    )
