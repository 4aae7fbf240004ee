"""What a run's estimators see of its rows: embeddings, and hidden states where that is wanted.

Knows where states are kept and which rows need them; what they are is the model's business.
"""

from __future__ import annotations

import numpy as np

from nncift_core.config import RunConfig
from nncift_core.influence import METHODS
from nncift_core.influence.row_states import RowStates
from nncift_core.influence.shards import FolderShards
from nncift_core.network import AUTO, estimator
from nncift_core.pipeline.embedding import Vectors
from nncift_core.pipeline.planning import check_labelling, needs_model
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.types import FloatArray


def uses_states(config: RunConfig) -> bool:
    """Whether a run's estimators see hidden states of its rows; never in an exact run.

    Raises:
        ConfigError: They are asked for and the method has no language model.
    """
    check_labelling(config)
    text_only = config.network != AUTO and "text-only" in estimator(config.network).needs
    if config.exact or config.inputs == "text" or text_only:
        return False
    # A row that is rated alone costs little more to label than to read.
    return config.inputs == "states" or (
        needs_model(config) and not METHODS[config.method].pointwise
    )


def state_rows(config: RunConfig, n_train: int, n_target: int, n_existing: int = 0) -> int:
    """Rows that the language model reads for the estimators, each in one pass, at most.

    Args:
        config: The run's settings.
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        n_existing: Rows of the existing set.

    Raises:
        ConfigError: As ``uses_states``.
    """
    if not uses_states(config):
        return 0
    return n_train if METHODS[config.method].pointwise else n_train + n_target + n_existing


def network_inputs(
    workspace: Workspace, spec: RunSpec, roles: Roles, vectors: Vectors, progress: Progress
) -> Vectors:
    """What a run's estimators see: embeddings, with the states of each row as further columns.

    A row that was read before, by any run, is not read again.

    Args:
        workspace: Where states are kept.
        spec: The run.
        roles: Its rows.
        vectors: Their embeddings.
        progress: Told of stage ``read``, in rows that are read now.

    Returns:
        ``vectors`` as they are where states are not used. For a pointwise method only the pool
        has more columns.

    Raises:
        ConfigError: As ``uses_states``.
        ModelError: The model cannot be opened or used.
        Cancelled: Finished shards are kept.
    """
    if not uses_states(spec.config):
        return vectors
    states = RowStates(spec.config.lm)
    shards = FolderShards(workspace.labels_dir / f"states-{states.identity}", progress)
    pointwise = METHODS[spec.config.method].pointwise
    sides = [roles.pool, *([] if pointwise else [roles.target, roles.existing])]
    everything = [row for side in sides for row in side]
    progress.stage("read", states.missing(everything, shards.folder), "rows")
    # In the groups of ``embed_rows``, so that others who read the same rows read the same shards:
    # added rows stand behind a pool that was read before, and a sampled target with its pool are
    # the same rows for any seed.
    if roles.added:
        states.states(roles.added, shards)
    if spec.target_sample is not None and not pointwise:
        states.states([*roles.pool, *roles.target], shards)
    found = [states.states(side, shards) for side in sides]
    if pointwise:
        return Vectors(_beside(vectors.pool, found[0]), vectors.target, vectors.existing)
    pool, target, existing = found
    width = pool.shape[1]
    return Vectors(
        _beside(vectors.pool, pool),
        _beside(vectors.target, target, width),
        _beside(vectors.existing, existing, width),
    )


def _beside(vectors: FloatArray, states: FloatArray, width: int | None = None) -> FloatArray:
    """``(n, d + width)`` both side by side; without rows there are only the widths."""
    if width is not None and not len(states):
        states = np.empty((len(vectors), width), dtype=np.float32)
    return np.concatenate([vectors, states], axis=1)
