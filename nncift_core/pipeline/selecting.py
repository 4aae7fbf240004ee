"""Selection from a run's influence: the matrices an objective needs, the choice, its record.

Knows how to build X, W and E on one scale; the objectives themselves live in ``selection``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from nncift_core.config import Budget
from nncift_core.datasets import find_self_pairs
from nncift_core.errors import ConfigError
from nncift_core.files import load_array, read_json
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.estimates import Estimates
from nncift_core.pipeline.labelling import make_method, matrix_sides
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.selection import (
    OBJECTIVES,
    Matrices,
    SelectionResult,
    maximise,
    reasons,
    scale,
)
from nncift_core.store import SelectedRow, SelectionRecord, Workspace
from nncift_core.types import FloatArray, InfluenceSource

# Dense matrices may take this share of the machine's memory; the rest is for working copies.
MEMORY_SHARE = 0.6

_BLOCK_VALUES = 4_000_000


def select(
    workspace: Workspace,
    run_id: str,
    selection_id: str | None,
    spec: RunSpec,
    roles: Roles,
    files: RunFiles,
    estimates: Estimates,
    progress: Progress,
    *,
    name: str = "Run",
) -> SelectionRecord:
    """Choose rows by the objective and budget of ``spec`` and store the selection.

    Args:
        workspace: Where the selection is stored.
        run_id: The run whose influence is used.
        selection_id: Its id, None for a new one.
        spec: The run, with the objective and budget to use.
        roles: The run's rows.
        files: The run's artifacts.
        estimates: The run's influence.
        progress: Told of stage ``select`` in rows.
        name: What people call the selection.

    Raises:
        ConfigError: The budget is larger than the pool, or a matrix does not fit in memory.
        Cancelled: Between picks.
    """
    budget = Budget(spec.config.budget).rows(len(roles.pool))
    progress.stage("select", budget, "rows")
    matrices = build_matrices(workspace, spec, roles, files, estimates)
    row_ids = [row.id for row in roles.pool]
    result = maximise(spec.config.objective, matrices, budget, row_ids=row_ids, progress=progress)
    words = reasons(
        result,
        row_ids=row_ids,
        target_ids=[row.id for row in roles.target],
        subtasks=matrices.subtasks,
    )
    chosen = [
        SelectedRow(rank, row_ids[position], float(gain), int(round_), reason)
        for rank, (position, gain, round_, reason) in enumerate(
            zip(result.order, result.gain, result.round, words, strict=True), start=1
        )
    ]
    return workspace.catalog.add_selection(
        run_id,
        name,
        spec.config.objective,
        spec.config.budget,
        chosen,
        _meta(result, roles, estimates),
        selection_id=selection_id,
    )


def build_matrices(
    workspace: Workspace, spec: RunSpec, roles: Roles, files: RunFiles, estimates: Estimates
) -> Matrices:
    """X, W and E as far as the objective reads them, on the scale of X's training labels."""
    needs = OBJECTIVES[spec.config.objective].needs
    n_train, n_target, n_existing = len(roles.pool), len(roles.target), len(roles.existing)
    values = n_train * (
        n_target * ("target-matrix" in needs)
        + n_train * ("pool-matrix" in needs)
        + n_existing * ("existing-matrix" in needs)
    )
    _check_memory(spec.config.objective, values)
    row_mean = load_array(files.row_mean)
    lo, hi = _range(estimates, files)
    target = pool = existing = None
    if "target-matrix" in needs:
        target = _dense(estimates.best, lo, hi)
    if "pool-matrix" in needs:
        pool = _dense(_other(workspace, spec, roles, estimates, "pool"), lo, hi)
        # A row helps itself, and its exact copies, as much as anything helps anything.
        pool[find_self_pairs(roles.pool, roles.pool)] = pool.max()
    if "existing-matrix" in needs:
        existing = _dense(_other(workspace, spec, roles, estimates, "existing"), lo, hi)
    return Matrices(
        row_mean=row_mean,
        target=target,
        pool=pool,
        existing=existing,
        row_scores=load_array(files.row_scores) if files.row_scores.is_file() else row_mean,
        subtasks=[row.subtask for row in roles.target],
    )


def _other(
    workspace: Workspace, spec: RunSpec, roles: Roles, estimates: Estimates, matrix: str
) -> InfluenceSource:
    """W or E: what the run has of it, or true values where these cost no language model."""
    source = estimates.best_other(matrix)
    if source is not None:
        return source
    if needs_model(spec.config):
        raise ConfigError(
            f"This run did not label what objective {spec.config.objective!r} reads.",
            f"Start a run with --objective {spec.config.objective}.",
        )
    helpers, helped = matrix_sides(roles)[matrix]
    found: InfluenceSource = make_method(workspace, spec, roles).source(helpers, helped)
    return found


def _range(estimates: Estimates, files: RunFiles) -> tuple[float, float]:
    if estimates.scale is not None:
        return estimates.scale.lo, estimates.scale.hi
    overview = read_json(files.overview)
    return overview["lowest"], overview["highest"]


def _dense(source: InfluenceSource, lo: float, hi: float) -> FloatArray:
    dense = np.empty((source.n_train, source.n_target), dtype=np.float32)
    step = max(1, _BLOCK_VALUES // max(1, source.n_target))
    for start in range(0, source.n_train, step):
        stop = min(start + step, source.n_train)
        scale(source.block(start, stop), lo, hi, out=dense[start:stop])
    return dense


def _check_memory(objective: str, values: int) -> None:
    needed = values * 4
    usable = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * MEMORY_SHARE
    if needed > usable:
        raise ConfigError(
            f"Objective {objective!r} needs {needed / 1e9:,.1f} GB for its influence matrix; "
            f"{usable / 1e9:,.1f} GB may be used on this machine.",
            "Use --objective topk, a smaller pool, or a smaller target set.",
        )


def _meta(result: SelectionResult, roles: Roles, estimates: Estimates) -> Mapping[str, Any]:
    labelled = (
        np.unique(estimates.labels.everything.helper)
        if estimates.labels is not None
        else np.arange(len(roles.pool))
    )
    return {
        "value": result.value,
        "exact": result.exact,
        "saturated_at": result.saturated_at,
        "labelled_share_chosen": float(np.isin(result.order, labelled).mean()),
        "labelled_share_pool": len(labelled) / len(roles.pool),
    }
