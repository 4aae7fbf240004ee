"""What a run cost beside computing everything: the bars and one sentence.

Knows the comparison, nothing of how it is made.
"""

from __future__ import annotations

import streamlit as st

from nncift_core.pipeline.cost_comparison import CostComparison, compare_costs
from pages._ui.format import about, count, counted, duration, percent
from pages._ui.run.cost import rate_words
from pages._ui.runs import needs_of
from pages._ui.shell import Context
from pages._ui.trust.cost_chart import STAGES, cost_chart


def draw_cost_bars(context: Context) -> None:
    """Draw them; nothing for a run that took over the labels of another one."""
    run = context.run
    if run.config.get("extends") is not None:
        return
    found = compare_costs(context.workspace, run, context.runs, _existing_rows(context))
    if found is None:
        return
    st.subheader("What it cost", anchor=False)
    if "language-model" not in needs_of(str(run.config["config"]["method"])):
        st.markdown(free_words(found))
        return
    if found.full is None:
        st.markdown(unknown_words(found))
        return
    words = comparison_words(found)
    bars = []
    if found.measured is not None:
        total = found.measured.total
        bars.append(("Everything, measured", found.measured.seconds, duration(total)))
    if found.estimated is not None:
        total = found.estimated.total
        bars.append(("Everything, estimated", found.estimated.seconds, about(total)))
    bars.append(("This run, measured", found.run.seconds, duration(found.run.total)))
    st.plotly_chart(
        cost_chart(bars, title_words(found)),
        key="cost",
        config={"displayModeBar": False},
        alt=f"{words} {_stage_words(found)}",
    )
    st.caption(words)


def title_words(found: CostComparison) -> str:
    """The finding."""
    saved = found.saved
    if saved is None or found.full is None:
        return "What this run cost"
    if saved <= 0:
        return "Computing everything would have taken no longer than this run"
    return f"This run saved {saved_words(saved)} of the time of computing everything"


def comparison_words(found: CostComparison) -> str:
    """Both times, what they are of, and whether they are measured or estimated."""
    full = found.full
    assert full is not None
    parts = []
    if found.measured is not None:
        parts.append(f"An exact run of this project took {duration(found.measured.total)}.")
    if found.estimated is not None and found.rate is not None:
        parts.append(
            f"Computing all {counted(found.full_units, found.unit.removesuffix('s'))} is "
            f"estimated to take {about(found.estimated.total)} at "
            f"{rate_words(found.rate, found.unit)}."
        )
    parts.append(
        f"This run took {duration(found.run.total)} for {count(found.units)} of them"
        if found.estimated is not None
        else f"This run took {duration(found.run.total)}"
    )
    parts[-1] += "."
    if found.rate and found.run.seconds.get("label", 0.0) < 0.5 * found.units / found.rate:
        parts.append(
            "Some of its labels were there already; computing them anew takes "
            f"{about(found.units / found.rate)}."
        )
    return " ".join(parts)


def free_words(found: CostComparison) -> str:
    """For a method whose values cost no language model."""
    words = (
        "Values of this method cost no language model, so there is nothing to save: this run took "
        f"{duration(found.run.total)}"
    )
    if found.measured is not None:
        words += f", an exact run of this project {duration(found.measured.total)}"
        embedded = found.run.seconds.get("embed", 0.0)
        if embedded > found.measured.total:
            # Otherwise the one that came first looks slow, only because it embedded the rows.
            return (
                f"{words}. {duration(embedded)} of this run went into embedding the rows, which "
                "the exact run found done already."
            )
    return f"{words}."


def unknown_words(found: CostComparison) -> str:
    """Where neither a rate nor an exact run is known."""
    return (
        f"This run took {duration(found.run.total)}. What computing all "
        f"{counted(found.full_units, found.unit.removesuffix('s'))} would take is unknown until "
        "a rate is measured: the form of a new run has the button."
    )


def saved_words(saved: float) -> str:
    """Never ``100 %`` of what still took its time."""
    return percent(round(min(saved, 0.999), 3))


def _stage_words(found: CostComparison) -> str:
    parts = [f"{STAGES[stage][0]} {duration(s)}" for stage, s in found.run.seconds.items()]
    return f"This run by stage: {', '.join(parts)}."


def _existing_rows(context: Context) -> int:
    existing = context.run.config.get("existing")
    return context.workspace.catalog.dataset(existing["id"]).accepted if existing else 0
