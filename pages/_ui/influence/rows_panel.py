"""The rows of a run in the order of their mean influence, or score: filtered, paged, to act on.

Filter, end and page are in the URL. Knows a run's rows and their means, not how they come about.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from nncift_core.datasets.lazy_rows import rows_at, subtask_names
from pages._ui import state
from pages._ui.errors import user_errors
from pages._ui.format import counted, number, shortened
from pages._ui.influence.row_doubt import doubt_column, doubt_words
from pages._ui.navigation import link_to
from pages._ui.row_actions import row_actions
from pages._ui.row_filter import filter_bar, pool_matches
from pages._ui.row_view import draw_texts, facts_of
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.view import RunView
    from nncift_core.types import FloatArray, IndexArray

PAGE_ROWS = 50
_END, _PAGE = "end", "page"
_MOST_DIGITS = 7


@st.fragment
def draw_rows_panel(context: Context, view: RunView) -> None:
    """Filter, table, what to do with ticked rows, and the first of them in full."""
    with user_errors(stop=False):
        lowest = _end(view) == "bottom"
        chosen = filter_bar(
            "influence-rows", subtasks=subtasks(view.run_id, view), on_change=_first
        )
        matches = pool_matches(context, view, chosen)
        scores = row_values(context.workspace.path, view.run_id, view)
        order = _ordered(view, scores, lowest=lowest)
        places = np.arange(len(order), dtype=np.int64)
        if lowest:
            places = places[::-1]
        if matches is not None:
            kept = matches[order]
            order, places = order[kept], places[kept]
        if not len(order):
            st.info("No row matches the filter. Clear it to see all rows.")
            return
        ticked = _table(view, scores, order, places)
        row_actions(
            context.workspace,
            view.run_id,
            [row.id for row in rows_at(view.roles.pool, ticked)],
            key="influence-rows",
            shortcuts=True,
        )
        words = doubt_words(view)
        if words:
            st.caption(words)
        if ticked:
            _open(view, ticked[0])


@st.cache_resource(max_entries=4, show_spinner=False)
def subtasks(run_id: str, _view: RunView) -> list[str]:
    """Names of the pool's subtasks."""
    return subtask_names(_view.roles.pool)


@st.cache_resource(max_entries=4, show_spinner=False)
def row_values(workspace_path: Path, run_id: str, _view: RunView) -> FloatArray:
    """``(n_train,)`` mean influence, or the score: the label where there is one."""
    if _view.pointwise:
        from pages._ui.influence.scores import best_scores

        return best_scores(_view)
    return _view.row_mean


def _ordered(view: RunView, scores: FloatArray, *, lowest: bool) -> IndexArray:
    """Positions from one end to the other; rows without a value always come last."""
    order = view.order("pool", "influence")
    if not lowest:
        return order
    known = np.isfinite(scores[order])
    return np.concatenate([order[known][::-1], order[~known]])


def _end(view: RunView) -> str:
    words = (
        {"top": "Highest scores", "bottom": "Lowest scores"}
        if view.pointwise
        else {"top": "Most helpful first", "bottom": "Least helpful first"}
    )
    wanted = st.query_params.get(_END, "top")
    st.session_state["rows-end"] = wanted if wanted in words else "top"

    def write() -> None:
        st.query_params[_END] = st.session_state["rows-end"] or "top"
        _first()

    st.segmented_control(
        "Order",
        list(words),
        format_func=words.__getitem__,
        key="rows-end",
        required=True,
        on_change=write,
        label_visibility="collapsed",
    )
    return str(st.session_state["rows-end"])


def _first() -> None:
    if _PAGE in st.query_params:
        del st.query_params[_PAGE]


def _turn(page: int) -> None:
    st.query_params[_PAGE] = str(page)


def _table(view: RunView, scores: FloatArray, order: IndexArray, places: IndexArray) -> list[int]:
    """One page of the table; returns the positions of the rows that are ticked."""
    pages = -(-len(order) // PAGE_ROWS)
    given = st.query_params.get(_PAGE, "1")
    whole = given.isascii() and given.isdigit() and len(given) <= _MOST_DIGITS
    page = min(max(1, int(given)), pages) if whole else 1
    start = (page - 1) * PAGE_ROWS
    shown = order[start : start + PAGE_ROWS].tolist()
    rows = rows_at(view.roles.pool, shown)
    event = st.dataframe(
        {
            "Place": [f"{place + 1:,}" for place in places[start : start + PAGE_ROWS].tolist()],
            "Score" if view.pointwise else "Mean influence": [
                number(float(scores[i])) for i in shown
            ],
            **doubt_column(view, shown),
            "Prompt": [shortened(row.prompt, 300) for row in rows],
            "Response": [shortened(row.response, 300) for row in rows],
            "Subtask": [row.subtask or "" for row in rows],
            "Row id": [row.id for row in rows],
        },
        hide_index=True,
        height=440,
        key=f"rows-{view.run_id}-{page}-{shown[0]}-{len(order)}",
        on_select="rerun",
        selection_mode="multi-row",
        alt=f"{len(rows)} pool rows with their place and value",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"Rows {start + 1:,} to {start + len(shown):,} of {counted(len(order), 'row')}. Tick "
            "rows to pin or ban them; the first one opens below.",
            width="stretch",
        )
        for label, to in (("Back", page - 1), ("Next", page + 1)):
            st.button(
                label,
                key=f"rows-{label.lower()}",
                disabled=not 1 <= to <= pages,
                on_click=_turn,
                args=(to,),
            )
    picked = event["selection"]["rows"]
    return [shown[i] for i in picked if i < len(shown)]


def _open(view: RunView, position: int) -> None:
    row = view.roles.pool[position]
    st.markdown(f"**Pool row {position + 1:,}**")
    st.caption(facts_of(row))
    draw_texts(row, key=f"influence-row-{position}")
    in_dataset = int(view.roles.pool_positions[position])
    link_to("data", "This row in Data", {**state.link(), "row": str(in_dataset + 1)})
