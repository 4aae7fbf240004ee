"""The flow of a run in one place: embed, label, train, predict, select.

Each stage leaves a file that exists only when it is complete, and is skipped when the file is
there: that is how a cancelled or killed run resumes. Only this package touches the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nncift_core.config import Budget
from nncift_core.datasets import find_self_pairs
from nncift_core.embeddings import embed_groups, open_encoder
from nncift_core.files import plain, read_json, save_array, write_json
from nncift_core.influence import METHODS
from nncift_core.influence.label import Labels, label
from nncift_core.influence.label_plan import plan_block
from nncift_core.network.predict import Predictor
from nncift_core.network.quadrants import measure_baselines, measure_quadrants
from nncift_core.network.reducers import Histogram, MemmapWriter, RowMean, stream
from nncift_core.network.summaries import ColumnMean, Range
from nncift_core.network.training import LabelScale, TrainedNetwork, predict_pairs, train
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.estimates import Estimates, make_method, read_estimates
from nncift_core.pipeline.roles import Roles, read_roles
from nncift_core.pipeline.selecting import select
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import SelectionRecord, Workspace
from nncift_core.types import FloatArray, Pairs

HISTOGRAM_BINS = 80


@dataclass(frozen=True)
class RunOutcome:
    """A finished run: its summary in the stable form of the command line's ``--json``."""

    summary: Mapping[str, Any]
    selection: SelectionRecord


def execute(workspace: Workspace, run_id: str, progress: Progress) -> RunOutcome:
    """Run all stages that are not done yet.

    Args:
        workspace: Where the run is recorded.
        run_id: The run, made by ``create_run``.
        progress: Told of each stage; also how the run is cancelled.

    Raises:
        NNCIFTError: Something the user can mend; finished stages are kept.
        Cancelled: As ``progress`` says.
    """
    files = RunFiles(workspace.run_dir(run_id))
    spec = RunSpec.read(files.config)
    roles = read_roles(workspace, spec)
    _check(spec, roles, progress)
    with files.timed("embed"):
        helpers, helped = _embed(workspace, spec, roles, progress)
    if not spec.config.exact:
        with files.timed("label"):
            labels = _label(workspace, run_id, spec, roles, files, progress)
        with files.timed("train"):
            _train(workspace, run_id, spec, labels, helpers, helped, files, progress)
    with files.timed("predict"):
        estimates = _predict(workspace, spec, roles, files, progress)
    with files.timed("select"):
        selection = _select(workspace, run_id, spec, roles, files, estimates, progress)
    summary = _summary(run_id, spec, roles, estimates, files, selection)
    write_json(files.result, summary)
    workspace.catalog.update_run(run_id, status="done", result=summary)
    return RunOutcome(summary, selection)


def write_predictions(workspace: Workspace, run_id: str, path: Path, progress: Progress) -> None:
    """Predicted influence of all pairs as ``.npy``: (n_train, n_target) float32.

    Original units, rows in input order. Labels do not stand in: these are the predictions.

    Raises:
        WorkspaceError: It cannot be written.
    """
    files = RunFiles(workspace.run_dir(run_id))
    spec = RunSpec.read(files.config)
    roles = read_roles(workspace, spec)
    estimates = read_estimates(workspace, spec, roles, files)
    progress.stage("write", len(roles.pool) * len(roles.target), "pairs")
    stream(estimates.raw, [MemmapWriter(path)], progress)


def _check(spec: RunSpec, roles: Roles, progress: Progress) -> None:
    """Fail early: everything that can be refused before the first second of work."""
    Budget(spec.config.budget).rows(len(roles.pool))
    if not spec.config.exact:
        plan_block(len(roles.pool), len(roles.target), spec.config.label_fraction, spec.config.seed)
    if roles.warning:
        progress.warn(roles.warning)
    needs = METHODS[spec.config.method].needs
    if "cosine-of-inputs" in needs and not spec.config.exact:
        progress.warn(
            "With this method influence is the cosine of the network's own inputs: --exact is "
            "cheaper and has no error. The network only reproduces the paper's setting."
        )


def _embed(
    workspace: Workspace, spec: RunSpec, roles: Roles, progress: Progress
) -> tuple[FloatArray, FloatArray]:
    # A sampled target is batched with its pool: together they are the same texts for any seed.
    sides = [roles.pool, roles.target, roles.existing]
    groups = [[*roles.pool, *roles.target], roles.existing] if spec.target is None else sides
    vectors = embed_groups(
        open_encoder(spec.config.encoder),
        [[row.text for row in group] for group in groups if group],
        workspace.embeddings_dir,
        progress,
    )
    if spec.target is None:
        return vectors[0][: len(roles.pool)], vectors[0][len(roles.pool) :]
    return vectors[0], vectors[1]


def _label(
    workspace: Workspace,
    run_id: str,
    spec: RunSpec,
    roles: Roles,
    files: RunFiles,
    progress: Progress,
) -> Labels:
    if files.labels.is_file():
        return Labels.load(files.labels)
    plan = plan_block(
        len(roles.pool), len(roles.target), spec.config.label_fraction, spec.config.seed
    )
    labels = label(make_method(workspace, spec), plan, roles.pool, roles.target, progress)
    pool_ids = np.array([row.id for row in roles.pool])
    target_ids = np.array([row.id for row in roles.target])
    for role, pairs in labels.by_role.items():
        with_ids = _LabelledIds(pool_ids[pairs.helper], target_ids[pairs.helped], pairs.value)
        workspace.catalog.add_labels(run_id, role, with_ids)
    labels.save(files.labels)
    return labels


@dataclass(frozen=True)
class _LabelledIds:
    helper: Any
    helped: Any
    value: FloatArray


def _train(
    workspace: Workspace,
    run_id: str,
    spec: RunSpec,
    labels: Labels,
    helpers: FloatArray,
    helped: FloatArray,
    files: RunFiles,
    progress: Progress,
) -> None:
    if files.quadrants.is_file():
        return
    seed = spec.config.seed
    # Known before the first epoch, so that a page can draw them beside the learning network.
    scale = LabelScale.of(labels.training)
    baselines = measure_baselines(labels.by_role, helpers, helped, scale)
    progress.point("baselines", baselines)
    trained = train(spec.config.network, helpers, helped, labels.by_role, seed, progress)
    predicted = {
        role: _predicted(trained, helpers, helped, pairs) for role, pairs in labels.by_role.items()
    }
    quadrants = measure_quadrants(labels.by_role, predicted, helpers, helped, trained.scale, seed)
    projected = trained.project(helpers, helped)
    save_array(files.projected_helpers, projected.helpers)
    save_array(files.projected_helped, projected.helped)
    trained.save(files.network)
    workspace.catalog.add_quadrant_metrics(run_id, plain(quadrants))
    write_json(files.quadrants, quadrants)


def _predicted(
    trained: TrainedNetwork, helpers: FloatArray, helped: FloatArray, pairs: Pairs
) -> FloatArray:
    return predict_pairs(
        trained.network, torch.from_numpy(helpers), torch.from_numpy(helped), pairs
    )


def _predict(
    workspace: Workspace, spec: RunSpec, roles: Roles, files: RunFiles, progress: Progress
) -> Estimates:
    estimates = read_estimates(workspace, spec, roles, files)
    if files.overview.is_file():
        return estimates
    self_pairs = find_self_pairs(roles.pool, roles.target)
    row_mean, column_mean, span = RowMean(*self_pairs), ColumnMean(*self_pairs), Range()
    # The histogram's range is fixed before the pass; what lies outside is counted at its ends.
    lo, hi = (
        (-1.0, 1.0)
        if estimates.scale is None
        else (
            estimates.scale.lo - 0.25 * estimates.scale.width,
            estimates.scale.hi + 0.25 * estimates.scale.width,
        )
    )
    histogram = Histogram(lo, hi, HISTOGRAM_BINS)
    progress.stage("predict", len(roles.pool) * len(roles.target), "pairs")
    if isinstance(estimates.raw, Predictor):
        estimates.raw.prepare(progress)
    stream(estimates.best, [row_mean, column_mean, span, histogram], progress)
    save_array(files.row_mean, row_mean.result().astype(np.float32))
    save_array(files.column_mean, column_mean.result().astype(np.float32))
    lowest, highest = span.result()
    overview = {"lowest": lowest, "highest": highest, "histogram": histogram.result()}
    write_json(files.overview, overview)
    return estimates


def _select(
    workspace: Workspace,
    run_id: str,
    spec: RunSpec,
    roles: Roles,
    files: RunFiles,
    estimates: Estimates,
    progress: Progress,
) -> SelectionRecord:
    first_id = f"{run_id}-s0"
    stored = [s for s in workspace.catalog.selections(run_id) if s.id == first_id]
    if stored:
        return stored[0]
    return select(workspace, run_id, first_id, spec, roles, files, estimates, progress)


def _summary(
    run_id: str,
    spec: RunSpec,
    roles: Roles,
    estimates: Estimates,
    files: RunFiles,
    selection: SelectionRecord,
) -> dict[str, Any]:
    labels = estimates.labels
    every_pair = len(roles.pool) * len(roles.target)
    quadrants = read_json(files.quadrants) if files.quadrants.is_file() else {}
    return {
        "run_id": run_id,
        "n_train": len(roles.pool),
        "n_target": len(roles.target),
        "labelled_pairs": every_pair if labels is None else len(labels.training),
        "evaluation_pairs": 0 if labels is None else labels.evaluation_pairs,
        "seconds": files.seconds(),
        "quadrants": {role: quadrants.get(role) for role in ("q1", "q2", "q3", "q4")},
        "selected": selection.row_count,
        "saturated_at": selection.meta["saturated_at"],
        "output": None,
    }
