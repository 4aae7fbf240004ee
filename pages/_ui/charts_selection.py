"""Charts of a selection as Plotly figures: how its value grows, or the scores of its rows.

Knows the numbers of a curve, nothing of Streamlit, runs or files.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from nncift_core.selection.curve import GainCurve
from pages._ui.charts import QUIET, SELECTION_COLOR, finish

_MOST_ROUND_MARKS = 9


def gain_chart(curve: GainCurve, *, per_pick: bool = False) -> go.Figure:
    """How the value of a selection grows, or what each pick adds.

    Args:
        curve: From ``gain_curve``.
        per_pick: The gain of each pick instead of the value of its round so far.
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
    ]
    if curve.knee is not None and not per_pick:
        late = curve.knee > curve.pick[-1] / 2
        notes.append(
            {
                "text": f"90 % of round 1 after {curve.knee:,} picks",
                "x": curve.knee,
                "y": values[curve.pick.index(curve.knee)],
                "showarrow": True,
                "arrowcolor": QUIET,
                "ax": -30 if late else 30,
                "ay": 35,
                "xanchor": "right" if late else "left",
            }
        )
    figure.update_layout(
        annotations=notes,
        shapes=[
            {
                "type": "line",
                "x0": start - 0.5,
                "x1": start - 0.5,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"color": QUIET, "width": 1, "dash": "dot"},
            }
            for _, start in marked
        ],
    )
    figure.update_xaxes(
        title_text="rows chosen (picks, in order)", range=[0, curve.pick[-1] if curve.pick else 1]
    )
    figure.update_yaxes(
        title_text="gain of the pick (scaled influence)"
        if per_pick
        else "value of the round (scaled influence)",
        rangemode="tozero",
    )
    return finish(figure, _gain_title(curve), height=360)


def score_chart(curve: GainCurve, title: str) -> go.Figure:
    """The score of each chosen row, for objectives in which no row changes another's gain.

    Args:
        curve: From ``gain_curve``.
        title: What the chart shows.
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
    figure.update_xaxes(
        title_text="rows chosen (picks, in order)", range=[0, curve.pick[-1] if curve.pick else 1]
    )
    figure.update_yaxes(title_text="score of the row")
    return finish(figure, title, height=360)


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
