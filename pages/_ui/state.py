"""Which project and run a page is about: ids in the URL, so that a link brings everything back.

The session remembers the ids only because going to another page empties the URL's query.
"""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

PROJECT = "project"
RUN = "run"
WORKSPACE_VARIABLE = "NNCIFT_WORKSPACE"

_MEMORY = "nncift_{}"


def workspace_path() -> Path:
    """The app's folder: $NNCIFT_WORKSPACE, or ``workspace`` where it was started."""
    return Path(os.environ.get(WORKSPACE_VARIABLE) or "workspace").expanduser().absolute()


def project_id() -> str | None:
    """The project in the URL, else the one this session looked at last."""
    return _read(PROJECT)


def run_id() -> str | None:
    """The run in the URL, else the one this session looked at last."""
    return _read(RUN)


def open_project(project: str | None, run: str | None = None) -> None:
    """Look at a project, and at a run of it (its newest if None), from now on."""
    _write(PROJECT, project)
    _write(RUN, run)


def open_run(run: str | None) -> None:
    """Look at a run of the current project (its newest if None) from now on."""
    _write(RUN, run)


def link(project: str | None = None, run: str | None = None) -> dict[str, str]:
    """The query of a link: this project and run, or another project with a run of its own."""
    if project is None:
        project, run = project_id(), run or run_id()
    return {name: value for name, value in ((PROJECT, project), (RUN, run)) if value}


def _read(name: str) -> str | None:
    value = st.query_params.get(name) or st.session_state.get(_MEMORY.format(name))
    return str(value) if value else None


def _write(name: str, value: str | None) -> None:
    memory = _MEMORY.format(name)
    if value is None:
        st.session_state.pop(memory, None)
        if name in st.query_params:
            del st.query_params[name]
        return
    st.session_state[memory] = value
    if st.query_params.get(name) != value:
        st.query_params[name] = value
