"""The heatmap drawn by the browser: what it is told, and how it is put on a page.

The component draws cells, profiles, colour bar and histogram on a canvas, reads them under the
pointer and asks for windows and pairs; ``heatmap_events`` understands what it asks. Names of rows
go to it as data and are drawn as text. Knows the window it is given, nothing of runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages._ui.format import number, percent

if TYPE_CHECKING:
    from nncift_core.pipeline.heatmap import ColorRange, Heatmap, Profile
    from nncift_core.pipeline.row_orders import Group
    from nncift_core.types import FloatArray

HEIGHT, COMPACT_HEIGHT = 600, 380
ASKED = "asked"
"""The component's trigger: what the visitor wants to see."""

# Orange hurts, blue helps, alike in lightness at equal distance from zero: told apart with any
# common colour blindness, and never red against green.
DIVERGING = ("#7F3B08", "#E08214", "#F2F2F2", "#4393C3", "#053061")
CIVIDIS = (
    "#00224E",
    "#123570",
    "#3B496C",
    "#575D6D",
    "#707173",
    "#8A8678",
    "#A59C74",
    "#C3B369",
    "#E1CC55",
    "#FEE838",
)
_LONGEST_NAME = 60
_FOLDER = Path(__file__).parent / "components"
_SCRIPTS = ("heatmap_parts.js", "heatmap_draw.js", "heatmap.js")

_component = st.components.v2.component(
    "nncift_heatmap",
    css=(_FOLDER / "heatmap.css").read_text("utf-8"),
    js="\n".join((_FOLDER / name).read_text("utf-8") for name in _SCRIPTS),
)


@dataclass(frozen=True)
class Words:
    """What is written on and beside a heatmap.

    Attributes:
        title: What it shows.
        pool_axis: Title of the horizontal axis.
        target_axis: Title of the vertical axis.
        cell: What a cell of several pairs shows of them, such as ``mean``.
        alt: All of it in a sentence, for those who do not see it.
        file_name: Of the saved picture.
        hint: What stands below while nothing is pointed at.
    """

    title: str
    pool_axis: str
    target_axis: str
    cell: str
    alt: str
    file_name: str = "influence.png"
    hint: str = ""


@dataclass(frozen=True)
class Look:
    """How a heatmap is drawn.

    Attributes:
        compact: Without profiles and histogram, lower: one of several.
        color: Of a square before the title, empty for none.
        shares: Whether values are shares from 0 to 1 instead of influence.
        marked: Places (pool, target), from 0, of the pair that is open.
        pool_groups: Neighbouring pool rows that share a name.
        target_groups: Likewise for target rows.
    """

    compact: bool = False
    color: str = ""
    shares: bool = False
    marked: tuple[int, int] | None = None
    pool_groups: Sequence[Group] = field(default_factory=tuple)
    target_groups: Sequence[Group] = field(default_factory=tuple)


def draw(payload: dict[str, Any], *, key: str, on_asked: Callable[[], None]) -> None:
    """Put a heatmap on the page; ``asked(key)`` says in ``on_asked`` what is wanted."""
    _component(key=key, data=payload, on_asked_change=on_asked)


def asked(key: str) -> Any:
    """What the visitor asked the heatmap of this key for."""
    return (st.session_state.get(key) or {}).get(ASKED)


def payload(
    heatmap: Heatmap, size: tuple[int, int], words: Words, look: Look, answer: int = 0
) -> dict[str, Any]:
    """What the component is told of a window.

    Args:
        heatmap: The window.
        size: Pool rows and target rows of the whole matrix.
        words: What is written.
        look: How it is drawn.
        answer: Number of the question that this answers, as the component gave it.
    """
    from nncift_core.pipeline.heatmap import ColorRange
    from nncift_core.pipeline.heatmap_codes import quantised, spread

    scale = ColorRange(0.0, 1.0, False, False) if look.shares else heatmap.color_range
    marked = look.marked
    if marked is not None:
        first, last, top, bottom = heatmap.window
        marked = marked if first <= marked[0] < last and top <= marked[1] < bottom else None
    return {
        "title": words.title,
        "titleColor": look.color,
        "alt": words.alt,
        "hint": words.hint,
        "fileName": words.file_name,
        "cellWords": words.cell,
        "poolAxis": words.pool_axis,
        "targetAxis": words.target_axis,
        "window": list(heatmap.window),
        "size": list(size),
        "poolEdges": heatmap.pool_edges.tolist(),
        "targetEdges": heatmap.target_edges.tolist(),
        "cells": _coded(quantised(heatmap.values)),
        "halfWidths": None if heatmap.half_width is None else _coded(quantised(heatmap.half_width)),
        "scale": {"lo": scale.lo, "hi": scale.hi},
        "palette": DIVERGING if scale.diverging else CIVIDIS,
        "barTicks": bar_ticks(scale, shares=look.shares),
        "spread": spread(heatmap.values, scale.lo, scale.hi).tolist(),
        "poolProfile": _profile(heatmap.pool_profile),
        "targetProfile": _profile(heatmap.target_profile),
        "poolGroups": _groups(look.pool_groups),
        "targetGroups": _groups(look.target_groups),
        "marked": marked,
        "percent": look.shares,
        "compact": look.compact,
        "height": COMPACT_HEIGHT if look.compact else HEIGHT,
        "answer": answer,
    }


def bar_ticks(scale: ColorRange, *, shares: bool = False) -> list[tuple[float, str]]:
    """Places on the colour bar, from 0 at its foot to 1, with what is written beside them."""
    ticks = []
    for share in (0.0, 0.5, 1.0):
        value = scale.lo + share * (scale.hi - scale.lo)
        words = percent(value) if shares else number(value)
        if scale.diverging:
            words = ("0", f"+{words}", words)[(share > 0.5) - (share < 0.5)]
        ticks.append((share, words))
    return ticks


def _coded(codes: Any) -> dict[str, Any]:
    return {"codes": codes.text, "lo": codes.lo, "hi": codes.hi}


def _profile(profile: Profile | None) -> dict[str, Any]:
    if profile is None:
        return {"mean": [], "half": None}
    half = None if profile.half_width is None else _numbers(profile.half_width)
    known = half is not None and any(width is not None for width in half)
    return {"mean": _numbers(profile.mean), "half": half if known else None}


def _numbers(values: FloatArray) -> list[float | None]:
    """Five digits are enough to draw; what is not finite has no number in JSON."""
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in values.tolist()]


def _groups(groups: Sequence[Group]) -> list[tuple[str, int, int]]:
    return [(group.name[:_LONGEST_NAME], group.first, group.last) for group in groups]
