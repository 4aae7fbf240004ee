"""Influence: which rows help which targets? The heatmap and one pair, or the scores of rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from pages._ui import window as places
from pages._ui.charts_heatmap import (
    HEIGHT,
    Group,
    box_window,
    can_be_clicked,
    clicked_pair,
    groups,
    heatmap_chart,
)
from pages._ui.errors import user_errors
from pages._ui.extremes import draw_extremes
from pages._ui.format import counted, number, percent
from pages._ui.navigation import next_step
from pages._ui.pair import choose_places, pair_panel, place_of
from pages._ui.run_view import open_run
from pages._ui.scores import draw_scores
from pages._ui.shell import Context, page_setup

if TYPE_CHECKING:
    from nncift_core.pipeline.heatmap import Heatmap
    from nncift_core.pipeline.view import Aggregate, Order, RunView
    from nncift_core.types import Row

ORDERS = {"input": "as in the files", "influence": "most helpful first", "subtask": "by subtask"}
TARGET_ORDERS = ORDERS | {"influence": "most helped first"}
AGGREGATES = {"mean": "mean of its pairs", "strongest": "strongest pair"}


def main() -> None:
    """Draw the page."""
    context = page_setup("Influence", "Which rows help which targets?", needs="result")
    with user_errors(stop=True):
        view = open_run(context.workspace.path, context.run.run_id, context.workspace)
        st.markdown(_summary(view))
        if view.pointwise:
            draw_scores(view)
        else:
            _draw_pairs(context, view)
        draw_extremes(view)
        st.divider()
        next_step("select", "Choose what to keep")


def _draw_pairs(context: Context, view: RunView) -> None:
    """The heatmap with its controls, and one pair of it."""
    pool_order, target_order, aggregate = _controls(view)
    window = places.read(len(view.roles.pool), len(view.roles.target))
    heatmap = cached_heatmap(
        context.workspace.path,
        context.run.run_id,
        window,
        pool_order,
        target_order,
        aggregate,
        view,
    )
    _draw_heatmap(view, heatmap, window, pool_order, target_order, aggregate)
    pair_panel(view, pool_order, target_order)


@st.cache_data(max_entries=64, show_spinner="Computing the window ...")
def cached_heatmap(
    workspace_path: Path,
    run_id: str,
    window: places.Window,
    pool_order: Order,
    target_order: Order,
    aggregate: Aggregate,
    _view: RunView,
) -> Heatmap:
    """A window of the matrix, aggregated to what a browser draws with ease."""
    return _view.heatmap(
        window.pool,
        window.target,
        pool_order=pool_order,
        target_order=target_order,
        aggregate=aggregate,
    )


def _summary(view: RunView) -> str:
    overview = view.overview
    if view.pointwise:
        kind = "The exact score" if view.spec.config.exact else "The estimated score"
        return (
            f"{kind} of {counted(len(view.roles.pool), 'pool row')} reaches from "
            f"**{number(overview['lowest'])}** to **{number(overview['highest'])}**; higher is "
            "better. It is the row's own, whatever the target."
        )
    kind = "The exact influence" if view.spec.config.exact else "The estimated influence"
    return (
        f"{kind} of {counted(len(view.roles.pool), 'pool row')} on "
        f"{counted(len(view.roles.target), 'target row')} reaches from "
        f"**{number(overview['lowest'])}** to **{number(overview['highest'])}**; "
        "higher is more helpful."
    )


def _controls(view: RunView) -> tuple[Order, Order, Aggregate]:
    one, two, three = st.columns(3)
    pool_orders = _orders(ORDERS, [row.subtask for row in view.roles.pool])
    target_orders = _orders(TARGET_ORDERS, [row.subtask for row in view.roles.target])
    pool_order = places.choice(
        one,
        "Pool rows",
        "columns",
        pool_orders,
        default=_default(pool_orders),
        moves=True,
        help_text="Their order from left to right.",
    )
    target_order = places.choice(
        two,
        "Target rows",
        "rows",
        target_orders,
        default=_default(target_orders),
        moves=True,
        help_text="Their order from top to bottom.",
    )
    aggregate = places.choice(
        three,
        "A cell shows the",
        "cell",
        AGGREGATES,
        default="mean",
        help_text="A mean hides single strong pairs; the strongest pair hides all others.",
    )
    return cast("Order", pool_order), cast("Order", target_order), cast("Aggregate", aggregate)


def _orders(orders: dict[str, str], subtasks: list[str | None]) -> dict[str, str]:
    """The orders that mean something: by subtask only where rows have one."""
    known = any(subtask is not None for subtask in subtasks)
    return {name: words for name, words in orders.items() if known or name != "subtask"}


def _default(orders: dict[str, str]) -> str:
    """Subtasks show the most where there are any, then the order by influence."""
    return "subtask" if "subtask" in orders else "influence"


def _draw_heatmap(
    view: RunView,
    heatmap: Heatmap,
    window: places.Window,
    pool_order: Order,
    target_order: Order,
    aggregate: Aggregate,
) -> None:
    size = len(view.roles.pool), len(view.roles.target)
    zoomed = window != places.WHOLE
    words = _window_words(heatmap)
    left, out, reset = st.columns([5, 1.3, 1], vertical_alignment="center")
    left.markdown(words)
    out.button(
        "Zoom out",
        key="zoom-out",
        disabled=not zoomed,
        on_click=places.write,
        args=(places.wider(window, *size),),
        width="stretch",
    )
    reset.button(
        "Reset", key="zoom-reset", disabled=not zoomed, on_click=places.reset, width="stretch"
    )
    clickable = _pointer(heatmap)
    pair = places.read_pair(*size)
    marked = None
    if pair is not None:
        marked = (
            place_of(view, "pool", pool_order, pair[0]),
            place_of(view, "target", target_order, pair[1]),
        )
        inside = (
            heatmap.pool_edges[0] < marked[0] <= heatmap.pool_edges[-1]
            and heatmap.target_edges[0] < marked[1] <= heatmap.target_edges[-1]
        )
        marked = marked if inside else None
    figure = heatmap_chart(
        heatmap,
        title=_title(view),
        pool_axis=f"pool rows, {ORDERS[pool_order]}",
        target_axis=f"target rows, {TARGET_ORDERS[target_order]}",
        pool_groups=_groups(
            view.roles.pool, heatmap.pool_positions, heatmap.pool_edges, pool_order
        ),
        target_groups=_groups(
            view.roles.target, heatmap.target_positions, heatmap.target_edges, target_order
        ),
        marked=marked,
        clickable=clickable,
    )
    # A key of its own for every window: a chart that kept its box would zoom again and again.
    state = (window, pair, pool_order, target_order, aggregate, clickable)
    key = f"heatmap-{view.run_id}-{state}"
    with st.container(height=HEIGHT + 20, border=False):
        st.plotly_chart(
            figure,
            key=key,
            on_select=lambda: _selected(view, key, pool_order, target_order),
            selection_mode="points" if clickable else "box",
            config={"displayModeBar": False, "scrollZoom": False, "doubleClick": False},
            alt=f"{_title(view)} {words}",
        )
    st.caption(" ".join(words for words in (_color_words(heatmap), _doubt_words(view)) if words))


def _pointer(heatmap: Heatmap) -> bool:
    """Whether the pointer chooses single cells; it draws boxes where they are too many."""
    if not can_be_clicked(heatmap):
        st.caption(
            "Draw a box to zoom in. Where 50 x 50 rows or fewer remain, you can click single pairs."
        )
        return False
    click, box = "Click a cell to read its pair", "Draw a box to zoom in"
    chosen = st.segmented_control(
        "The pointer",
        (click, box),
        default=click,
        required=True,
        key="pointer",
        label_visibility="collapsed",
    )
    return bool(chosen == click)


def _groups(rows: Sequence[Row], positions: Any, edges: Any, order: Order) -> list[Group]:
    """Subtasks side by side, where rows are ordered by them."""
    if order != "subtask":
        return []
    return groups([rows[i].subtask for i in positions.tolist()], int(edges[0]) + 1)


def _selected(view: RunView, key: str, pool_order: Order, target_order: Order) -> None:
    """Answer a box with its window, and a click on a cell with its pair."""
    event = (st.session_state.get(key) or {}).get("selection")
    found = box_window(event, (len(view.roles.pool), len(view.roles.target)))
    if found is not None:
        places.write(places.Window(*found))
        return
    clicked = clicked_pair(event)
    if clicked is not None:
        choose_places(view, pool_order, target_order, *clicked)


def _title(view: RunView) -> str:
    kind = "Influence" if view.spec.config.exact else "Estimated influence"
    return f"{kind} of each pool row on each target row"


def _window_words(heatmap: Heatmap) -> str:
    pool, target = heatmap.pairs_per_cell
    cell = "1 cell = 1 pair" if heatmap.is_raw else f"1 cell = {pool} x {target} pairs"
    return (
        f"**{cell}.** Pool rows {heatmap.pool_edges[0] + 1:,} to {heatmap.pool_edges[-1]:,}, "
        f"target rows {heatmap.target_edges[0] + 1:,} to {heatmap.target_edges[-1]:,}."
    )


def _doubt_words(view: RunView) -> str:
    """How far one estimate may be off; empty where that is not known."""
    unseen = (view.uncertainty.get("pairs") or {}).get("q4") or {}
    if unseen.get("half_width") is None:
        return ""
    return (
        f"An estimate of one pair is within ± {number(unseen['half_width'], 2)} of the truth for "
        f"{percent(unseen['level'])} of the pairs of unseen rows and unseen targets."
    )


def _color_words(heatmap: Heatmap) -> str:
    colors = heatmap.color_range
    scale = (
        "Blue helps, orange hurts, white does neither."
        if colors.diverging
        else "Dark is low, bright is high."
    )
    clipped = " The few most extreme cells share the end colors." if colors.clipped else ""
    return f"{scale}{clipped} Where a pair was labelled, its true value is drawn."


main()
