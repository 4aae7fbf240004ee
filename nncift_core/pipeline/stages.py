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

from nncift_core.config import Budget
from nncift_core.datasets import find_self_pairs
from nncift_core.files import load_array, read_json, save_array, write_json
from nncift_core.influence import METHODS
from nncift_core.influence.label_blocks import ROLES
from nncift_core.network.predict import Predictor
from nncift_core.network.reducers import Histogram, MemmapWriter, Reducer, RowMean, stream
from nncift_core.network.summaries import BestGroupMean, ColumnMean, Range
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.demands import check_demands
from nncift_core.pipeline.embedding import embed_rows
from nncift_core.pipeline.estimates import Estimates, read_estimates
from nncift_core.pipeline.inheriting import (
    compare_added,
    embed_extended,
    extension_summary,
    project_rows,
    take_over,
)
from nncift_core.pipeline.inputs import network_inputs, uses_states
from nncift_core.pipeline.labelling import compute_everything
from nncift_core.pipeline.learning import label_run, train_network
from nncift_core.pipeline.planning import label_plan, needs_model
from nncift_core.pipeline.roles import Roles, read_roles
from nncift_core.pipeline.selecting import select
from nncift_core.pipeline.spec import RunSpec
from nncift_core.pipeline.view import RunView
from nncift_core.progress import Progress
from nncift_core.store import SelectionRecord, Workspace
from nncift_core.types import IndexArray

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
    exact_by_model = spec.config.exact and needs_model(spec.config)
    if spec.extends is not None:
        _inherit(workspace, run_id, spec, roles, files, progress)
    elif not exact_by_model:
        with files.timed("embed"):
            vectors = embed_rows(workspace, spec, roles, progress)
    if not spec.config.exact and spec.extends is None:
        with files.timed("label"):
            labels = label_run(workspace, run_id, spec, roles, vectors, files, progress)
        if not files.quadrants.is_file():
            # States are embeddings of another kind, and are counted with them.
            with files.timed("embed"):
                inputs = network_inputs(workspace, spec, roles, vectors, progress)
            with files.timed("train"):
                text = vectors.pool.shape[1]
                train_network(workspace, run_id, spec, labels, inputs, files, progress, text)
    elif exact_by_model:
        with files.timed("label"):
            compute_everything(workspace, spec, roles, files, progress)
    with files.timed("predict"):
        estimates = _predict(workspace, spec, roles, files, progress)
        if not METHODS[spec.config.method].pointwise:
            RunView(workspace, run_id, roles, estimates).draw_ahead(progress)
    with files.timed("select"):
        selection = _select(workspace, run_id, spec, roles, files, estimates, progress)
    summary = _summary(run_id, spec, roles, estimates, files, selection)
    if spec.extends is not None:
        summary["extension"] = extension_summary(workspace, spec, roles, files, selection.id)
    write_json(files.result, summary)
    workspace.catalog.update_run(run_id, status="done", result=summary)
    return RunOutcome(summary, selection)


def write_predictions(workspace: Workspace, run_id: str, path: Path, progress: Progress) -> None:
    """Predicted influence as ``.npy``: (n_train, n_target) float32, (n_train,) of a pointwise one.

    Original units, rows in input order. Labels do not stand in: these are the predictions.

    Raises:
        WorkspaceError: It cannot be written.
    """
    files = RunFiles(workspace.run_dir(run_id))
    spec = RunSpec.read(files.config)
    roles = read_roles(workspace, spec)
    estimates = read_estimates(workspace, spec, roles, files)
    progress.stage("write", *_values(spec, roles))
    if METHODS[spec.config.method].pointwise:
        save_array(path, estimates.raw.block(0, len(roles.pool))[:, 0])
        progress.advance(len(roles.pool))
        return
    stream(estimates.raw, [MemmapWriter(path)], progress)


def _check(spec: RunSpec, roles: Roles, progress: Progress) -> None:
    """Fail early: everything that can be refused before the first second of work."""
    check_demands(spec, roles, Budget(spec.config.budget).rows(len(roles.pool)))
    uses_states(spec.config)
    if not spec.config.exact and spec.extends is None:
        label_plan(spec.config, len(roles.pool), len(roles.target), len(roles.existing))
    if roles.warning:
        progress.warn(roles.warning)
    needs = METHODS[spec.config.method].needs
    if "cosine-of-inputs" in needs and not spec.config.exact:
        progress.warn(
            "With this method influence is the cosine of the network's own inputs: --exact is "
            "cheaper and has no error. The network only reproduces the paper's setting."
        )


def _inherit(
    workspace: Workspace,
    run_id: str,
    spec: RunSpec,
    roles: Roles,
    files: RunFiles,
    progress: Progress,
) -> None:
    """What a run that extends another does instead of labelling and training."""
    with files.timed("label"):
        take_over(workspace, run_id, spec, files)
    with files.timed("embed"):
        vectors = embed_extended(workspace, spec, roles, progress)
    if not spec.config.exact:
        with files.timed("train"):
            project_rows(workspace, spec, roles, vectors, files, progress)
            compare_added(spec, roles, vectors, files, progress)


def _values(spec: RunSpec, roles: Roles) -> tuple[int, str]:
    """How many values there are in all, and what they are of."""
    if METHODS[spec.config.method].pointwise:
        return len(roles.pool), "rows"
    return len(roles.pool) * len(roles.target), "pairs"


def _predict(
    workspace: Workspace, spec: RunSpec, roles: Roles, files: RunFiles, progress: Progress
) -> Estimates:
    estimates = read_estimates(workspace, spec, roles, files)
    if files.overview.is_file():
        return estimates
    entry = METHODS[spec.config.method]
    self_pairs = find_self_pairs(roles.pool, [] if entry.pointwise else roles.target)
    row_mean, column_mean, span = RowMean(*self_pairs), ColumnMean(*self_pairs), Range()
    # The histogram's range is fixed before the pass; what lies outside is counted at its ends.
    histogram = Histogram(*_histogram_range(estimates, files), HISTOGRAM_BINS)
    reducers: list[Reducer] = [row_mean, column_mean, span, histogram]
    best_subtask = None
    if "subtask-scores" in entry.needs:
        best_subtask = BestGroupMean(_subtask_groups(roles), *self_pairs)
        reducers.append(best_subtask)
    progress.stage("predict", *_values(spec, roles))
    if isinstance(estimates.raw, Predictor):
        estimates.raw.prepare(progress)
    stream(estimates.best, reducers, progress)
    if best_subtask is not None:
        save_array(files.row_scores, best_subtask.result().astype(np.float32))
    save_array(files.row_mean, row_mean.result().astype(np.float32))
    save_array(files.column_mean, column_mean.result().astype(np.float32))
    lowest, highest = span.result()
    overview = {"lowest": lowest, "highest": highest, "histogram": histogram.result()}
    write_json(files.overview, overview)
    return estimates


def _histogram_range(estimates: Estimates, files: RunFiles) -> tuple[float, float]:
    if estimates.scale is not None:
        margin = 0.25 * estimates.scale.width
        return estimates.scale.lo - margin, estimates.scale.hi + margin
    if files.influence.is_file():
        values = load_array(files.influence, memmap=True)
        lo, hi = float(values.min()), float(values.max())
        return (lo, hi) if hi > lo else (lo - 0.5, hi + 0.5)
    return -1.0, 1.0


def _subtask_groups(roles: Roles) -> IndexArray:
    """``(n_target,)`` a number for each subtask; rows without one share a number."""
    names = [row.subtask for row in roles.target]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], dtype=np.int64)


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
    quadrants = read_json(files.quadrants) if files.quadrants.is_file() else {}
    return {
        "run_id": run_id,
        "n_train": len(roles.pool),
        "n_target": len(roles.target),
        "labelled_pairs": _values(spec, roles)[0] if labels is None else labels.training_count,
        "evaluation_pairs": 0 if labels is None else labels.evaluation_pairs,
        "seconds": files.seconds(),
        "quadrants": {
            role: quadrants.get(role) for role in ROLES if role != "q1u" or quadrants.get(role)
        },
        "selected": selection.row_count,
        "saturated_at": selection.meta["saturated_at"],
        "output": None,
    }
