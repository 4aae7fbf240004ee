"""The groups of duplicates in a run's pool, found once and kept; those of a dataset.

Knows where rows and embeddings come from, and not what makes two rows alike.
"""

from __future__ import annotations

import numpy as np

from nncift_core.errors import EncoderError, WorkspaceError
from nncift_core.files import load_array, save_array
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.embedding import embed_rows
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress, SilentProgress, WhereWork
from nncift_core.selection.duplicates import NEAR, DuplicateGroups, duplicate_groups
from nncift_core.store import Workspace
from nncift_core.types import FloatArray


def run_duplicates(
    workspace: Workspace,
    spec: RunSpec,
    roles: Roles,
    files: RunFiles,
    level: str,
    progress: Progress | None = None,
) -> DuplicateGroups:
    """The groups of duplicates in a run's pool.

    Near duplicates are kept in the run's folder, so that every selection of the run goes by the
    same groups; the other levels cost nothing and are found again.

    Args:
        workspace: Where the run's embeddings lie.
        spec: The run.
        roles: Its rows.
        files: Its folder.
        level: ``near``, ``exact`` or ``keep``.
        progress: Told of stage ``duplicates`` in rows, where they are not kept already.

    Raises:
        ConfigError: There is no such level.
        WorkspaceError: The groups cannot be kept.
        Cancelled: As ``progress`` says.
    """
    progress = progress or SilentProgress()
    if level != NEAR:
        return duplicate_groups(roles.pool, None, level=level)
    exact = duplicate_groups(roles.pool, None, level="keep").exact
    kept = _kept(files, len(roles.pool))
    if kept is not None:
        return DuplicateGroups(kept, exact)
    vectors = _vectors(workspace, spec, roles, progress)
    groups = duplicate_groups(roles.pool, vectors, level=level, progress=progress)
    save_array(files.duplicates, groups.group)
    return groups


def _kept(files: RunFiles, n_train: int) -> np.ndarray | None:
    """``(n_train,)`` groups found earlier; None where there are none that fit."""
    if not files.duplicates.is_file():
        return None
    try:
        group = load_array(files.duplicates)
    except WorkspaceError:
        return None
    return group if group.dtype == np.int64 and group.shape == (n_train,) else None


def _vectors(
    workspace: Workspace, spec: RunSpec, roles: Roles, progress: Progress
) -> FloatArray | None:
    """The pool's embeddings where the run made them, else None.

    An exact run of a method with a language model embeds nothing, and does not begin here: the
    texts alone find nearly all, while embedding takes longer than all the rest of the selection.
    """
    if spec.config.exact and needs_model(spec.config):
        return None
    try:
        return embed_rows(workspace, spec, roles, WhereWork(progress)).pool
    except EncoderError as error:
        progress.warn(f"Near duplicates were told by the texts alone: {error.message}")
        return None
