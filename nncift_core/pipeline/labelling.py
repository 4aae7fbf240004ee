"""The label stage: true influence of the planned pairs or rows, or of all of them.

Finished parts are kept in the workspace under everything that they depend on, so that a resumed
run, another run of the same rows and a pilot share them. Knows how methods are built and which
matrices an objective needs; what the values are is the methods' business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nncift_core import influence
from nncift_core.errors import DataError
from nncift_core.files import save_array
from nncift_core.influence import METHODS
from nncift_core.influence.base import PairwiseInfluence, PointwiseInfluence, Rows
from nncift_core.influence.draws import Clusters
from nncift_core.influence.label import (
    Labels,
    label,
    label_block,
    label_rows,
    pairwise_values,
    row_values,
    together,
)
from nncift_core.influence.label_plan import LabelBlock, LabelPlan
from nncift_core.influence.shards import PilotDone, Shards
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.clusters import cluster_rows
from nncift_core.pipeline.embedding import embed_rows
from nncift_core.pipeline.label_shards import computed, finish, known_rate, open_shards
from nncift_core.pipeline.planning import (
    full_units,
    label_plan,
    labelled_matrices,
    needs_model,
    pair_cost,
)
from nncift_core.pipeline.roles import Roles, read_roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, Pairs

__all__ = [
    "PILOT_SECONDS",
    "Pilot",
    "compute_everything",
    "compute_labels",
    "compute_second_round",
    "finish",
    "known_rate",
    "label_more",
    "make_method",
    "matrix_sides",
    "open_shards",
    "plan_run",
    "run_pilot",
]

PILOT_SECONDS = 20.0
"""Seconds of labelling that tell the rate."""


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
            options |= {"pool": roles.original_pool, "seed": config.seed}
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


def plan_run(spec: RunSpec, roles: Roles, clusters: Clusters | None = None) -> LabelPlan:
    """What a run on these rows labels, before a second round.

    Args:
        spec: The run.
        roles: Its rows; their texts tell what a pair costs.
        clusters: Rows are drawn in proportion to these; None for plain draws.

    Raises:
        ConfigError: Too little would be trained on.
    """
    return label_plan(
        spec.config,
        len(roles.pool),
        len(roles.target),
        len(roles.existing),
        costs=pair_cost(spec.config, roles.pool, roles.target),
        clusters=clusters,
    )


def compute_labels(
    workspace: Workspace,
    spec: RunSpec,
    roles: Roles,
    progress: Progress,
    *,
    clusters: Clusters | None = None,
) -> Labels:
    """The labels of a run, before a second round.

    Args:
        workspace: Where labels are kept.
        spec: The run.
        roles: Its rows.
        progress: Told of stage ``label``.
        clusters: As for ``plan_run``.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: Finished shards are kept.
    """
    method = make_method(workspace, spec, roles)
    shards = open_shards(workspace, spec, method, progress)
    try:
        return _planned(method, plan_run(spec, roles, clusters), roles, shards)
    finally:
        finish(workspace, spec, method, shards, progress)


def compute_second_round(
    workspace: Workspace,
    spec: RunSpec,
    roles: Roles,
    labels: Labels,
    block: LabelBlock,
    progress: Progress,
) -> Labels:
    """The labels of a run with those of a second round behind its training labels.

    Args:
        workspace: Where labels are kept.
        spec: The run, of a pairwise method.
        roles: Its rows.
        labels: Those of the first round.
        block: What the second round labels, see ``second_round_plan``.
        progress: Told of stage ``label`` again.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: Finished shards are kept.
    """
    more, _, _ = label_more(workspace, spec, roles, block, progress)
    by_role = {**labels.by_role, block.role: together([labels.by_role[block.role], more])}
    return replace(labels, by_role=by_role)


def label_more(
    workspace: Workspace, spec: RunSpec, roles: Roles, block: LabelBlock, progress: Progress
) -> tuple[Pairs, str, int]:
    """True influence of pairs, or scores of rows, that no plan of the run holds.

    Args:
        workspace: Where labels are kept.
        spec: The run.
        roles: Its rows.
        block: Positions of the pairs of X.
        progress: Told of stage ``label``.

    Returns:
        The pairs that have a value, what labels are counted in, and how many were computed now.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: Finished shards are kept.
    """
    method = make_method(workspace, spec, roles)
    shards = open_shards(workspace, spec, method, progress)
    try:
        if isinstance(method, PointwiseInfluence):
            progress.stage("label", method.planned_units(len(block.helpers)), method.unit)
            values = row_values(method, [roles.pool[i] for i in block.helpers], shards)
            (known,) = np.nonzero(np.isfinite(values))
            none = np.zeros(len(known), dtype=np.int64)
            pairs = Pairs(block.helpers[known], none, values[known])
        else:
            pairs = label_block(method, block, matrix_sides(roles), shards)
        units = computed(shards)[0] if needs_model(spec.config) else block.n_pairs
        return pairs, method.unit, units
    finally:
        finish(workspace, spec, method, shards, progress)


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
    shards = open_shards(workspace, spec, method, progress)
    try:
        for name, values in _everything(method, spec, roles, shards):
            save_array(files.exact_matrix(name), _without_gaps(values, progress))
    finally:
        finish(workspace, spec, method, shards, progress)


def run_pilot(
    workspace: Workspace, spec: RunSpec, progress: Progress, seconds: float = PILOT_SECONDS
) -> Pilot:
    """Label until the rate is known; what was labelled is kept for the run.

    Rows are embedded before, as the run would, since its draws follow the embeddings' clusters.

    Args:
        workspace: Where labels are kept.
        spec: The run that the pilot is for.
        progress: Told of stages ``embed`` and ``label``.
        seconds: Stop after the first shard that ends later than this.

    Raises:
        NNCIFTError: As the run's label stage would.
    """
    return _pilot(workspace, spec, read_roles(workspace, spec), progress, seconds)


def _pilot(
    workspace: Workspace, spec: RunSpec, roles: Roles, progress: Progress, seconds: float
) -> Pilot:
    method = make_method(workspace, spec, roles)
    shards = open_shards(workspace, spec, method, progress, pilot_seconds=seconds)
    plan = None
    if not spec.config.exact:
        clusters = cluster_rows(embed_rows(workspace, spec, roles, progress))
        plan = plan_run(spec, roles, clusters)
    try:
        if plan is not None:
            _planned(method, plan, roles, shards)
        else:
            for _ in _everything(method, spec, roles, shards):
                pass
    except PilotDone:
        pass
    finally:
        finish(workspace, spec, method, shards, progress)
    units, spent = computed(shards)
    return Pilot(method.unit, known_rate(workspace, spec.config), units, spent)


def _planned(method: Any, plan: LabelPlan, roles: Roles, shards: Shards) -> Labels:
    if isinstance(method, PointwiseInfluence):
        return label_rows(method, plan, roles.pool, shards)
    return label(method, plan, matrix_sides(roles), shards)


def _everything(
    method: Any, spec: RunSpec, roles: Roles, shards: Shards
) -> Iterator[tuple[str, FloatArray]]:
    """True influence of all pairs or rows, matrix by matrix; X comes last.

    The file of X then says that all are complete. A pointwise function has one column.
    """
    if isinstance(method, PointwiseInfluence):
        shards.progress.stage("label", method.planned_units(len(roles.pool)), method.unit)
        yield "target", row_values(method, roles.pool, shards)[:, None]
        return
    assert isinstance(method, PairwiseInfluence)
    sides = matrix_sides(roles)
    wanted = {name: sides[name] for name in labelled_matrices(spec.config)}
    blocks = list(wanted.values())
    shards.progress.stage("label", method.planned_units(blocks), method.unit)
    method.prepare(blocks, shards)
    for name in reversed(wanted):
        yield name, pairwise_values(method, *wanted[name], shards)


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
