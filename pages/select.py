"""Select: what do I keep? A new selection from the run's influence, and the stored ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from nncift_core.selection.curve import GainCurve, gain_curve
from nncift_core.store import ChosenRecord, RowRecord, SelectionRecord
from pages._ui import selections
from pages._ui.charts_selection import gain_chart, score_chart
from pages._ui.errors import user_errors
from pages._ui.format import count, counted, number, percent, plain, shortened
from pages._ui.jobs import job_panel
from pages._ui.navigation import next_step
from pages._ui.selection_form import selection_form
from pages._ui.shell import Context, page_setup


def main() -> None:
    """Draw the page."""
    context = page_setup("Select", "What do I keep?", needs="result")
    with user_errors(stop=True):
        from nncift_core.pipeline import pending_selections

        stored = context.workspace.catalog.selections(context.run.run_id)
        selection_form(context, first=not stored)
        pending = pending_selections(context.workspace, context.run.run_id)
        names = {record.id: selections.selection_words(record) for record in stored}
        for job in pending:
            budget = f"{selections.budget_words(job.budget)} (not done)"
            names[job.id] = selections.named(job.name, job.objective, budget)
        if not names:
            st.info("Nothing is selected yet: choose an objective and a budget above.")
            return
        current = selections.switcher(names)
        for job in pending:
            if job.id == current:
                _pending(context, job.id, job.folder)
                return
        record = next(record for record in stored if record.id == current)
        _results(context, record)
        st.divider()
        next_step("export", "Take it to the trainer")


def _pending(context: Context, selection_id: str, folder: Path) -> None:
    """A selection that waits, works, or ended without a result."""
    with st.container(border=True):
        state = job_panel(folder, stages={"select": "rows"}, key="selection-job")
        if state is not None and not state.live:
            st.button(
                "Remove it",
                key="discard",
                icon=":material/delete:",
                on_click=_discard,
                args=(context, selection_id),
                help="Nothing was selected yet, so nothing is lost.",
            )


def _discard(context: Context, selection_id: str) -> None:
    with user_errors():
        from nncift_core.pipeline import discard_selection

        discard_selection(context.workspace, context.run.run_id, selection_id)


def _results(context: Context, record: SelectionRecord) -> None:
    curve = cached_curve(context.workspace.path, record.id, context.workspace)
    if selections.has_rounds(record.objective):
        _figures(context, record, curve)
        _growth(curve)
    else:
        _score_figures(context, record, curve)
    chosen, rest = st.tabs(["Chosen rows", "Left out"])
    with chosen:
        _chosen(context, record)
    with rest:
        _left_out(context, record)


@st.cache_data(max_entries=32, show_spinner="Reading the selection ...")
def cached_curve(workspace_path: Path, selection_id: str, _workspace: Any) -> GainCurve:
    """How the selection's value grows; a stored selection never changes."""
    rows = _workspace.catalog.selection_rows(selection_id)
    return gain_curve([row.gain for row in rows], [row.round for row in rows])


def _figures(context: Context, record: SelectionRecord, curve: GainCurve) -> None:
    one, two, three, four = st.columns(4)
    _rows_figure(one, context, record)
    two.metric(
        "Value of the set",
        number(record.meta.get("value")),
        help="What the objective gives to all chosen rows together, on the scale of the "
        "training labels. Compare it between selections of one objective.",
    )
    three.metric("Rounds", count(len(curve.round_starts)))
    _labelled_figure(four, record)
    st.markdown(_round_words(record, curve))


def _score_figures(context: Context, record: SelectionRecord, curve: GainCurve) -> None:
    """For objectives in which every row has a score of its own."""
    one, two, three, four = st.columns(4)
    _rows_figure(one, context, record)
    two.metric("Highest score", number(max(curve.gain, default=None)))
    three.metric("Lowest score", number(min(curve.gain, default=None)))
    _labelled_figure(four, record)
    words = (
        f"Rows were taken by their own score, from {number(curve.gain[0])} for the first to "
        f"{number(curve.gain[-1])} for the last; no row changes what another is worth."
    )
    st.plotly_chart(
        score_chart(curve, "How good are the chosen rows, from the first to the last?"),
        key="score-curve",
        config={"displayModeBar": False},
        alt=words,
    )
    st.caption(words)


def _rows_figure(column: Any, context: Context, record: SelectionRecord) -> None:
    column.metric(
        "Rows chosen",
        count(record.row_count),
        delta=f"{percent(record.row_count / context.n_train)} of the pool",
        delta_color="off",
        delta_arrow="off",
    )


def _labelled_figure(column: Any, record: SelectionRecord) -> None:
    column.metric(
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


def _growth(curve: GainCurve) -> None:
    kind = st.segmented_control(
        "The chart shows",
        ("value so far", "gain of each pick"),
        default="value so far",
        required=True,
        key="curve-kind",
        label_visibility="collapsed",
    )
    words = _curve_words(curve)
    st.plotly_chart(
        gain_chart(curve, per_pick=kind != "value so far"),
        key="gain-curve",
        config={"displayModeBar": False},
        alt=words,
    )
    st.caption(words)


def _curve_words(curve: GainCurve) -> str:
    if not curve.pick:
        return "Nothing was chosen."
    first_end = (curve.round_starts[1] - 1) if len(curve.round_starts) > 1 else curve.pick[-1]
    last = curve.value[curve.pick.index(first_end)] if first_end in curve.pick else None
    text = (
        f"The first pick adds {number(curve.gain[0])}; the first round reaches {number(last)} "
        f"with {counted(first_end, 'pick')}."
    )
    if curve.knee is not None:
        text += f" Nine tenths of that are reached after {counted(curve.knee, 'pick')}."
    return text


def _chosen(context: Context, record: SelectionRecord) -> None:
    def fetch(search: str, offset: int, limit: int) -> tuple[list[ChosenRecord], int]:
        return context.workspace.catalog.browse_selection(
            record.id, search=search, offset=offset, limit=limit
        )

    def draw(rows: list[ChosenRecord]) -> None:
        event = st.dataframe(
            {
                "Rank": [row.selected.rank for row in rows],
                "Gain": [number(row.selected.gain) for row in rows],
                "Round": [row.selected.round for row in rows],
                "Why": [row.selected.reason for row in rows],
                "Prompt": [_text(row.record, "prompt") for row in rows],
                "Response": [_text(row.record, "response") for row in rows],
            },
            hide_index=True,
            height=420,
            key=f"chosen-{record.id}",
            on_select="rerun",
            selection_mode="single-row",
            column_config={"Why": st.column_config.TextColumn(width="medium")},
            alt="Chosen rows with rank, gain, round, reason and text",
        )
        picked = event["selection"]["rows"]
        if picked and picked[0] < len(rows):
            picked_row = rows[picked[0]]
            st.caption(f"Rank {picked_row.selected.rank:,}: {plain(picked_row.selected.reason)}")
            _row_texts(picked_row.record)
        else:
            st.caption("Tick a row to read it in full.")

    selections.rows_page("chosen", fetch, draw, nothing="Nothing was chosen.")


def _left_out(context: Context, record: SelectionRecord) -> None:
    sample = _target_sample(context)

    def fetch(search: str, offset: int, limit: int) -> tuple[list[RowRecord], int]:
        return context.workspace.catalog.browse_left_out(
            record.id, search=search, offset=offset, limit=limit, target_sample=sample
        )

    def draw(rows: list[RowRecord]) -> None:
        event = st.dataframe(
            {
                "Input row": [row.position + 1 for row in rows],
                "Prompt": [_text(row, "prompt") for row in rows],
                "Response": [_text(row, "response") for row in rows],
                "Row id": [row.row.id for row in rows],
            },
            hide_index=True,
            height=420,
            key=f"left-out-{record.id}",
            on_select="rerun",
            selection_mode="single-row",
            alt="Rows that were left out, in input order",
        )
        picked = event["selection"]["rows"]
        if picked and picked[0] < len(rows):
            _row_texts(rows[picked[0]])
        else:
            st.caption("Tick a row to read it in full.")

    selections.rows_page("left-out", fetch, draw, nothing="Every row of the pool was chosen.")


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


def _row_texts(record: RowRecord | None) -> None:
    if record is None:
        return
    left, right = st.columns(2)
    for column, title, text in (
        (left, f"Prompt of input row {record.position + 1:,}", record.row.prompt),
        (right, "Response", record.row.response),
    ):
        with column:
            st.caption(title)
            st.code(text, language=None, wrap_lines=True, height=240)


main()
