"""One job as a row of a list: what it is, how far, how it ended, and the buttons for it.

The page Jobs and the list of runs on the page Run draw the same rows.
"""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from nncift_core import jobs
from nncift_core.files import size_of
from nncift_core.pipeline.job_list import JobFacts
from nncift_core.store import Workspace
from pages._ui.access import may_change
from pages._ui.errors import problem_box
from pages._ui.format import ago, duration, file_size, plain
from pages._ui.jobs.actions import asked_to_stop, cancel, delete, resume
from pages._ui.jobs.words import (
    address,
    job_icon,
    job_title,
    live_words,
    page_of,
    project_words,
    spent_seconds,
)
from pages._ui.navigation import PAGES, go, link_to
from pages._ui.runs import state_words

OPENED = "job"
"""In the address: the job whose log is open."""

RESUMABLE = ("failed", "cancelled", "interrupted")


def draw_living_job(facts: JobFacts, place: int) -> None:
    """A job that works or waits; ``place`` is its place in the queue, 0 for the first."""
    entry, state = facts.entry, facts.entry.state
    with st.container(border=True, key=f"living-{entry.name.replace('/', '-')}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(gap="xxsmall"):
                st.markdown(f"{job_icon(state.status)} **{job_title(facts)}**")
                st.caption(" · ".join(_who_and_when(facts)))
            link_to(page_of(entry.kind), "Open", dict(address(facts)))
            stopping = asked_to_stop(entry)
            st.button(
                "End it now" if stopping else "Cancel",
                key=f"cancel-{entry.name}",
                icon=f":material/{'dangerous' if stopping else 'stop_circle'}:",
                on_click=cancel,
                args=(entry,),
                disabled=not may_change(),
                help="It was asked to stop; this ends it by force."
                if stopping
                else "Stops at the next step; what is finished is kept.",
            )
        st.progress(state.share or 0.0, text=live_words(state, place))


def draw_ended_job(workspace: Workspace, facts: JobFacts) -> None:
    """A job that ended, with what can be done about it; its log where the address opens it."""
    entry, state = facts.entry, facts.entry.state
    opened = st.query_params.get(OPENED) == entry.name
    with st.container(border=True, key=f"ended-{entry.name.replace('/', '-')}", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(gap="xxsmall", width="stretch"):
                st.markdown(f"{job_icon(state.status)} **{job_title(facts)}**")
                st.caption(" · ".join([state_words(state.status), *_who_and_when(facts)]))
            _draw_buttons(workspace, facts, opened=opened)
        if opened:
            _draw_details(facts)


def _draw_buttons(workspace: Workspace, facts: JobFacts, *, opened: bool) -> None:
    entry = facts.entry
    if facts.project is not None:
        link_to(page_of(entry.kind), "Open", dict(address(facts)))
    if entry.state.status in RESUMABLE:
        st.button(
            "Resume",
            key=f"resume-{entry.name}",
            icon=":material/resume:",
            on_click=resume,
            args=(entry,),
            disabled=not may_change(),
        )
    if entry.kind == "run" and facts.project is not None:
        duplicate_button(facts.project.id, entry.folder.name)
    st.button(
        "Hide log" if opened else "Log",
        key=f"log-{entry.name}",
        on_click=_open,
        args=("" if opened else entry.name,),
    )
    kept = entry.kind == "select" and entry.state.status == "done"
    st.button(
        "Delete",
        key=f"delete-{entry.name}",
        icon=":material/delete:",
        on_click=delete,
        args=(workspace, entry, job_title(facts)),
        disabled=kept or not may_change(),
        help="A finished selection is deleted on the page Select."
        if kept
        else "Goes to the trash, from where it can be restored.",
    )


def duplicate_button(project_id: str, run_id: str) -> None:
    """Leads to the form of a run with the settings of this one."""
    if st.button(
        "Duplicate",
        key=f"duplicate-{run_id}",
        icon=":material/content_copy:",
        help=f"Opens the page {PAGES['run'].title} with the settings of this run.",
    ):
        go("run", {"project": project_id, "from": run_id})


def _draw_details(facts: JobFacts) -> None:
    entry, state = facts.entry, facts.entry.state
    if state.error is not None:
        problem_box(state.error.message, state.error.hint, state.error.details)
    for warning in dict.fromkeys(state.warnings):
        st.text(warning)
    tail = jobs.log_tail(entry.folder).strip()
    if tail:
        st.caption("End of the log")
        st.code(tail, language=None, wrap_lines=True, height=280)
    else:
        st.caption("This job wrote no log.")


def _who_and_when(facts: JobFacts) -> list[str]:
    entry, state = facts.entry, facts.entry.state
    parts = [project_words(facts)]
    if state.live:
        when = state.started_at or state.created_at
        began = ago(datetime.fromtimestamp(when, UTC).isoformat()) if when else "a moment ago"
        parts.append(f"{'started' if state.started_at else 'asked for'} {began}")
    else:
        parts.append(ago(datetime.fromtimestamp(state.updated_at, UTC).isoformat()))
        if spent_seconds(entry):
            parts.append(f"took {duration(spent_seconds(entry))}")
        parts.append(file_size(size_of(entry.folder)))
    if state.attempt > 1:
        parts.append(f"attempt {state.attempt}")
    if state.started_by:
        parts.append(f"by {plain(state.started_by)}")
    return parts


def _open(name: str) -> None:
    if name:
        st.query_params[OPENED] = name
    else:
        st.query_params.pop(OPENED, None)
