"""Data: files become a project, with what was accepted, what was not, and the rows to read."""

from __future__ import annotations

import streamlit as st

from pages._ui.data_import import draw_import
from pages._ui.data_report import draw_browser, draw_report
from pages._ui.extend_form import draw_extend
from pages._ui.format import counted
from pages._ui.navigation import next_step
from pages._ui.shell import Context, page_setup

_POOL, _TARGET = "Pool", "Target"


def main() -> None:
    """Draw the page."""
    context = page_setup("Data", "Is my data readable and clean?", needs="workspace")
    if context.found_project is None:
        draw_import(context.workspace)
    else:
        _draw_project(context)


def _draw_project(context: Context) -> None:
    side = st.segmented_control(
        "Rows of",
        [_POOL, _TARGET],
        default=_POOL,
        required=True,
        key="side",
        bind="query-params",
        label_visibility="collapsed",
        on_change=_forget_page,
    )
    dataset = context.target if side == _TARGET else context.pool
    if dataset is None:
        st.info(
            f"The target is a sample of {counted(context.n_target, 'pool row')}, drawn with each "
            "run's seed. These rows leave the pool.",
            icon=":material/shuffle:",
        )
    else:
        draw_report(context.workspace, dataset, str(side).lower())
        st.subheader("Rows", anchor=False)
        draw_browser(context.workspace, dataset)
    if side == _POOL:
        draw_extend(context)
    next_step("run", "Set up a run")


def _forget_page() -> None:
    st.session_state["page"] = 1
    if "row" in st.query_params:
        del st.query_params["row"]


main()
