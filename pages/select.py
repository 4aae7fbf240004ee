"""Select: what do I keep? A live selection that obeys the curator, and the ones that were kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from nncift_core.selection.actions import Curation, curation
from nncift_core.store import SelectionRecord
from pages._ui import explanation, saved_selection, selections
from pages._ui.charts_selection import gain_chart, score_chart
from pages._ui.curation import demands_panel
from pages._ui.desk import choose, open_desk, say_what_changed, search_pool
from pages._ui.errors import user_errors
from pages._ui.format import count, counted, number, percent, plain
from pages._ui.jobs import job_panel
from pages._ui.navigation import next_step
from pages._ui.save_form import save_form
from pages._ui.selection_budget import (
    TOKENS,
    Wanted,
    budget_form,
    remember_size,
    size_words,
    use_rows,
)
from pages._ui.selection_form import selection_form
from pages._ui.selection_state import Fields, follow
from pages._ui.selection_tables import CHOSEN, COVERAGE, LEFT_OUT, Tables
from pages._ui.selection_words import (
    curve_words,
    demanded_words,
    duplicate_words,
    exact_words,
    fewer_words,
    labelled_words,
    round_words,
    score_words,
)
from pages._ui.shell import Context, page_setup

if TYPE_CHECKING:
    from nncift_core.pipeline.browsing import Shown
    from nncift_core.pipeline.curation import Desk

_PARTS = {"chosen": CHOSEN, "left-out": LEFT_OUT, "coverage": COVERAGE}


def main() -> None:
    """Draw the page."""
    context = page_setup("Select", "What do I keep?", needs="result")
    with user_errors(stop=True):
        stored = context.workspace.catalog.selections(context.run.run_id)
        pending = _pending(context)
        opened = _opened(stored, pending)
        if opened is not None:
            saved_selection.saved_view(context, opened)
            st.divider()
            next_step("export", "Take it to the trainer")
        else:
            _choose(context, stored)
            st.divider()
            saved_selection.saved_list(context, stored)


def _opened(stored: list[SelectionRecord], pending: Collection[str]) -> SelectionRecord | None:
    """The stored selection in the URL; None while something is being chosen."""
    wanted = st.query_params.get(selections.SELECTION)
    found = next((record for record in stored if record.id == wanted), None)
    if found is not None:
        selections.open_selection(found.id)
    elif wanted is not None and wanted not in pending:
        st.info(
            f"The selection {plain(wanted)} is not in this run (any more).",
            icon=":material/info:",
        )
    return found


def _pending(context: Context) -> list[str]:
    """Selections that jobs make: they wait, work, or ended without a result. Gives their ids."""
    from nncift_core.pipeline import pending_selections

    pending = pending_selections(context.workspace, context.run.run_id)
    for place, job in enumerate(pending):
        key = "selection-job" if place == 0 else f"selection-job-{place}"
        with st.container(border=True):
            budget = selections.budget_words(job.budget)
            st.text(selections.named(job.name, job.objective, f"{budget} (not done)"))
            state = job_panel(job.folder, stages={"select": "rows"}, key=key)
            if state is not None and not state.live:
                st.button(
                    "Remove it",
                    key="discard" if place == 0 else f"discard-{place}",
                    icon=":material/delete:",
                    on_click=_discard,
                    args=(context, job.id),
                    help="Nothing was selected yet, so nothing is lost.",
                )
    return [job.id for job in pending]


def _discard(context: Context, selection_id: str) -> None:
    with user_errors():
        from nncift_core.pipeline import discard_selection

        discard_selection(context.workspace, context.run.run_id, selection_id)


def _choose(context: Context, stored: list[SelectionRecord]) -> None:
    """The live selection: form, budget, demands, curve, tables, and keeping it."""
    run_id = context.run.run_id
    desk = open_desk(context.workspace.path, run_id, context.workspace)
    fields, pointwise = Fields(run_id), desk.view.pointwise
    default = desk.spec.config.budget
    with st.container(border=True):
        left, right = st.columns([3, 2])
        wish = selection_form(left, fields, desk.spec, pointwise=pointwise)
        wanted = budget_form(
            right, fields, context.n_train, default, with_tokens=desk.facts.has("tokens")
        )
        size = right.empty()
    figures = st.container()
    said = st.container()
    curve, demands = st.columns([3, 2])
    actions = context.workspace.catalog.actions(run_id)
    log = curation(actions)
    with demands:
        demands_panel(context.workspace, run_id, log, lambda kind, text: _check(desk, kind, text))
    shown = None
    with curve, user_errors():
        # The panel above stays, so that a demand that cannot be met can be taken back.
        settings = log.settings(wish.settings)
        if wanted.kind == TOKENS:
            settings = replace(settings, token_budget=wanted.tokens)
        shown = choose(desk, wish.objective, settings, wanted.rows)
    if shown is None:
        return
    tokens = shown.tokens
    remember_size(shown.n_rows, tokens)
    size.markdown(size_words(shown.n_rows, context.n_train, tokens))
    with said:
        say_what_changed(run_id, shown)
    _figures(figures, context, shown, tokens)
    with curve:
        _growth(fields, shown, wanted, default)
    _sentences(shown, wanted)
    _rows(context, desk, fields, shown, log, version=str(len(actions)))
    save_form(context, desk, shown, stored)


def _check(desk: Desk, kind: str, text: str) -> str:
    """What a rule or a quota is about, in words. Raises: ConfigError."""
    from nncift_core.pipeline import browsing

    if kind == "ban-where":
        return f"bans {counted(browsing.banned_rows(desk, text), 'row')}"
    return f"is about {counted(browsing.quota_rows(desk, text), 'row')}"


def _figures(place: object, context: Context, shown: Shown, tokens: int | None) -> None:
    with place:  # type: ignore[attr-defined]
        one, two, three, four = st.columns(4)
    one.metric(
        "Rows chosen",
        count(shown.n_rows),
        delta=f"{percent(shown.n_rows / max(1, context.n_train))} of the pool",
        delta_color="off",
        delta_arrow="off",
    )
    two.metric("Tokens", count(tokens), help="Of the prompts and responses of all chosen rows.")
    if shown.has_rounds:
        three.metric(
            "Value of the set",
            number(shown.live.value_at(shown.n_rows)) if shown.n_rows else "-",
            help="What the objective gives to all chosen rows together, on the scale of the "
            "training labels. Compare it between selections of one objective.",
        )
    else:
        span = shown.score_range
        three.metric("Lowest score", number(span[0] if span else None))
    share, in_pool = shown.labelled_shares
    four.metric(
        "Labelled rows",
        percent(share),
        delta=f"{percent(in_pool)} in the pool",
        delta_color="off",
        delta_arrow="off",
        help="Of the chosen ones: rows whose influence was measured, not just predicted. Much "
        "more than in the pool would mean that the estimates underrate rows it never saw.",
    )


def _growth(fields: Fields, shown: Shown, wanted: Wanted, default: str) -> None:
    """The curve of the whole order with the budget in it, and the knee."""
    from nncift_core.pipeline import browsing

    curve = browsing.curve_of(shown.live)
    if not shown.has_rounds:
        words = score_words(curve)
        title = "How good are the rows, from the first to the last?"
        figure = score_chart(curve, title, budget=shown.n_rows)
    else:
        words = curve_words(curve)
        kind = st.segmented_control(
            "The chart shows",
            ("value so far", "gain of each pick"),
            default="value so far",
            required=True,
            key="curve-kind",
            label_visibility="collapsed",
        )
        figure = gain_chart(curve, per_pick=kind != "value so far", budget=shown.n_rows)
    st.plotly_chart(figure, key="gain-curve", config={"displayModeBar": False}, alt=words)
    st.caption(words)
    if shown.has_rounds and curve.knee is not None:
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


def _sentences(shown: Shown, wanted: Wanted) -> None:
    demanded = demanded_words(shown)
    if demanded:
        st.error(demanded, icon=":material/error:")
    fewer = fewer_words(shown, wanted.rows, tokens=wanted.tokens)
    if fewer:
        st.warning(fewer, icon=":material/info:")
    words = [
        exact_words(shown),
        round_words(shown),
        labelled_words(*shown.labelled_shares),
        duplicate_words(shown),
    ]
    st.markdown(" ".join(sentence for sentence in words if sentence))


def _rows(
    context: Context, desk: Desk, fields: Fields, shown: Shown, log: Curation, version: str
) -> None:
    """The tables and the coverage; only what is open is computed."""
    run_id, path = context.run.run_id, context.workspace.path
    parts = {name: words for name, words in _PARTS.items() if _has(name, desk)}
    follow("part", fields.choice("part", parts, "chosen"))
    part = st.segmented_control(
        "Rows",
        list(parts),
        format_func=parts.__getitem__,
        required=True,
        key="part",
        on_change=lambda: fields.put("part", st.session_state["part"], "chosen"),
        label_visibility="collapsed",
    )
    tables = Tables(
        context.workspace,
        run_id,
        shown,
        log,
        version,
        search=lambda text: search_pool(Path(path), run_id, text, desk),
        explain=lambda position: explanation.row_explanation(desk, shown, position),
    )
    if part == "coverage":
        explanation.coverage_panel(desk, shown)
    elif part == "left-out":
        tables.left_out(fields)
    else:
        tables.chosen()


def _has(part: str, desk: Desk) -> bool:
    return part != "coverage" or not desk.view.pointwise


main()
