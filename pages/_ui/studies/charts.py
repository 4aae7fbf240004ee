"""The chart of the label-size study: errors by label fraction; and what both charts share.

Small panels, one a quadrant, as on the Trust page. Knows points on one common scale (see
``studies.common_scale``), nothing of Streamlit, jobs or files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, log10
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nncift_core.network import AUTO
from nncift_core.network.verdict import BASELINES, QUADRANTS
from nncift_core.studies.common_scale import BASELINES as DRAWN_BASELINES
from pages._ui.charts import QUIET, finish
from pages._ui.format import number
from pages._ui.studies.lines import (
    AXES,
    Mean,
    Metric,
    Points,
    axis_span,
    baseline_line,
    clipped,
    label_title,
    network_line,
    used_network_words,
)
from pages._ui.trust.estimators import LEAST_ERROR

# Okabe and Ito's palette again; the symbol tells them apart as well.
NETWORK_COLORS: Mapping[str, str] = {
    "paper": "#0072B2",
    AUTO: "#D55E00",
    "product": "#009E73",
    "towers": "#CC79A7",
    "ensemble": "#E69F00",
    "process": "#3D5A80",
    "cosine": "#56B4E9",
    "additive": "#7F868F",
    "ridge": "#8C6BB1",
    "neighbours": "#A6761D",
    "landmark": "#1B9E9E",
}
RUN_COLOR = "#F0E442"
"""Of a run among the points of a study; outlined, so that it stands on both themes."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon")

_DASHES = {"mse_mean": "dash", "mse_additive": "dashdot", "mse_cosine": "longdashdot"}
_NAME_HEIGHT = 0.075
"""Of a name beside a panel, as a share of the panel."""
HEIGHTS = (370, 580)
"""Of a chart with one row of panels, and with two."""
_TOP = 112
"""Pixels above the panels: title, legend, names of the panels."""


def label_chart(
    points: Points,
    metric: Metric = "r2",
    *,
    quadrants: Mapping[str, str] = QUADRANTS,
    noun: str = "pair",
    fractions: Sequence[float] = (),
    run: Mapping[str, Any] | None = None,
) -> go.Figure:
    """R² or squared error by label fraction, a panel a quadrant, a line a network.

    Args:
        points: Finished points on one scale, in any order.
        metric: ``r2`` or ``mse``.
        quadrants: The quadrants to draw, in words.
        noun: What is measured, ``pair`` or ``row``.
        fractions: All fractions that there will be, so that the axis does not move.
        run: A run to mark among them: ``fraction`` and ``quadrants`` on the same scale.
    """
    figure, n_rows = panels_of(quadrants)
    networks = list(dict.fromkeys(str(point["network"]) for point in points))
    low, high = axis_span([*points, *([run] if run else [])], metric, quadrants)
    names: list[dict[str, Any]] = []
    for place, quadrant in enumerate(quadrants):
        where = {"row": place // 2 + 1, "col": place % 2 + 1}
        ends: dict[str, float] = {}
        for name in DRAWN_BASELINES:
            line = baseline_line(points, quadrant, name, metric)
            if line:
                figure.add_trace(baseline_trace(line, name, metric, (low, high)), **where)
                ends[name] = line[-1].value
        names += names_beside(ends, metric, (low, high), place)
        for number_of, network in enumerate(networks):
            line = network_line(points, network, quadrant, metric)
            band, trace = _network_traces(line, network, number_of, metric, (low, high))
            if band is not None:
                figure.add_trace(band, **where)
            trace.showlegend = place == 0
            figure.add_trace(trace, **where)
        if run is not None:
            mark = _run_trace(run, quadrant, metric, (low, high))
            mark.showlegend = place == 0
            figure.add_trace(mark, **where)
    known = [float(p["fraction"]) for p in (*points, *([run] if run else []))]
    shares = [100 * u for u in (*fractions, *known)] or [1, 40]
    figure.update_xaxes(range=[0, 1.04 * max(shares)], ticksuffix=" %", title_standoff=4)
    what = "labelled rows" if noun == "row" else "labelled rows of each side"
    figure.update_xaxes(title_text=f"{what}, u", row=n_rows)
    figure.layout.annotations = [*figure.layout.annotations, *names]
    title = label_title(points, metric, noun)
    return finish_panels(figure, title, metric, (low, high), n_rows)


def panels_of(quadrants: Mapping[str, str]) -> tuple[go.Figure, int]:
    """An empty panel for each quadrant, two side by side, and how many rows of them."""
    n_rows = ceil(len(quadrants) / 2)
    figure = make_subplots(
        rows=n_rows,
        cols=2,
        shared_xaxes=True,
        shared_yaxes=True,
        subplot_titles=[f"{name.upper()} · {words}" for name, words in quadrants.items()],
        horizontal_spacing=0.03,
        vertical_spacing=0.12,
    )
    return figure, n_rows


def baseline_trace(
    line: Sequence[Mean], name: str, metric: Metric, span: tuple[float, float]
) -> go.Scatter:
    """A thin line of a baseline.

    Args:
        line: Its places.
        name: Of the baseline.
        metric: What is drawn.
        span: Range of the axis.
    """
    return go.Scatter(
        x=[mean.x for mean in line],
        y=clipped((mean.value for mean in line), metric, span),
        mode="lines",
        line={"color": QUIET, "width": 1.5, "dash": _DASHES[name]},
        customdata=[number(mean.value) for mean in line],
        hovertemplate=f"{BASELINES[name]}: %{{customdata}}<extra></extra>",
        showlegend=False,
    )


def names_beside(
    ends: Mapping[str, float], metric: Metric, span: tuple[float, float], place: int
) -> list[dict[str, Any]]:
    """Names of baselines beside a panel on the right, moved apart where they would overlap.

    Args:
        ends: Value at the end of each baseline's line.
        metric: What is drawn.
        span: Range of the axis.
        place: Number of the panel; none on the left has names.
    """
    if place % 2 == 0:
        return []
    low, high = span
    ordered = sorted(zip(ends, clipped(ends.values(), metric, span), strict=True), key=_second)
    heights: list[float] = []
    for _, value in ordered:
        at = ((log10(value) if metric == "mse" else value) - low) / (high - low)
        heights.append(max(at, heights[-1] + _NAME_HEIGHT) if heights else at)
    axis = place + 1
    return [
        {
            "text": f"{BASELINES[name]} {_short(ends[name])}",
            "x": 1.0,
            "xref": f"x{axis} domain",
            "xanchor": "left",
            "xshift": 6,
            "y": at,
            "yref": f"y{axis} domain",
            "showarrow": False,
            "font": {"size": 11, "color": QUIET},
        }
        for (name, _), at in zip(ordered, heights, strict=True)
    ]


def _short(value: float) -> str:
    """Two digits; what is only rounding reads as none."""
    return "0" if abs(value) < LEAST_ERROR else number(value, 2)


def _second(pair: tuple[str, float]) -> float:
    return pair[1]


def _network_traces(
    line: Sequence[Mean], network: str, place: int, metric: Metric, span: tuple[float, float]
) -> tuple[go.Scatter | None, go.Scatter]:
    color = NETWORK_COLORS.get(network, QUIET)
    title = used_network_words(network)
    sure = [mean for mean in line if mean.low is not None and mean.high is not None]
    band = None
    if len(sure) > 1:
        lows = clipped((mean.low for mean in sure), metric, span)
        highs = clipped((mean.high for mean in sure), metric, span)
        band = go.Scatter(
            x=[*(mean.x for mean in sure), *(mean.x for mean in reversed(sure))],
            y=[*highs, *reversed(lows)],
            fill="toself",
            fillcolor=color,
            opacity=0.15,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=network,
        )
    trace = go.Scatter(
        x=[mean.x for mean in line],
        y=clipped((mean.value for mean in line), metric, span),
        mode="lines+markers",
        line={"color": color, "width": 2.5},
        marker={"size": 7, "symbol": SYMBOLS[place % len(SYMBOLS)]},
        name=title,
        legendgroup=network,
        customdata=[[number(mean.value), _ends(mean)] for mean in line],
        hovertemplate=f"{title}, u = %{{x:.3g}} %: %{{customdata[0]}}%{{customdata[1]}}"
        "<extra></extra>",
    )
    if len(sure) == 1:
        # One place alone has no band.
        (only,) = sure
        (low,), (high,) = clipped([only.low], metric, span), clipped([only.high], metric, span)
        at = [mean.x for mean in line].index(only.x)
        trace.error_y = {
            "array": [high - trace.y[at] if n == at else 0 for n in range(len(line))],
            "arrayminus": [trace.y[at] - low if n == at else 0 for n in range(len(line))],
            "thickness": 1.5,
        }
    return band, trace


def _run_trace(
    run: Mapping[str, Any], quadrant: str, metric: Metric, span: tuple[float, float]
) -> go.Scatter:
    """One point with its interval: a run that is no part of the study."""
    metrics = run["quadrants"].get(quadrant) or {}
    value = metrics.get(metric)
    known = value is not None
    trace = go.Scatter(
        x=[100 * float(run["fraction"])] if known else [None],
        y=clipped([value], metric, span) if known else [None],
        mode="markers",
        marker={
            "size": 15,
            "symbol": "star",
            "color": RUN_COLOR,
            "line": {"width": 1.5, "color": "#1d2733"},
        },
        cliponaxis=False,
        name="this run",
        legendgroup="run",
        hovertemplate=f"this run, u = %{{x:.3g}} %: {number(value)}<extra></extra>",
    )
    ends = metrics.get(f"{metric}_ci")
    if known and ends is not None:
        low, high = clipped(ends, metric, span)
        trace.error_y = {
            "array": [max(0.0, high - trace.y[0])],
            "arrayminus": [max(0.0, trace.y[0] - low)],
            "thickness": 1.5,
            "color": QUIET,
        }
    return trace


def _ends(mean: Mean) -> str:
    if mean.low is None or mean.high is None:
        return ""
    what = "95 %" if mean.seeds == 1 else f"{mean.seeds} seeds"
    return f" [{number(mean.low)}, {number(mean.high)}, {what}]"


def finish_panels(
    figure: go.Figure, title: str, metric: Metric, span: tuple[float, float], n_rows: int
) -> go.Figure:
    """Axes, title and, between title and panels, the legend."""
    if metric == "mse":
        figure.update_yaxes(type="log", range=list(span), dtick=1, exponentformat="power")
    else:
        figure.update_yaxes(range=list(span), zeroline=True, zerolinecolor=QUIET)
    figure.update_yaxes(title_text=AXES[metric], col=1)
    height = HEIGHTS[n_rows - 1]
    finish(figure, title, height=height, right=130)
    panels = height - _TOP - figure.layout.margin.b
    figure.update_layout(
        margin_t=_TOP,
        title={"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 12}},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1 + 26 / panels,
            "yanchor": "bottom",
            "font": {"size": 12},
        },
    )
    return figure
