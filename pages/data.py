"""Data: files become a project, with what was accepted, what was not, and the rows to read."""

from __future__ import annotations

import streamlit as st

from nncift_core.store import DatasetRecord
from pages._ui.data.browser import draw_browser, forget_rows
from pages._ui.data.extend_form import draw_extend
from pages._ui.data.import_form import draw_import
from pages._ui.data.report import (
    draw_rejected,
    draw_report,
    fill_statistics,
    statistics_kept,
    statistics_places,
)
from pages._ui.errors import user_errors
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
        on_change=forget_rows,
    )
    dataset = context.target if side == _TARGET else context.pool
    if dataset is None:
        st.info(
            f"The target is a sample of {counted(context.n_target, 'pool row')}, drawn with each "
            "run's seed. These rows leave the pool.",
            icon=":material/shuffle:",
        )
    else:
        _draw_dataset(context, dataset, str(side).lower())
    if side == _POOL:
        draw_extend(context)
    next_step("run", "Set up a run")


def _draw_dataset(context: Context, dataset: DatasetRecord, words: str) -> None:
    workspace = context.workspace
    with user_errors():
        draw_report(workspace, dataset, words)
        places = statistics_places(dataset)
        # What must be computed first comes after the rows, so that they can be read meanwhile.
        at_once = statistics_kept(workspace, dataset)
        if at_once:
            fill_statistics(workspace, dataset, places)
        draw_rejected(workspace, dataset)
        st.subheader("Rows", anchor=False)
        draw_browser(workspace, dataset)
        if not at_once:
            fill_statistics(workspace, dataset, places)


main()
