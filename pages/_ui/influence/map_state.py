"""What the map shows, kept in the URL: color, part in view, area, opened row.

``color`` is a name; ``zoom`` holds ``x-y-percent``, the middle of the part in view and how far it
is enlarged; ``area`` is an outline in hexadecimal digits; ``point`` is a pool row from 1, or a
target row as ``t12``. What cannot be read counts as absent: a link may be old or mistyped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from nncift_core.embeddings.planar import SIDE, read_area
from nncift_core.errors import ConfigError

COLOR, CHOSEN, ZOOM, AREA, POINT, TARGETS = "color", "chosen", "zoom", "area", "point", "targets"
"""Names in the URL."""

SIDES = ("pool", "target")
_MOST_ZOOM = 400
_ZOOM = re.compile(r"(\d{1,5})-(\d{1,5})-(\d{3,5})")
_POINT = re.compile(r"(t?)(\d{1,9})")
_SHOWN = "map-shown"


@dataclass(frozen=True)
class Point:
    """An opened row: ``side`` is ``pool`` or ``target``, ``row`` its position."""

    side: str
    row: int


@dataclass(frozen=True)
class Place:
    """What of a map is shown, as it stands in the URL; empty for what is not there."""

    map: str
    zoom: str = ""
    area: str = ""
    point: str = ""


def read_place(map_key: str, n_train: int, n_target: int) -> Place:
    """The place in the URL, without what means nothing on this map."""
    zoom, area, point = (st.query_params.get(name, "") for name in (ZOOM, AREA, POINT))
    return Place(
        map_key,
        zoom if read_window(zoom) is not None else "",
        area if read_corners(area) is not None else "",
        point if read_point(point, n_train, n_target) is not None else "",
    )


def read_window(text: str) -> tuple[int, int, float] | None:
    """Middle and enlargement of the part in view; None for the whole map."""
    found = _ZOOM.fullmatch(text)
    if found is None:
        return None
    x, y, zoom = int(found[1]), int(found[2]), int(found[3]) / 100
    good = x <= SIDE and y <= SIDE and 1 < zoom <= _MOST_ZOOM
    return (x, y, zoom) if good else None


def read_corners(text: str) -> list[tuple[int, int]] | None:
    """The corners of the area, None where there is none."""
    try:
        return read_area(text)
    except ConfigError:
        return None


def read_point(text: str, n_train: int, n_target: int) -> Point | None:
    """The opened row, None where there is none."""
    found = _POINT.fullmatch(text)
    if found is None or not text.isascii():
        return None
    side, size = ("target", n_target) if found[1] else ("pool", n_train)
    row = int(found[2]) - 1
    return Point(side, row) if 0 <= row < size else None


def point_text(side: Any, row: int) -> str:
    """A row as it stands in the URL."""
    return f"{'t' if side == 'target' else ''}{row + 1}"


def put(name: str, value: str) -> None:
    """Set a part of the URL; an empty value leaves it."""
    if value:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def turn_of(place: Place, *, fresh: bool) -> tuple[int, Place]:
    """How often the page, not the map itself, has moved the map, and what it showed last then.

    A map that only follows its visitor is sent the same words again, which costs nothing.

    Args:
        place: What the URL says.
        fresh: Whether the map was not on the page before.
    """
    turn, began, shown = st.session_state.get(_SHOWN, (0, None, None))
    if fresh or shown != place:
        turn, began = turn + 1, place
    st.session_state[_SHOWN] = (turn, began, place)
    return turn, began


def answer(event: Any, map_key: str, n_train: int, n_target: int) -> None:
    """Put what the visitor did on the map into the URL.

    Args:
        event: What the map sent; a browser may send anything.
        map_key: The map.
        n_train: Pool rows.
        n_target: Target rows.
    """
    if not isinstance(event, Mapping):
        return
    kind = event.get("kind")
    if kind == "window":
        put(ZOOM, _window_text(event.get("window")))
    elif kind == "area" and read_corners(str(event.get("area"))) is not None:
        put(AREA, str(event.get("area")))
    elif kind == "point":
        side, row = event.get("side"), event.get("row")
        text = point_text(side, row) if side in SIDES and isinstance(row, int) else ""
        if read_point(text, n_train, n_target) is None:
            return
        put(POINT, text)
    elif kind == "clear":
        put(AREA, "")
        put(POINT, "")
    else:
        return
    turn, began, _ = st.session_state.get(_SHOWN, (0, None, None))
    # The map shows this already.
    st.session_state[_SHOWN] = (turn, began, read_place(map_key, n_train, n_target))


def _window_text(window: Any) -> str:
    """A part in view as text; empty for the whole map and for what is none."""
    numbers = window if isinstance(window, list) and len(window) == 3 else []
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in numbers) or not numbers:
        return ""
    x, y = (min(SIDE, max(0, round(v))) for v in numbers[:2])
    text = f"{x}-{y}-{round(100 * min(max(numbers[2], 1), _MOST_ZOOM))}"
    return text if read_window(text) is not None else ""
