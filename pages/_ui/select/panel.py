"""The live selection of the Select page: form, figures, charts, demands and tables.

A fragment: moving the budget or ticking a row draws this part alone, from what the run's desk
remembers. Knows the desk and the log; rows are chosen by the desk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from nncift_core.selection.actions import Curation, curation
from nncift_core.store import SelectionRecord
from pages._ui.errors import user_errors
from pages._ui.format import count, counted, number, percent
from pages._ui.row_actions import action_bar, draw_problem, read_log
from pages._ui.select.budget import TOKENS, Wanted, budget_form, remember_size
from pages._ui.select.demands import rules_and_quotas
from pages._ui.select.desk import choose, what_changed
from pages._ui.select.form import Wish, objective_words, selection_form
from pages._ui.select.growth import coverage_of, draw_growth
from pages._ui.select.rows import draw_rows
from pages._ui.select.save_form import save_form
from pages._ui.select.state import Fields
from pages._ui.select.words import (
    demanded_words,
    duplicate_words,
    exact_words,
    fewer_words,
    finding_words,
    labelled_words,
    round_words,
)
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.browsing import Shown
    from nncift_core.pipeline.curation import Desk

ACTIONS = "rows"
"""Beginning of the keys of the buttons that pin and ban."""


def live_panel(context: Context, desk: Desk, stored: Sequence[SelectionRecord]) -> None:
    """Choose from a run and keep what is chosen.

    Args:
        context: What the page is about.
        desk: The run's desk.
        stored: The run's stored selections, the oldest first.
    """
    # Another tab may have changed it since; within the fragment only what is done here does.
    read_log(context.workspace, context.run.run_id, again=True)
    _panel(context, desk, stored)


@st.fragment
def _panel(context: Context, desk: Desk, stored: Sequence[SelectionRecord]) -> None:
    # A fragment hands on no error of ours, so it must say it itself.
    with user_errors():
        _draw(context, desk, stored)


def _draw(context: Context, desk: Desk, stored: Sequence[SelectionRecord]) -> None:
    run_id = context.run.run_id
    fields, pointwise = Fields(run_id), desk.view.pointwise
    default = desk.spec.config.budget
    with st.container(horizontal=True, vertical_alignment="bottom", key="select-controls"):
        wish = selection_form(fields, desk.spec, pointwise=pointwise)
        wanted = budget_form(fields, context.n_train, default, with_tokens=desk.facts.has("tokens"))
    st.caption(objective_words(desk.spec, wish.objective, pointwise=pointwise))
    result, bar = st.container(), st.container()
    actions = read_log(context.workspace, run_id, again=False)
    log = curation(actions)
    with bar:
        draw_problem()
    shown = None
    with result, user_errors():
        shown = _chosen(desk, log, wish, wanted)
    with st.container():
        rules_and_quotas(
            context.workspace, run_id, log, lambda kind, text: _check(desk, kind, text)
        )
    if shown is None:
        with bar:
            # So that a demand that cannot be met can be taken back.
            action_bar(context.workspace, run_id, log, (), key=ACTIONS, shortcuts=True)
        return
    remember_size(shown.n_rows, shown.tokens)
    changed = what_changed(run_id, shown)
    with result:
        _draw_result(context, desk, fields, shown, wanted, stored)
    marked = draw_rows(context, desk, fields, shown, version=str(len(actions)))
    with bar:
        action_bar(context.workspace, run_id, log, marked, key=ACTIONS, shortcuts=True)
        st.caption(changed or "Tick rows in the table to pin (p), ban (b) or release them.")


def _chosen(desk: Desk, log: Curation, wish: Wish, wanted: Wanted) -> Shown:
    settings = log.settings(wish.settings)
    if wanted.kind == TOKENS:
        settings = replace(settings, token_budget=wanted.tokens)
    return choose(desk, wish.objective, settings, wanted.rows)


def _draw_result(
    context: Context,
    desk: Desk,
    fields: Fields,
    shown: Shown,
    wanted: Wanted,
    stored: Sequence[SelectionRecord],
) -> None:
    """Figures, the finding, keeping it, and the charts."""
    from nncift_core.pipeline import browsing

    curve = browsing.curve_of(shown.live)
    _figures(context, shown)
    demanded = demanded_words(shown)
    if demanded:
        st.error(demanded, icon=":material/error:")
    fewer = fewer_words(shown, wanted.rows, tokens=wanted.tokens)
    if fewer:
        st.warning(fewer, icon=":material/info:")
    with st.container(horizontal=True, vertical_alignment="center", key="select-finding"):
        st.markdown(finding_words(shown, curve), width="stretch")
        with st.popover("More about it", key="more-about", type="tertiary"):
            words = [
                exact_words(shown),
                round_words(shown),
                labelled_words(*shown.labelled_shares),
                duplicate_words(shown),
            ]
            st.markdown("\n\n".join(sentence for sentence in words if sentence))
    save_form(context, desk, shown, stored)
    draw_growth(desk, fields, shown, wanted, desk.spec.config.budget)


def _figures(context: Context, shown: Shown) -> None:
    """At most four figures, in one line at any width."""
    with st.container(horizontal=True, key="select-figures"):
        st.metric(
            "Rows chosen",
            count(shown.n_rows),
            delta=f"{percent(shown.n_rows / max(1, context.n_train))} of the pool",
            delta_color="off",
            delta_arrow="off",
        )
        st.metric(
            "Tokens",
            count(shown.tokens),
            delta=None
            if not shown.tokens or not shown.n_rows
            else f"{count(round(shown.tokens / shown.n_rows))} a row",
            delta_color="off",
            delta_arrow="off",
            help="Of the prompts and responses of all chosen rows.",
        )
        if shown.desk.view.pointwise:
            low, high = shown.score_range or (None, None)
            st.metric(
                "Lowest score",
                number(low),
                delta=f"highest {number(high)}",
                delta_color="off",
                delta_arrow="off",
            )
        else:
            _coverage_figure(shown)
        share, in_pool = shown.labelled_shares
        st.metric(
            "Labelled rows",
            percent(share),
            delta=f"{percent(in_pool)} in the pool",
            delta_color="off",
            delta_arrow="off",
            help="Of the chosen ones: rows whose influence was measured, not just predicted. Much "
            "more than in the pool would mean that the estimates underrate rows it never saw.",
        )


def _coverage_figure(shown: Shown) -> None:
    coverage = coverage_of(shown)
    whole = None if coverage is None else coverage.everything
    st.metric(
        "Targets covered",
        percent(None if whole is None else whole.share),
        delta="of what the pool could give"
        if whole is not None and whole.share is not None
        else "not measured yet"
        if whole is None
        else "no row helps any",
        delta_color="off",
        delta_arrow="off",
        help="Mean over the targets of the best chosen row's influence, as a share of what the "
        "whole pool could reach.",
    )


def _check(desk: Desk, kind: str, text: str) -> str:
    """What a rule or a quota is about, in words. Raises: ConfigError."""
    from nncift_core.pipeline import browsing

    if kind == "ban-where":
        return f"bans {counted(browsing.banned_rows(desk, text), 'row')}"
    return f"is about {counted(browsing.quota_rows(desk, text), 'row')}"
