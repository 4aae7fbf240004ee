"""The heatmap of the run in view with everything to read from it, and one pair of it.

Redrawn by itself, without the rest of the page, when the visitor zooms or opens a pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages._ui.errors import user_errors
from pages._ui.format import number, percent
from pages._ui.influence import heatmap_component, heatmap_events
from pages._ui.influence import window as places
from pages._ui.influence.heatmap_controls import (
    CELL_WORDS,
    POOL_ORDERS,
    TARGET_ORDERS,
    Shown,
    cell_words,
    choose,
    window_of,
    window_words,
)
from pages._ui.influence.pair import choose_places, pair_panel
from pages._ui.influence.row_doubt import small_doubt
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.heatmap import Heatmap
    from nncift_core.pipeline.view import RunView

_TURN = "heatmap-turn"
HINT = "Point at a cell to read it. Wheel or a box zooms in, a double click or Escape out."
_KEYS = (
    "Keys, once the heatmap is in focus: arrows move the window, Shift and arrows move the frame "
    "from cell to cell, + and - zoom, Enter opens the framed pair, Escape or Backspace zooms out, "
    "Home shows everything."
)


@st.fragment
def draw_heatmap_panel(context: Context, view: RunView) -> None:
    """Controls, heatmap, downloads and the open pair."""
    with user_errors(stop=False):
        shown = choose(view)
        heatmap = window_of(context.workspace.path, context.run.run_id, shown, view)
        _window_line(view, heatmap, shown)
        _draw(view, heatmap, shown)
        _below(view, heatmap, shown)
        pair_panel(context, view, shown.pool_order, shown.target_order)


def ask(view: RunView, shown: Shown, key: str) -> None:
    """Do what the visitor asked the heatmap of a key for: another window, or a pair."""
    event = heatmap_component.asked(key)
    st.session_state[_TURN] = heatmap_events.turn_of(event)
    size = len(view.roles.pool), len(view.roles.target)
    found = heatmap_events.answer(event, shown.window, size)
    if isinstance(found, places.Window):
        places.write(found)
    elif found is not None:
        choose_places(view, shown.pool_order, shown.target_order, found.pool + 1, found.target + 1)


def last_turn() -> int:
    """Number of the question that was asked last."""
    return int(st.session_state.get(_TURN, 0))


def marked_places(view: RunView, shown: Shown) -> tuple[int, int] | None:
    """Places, from 0, of the open pair in the orders drawn."""
    pair = places.read_pair(len(view.roles.pool), len(view.roles.target))
    if pair is None:
        return None
    return (
        int(view.orders("pool").places(shown.pool_order)[pair[0]]),
        int(view.orders("target").places(shown.target_order)[pair[1]]),
    )


def _window_line(view: RunView, heatmap: Heatmap, shown: Shown) -> None:
    size = len(view.roles.pool), len(view.roles.target)
    zoomed = shown.window != places.WHOLE
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(window_words(heatmap), width="stretch")
        st.button(
            "Zoom out",
            key="zoom-out",
            disabled=not zoomed,
            on_click=places.write,
            args=(places.wider(shown.window, *size),),
        )
        st.button("Reset", key="zoom-reset", disabled=not zoomed, on_click=places.reset)


def _draw(view: RunView, heatmap: Heatmap, shown: Shown) -> None:
    key = f"heatmap-{view.run_id}"
    title = f"{_kind(view)} of each pool row on each target row"
    first, last, top, bottom = heatmap.window
    words = heatmap_component.Words(
        title=title,
        pool_axis=f"pool rows, {POOL_ORDERS[shown.pool_order]}",
        target_axis=f"target rows, {TARGET_ORDERS[shown.target_order]}",
        cell=CELL_WORDS[shown.aggregate],
        alt=alternative(view, heatmap, title),
        file_name=f"influence-{first + 1}-{last}-{top + 1}-{bottom}.png",
        hint=HINT,
    )
    look = heatmap_component.Look(
        marked=marked_places(view, shown),
        pool_groups=view.orders("pool").groups(shown.pool_order, (first, last)),
        target_groups=view.orders("target").groups(shown.target_order, (top, bottom)),
    )
    size = len(view.roles.pool), len(view.roles.target)
    heatmap_component.draw(
        heatmap_component.payload(heatmap, size, words, look, last_turn()),
        key=key,
        on_asked=lambda: ask(view, shown, key),
    )


def _below(view: RunView, heatmap: Heatmap, shown: Shown) -> None:
    words, save = st.columns([5, 1.4])
    texts = (_color_words(heatmap), _doubt_words(view), _band_words(heatmap))
    words.caption(" ".join(text for text in texts if text), help=_KEYS)
    save.download_button(
        "CSV of what is shown",
        data=lambda: _csv(view, heatmap),
        file_name=f"influence-{shown.aggregate}.csv",
        mime="text/csv",
        key="heatmap-csv",
        on_click="ignore",
        width="stretch",
    )


def _csv(view: RunView, heatmap: Heatmap) -> bytes:
    from nncift_core.pipeline.heatmap_table import heatmap_csv

    return heatmap_csv(heatmap, view.roles.pool, view.roles.target)


def alternative(view: RunView, heatmap: Heatmap, title: str) -> str:
    """A heatmap in words."""
    first, last, top, bottom = heatmap.window
    colors = heatmap.color_range
    return (
        f"Heatmap: {title}. Pool rows {first + 1:,} to {last:,} of {len(view.roles.pool):,} from "
        f"left to right, target rows {top + 1:,} to {bottom:,} of {len(view.roles.target):,} "
        f"from top to bottom, {cell_words(heatmap)}, colours from {number(colors.lo)} to "
        f"{number(colors.hi)}. {_KEYS}"
    )


def _kind(view: RunView) -> str:
    return "Influence" if view.spec.config.exact else "Estimated influence"


def _color_words(heatmap: Heatmap) -> str:
    colors = heatmap.color_range
    scale = (
        "Blue helps, orange hurts, white does neither."
        if colors.diverging
        else "Dark is low, bright is high."
    )
    clipped = " The few most extreme cells share the end colours." if colors.clipped else ""
    return f"{scale}{clipped} Where a pair was labelled, its true value is drawn."


def _doubt_words(view: RunView) -> str:
    """How far one estimate may be off; empty where that is not known."""
    unseen = (view.uncertainty.get("pairs") or {}).get("q4") or {}
    if unseen.get("half_width") is None:
        return ""
    width, level = small_doubt(view, unseen["half_width"]), percent(unseen["level"])
    within = "less than 0.0001" if width.startswith("<") else f"± {width}"
    return (
        f"An estimate of one pair is within {within} of the truth for {level} of the pairs of "
        "unseen rows and unseen targets."
    )


def _band_words(heatmap: Heatmap) -> str:
    """What the pale band of a profile means, where one is drawn."""
    profile = heatmap.pool_profile
    widths = None if profile is None else profile.half_width
    if widths is None or not bool((widths > 0).any()):
        return ""
    return "The pale band below is how far the mean of a pool row may be off."
