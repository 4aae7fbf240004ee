"""Embeddings, labels and the network of a run: the stages that lead up to predictions.

Each leaves its files and is skipped when they are there. Rows of W and E stand behind those of X,
so that one network learns from all matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nncift_core.embeddings import embed_groups, open_encoder
from nncift_core.files import plain, save_array, write_json
from nncift_core.influence import METHODS
from nncift_core.influence.label import Labels, together
from nncift_core.network.quadrants import QuadrantMetrics, measure_baselines, measure_quadrants
from nncift_core.network.training import LabelScale, TrainedNetwork, predict_pairs, train
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.labelling import compute_labels, matrix_sides
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, Pairs


@dataclass(frozen=True)
class Vectors:
    """Embeddings by role: ``(n, d)`` float32 each."""

    pool: FloatArray
    target: FloatArray
    existing: FloatArray


def embed_rows(workspace: Workspace, spec: RunSpec, roles: Roles, progress: Progress) -> Vectors:
    """The embeddings of a run's rows, from the cache where it has them. Raises: EncoderError."""
    # A sampled target is batched with its pool: together they are the same texts for any seed.
    sampled = spec.target_sample is not None
    sides = [roles.pool, roles.target, roles.existing]
    groups = [[*roles.pool, *roles.target], roles.existing] if sampled else sides
    found = iter(
        embed_groups(
            open_encoder(spec.config.encoder),
            [[row.text for row in group] for group in groups if group],
            workspace.embeddings_dir,
            progress,
        )
    )
    pool = next(found)
    none = np.empty((0, pool.shape[1]), dtype=np.float32)
    if sampled:
        pool, target = pool[: len(roles.pool)], pool[len(roles.pool) :]
    else:
        target = next(found) if roles.target else none
    return Vectors(pool, target, next(found) if roles.existing else none)


def label_run(
    workspace: Workspace,
    run_id: str,
    spec: RunSpec,
    roles: Roles,
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
    labels = compute_labels(workspace, spec, roles, progress)
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
) -> None:
    """Train the network, measure its quadrants and project all rows. Raises: Cancelled."""
    if files.quadrants.is_file():
        return
    seed = spec.config.seed
    helpers, helped, others = _training_sides(spec, labels, vectors)
    # Known before the first epoch, so that a page can draw them beside the learning network.
    scale = LabelScale.of(labels.training)
    baselines = measure_baselines(labels.by_role, helpers, helped, scale)
    progress.point("baselines", baselines)
    more = [roles["q1"] for roles in others.values()]
    trained = train(
        spec.config.network,
        helpers,
        helped,
        labels.by_role,
        seed,
        progress,
        more=together(more) if more else None,
    )
    quadrants: dict[str, QuadrantMetrics | None] = {}
    for matrix, by_role in {"target": labels.by_role, **others}.items():
        predicted = {
            role: _predicted(trained, helpers, helped, pairs) for role, pairs in by_role.items()
        }
        # Baselines of a matrix come from its own training labels, errors are on the scale of X.
        table = measure_quadrants(by_role, predicted, helpers, helped, trained.scale, seed)
        quadrants |= {_quadrant(matrix, role): metrics for role, metrics in table.items()}
    projected = trained.project(helpers, helped)
    save_array(files.projected_helpers, projected.helpers)
    save_array(files.projected_helped, projected.helped)
    trained.save(files.network)
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


def _predicted(
    trained: TrainedNetwork, helpers: FloatArray, helped: FloatArray, pairs: Pairs
) -> FloatArray:
    return predict_pairs(
        trained.network, torch.from_numpy(helpers), torch.from_numpy(helped), pairs
    )
