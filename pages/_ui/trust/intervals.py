"""How far a single estimate may be off: the chart of kept labels and the table of intervals.

Knows a run's stored intervals and its labels, nothing of how intervals were calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.network.verdict import UNLABELLED
from pages._ui.format import count, counted, number, percent
from pages._ui.quadrants import Kind
from pages._ui.trust.charts import truth_chart
from pages._ui.trust.estimators import LEAST_ERROR

if TYPE_CHECKING:
    from nncift_core.pipeline.uncertainty import EvaluationPoints
    from nncift_core.pipeline.view import RunView

Stored = Mapping[str, Any]

_ROW_WORDS = {
    "seen": "mean of a seen row over the targets",
    "unseen": "mean of an unseen row over the targets",
}
_POINTWISE_WORDS = {"unseen": "score of an unseen row"}


def draw_interval_table(stored: Stored, kind: Kind) -> None:
    """The table and what it promises, folded; nothing where no interval was calibrated."""
    table = interval_table(stored, kind)
    if table:
        with st.expander("How far a single estimate may be off", key="numbers-intervals"):
            st.markdown(marginal_words(stored, kind))
            st.table(table, hide_index=True, border="horizontal")


def draw_points(view: RunView, kind: Kind) -> None:
    """True against predicted labels; nothing where none were kept apart."""
    points = view.evaluation_points()
    if len(points):
        _draw_points(points, view.uncertainty, kind)


def _draw_points(points: EvaluationPoints, stored: Stored, kind: Kind) -> None:
    found = unseen_interval(stored, kind)
    noun = "score" if kind.noun == "row" else "influence"
    width = found.get("half_width")
    title = points_title(stored, kind)
    words = (
        f"{counted(len(points), 'label')} that {'was' if len(points) == 1 else 'were'} never "
        f"trained on: predicted {noun} from {number(float(points.predicted.min()))} to "
        f"{number(float(points.predicted.max()))}, true {noun} from "
        f"{number(float(points.true.min()))} to {number(float(points.true.max()))}. Estimates "
        "without error lie on the dashed line."
    )
    names = [UNLABELLED, *kind.quadrants]
    st.plotly_chart(
        truth_chart(
            points.role.tolist(),
            points.predicted,
            points.true,
            names={name: kind.words(name) for name in names if name != "q1"},
            title=title,
            what=f"{noun}, higher is {'better' if kind.noun == 'row' else 'more helpful'}",
            half_width=width,
            band=f"{percent(found.get('level'))} interval of {kind.unseen}",
        ),
        key="truth",
        config={"displayModeBar": False},
        alt=f"{title}. {words}",
    )
    st.caption(words)


def points_title(stored: Stored, kind: Kind) -> str:
    """The finding where there is one, else what is drawn."""
    found = unseen_interval(stored, kind)
    if found.get("half_width") is None or found.get("coverage") is None:
        return "How close do estimates of labels that were never trained on come?"
    width = found["half_width"]
    far = "rounding error" if width < LEAST_ERROR else f"± {number(width, 2)}"
    return (
        f"{percent(found['coverage'])} of the {kind.unseen} kept to check lie within {far} "
        "of the truth"
    )


def unseen_interval(stored: Stored, kind: Kind) -> Mapping[str, Any]:
    """The interval of what was never seen; empty if there is none."""
    part, name = ("rows", "unseen") if kind.noun == "row" else ("pairs", "q4")
    found: Mapping[str, Any] = (stored.get(part) or {}).get(name) or {}
    return found


def interval_table(stored: Stored, kind: Kind) -> dict[str, list[str]]:
    """Half widths, what they are meant to hold and what they held; empty if nothing is known."""
    named: list[tuple[str, Mapping[str, Any]]] = []
    for name in (UNLABELLED, *kind.quadrants):
        found = (stored.get("pairs") or {}).get(name)
        if found is not None:
            named.append((kind.words(name), found))
    rows = _POINTWISE_WORDS if kind.noun == "row" else _ROW_WORDS
    for name, words in rows.items():
        found = (stored.get("rows") or {}).get(name)
        if found is not None:
            named.append((words, found))
    if not named:
        return {}
    return {
        "Estimate of": [words for words, _ in named],
        "Half width": [
            "too few to say" if c["half_width"] is None else f"± {number(c['half_width'])}"
            for _, c in named
        ],
        "Meant to hold": [percent(c["level"]) for _, c in named],
        "Held when checked": [
            "not checked" if c["coverage"] is None else percent(round(c["coverage"], 3))
            for _, c in named
        ],
        "Calibrated with": [count(c["n"]) for _, c in named],
        "Checked with": [count(c["n_checked"]) for _, c in named],
    }


def marginal_words(stored: Stored, kind: Kind) -> str:
    """What an interval promises and what it does not."""
    level = percent(stored.get("level"))
    halves = "rows" if kind.noun == "row" else "rows and targets"
    return (
        f"The true value lies within the half width of the estimate for {level} of such estimates. "
        f"Half of the {halves} that were kept apart calibrate this, the other half checks it. The "
        f"promise is marginal: it holds on average over all {kind.noun}s of a line, so single rows "
        "or unusual texts can be off by more."
    )
