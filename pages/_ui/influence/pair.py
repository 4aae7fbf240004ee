"""One pair of the heatmap: which one, and what is known of it. Both texts are shown literally."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

from nncift_core.datasets.row_filter import RowFilter
from nncift_core.network.verdict import QUADRANTS, UNLABELLED, UNLABELLED_WORDS
from pages._ui import state
from pages._ui.format import number, percent, plus_minus
from pages._ui.influence import window as places
from pages._ui.influence.row_doubt import small_doubt
from pages._ui.navigation import link_to
from pages._ui.quadrants import quadrant_name
from pages._ui.row_actions import row_actions
from pages._ui.row_filter import LONGEST_SEARCH, filter_query
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.view import Order, PairView, RunView

_POOL_KEY, _TARGET_KEY = "pool-place", "target-place"
_SEARCHED_WORDS = 12


def pair_panel(context: Context, view: RunView, pool_order: Order, target_order: Order) -> None:
    """One pair: chosen by its places, shown with both texts, prediction and label."""
    size = len(view.roles.pool), len(view.roles.target)
    st.subheader("One pair", anchor=False)
    pair = places.read_pair(*size)
    at = None
    if pair is not None:
        at = (
            place_of(view, "pool", pool_order, pair[0]),
            place_of(view, "target", target_order, pair[1]),
        )
    _draw_fields(view, pool_order, target_order, at)
    if pair is None:
        st.caption("Type the places of a pair, or click a cell of the heatmap.")
        return
    found = view.pair(*pair)
    _draw_values(view, found)
    _draw_rows(found, pair)
    row_actions(context.workspace, view.run_id, [found.pool_row.id], key="pair")
    _draw_links(view, pair)


def _draw_fields(
    view: RunView, pool_order: Order, target_order: Order, at: tuple[int, int] | None
) -> None:
    size = len(view.roles.pool), len(view.roles.target)
    # The URL decides which pair it is; the fields follow it, also after a click or a new order.
    st.session_state[_POOL_KEY], st.session_state[_TARGET_KEY] = at or (None, None)

    def typed() -> None:
        given = st.session_state[_POOL_KEY], st.session_state[_TARGET_KEY]
        choose_places(view, pool_order, target_order, given[0] or 1, given[1] or 1)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, key, most in (
            ("Pool row (place)", _POOL_KEY, size[0]),
            ("Target row (place)", _TARGET_KEY, size[1]),
        ):
            st.number_input(
                label,
                min_value=1,
                max_value=most,
                value=None,
                step=1,
                key=key,
                on_change=typed,
                placeholder=f"1 to {most:,}",
                help="Its place in the order drawn above.",
                width=190,
            )
        for label, step in (("Previous pool row", -1), ("Next pool row", 1)):
            to = None if at is None else at[0] + step
            st.button(
                label,
                key=f"pair{step:+d}",
                disabled=to is None or not 1 <= to <= size[0],
                on_click=choose_places,
                args=(view, pool_order, target_order, to, at[1] if at else 1),
            )
        if at is not None:
            st.button("Close", key="pair-close", on_click=places.close_pair)


def _draw_values(view: RunView, pair: PairView) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if view.spec.config.exact:
            st.metric("Exact influence", number(pair.predicted), width="content")
        else:
            with st.container(width="content"):
                st.metric(
                    "Predicted influence",
                    _with_doubt(view, pair),
                    width="content",
                )
            true = "not labelled" if pair.true is None else number(pair.true)
            st.metric("True influence", true, width="content")
        with st.container():
            st.markdown(_pair_words(pair, exact=view.spec.config.exact))
            if pair.half_width is not None and not view.spec.config.exact:
                st.caption(_share_words(pair))


def _with_doubt(view: RunView, pair: PairView) -> str:
    if pair.half_width is not None and small_doubt(view, pair.half_width).startswith("<"):
        return f"{number(pair.predicted)} ± {small_doubt(view, pair.half_width)}"
    return plus_minus(pair.predicted, pair.half_width)


def _draw_rows(pair: PairView, positions: tuple[int, int]) -> None:
    from pages._ui.row_view import draw_two

    titles = (
        f"Pool row {positions[0] + 1:,}",
        f"Target row {positions[1] + 1:,}",
    )
    key = f"pair-{positions[0]}-{positions[1]}"
    draw_two(pair.pool_row, pair.target_row, titles=titles, key=key)


def _draw_links(view: RunView, positions: tuple[int, int]) -> None:
    """The pool row of the pair on the pages Data and Select."""
    in_dataset = int(view.roles.pool_positions[positions[0]])
    # Select finds rows by their words, wherever they stand there.
    words = view.roles.pool[positions[0]].prompt[:LONGEST_SEARCH].replace('"', " ").split()
    search = RowFilter(search=" ".join(words[:_SEARCHED_WORDS])[:LONGEST_SEARCH])
    with st.container(horizontal=True):
        link_to("data", "This pool row in Data", {**state.link(), "row": str(in_dataset + 1)})
        link_to("select", "This pool row in Select", {**state.link(), **filter_query(search)})


def _pair_words(pair: PairView, *, exact: bool) -> str:
    if pair.self_pair:
        return "Both rows have the same content: such pairs are never labelled or averaged."
    if exact:
        return "This value was computed, not predicted."
    if pair.role is None:
        kind = _quadrant_words(pair.quadrant or "")
        return (
            "This pair was not labelled: it was neither trained on nor measured with. It belongs "
            f"to {kind} ({quadrant_name(pair.quadrant or '')})."
        )
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
    return int(view.orders(side).places(order)[position]) + 1
