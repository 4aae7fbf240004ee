"""Run: what a run will cost, the start, its live progress, and the runs so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from nncift_core import jobs
from nncift_core.jobs import JobState
from pages._ui.errors import user_errors
from pages._ui.job_panel import job_panel
from pages._ui.quadrants import epoch_words, kind_of
from pages._ui.run.finished import draw_finished
from pages._ui.run.form import NEW, draw_form
from pages._ui.run.prefill import draw_taken_over, forget_taken_over, take_over
from pages._ui.run.queue_words import queue_words
from pages._ui.run.run_list import draw_runs
from pages._ui.runs import is_extended, is_pointwise, settings_words, stages_of
from pages._ui.shell import Context, page_setup


def main() -> None:
    """Draw the page."""
    context = page_setup("Run", "What will it cost? Then start it.")
    with user_errors():
        take_over(context)
    if context.found_run is None or st.query_params.get(NEW):
        _draw_new(context)
        return
    with user_errors():
        _draw_run(context)
    st.button("Set up another run", key="new-run", icon=":material/add:", on_click=_open_form)
    with user_errors():
        draw_runs(context)


def _draw_new(context: Context) -> None:
    if context.found_run is None:
        st.caption("No run yet. Choose a method and start.")
    else:
        st.button(
            f"Back to {settings_words(context.run)}",
            key="back-to-run",
            type="tertiary",
            icon=":material/arrow_back:",
            on_click=_close_form,
        )
    with user_errors():
        draw_form(context, draw_taken_over(context))


def _open_form() -> None:
    forget_taken_over()
    st.query_params[NEW] = "1"


def _close_form() -> None:
    forget_taken_over()
    st.query_params.pop(NEW, None)


def _draw_run(context: Context) -> None:
    run = context.run
    config: Mapping[str, Any] = run.config.get("config", {})
    st.subheader(settings_words(run), anchor=False)
    if run.status == "done" and run.result is not None:
        draw_finished(context, run.result)
        return
    job = job_panel(
        context.job_dir,
        stages=stages_of(config, extended=is_extended(run)),
        draw_live=lambda live: _draw_live(context, live),
    )
    if job is not None and not job.live:
        _draw_training(context)


def _draw_live(context: Context, job: JobState) -> None:
    if job.status == "queued":
        st.caption(queue_words(context.workspace, context.job_dir))
    _draw_training(context)


def _draw_training(context: Context) -> None:
    """The quadrants by epoch, once the network trains."""
    points = jobs.read_points(context.job_dir, "epoch")
    if not points:
        return
    from pages._ui.charts import epoch_chart

    method = str(context.run.config.get("config", {}).get("method", ""))
    kind = kind_of(pointwise=is_pointwise(method))
    st.plotly_chart(
        epoch_chart(points, quadrants=kind.quadrants, unseen=kind.unseen),
        key="epochs",
        config={"displayModeBar": False},
        alt=epoch_words(kind, points),
    )


main()
