"""Errors of one point of a study, in the labels' own units.

Squared errors on the min-max scale of each plan's own labels would compare different things, so
a point keeps them in squared label units; ``common_scale`` puts all points on one scale. What
cannot be computed is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nncift_core.network.quadrants import measure_quadrants
from nncift_core.network.scale import LabelScale
from nncift_core.studies.common_scale import SQUARED, Quadrants
from nncift_core.types import FloatArray, Pairs


def measure_point(
    by_role: Mapping[str, Pairs],
    predicted: Mapping[str, FloatArray],
    helpers: FloatArray,
    helped: FloatArray,
    seed: int,
) -> Quadrants:
    """The quadrants of one point, squared errors in the labels' own units.

    Args:
        by_role: Labelled pairs, ``q1`` those that were trained on.
        predicted: Predictions of the same pairs on the min-max scale of ``q1``.
        helpers: ``(n_train, d)`` unit embeddings.
        helped: ``(n_target, d)``; ``(1, 0)`` for a pointwise function.
        seed: Of the bootstrap.

    Returns:
        By quadrant: ``n``, ``mse`` and the baselines' errors (squared label units), ``mse_ci``,
        ``variance`` of the labels, and ``r2``, ``spearman`` and ``row_spearman``, each with its
        ``_ci``.
    """
    scale = LabelScale.of(by_role["q1"])
    square = scale.width**2
    found: Quadrants = {}
    for role, metrics in measure_quadrants(
        by_role, predicted, helpers, helped, scale, seed
    ).items():
        if metrics is None:
            found[role] = None
            continue
        values: dict[str, Any] = {"n": metrics.n}
        for name in SQUARED:
            error = getattr(metrics, name)
            values[name] = None if error is None else error * square
        values["mse_ci"] = None if metrics.mse_ci is None else [e * square for e in metrics.mse_ci]
        values["variance"] = float(np.var(by_role[role].value.astype(np.float64)))
        for name in ("r2", "spearman", "row_spearman"):
            interval = getattr(metrics, f"{name}_ci")
            values[name] = getattr(metrics, name)
            values[f"{name}_ci"] = None if interval is None else list(interval)
        found[role] = values
    return found
