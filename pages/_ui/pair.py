"""One pair of the heatmap: which one, and what is known of it. Both texts are shown literally."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from nncift_core.network.verdict import QUADRANTS, UNLABELLED, UNLABELLED_WORDS
from pages._ui import window as places
from pages._ui.format import number, percent, plain, plus_minus
from pages._ui.quadrants import quadrant_name

if TYPE_CHECKING:
    from nncift_core.pipeline.view import Order, PairView, RunView
    from nncift_core.types import Row


def pair_panel(view: RunView, pool_order: Order, target_order: Order) -> None:
    """One pair: chosen by its places, shown with both texts, prediction and label."""
    size = len(view.roles.pool), len(view.roles.target)
    st.subheader("One pair", anchor=False)
    pair = places.read_pair(*size)
    pool_key, target_key = "pool-place", "target-place"
    # The URL decides which pair it is; the fields follow it, also after a click or a new order.
    st.session_state[pool_key] = place_of(view, "pool", pool_order, pair[0]) if pair else None
    st.session_state[target_key] = place_of(view, "target", target_order, pair[1]) if pair else None

    def choose() -> None:
        given = st.session_state[pool_key], st.session_state[target_key]
        choose_places(view, pool_order, target_order, given[0] or 1, given[1] or 1)

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
        one.metric("Predicted influence", plus_minus(pair.predicted, pair.half_width))
        if pair.half_width is not None:
            one.caption(_share_words(pair))
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
        return "This pair was not labelled: it was neither trained on nor measured with."
    if pair.role == "q1":
        return "This pair was labelled and **trained on**."
    words = _quadrant_words(pair.role)
    return (
        f"This pair was labelled and **kept apart to measure** with: {words} "
        f"({quadrant_name(pair.role)}). It was not trained on."
    )


def _share_words(pair: PairView) -> str:
    """For how many pairs the prediction is that close."""
    kind = _quadrant_words(pair.quadrant or "")
    return f"true for {percent(pair.level)} of such pairs: {kind}"


def _quadrant_words(name: str) -> str:
    return UNLABELLED_WORDS if name == UNLABELLED else QUADRANTS.get(name, name)


def _draw_row(column: Any, title: str, row: Row) -> None:
    with column:
        subtask = f", subtask {plain(row.subtask)}" if row.subtask else ""
        st.markdown(f"**{title}**")
        st.caption(f"id {plain(row.id)}{subtask}")
        st.caption("Prompt")
        st.code(row.prompt, language=None, wrap_lines=True, height=140)
        st.caption("Response")
        st.code(row.response, language=None, wrap_lines=True, height=140)


def choose_places(
    view: RunView, pool_order: Order, target_order: Order, pool_place: int, target_place: int
) -> None:
    """Show the pair at these places, from 1, of the orders drawn."""
    places.write_pair(
        int(view.order("pool", pool_order)[pool_place - 1]),
        int(view.order("target", target_order)[target_place - 1]),
    )


def place_of(view: RunView, side: Literal["pool", "target"], order: Order, position: int) -> int:
    """Place of a row in an order, from 1."""
    return int(view.order(side, order).tolist().index(position)) + 1
