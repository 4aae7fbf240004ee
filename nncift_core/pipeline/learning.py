"""Embeddings, labels and the network of a run: the stages that lead up to predictions.

Each leaves its files and is skipped when they are there. Rows of W and E stand behind those of X,
so that one network learns from all matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nncift_core.files import plain, save_array, write_json
from nncift_core.influence import METHODS
from nncift_core.influence.draws import Clusters
from nncift_core.influence.label import Labels, together
from nncift_core.influence.second_round import second_round_plan
from nncift_core.network.conformal import calibrate_run
from nncift_core.network.disagreement import Disagreement
from nncift_core.network.fitting import Fitted, chosen_of, fit
from nncift_core.network.quadrants import QuadrantMetrics, measure_baselines, measure_quadrants
from nncift_core.network.scale import LabelScale
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.clusters import cluster_rows
from nncift_core.pipeline.embedding import Vectors
from nncift_core.pipeline.inputs import network_inputs
from nncift_core.pipeline.labelling import (
    compute_labels,
    compute_second_round,
    matrix_sides,
    plan_run,
)
from nncift_core.pipeline.planning import pair_cost, second_round_pairs
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, Pairs


def label_run(
    workspace: Workspace,
    run_id: str,
    spec: RunSpec,
    roles: Roles,
    vectors: Vectors,
    files: RunFiles,
    progress: Progress,
) -> Labels:
    """The labels of a run, recorded in the catalog and in its folder.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: Finished parts are kept.
    """
    if files.labels.is_file():
        return Labels.load(files.labels)
    clusters = cluster_rows(vectors)
    labels = compute_labels(workspace, spec, roles, progress, clusters=clusters)
    if spec.config.second_round:
        labels = _second_round(workspace, spec, roles, labels, vectors, clusters, progress)
    for matrix, (helpers, helped) in matrix_sides(roles).items():
        by_role = labels.by_role if matrix == "target" else labels.others.get(matrix, {})
        helper_ids = np.array([row.id for row in helpers])
        # A pointwise label belongs to one row.
        pointwise = METHODS[spec.config.method].pointwise
        helped_ids = np.array([""] if pointwise else [row.id for row in helped])
        for role, pairs in by_role.items():
            with_ids = _LabelledIds(helper_ids[pairs.helper], helped_ids[pairs.helped], pairs.value)
            workspace.catalog.add_labels(run_id, _quadrant(matrix, role), with_ids)
    labels.save(files.labels)
    return labels


def _second_round(
    workspace: Workspace,
    spec: RunSpec,
    roles: Roles,
    labels: Labels,
    vectors: Vectors,
    clusters: Clusters,
    progress: Progress,
) -> Labels:
    """More labels, where an ensemble that is fitted to the first ones disagrees most."""
    costs = pair_cost(spec.config, roles.pool, roles.target)
    n_pairs = second_round_pairs(spec.config, len(roles.pool), len(roles.target), costs=costs)
    inputs = network_inputs(workspace, spec, roles, vectors, progress)
    seed, text = spec.config.seed, vectors.pool.shape[1]
    doubt = Disagreement.of(labels.training, inputs.pool, inputs.target, text, seed, progress)
    block = second_round_plan(plan_run(spec, roles, clusters), doubt, n_pairs, seed)
    if block is None:
        return labels
    return compute_second_round(workspace, spec, roles, labels, block, progress)


def _quadrant(matrix: str, role: str) -> str:
    """``q1`` of X, ``pool-q1`` of W."""
    return role if matrix == "target" else f"{matrix}-{role}"


@dataclass(frozen=True)
class _LabelledIds:
    helper: Any
    helped: Any
    value: FloatArray


def train_network(
    workspace: Workspace,
    run_id: str,
    spec: RunSpec,
    labels: Labels,
    vectors: Vectors,
    files: RunFiles,
    progress: Progress,
    text: int,
) -> None:
    """Fit the estimator, measure its quadrants and project all rows. Raises: Cancelled.

    Args:
        workspace: Where the run is recorded.
        run_id: The run.
        spec: Its settings.
        labels: What it learns from and is measured with.
        vectors: What the estimator sees: embeddings, or states beside them.
        files: The run's folder.
        progress: Told of stage ``train``.
        text: Leading columns of the inputs that are the sentence embedding.
    """
    if files.quadrants.is_file():
        return
    seed = spec.config.seed
    helpers, helped, others = _training_sides(spec, labels, vectors)
    # Baselines are about embeddings, whatever else the estimator sees.
    embedded = helpers[:, :text], helped[:, :text]
    # Known before the first epoch, so that a page can draw them beside the learning network.
    scale = LabelScale.of(labels.training)
    baselines = measure_baselines(labels.by_role, *embedded, scale)
    progress.point("baselines", baselines)
    more = [roles["q1"] for roles in others.values()]
    fitted = fit(
        spec.config.network,
        helpers,
        helped,
        labels.by_role,
        seed,
        progress,
        more=together(more) if more else None,
        shape=(len(vectors.pool), 1 if helped.shape[1] == 0 else len(vectors.target)),
        text=text,
    )
    _say_choice(fitted, progress)
    quadrants: dict[str, QuadrantMetrics | None] = {}
    for matrix, by_role in {"target": labels.by_role, **others}.items():
        predicted = {
            role: fitted.predict(helpers, helped, pairs) for role, pairs in by_role.items()
        }
        if matrix == "target":
            in_units = {
                role: fitted.scale.lo + fitted.scale.width * values
                for role, values in predicted.items()
            }
            intervals = calibrate_run(by_role, in_units, seed, pointwise=helped.shape[1] == 0)
            write_json(files.uncertainty, intervals)
        # Baselines of a matrix come from its own training labels, errors are on the scale of X.
        table = measure_quadrants(by_role, predicted, *embedded, fitted.scale, seed)
        quadrants |= {_quadrant(matrix, role): metrics for role, metrics in table.items()}
    projected_helpers, projected_helped = fitted.project(helpers, helped).stored()
    save_array(files.projected_helpers, projected_helpers)
    save_array(files.projected_helped, projected_helped)
    fitted.save(files.network)
    write_json(files.estimators, [asdict(candidate) for candidate in fitted.candidates])
    workspace.catalog.add_quadrant_metrics(run_id, plain(quadrants))
    write_json(files.quadrants, quadrants)


def _training_sides(
    spec: RunSpec, labels: Labels, vectors: Vectors
) -> tuple[FloatArray, FloatArray, Mapping[str, Mapping[str, Pairs]]]:
    """Embeddings of all rows that help, of all that are helped, and the labels of W and E there.

    X's rows come first, so that its pairs keep their positions.
    """
    if METHODS[spec.config.method].pointwise:
        return vectors.pool, np.empty((1, 0), dtype=np.float32), {}
    if not labels.others:
        return vectors.pool, vectors.target, {}
    helpers = np.concatenate([vectors.pool, vectors.existing])
    helped = np.concatenate([vectors.target, vectors.pool])
    first_existing, first_pool = len(vectors.pool), len(vectors.target)
    others = {
        matrix: {
            role: Pairs(
                pairs.helper + (first_existing if matrix == "existing" else 0),
                pairs.helped + first_pool,
                pairs.value,
            )
            for role, pairs in by_role.items()
        }
        for matrix, by_role in labels.others.items()
    }
    return helpers, helped, others


def _say_choice(fitted: Fitted, progress: Progress) -> None:
    """A warning where what was picked is no better than the mean on labels kept out."""
    chosen = chosen_of(fitted.candidates)
    if chosen.validation_r2 is not None and chosen.validation_r2 <= 0:
        progress.warn(
            "On labels that were kept out, no estimator is better than the mean label: the "
            "predictions say nothing yet. Label more, or choose another method."
        )
