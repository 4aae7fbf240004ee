"""The sidebar: project and run in view, the pages in the order of the work, jobs at the bottom."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from nncift_core.errors import NNCIFTError
from nncift_core.store import RunRecord, Workspace
from pages._ui import access, state
from pages._ui.format import moment
from pages._ui.jobs.box import draw_job_box
from pages._ui.navigation import GROUPS, link_to
from pages._ui.runs import settings_text
from pages._ui.shell import glance, open_workspace

_PROJECT = "project-switcher"
_RUN = "run-switcher"


def draw_sidebar() -> None:
    """Draw it; a workspace that cannot be opened is reported by the page, not here."""
    with st.sidebar:
        with st.container(key="sidebar-name"):
            st.markdown("**NN-CIFT Studio**")
        try:
            workspace = open_workspace(state.workspace_path()).workspace
            _draw_switchers(workspace)
        except NNCIFTError:
            workspace = None
        for group, pages in GROUPS.items():
            with st.container(key=f"pages-{group.lower() or 'home'}"):
                if group:
                    st.caption(group)
                for name in pages:
                    link_to(name)
        with st.container(key="sidebar-bottom", gap="small"):
            if workspace is None:
                link_to("jobs")
            else:
                draw_job_box(workspace)
            access.draw_account()


def _draw_switchers(workspace: Workspace) -> None:
    seen = glance(workspace)
    projects = seen.projects
    if not projects:
        st.caption("No project yet")
        return
    names = {project.id: project.name for project in projects}
    current = state.project_id()
    # The URL decides; the widget follows it, also when another page changed the project.
    st.session_state[_PROJECT] = current if current in names else None
    st.selectbox(
        "Project",
        list(names),
        format_func=lambda project_id: names.get(project_id, project_id),
        key=_PROJECT,
        placeholder="Choose a project",
        on_change=_switch_project,
        label_visibility="collapsed",
    )
    if current in names:
        _draw_run_switcher(seen.runs)


def _draw_run_switcher(runs: Sequence[RunRecord]) -> None:
    """Which run of the project is in view, where there is a choice."""
    if len(runs) < 2:
        return
    labels = {run.run_id: _label(run) for run in runs}
    if len(set(labels.values())) < len(labels):
        # Two with the same settings in one minute: the end of the id tells them apart.
        labels = {run_id: f"{words} · {run_id[-6:]}" for run_id, words in labels.items()}
    current = state.run_id()
    st.session_state[_RUN] = current if current in labels else runs[0].run_id
    st.selectbox(
        "Run in view",
        list(labels),
        format_func=lambda run_id: labels.get(run_id, run_id),
        key=_RUN,
        on_change=_switch_run,
        label_visibility="collapsed",
        help="The run in view",
    )


def _label(run: RunRecord) -> str:
    # Without the year: the field is narrow, and the newest run comes first.
    return f"{settings_text(run)} · {moment(run.created_at)[5:]}"


def _switch_project() -> None:
    state.open_project(st.session_state[_PROJECT])


def _switch_run() -> None:
    state.open_run(st.session_state[_RUN])
