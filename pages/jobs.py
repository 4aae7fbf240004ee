"""Jobs: what works, what waits, what was done; cancel, resume, duplicate, delete, take back."""

from __future__ import annotations

import streamlit as st

from nncift_core import jobs
from nncift_core.jobs import JobEntry
from nncift_core.pipeline.job_list import job_facts
from pages._ui.errors import user_errors
from pages._ui.format import counted
from pages._ui.jobs.actions import draw_problem, draw_trash, draw_undo
from pages._ui.jobs.rows import draw_ended_job, draw_living_job
from pages._ui.navigation import go
from pages._ui.shell import Context, page_setup

POLL_SECONDS = 1.0
PAGE_SIZE = 20
PAGE = "page"
SHOW = "show"
_SHOWN = {
    "all": ("All", ()),
    "done": ("Finished", ("done",)),
    "failed": ("Failed", ("failed",)),
    "stopped": ("Stopped", ("cancelled", "interrupted")),
}


def main() -> None:
    """Draw the page."""
    context = page_setup("Jobs", "What works, what waits, what was done?", needs="workspace")
    draw_problem()
    with user_errors():
        _draw_living(context)
    with user_errors():
        _draw_history(context)
    with user_errors():
        draw_trash(context.workspace)


def _draw_living(context: Context) -> None:
    """The queue of the workspace; polled while there is one."""
    living = jobs.living_jobs(context.workspace.path)
    if living:
        st.fragment(run_every=POLL_SECONDS)(_draw_queue)(context)
        return
    with st.container(border=True, key="no-jobs", horizontal=True, vertical_alignment="center"):
        st.markdown("Nothing is at work. Runs, selections, studies and audits show up here.")
        if st.button("Set up a run", key="set-up", type="primary"):
            go("run" if context.found_project is not None else "home")


def _draw_queue(context: Context) -> None:
    living = jobs.living_jobs(context.workspace.path)
    if not living:
        st.rerun()
    with user_errors():
        waiting = sum(entry.state.status == "queued" for entry in living)
        works = counted(len(living) - waiting, "job works", "jobs work")
        waits = f", {counted(waiting, 'waits', 'wait')} for a turn" if waiting else ""
        st.markdown(f"**{works}{waits}.** One job of a workspace works at a time.")
        for place, facts in enumerate(job_facts(context.workspace, living)):
            draw_living_job(facts, place)


def _draw_history(context: Context) -> None:
    entries = jobs.ended_jobs(context.workspace.path)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("History", anchor=False, width="content")
        if entries:
            st.segmented_control(
                "Show",
                list(_SHOWN),
                format_func=lambda name: _SHOWN[name][0],
                default="all",
                key=SHOW,
                bind="query-params",
                label_visibility="collapsed",
                width="content",
            )
        draw_undo(context.workspace)
    if not entries:
        st.caption("Nothing was done yet.")
        return
    shown = _filtered(entries)
    if not shown:
        st.caption("No job of this kind.")
        return
    pages = -(-len(shown) // PAGE_SIZE)
    page = min(_page(), pages)
    part = shown[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    for facts in job_facts(context.workspace, part):
        draw_ended_job(context.workspace, facts)
    if pages > 1:
        st.session_state["job-pages"] = page
        st.pagination(pages, key="job-pages", on_change=_turn_page)


def _filtered(entries: list[JobEntry]) -> list[JobEntry]:
    wanted = _SHOWN.get(st.session_state.get(SHOW) or "all", _SHOWN["all"])[1]
    return [entry for entry in entries if not wanted or entry.state.status in wanted]


def _page() -> int:
    given = st.query_params.get(PAGE, "1")
    return max(1, int(given)) if given.isdecimal() and len(given) < 7 else 1


def _turn_page() -> None:
    st.query_params[PAGE] = str(st.session_state["job-pages"])


main()
