"""The chart of the network-size study: errors by number of parameters, a mark a shape.

Knows points on one common scale (see ``studies.common_scale``), nothing of Streamlit, jobs or
files.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from typing import Any

import plotly.graph_objects as go

from nncift_core.network.verdict import QUADRANTS
from nncift_core.studies.common_scale import BASELINES
from nncift_core.studies.shapes import USED_SHAPE, shape_name
from pages._ui.format import number
from pages._ui.studies.charts import (
    SYMBOLS,
    baseline_trace,
    finish_panels,
    names_beside,
    panels_of,
)
from pages._ui.studies.lines import (
    Mean,
    Metric,
    Points,
    axis_span,
    baseline_line,
    clipped,
    measured_points,
    size_title,
)

# Hues, not light to dark: all five must be seen on both themes. Symbols tell them apart too.
LAYER_COLORS = ("#56B4E9", "#0072B2", "#009E73", "#E69F00", "#CC79A7")
USED_COLOR = "#D55E00"


def size_chart(
    points: Points,
    metric: Metric = "mse",
    *,
    quadrants: Mapping[str, str] = QUADRANTS,
    noun: str = "pair",
    parameters: tuple[float, float] = (1e3, 3e7),
) -> go.Figure:
    """R² or squared error by number of parameters, a panel a quadrant, a mark a shape.

    Args:
        points: Finished points on one scale, in any order.
        metric: ``r2`` or ``mse``.
        quadrants: The quadrants to draw, in words.
        noun: What is measured, ``pair`` or ``row``.
        parameters: Range of the axis at least, so that it does not move.
    """
    figure, n_rows = panels_of(quadrants)
    low, high = axis_span(points, metric, quadrants)
    known = [float(point["parameters"]) for point in points]
    least, most = min([parameters[0], *known]), max([parameters[1], *known])
    kinds = sorted({(len(point["shape"]), str(point["training"])) for point in points})
    names: list[dict[str, Any]] = []
    for place, quadrant in enumerate(quadrants):
        where = {"row": place // 2 + 1, "col": place % 2 + 1}
        across: dict[str, float] = {}
        for name in BASELINES:
            line = baseline_line(points, quadrant, name, metric)
            if line:
                # The same labels for all shapes: one value, drawn across.
                across[name] = line[0].value
                both = [Mean(x, across[name], None, None, 1) for x in (least, most)]
                figure.add_trace(baseline_trace(both, name, metric, (low, high)), **where)
        names += names_beside(across, metric, (low, high), place)
        for layers, training in kinds:
            some = [
                p for p in points if (len(p["shape"]), str(p["training"])) == (layers, training)
            ]
            trace = _shape_trace(some, quadrant, layers, training, metric, (low, high))
            trace.showlegend = place == 0
            figure.add_trace(trace, **where)
        used = [p for p in points if tuple(p["shape"]) == USED_SHAPE]
        ring = _used_trace(used, quadrant, metric, (low, high))
        ring.showlegend = place == 0 and bool(used)
        figure.add_trace(ring, **where)
    figure.update_xaxes(
        type="log",
        range=[log10(least) - 0.1, log10(most) + 0.1],
        dtick=1,
        exponentformat="power",
        title_standoff=4,
    )
    figure.update_xaxes(title_text="parameters of the network", row=n_rows)
    figure.layout.annotations = [*figure.layout.annotations, *names]
    return finish_panels(figure, size_title(points, noun), metric, (low, high), n_rows)


def _shape_trace(
    points: Points,
    quadrant: str,
    layers: int,
    training: str,
    metric: Metric,
    span: tuple[float, float],
) -> go.Scatter:
    known = measured_points(points, quadrant, metric)
    values = [float(metrics[metric]) for _, metrics in known]
    drawn = clipped(values, metric, span)
    ends = [
        metrics.get(f"{metric}_ci") or (value, value)
        for (_, metrics), value in zip(known, values, strict=True)
    ]
    highs = clipped((end[1] for end in ends), metric, span)
    lows = clipped((end[0] for end in ends), metric, span)
    longer = training != "paper"
    color = LAYER_COLORS[(layers - 1) % len(LAYER_COLORS)]
    return go.Scatter(
        x=[point["parameters"] for point, _ in known],
        y=drawn,
        error_y={
            "array": [max(0.0, high - at) for high, at in zip(highs, drawn, strict=True)],
            "arrayminus": [max(0.0, at - low) for low, at in zip(lows, drawn, strict=True)],
            "thickness": 1,
            "width": 0,
        },
        mode="markers",
        marker={
            "size": 9,
            "color": color,
            "symbol": SYMBOLS[layers - 1] + ("-open" if longer else ""),
        },
        name=f"{layers} layer{'s' if layers > 1 else ''}{', longer' if longer else ''}",
        legendgroup=f"{layers}-{training}",
        customdata=[
            [
                shape_name(point["shape"]),
                number(value),
                _interval(metrics, metric),
                number(point["seconds"]),
            ]
            for (point, metrics), value in zip(known, values, strict=True)
        ],
        hovertemplate="%{customdata[0]}, %{x:,} parameters: %{customdata[1]}%{customdata[2]}, "
        "%{customdata[3]} s<extra></extra>",
    )


def _used_trace(
    points: Points, quadrant: str, metric: Metric, span: tuple[float, float]
) -> go.Scatter:
    """A ring around the published network."""
    known = measured_points(points, quadrant, metric)
    return go.Scatter(
        x=[point["parameters"] for point, _ in known],
        y=clipped((float(metrics[metric]) for _, metrics in known), metric, span),
        mode="markers",
        marker={
            "size": 17,
            "symbol": "circle-open",
            "color": USED_COLOR,
            "line": {"width": 2.5, "color": USED_COLOR},
        },
        name="the paper's (100)",
        legendgroup="used",
        hoverinfo="skip",
    )


def _interval(metrics: Mapping[str, Any], metric: Metric) -> str:
    ends = metrics.get(f"{metric}_ci")
    return f" [{number(ends[0])}, {number(ends[1])}]" if ends else ""
