"""Draws a target set out of a pool. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nncift_core.errors import ConfigError
from nncift_core.types import IndexArray


def sample_target(rows: Sequence[object], count: int, seed: int) -> tuple[IndexArray, IndexArray]:
    """A seeded sample of the pool as target set; sampled rows leave the pool.

    Args:
        rows: The ``n`` rows of the pool.
        count: Size of the target set.
        seed: The same seed draws the same rows.

    Returns:
        Positions of the rows that stay, ``(n - count,)``, and of the target, ``(count,)``,
        both ascending and without a position in common.

    Raises:
        ConfigError: ``count`` leaves fewer than 2 rows on one side.
    """
    total = len(rows)
    if not 2 <= count <= total - 2:
        raise ConfigError(
            f"A target sample of {count:,} rows cannot be drawn from a pool of {total:,}.",
            f"Give a number from 2 to {total - 2:,}."
            if total >= 4
            else "The pool needs 4 rows at least: 2 to stay and 2 as target.",
        )
    drawn = np.random.default_rng(seed).choice(total, count, replace=False)
    in_target = np.zeros(total, bool)
    in_target[drawn] = True
    return np.flatnonzero(~in_target), np.flatnonzero(in_target)
