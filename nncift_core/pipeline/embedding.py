"""The embeddings of a run's rows by role. Knows the cache of the workspace and no influence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nncift_core.datasets.lazy_rows import rows_at
from nncift_core.embeddings import embed_groups, open_encoder
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, IndexArray


@dataclass(frozen=True)
class Vectors:
    """Embeddings by role: ``(n, d)`` float32 each."""

    pool: FloatArray
    target: FloatArray
    existing: FloatArray


def embed_pool(
    workspace: Workspace,
    spec: RunSpec,
    roles: Roles,
    positions: IndexArray,
    progress: Progress,
) -> FloatArray:
    """``(n, d)`` embeddings of some pool rows, from the cache where it has them.

    Raises:
        EncoderError: The encoder cannot be used.
    """
    texts = [row.text for row in rows_at(roles.pool, positions.tolist())]
    encoder = open_encoder(spec.config.encoder)
    return embed_groups(encoder, [texts], workspace.embeddings_dir, progress)[0]


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
