"""The sidebar: project switcher on top, the pages below it with project and run in their links."""

from __future__ import annotations

import streamlit as st

from nncift_core.errors import NNCIFTError
from pages._ui import state
from pages._ui.navigation import PAGES, link_to
from pages._ui.shell import open_workspace

_SWITCHER = "project-switcher"


def draw_sidebar() -> None:
    """Draw it; a workspace that cannot be opened is reported by the page, not here."""
    with st.sidebar:
        st.markdown("**NN-CIFT Studio**")
        _switcher()
        for name in PAGES:
            link_to(name)


def _switcher() -> None:
    try:
        projects = open_workspace(state.workspace_path()).workspace.catalog.projects()
    except NNCIFTError:
        return
    if not projects:
        st.caption("No project yet")
        return
    names = {project.id: project.name for project in projects}
    current = state.project_id()
    # The URL decides; the widget follows it, also when another page changed the project.
    st.session_state[_SWITCHER] = current if current in names else None
    st.selectbox(
        "Project",
        list(names),
        format_func=lambda project_id: names.get(project_id, project_id),
        key=_SWITCHER,
        placeholder="Choose a project",
        on_change=_switch,
    )


def _switch() -> None:
    state.open_project(st.session_state[_SWITCHER])
