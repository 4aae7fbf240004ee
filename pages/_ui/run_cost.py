"""What a run will cost, in words, and the pilot that measures it for a language model.

Knows estimates and the pilot's job; nothing of how either is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from nncift_core import jobs
from pages._ui.errors import user_errors
from pages._ui.format import about, count, counted, number, percent
from pages._ui.jobs import attempt, job_panel
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline import CostEstimate, RunSpec

PILOT = "pilot"
_NOUNS = {"pairs": "pairs", "gradients": "rows", "rows": "rows"}
"""What is labelled, by what it is counted in."""


def label_words(cost: CostEstimate, *, exact: bool, pointwise: bool) -> str:
    """What is labelled, under the slider of the share."""
    noun = "row" if pointwise else "pair"
    # Gradients are of rows, each in many pairs. Otherwise further matrices that the objective
    # reads are counted too.
    by_gradients = cost.unit == "gradients"
    whole = cost.all_pairs if by_gradients else cost.full_units
    if exact:
        return f"Exact: all {counted(whole, noun)} are computed, none is predicted."
    share = (
        f"from {counted(cost.label_units, 'gradient')}"
        if by_gradients
        else f"{percent(cost.training_pairs / whole)} of all"
    )
    return (
        f"{counted(cost.training_pairs, noun)} to train on ({share}), "
        f"{count(cost.evaluation_pairs)} more to measure with"
    )


def draw_cost(cost: CostEstimate, *, pointwise: bool) -> None:
    """About how long the whole run takes, and where that is known from."""
    source = (
        "measured in earlier runs on this machine"
        if cost.measured_here
        else "from a 2-core machine without a GPU; measured here after the first run"
    )
    embedding = (
        f"up to {counted(cost.rows_to_embed, 'row')} to embed"
        if cost.rows_to_embed
        else "all rows embedded before"
    )
    noun = "row" if pointwise else "pair"
    labelling = "" if cost.label_seconds is not None else " **besides the labelling**"
    st.markdown(
        f":material/timer: **{about(cost.seconds)}**{labelling} for "
        f"{counted(cost.all_pairs, noun)}, with {embedding}. Rates are {source}."
    )


def draw_pilot(context: Context, spec: RunSpec, cost: CostEstimate) -> None:
    """What labelling with the language model costs: measured, being measured, or unknown."""
    if cost.label_rate is not None:
        st.markdown(f":material/speed: {pilot_words(cost, exact=spec.config.exact)}")
        return
    from nncift_core.pipeline import pilot_folder

    folder = pilot_folder(context.workspace, spec)
    if not folder.is_dir():
        todo = "compute" if cost.unit == "gradients" else "label"
        st.markdown(
            f":material/speed: {counted(cost.label_units, cost.unit.removesuffix('s'))} to {todo}, "
            "rate unknown: measure it or start."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Measure the cost",
                key=PILOT,
                icon=":material/speed:",
                on_click=_start,
                args=(context, spec),
            )
            st.caption(
                f"Labels a few {_NOUNS[cost.unit]} for about 20 seconds; the run reuses them."
            )
    elif jobs.read_state(folder).status == "done":
        st.markdown(
            ":material/speed: The pilot found nothing left to measure: what this run labels is "
            "there already, or takes less than a second."
        )
    else:
        with st.container(border=True, key="pilot-panel"):
            st.markdown("**Measuring the cost**")
            job_panel(folder, stages={"label": cost.unit}, key=PILOT)


def pilot_words(cost: CostEstimate, *, exact: bool = False) -> str:
    """``pilot: 24 pairs/s · full labelling ~ 19 h · this run ~ 21 min · saved 98 %``."""
    parts = [f"pilot: **{rate_words(cost.label_rate, cost.unit)}**"]
    parts.append(f"full labelling **{about(cost.full_seconds)}**")
    if not exact:
        parts.append(f"this run **{about(cost.label_seconds)}**")
        if cost.full_seconds and cost.label_seconds is not None:
            saved = max(0.0, 1 - cost.label_seconds / cost.full_seconds)
            parts.append(f"saved **{percent(round(saved, 3))}**")
    return " · ".join(parts)


def rate_words(rate: float | None, unit: str) -> str:
    """``24 pairs/s``, or ``8 s per pair`` for what takes long."""
    if rate is None:
        return "rate unknown"
    if 0 < rate < 0.5:
        return f"{number(1 / rate)} s per {unit.removesuffix('s')}"
    return f"{number(rate)} {unit}/s"


def _start(context: Context, spec: RunSpec) -> None:
    from nncift_core.pipeline import create_pilot

    with user_errors():
        attempt(jobs.start, create_pilot(context.workspace, spec), PILOT)
