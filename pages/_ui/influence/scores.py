"""The scores of a run whose influence function scores single rows: how spread, row by row.

Takes the place of the heatmap, which would have one column. Order and row are in the address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import streamlit as st

from nncift_core.datasets.lazy_rows import rows_at
from pages._ui.format import counted, number, plus_minus, shortened
from pages._ui.influence import window as places
from pages._ui.influence.row_doubt import doubt_column
from pages._ui.influence.score_charts import (
    Bars,
    clicked_place,
    histogram_chart,
    score_bars,
    strip_chart,
)
from pages._ui.row_actions import row_actions
from pages._ui.row_view import draw_texts, facts_of
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.view import Order, RunView
    from nncift_core.types import FloatArray, IndexArray

ORDERS = {
    "influence": "highest score first",
    "subtask": "by subtask",
    "cluster": "by cluster",
    "length": "shortest first",
    "input": "as in the files",
}
PAGE_ROWS = 50
_OFFSET = "row-offset-{}"


def draw_scores(context: Context, view: RunView) -> None:
    """Both charts, one row, and the table of rows in the order chosen."""
    orders = {str(name): ORDERS[name] for name in view.orders("pool").known()}
    field, _ = st.columns([1, 2])
    order = places.choice(
        field,
        "Rows",
        "columns",
        orders,
        default="influence",
        help_text="Their order from left to right, and in the table.",
    )
    positions = view.order("pool", cast("Order", order))
    row = places.read_row(len(positions))
    place = None
    if row is not None:
        place = int(view.orders("pool").places(cast("Order", order))[row]) + 1
    with st.grid(min_column_width=420):
        with st.container():
            _draw_histogram(view)
        with st.container():
            _draw_strip(view, positions, order, place)
    _draw_row(context, view, positions, order, place)
    _draw_table(view, positions, order, place)


def best_scores(view: RunView) -> FloatArray:
    """``(n_train,)`` the label where there is one, the prediction elsewhere."""
    return np.where(np.isfinite(view.true_scores), view.true_scores, view.predicted_scores)


def _draw_histogram(view: RunView) -> None:
    labelled = np.isfinite(view.true_scores)
    exact = view.spec.config.exact
    spread = best_scores(view)
    title = "How are the scores spread?"
    words = (
        f"Scores of {counted(len(labelled), 'row')} from {number(float(np.nanmin(spread)))} to "
        f"{number(float(np.nanmax(spread)))}"
        + ("." if exact else f"; {int(labelled.sum()):,} of them labelled.")
    )
    st.plotly_chart(
        histogram_chart(view.predicted_scores[~labelled], view.true_scores[labelled], title=title),
        key="score-histogram",
        config={"displayModeBar": False},
        alt=f"{title} {words}",
    )
    st.caption(words)


def _draw_strip(view: RunView, positions: IndexArray, order: str, place: int | None) -> None:
    bars = score_bars(best_scores(view)[positions])
    title = "What is each row worth?"
    per_bar = bars.rows_per_bar
    words = (
        "1 bar = 1 row."
        if per_bar == 1
        else f"1 bar = {per_bar} rows, as high as their mean; at most {len(bars.mean)} are drawn."
    )
    # A key of its own for every row: a chart that kept its click would answer it again and again.
    key = f"score-strip-{view.run_id}-{order}-{place}"
    st.plotly_chart(
        strip_chart(bars, title=title, row_axis=f"pool rows, {ORDERS[order]}", marked=place),
        key=key,
        on_select=lambda: _clicked(key, bars, positions, order),
        selection_mode="points",
        config={"displayModeBar": False, "scrollZoom": False, "doubleClick": False},
        alt=f"{title} {words}",
    )
    st.caption(f"{words} Click a bar to read its {'row' if per_bar == 1 else 'first row'}.")


def _clicked(key: str, bars: Bars, positions: IndexArray, order: str) -> None:
    place = clicked_place((st.session_state.get(key) or {}).get("selection"), bars)
    if place is not None:
        _open(positions, order, place)


def _open(positions: IndexArray, order: str, place: int | None) -> None:
    """Show the row at a place, from 1, and the page of the table that it stands on; or none."""
    if place is None:
        places.write_row(None)
        return
    places.write_row(int(positions[place - 1]))
    st.session_state[_OFFSET.format(order)] = (place - 1) // PAGE_ROWS * PAGE_ROWS


def _draw_row(
    context: Context, view: RunView, positions: IndexArray, order: str, place: int | None
) -> None:
    st.subheader("One row", anchor=False)
    key = "row-place"
    # The URL decides which row it is; the field follows it, also after a click.
    st.session_state[key] = place
    line = st.container(horizontal=True, vertical_alignment="bottom")
    line.number_input(
        "Row (place)",
        min_value=1,
        max_value=len(positions),
        value=None,
        step=1,
        key=key,
        on_change=lambda: _open(positions, order, st.session_state[key]),
        placeholder=f"1 to {len(positions):,}",
        help="Its place in the order drawn above.",
        width=190,
    )
    if place is None:
        st.caption("Type the place of a row, click a bar, or tick a row of the table.")
        return
    position = int(positions[place - 1])
    true = float(view.true_scores[position])
    if view.spec.config.exact:
        line.metric("Exact score", number(true), width="content")
    else:
        predicted = float(view.predicted_scores[position])
        # Of a labelled row nothing is in doubt but how well it was predicted.
        width = None if np.isfinite(true) else float(view.row_half_width()[position])
        line.metric("Predicted score", plus_minus(predicted, width), width="content")
        known = number(true) if np.isfinite(true) else "not labelled"
        line.metric("True score", known, width="content")
    st.markdown(_row_words(view, position))
    row = view.roles.pool[position]
    st.caption(f"Row {position + 1:,} of the pool: {facts_of(row)}")
    draw_texts(row, key=f"score-row-{position}")
    row_actions(context.workspace, view.run_id, [row.id], key="score-row")


def _row_words(view: RunView, position: int) -> str:
    if view.spec.config.exact:
        return "This score was computed, not predicted."
    labels = view.estimates.labels
    by_role = {} if labels is None else labels.by_role
    for role, pairs in by_role.items():
        if position in pairs.helper:
            return (
                "This row was labelled and **trained on**."
                if role == "q1"
                else "This row was labelled and **kept apart to measure** with; "
                "it was not trained on."
            )
    return "This row was not labelled: it was neither trained on nor measured with."


def _draw_table(view: RunView, positions: IndexArray, order: str, place: int | None) -> None:
    st.subheader("Rows in this order", anchor=False)
    start = 0 if place is None else (place - 1) // PAGE_ROWS * PAGE_ROWS
    offset = int(st.session_state.get(_OFFSET.format(order), start))
    offset = min(max(0, offset), (len(positions) - 1) // PAGE_ROWS * PAGE_ROWS)
    shown = positions[offset : offset + PAGE_ROWS].tolist()
    rows = rows_at(view.roles.pool, shown)
    scores = best_scores(view)
    labelled = np.isfinite(view.true_scores)
    table: dict[str, list[Any]] = {
        "Place": list(range(offset + 1, offset + len(shown) + 1)),
        "Score": [number(float(scores[i])) for i in shown],
        **doubt_column(view, shown),
    }
    if not view.spec.config.exact:
        table["Known from"] = ["label" if labelled[i] else "estimate" for i in shown]
    table |= {
        "Prompt": [shortened(row.prompt) for row in rows],
        "Response": [shortened(row.response) for row in rows],
        "Row id": [row.id for row in rows],
    }
    key = f"row-table-{view.run_id}-{offset}-{place}"
    st.dataframe(
        table,
        hide_index=True,
        height=390,
        key=key,
        on_select=lambda: _ticked(key, positions, order, offset),
        selection_mode="single-row",
        alt="Pool rows with their place, score and text",
    )
    words, back, forth = st.columns([4, 1, 1], vertical_alignment="center")
    words.caption(
        f"Rows {offset + 1:,} to {offset + len(shown):,} of {len(positions):,}. Tick a row to "
        "read it in full above."
    )
    for column, label, to in (
        (back, "Back", offset - PAGE_ROWS),
        (forth, "Next", offset + PAGE_ROWS),
    ):
        column.button(
            label,
            key=f"row-table-{label.lower()}",
            disabled=not 0 <= to < len(positions),
            on_click=_turn,
            args=(order, to),
            width="stretch",
        )


def _ticked(key: str, positions: IndexArray, order: str, offset: int) -> None:
    picked = (st.session_state.get(key) or {}).get("selection", {}).get("rows") or []
    if picked:
        _open(positions, order, offset + int(picked[0]) + 1)


def _turn(order: str, to: int) -> None:
    st.session_state[_OFFSET.format(order)] = to
