"""The newest runs of a project on the page Run: their state, results, and what can be done.

The page Jobs has all jobs of the workspace, with their logs and the trash.
"""

from __future__ import annotations

import streamlit as st

from nncift_core import jobs
from nncift_core.errors import NNCIFTError
from nncift_core.store import RunRecord
from pages._ui import state
from pages._ui.access import may_change
from pages._ui.errors import user_errors
from pages._ui.format import ago, coefficient, count, counted, duration, plain
from pages._ui.jobs.actions import delete, draw_problem, draw_undo, resume
from pages._ui.jobs.rows import RESUMABLE, duplicate_button
from pages._ui.jobs.words import job_icon
from pages._ui.navigation import link_to
from pages._ui.quadrants import kind_of
from pages._ui.runs import (
    LIVE,
    is_pointwise,
    needs_of,
    run_status,
    settings_words,
    state_words,
)
from pages._ui.shell import Context

MOST_SHOWN = 5


def draw_runs(context: Context) -> None:
    """A line per run, the newest first; the older ones are on the page Jobs."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if context.runs:
            st.subheader("Runs of this project", anchor=False, width="content")
        draw_undo(context.workspace)
    draw_problem()
    for run in context.runs[:MOST_SHOWN]:
        with user_errors():
            _draw_run(context, run)
    if context.runs:
        older = len(context.runs) - MOST_SHOWN
        link_to("jobs", f"{counted(older, 'older run')} and all jobs" if older > 0 else "All jobs")


def _draw_run(context: Context, run: RunRecord) -> None:
    status = run_status(context.workspace, run)
    # The list is not polled: how far a live run is stands above.
    words = "at work" if status in LIVE else state_words(status)
    in_view = context.found_run is not None and context.found_run.run_id == run.run_id
    with (
        st.container(border=True, key=f"run-{run.run_id}"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container(gap="xxsmall"):
            st.markdown(f"{job_icon(status)} **{settings_words(run)}** · {words}")
            st.caption(_facts(run))
        st.button(
            "In view" if in_view else "View",
            key=f"view-{run.run_id}",
            disabled=in_view,
            on_click=state.open_run,
            args=(run.run_id,),
        )
        _draw_actions(context, run, status)


def _draw_actions(context: Context, run: RunRecord, status: str) -> None:
    duplicate_button(run.project_id, run.run_id)
    try:
        entry = jobs.job_at(context.workspace.path, run.run_id)
    except NNCIFTError:
        # Without its folder there is nothing to resume, and the page Run says so.
        return
    if status in RESUMABLE:
        st.button(
            "Resume",
            key=f"resume-{run.run_id}",
            icon=":material/resume:",
            on_click=resume,
            args=(entry,),
            disabled=not may_change(),
        )
    st.button(
        "Delete",
        key=f"delete-{run.run_id}",
        icon=":material/delete:",
        on_click=delete,
        args=(context.workspace, entry, settings_words(run)),
        disabled=status in LIVE or not may_change(),
        help="Goes to the trash, from where it can be restored.",
    )


def _facts(run: RunRecord) -> str:
    parts = [ago(run.created_at)]
    config, result = run.config.get("config", {}), run.result
    method = str(config.get("method", ""))
    kind = kind_of(pointwise=is_pointwise(method))
    if "language-model" in needs_of(method):
        parts.append(f"model {plain(str(config.get('lm', {}).get('model', '?')))}")
    parts.append(f"keeps {plain(str(config.get('budget')))}, seed {config.get('seed')}")
    if result:
        others = "" if kind.noun == "row" else f" x {count(result['n_target'])}"
        parts.append(f"{count(result['n_train'])}{others} rows")
        if extension := result.get("extension"):
            parts.append(f"{count(extension['added'])} of them added to another run")
        parts.append(f"selected {count(result['selected'])}")
        parts.append(f"took {duration(sum(result['seconds'].values()))}")
        unseen = (result.get("quadrants") or {}).get("q4") or {}
        if unseen.get("r2") is not None:
            parts.append(f"R² {coefficient(unseen['r2'])} on {kind.unseen}")
    return " · ".join(parts)
