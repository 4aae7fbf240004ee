"""What a run knows of its pool rows for rules and quotas; costly fields only when they are read.

Knows where clusters and lengths are kept; what rules ask is the business of ``selection.rules``.
"""

from __future__ import annotations

import numpy as np

from nncift_core.files import load_array, save_array
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.clusters import cluster_rows
from nncift_core.pipeline.embedding import Vectors, embed_rows
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.pipeline.tokens import row_tokens
from nncift_core.progress import Progress, SilentProgress
from nncift_core.selection.row_facts import RowFacts
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, IndexArray


def pool_facts(
    workspace: Workspace,
    spec: RunSpec,
    roles: Roles,
    files: RunFiles,
    progress: Progress | None = None,
) -> RowFacts:
    """The fields of a run's pool rows.

    Scores are there once the run has predicted; clusters where the run has embeddings.
    """
    progress = progress or SilentProgress()
    # An exact run of a language-model method never embedded its rows.
    embedded = not (spec.config.exact and needs_model(spec.config))
    return RowFacts(
        roles.pool,
        score=row_scores(files),
        cluster=(lambda: _clusters(workspace, spec, roles, files, progress)) if embedded else None,
        tokens=lambda: row_tokens(workspace, spec, roles.pool, files, progress),
    )


def row_scores(files: RunFiles) -> FloatArray | None:
    """``(n_train,)`` what top-k ranks by, in the method's own units; None before the prediction."""
    for path in (files.row_scores, files.row_mean):
        if path.is_file():
            return load_array(path)
    return None


def _clusters(
    workspace: Workspace, spec: RunSpec, roles: Roles, files: RunFiles, progress: Progress
) -> IndexArray:
    if files.row_clusters.is_file():
        return np.asarray(load_array(files.row_clusters), dtype=np.int64)
    vectors = embed_rows(workspace, spec, roles, progress)
    none = np.empty((0, vectors.pool.shape[1]), dtype=np.float32)
    found = cluster_rows(Vectors(vectors.pool, none, none)).pool
    save_array(files.row_clusters, found)
    return found
