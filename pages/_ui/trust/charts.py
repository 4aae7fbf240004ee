"""The chart of true against predicted values of labels that were never trained on.

Knows plain numbers, nothing of Streamlit, runs or files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from nncift_core.types import FloatArray
from pages._ui.charts import QUADRANT_COLORS, QUIET, finish

HEIGHT = 470

# Told apart without colors too.
_SYMBOLS = {"q1u": "x", "q2": "square", "q3": "diamond", "q4": "circle"}
_BAND = "rgba(213, 94, 0, 0.12)"


def truth_chart(
    role: Sequence[str],
    predicted: FloatArray,
    true: FloatArray,
    *,
    names: Mapping[str, str],
    title: str,
    what: str,
    half_width: float | None = None,
    band: str = "",
) -> go.Figure:
    """True against predicted values; estimates without error would lie on the line.

    Args:
        role: ``(n,)`` quadrants.
        predicted: ``(n,)`` predictions, original units.
        true: ``(n,)`` labels of the same pairs or rows.
        names: Quadrants in words, in the order of the legend; the last one is drawn on top.
        title: What the chart shows.
        what: What the values are, for the axes.
        half_width: Half the height of the band around the line; None draws none.
        band: What the band means, for the legend.
    """
    figure = go.Figure()
    ends = _ends(predicted, true)
    if half_width is not None:
        low, high = ends
        figure.add_trace(
            go.Scatter(
                x=[low, high, high, low],
                y=[low - half_width, high - half_width, high + half_width, low + half_width],
                mode="lines",
                line={"width": 0},
                fill="toself",
                fillcolor=_BAND,
                hoverinfo="skip",
                name=band,
            )
        )
    figure.add_trace(
        go.Scatter(
            x=list(ends),
            y=list(ends),
            mode="lines",
            line={"color": QUIET, "width": 1.5, "dash": "dash"},
            hoverinfo="skip",
            name="no error",
        )
    )
    roles = np.asarray(role)
    for name, words in names.items():
        here = roles == name
        if not here.any():
            continue
        figure.add_trace(
            go.Scatter(
                x=predicted[here].tolist(),
                y=true[here].tolist(),
                mode="markers",
                marker={
                    "color": QUADRANT_COLORS[name],
                    "symbol": _SYMBOLS[name],
                    "size": 5,
                    "opacity": 0.65,
                },
                hovertemplate=f"{words}<br>predicted %{{x:.3g}}, true %{{y:.3g}}<extra></extra>",
                name=f"{words}: {int(here.sum()):,}",
            )
        )
    figure.update_xaxes(title_text=f"predicted {what}", fixedrange=True, zeroline=False)
    figure.update_yaxes(title_text=f"true {what}", fixedrange=True, zeroline=False)
    finish(figure, title, height=HEIGHT)
    # Below the axis, where its entries wrap on a narrow page.
    return figure.update_layout(
        legend={"orientation": "h", "y": -0.16, "yanchor": "top", "x": 0, "itemsizing": "constant"},
        margin={"b": 120, "t": 50},
    )


def _ends(predicted: FloatArray, true: FloatArray) -> tuple[float, float]:
    """Where the line of no error begins and ends: over everything that was predicted."""
    if not len(predicted):
        return 0.0, 1.0
    low, high = float(predicted.min()), float(predicted.max())
    margin = 0.02 * (high - low) or 0.05 * (float(np.ptp(true)) or 1.0)
    return low - margin, high + margin
