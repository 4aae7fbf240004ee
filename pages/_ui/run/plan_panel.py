"""How much to label: the form of a plan, its progress, and what it proposes.

Knows a plan's job and result; nothing of how a plan is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core import jobs
from nncift_core.files import read_json
from nncift_core.influence import METHODS
from pages._ui.errors import user_errors
from pages._ui.format import about, count, counted, in_app, number, plain
from pages._ui.job_panel import attempt, job_panel
from pages._ui.runs import label_unit
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline import RunSpec

PLAN = "plan"
GOAL, MINUTES, ACCURACY = "plan-goal", "plan-minutes", "plan-accuracy"
_TIME, _R2 = "A time budget", "An accuracy"
_MARKS = {
    "good": ":material/check_circle:",
    "unsure": ":material/help:",
    "exact": ":material/verified:",
}


def draw_plan(context: Context, spec: RunSpec, *, labels_key: str, exact_key: str) -> None:
    """Draw the panel below the cost of a run.

    Args:
        context: What the page is about.
        spec: The run that is being set up.
        labels_key: Key of the form's label fraction in percent, which a proposal sets.
        exact_key: Key of the form's switch for an exact run.
    """
    with st.expander("How much should I label?", icon=":material/query_stats:", key="plan-panel"):
        if "language-model" not in METHODS[spec.config.method].needs:
            st.markdown(
                "Labels of this method cost no language model, so there is nothing to plan: an "
                "**exact** run computes every value and has no error."
            )
            return
        from nncift_core.pipeline import plan_folder

        folder = plan_folder(context.workspace, spec)
        state = jobs.read_state(folder) if folder.is_dir() else None
        _draw_goal(context, spec, live=state is not None and state.live)
        if state is None:
            return
        if state.status == "done":
            result = read_json(folder / "result.json")
            _draw_result(result, labels_key, exact_key)
            return
        stages = {"label": label_unit(spec.config.method), "embed": "rows", "curve": "fits"}
        job_panel(folder, stages=stages, key=PLAN)


def _draw_goal(context: Context, spec: RunSpec, *, live: bool) -> None:
    st.caption(
        "Labels a few where there are none yet, measures how the estimates improve with labels, "
        "and proposes a share. The labels are kept."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        goal = st.segmented_control(
            "I have", (_TIME, _R2), default=_TIME, key=GOAL, required=True, width=260
        )
        if goal == _R2:
            st.number_input(
                "R² over unlabelled pairs", 0.05, 0.99, 0.6, 0.05, key=ACCURACY, width=200
            )
        else:
            st.number_input("Minutes", 1.0, 100_000.0, 30.0, 5.0, key=MINUTES, width=200)
        st.button(
            "Propose",
            key=PLAN,
            icon=":material/query_stats:",
            disabled=live,
            on_click=_start,
            args=(context, spec),
        )


def _draw_result(result: Mapping[str, Any], labels_key: str, exact_key: str) -> None:
    mark = _MARKS.get(result["verdict"], ":material/warning:")
    st.markdown(f"{mark} **{goal_words(result['goal'])}:** {plain(in_app(result['sentence']))}")
    for warning in result["warnings"]:
        st.warning(plain(in_app(warning)), icon=":material/info:")
    proposal = result["proposal"]
    if proposal is not None:
        share = 100 * proposal["fraction"]
        st.button(
            "Use this",
            key="plan-use",
            type="secondary",
            icon=":material/input:",
            on_click=_use,
            args=({labels_key: share, exact_key: False},),
            help=f"Sets the labelled share above to {number(share)} %.",
        )
    elif result["verdict"] == "exact":
        st.button(
            "Use this",
            key="plan-use",
            icon=":material/input:",
            on_click=_use,
            args=({exact_key: True},),
            help="Makes the run an exact one.",
        )
    st.table(option_table(result), hide_index=True, border="horizontal")
    _draw_curve(result)


def _draw_curve(result: Mapping[str, Any]) -> None:
    from pages._ui.run.plan_chart import curve_chart

    curve = result["curve"]
    noun = "row" if result["unit"] == "rows" else "pair"
    words = curve_words(result)
    st.plotly_chart(
        curve_chart(curve["line"], curve["points"], result["proposal"], noun),
        key="plan-curve",
        config={"displayModeBar": False},
        alt=words,
    )
    st.caption(words)


def goal_words(goal: Mapping[str, Any]) -> str:
    """``30 min`` or ``R² 0.6``, as it was asked."""
    if goal["seconds"] is not None:
        return f"For {about(goal['seconds']).removeprefix('~ ')}"
    return f"For R² {number(goal['accuracy'])}"


def option_table(result: Mapping[str, Any]) -> dict[str, list[str]]:
    """Label fractions with what each costs and gives, labelling everything last."""
    options = [*result["options"], result["exact"]]
    chosen = (result["proposal"] or {}).get("fraction")
    return {
        "Labelled share": [
            _share_words(option) + (" (proposed)" if option["fraction"] == chosen else "")
            for option in options
        ],
        f"{result['unit'].capitalize()} to label": [count(option["units"]) for option in options],
        "Time": [
            f"{about(o['seconds'])} [{about(o['seconds_ci'][0])}, {about(o['seconds_ci'][1])}]"
            for o in options
        ],
        "Expected R²": [_r2_words(option) for option in options],
    }


def _share_words(option: Mapping[str, Any]) -> str:
    if option["r2"] is None:
        return "exact"
    return f"{number(100 * option['fraction'])} %"


def _r2_words(option: Mapping[str, Any]) -> str:
    if option["r2"] is None:
        return "no error"
    low, high = option["r2_ci"]
    guess = ", a guess" if option["far"] else ""
    return f"{option['r2']:.2f} [{low:.2f}, {high:.2f}]{guess}"


def curve_words(result: Mapping[str, Any]) -> str:
    """A text alternative of the curve."""
    points, labels = result["curve"]["points"], result["labels"]
    source = "a pilot" if labels["source"] == "pilot" else f"{labels['source']}"
    first, last = points[0], points[-1]
    return (
        f"From {counted(labels['count'], 'label')} of {plain(source)}: R² on rows kept out went "
        f"from {first['r2']:.2f} with {first['labels']:,} labels to {last['r2']:.2f} with "
        f"{last['labels']:,} (estimator {plain(result['estimator'])}, brackets hold 95 % "
        "intervals)."
    )


def _use(settings: Mapping[str, Any]) -> None:
    for key, value in settings.items():
        st.session_state[key] = value


def _start(context: Context, spec: RunSpec) -> None:
    from nncift_core.pipeline import create_plan
    from nncift_core.studies.planner import Goal

    # As the fields are now: a value may have been typed just before the click.
    fields = st.session_state
    with user_errors():
        if fields.get(GOAL) == _R2:
            goal = Goal(accuracy=float(fields[ACCURACY]))
        else:
            goal = Goal(seconds=60 * float(fields[MINUTES]))
        folder = create_plan(context.workspace, spec, goal)
        attempt(jobs.start, folder, PLAN)
