"""Charts of a selection as Plotly figures: how its value grows, or the scores of its rows.

Knows the numbers of a curve, nothing of Streamlit, runs or files.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from nncift_core.selection.curve import GainCurve
from pages._ui.charts import QUIET, SELECTION_COLOR, finish

_MOST_ROUND_MARKS = 9
_LABEL_SHARE = 0.12
"""Share of the axis that the name of a round takes in a narrow chart."""

HEIGHT = 340
"""Of every chart of a selection, in pixels."""


def gain_chart(curve: GainCurve, *, per_pick: bool = False, budget: int | None = None) -> go.Figure:
    """How the value of a selection grows, or what each pick adds.

    Args:
        curve: From ``gain_curve``.
        per_pick: The gain of each pick instead of the value of its round so far.
        budget: Rows that are kept; marked, with what comes after it drawn lightly. None where the
            curve ends at its budget.
    """
    figure = go.Figure()
    values = curve.gain if per_pick else curve.value
    for number in dict.fromkeys(curve.round):
        drawn = [
            (pick, value)
            for pick, value, of in zip(curve.pick, values, curve.round, strict=True)
            if of == number
        ]
        figure.add_trace(
            go.Scatter(
                x=[pick for pick, _ in drawn],
                y=[value for _, value in drawn],
                # A line needs two points; a round may have one pick.
                mode="lines+markers" if len(drawn) < 3 else "lines",
                line={"color": SELECTION_COLOR, "width": 3 if number == 1 else 2},
                opacity=1.0 if number == 1 else 0.6,
                hovertemplate=f"pick %{{x}}, round {number}: %{{y:.4g}}<extra></extra>",
                showlegend=False,
            )
        )
    marked = list(enumerate(curve.round_starts[1:_MOST_ROUND_MARKS], start=2))
    notes: list[dict[str, Any]] = [
        {
            "text": f"round {number}",
            "x": start - 0.5,
            "xanchor": "left",
            "y": 1.0,
            "yref": "paper",
            "yanchor": "bottom",
            "showarrow": False,
            "font": {"size": 11, "color": QUIET},
        }
        for number, start in marked
        if _room(curve, number) >= _LABEL_SHARE
    ]
    if curve.knee is not None and not per_pick:
        late = curve.knee > curve.pick[-1] / 2
        notes.append(
            {
                "text": f"knee: {curve.knee:,} rows",
                "x": curve.knee,
                "y": values[curve.pick.index(curve.knee)],
                "showarrow": True,
                "arrowcolor": QUIET,
                "ax": -30 if late else 30,
                "ay": 35,
                "xanchor": "right" if late else "left",
            }
        )
    lines = [_line(start - 0.5, "dot") for _, start in marked]
    _mark_budget(lines, notes, curve, budget)
    figure.update_layout(annotations=notes, shapes=lines)
    _pick_axis(figure, curve)
    figure.update_yaxes(
        title_text="gain of the pick (scaled influence)"
        if per_pick
        else "value of the round (scaled influence)",
        rangemode="tozero",
    )
    return finish(figure, _gain_title(curve), height=HEIGHT, narrow=True)


def score_chart(curve: GainCurve, title: str, *, budget: int | None = None) -> go.Figure:
    """The score of each chosen row, for objectives in which no row changes another's gain.

    Args:
        curve: From ``gain_curve``.
        title: What the chart shows.
        budget: Rows that are kept, marked; None where the curve ends there.
    """
    figure = go.Figure(
        go.Scatter(
            x=list(curve.pick),
            y=list(curve.gain),
            mode="markers",
            marker={"color": SELECTION_COLOR, "size": 4},
            hovertemplate="pick %{x}: %{y:.4g}<extra></extra>",
        )
    )
    lines: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    _mark_budget(lines, notes, curve, budget)
    figure.update_layout(annotations=notes, shapes=lines)
    _pick_axis(figure, curve)
    figure.update_yaxes(title_text="score of the row")
    return finish(figure, title, height=HEIGHT, narrow=True)


def _room(curve: GainCurve, number: int) -> float:
    """Share of the axis that a round has, and so the label at its start."""
    starts = [*curve.round_starts, curve.pick[-1] + 1]
    return (starts[number] - starts[number - 1]) / curve.pick[-1]


def _pick_axis(figure: go.Figure, curve: GainCurve) -> None:
    figure.update_xaxes(
        title_text="rows chosen (picks, in order)", range=[0, curve.pick[-1] if curve.pick else 1]
    )


def _line(at: float, dash: str) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": QUIET, "width": 1, "dash": dash},
    }


def _mark_budget(
    lines: list[dict[str, Any]],
    notes: list[dict[str, Any]],
    curve: GainCurve,
    budget: int | None,
) -> None:
    """A line at the budget, with what lies after it in shade."""
    if budget is None or not curve.pick:
        return
    last = curve.pick[-1]
    at = min(budget, last)
    line = _line(at, "solid")
    line["line"] = {"color": SELECTION_COLOR, "width": 2, "dash": "solid"}
    lines.append(line)
    if at < last:
        lines.append(
            {
                "type": "rect",
                "x0": at,
                "x1": last,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "fillcolor": QUIET,
                "opacity": 0.12,
                "line": {"width": 0},
            }
        )
    late = at > last / 2
    notes.append(
        {
            "text": f"budget: {budget:,} rows",
            "x": at,
            "y": 0.02,
            "yref": "paper",
            "yanchor": "bottom",
            "xanchor": "right" if late else "left",
            "xshift": -4 if late else 4,
            "showarrow": False,
        }
    )


def _gain_title(curve: GainCurve) -> str:
    if not curve.pick:
        return "What does each further row add?"
    last, rounds = curve.pick[-1], len(curve.round_starts)
    if rounds > 1:
        return (
            f"After {curve.round_starts[1] - 1:,} of {last:,} picks nothing was left to gain: "
            f"{rounds} rounds"
        )
    if curve.knee is not None and curve.knee < last / 2:
        return f"The first {curve.knee:,} of {last:,} picks bring 90 % of the value"
    return f"Every one of the {last:,} picks adds to the value"
