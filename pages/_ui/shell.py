"""The shell around every page: title, question, status line, and what is missing to go on.

``page_setup`` is the first call of each page. It opens the workspace, makes sure of the demo
project once, finds project and run by the ids in the URL, and where the page needs more than
there is, shows what will be here with the one button that gets it, and stops the page.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from nncift_core import callers, jobs
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.jobs import JobState
from nncift_core.store import DatasetRecord, Glance, ProjectRecord, RunRecord, Workspace
from pages._ui import access, state
from pages._ui.errors import error_box, user_errors
from pages._ui.format import count, plain
from pages._ui.navigation import ensure_router, go
from pages._ui.runs import live_run, progress_words, run_status, settings_words, state_words

Needs = Literal["workspace", "project", "run", "result"]
"""What a page cannot do without. ``run``: any run; ``result``: a run with its predictions."""

POLL_SECONDS = 2.0
_GLANCE = "nncift_glance"


@dataclass(frozen=True)
class Opened:
    """A workspace as it was opened, once per server.

    Attributes:
        workspace: To be used by every page and session; each call is a short session of its own.
        demo_problem: Why there is no demo project, or empty.
    """

    workspace: Workspace
    demo_problem: str


@dataclass(frozen=True)
class Context:
    """What a page is about.

    Attributes:
        workspace: The opened workspace.
        found_project: The project, None only for pages that need just a workspace.
        found_run: The run in view, None where there is none and the page can do without.
        pool: Dataset to choose from, None without a project.
        target: Dataset of the target rows, None for a sample of the pool.
        demo_problem: Why there is no demo project, or empty.
        runs: The project's runs, the newest first.
        live: The run of the project that works or waits.
    """

    workspace: Workspace
    found_project: ProjectRecord | None = None
    found_run: RunRecord | None = None
    pool: DatasetRecord | None = None
    target: DatasetRecord | None = None
    demo_problem: str = ""
    runs: tuple[RunRecord, ...] = ()
    live: RunRecord | None = None

    @property
    def project(self) -> ProjectRecord:
        """The project; only for pages that need one."""
        assert self.found_project is not None, "page_setup(needs=...) must ask for a project"
        return self.found_project

    @property
    def run(self) -> RunRecord:
        """The run in view; only for pages that need one."""
        assert self.found_run is not None, "page_setup(needs=...) must ask for a run"
        return self.found_run

    @property
    def job_dir(self) -> Path:
        """The folder of the run in view."""
        return self.workspace.run_dir(self.run.run_id)

    @property
    def n_train(self) -> int:
        """Pool rows to choose from: without those that a target sample takes out."""
        return (self.pool.accepted if self.pool else 0) - (self.project.target_sample or 0)

    @property
    def n_target(self) -> int:
        """Target rows."""
        return self.target.accepted if self.target else self.project.target_sample or 0


def page_setup(title: str, question: str, *, needs: Needs = "project") -> Context:
    """Draw title, question and status line, and return what the page is about.

    Stops the page after an empty state where what it needs is not there.

    Args:
        title: Name of the page, as in the menu.
        question: What the page answers, as its subtitle.
        needs: What the page cannot do without.
    """
    ensure_router(title)
    access.require_access()
    with st.container(key="page-head", gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            st.title(title, anchor=False, width="content")
            st.markdown(f":gray[{question}]", width="content")
        status = st.empty()
    with user_errors(stop=True):
        opened = open_workspace(state.workspace_path())
        context = _find(opened)
    if context is None:
        st.stop()
    with status.container():
        _status_line(context)
    access.viewer_note()
    if context.found_project is None:
        if needs != "workspace":
            _no_project()
        return context
    if needs in ("run", "result") and context.found_run is None:
        empty_state(
            "No run yet",
            "A run labels a few pairs of rows with their true influence, trains a network on "
            "them and predicts all others. This page shows what comes out of it.",
            "Set up a run",
            "run",
        )
    if needs == "result":
        _wait_for_result(context)
    return context


def open_only_project() -> None:
    """Where the URL names no project and there is just one, on a first visit the demo: open it."""
    if state.project_id() is not None or state.run_id() is not None:
        return
    # A workspace that cannot be used is reported by the page.
    with contextlib.suppress(NNCIFTError):
        projects = open_workspace(state.workspace_path()).workspace.catalog.projects()
        if len(projects) == 1:
            state.open_project(projects[0].id)


def empty_state(headline: str, explanation: str, label: str, page: str) -> None:
    """What will be here, and the one button that gets it; stops the page."""
    with st.container(border=True, key="empty-state"):
        st.markdown(f"##### {headline}")
        st.markdown(explanation)
        if st.button(label, type="primary", key="empty-state-button"):
            go(page)
    st.stop()


@st.cache_resource(show_spinner="Opening the workspace ...")
def open_workspace(path: Path) -> Opened:
    """Open a workspace and make sure of its demo project; once per server and folder.

    Raises:
        WorkspaceError: It cannot be read or written.
    """
    from nncift_core.pipeline import ensure_demo

    problem = ""
    # Whoever comes first, and may he only look: the demo is the software's own work.
    with callers.own_behalf():
        workspace = Workspace.open(path)
        workspace.catalog.check()
        try:
            ensure_demo(workspace)
        except NNCIFTError as error:
            problem = str(error)
    return Opened(workspace, problem)


def glance(workspace: Workspace) -> Glance:
    """What the sidebar shows of the catalog; the page drawn after it need not read it again."""
    asked = (workspace.path, state.project_id(), state.run_id())
    found = workspace.catalog.glance(*asked[1:])
    st.session_state[_GLANCE] = (asked, found)
    return found


def _seen(workspace: Workspace, project: str | None, run: str | None) -> Glance:
    """What the sidebar has just read, else what the catalog says now."""
    # Taken once: the next drawing of the page reads anew.
    kept: tuple[object, Glance] | None = st.session_state.pop(_GLANCE, None)
    if kept is not None and kept[0] == (workspace.path, project, run):
        return kept[1]
    return workspace.catalog.glance(project, run)


def _find(opened: Opened) -> Context | None:
    """Project and run by the ids in the URL; None after saying that they do not exist."""
    workspace = opened.workspace
    wanted_project, wanted_run = state.project_id(), state.run_id()
    seen = _seen(workspace, wanted_project, wanted_run)
    project, runs = seen.project, seen.runs
    if project is None and wanted_project is None:
        return Context(workspace, demo_problem=opened.demo_problem)
    if project is None:
        try:
            # It says what is wrong with the id.
            project = workspace.catalog.project(str(wanted_project))
        except ConfigError as error:
            state.open_project(None)
            error_box(error)
            if st.button("Choose a project", type="primary", key="empty-state-button"):
                go("home")
            return None
    run = next((run for run in runs if run.run_id == wanted_run), runs[0] if runs else None)
    if state.RUN in st.query_params and (run is None or run.run_id != wanted_run):
        st.info(
            f"The run {plain(str(wanted_run))} is not in this project (any more).",
            icon=":material/info:",
        )
    state.open_project(project.id, run.run_id if run else None)
    return Context(
        workspace,
        project,
        run,
        seen.pool,
        seen.target,
        opened.demo_problem,
        runs,
        live_run(workspace, runs),
    )


def _status_line(context: Context) -> None:
    """Project, rows, run in view, and the running job with its percentage."""
    if context.found_project is None:
        st.caption("No project open")
        return
    live = context.live
    st.fragment(run_every=POLL_SECONDS if live else None)(_draw_status)(
        context, live.run_id if live else None
    )


def _draw_status(context: Context, live_id: str | None) -> None:
    parts = [
        f"**{plain(context.project.name)}**",
        f"{count(context.n_train)} pool rows",
        f"{count(context.n_target)} target rows",
    ]
    run = context.found_run
    if run is None:
        parts.append("no run yet")
    else:
        words = settings_words(run)
        if run.run_id != live_id:
            words += f", {state_words(run_status(context.workspace, run))}"
        parts.append(words)
    if live_id is not None:
        job = _read(context.workspace.run_dir(live_id))
        if job is None or not job.live:
            # The page as a whole changes: results are here now.
            st.rerun()
        other = "" if run is not None and run.run_id == live_id else "at work: "
        parts.append(f"{other}**{progress_words(job)}**")
    st.caption(" · ".join(parts))


def _read(job_dir: Path) -> JobState | None:
    with contextlib.suppress(NNCIFTError):
        return jobs.read_state(job_dir)
    return None


def _no_project() -> None:
    empty_state(
        "No project open",
        "A project is a pool of instruction rows to choose from, and a target set that looks "
        "like the job. Open one of your projects or the demo, or make a new one.",
        "Choose a project",
        "home",
    )


def _wait_for_result(context: Context) -> None:
    """Stop with the run's state and the way on, unless its result is there."""
    from nncift_core.pipeline.artifacts import RunFiles

    if RunFiles(context.job_dir).result.is_file():
        return
    status = run_status(context.workspace, context.run)
    headline, explanation, label = {
        "queued": ("The run waits for its turn", "Another job is running.", "Watch the run"),
        "running": (
            "The run is not done yet",
            "This page fills in by itself when it is.",
            "Watch the run",
        ),
        "failed": (
            "The run failed",
            "The Run page says why and how to go on.",
            "See what happened",
        ),
        "cancelled": (
            "The run was cancelled",
            "What was finished is kept; resume it to go on from there.",
            "Resume it on the Run page",
        ),
        "interrupted": (
            "The run was interrupted",
            "Its process ended early. What was finished is kept; resume it to go on.",
            "Resume it on the Run page",
        ),
    }.get(status, ("The run has no result", "The Run page says more.", "Open the Run page"))
    empty_state(headline, explanation, label, "run")
