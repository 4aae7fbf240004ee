"""The small live box of the sidebar: what works in the workspace, how far, and how many wait.

Polls only while something lives. Knows nothing of the page beside it.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from nncift_core import jobs
from nncift_core.errors import NNCIFTError
from nncift_core.pipeline.job_list import job_facts
from nncift_core.store import Workspace
from pages._ui.format import counted
from pages._ui.jobs.words import job_title, live_words, project_words
from pages._ui.navigation import link_to

POLL_SECONDS = 2.0
_HEIGHT = 128
_CACHED_SECONDS = 120


def draw_job_box(workspace: Workspace) -> None:
    """Draw it: of one height while something lives, and it grows upwards into free space."""
    lives = bool(jobs.living_jobs(workspace.path))
    with st.container(key="job-box", border=True, height=_HEIGHT if lives else "content"):
        if not lives:
            st.caption("No job is at work.")
            link_to("jobs")
            return
        st.fragment(run_every=POLL_SECONDS)(_draw_living)(workspace)


def _draw_living(workspace: Workspace) -> None:
    living = jobs.living_jobs(workspace.path)
    if not living:
        # What ended may have changed the page beside this box as well.
        st.rerun()
    entry = living[0]
    title, project = _about(str(workspace.path), entry.name, workspace)
    st.caption(f"**{title}** · {project}")
    st.progress(entry.state.share or 0.0, text=live_words(entry.state))
    waiting = len(living) - 1
    link_to("jobs", f"Jobs ({counted(waiting, 'waits', 'wait')})" if waiting else "Jobs")


@st.cache_data(max_entries=256, ttl=_CACHED_SECONDS, show_spinner=False)
def _about(path: str, name: str, _workspace: Workspace) -> tuple[str, str]:
    """Title and project of a job, which need the catalog."""
    try:
        (facts,) = job_facts(_workspace, [jobs.job_at(Path(path), name)])
    except NNCIFTError:
        return "A job", ""
    return job_title(facts), project_words(facts)
