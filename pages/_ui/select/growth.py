"""The gain curve of a live selection beside the coverage of its targets.

Knows the numbers of a curve and of groups, nothing of how rows are chosen.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import streamlit as st

from pages._ui.format import percent, shortened
from pages._ui.select.budget import TOKENS, Wanted, use_rows
from pages._ui.select.charts import HEIGHT, gain_chart, score_chart
from pages._ui.select.coverage_charts import coverage_chart, coverage_title, drawn_groups
from pages._ui.select.state import Fields
from pages._ui.select.words import curve_words, score_words

if TYPE_CHECKING:
    from nncift_core.pipeline.browsing import Shown
    from nncift_core.pipeline.curation import Desk
    from nncift_core.pipeline.groups_covered import GroupsCovered

MOST_CELLS = 200_000_000
"""Pairs of a run up to which what the whole pool could cover is found without being asked."""

MOST_BARS = 7
_ASKED = "measure-coverage"
_VALUE, _GAIN = "value so far", "gain of each pick"


def draw_growth(desk: Desk, fields: Fields, shown: Shown, wanted: Wanted, default: str) -> None:
    """Both charts, side by side where there is room.

    Args:
        desk: The run's desk.
        fields: The form of the run, in which the knee can be taken as budget.
        shown: What is chosen.
        wanted: The budget as it was given.
        default: The run's own budget.
    """
    if desk.view.pointwise:
        _curve(fields, shown, wanted, default)
        return
    with st.grid(min_column_width=380):
        with st.container():
            _curve(fields, shown, wanted, default)
        with st.container():
            _coverage(shown)


def coverage_of(shown: Shown) -> GroupsCovered | None:
    """How well groups of targets are covered; None where finding it out would take long."""
    desk = shown.desk
    cells = len(desk.roles.pool) * max(1, len(desk.roles.target))
    at_hand = desk.possible_is_known or (cells <= MOST_CELLS and desk.target is not None)
    if not at_hand and st.session_state.get(_ASKED) != desk.run_id:
        return None
    with st.spinner("Reading what the whole pool could cover ..."):
        return shown.groups_covered


def _curve(fields: Fields, shown: Shown, wanted: Wanted, default: str) -> None:
    """The curve of the whole order with the budget in it, and the knee."""
    from nncift_core.pipeline import browsing

    curve = browsing.curve_of(shown.live)
    kind = st.session_state.get("curve-kind", _VALUE)
    if not shown.has_rounds:
        words = score_words(curve, shown.live.objective)
        title = "How good are the rows, from the first to the last?"
        figure = score_chart(curve, title, budget=shown.n_rows)
    else:
        words = curve_words(curve)
        figure = gain_chart(curve, per_pick=kind == _GAIN, budget=shown.n_rows)
    st.plotly_chart(figure, key="gain-curve", config={"displayModeBar": False}, alt=words)
    if not shown.has_rounds:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.segmented_control(
            "The chart shows",
            (_VALUE, _GAIN),
            default=_VALUE,
            required=True,
            key="curve-kind",
            label_visibility="collapsed",
        )
        if curve.knee is not None:
            st.button(
                f"Use the knee: {curve.knee:,} rows",
                key="use-knee",
                icon=":material/trending_flat:",
                disabled=shown.n_rows == curve.knee and wanted.kind != TOKENS,
                on_click=use_rows,
                args=(fields, curve.knee, len(shown.live.row_ids), default),
                help="Nine tenths of what the curve reaches in its first round; further rows add "
                "little each.",
            )


def _coverage(shown: Shown) -> None:
    """How much of what is possible each group of targets gets."""
    found = coverage_of(shown)
    if found is None:
        with st.container(border=True, height=HEIGHT):
            st.markdown("**How well are the targets covered?**")
            st.markdown(
                "To say that, the influence of the whole pool must be read once; in a run of this "
                "size it takes a while."
            )
            st.button(
                "Measure coverage",
                key=_ASKED + "-button",
                icon=":material/straighten:",
                on_click=_measure,
                args=(shown.desk.run_id,),
            )
        return
    drawn = drawn_groups(found.groups, MOST_BARS)
    values = ", ".join(f"{shortened(group.name, 40)} {percent(group.share)}" for group in drawn)
    figure = coverage_chart(
        found.groups, found.everything, found.kind, found.examples, most=MOST_BARS, height=HEIGHT
    )
    title = html.unescape(coverage_title(found.groups, found.kind))
    st.plotly_chart(
        figure,
        key="coverage-now",
        config={"displayModeBar": False},
        alt=f"{title}. The lowest: {values}",
    )
    hidden = len(found.groups) - len(drawn)
    words = f"{hidden} more are covered better; see Coverage below. " if hidden else ""
    words += "A cluster holds targets of similar text." if found.kind == "cluster" else ""
    if words:
        st.caption(words.strip())


def _measure(run_id: str) -> None:
    st.session_state[_ASKED] = run_id
