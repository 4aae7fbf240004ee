"""What a run will cost beside computing everything, in words, and the pilot that measures it.

Knows estimates and the pilot's job; nothing of how either is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from nncift_core import jobs
from pages._ui.access import may_change
from pages._ui.errors import user_errors
from pages._ui.format import about, count, counted, number, percent
from pages._ui.job_panel import attempt, job_panel
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


def saving_words(cost: CostEstimate, full: CostEstimate, *, exact: bool) -> str:
    """``Full labelling ~ 19 h, this run ~ 21 min, saved 98 %``, as markdown.

    Args:
        cost: Of this run.
        full: Of the same run without NN-CIFT: everything is computed.
        exact: Whether this run computes everything itself.
    """
    if cost.label_seconds is None:
        unit = cost.unit.removesuffix("s")
        if exact:
            return f"This run: **unknown until measured**, {counted(cost.full_units, unit)}."
        return (
            f"Full labelling: {counted(cost.full_units, unit)}. This run: "
            f"{counted(cost.label_units, unit)}. How long: **unknown until measured**, and "
            f"{about(cost.seconds)} for the rest."
        )
    if exact:
        return f"This run **{about(cost.seconds)}**: everything is computed."
    if full.seconds <= cost.seconds:
        return (
            f"This run **{about(cost.seconds)}**, computing everything "
            f"**{about(full.seconds)}**: here *Exact* costs no more."
        )
    # Never "saved 100 %" of what still takes its time.
    saved = min(0.999, 1 - cost.seconds / full.seconds)
    return (
        f"Full labelling **{about(full.seconds)}**, this run **{about(cost.seconds)}**, "
        f"saved **{percent(round(saved, 3))}**"
    )


def source_words(cost: CostEstimate) -> str:
    """Where the estimate is known from."""
    parts = []
    if cost.label_rate is not None:
        parts.append(f"Labels at {rate_words(cost.label_rate, cost.unit)}, as measured here.")
    rest = "The rest is" if parts else "The cost is"
    parts.append(
        f"{rest} reckoned from earlier runs in this workspace."
        if cost.measured_here
        else f"{rest} reckoned from a 2-core machine without a GPU, until the first run has "
        "measured it here."
    )
    if cost.rows_to_embed:
        parts.append(f"Up to {counted(cost.rows_to_embed, 'row')} to embed.")
    return " ".join(parts)


def draw_pilot(context: Context, spec: RunSpec, cost: CostEstimate) -> None:
    """The way to measure what labelling with the language model costs, until that is known."""
    if cost.label_rate is not None:
        return
    from nncift_core.pipeline import pilot_folder

    folder = pilot_folder(context.workspace, spec)
    if not folder.is_dir():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Measure the cost",
                key=PILOT,
                icon=":material/speed:",
                on_click=_start,
                args=(context, spec),
                disabled=not may_change(),
            )
            st.caption(
                f"Labels a few {_NOUNS[cost.unit]} for about 20 seconds; the run reuses them."
            )
    elif jobs.read_state(folder).status == "done":
        st.caption(
            "The pilot found nothing left to measure: what this run labels is there already, or "
            "takes less than a second."
        )
    else:
        with st.container(border=True, key="pilot-panel"):
            st.markdown("**Measuring the cost**")
            job_panel(folder, stages={"label": cost.unit}, key=PILOT)


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
