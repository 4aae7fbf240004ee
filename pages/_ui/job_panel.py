"""The progress of a job, drawn while it lives: stages, rate, time left, cancel, resume.

Polls the job's state file once a second only while the job lives; a page with finished jobs
sends nothing. Knows jobs, not what they compute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st

from nncift_core import jobs
from nncift_core.errors import NNCIFTError
from nncift_core.jobs import JobState
from pages._ui.access import may_change
from pages._ui.errors import error_box, problem_box, user_errors
from pages._ui.format import duration, in_app, plain
from pages._ui.runs import stage_line, stage_words

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 8.0
"""After so long a cancelled job may be ended by force."""

_CANCEL_MARKER = "cancel"
_PROBLEM = "{}-problem"


def job_panel(
    job_dir: Path,
    *,
    stages: Mapping[str, str] | None = None,
    seconds: Mapping[str, float] | None = None,
    draw_live: Callable[[JobState], None] | None = None,
    key: str = "job",
) -> JobState | None:
    """Draw a job; the page reruns as a whole once when the job ends.

    Args:
        job_dir: The job's folder.
        stages: All stages in order with what each counts, so that those to come are shown as
            well.
        seconds: Seconds by stage of a finished job, for stages that reported no progress.
        draw_live: Draws more inside the polling part, a chart of the points so far.
        key: Beginning of the keys of the panel's buttons.

    Returns:
        The state as it was when the page ran, None if it cannot be read (then that is said).
    """
    problem = st.session_state.get(_PROBLEM.format(key))
    if problem is not None:
        error_box(problem)
    with user_errors():
        state = jobs.read_state(job_dir)
        if state.live:
            poll = st.fragment(run_every=POLL_SECONDS)(_draw_polled)
            poll(job_dir, stages or {}, draw_live, key)
        else:
            _draw_ended(job_dir, state, stages or {}, seconds or {}, key)
        return state
    return None


def attempt(action: Callable[[Path], object], job_dir: Path, key: str = "job") -> None:
    """Start, resume, cancel or end a job, for callbacks: the panel shows what went wrong."""
    problem = _PROBLEM.format(key)
    st.session_state.pop(problem, None)
    try:
        action(job_dir)
    except NNCIFTError as error:
        st.session_state[problem] = error


def _draw_polled(
    job_dir: Path,
    stages: Mapping[str, str],
    draw_live: Callable[[JobState], None] | None,
    key: str,
) -> None:
    with user_errors():
        state = jobs.read_state(job_dir)
        if not state.live:
            st.rerun()
        _draw_stages(state, stages, {})
        # What may grow comes last, so that the button stays under the pointer.
        with st.container(horizontal=True, vertical_alignment="center"):
            _cancel_button(job_dir, key)
            if state.started_at is not None:
                st.caption(f"running for {duration(max(0, round(time.time() - state.started_at)))}")
        _draw_warnings(state)
        if draw_live is not None:
            draw_live(state)


def _draw_ended(
    job_dir: Path,
    state: JobState,
    stages: Mapping[str, str],
    seconds: Mapping[str, float],
    key: str,
) -> None:
    if state.status == "failed" and state.error is not None:
        error = state.error
        problem_box(error.message, error.hint, error.details or jobs.log_tail(job_dir))
    elif state.status == "failed":
        problem_box("The job failed.", "The end of its log is below.", jobs.log_tail(job_dir))
    elif state.status == "interrupted":
        reason = plain(state.error.message) if state.error else "The job's process ended early."
        st.warning(f"{reason} Finished stages are kept.", icon=":material/power_off:")
        tail = jobs.log_tail(job_dir)
        if tail.strip():
            with st.expander("End of the log"):
                st.code(tail.strip(), language=None, wrap_lines=True, height=280)
    elif state.status == "cancelled":
        st.info("Cancelled. Finished stages are kept.", icon=":material/stop_circle:")
    _draw_stages(state, stages, seconds)
    _draw_warnings(state)
    if state.status in ("failed", "interrupted", "cancelled"):
        label = "Try again" if state.status == "failed" else "Resume"
        st.button(
            label,
            type="primary",
            key=f"{key}-resume",
            icon=":material/resume:",
            on_click=attempt,
            args=(jobs.start, job_dir, key),
            disabled=not may_change(),
            help="Goes on from the last finished stage.",
        )


def _draw_stages(state: JobState, stages: Mapping[str, str], seconds: Mapping[str, float]) -> None:
    """A line per stage: finished with its time, the current one with its bar, those to come."""
    finished = {stage.name: stage for stage in state.stages}
    names = list(dict.fromkeys([*stages, *finished, *([state.stage] if state.stage else [])]))
    started = bool(finished or state.stage)
    if state.status == "queued":
        behind = f"Waiting behind {state.ahead} other job{'s' if state.ahead > 1 else ''}."
        st.markdown(behind if state.ahead else "Starting the worker ...")
    reached = names.index(state.stage) if state.stage in names else -1
    for place, name in enumerate(names):
        left, right = st.columns([1, 3], vertical_alignment="center")
        counted = state.unit if name == state.stage else getattr(finished.get(name), "unit", "")
        words = plain(stage_words(name, counted or stages.get(name, "")))
        if name in finished and name != (state.stage if state.live else None):
            stage = finished[name]
            left.markdown(f":material/check_circle: {words}")
            right.caption(
                f"{stage.total:,} {stage.unit} in {duration(stage.seconds)}"
                if stage.total
                else "nothing left to do"
            )
        elif name == state.stage:
            left.markdown(f":material/{_mark(state)}: **{words}**")
            right.progress(state.share or 0.0, text=stage_line(state))
        elif state.status == "done" or (started and place < reached):
            left.markdown(f":material/check_circle: {words}")
            right.caption(duration(seconds[name]) if name in seconds else "done")
        else:
            left.markdown(f":gray[:material/circle: {words}]")
            right.caption("to come" if state.live else "not begun")


def _mark(state: JobState) -> str:
    return "pending" if state.live else "stop_circle"


def _draw_warnings(state: JobState) -> None:
    for warning in dict.fromkeys(state.warnings):
        st.warning(plain(in_app(warning)), icon=":material/info:")


def _cancel_button(job_dir: Path, key: str) -> None:
    marker = job_dir / _CANCEL_MARKER
    try:
        waited = time.time() - marker.stat().st_mtime
    except OSError:
        st.button(
            "Cancel",
            key=f"{key}-cancel",
            icon=":material/stop_circle:",
            on_click=attempt,
            args=(jobs.request_cancel, job_dir, key),
            disabled=not may_change(),
            help="Stops at the next step; what is finished is kept, and you can resume.",
        )
        return
    if waited < PATIENCE_SECONDS:
        st.button("Cancelling ...", key=f"{key}-cancelling", disabled=True)
        return
    st.button(
        "End it now",
        key=f"{key}-terminate",
        icon=":material/dangerous:",
        on_click=attempt,
        args=(jobs.terminate, job_dir, key),
        disabled=not may_change(),
        help="The job has not stopped by itself yet. Finished stages are kept.",
    )
