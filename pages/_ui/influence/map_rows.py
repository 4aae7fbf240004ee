"""Below the map: the row that was clicked, and the rows that were drawn around.

Knows positions of rows, nothing of how they came to be chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.datasets.lazy_rows import rows_at
from pages._ui.format import count, counted, number, shortened
from pages._ui.influence import map_state
from pages._ui.influence.map_state import Point
from pages._ui.row_actions import row_actions
from pages._ui.row_view import draw_texts, facts_of
from pages._ui.shell import Context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nncift_core.pipeline.maps import EmbeddingMap
    from nncift_core.pipeline.view import RunView
    from nncift_core.types import IndexArray

ROWS_A_PAGE = 50
MOST_MARKED = 20_000
"""Rows that one action may pin or ban: the log holds the id of each."""

_PAGE = "map-page"
_CUT = 300


def draw_point(context: Context, view: RunView, found: EmbeddingMap, point: Point) -> None:
    """The opened row in full, what may be done with it, and the rows beside it."""
    from nncift_core.pipeline.map_area import rows_beside

    rows = view.roles.pool if point.side == "pool" else view.roles.target
    row = rows[point.row]
    name = "Pool row" if point.side == "pool" else "Target row"
    st.subheader(f"{name} {count(point.row + 1)}", anchor=False)
    words = facts_of(row)
    if point.side == "pool":
        value = number(float(view.row_mean[point.row]))
        words = f"{_value_name(view).lower()} {value} · {words}"
    st.caption(words)
    if point.side == "pool":
        row_actions(context.workspace, view.run_id, [row.id], key="map-point")
    draw_texts(row, key=f"map-{point.side}-{point.row}")
    st.markdown("**Beside it on the map**")
    near = rows_beside(found, point.side, point.row)
    _table(view, near, key=f"map-near-{point.side}-{point.row}", height=320, words="beside it")


def draw_area(
    context: Context,
    view: RunView,
    found: EmbeddingMap,
    corners: Sequence[tuple[int, int]],
    matches: NDArray[np.bool_] | None,
) -> None:
    """The rows of the pool inside an outline: pin or ban them all, and a page of them."""
    from nncift_core.pipeline.map_area import rows_in_area

    rows = rows_in_area(found, corners, view.row_mean, matches)
    total = len(rows)
    filtered = " that match the filter" if matches is not None else ""
    st.subheader(f"{counted(total, 'selected pool row')}{filtered}", anchor=False)
    if not total:
        st.caption("No pool row lies in the area. Draw around some points, or clear the filter.")
        return
    if total > MOST_MARKED:
        st.caption(
            f"At most {count(MOST_MARKED)} rows can be pinned or banned at once; draw a smaller "
            "area."
        )
    marked = rows if total <= MOST_MARKED else rows[:0]
    pool = view.roles.pool
    row_actions(
        context.workspace,
        view.run_id,
        [row.id for row in rows_at(pool, marked.tolist())],
        key="map-area",
    )
    page = _page(total)
    first = (page - 1) * ROWS_A_PAGE
    shown = rows[first : first + ROWS_A_PAGE]
    order = "the highest score first" if view.pointwise else "the most helpful first"
    st.caption(
        f"Rows {count(first + 1)} to {count(first + len(shown))} of {count(total)}, {order}."
    )
    _table(view, shown, key=f"map-rows-{page}-{total}", height=390, words="in the selected area")


def _page(total: int) -> int:
    """The page of the table, from 1; the field is there only where there are several."""
    pages = ceil(total / ROWS_A_PAGE)
    if pages < 2:
        return 1
    if st.session_state.get(_PAGE, 1) > pages:
        st.session_state[_PAGE] = pages
    chosen = st.number_input(
        f"Page of {count(pages)}", min_value=1, max_value=pages, step=1, key=_PAGE, width=140
    )
    return int(chosen)


def _table(view: RunView, positions: IndexArray, *, key: str, height: int, words: str) -> None:
    """Some pool rows as a table; a ticked one is opened."""
    places = positions.tolist()
    rows = rows_at(view.roles.pool, places)
    st.dataframe(
        {
            "Row": [i + 1 for i in places],
            _value_name(view): [number(float(view.row_mean[i])) for i in places],
            "Prompt": [shortened(row.prompt, _CUT) for row in rows],
            "Response": [shortened(row.response, _CUT) for row in rows],
            "Subtask": [row.subtask or "" for row in rows],
        },
        hide_index=True,
        height=height,
        key=key,
        selection_mode="single-row",
        on_select=lambda: _open(key, places),
        alt=f"{counted(len(places), 'pool row')} {words}",
    )


def _open(key: str, places: list[int]) -> None:
    """Open the ticked row."""
    event: Any = st.session_state.get(key) or {}
    for at in event.get("selection", {}).get("rows", [])[:1]:
        if 0 <= at < len(places):
            map_state.put(map_state.POINT, map_state.point_text("pool", places[at]))


def _value_name(view: RunView) -> str:
    return "Score" if view.pointwise else "Mean influence"
