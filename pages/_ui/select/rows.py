"""Below the charts of the Select page: chosen rows, rows left out, coverage. One of them is open.

Only what is open is computed. Knows a selection as tables show it, not how rows are chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages._ui.select.coverage_panel import coverage_panel
from pages._ui.select.state import Fields, follow
from pages._ui.select.tables import CHOSEN, COVERAGE, LEFT_OUT, Tables
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.curation import Desk
    from nncift_core.pipeline.row_pages import RowPages

_PARTS = {"chosen": CHOSEN, "left-out": LEFT_OUT, "coverage": COVERAGE}


def draw_rows(
    context: Context, desk: Desk, fields: Fields, pages: RowPages, *, version: str, key: str = ""
) -> list[str]:
    """The tables and the coverage; gives the ids of the rows that are marked.

    Args:
        context: What the page is about.
        desk: The run's desk.
        fields: Where it is kept what is open.
        pages: The selection.
        version: Changes with every action, so that marks do not move on to other rows.
        key: Beginning of the keys of all fields.
    """
    parts = {name: words for name, words in _PARTS.items() if _has(name, desk)}
    widget = f"{key}part"
    follow(widget, fields.choice("part", parts, "chosen"))
    part = st.segmented_control(
        "Rows",
        list(parts),
        format_func=parts.__getitem__,
        required=True,
        key=widget,
        on_change=lambda: fields.put("part", st.session_state[widget], "chosen"),
        label_visibility="collapsed",
    )
    if part == "coverage":
        coverage_panel(desk, pages)
        return []
    tables = Tables(context, desk, fields, pages, version=version, key=key)
    return tables.left_out() if part == "left-out" else tables.chosen()


def _has(part: str, desk: Desk) -> bool:
    return part != "coverage" or not desk.view.pointwise
