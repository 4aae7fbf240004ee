"""Which pairs or rows a spot check labels: few rows with a few targets each, none labelled yet.

One row as an example serves several targets, so pairs of few rows cost less than as many rows with
one target each; targets come from a few that all rows share, since each target has a cost of its
own too. Knows positions only.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import ConfigError
from nncift_core.types import IndexArray

TARGETS_PER_ROW = 4
SHARED_TARGETS = 16
"""Targets that the rows of a check take theirs from."""


def draw_check(
    candidates: IndexArray,
    known: NDArray[np.bool_],
    pairs: int,
    seed: int | tuple[int, ...],
    *,
    all_shared: bool = False,
) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Rows with as many targets each, none of whose pairs is known.

    Args:
        candidates: ``(n,)`` pool positions of the rows to draw from.
        known: ``(n, n_target)`` whether a pair of theirs has a label, or none at all.
        pairs: How many are wanted; a few more or less come out.
        seed: The same seed draws the same pairs.
        all_shared: Take every target that the rows share: for methods to which pairs are free.

    Returns:
        ``(a,)`` rows, ascending, ``(b,)`` targets, ascending, and ``(a, k)`` for each row the
        places of its own among these.

    Raises:
        ConfigError: No pair of these rows is without a label.
    """
    rng = np.random.default_rng(seed)
    n_target = known.shape[1]
    each = min(TARGETS_PER_ROW, n_target)
    wanted = max(1, math.ceil(pairs / each))
    if len(candidates) < wanted:
        each = min(n_target, max(each, math.ceil(pairs / max(1, len(candidates)))))
    shared = np.sort(rng.permutation(n_target)[: max(SHARED_TARGETS, each)])
    free = ~known[:, shared]
    enough = np.flatnonzero(free.sum(axis=1) >= each)
    if not len(enough):
        # Most pairs are labelled: whatever is left of any row.
        shared = np.arange(n_target)
        free, each = ~known, 1
        enough = np.flatnonzero(free.any(axis=1))
    if not len(enough):
        raise ConfigError(
            "Every pair of these rows has a label already, so there is nothing to check.",
            "Check other rows.",
        )
    rows = np.sort(rng.permutation(enough)[:wanted])
    if all_shared and free[rows].all():
        each = len(shared)
    places = np.stack([np.sort(rng.permutation(np.flatnonzero(free[i]))[:each]) for i in rows])
    used, places_used = np.unique(places, return_inverse=True)
    chosen: IndexArray = candidates[rows]
    return chosen, shared[used], places_used.reshape(places.shape).astype(np.int64)


def draw_rows(
    candidates: IndexArray, known: NDArray[np.bool_], count: int, seed: int | tuple[int, ...]
) -> IndexArray:
    """Rows without a label, ascending: the check of a method that scores single rows.

    Args:
        candidates: ``(n,)`` pool positions.
        known: ``(n,)`` whether the row has a label.
        count: How many are wanted, at most.
        seed: The same seed draws the same rows.

    Raises:
        ConfigError: Every row has a label.
    """
    free = np.flatnonzero(~known)
    if not len(free):
        raise ConfigError(
            "Every one of these rows has a label already, so there is nothing to check.",
            "Check other rows.",
        )
    drawn = np.random.default_rng(seed).permutation(free)[:count]
    chosen: IndexArray = np.sort(candidates[drawn])
    return chosen
