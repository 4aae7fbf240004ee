"""Run: what a run will cost, the start, its live progress, and the runs so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from nncift_core import jobs
from nncift_core.jobs import JobState
from pages._ui.command import replay_command
from pages._ui.errors import user_errors
from pages._ui.extension import draw_extension
from pages._ui.format import count, duration, number
from pages._ui.jobs import job_panel
from pages._ui.navigation import link_to, next_step
from pages._ui.quadrants import Kind, epoch_words, kind_of
from pages._ui.run_form import draw_form
from pages._ui.run_list import draw_runs
from pages._ui.runs import is_extended, is_pointwise, settings_words, stages_of
from pages._ui.shell import Context, page_setup
from pages._ui.spot_check import draw_spot_checks


def main() -> None:
    """Draw the page."""
    context = page_setup("Run", "What will it cost, and go.")
    if context.found_run is None:
        st.markdown(
            "No run yet. Its progress will be shown here, stage by stage; it goes on when you "
            "close the page."
        )
        with user_errors():
            draw_form(context)
        return
    with user_errors():
        _draw_run(context)
    # A new key folds it once its run has started, so that the progress comes into view.
    setup = st.expander(
        "Set up another run", icon=":material/add:", key=f"setup-{context.run.run_id}"
    )
    with setup, user_errors():
        if context.live is not None:
            st.caption("A run is at work; another one waits for its turn.")
        draw_form(context)
    with user_errors():
        draw_runs(context)


def _draw_run(context: Context) -> None:
    run = context.run
    config: Mapping[str, Any] = run.config.get("config", {})
    st.subheader(settings_words(run), anchor=False)
    result = run.result if run.status == "done" else None
    if result is not None:
        _draw_result(result, config)
    job = job_panel(
        context.job_dir,
        stages=stages_of(config, extended=is_extended(run)),
        seconds=result["seconds"] if result is not None else None,
        draw_live=lambda live: _draw_training(context, live),
    )
    if job is None or job.live:
        return
    if job.status != "done":
        _draw_training(context, job)
        return
    if result is not None:
        draw_extension(context, result)
    with user_errors():
        draw_spot_checks(context)
    _draw_command(context)
    with st.container(horizontal=True, vertical_alignment="center"):
        if config.get("exact"):
            next_step("influence", "See which rows help")
        else:
            next_step("trust", "See whether to trust the estimates")
        link_to("select", "Go to the selection")
        link_to("export", "Go to the export")


def _draw_result(result: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    kind = _kind(config)
    unseen = (result.get("quadrants") or {}).get("q4") or {}
    with st.container(horizontal=True, key="figures"):
        st.metric("Selected rows", count(result["selected"]), width=180)
        words = "Computed" if config.get("exact") else "Labelled"
        st.metric(f"{words} {kind.noun}s", count(result["labelled_pairs"]), width=180)
        st.metric("Time", duration(sum(result["seconds"].values())), width=180)
        if unseen.get("r2") is not None:
            what = (
                "rows that were not labelled"
                if kind.noun == "row"
                else "pairs of unseen rows and unseen targets"
            )
            st.metric(
                f"R² on {kind.unseen}",
                number(unseen["r2"]),
                width=180,
                help=f"Of {what} (Q4); 1 is exact, 0 is no better than predicting the mean.",
            )


def _kind(config: Mapping[str, Any]) -> Kind:
    return kind_of(pointwise=is_pointwise(str(config.get("method", ""))))


def _draw_training(context: Context, job: JobState) -> None:
    """The quadrants by epoch, once the network trains."""
    points = jobs.read_points(context.job_dir, "epoch")
    if not points:
        return
    from pages._ui.charts import epoch_chart

    kind = _kind(context.run.config.get("config", {}))
    st.plotly_chart(
        epoch_chart(points, quadrants=kind.quadrants, unseen=kind.unseen),
        key="epochs",
        config={"displayModeBar": False},
        alt=epoch_words(kind, points),
    )


def _draw_command(context: Context) -> None:
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(
            replay_command(context.workspace, context.run.run_id),
            language="bash",
            wrap_lines=True,
        )


main()
