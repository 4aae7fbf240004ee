"""The chart of a learning curve: what was measured, the law, and where a proposal lies on it.

Knows a plan's numbers, nothing of Streamlit or of jobs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from pages._ui.charts import QUIET, SELECTION_COLOR, finish

HEIGHT = 340
_BAND = "rgba(0, 114, 178, 0.18)"
_PROPOSAL_COLOR = "#D55E00"


def curve_chart(
    line: Sequence[Mapping[str, float]],
    points: Sequence[Mapping[str, Any]],
    proposal: Mapping[str, Any] | None,
    noun: str,
) -> go.Figure:
    """R² by labels on a logarithmic axis, with the interval as a band.

    Args:
        line: The law: ``labels``, ``r2``, ``low`` and ``high``.
        points: What was measured: ``labels`` and ``r2_of_draws``.
        proposal: The proposed option, None where there is none.
        noun: What labels are of, ``pair`` or ``row``.
    """
    labels = [row["labels"] for row in line]
    figure = go.Figure()
    figure.add_scatter(
        x=[*labels, *reversed(labels)],
        y=[*(row["high"] for row in line), *(row["low"] for row in reversed(line))],
        fill="toself",
        fillcolor=_BAND,
        line={"width": 0},
        hoverinfo="skip",
        name="95 % interval",
    )
    figure.add_scatter(
        x=labels,
        y=[row["r2"] for row in line],
        mode="lines",
        line={"color": SELECTION_COLOR, "width": 3},
        hovertemplate="%{x:,.0f} labels: R² %{y:.2f}<extra></extra>",
        name="expected",
    )
    drawn = [(row["labels"], r2) for row in points for r2 in row["r2_of_draws"]]
    figure.add_scatter(
        x=[x for x, _ in drawn],
        y=[y for _, y in drawn],
        mode="markers",
        marker={"color": QUIET, "size": 7, "symbol": "circle-open"},
        hovertemplate="%{x:,} labels, rows kept out: R² %{y:.2f}<extra></extra>",
        name="measured",
    )
    if proposal is not None:
        figure.add_scatter(
            x=[proposal["training"]],
            y=[proposal["r2"]],
            mode="markers",
            marker={"color": _PROPOSAL_COLOR, "size": 13, "symbol": "diamond"},
            hovertemplate="proposed: %{x:,} labels, R² %{y:.2f}<extra></extra>",
            name="proposed",
        )
    figure.update_xaxes(type="log", title_text=f"labelled {noun}s trained on")
    figure.update_yaxes(title_text=f"R² over unlabelled {noun}s")
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return finish(figure, f"What more labelled {noun}s give", height=HEIGHT)
