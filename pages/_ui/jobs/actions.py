"""What may be done with a job: cancel, resume, throw away with an undo, and the trash.

For callbacks: what goes wrong is kept and said by ``draw_problem`` on the page. Knows jobs and the
trash, not what jobs compute.
"""

from __future__ import annotations

import streamlit as st

from nncift_core import jobs
from nncift_core.errors import NNCIFTError
from nncift_core.jobs import JobEntry
from nncift_core.jobs.state import CANCEL_FILE
from nncift_core.pipeline.job_list import take_back, throw_away
from nncift_core.store import Workspace
from pages._ui import state
from pages._ui.access import may_change
from pages._ui.errors import error_box
from pages._ui.format import counted, file_size, plain
from pages._ui.runs import settings_text

_PROBLEM = "job-problem"
_THROWN = "job-thrown-away"


def cancel(entry: JobEntry) -> None:
    """Ask a job to stop; a second time, end it by force."""
    _attempt(jobs.terminate if asked_to_stop(entry) else jobs.request_cancel, entry.folder)


def asked_to_stop(entry: JobEntry) -> bool:
    """Whether a job that lives was asked to stop already."""
    return (entry.folder / CANCEL_FILE).exists()


def resume(entry: JobEntry) -> None:
    """Go on with a job from its last finished stage; a run comes into view."""
    if _attempt(jobs.start, entry.folder) and entry.kind == "run":
        state.open_run(entry.folder.name)


def delete(workspace: Workspace, entry: JobEntry, title: str) -> None:
    """Throw a job away; the undo remembers its title."""
    if _attempt(throw_away, workspace, entry):
        st.session_state[_THROWN] = (entry.name, title)
        if state.run_id() == entry.folder.name:
            state.open_run(None)


def draw_problem() -> None:
    """What went wrong with the last action, once."""
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        error_box(problem)


def draw_undo(workspace: Workspace) -> None:
    """The last deletion with its undo, on one line; nothing where there was none."""
    thrown = st.session_state.get(_THROWN)
    if thrown is None:
        return
    name, title = thrown
    st.markdown(f"Deleted {title}.", width="content")
    st.button(
        "Undo",
        key="job-undo",
        icon=":material/undo:",
        on_click=_restore,
        args=(workspace, name),
    )


def draw_trash(workspace: Workspace) -> None:
    """What is in the trash, each with a way back, and the button that frees the space."""
    runs, folders = workspace.trashed_runs(), workspace.trashed_folders()
    if not runs and not folders:
        return
    size = sum(one.bytes for one in runs) + sum(folders.values())
    amounts = [counted(len(runs), "run")] if runs else []
    amounts += [counted(len(folders), "other job")] if folders else []
    with st.expander(f"Trash: {', '.join(amounts)}, {file_size(size)}", icon=":material/delete:"):
        for one in runs:
            title = plain(f"Run: {settings_text(one.run)}")
            _draw_thrown(workspace, f"runs/{one.run.run_id}", title, one.bytes)
        for name, used in folders.items():
            _draw_thrown(workspace, name, plain(name), used)
        st.caption("Files that were exported from these runs stay where they are.")
        st.button(
            "Free the space for good",
            key="empty-trash",
            icon=":material/delete_forever:",
            on_click=_empty,
            args=(workspace,),
            disabled=not may_change(),
        )


def _draw_thrown(workspace: Workspace, name: str, title: str, size: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{title} · {file_size(size)}", width="content")
        st.button(
            "Restore",
            key=f"restore-{name}",
            on_click=_restore,
            args=(workspace, name),
            disabled=not may_change(),
        )


def _restore(workspace: Workspace, name: str) -> None:
    st.session_state.pop(_THROWN, None)
    _attempt(take_back, workspace, name)


def _empty(workspace: Workspace) -> None:
    st.session_state.pop(_THROWN, None)
    try:
        freed = workspace.empty_trash()
    except NNCIFTError as error:
        st.session_state[_PROBLEM] = error
        return
    st.toast(f"{file_size(freed.bytes)} freed.")


def _attempt(action: object, *arguments: object) -> bool:
    """Whether it went well; what did not is shown by ``draw_problem``."""
    assert callable(action)
    st.session_state.pop(_PROBLEM, None)
    try:
        action(*arguments)
    except NNCIFTError as error:
        st.session_state[_PROBLEM] = error
        return False
    return True
