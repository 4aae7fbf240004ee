"""Heatmaps of several methods side by side: the same rows in the same order, one window.

Takes the newest finished run of each method of the project. Zooming into one zooms into all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from nncift_core.store import RunRecord
from pages._ui.errors import user_errors
from pages._ui.format import number, percent, plain
from pages._ui.influence import heatmap_component
from pages._ui.influence import window as places
from pages._ui.influence.heatmap_controls import (
    CELL_WORDS,
    POOL_ORDERS,
    TARGET_ORDERS,
    Shown,
    cell_words,
    choose,
    window_words,
)
from pages._ui.influence.heatmap_panel import ask, last_turn, marked_places
from pages._ui.method_colors import method_color
from pages._ui.navigation import link_to
from pages._ui.run_view import open_beside
from pages._ui.runs import method_title, run_status
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.heatmap import Heatmap
    from nncift_core.pipeline.view import RunView

MOST = 4
SIDE = 200
"""Drawn cells a side: four heatmaps share the width of one."""

_LEAVES = "methods-leave"
"""In the session: another tab is to be drawn, so the whole page must run."""

OWN, COMMON = "own", "common"
_SCALES = {OWN: "each its own scale", COMMON: "one scale: place among its own pairs"}


class Beside(NamedTuple):
    """A run that is drawn, and what it is called."""

    run_id: str
    method: str
    title: str
    view: RunView


@st.fragment
def draw_methods_panel(context: Context, view: RunView) -> None:
    """The choice of runs, their heatmaps, and how far they agree about rows."""
    if st.session_state.pop(_LEAVES, False):
        st.rerun()
    with user_errors(stop=False):
        found = _runs(context, view)
        pairwise = [one for one in found if not one.view.pointwise]
        if not pairwise:
            st.info("No finished run of this project gives a value to pairs of rows.")
            return
        chosen = _choose_runs(pairwise)
        shown = choose(pairwise[0].view if view.pointwise else view)
        common = _scale() == COMMON
        _draw_all(context, view, chosen, shown, common=common)
        _agreement(found)


def newest_by_method(runs: Sequence[RunRecord], first: str) -> list[RunRecord]:
    """The newest run of each method, that with id ``first`` standing for its method at the head.

    Args:
        runs: Finished runs, the newest first.
        first: The run in view.
    """
    by_method: dict[str, RunRecord] = {}
    for run in sorted(runs, key=lambda run: run.run_id != first):
        by_method.setdefault(str(run.config.get("config", {}).get("method", "")), run)
    return list(by_method.values())


def _runs(context: Context, view: RunView) -> list[Beside]:
    done = [run for run in context.runs if run_status(context.workspace, run) == "done"]
    found = []
    for run in newest_by_method(done, view.run_id):
        path = context.workspace.path
        beside = open_beside(path, run.run_id, view.run_id, view, context.workspace)
        if run.run_id == view.run_id:
            beside = view
        if beside is None:
            continue
        config = beside.spec.config
        share = "exact" if config.exact else f"u = {percent(config.label_fraction)}"
        title = f"{method_title(config.method)}, {share}"
        found.append(Beside(run.run_id, config.method, title, beside))
    return found


def _choose_runs(found: list[Beside]) -> list[Beside]:
    titles = {one.run_id: one.title for one in found}
    if len(found) == 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Only one method has a finished run with pairs of these rows.")
            link_to("run", "Run another method")
        return found
    named = st.query_params.get("runs", "").split(",")
    wanted = [one.run_id for one in found if one.run_id in named]
    st.session_state["methods-runs"] = wanted or [one.run_id for one in found[:MOST]]

    def write() -> None:
        st.query_params["runs"] = ",".join(st.session_state["methods-runs"])

    picked = st.multiselect(
        "Methods",
        list(titles),
        format_func=titles.__getitem__,
        max_selections=MOST,
        key="methods-runs",
        on_change=write,
        help="The newest finished run of each method with the same rows; the run in view first.",
    )
    return [one for one in found if one.run_id in picked] or found[:1]


def _scale() -> str:
    wanted = st.query_params.get("scale", OWN)
    st.session_state["scale"] = wanted if wanted in _SCALES else OWN

    def write() -> None:
        st.query_params["scale"] = st.session_state["scale"] or OWN

    st.segmented_control(
        "Colours",
        list(_SCALES),
        format_func=_SCALES.__getitem__,
        key="scale",
        required=True,
        on_change=write,
        help="Methods measure in units of their own, so their values cannot be compared. On one "
        "scale a cell says how many of all pairs of its method are lower.",
    )
    return str(st.session_state["scale"])


def _draw_all(
    context: Context, view: RunView, chosen: list[Beside], shown: Shown, *, common: bool
) -> None:
    # All in the order of one of them, or the same place would not be the same row.
    guide = chosen[0].view if view.pointwise else view
    drawn = [
        (one, side_window(context.workspace.path, one.run_id, shown, guide.run_id, guide, one.view))
        for one in chosen
    ]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(window_words(drawn[0][1]), width="stretch")
        st.button(
            "Reset", key="zoom-reset", disabled=shown.window == places.WHOLE, on_click=places.reset
        )
    grid = st.grid(2, min_column_width=360, gap="small")
    for one, heatmap in drawn:
        with grid.cell():
            _draw_one(guide, one, heatmap, shown, common=common)
    ordered = f"The order is that of {plain(method_title(guide.spec.config.method))}. "
    scale = (
        "50 % is the middle of all pairs of a method; methods can be compared cell by cell."
        if common
        else "Each has its own units and colours; compare patterns, not values."
    )
    st.caption(f"{ordered}{scale} Zooming into one zooms into all; a click on a pair opens it.")


@st.cache_data(max_entries=64, show_spinner="Computing the windows ...")
def side_window(
    workspace_path: Path, run_id: str, shown: Shown, guide_id: str, _guide: RunView, _view: RunView
) -> Heatmap:
    """A window of one run in the order of rows that another run, the guide, gives."""
    return _view.heatmap(
        shown.window.pool,
        shown.window.target,
        pool_order=shown.pool_order,
        target_order=shown.target_order,
        aggregate=shown.aggregate,
        most_tiles=SIDE,
        ordered_by=_guide,
    )


def _draw_one(guide: RunView, one: Beside, heatmap: Heatmap, shown: Shown, *, common: bool) -> None:
    from nncift_core.pipeline.method_scales import on_common_scale

    key = f"methods-{one.run_id}"
    if common:
        heatmap = on_common_scale(heatmap, one.view.overview["histogram"])
    first, last, top, bottom = heatmap.window
    colors = heatmap.color_range
    words = heatmap_component.Words(
        title=one.title,
        pool_axis=f"pool rows, {POOL_ORDERS[shown.pool_order]}",
        target_axis=f"target rows, {TARGET_ORDERS[shown.target_order]}",
        cell=CELL_WORDS[shown.aggregate],
        alt=f"Heatmap of {one.title}: pool rows {first + 1:,} to {last:,}, target rows {top + 1:,} "
        f"to {bottom:,}, {cell_words(heatmap)}, values from {number(colors.lo)} to "
        f"{number(colors.hi)}.",
        hint="Wheel, box or click: all zoom together.",
    )
    look = heatmap_component.Look(
        compact=True,
        color=method_color(one.method),
        shares=common,
        marked=marked_places(guide, shown),
        pool_groups=guide.orders("pool").groups(shown.pool_order, (first, last)),
        target_groups=guide.orders("target").groups(shown.target_order, (top, bottom)),
    )
    size = len(guide.roles.pool), len(guide.roles.target)
    heatmap_component.draw(
        heatmap_component.payload(heatmap, size, words, look, last_turn()),
        key=key,
        on_asked=lambda: _ask(guide, shown, key),
    )


def _ask(guide: RunView, shown: Shown, key: str) -> None:
    before = places.read_pair(len(guide.roles.pool), len(guide.roles.target))
    ask(guide, shown, key)
    if places.read_pair(len(guide.roles.pool), len(guide.roles.target)) != before:
        # The pair is read beside the heatmap of the run in view.
        st.query_params["tab"] = "heatmap"
        st.session_state[_LEAVES] = True


def _agreement(found: list[Beside]) -> None:
    """How far methods agree which rows are worth more."""
    st.subheader("Do the methods agree about rows?", anchor=False)
    if len(found) < 2:
        st.caption("Two methods with finished runs of the same rows can be compared here.")
        return
    table = agreement(tuple(one.run_id for one in found), [one.view for one in found])
    titles = [one.title for one in found]
    st.dataframe(
        {
            "Method": titles,
            **{
                title: ["-" if row[at] is None else f"{row[at]:.2f}" for row in table]
                for at, title in enumerate(titles)
            },
        },
        hide_index=True,
        key="method-agreement",
        alt="Rank correlation of the row scores of every two methods",
    )
    st.caption(
        "Spearman's rank correlation of the rows' scores: 1 is the same order, 0 is none in "
        "common, -1 the reverse."
    )


@st.cache_data(max_entries=16, show_spinner="Comparing the methods ...")
def agreement(run_ids: tuple[str, ...], _views: list[RunView]) -> list[list[float | None]]:
    """Rank correlation of the row scores of every two runs."""
    from nncift_core.pipeline.method_scales import rank_agreement

    return rank_agreement([view.row_scores for view in _views])
