"""Charts of training, quadrants and selection as Plotly figures.

A title says the finding or the question, labels stand at the lines, heights are fixed so that
nothing jumps. Backgrounds and text follow the app's light or dark theme. Knows plain numbers
only: nothing of Streamlit, runs or files. The heatmap lives in ``charts_heatmap``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nncift_core.network.verdict import BASELINES, QUADRANTS
from nncift_core.selection.curve import GainCurve

# Okabe and Ito's palette: told apart by people with any common colour blindness, and dark and
# light enough to stand on both themes.
QUADRANT_COLORS = {"q1": "#56B4E9", "q2": "#009E73", "q3": "#E69F00", "q4": "#D55E00"}
METHOD_COLORS = {"delift-se": "#0072B2"}
SELECTION_COLOR = "#0072B2"
# Mid grey: 4.5 to 1 against white and against the dark background.
QUIET = "#7F868F"

_DASHES = {
    "mse_mean": "dash",
    "mse_zero": "dot",
    "mse_random": "longdash",
    "mse_additive": "dashdot",
    "mse_cosine": "longdashdot",
}
_MOST_ROUND_MARKS = 9
_LEAST = 1e-6
"""Errors below this are drawn as this: a logarithmic axis has no zero."""
_USUAL_ERROR = 0.01


def epoch_chart(
    points: Sequence[Mapping[str, Any]],
    baselines: Mapping[str, Mapping[str, Any] | None] | None = None,
    *,
    epochs: int = 20,
) -> go.Figure:
    """Mean squared error of the four quadrants by epoch, one small panel each.

    Args:
        points: One mapping an epoch: ``epoch`` (0 = before training) and ``q1`` to ``q4``,
            the error on the min-max scale of the training labels; None or absent where the
            quadrant does not exist.
        baselines: By quadrant, ``mse_mean``, ``mse_zero``, ``mse_random``, ``mse_additive``
            and ``mse_cosine``: what a quadrant table holds. None before they are known.
        epochs: Length of the axis, so that it does not move while the network trains.
    """
    figure = make_subplots(
        rows=2,
        cols=2,
        shared_xaxes=True,
        shared_yaxes=True,
        subplot_titles=[f"{name.upper()} · {words}" for name, words in QUADRANTS.items()],
        horizontal_spacing=0.03,
        vertical_spacing=0.14,
    )
    last_epoch = max([epochs, *(int(point["epoch"]) for point in points)])
    low, high = _log_range(points, baselines or {})
    floor_error = 10**low
    labels: list[dict[str, Any]] = []
    for place, name in enumerate(QUADRANTS):
        row, column = place // 2 + 1, place % 2 + 1
        lines = _baseline_lines((baselines or {}).get(name))
        for key, value in lines.items():
            figure.add_trace(
                go.Scatter(
                    x=[0, last_epoch],
                    y=[max(value, floor_error)] * 2,
                    mode="lines",
                    line={"color": QUIET, "width": 1.5, "dash": _DASHES[key]},
                    hovertemplate=f"{BASELINES[key]}: {_short(value)}<extra></extra>",
                    showlegend=False,
                ),
                row=row,
                col=column,
            )
        drawn = [(p["epoch"], max(p[name], floor_error)) for p in points if p.get(name) is not None]
        figure.add_trace(
            go.Scatter(
                x=[epoch for epoch, _ in drawn],
                y=[value for _, value in drawn],
                mode="lines+markers",
                line={"color": QUADRANT_COLORS[name], "width": 3},
                marker={"size": 5},
                hovertemplate="network after epoch %{x}: %{y:.3g}<extra></extra>",
                showlegend=False,
            ),
            row=row,
            col=column,
        )
        if column == 2:
            named = {BASELINES[key]: (value, QUIET) for key, value in lines.items()}
            if drawn:
                named["network"] = (drawn[-1][1], QUADRANT_COLORS[name])
            labels += _labels_right(row, column, named, (low, high))
    figure.update_yaxes(type="log", range=[low, high], dtick=1, exponentformat="power")
    figure.update_yaxes(title_text="squared error (scaled)", col=1)
    figure.update_xaxes(range=[0, last_epoch], title_standoff=4)
    figure.update_xaxes(title_text="epoch (0 = before training)", row=2)
    # All at once: added one by one they take longer than everything else.
    figure.layout.annotations = [*figure.layout.annotations, *labels]
    return _finish(figure, _epoch_title(points), height=500, right=150)


def _epoch_title(points: Sequence[Mapping[str, Any]]) -> str:
    known = [point for point in points if point.get("q4") is not None]
    if not known:
        return "How far off are the estimates, epoch by epoch?"
    first, last = known[0]["q4"], known[-1]["q4"]
    if len(known) == 1 or last >= first:
        return f"Error on unseen pairs (Q4) after epoch {known[-1]['epoch']}: {last:.3g}"
    return f"Error on unseen pairs (Q4) fell from {first:.3g} to {last:.3g}"


def _baseline_lines(metrics: Mapping[str, Any] | None) -> dict[str, float]:
    known = metrics or {}
    return {key: float(known[key]) for key in BASELINES if known.get(key) is not None}


def _log_range(
    points: Sequence[Mapping[str, Any]], baselines: Mapping[str, Mapping[str, Any] | None]
) -> tuple[float, float]:
    """Axis range in powers of ten, in whole halves, so that it seldom moves.

    Where a baseline is (nearly) exact it is drawn at the lower edge: a logarithmic axis that
    reached it would squeeze everything else.
    """
    errors = [p[name] for p in points for name in QUADRANTS if p.get(name) is not None]
    beside = [v for name in QUADRANTS for v in _baseline_lines(baselines.get(name)).values()]
    least = max(min(errors, default=_USUAL_ERROR) / 10, _LEAST)
    values = [value for value in (*errors, *beside) if value >= least] or [_USUAL_ERROR]
    low = floor(2 * log10(min(values)) - 0.2) / 2
    high = ceil(2 * log10(max(values)) + 0.2) / 2
    return low, max(high, low + 1.0)


def _short(value: float) -> str:
    return f"{value:.2g}" if value >= _LEAST else "0"


def _labels_right(
    row: int,
    column: int,
    named: Mapping[str, tuple[float, str]],
    span: tuple[float, float],
) -> list[dict[str, Any]]:
    """Names beside the ends of lines, moved apart where they would overlap."""
    low, high = span
    # A label is about a twelfth of a panel high.
    least = (high - low) / 12
    ordered = sorted(named.items(), key=lambda item: item[1][0])
    heights: list[float] = []
    for _, (value, _) in ordered:
        at = max(log10(max(value, 10**low)), low)
        heights.append(max(at, heights[-1] + least) if heights else at)
    # What was pushed over the upper edge moves everything down again.
    top = high
    for place in range(len(heights) - 1, -1, -1):
        heights[place] = min(heights[place], top)
        top = heights[place] - least
    axis = (row - 1) * 2 + column
    suffix = "" if axis == 1 else str(axis)
    return [
        {
            "text": f"{name} {_short(value)}",
            "x": 1.0,
            "xref": f"x{suffix} domain",
            "xanchor": "left",
            "xshift": 6,
            "y": at,
            "yref": f"y{suffix}",
            "showarrow": False,
            "font": {"size": 11, "color": color},
        }
        for (name, (value, color)), at in zip(ordered, heights, strict=True)
    ]


def _finish(figure: go.Figure, title: str, *, height: int, right: int = 20) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 16}, "x": 0, "xref": "paper"},
        height=height,
        margin={"l": 60, "r": right, "t": 70, "b": 50},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="closest",
        dragmode=False,
    )
    return figure


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
    return _finish(figure, _gain_title(curve), height=360)


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
    return _finish(figure, title, height=360)


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
