"""What a visitor asks of the heatmap, as a window or a pair to show.

The component sends places, from 0, as its pointer and keys found them; they are cut to what there
is. What cannot be understood asks for nothing. Draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from pages._ui.influence.window import WHOLE, Window, wider

LEAST_ROWS = 12
"""A cell of several pairs opens as a window of at least so many rows a side."""

_ZOOM_STEPS = 1e-6


class Pair(NamedTuple):
    """Places, from 0, of one pair."""

    pool: int
    target: int


def answer(event: Any, shown: Window, size: tuple[int, int]) -> Window | Pair | None:
    """The window or the pair that was asked for.

    Args:
        event: ``kind`` is ``window`` or ``box`` with ``pool`` and ``target`` (first and
            past-the-last place, fractions allowed), ``cell`` with those of a cell, ``out`` or
            ``whole``.
        shown: The window that is drawn.
        size: Pool rows and target rows.
    """
    if not isinstance(event, Mapping):
        return None
    kind = event.get("kind")
    if kind == "whole":
        return WHOLE
    if kind == "out":
        return wider(shown, *size)
    if kind not in ("window", "box", "cell"):
        return None
    ends = [_ends(event.get(side)) for side in ("pool", "target")]
    if ends[0] is None or ends[1] is None:
        return None
    sides = [
        _side(side, n, touched=kind == "box") for side, n in zip(ends, size, strict=True) if side
    ]
    if kind == "cell":
        if all(last - first == 1 for first, last in sides):
            return Pair(sides[0][0], sides[1][0])
        sides = [_around(side, n) for side, n in zip(sides, size, strict=True)]
    pool, target = (None if side == (0, n) else side for side, n in zip(sides, size, strict=True))
    return Window(pool, target)


def turn_of(event: Any) -> int:
    """Number of a question, so that the answer can name it; 0 where it has none."""
    turn = event.get("turn") if isinstance(event, Mapping) else None
    whole = isinstance(turn, int | float) and not isinstance(turn, bool) and math.isfinite(turn)
    return int(turn) if whole and turn is not None else 0


def _ends(side: Any) -> tuple[float, float] | None:
    if not isinstance(side, list | tuple) or len(side) != 2:
        return None
    if not all(isinstance(end, int | float) and math.isfinite(end) for end in side):
        return None
    first, last = sorted(float(end) for end in side)
    return first, last


def _side(ends: tuple[float, float], size: int, *, touched: bool) -> tuple[int, int]:
    """Whole places: every row that a box touches, else the nearest."""
    first, last = ends
    if touched:
        start, stop = math.floor(first + _ZOOM_STEPS), math.ceil(last - _ZOOM_STEPS)
    else:
        start, stop = round(first), round(last)
    start = min(max(0, start), size - 1)
    return start, min(size, max(start + 1, stop))


def _around(side: tuple[int, int], size: int) -> tuple[int, int]:
    """The rows of a cell with some beside them where they are very few."""
    missing = LEAST_ROWS - (side[1] - side[0])
    if missing <= 0:
        return side
    start = max(0, min(side[0] - missing // 2, size - LEAST_ROWS))
    return start, min(size, max(side[1], start + LEAST_ROWS))
