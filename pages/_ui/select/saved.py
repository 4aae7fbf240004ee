"""A kept selection to look at: figures, curve and tables. It never changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.selection.curve import GainCurve
from nncift_core.store import SelectionRecord
from pages._ui import selections
from pages._ui.errors import user_errors
from pages._ui.format import ago, count, counted, number, percent, plain
from pages._ui.select.charts import gain_chart, score_chart
from pages._ui.select.desk import open_desk
from pages._ui.select.rows import draw_rows
from pages._ui.select.state import Fields
from pages._ui.select.words import curve_words, score_words
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.curation import Desk
    from nncift_core.pipeline.stored_selection import StoredSelection

_DEMANDS = (("pinned", "pin"), ("banned", "ban"))


def saved_view(context: Context, record: SelectionRecord) -> None:
    """One stored selection, read-only: figures, curve and tables."""
    with st.container(horizontal=True, vertical_alignment="center", key="saved-head"):
        st.button(
            "Back to choosing",
            key="close-selection",
            icon=":material/arrow_back:",
            on_click=selections.close_selection,
        )
        st.markdown(
            f"**{plain(selections.selection_words(record))}** · kept {ago(record.created_at)}, "
            "read-only",
            width="stretch",
        )
    desk = open_desk(context.workspace.path, context.run.run_id, context.workspace)
    stored = open_stored(context.workspace.path, record.id, desk)
    curve = stored.curve
    _figures(context, record, curve, rounds=stored.has_rounds)
    st.markdown(" ".join([_finding(record, curve, rounds=stored.has_rounds), _demands(record)]))
    _growth(curve, record.objective, rounds=stored.has_rounds)
    _rows(context, desk, stored)


@st.cache_resource(max_entries=4, show_spinner="Reading the selection ...")
def open_stored(workspace_path: Path, selection_id: str, _desk: Any) -> StoredSelection:
    """A stored selection with why rows are in it or not; it never changes."""
    from nncift_core.pipeline.stored_selection import stored_selection

    return stored_selection(_desk, selection_id)


@st.fragment
def _rows(context: Context, desk: Desk, stored: StoredSelection) -> None:
    # A fragment hands on no error of ours, so it must say it itself.
    with user_errors():
        fields = Fields(context.run.run_id)
        draw_rows(context, desk, fields, stored, version=stored.record.id, key="saved-")


def _figures(context: Context, record: SelectionRecord, curve: GainCurve, *, rounds: bool) -> None:
    one, two, three, four = st.columns(4)
    one.metric(
        "Rows chosen",
        count(record.row_count),
        delta=f"{percent(record.row_count / max(1, context.n_train))} of the pool",
        delta_color="off",
        delta_arrow="off",
    )
    if rounds:
        two.metric(
            "Value of the set",
            number(record.meta.get("value")),
            help="What the objective gives to all chosen rows together, on the scale of the "
            "training labels. Compare it between selections of one objective.",
        )
        three.metric("Rounds", count(len(curve.round_starts)))
    else:
        two.metric("Highest score", number(max(curve.gain, default=None)))
        three.metric("Lowest score", number(min(curve.gain, default=None)))
    four.metric(
        "Labelled rows",
        percent(record.meta.get("labelled_share_chosen")),
        delta=f"{percent(record.meta.get('labelled_share_pool'))} in the pool",
        delta_color="off",
        delta_arrow="off",
        help="Of the chosen ones: rows whose influence was measured, not just predicted. Much "
        "more than in the pool would mean that the estimates underrate rows it never saw.",
    )


def _finding(record: SelectionRecord, curve: GainCurve, *, rounds: bool) -> str:
    if not rounds:
        return score_words(curve, record.objective)
    saturated_at = record.meta.get("saturated_at")
    if saturated_at is None:
        return "Every pick still added to the value, so one round was enough."
    return (
        f"After **{counted(int(saturated_at), 'pick')}** nothing was left to gain: these rows are "
        "the core, the later ones add second and third bests."
    )


def _demands(record: SelectionRecord) -> str:
    """What was demanded of it, in words; empty where nothing was."""
    request = record.meta.get("request") or {}
    parts = [
        f"{len(ids):,} {words}"
        for words, name in _DEMANDS
        if (ids := [one for one in str(request.get(name) or "").split(",") if one])
    ]
    parts += [f"rule {plain(str(request['ban_where']))}"] if request.get("ban_where") else []
    parts += [f"quota {plain(str(request['quota']))}"] if request.get("quota") else []
    return f"Demands: {', '.join(parts)}." if parts else ""


def _growth(curve: GainCurve, objective: str, *, rounds: bool) -> None:
    words = curve_words(curve) if rounds else score_words(curve, objective)
    title = "How good are the chosen rows, from the first to the last?"
    figure = gain_chart(curve) if rounds else score_chart(curve, title)
    st.plotly_chart(figure, key="saved-curve", config={"displayModeBar": False}, alt=words)
