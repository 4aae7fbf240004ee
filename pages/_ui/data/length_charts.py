"""The chart of a dataset's lengths. Knows plain numbers only."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nncift_core.datasets.statistics import Spread
from pages._ui.charts import QUIET, SELECTION_COLOR, finish

HEIGHT = 260
_MOST_MARKS = 5
_PROMPT_COLOR, _RESPONSE_COLOR = SELECTION_COLOR, "#009E73"
_HALF = 0.5
"""Where a length of 0 is drawn: a logarithmic axis has no zero."""


def length_chart(spreads: Mapping[str, Spread], unit: str) -> go.Figure:
    """How long prompts and responses are, one panel each on the same kind of axis.

    Args:
        spreads: Of ``prompt`` and of ``response``.
        unit: ``characters`` or ``tokens``.
    """
    figure = make_subplots(
        rows=1, cols=2, subplot_titles=["Prompts", "Responses"], horizontal_spacing=0.09
    )
    for column, (name, color) in enumerate(
        (("prompt", _PROMPT_COLOR), ("response", _RESPONSE_COLOR)), 1
    ):
        spread = spreads[name]
        x = [max(edge, _HALF) for edge in spread.edges]
        ranges = [
            f"{low:,}" if high - low == 1 else f"{low:,} to {high - 1:,}"
            for low, high in zip(spread.edges, spread.edges[1:], strict=False)
        ]
        figure.add_trace(
            go.Scatter(
                x=x,
                y=[*spread.counts, spread.counts[-1]],
                mode="lines",
                line={"shape": "hv", "width": 1.5, "color": color},
                fill="tozeroy",
                hovertext=[*ranges, ranges[-1]],
                hovertemplate=f"%{{hovertext}} {unit}: %{{y:,}} rows<extra></extra>",
                showlegend=False,
            ),
            row=1,
            col=column,
        )
        if spread.median >= 1:
            figure.add_vline(
                x=spread.median,
                line={"width": 1.5, "dash": "dot", "color": QUIET},
                row=1,
                col=column,
            )
        marks = _marks(x[0], x[-1])
        figure.update_xaxes(
            type="log",
            title_text=unit,
            tickvals=marks,
            ticktext=[f"{mark:,}" for mark in marks],
            tickangle=0,
            row=1,
            col=column,
        )
    figure.update_yaxes(title_text="rows", row=1, col=1)
    few = max(max(spread.counts) for spread in spreads.values()) < _MOST_MARKS
    figure.update_yaxes(
        rangemode="tozero", tickformat=",d", nticks=5, dtick=1 if few else None, fixedrange=True
    )
    figure.update_xaxes(fixedrange=True)
    finish(figure, length_words(spreads, unit), height=HEIGHT)
    figure.update_annotations(font_size=13)
    return figure.update_layout(
        title_font_size=14, title_y=0.98, title_yanchor="top", margin={"t": 64, "b": 44, "r": 8}
    )


def length_words(spreads: Mapping[str, Spread], unit: str) -> str:
    """What the chart shows."""
    prompt, response = spreads["prompt"], spreads["response"]
    return (
        f"Half have at most {prompt.median:,.0f} {unit} of prompt, "
        f"{response.median:,.0f} of response"
    )


def _marks(lowest: float, highest: float) -> list[int]:
    """At most five round numbers on a logarithmic axis."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        marks = [
            step * 10**power
            for power in range(9)
            for step in steps
            if lowest <= step * 10**power <= highest
        ]
        if len(marks) <= _MOST_MARKS:
            return marks
    return marks[:: -(-len(marks) // _MOST_MARKS)]
