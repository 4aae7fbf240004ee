"""The objectives that cover something, each as a ``ColumnCoverage`` of the matrices it reads.

Knows how they reduce to one kind of coverage, and nothing of greedy:

    FL            f(A) = sum_j max_a s[a, j]                      start 0
    FLMI          ... min(s[a, i], eta * max_q X[i, q])           cap on each column
    FLCG          ... max(s[a, i] - nu * max_p E[p, i], 0)        coverage starts at the floor
    FLMI (query)  FL over X + eta * sum_a max_q X[a, q]           a bonus a row
    mix           (1 - w) FL over X + w * sum_a quality(a)        a bonus a row
    coverage      sum_j sqrt(sum_a X[a, j])                       columns add up under a root

DELIFT (ICLR 2025), section 3; FLMI and FLCG after Iyer et al. 2021.
"""

from __future__ import annotations

import numpy as np

from nncift_core.selection.column_coverage import ColumnCoverage, row_max
from nncift_core.selection.matrices import DoubleArray, Matrices, finite_rows
from nncift_core.selection.objectives import Settings
from nncift_core.selection.scaled import ScaledSource
from nncift_core.types import FloatArray


def target(matrices: Matrices, settings: Settings) -> ColumnCoverage:
    """f(A) = sum over target rows j of max over a in A of X[a, j]."""
    del settings
    return ColumnCoverage(present(matrices.target))


def pool(matrices: Matrices, settings: Settings) -> ColumnCoverage:
    """f(A) = sum over pool rows i of max over a in A of W[a, i]."""
    del settings
    return ColumnCoverage(present(matrices.pool))


def mutual_information(matrices: Matrices, settings: Settings) -> ColumnCoverage:
    """f(A) = sum over pool rows i of min(max over a of W[a, i], eta * max over q of X[i, q])."""
    cap = settings.eta * row_max(present(matrices.target))
    return ColumnCoverage(present(matrices.pool), cap=cap.astype(np.float32))


def mutual_information_query(matrices: Matrices, settings: Settings) -> ColumnCoverage:
    """f(A) = FL over X + eta * sum over a in A of max over q of X[a, q]."""
    rows = present(matrices.target)
    return ColumnCoverage(rows, bonus=settings.eta * row_max(rows))


def conditional_gain(matrices: Matrices, settings: Settings) -> ColumnCoverage:
    """f(A) = sum over i of max(max over a of W[a, i] - nu * max over p of E[p, i], 0)."""
    floor = settings.nu * _column_max(present(matrices.existing))
    return ColumnCoverage(present(matrices.pool), start=floor.astype(np.float32))


def mix(matrices: Matrices, settings: Settings) -> ColumnCoverage:
    """f(A) = (1 - w) * sum over j of max over a of X[a, j] + w * sum over a of quality(a).

    The quality of a row is its score between 0, the lowest in the pool, and 1, the highest. So a
    row of the highest quality is worth as much as one target covered from 0 to the top of the
    scale, at w = 0.5.
    """
    weight = settings.quality_weight
    rows = present(matrices.target)
    quality = weight * _quality(matrices)
    if weight >= 1.0:
        return ColumnCoverage(rows, bonus=quality, cap=np.zeros(rows.shape[1], dtype=np.float32))
    # The bonus is scaled rather than the matrix: that copies nothing.
    return ColumnCoverage(rows, bonus=quality / (1.0 - weight), unit=1.0 - weight)


def saturated(matrices: Matrices, settings: Settings) -> ColumnCoverage:
    """f(A) = sum over target rows j of sqrt(sum over a in A of X[a, j]). Lin and Bilmes, 2011."""
    del settings
    return ColumnCoverage(present(matrices.target), root=True)


def present(matrix: object) -> FloatArray | ScaledSource:
    """A matrix that the caller has checked to be there."""
    if isinstance(matrix, np.ndarray | ScaledSource):
        return matrix
    raise ValueError("The objective's matrix is missing.")


def _quality(matrices: Matrices) -> DoubleArray:
    scores = matrices.row_mean if matrices.row_scores is None else matrices.row_scores
    known = np.asarray(scores, dtype=np.float64)
    finite = known[np.isfinite(known)]
    if not len(finite) or finite.max() <= finite.min():
        return np.zeros(len(known))
    # A row without a score, as one that is its own only target, has the lowest quality.
    known = np.where(np.isnan(known), finite.min(), known)
    return finite_rows((known - finite.min()) / (finite.max() - finite.min()))


def _column_max(matrix: FloatArray | ScaledSource) -> DoubleArray:
    """``(n_columns,)`` highest value of each column, at least 0."""
    if not isinstance(matrix, ScaledSource):
        return finite_rows(matrix.max(axis=0, initial=0.0))
    highest = np.zeros(matrix.shape[1], dtype=np.float32)
    for _, block in matrix.blocks():
        np.maximum(highest, block.max(axis=0), out=highest)
    return finite_rows(highest)
