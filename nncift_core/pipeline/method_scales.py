"""Influence of several methods on one scale, and how far they agree about rows.

Methods have units of their own. What they share is the place of a value among all pairs of its
method. Knows runs' overviews and row scores, nothing of pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nncift_core.network.quadrants import spearman
from nncift_core.pipeline.heatmap import Heatmap
from nncift_core.types import FloatArray


def share_below(values: FloatArray, histogram: Mapping[str, Any]) -> FloatArray:
    """The share of a method's pairs that are lower than each value: 0 to 1, NaN stays NaN.

    Args:
        values: In the method's own units, any shape.
        histogram: Of all pairs: ``edges``, ``counts`` and what lies outside of the edges. Within
            a bin pairs count as evenly spread.
    """
    edges = np.asarray(histogram["edges"], np.float64)
    counts = np.asarray(histogram["counts"], np.float64)
    lower = float(histogram.get("below", 0))
    total = counts.sum() + lower + float(histogram.get("above", 0))
    if total <= 0:
        return np.full(values.shape, np.nan, np.float32)
    below = (lower + np.concatenate([[0.0], np.cumsum(counts)])) / total
    found = np.interp(values.astype(np.float64), edges, below)
    return np.where(np.isfinite(values), found, np.nan).astype(np.float32)


def on_common_scale(heatmap: Heatmap, histogram: Mapping[str, Any]) -> Heatmap:
    """A window whose cells say which share of the method's pairs is lower."""
    return replace(
        heatmap,
        values=share_below(heatmap.values, histogram),
        half_width=None,
        pool_profile=None,
        target_profile=None,
    )


def rank_agreement(scores: Sequence[FloatArray]) -> list[list[float | None]]:
    """Spearman's rank correlation of every two lists of scores of the same rows.

    Equal scores share their mean rank; rows without a score in either are left out. None where
    fewer than three rows remain or all have one score.
    """
    return [[_spearman(one, other) for other in scores] for one in scores]


def _spearman(one: FloatArray, other: FloatArray) -> float | None:
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 3 or any(len(np.unique(side[known])) < 2 for side in (one, other)):
        return None
    return spearman(one[known].astype(np.float64), other[known].astype(np.float64))
