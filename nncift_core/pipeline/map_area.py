"""The rows of a run inside an area of its map, and those beside a point.

Knows points and scores, nothing of pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncift_core.embeddings.planar import inside, nearest_points
from nncift_core.types import FloatArray, IndexArray

if TYPE_CHECKING:
    from nncift_core.pipeline.maps import EmbeddingMap

NEAREST = 8
"""Rows that are named beside an opened one."""


def rows_in_area(
    found: EmbeddingMap,
    corners: Sequence[tuple[int, int]],
    scores: FloatArray,
    matches: NDArray[np.bool_] | None = None,
) -> IndexArray:
    """Positions of the pool rows inside an outline, the highest score first.

    Args:
        found: The map.
        corners: The outline.
        scores: ``(n_train,)``; rows without one come last.
        matches: ``(n_train,)`` which rows count at all; None for all.
    """
    rows = inside(found.pool, corners)
    if matches is not None:
        rows = rows[matches[rows]]
    order = np.argsort(-np.nan_to_num(scores[rows], nan=-np.inf), kind="stable")
    ordered: IndexArray = rows[order]
    return ordered


def rows_beside(found: EmbeddingMap, side: str, row: int, count: int = NEAREST) -> IndexArray:
    """Positions of the pool rows that lie nearest to a row on the map, without that row.

    Args:
        found: The map.
        side: ``pool`` or ``target``: whose row it is.
        row: Its position.
        count: Rows at most.
    """
    points = found.pool if side == "pool" else found.target
    x, y = points[row].tolist()
    near = nearest_points(found.pool, (x, y), count + 1)
    if side == "pool":
        # Among many in one place it need not be one of the nearest.
        near = near[near != row]
    return near[:count]
