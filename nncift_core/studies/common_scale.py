"""The points of a study on one scale, so that their squared errors can be compared.

Training labels of different plans have different lowest and highest values. The scale of all
points is that of the largest plan's labels. R² and rank correlation have no unit and stay as
they are. Costs no import of torch, so pages may draw points as they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BASELINES = ("mse_mean", "mse_additive", "mse_cosine")
"""What is drawn beside an estimate: the baselines that mean the same on every scale."""

SQUARED = ("mse", *BASELINES)
"""Fields of a quadrant that are squared errors, besides the ends of ``mse_ci``."""

Point = Mapping[str, Any]
"""One finished point: ``fraction``, ``lo`` and ``hi`` of its training labels, ``quadrants``."""

Quadrants = dict[str, dict[str, Any] | None]


def common_scale(points: Sequence[Point]) -> dict[str, float] | None:
    """Lowest and highest training label of the points with the most training labels.

    Points of several seeds may have equally many; then the lowest and highest of all of them.
    While a study goes on this is the scale so far. None without points.
    """
    if not points:
        return None
    most = max(point["fraction"] for point in points)
    largest = [point for point in points if point["fraction"] == most]
    return {
        "lo": min(point["lo"] for point in largest),
        "hi": max(point["hi"] for point in largest),
    }


def on_common_scale(points: Sequence[Point]) -> list[dict[str, Any]]:
    """The same points with squared errors on the common scale, and R² of the baselines.

    Each quadrant gets ``r2_mean``, ``r2_additive`` and ``r2_cosine``: 1 - a baseline's error over
    the variance of the quadrant's labels.
    """
    scale = common_scale(points)
    if scale is None:
        return []
    square = (scale["hi"] - scale["lo"]) ** 2
    return [{**point, "quadrants": _scaled(point["quadrants"], square)} for point in points]


def _scaled(quadrants: Mapping[str, Mapping[str, Any] | None], square: float) -> Quadrants:
    scaled: Quadrants = {}
    for role, metrics in quadrants.items():
        if metrics is None:
            scaled[role] = None
            continue
        values = dict(metrics)
        variance = values.pop("variance")
        for name in BASELINES:
            error = metrics[name]
            known = error is not None and metrics["r2"] is not None
            values[name.replace("mse", "r2")] = 1 - error / variance if known else None
        for name in SQUARED:
            values[name] = None if metrics[name] is None else metrics[name] / square
        ends = metrics["mse_ci"]
        values["mse_ci"] = None if ends is None else [end / square for end in ends]
        scaled[role] = values
    return scaled
