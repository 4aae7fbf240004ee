"""A finished run on the Run page: its figures, the next step, and everything long folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from nncift_core import jobs
from nncift_core.jobs import JobState
from pages._ui.command import replay_command
from pages._ui.errors import user_errors
from pages._ui.format import coefficient, count, duration, in_app, plain
from pages._ui.navigation import go, link_to, next_step
from pages._ui.quadrants import Kind, kind_of
from pages._ui.run.extension import draw_extension
from pages._ui.run.spot_check import draw_spot_checks
from pages._ui.runs import is_extended, is_pointwise, stage_words, stages_of
from pages._ui.shell import Context


def draw_finished(context: Context, result: Mapping[str, Any]) -> None:
    """Draw it.

    Args:
        context: What the page is about; its run is done.
        result: The run's summary.
    """
    config: Mapping[str, Any] = context.run.config.get("config", {})
    _draw_figures(result, kind_of(pointwise=is_pointwise(str(config.get("method", "")))), config)
    _draw_next(exact=bool(config.get("exact")))
    with user_errors():
        job = jobs.read_state(context.job_dir)
        stages = stages_of(config, extended=is_extended(context.run))
        st.caption(stages_line(job, stages, result["seconds"]))
        for warning in dict.fromkeys(job.warnings):
            st.caption(f":material/info: {plain(in_app(warning))}")
    if result.get("extension") is not None:
        draw_extension(context, result)
    if not config.get("exact"):
        with (
            st.expander("Spot checks", icon=":material/fact_check:", key="spot-check-panel"),
            user_errors(),
        ):
            draw_spot_checks(context)
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(
            replay_command(context.workspace, context.run.run_id),
            language="bash",
            wrap_lines=True,
        )


def stages_line(job: JobState, stages: Mapping[str, str], seconds: Mapping[str, float]) -> str:
    """``Embed rows 12 s · Label pairs 15 s (3,472) · ...``: all stages on one line."""
    finished = {stage.name: stage for stage in job.stages}
    parts = []
    for name, unit in stages.items():
        stage = finished.get(name)
        words = stage_words(name, stage.unit if stage is not None and stage.unit else unit).lower()
        if stage is not None and stage.total:
            parts.append(f"{words} {duration(stage.seconds)} ({count(stage.total)})")
        elif stage is not None:
            parts.append(f"{words}: there already")
        elif name in seconds:
            parts.append(f"{words} {duration(seconds[name])}")
    return f":material/check_circle: {' · '.join(parts)}" if parts else ""


def _draw_figures(result: Mapping[str, Any], kind: Kind, config: Mapping[str, Any]) -> None:
    unseen = (result.get("quadrants") or {}).get("q4") or {}
    with st.container(horizontal=True, key="figures"):
        st.metric("Selected rows", count(result["selected"]), width=165)
        words = "Computed" if config.get("exact") else "Labelled"
        st.metric(f"{words} {kind.noun}s", count(result["labelled_pairs"]), width=165)
        st.metric("Time", duration(sum(result["seconds"].values())), width=165)
        if unseen.get("r2") is not None:
            what = (
                "rows that were not labelled"
                if kind.noun == "row"
                else "pairs of unseen rows and unseen targets"
            )
            st.metric(
                f"R² on {kind.unseen}",
                coefficient(unseen["r2"]),
                width=165,
                help=f"Of {what} (Q4); 1 is exact, 0 is no better than predicting the mean.",
            )


def _draw_next(*, exact: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="next"):
        if exact:
            next_step("influence", "See which rows help")
        else:
            next_step("trust", "See whether to trust the estimates")
        if st.button("Take it to the trainer", key="to-export", icon=":material/download:"):
            go("export")
        link_to("select", "Change the selection")
