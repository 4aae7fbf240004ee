"""Influence: which rows help which targets? The heatmap, its windows, one pair, the extremes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import streamlit as st

from nncift_core.network.verdict import QUADRANTS
from pages._ui import window as places
from pages._ui.charts_heatmap import (
    CLICKABLE_CELLS,
    HEIGHT,
    Group,
    box_window,
    clicked_pair,
    groups,
    heatmap_chart,
)
from pages._ui.errors import user_errors
from pages._ui.format import counted, number, plain, shortened
from pages._ui.navigation import next_step
from pages._ui.shell import Context, page_setup

if TYPE_CHECKING:
    from nncift_core.pipeline.view import Aggregate, Heatmap, Order, PairView, RunView
    from nncift_core.types import Row

ORDERS = {"input": "as in the files", "influence": "most helpful first", "subtask": "by subtask"}
TARGET_ORDERS = ORDERS | {"influence": "most helped first"}
AGGREGATES = {"mean": "mean of its pairs", "strongest": "strongest pair"}
EXTREMES = 10


def main() -> None:
    """Draw the page."""
    context = page_setup("Influence", "Which rows help which targets?", needs="result")
    with user_errors(stop=True):
        view = open_run(context.workspace.path, context.run.run_id, context.workspace)
        st.markdown(_summary(view))
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
        _pair_panel(context, view, pool_order, target_order)
        _extremes(view)
        st.divider()
        next_step("select", "Choose what to keep")


@st.cache_resource(max_entries=4, show_spinner="Reading the run ...")
def open_run(workspace_path: Path, run_id: str, _workspace: Any) -> RunView:
    """A finished run to look at; what it holds never changes. Keyed by folder and id."""
    from nncift_core.pipeline import RunView

    return RunView(_workspace, run_id)


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
    pool_order = one.selectbox(
        "Pool rows",
        list(pool_orders),
        index=_default(pool_orders),
        format_func=pool_orders.__getitem__,
        key="columns",
        bind="query-params",
        on_change=places.reset,
        help="Their order from left to right.",
    )
    target_order = two.selectbox(
        "Target rows",
        list(target_orders),
        index=_default(target_orders),
        format_func=target_orders.__getitem__,
        key="rows",
        bind="query-params",
        on_change=places.reset,
        help="Their order from top to bottom.",
    )
    aggregate = three.selectbox(
        "A cell shows the",
        list(AGGREGATES),
        format_func=AGGREGATES.__getitem__,
        key="cell",
        bind="query-params",
        help="A mean hides single strong pairs; the strongest pair hides all others.",
    )
    return cast("Order", pool_order), cast("Order", target_order), cast("Aggregate", aggregate)


def _orders(orders: dict[str, str], subtasks: list[str | None]) -> dict[str, str]:
    """The orders that mean something: by subtask only where rows have one."""
    known = any(subtask is not None for subtask in subtasks)
    return {name: words for name, words in orders.items() if known or name != "subtask"}


def _default(orders: dict[str, str]) -> int:
    """Subtasks show the most where there are any, then the order by influence."""
    return list(orders).index("subtask" if "subtask" in orders else "influence")


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
    left, out, reset = st.columns([6, 1, 1], vertical_alignment="center")
    left.markdown(f"{words} Draw a box to zoom in{_click_words(heatmap)}.")
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
    pair = places.read_pair(*size)
    marked = None
    if pair is not None:
        marked = (
            _place(view, "pool", pool_order, pair[0]),
            _place(view, "target", target_order, pair[1]),
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
    )
    # A key of its own for every window: a chart that kept its box would zoom again and again.
    key = f"heatmap-{view.run_id}-{window}-{pair}-{pool_order}-{target_order}-{aggregate}"
    with st.container(height=HEIGHT + 20, border=False):
        st.plotly_chart(
            figure,
            key=key,
            on_select=lambda: _selected(view, key, pool_order, target_order),
            selection_mode=("box", "points"),
            config={"displayModeBar": False, "scrollZoom": False, "doubleClick": False},
            alt=f"{_title(view)} {words}",
        )
    st.caption(_color_words(heatmap))


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
        _choose_places(view, pool_order, target_order, *clicked)


def _choose_places(
    view: RunView, pool_order: Order, target_order: Order, pool_place: int, target_place: int
) -> None:
    places.write_pair(
        int(view.order("pool", pool_order)[pool_place - 1]),
        int(view.order("target", target_order)[target_place - 1]),
    )


def _place(view: RunView, side: Literal["pool", "target"], order: Order, position: int) -> int:
    """Place of a row in an order, from 1."""
    return int(view.order(side, order).tolist().index(position)) + 1


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


def _click_words(heatmap: Heatmap) -> str:
    clickable = heatmap.is_raw and heatmap.values.size <= CLICKABLE_CELLS
    return ", click a cell to read its pair" if clickable else ""


def _color_words(heatmap: Heatmap) -> str:
    colors = heatmap.color_range
    scale = (
        "Blue helps, orange hurts, white does neither."
        if colors.diverging
        else "All values have one sign, so colors run from low (dark) to high (bright)."
    )
    clipped = " The few most extreme cells share the end colors." if colors.clipped else ""
    return f"{scale}{clipped} Where a pair was labelled, its true value is drawn."


def _pair_panel(context: Context, view: RunView, pool_order: Order, target_order: Order) -> None:
    """One pair: chosen by its places, shown with both texts."""
    size = len(view.roles.pool), len(view.roles.target)
    st.subheader("One pair", anchor=False)
    pair = places.read_pair(*size)
    pool_key, target_key = "pool-place", "target-place"
    # The URL decides which pair it is; the fields follow it, also after a click or a new order.
    st.session_state[pool_key] = _place(view, "pool", pool_order, pair[0]) if pair else None
    st.session_state[target_key] = _place(view, "target", target_order, pair[1]) if pair else None

    def choose() -> None:
        given = st.session_state[pool_key], st.session_state[target_key]
        _choose_places(view, pool_order, target_order, given[0] or 1, given[1] or 1)

    one, two, _ = st.columns([1, 1, 2])
    for column, label, key, most in (
        (one, "Pool row (place)", pool_key, size[0]),
        (two, "Target row (place)", target_key, size[1]),
    ):
        column.number_input(
            label,
            min_value=1,
            max_value=most,
            value=None,
            step=1,
            key=key,
            on_change=choose,
            placeholder=f"1 to {most:,}",
            help="Its place in the order drawn above.",
        )
    if pair is None:
        st.caption("Type the places of a pair, or zoom in and click a cell.")
        return
    _draw_pair(view, view.pair(*pair))


def _draw_pair(view: RunView, pair: PairView) -> None:
    one, two, three = st.columns([1, 1, 2])
    if view.spec.config.exact:
        one.metric("Exact influence", number(pair.predicted))
    else:
        one.metric("Predicted influence", f"~ {number(pair.predicted)}")
        two.metric("True influence", "not labelled" if pair.true is None else number(pair.true))
    three.markdown(_pair_words(pair, exact=view.spec.config.exact))
    left, right = st.columns(2)
    _draw_row(left, "Pool row, which helps", pair.pool_row)
    _draw_row(right, "Target row, which is helped", pair.target_row)


def _pair_words(pair: PairView, *, exact: bool) -> str:
    if pair.self_pair:
        return "Both rows have the same content: such pairs are never labelled or averaged."
    if exact:
        return "This value was computed, not predicted."
    if pair.role is None:
        return "The network has not seen this pair: it was neither trained on nor measured with."
    if pair.role == "q1":
        return "This pair was labelled and the network was **trained on it**."
    words = QUADRANTS.get(pair.role, pair.role)
    return (
        f"This pair was labelled and **kept apart to measure** with: {words} "
        f"({pair.role.upper()}). The network was not trained on it."
    )


def _draw_row(column: Any, title: str, row: Row) -> None:
    with column:
        subtask = f", subtask {plain(row.subtask)}" if row.subtask else ""
        st.markdown(f"**{title}** (id `{row.id}`{subtask})")
        st.caption("Prompt")
        st.code(row.prompt, language=None, wrap_lines=True, height=180)
        st.caption("Response")
        st.code(row.response, language=None, wrap_lines=True, height=180)


def _extremes(view: RunView) -> None:
    st.subheader("Rows that help most and least, on average over all targets", anchor=False)
    highest, lowest = view.extremes("pool", EXTREMES)
    tabs = st.tabs(["Most helpful", "Least helpful"])
    for tab, positions, words in (
        (tabs[0], highest, "most"),
        (tabs[1], lowest, "least"),
    ):
        rows = [view.roles.pool[int(i)] for i in positions]
        tab.dataframe(
            {
                "Mean influence": [number(float(view.row_mean[i])) for i in positions],
                "Prompt": [shortened(row.prompt, 300) for row in rows],
                "Response": [shortened(row.response, 300) for row in rows],
                "Subtask": [row.subtask or "" for row in rows],
                "Row id": [row.id for row in rows],
            },
            hide_index=True,
            height=390,
            key=f"extremes-{words}",
            alt=f"The {len(rows)} rows that help {words}",
        )


main()
