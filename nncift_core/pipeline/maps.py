"""The map of a run's rows: their embeddings laid out in two dimensions, as a job.

A map belongs to rows and encoder, not to a run: runs of the same data share it. Its folder is
``maps/KEY/`` of the workspace; ``result.json`` comes last. Costs no import of torch, so pages may
ask it whenever they are drawn. Knows rows and files; the layout is ``embeddings.projection``'s.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core import jobs
from nncift_core.callers import require_change
from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.files import load_array, read_json, save_array, write_json
from nncift_core.influence.shards import digest
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace

STAGES = {
    "embed": "rows",
    "find-neighbours": "rows",
    "arrange": "rounds",
    "place-others": "rows",
    "check-map": "rows",
}
"""The stages of a map in order, each with what it counts."""

MOST_CLUSTERS = 8
"""Groups of like rows on a map: as many as have colors that anybody can tell apart."""

_VERSION = "map-3"
_POOL, _TARGET, _CLUSTERS = "pool.npy", "target.npy", "clusters.npy"
_ROWS_A_CLUSTER = 8


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """A map that is done.

    Attributes:
        key: What it is called: equal keys are equal maps.
        pool: ``(n_train, 2)`` uint16 points of the pool rows.
        target: ``(n_target, 2)`` uint16 points of the target rows.
        clusters: ``(n_train,)`` uint8 number of each pool row's group of like rows, the largest
            group first.
        fitted: Rows that were laid out.
        placed: Rows that were placed among those.
        kept: Share of the 10 nearest neighbours that are so on the map too; None if unknown.
        by_chance: What a map at random would keep; None if unknown.
        measured_on: Rows that this was measured on.
        seconds: How long the map took.
    """

    key: str
    pool: NDArray[np.uint16]
    target: NDArray[np.uint16]
    clusters: NDArray[np.uint8]
    fitted: int
    placed: int
    kept: float | None
    by_chance: float | None
    measured_on: int
    seconds: float


def map_folder(workspace: Workspace, spec: RunSpec) -> Path:
    """The job folder of the map for a run's rows and encoder; need not exist."""
    sampled = spec.target_sample is not None
    parts = (
        _VERSION,
        spec.config.encoder,
        spec.train.id,
        spec.target.id if spec.target else "",
        str(spec.target_sample or 0),
        str(spec.config.seed) if sampled else "",
        str(spec.grown_from[:1]) if sampled else "",
    )
    return workspace.maps_dir / digest(*parts)


def create_map(workspace: Workspace, run_id: str) -> Path:
    """Record the map for the rows of a run; nothing is computed yet.

    Returns:
        Its job folder; that of the map that is there already, done or not.

    Raises:
        ConfigError: There is no such run, or the caller may change nothing.
        WorkspaceError: The folder cannot be written.
    """
    workspace.catalog.run(run_id)
    spec = RunSpec.read(workspace.run_dir(run_id) / "config.json")
    folder = map_folder(workspace, spec)
    if not (folder / jobs.state.JOB_FILE).is_file():
        require_change()
        spec.write(folder, run_id)
        jobs.create(folder, {"kind": "map", "run_id": run_id})
    return folder


def read_map(folder: Path) -> EmbeddingMap | None:
    """The map of a job folder, None before it is done. Raises: WorkspaceError if it is broken."""
    path = folder / "result.json"
    if not path.is_file():
        return None
    result: Mapping[str, Any] = read_json(path)
    pool, target = load_array(folder / _POOL), load_array(folder / _TARGET)
    clusters = load_array(folder / _CLUSTERS)
    whole = (
        pool.shape == (result.get("n_train"), 2)
        and target.shape == (result.get("n_target"), 2)
        and clusters.shape == (len(pool),)
        and pool.dtype == target.dtype == np.uint16
        and clusters.dtype == np.uint8
    )
    if not whole:
        raise WorkspaceError(
            f"The map in {folder} is damaged.", "Delete that folder and draw the map again."
        )
    return EmbeddingMap(
        folder.name,
        pool,
        target,
        clusters,
        int(result["fitted"]),
        int(result["placed"]),
        result["kept"],
        result["by_chance"],
        int(result["measured_on"]),
        float(result["seconds"]),
    )


def map_seconds(n_train: int, n_target: int) -> float:
    """About how long a map of so many embedded rows takes on one core."""
    from nncift_core.embeddings.projection import MOST_FITTED

    rows = n_train + n_target
    fitted = min(rows, MOST_FITTED)
    # Measured with 384 dimensions on one core of a 2.8 GHz Xeon, the start of the process included.
    layout = 8.0 + 2.2e-3 * fitted + 3.0e-8 * fitted**2
    return layout + 4.5e-8 * fitted * (rows - fitted) + 5e-5 * rows


def work_on(
    workspace: Workspace, job_dir: Path, job: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Draw the map of a job folder; what ``result.json`` holds.

    Embeddings come from the cache of the workspace; only what it lacks is embedded.

    Raises:
        NNCIFTError: The rows or the encoder are gone.
        Cancelled: By ``progress``.
    """
    # Late, as they take seconds to import and pages only ask for results.
    from nncift_core.embeddings.planar import quantised
    from nncift_core.embeddings.projection import project
    from nncift_core.pipeline.embedding import embed_rows
    from nncift_core.pipeline.roles import read_roles

    spec = RunSpec.read(job_dir / "config.json")
    start = time.monotonic()
    vectors = embed_rows(workspace, spec, read_roles(workspace, spec), progress)
    made = project(vectors.pool, vectors.target, progress)
    save_array(job_dir / _CLUSTERS, _clusters(vectors.pool))
    save_array(job_dir / _POOL, quantised(made.pool))
    save_array(job_dir / _TARGET, quantised(made.target))
    result = {
        "run_id": str(job.get("run_id", "")),
        "n_train": len(made.pool),
        "n_target": len(made.target),
        "fitted": made.fitted,
        "placed": made.placed,
        "kept": made.kept,
        "by_chance": made.by_chance,
        "measured_on": made.measured_on,
        "seconds": round(time.monotonic() - start, 3),
    }
    write_json(job_dir / "result.json", result)
    return result


def require_map(workspace: Workspace, run_id: str) -> EmbeddingMap:
    """The map of a run's rows, which must be done. Raises: ConfigError, WorkspaceError."""
    workspace.catalog.run(run_id)
    spec = RunSpec.read(workspace.run_dir(run_id) / "config.json")
    found = read_map(map_folder(workspace, spec))
    if found is None:
        raise ConfigError(f"There is no map of run {run_id} yet.", f"Use: nncift map {run_id}")
    return found


def _clusters(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """``(n,)`` groups of like rows, the largest group first."""
    from nncift_core.pipeline.clusters import group_rows

    count = min(MOST_CLUSTERS, len(vectors) // _ROWS_A_CLUSTER)
    numbers = group_rows(vectors, count)
    sizes = np.bincount(numbers)
    place = np.empty(len(sizes), dtype=np.uint8)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes), dtype=np.uint8)
    return place[numbers]
