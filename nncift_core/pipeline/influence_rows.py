"""What explanations read of a run: influence by rows in both units, clusters of its target rows.

Knows a run and no selection.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from nncift_core.errors import EncoderError
from nncift_core.jobs.queue import workspace_of
from nncift_core.pipeline.clusters import cluster_rows
from nncift_core.pipeline.embedding import Vectors, embed_rows
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.view import RunView
from nncift_core.progress import SilentProgress
from nncift_core.selection import scale
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, IndexArray


class RunInfluence:
    """Influence of a pairwise run, labels standing in: by rows, in both units.

    Args:
        view: The run.
    """

    def __init__(self, view: RunView) -> None:
        self._estimates = view.estimates
        self.lo, self.hi = label_range(view)
        self._columns = np.arange(len(view.roles.target), dtype=np.int64)

    def original(self, positions: IndexArray) -> FloatArray:
        """``(k, n_target)`` float32 in the influence function's own units."""
        positions = np.asarray(positions, dtype=np.int64)
        if not len(positions):
            return np.empty((0, len(self._columns)), dtype=np.float32)
        first, last = int(positions[0]), int(positions[-1])
        if last - first + 1 == len(positions) and (np.diff(positions) == 1).all():
            return self._estimates.best.block(first, last + 1)
        return self._estimates.subset(positions, self._columns).block(0, len(positions))

    def scaled(self, positions: IndexArray) -> FloatArray:
        """``(k, n_target)`` float32 on the scale that selection works on. Raises: DataError."""
        return scale(self.original(positions), self.lo, self.hi)


def label_range(view: RunView) -> tuple[float, float]:
    """Lowest and highest training label of X; of all values for an exact run."""
    known = view.estimates.scale
    if known is not None:
        return known.lo, known.hi
    return float(view.overview["lowest"]), float(view.overview["highest"])


@functools.lru_cache(maxsize=4)
def target_clusters(view: RunView) -> tuple[IndexArray | None, Mapping[str, str]]:
    """Cluster number of each target row, and by cluster the row that is nearest to its middle.

    None and nothing where the run has no embeddings, or its encoder cannot be opened any more.
    """
    config = view.spec.config
    if config.exact and needs_model(config):
        return None, {}  # such a run never embedded its rows
    workspace = Workspace.open(workspace_of(view.files.folder))
    try:
        vectors = embed_rows(workspace, view.spec, view.roles, SilentProgress())
    except EncoderError:
        return None, {}
    target = vectors.target
    numbers = cluster_rows(Vectors(vectors.pool[:0], target, vectors.pool[:0])).target
    examples = {}
    for number in np.unique(numbers).tolist():
        members = np.flatnonzero(numbers == number)
        middle = target[members].mean(axis=0)
        nearest = members[int((target[members] @ middle).argmax())]
        examples[f"cluster {number}"] = view.roles.target[nearest].prompt
    return numbers, examples


@functools.lru_cache(maxsize=4)
def places_of(view: RunView) -> Mapping[str, int]:
    """Position in the pool by row id."""
    return {row.id: position for position, row in enumerate(view.roles.pool)}
