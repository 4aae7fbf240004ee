"""The points of a study as a table of numbers. Draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncift_core.studies.shapes import shape_name
from pages._ui.format import count, number, percent
from pages._ui.quadrants import Kind, with_interval
from pages._ui.studies.lines import Points, used_network_words


def points_table(points: Points, kind: Kind) -> dict[str, list[Any]]:
    """A line a point: what it is, then R² and squared error of each quadrant.

    Args:
        points: On one common scale.
        kind: What the quadrants are of.
    """
    columns = _columns(points)
    columns["Seed"] = [int(point["seed"]) for point in points]
    columns["Labels"] = [count(point["labels"]) for point in points]
    for name in kind.quadrants:
        found = [point["quadrants"].get(name) for point in points]
        columns[f"R² {name.upper()}"] = [with_interval(metrics, "r2") for metrics in found]
    for name in kind.quadrants:
        found = [point["quadrants"].get(name) for point in points]
        columns[f"Squared error {name.upper()}"] = [
            with_interval(metrics, "mse") for metrics in found
        ]
    columns["Mean's squared error Q4"] = [
        number((point["quadrants"].get("q4") or {}).get("mse_mean")) for point in points
    ]
    columns["Seconds"] = [number(point["seconds"]) for point in points]
    return columns


def _columns(points: Points) -> dict[str, list[Any]]:
    if points and "shape" in points[0]:
        return {
            "Shape": [shape_name(point["shape"]) for point in points],
            "Parameters": [count(point["parameters"]) for point in points],
            "Training": [str(point["training"]) for point in points],
        }
    return {
        "u": [percent(point["fraction"]) for point in points],
        "Estimator": [_estimator(point) for point in points],
    }


def _estimator(point: Mapping[str, Any]) -> str:
    title = used_network_words(point["network"])
    chosen = point.get("chosen")
    if chosen in (None, point["network"]):
        return title
    return f"{title}: {used_network_words(str(chosen))}"
