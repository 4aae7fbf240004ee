"""The rows of a run that stand at the ends: highest and lowest mean influence, or score.

Knows a run's rows and their means, nothing of the order a page draws them in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages._ui.format import number, shortened
from pages._ui.row_doubt import doubt_column, doubt_words

if TYPE_CHECKING:
    from nncift_core.pipeline.view import RunView

EXTREMES = 10


def draw_extremes(view: RunView) -> None:
    """The rows of highest and of lowest mean influence, or score, in two tabs."""
    if view.pointwise:
        st.subheader("Rows of the highest and the lowest score", anchor=False)
        names, column = ("Highest scores", "Lowest scores"), "Score"
        alts = "of the highest score", "of the lowest score"
    else:
        st.subheader("Rows that help most and least, on average over all targets", anchor=False)
        names, column = ("Most helpful", "Least helpful"), "Mean influence"
        alts = "that help most", "that help least"
    parts = zip(st.tabs(names), view.extremes("pool", EXTREMES), alts, strict=True)
    for place, (tab, positions, words) in enumerate(parts):
        rows = [view.roles.pool[int(i)] for i in positions]
        tab.dataframe(
            {
                column: [number(float(view.row_mean[i])) for i in positions],
                **doubt_column(view, positions),
                "Prompt": [shortened(row.prompt, 300) for row in rows],
                "Response": [shortened(row.response, 300) for row in rows],
                "Subtask": [row.subtask or "" for row in rows],
                "Row id": [row.id for row in rows],
            },
            hide_index=True,
            height=390,
            key=f"extremes-{place}",
            alt=f"The {len(rows)} rows {words}",
        )
    words = doubt_words(view)
    if words:
        st.caption(words)
