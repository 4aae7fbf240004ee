"""A stored selection to look at, and the list of them: open, rename, delete, compare.

Nothing here changes the rows of a stored selection. Knows what the catalog holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.selection.curve import GainCurve, gain_curve
from nncift_core.store import ChosenRecord, RowRecord, SelectionRecord
from pages._ui import selections, state
from pages._ui.charts_selection import gain_chart, score_chart
from pages._ui.comparison import COMPARED, LEAST, MOST
from pages._ui.errors import user_errors
from pages._ui.explanation import row_explanation
from pages._ui.format import ago, count, counted, number, percent, plain, shortened
from pages._ui.navigation import link_to
from pages._ui.selection_tables import CHOSEN, HEIGHT, LEFT_OUT, draw_row
from pages._ui.selection_words import curve_words, score_words
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.explanation import Explanation

_FEW = 6


@dataclass(frozen=True)
class Stored:
    """A stored selection as the panel of explanations reads it."""

    explanation: Explanation


def saved_list(context: Context, stored: Sequence[SelectionRecord]) -> None:
    """Every stored selection of the run, the newest first, with what can be done to it."""
    st.subheader("Kept selections of this run", anchor=False)
    if not stored:
        st.caption("Nothing is kept yet. What you keep stays here, with its rows and demands.")
        return
    newest = stored[::-1]
    everything = len(newest) <= _FEW or st.toggle(f"Show all {len(newest):,}", key="saved-all")
    for record in newest if everything else newest[:_FEW]:
        _saved_line(context, record)
    if len(stored) >= LEAST:
        newest_ids = ",".join(record.id for record in newest[:MOST])
        link_to("compare", "Compare them", state.link() | {COMPARED: newest_ids})


def saved_view(context: Context, record: SelectionRecord) -> None:
    """One stored selection, read-only: figures, curve and tables."""
    st.button(
        "Back to choosing",
        key="close-selection",
        icon=":material/arrow_back:",
        on_click=selections.close_selection,
    )
    st.subheader(plain(selections.selection_words(record)), anchor=False)
    curve = cached_curve(context.workspace.path, record.id, context.workspace)
    rounds = selections.has_rounds(record.objective)
    _figures(context, record, curve, rounds=rounds)
    if rounds:
        st.markdown(_round_words(record, curve))
    _growth(curve, rounds=rounds)
    # Only what is open is read.
    part = st.segmented_control(
        "Rows", (CHOSEN, LEFT_OUT), default=CHOSEN, required=True, key="saved-part"
    )
    if part == CHOSEN:
        _chosen(context, record)
    else:
        _left_out(context, record)


@st.cache_data(max_entries=32, show_spinner="Reading the selection ...")
def cached_curve(workspace_path: Path, selection_id: str, _workspace: Any) -> GainCurve:
    """How the selection's value grows; a stored selection never changes."""
    rows = _workspace.catalog.selection_rows(selection_id)
    return gain_curve([row.gain for row in rows], [row.round for row in rows])


def _saved_line(context: Context, record: SelectionRecord) -> None:
    words, open_, rename, delete = st.columns([5, 1, 1, 1], vertical_alignment="center")
    fixed = record.exported_at is not None
    words.markdown(
        f"{plain(selections.selection_words(record))}  \n"
        f":gray[{ago(record.created_at)}{', exported: it stays as it is' if fixed else ''}]"
    )
    open_.button(
        "Open",
        key=f"open-{record.id}",
        on_click=selections.open_selection,
        args=(record.id,),
        width="stretch",
    )
    if fixed:
        return
    with rename.popover("Rename", width="stretch"):
        key = f"name-{record.id}"
        st.text_input("Name", value=record.name, max_chars=80, key=key)
        st.button("Rename it", key=f"rename-{record.id}", on_click=_rename, args=(context, record))
    if record.is_first:
        return
    with delete.popover("Delete", width="stretch"):
        st.markdown(f"Its list of {counted(record.row_count, 'row')} goes; the rows stay.")
        st.button("Delete it", key=f"delete-{record.id}", on_click=_delete, args=(context, record))


def _rename(context: Context, record: SelectionRecord) -> None:
    with user_errors():
        name = str(st.session_state[f"name-{record.id}"]).strip()
        if name and name != record.name:
            context.workspace.catalog.rename_selection(record.id, name)


def _delete(context: Context, record: SelectionRecord) -> None:
    with user_errors():
        context.workspace.delete_selection(record.id)
        if selections.wanted_selection() == record.id:
            selections.close_selection()


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


def _round_words(record: SelectionRecord, curve: GainCurve) -> str:
    saturated_at = record.meta.get("saturated_at")
    if saturated_at is None:
        return "Every pick still added to the value, so one round was enough."
    return (
        f"After **{counted(int(saturated_at), 'pick')}** no remaining row added anything: the "
        f"objective was exhausted. Coverage then began anew, {len(curve.round_starts)} rounds in "
        f"all, so the first {int(saturated_at):,} rows are the core of this selection and later "
        "rounds add second and third bests."
    )


def _growth(curve: GainCurve, *, rounds: bool) -> None:
    words = curve_words(curve) if rounds else score_words(curve)
    title = "How good are the chosen rows, from the first to the last?"
    figure = gain_chart(curve) if rounds else score_chart(curve, title)
    st.plotly_chart(figure, key="saved-curve", config={"displayModeBar": False}, alt=words)
    st.caption(words)


def _chosen(context: Context, record: SelectionRecord) -> None:
    def fetch(search: str, offset: int, limit: int) -> tuple[list[ChosenRecord], int]:
        return context.workspace.catalog.browse_selection(
            record.id, search=search, offset=offset, limit=limit
        )

    def draw(rows: list[ChosenRecord]) -> None:
        columns: dict[str, list[Any]] = {
            "Rank": [row.selected.rank for row in rows],
            "Gain": [number(row.selected.gain) for row in rows],
            "Round": [row.selected.round for row in rows],
            "Why": [row.selected.reason for row in rows],
        }
        records = [row.record for row in rows]
        picked = _table(f"saved-chosen-{record.id}", columns, records, "Chosen rows")
        _in_full(context, record, picked)

    selections.rows_page("saved-chosen", fetch, draw, nothing="Nothing was chosen.")


def _left_out(context: Context, record: SelectionRecord) -> None:
    sample = _target_sample(context)

    def fetch(search: str, offset: int, limit: int) -> tuple[list[RowRecord], int]:
        return context.workspace.catalog.browse_left_out(
            record.id, search=search, offset=offset, limit=limit, target_sample=sample
        )

    def draw(rows: list[RowRecord]) -> None:
        columns: dict[str, list[Any]] = {"Input row": [row.position + 1 for row in rows]}
        with user_errors():
            found = _explanation_of(context, record)
            places = [found.position_of(row.row.id) for row in rows]
            columns["Why it is out"] = found.left_out.reasons(places)
        picked = _table(f"saved-left-out-{record.id}", columns, rows, "Rows that were left out")
        _in_full(context, record, picked)

    selections.rows_page("saved-left-out", fetch, draw, nothing="Every row was chosen.")


def _explanation_of(context: Context, record: SelectionRecord) -> Explanation:
    return cached_explanation(context.workspace.path, record.id, context.workspace)


@st.cache_resource(max_entries=4, show_spinner="Reading what the chosen rows cover ...")
def cached_explanation(workspace_path: Path, selection_id: str, _workspace: Any) -> Explanation:
    """Why rows are in a stored selection or not; it never changes."""
    from nncift_core.pipeline.explaining import explain_selection

    found = explain_selection(_workspace, selection_id)
    _ = found.left_out
    return found


def _table(
    key: str, columns: dict[str, list[Any]], records: Sequence[RowRecord | None], alt: str
) -> RowRecord | None:
    """The ticked row, None where none is."""
    event = st.dataframe(
        {
            **columns,
            "Prompt": [_text(record, "prompt") for record in records],
            "Response": [_text(record, "response") for record in records],
        },
        hide_index=True,
        height=HEIGHT,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            name: st.column_config.TextColumn(width="medium") for name in ("Why", "Why it is out")
        },
        alt=alt,
    )
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(records):
        return records[picked[0]]
    st.caption("Tick a row to read it in full and to see why it is in or out.")
    return None


def _in_full(context: Context, record: SelectionRecord, picked: RowRecord | None) -> None:
    """Why the ticked row is in or out, and its texts."""
    if picked is None:
        return
    with user_errors():
        found = _explanation_of(context, record)
        row_explanation(found, Stored(found), found.position_of(picked.row.id))
    draw_row(picked.position + 1, picked.row)


def _target_sample(context: Context) -> list[str]:
    """Ids of pool rows that serve as target and so can be neither chosen nor left out."""
    if context.project.target_sample is None:
        return []
    return cached_target_ids(context.workspace.path, context.run.run_id, context.workspace)


@st.cache_data(max_entries=8, show_spinner=False)
def cached_target_ids(workspace_path: Path, run_id: str, _workspace: Any) -> list[str]:
    """Ids of a run's target rows."""
    from nncift_core.pipeline import RunView

    return [row.id for row in RunView(_workspace, run_id).roles.target]


def _text(record: RowRecord | None, part: str) -> str:
    return "(not in the pool any more)" if record is None else shortened(getattr(record.row, part))
