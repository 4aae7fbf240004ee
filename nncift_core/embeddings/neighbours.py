"""The nearest vectors by cosine, exactly, a block at a time so that memory stays bounded."""

from __future__ import annotations

import numpy as np

from nncift_core.progress import Progress
from nncift_core.types import FloatArray, IndexArray

BLOCK_ENTRIES = 8_000_000
"""Cosines that are held at once: 32 MB, and twice as much to sort them."""


def nearest_rows(
    vectors: FloatArray,
    among: FloatArray,
    count: int,
    progress: Progress,
    *,
    itself: IndexArray | None = None,
) -> tuple[IndexArray, FloatArray]:
    """The nearest rows of each vector, the nearest first, earlier rows before later ones.

    Args:
        vectors: ``(m, d)`` unit vectors.
        among: ``(n, d)`` unit vectors to find them among.
        count: How many, at most ``n``, or ``n - 1`` where rows are not to find themselves.
        progress: Advanced by the vectors that are done. May cancel.
        itself: ``(m,)`` positions in ``among`` that each vector must not find, such as its own.

    Returns:
        ``(m, count)`` positions in ``among``, and their cosines.

    Raises:
        Cancelled: By ``progress``.
    """
    found = np.empty((len(vectors), count), dtype=np.int64)
    likeness = np.empty((len(vectors), count), dtype=np.float32)
    step = max(1, BLOCK_ENTRIES // max(1, len(among)))
    for start in range(0, len(vectors), step):
        stop = min(start + step, len(vectors))
        distance = vectors[start:stop] @ among.T
        np.negative(distance, out=distance)
        if itself is not None:
            distance[np.arange(stop - start), itself[start:stop]] = np.inf
        kept = np.argpartition(distance, count - 1, axis=1)[:, :count]
        # First by position, then by distance, stably: ties are the same on every machine.
        kept.sort(axis=1)
        near = np.take_along_axis(distance, kept, axis=1)
        order = np.argsort(near, axis=1, kind="stable")
        found[start:stop] = np.take_along_axis(kept, order, axis=1)
        likeness[start:stop] = -np.take_along_axis(near, order, axis=1)
        progress.advance(stop - start)
    return found, likeness
