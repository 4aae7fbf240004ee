"""The stages of a run that extends another: labels and network are taken over, rows predicted.

Added rows stand behind those of the pool, so every position that a label names keeps its row.
Rows that were predicted before get the same predictions again; only added rows are embedded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nncift_core.datasets import appended_id
from nncift_core.embeddings import embed, open_encoder
from nncift_core.errors import ConfigError
from nncift_core.files import read_json, save_array, write_bytes, write_json
from nncift_core.influence import METHODS
from nncift_core.influence.label import Labels
from nncift_core.network.fitting import Fitted
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.drift import Drift, measure_drift
from nncift_core.pipeline.embedding import Vectors, embed_rows
from nncift_core.pipeline.inputs import network_inputs
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress, WhereWork
from nncift_core.store import SelectedRow, Workspace

INHERITED = "inherited.json"
"""What the run knows of the one it extends; exists once everything was taken over."""

DRIFT = "drift.json"
"""How far the added rows lie from the labelled ones."""

_COPIED = ("labels.npy", "network.safetensors", "estimators.json", "uncertainty.json")
"""Files that hold for the longer pool as they are. ``quadrants.json`` comes last."""


def embed_extended(
    workspace: Workspace, spec: RunSpec, roles: Roles, progress: Progress
) -> Vectors:
    """The embeddings of all rows of an extended run; only added rows cost anything.

    Raises:
        EncoderError: The encoder cannot be used.
        Cancelled: Between shards.
    """
    # A group of their own: in one with the pool, each shard that has an added row would be
    # embedded anew as a whole.
    texts = [row.text for row in roles.added]
    embed(open_encoder(spec.config.encoder), texts, workspace.embeddings_dir, progress)
    return embed_rows(workspace, spec, roles, WhereWork(progress))


def take_over(workspace: Workspace, run_id: str, spec: RunSpec, files: RunFiles) -> None:
    """Copy what the extended run learned and record it for this one; nothing is computed.

    From then on this run needs nothing of the other.

    Raises:
        ConfigError: The other run is not here, has not finished, or has another pool.
        WorkspaceError: A file cannot be copied.
    """
    if (files.folder / INHERITED).is_file():
        return
    assert spec.extends is not None and spec.added is not None
    catalog = workspace.catalog
    before = RunFiles(workspace.run_dir(spec.extends))
    if not before.result.is_file() or not before.config.is_file():
        raise ConfigError(
            f"Run {spec.extends}, which this run extends, is not complete in this workspace.",
            "Use the workspace that it was made in, or start a new run with all rows.",
        )
    if appended_id(RunSpec.read(before.config).train.id, spec.added.id) != spec.train.id:
        raise ConfigError(
            f"Run {spec.extends} has another pool than the one this run added rows to.",
            "Give the config.json of a run folder, unchanged.",
        )
    if not spec.config.exact:
        for name in _COPIED:
            if (before.folder / name).is_file():
                write_bytes(files.folder / name, (before.folder / name).read_bytes())
        for labels in catalog.labels(spec.extends):
            catalog.add_labels(run_id, labels.role, labels)
        quadrants = read_json(before.quadrants)
        catalog.add_quadrant_metrics(run_id, quadrants)
        write_json(files.quadrants, quadrants)
    first = [s for s in catalog.selections(spec.extends) if s.id == f"{spec.extends}-s0"]
    chosen = [row.row_id for row in catalog.selection_rows(first[0].id)] if first else []
    write_json(files.folder / INHERITED, {"run_id": spec.extends, "selected": chosen})


def project_rows(
    workspace: Workspace,
    spec: RunSpec,
    roles: Roles,
    vectors: Vectors,
    files: RunFiles,
    progress: Progress,
) -> None:
    """All rows through the network that was taken over, as files of the run's folder.

    Raises:
        ModelError: The network sees hidden states, and the model cannot read the added rows.
        Cancelled: By ``progress``.
    """
    if files.projected_helped.is_file():
        return
    vectors = network_inputs(workspace, spec, roles, vectors, progress)
    fitted = Fitted.load(files.network)
    n_original = len(roles.original_pool)
    helpers, helped = vectors.pool, vectors.target
    if METHODS[spec.config.method].pointwise:
        helped = np.empty((1, 0), dtype=np.float32)
    elif Labels.load(files.labels).others:
        # The network was fitted with the existing rows right behind the original pool.
        helpers = np.concatenate(
            [vectors.pool[:n_original], vectors.existing, vectors.pool[n_original:]]
        )
        helped = np.concatenate([vectors.target, vectors.pool])
    projected_helpers, projected_helped = fitted.project(helpers, helped).stored()
    place = np.arange(len(helpers))
    if len(helpers) > len(vectors.pool):
        first_added = n_original + len(vectors.existing)
        place = np.concatenate(
            [place[:n_original], place[first_added:], place[n_original:first_added]]
        )
    save_array(files.projected_helpers, projected_helpers[place])
    save_array(files.projected_helped, projected_helped)


def compare_added(
    spec: RunSpec, roles: Roles, vectors: Vectors, files: RunFiles, progress: Progress
) -> None:
    """Measure how far the added rows lie from the labelled ones, and warn. Raises: Cancelled."""
    path = files.folder / DRIFT
    if path.is_file():
        return
    n_original, n_before = len(roles.original_pool), len(roles.pool) - len(roles.added)
    trained = np.unique(Labels.load(files.labels).training.helper)
    drift = measure_drift(
        vectors.pool[:n_original],
        trained,
        vectors.pool[n_before:],
        spec.config.seed,
        progress,
    )
    if drift.drifted:
        progress.warn(drift.sentence)
    write_json(path, _drift_json(drift, roles))


def _drift_json(drift: Drift, roles: Roles) -> dict[str, Any]:
    farthest = zip(drift.farthest, drift.farthest_distances, strict=True)
    return {
        "labelled": drift.labelled,
        "compared_with": drift.compared_with,
        "pool": drift.pool,
        "added": drift.added,
        "beyond": drift.beyond,
        "share_beyond": drift.share_beyond,
        "chance": drift.chance,
        "drifted": drift.drifted,
        "sentence": drift.sentence,
        "farthest": [{"id": roles.added[place].id, "distance": far} for place, far in farthest],
    }


def read_drift(files: RunFiles) -> Mapping[str, Any] | None:
    """What ``compare_added`` found, None for a run that extends none or is exact."""
    path = files.folder / DRIFT
    content: Mapping[str, Any] | None = read_json(path) if path.is_file() else None
    return content


def extension_summary(
    workspace: Workspace, spec: RunSpec, roles: Roles, files: RunFiles, selection_id: str
) -> dict[str, Any]:
    """What the added rows changed: the part ``extension`` of an extended run's summary."""
    assert spec.added is not None
    inherited = read_json(files.folder / INHERITED)
    chosen: list[SelectedRow] = workspace.catalog.selection_rows(selection_id)
    now, added = {row.row_id for row in chosen}, {row.id for row in roles.added}
    earlier = list(inherited["selected"])
    known = set(earlier)
    displaced = [row_id for row_id in earlier if row_id not in now]
    read = workspace.catalog.dataset(spec.added.id).accepted
    return {
        "run_id": inherited["run_id"],
        "added": len(added),
        "left_out": read - len(added),
        "kept": len(earlier) - len(displaced),
        "came_in": len(now & added),
        "moved_up": len(now - added - known),
        "displaced": len(displaced),
        "displaced_ids": displaced,
        "drift": read_drift(files),
    }
