"""The runs of a project: their state, what can be done with each of them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from nncift_core import jobs
from nncift_core.errors import ConfigError
from nncift_core.store import RunRecord, Workspace
from pages._ui import state
from pages._ui.errors import user_errors
from pages._ui.format import ago, count, duration, file_size, number, plain
from pages._ui.jobs import attempt
from pages._ui.quadrants import kind_of
from pages._ui.runs import LIVE, is_pointwise, needs_of, run_status, settings_words, state_words
from pages._ui.shell import Context

MOST_SHOWN = 8
_RESUMABLE = ("failed", "cancelled", "interrupted")


def draw_runs(context: Context) -> None:
    """A line per run, the newest first."""
    runs = context.runs
    if not runs:
        return
    st.subheader("Runs of this project", anchor=False)
    shown = runs
    if len(runs) > MOST_SHOWN and not st.toggle(f"Show all {len(runs)} runs", key="all-runs"):
        shown = runs[:MOST_SHOWN]
    for run in shown:
        with user_errors():
            _draw_run(context, run)


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
            st.markdown(f"**{settings_words(run)}** · {words}")
            st.caption(_facts(run))
        st.button(
            "In view" if in_view else "View",
            key=f"view-{run.run_id}",
            disabled=in_view,
            on_click=state.open_run,
            args=(run.run_id,),
        )
        if status in _RESUMABLE:
            st.button(
                "Resume",
                key=f"resume-{run.run_id}",
                icon=":material/resume:",
                on_click=_resume,
                args=(context.workspace, run.run_id),
            )
        with st.popover("Delete", icon=":material/delete:", disabled=status in LIVE):
            st.markdown("Deletes the run with its selections and exports in the workspace.")
            if st.button("Delete this run", key=f"delete-{run.run_id}"):
                _delete(context.workspace, run.run_id)


def _facts(run: RunRecord) -> str:
    parts = [ago(run.created_at)]
    config, result = run.config.get("config", {}), run.result
    method = str(config.get("method", ""))
    kind = kind_of(pointwise=is_pointwise(method))
    if "language-model" in needs_of(method):
        parts.append(f"model {plain(str(config.get('lm', {}).get('model', '?')))}")
    parts.append(f"keeps {config.get('budget')}, seed {config.get('seed')}")
    if result:
        others = "" if kind.noun == "row" else f" x {count(result['n_target'])}"
        parts.append(f"{count(result['n_train'])}{others} rows")
        if extension := result.get("extension"):
            parts.append(f"{count(extension['added'])} of them added to another run")
        parts.append(f"selected {count(result['selected'])}")
        parts.append(f"took {duration(sum(result['seconds'].values()))}")
        unseen = (result.get("quadrants") or {}).get("q4") or {}
        if unseen.get("r2") is not None:
            parts.append(f"R² {number(unseen['r2'])} on {kind.unseen}")
    return " · ".join(parts)


def _resume(workspace: Workspace, run_id: str) -> None:
    state.open_run(run_id)
    attempt(jobs.start, workspace.run_dir(run_id))


def _delete(workspace: Workspace, run_id: str) -> None:
    with user_errors():
        _refuse_live(workspace.run_dir(run_id))
        freed = workspace.delete_run(run_id)
        if state.run_id() == run_id:
            state.open_run(None)
        st.toast(f"Deleted; {file_size(freed.bytes)} freed.")
        st.rerun()


def _refuse_live(run_dir: Path) -> None:
    """Raises: ConfigError when the run, or a job that reads it, is at work."""
    below = (run_dir / name for name in ("selections", "checks", "audits"))
    for job_dir in (run_dir, *(job for folder in below for job in sorted(folder.glob("*")))):
        if jobs.is_alive(job_dir):
            raise ConfigError("A job of this run is at work.", "Cancel it first.")
