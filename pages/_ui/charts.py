"""The chart of training and quadrants as a Plotly figure, and what all charts have in common.

A title says the finding or the question, labels stand at the lines, heights are fixed so that
nothing jumps. Backgrounds and text follow the app's light or dark theme. Knows plain numbers
only: nothing of Streamlit, runs or files. Selections, scores and the heatmap have modules of
their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nncift_core.network.verdict import BASELINES, QUADRANTS, UNLABELLED
from pages._ui.quadrants import error_words

# Okabe and Ito's palette: told apart by people with any common colour blindness, and dark and
# light enough to stand on both themes.
QUADRANT_COLORS = {
    "q1": "#56B4E9",
    "q2": "#009E73",
    "q3": "#E69F00",
    "q4": "#D55E00",
    UNLABELLED: "#CC79A7",
}
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
NARROW_TITLE = 44
"""Characters of a title's line in a chart that is 340 pixels wide."""

_LEAST = 1e-6
"""Errors below this are drawn as this: a logarithmic axis has no zero."""
_USUAL_ERROR = 0.01


def epoch_chart(
    points: Sequence[Mapping[str, Any]],
    baselines: Mapping[str, Mapping[str, Any] | None] | None = None,
    *,
    epochs: int = 20,
    quadrants: Mapping[str, str] = QUADRANTS,
    unseen: str = "unseen pairs",
) -> go.Figure:
    """Mean squared error of the quadrants by epoch, one small panel each, two side by side.

    Args:
        points: One mapping an epoch: ``epoch`` (0 = before training) and ``q1`` to ``q4``,
            the error on the min-max scale of the training labels; None or absent where the
            quadrant does not exist.
        baselines: By quadrant, ``mse_mean``, ``mse_zero``, ``mse_random``, ``mse_additive``
            and ``mse_cosine``: what a quadrant table holds. None before they are known.
        epochs: Length of the axis, so that it does not move while the network trains.
        quadrants: The quadrants to draw, in words; two for single rows.
        unseen: What Q4 measures, in words.
    """
    n_rows = ceil(len(quadrants) / 2)
    figure = make_subplots(
        rows=n_rows,
        cols=2,
        shared_xaxes=True,
        shared_yaxes=True,
        subplot_titles=[f"{name.upper()} · {words}" for name, words in quadrants.items()],
        horizontal_spacing=0.03,
        vertical_spacing=0.14,
    )
    reached = max([0, *(int(point["epoch"]) for point in points)])
    # What is solved instead of trained has a before and an after.
    last_epoch = reached if reached == 1 else max(epochs, reached)
    low, high = _log_range(points, baselines or {})
    floor_error = 10**low
    labels: list[dict[str, Any]] = []
    for place, name in enumerate(quadrants):
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
        drawn = [(p["epoch"], p[name]) for p in points if p.get(name) is not None]
        figure.add_trace(
            go.Scatter(
                x=[epoch for epoch, _ in drawn],
                y=[max(value, floor_error) for _, value in drawn],
                customdata=[value for _, value in drawn],
                mode="lines+markers",
                line={"color": QUADRANT_COLORS[name], "width": 3},
                marker={"size": 5},
                hovertemplate="estimates after epoch %{x}: %{customdata:.3g}<extra></extra>",
                showlegend=False,
            ),
            row=row,
            col=column,
        )
        if column == 2:
            named = {BASELINES[key]: (value, QUIET) for key, value in lines.items()}
            if drawn:
                named["estimates"] = (drawn[-1][1], QUADRANT_COLORS[name])
            labels += _labels_right(row, column, named, (low, high))
    figure.update_yaxes(type="log", range=[low, high], dtick=1, exponentformat="power")
    figure.update_yaxes(title_text="squared error (scaled)", col=1)
    figure.update_xaxes(range=[0, last_epoch], title_standoff=4)
    if last_epoch == 1:
        figure.update_xaxes(tickvals=[0.1, 0.9], ticktext=["before", "after fitting"])
    else:
        figure.update_xaxes(title_text="epoch (0 = before training)", row=n_rows)
    # All at once: added one by one they take longer than everything else.
    figure.layout.annotations = [*figure.layout.annotations, *labels]
    height = 500 if n_rows > 1 else 330
    return finish(figure, _epoch_title(points, unseen), height=height, right=150)


def _epoch_title(points: Sequence[Mapping[str, Any]], unseen: str) -> str:
    known = [point for point in points if point.get("q4") is not None]
    if not known:
        return "How far off are the estimates, epoch by epoch?"
    first, last = known[0]["q4"], known[-1]["q4"]
    if len(known) == 1 or last >= first:
        return f"Error on {unseen} (Q4) after epoch {known[-1]['epoch']}: {error_words(last)}"
    return f"Error on {unseen} (Q4) fell from {error_words(first)} to {error_words(last)}"


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


def finish(
    figure: go.Figure, title: str, *, height: int, right: int = 20, narrow: bool = False
) -> go.Figure:
    """Title, size and background of a chart that is complete.

    Args:
        figure: The chart.
        title: What it says.
        height: In pixels.
        right: Room beside it, in pixels.
        narrow: Whether it may be half a page wide: the title then takes several lines, for which
            the chart grows.
    """
    lines = wrap(title, NARROW_TITLE) if narrow else [title]
    more = 18 * (len(lines) - 1)
    at = {"x": 0.02, "xref": "container"} if narrow else {"x": 0, "xref": "paper"}
    figure.update_layout(
        title={"text": "<br>".join(lines), "font": {"size": 14 if narrow else 16}, **at},
        height=height + more,
        margin={"l": 60, "r": right, "t": 70 + more, "b": 50},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="closest",
        dragmode=False,
    )
    return figure
