"""Influence: which rows help which targets? Heatmap, methods side by side, map and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages._ui.errors import user_errors
from pages._ui.format import counted, number
from pages._ui.influence.heatmap_panel import draw_heatmap_panel
from pages._ui.influence.methods_panel import draw_methods_panel
from pages._ui.influence.rows_panel import draw_rows_panel
from pages._ui.influence.scores import draw_scores
from pages._ui.navigation import next_step
from pages._ui.run_view import open_run
from pages._ui.shell import Context, page_setup

if TYPE_CHECKING:
    from nncift_core.pipeline.view import RunView

TABS = {
    "heatmap": "Heatmap",
    "methods": "Methods side by side",
    "map": "Map",
    "rows": "Top and bottom rows",
}


def main() -> None:
    """Draw the page."""
    context = page_setup("Influence", "Which rows help which targets?", needs="result")
    with user_errors(stop=True):
        view = open_run(context.workspace.path, context.run.run_id, context.workspace)
        st.markdown(_summary(view))
        tab = _tab(view)
        # Only what is open is computed.
        if tab == "methods":
            draw_methods_panel(context, view)
        elif tab == "map":
            _draw_map(context, view)
        elif tab == "rows":
            draw_rows_panel(context, view)
        elif view.pointwise:
            draw_scores(context, view)
        else:
            draw_heatmap_panel(context, view)
        st.divider()
        next_step("select", "Choose what to keep")


def _tab(view: RunView) -> str:
    """The open tab, kept in the URL."""
    names = TABS | {"heatmap": "Scores"} if view.pointwise else TABS
    wanted = st.query_params.get("tab", "heatmap")
    # The URL decides and the control follows it.
    st.session_state["influence-tab"] = wanted if wanted in names else "heatmap"

    def write() -> None:
        st.query_params["tab"] = st.session_state["influence-tab"] or "heatmap"

    st.segmented_control(
        "View",
        list(names),
        format_func=names.__getitem__,
        key="influence-tab",
        required=True,
        on_change=write,
        label_visibility="collapsed",
    )
    return str(st.session_state["influence-tab"])


def _draw_map(context: Context, view: RunView) -> None:
    from pages._ui.influence.map_panel import draw_map

    draw_map(context, view)


def _summary(view: RunView) -> str:
    overview = view.overview
    kind = "exact" if view.spec.config.exact else "estimated"
    what = "score" if view.pointwise else "influence"
    rows = counted(len(view.roles.pool), "pool row")
    ends = f"**{number(overview['lowest'])}** to **{number(overview['highest'])}**"
    if view.pointwise:
        return (
            f"The {kind} {what} of {rows} reaches from {ends}; higher is better. It is the row's "
            "own, whatever the target."
        )
    targets = counted(len(view.roles.target), "target row")
    return f"The {kind} {what} of {rows} on {targets} reaches from {ends}; higher is more helpful."


main()
