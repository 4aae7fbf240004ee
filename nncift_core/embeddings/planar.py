"""Points of a map as whole numbers, and which of them lie inside an area.

A map is a square of 65,536 x 65,536 places: fine enough for any screen, 4 bytes a point, and
whole numbers leave no doubt whether a point lies inside. Knows nothing of what the points are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import ConfigError
from nncift_core.types import FloatArray, IndexArray

SIDE = 65_535
"""The largest coordinate."""

Points = NDArray[np.uint16]
"""``(n, 2)`` points of a map."""

MOST_CORNERS = 256

_DIGITS = 4


def quantised(places: FloatArray) -> Points:
    """``(n, 2)`` places in [0, 1] as points."""
    return np.rint(np.clip(places, 0.0, 1.0).astype(np.float64) * SIDE).astype(np.uint16)


def unquantised(points: Points) -> FloatArray:
    """``(n, 2)`` points as places in [0, 1], within 1 / 131,070 of what they were."""
    return (points.astype(np.float64) / SIDE).astype(np.float32)


def inside(points: Points, corners: Sequence[tuple[int, int]]) -> IndexArray:
    """Positions of the points inside a polygon or on its edge.

    Where the polygon crosses itself, what an odd number of its edges lies around is inside.

    Args:
        points: The points.
        corners: At least three, in order; the last is joined to the first.
    """
    outline = np.asarray(corners, dtype=np.int64)
    low, high = outline.min(axis=0), outline.max(axis=0)
    near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    x, y = points[near].astype(np.int64).T
    within = np.zeros(len(near), dtype=np.bool_)
    on_edge = np.zeros(len(near), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(outline.tolist(), np.roll(outline, -1, 0).tolist(), strict=True):
        # Which side of the edge: positive where the point is left of it, 0 on its line.
        turn = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        beside = (min(x0, x1) <= x) & (x <= max(x0, x1)) & (min(y0, y1) <= y) & (y <= max(y0, y1))
        on_edge |= (turn == 0) & beside
        if y0 <= y1:
            within ^= (y0 <= y) & (y < y1) & (turn > 0)
        else:
            within ^= (y1 <= y) & (y < y0) & (turn < 0)
    found: IndexArray = near[within | on_edge]
    return found


def nearest_points(points: Points, at: tuple[int, int], count: int) -> IndexArray:
    """Positions of the ``count`` points nearest to a place, the nearest first."""
    away = points.astype(np.int64) - np.asarray(at, dtype=np.int64)
    distance = (away**2).sum(axis=1)
    count = min(count, len(points))
    if count < 1:
        return np.empty(0, dtype=np.int64)
    limit = np.partition(distance, count - 1)[count - 1]
    near = np.flatnonzero(distance <= limit)
    found: IndexArray = near[np.argsort(distance[near], kind="stable")][:count]
    return found


def area_text(corners: Sequence[tuple[int, int]]) -> str:
    """A polygon as it stands in an address: four hexadecimal digits a number."""
    return "".join(f"{x:04x}{y:04x}" for x, y in corners)


def read_area(text: str) -> list[tuple[int, int]]:
    """The polygon that ``area_text`` wrote. Raises: ConfigError."""
    pair = 2 * _DIGITS
    whole = len(text) % pair == 0 and 3 <= len(text) // pair <= MOST_CORNERS
    if not whole or not set(text) <= set("0123456789abcdef"):
        raise ConfigError(
            f"The area {text[:40]!r} is no outline on the map.", "Draw around the rows again."
        )
    numbers = [int(text[i : i + _DIGITS], 16) for i in range(0, len(text), _DIGITS)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))
