"""Spot checks of a run: the button, the progress of one at work, and what earlier ones found."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from nncift_core import jobs
from nncift_core.pipeline.check_jobs import PAIRS, RowsToCheck, SpotCheck
from pages._ui.errors import user_errors
from pages._ui.format import count, counted, duration, number, percent, plain
from pages._ui.job_panel import job_panel
from pages._ui.runs import is_extended, is_pointwise, label_unit
from pages._ui.shell import Context

_ROWS: dict[RowsToCheck, str] = {"added": "Added rows", "pool": "The whole pool"}
_MARKS = {
    "hold": ":material/verified:",
    "few": ":material/help:",
    "narrow": ":material/warning:",
    "worse": ":material/warning:",
    "mean": ":material/warning:",
}


def draw_spot_checks(context: Context) -> None:
    """What checks of a finished run with estimates found, and the way to another."""
    from nncift_core.pipeline import list_spot_checks

    config = context.run.config.get("config", {})
    if config.get("exact"):
        return
    checks = list_spot_checks(context.workspace, context.run.run_id)
    st.subheader("Spot checks", anchor=False)
    noun = "row" if is_pointwise(str(config.get("method", ""))) else "pair"
    if not checks:
        st.markdown(
            f"Label a few new {noun}s and see how far the estimates are off there. The run itself "
            "stays as it is."
        )
    done = [check for check in checks if check.result is not None]
    if done:
        _draw_results(done, noun)
    for check in checks:
        if check.result is None:
            unit = label_unit(str(config.get("method", "")))
            with st.container(border=True):
                job_panel(check.folder, stages={"label": unit}, key=f"check-{check.id}")
    _draw_form(context, noun, busy=any(check.state.live for check in checks))


def _draw_results(checks: Sequence[SpotCheck], noun: str) -> None:
    last = checks[-1].result
    assert last is not None
    st.markdown(f"{_MARKS.get(last['verdict'], '')} {plain(str(last['sentence']))}")
    found = [check.result or {} for check in checks]
    st.dataframe(
        {
            "Rows": [_ROWS.get(one["rows"], one["rows"]) for one in found],
            f"New {noun}s": [one["n"] for one in found],
            "R²": [number(one["r2"]) for one in found],
            "Rank correlation": [number(one["spearman"]) for one in found],
            "Squared error": [number(one["mse"]) for one in found],
            "of the mean label": [number(one["mse_mean"]) for one in found],
            "measured by the run": [number(one["mse_expected"]) for one in found],
            "Estimate minus truth": [number(one["bias"]) for one in found],
            "Inside the interval": [
                f"{count(one['inside'])} of {count(one['with_interval'])}"
                if one["with_interval"]
                else "-"
                for one in found
            ],
            "Cost": [f"{counted(one['units'], one['unit'].removesuffix('s'))}" for one in found],
            "Time": [duration(one["seconds"]) for one in found],
        },
        hide_index=True,
        key="spot-checks",
        alt="Spot checks of this run, the oldest first",
    )
    if any(one["with_interval"] for one in found):
        st.caption(f"Intervals are meant to hold {percent(last['level'])} of the true values.")


def _draw_form(context: Context, noun: str, *, busy: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        rows: RowsToCheck = "pool"
        if is_extended(context.run):
            rows = st.segmented_control(
                "Rows to check",
                list(_ROWS),
                default="added",
                required=True,
                format_func=_ROWS.__getitem__,
                key="check-rows",
            )
        pairs = st.number_input(
            f"New {noun}s, about",
            min_value=16,
            max_value=1024,
            value=PAIRS,
            step=16,
            key="check-pairs",
            width=180,
        )
        st.button(
            "Spot check",
            key="spot-check",
            icon=":material/fact_check:",
            disabled=busy,
            on_click=_start,
            args=(context, rows, int(pairs)),
        )


def _start(context: Context, rows: RowsToCheck, pairs: int) -> None:
    with user_errors():
        from nncift_core.pipeline import create_spot_check

        folder = create_spot_check(context.workspace, context.run.run_id, pairs=pairs, rows=rows)
        jobs.start(folder)
