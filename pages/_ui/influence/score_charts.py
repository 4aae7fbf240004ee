"""Charts of a score per row as Plotly figures: how scores are spread, and row by row.

For influence functions that score single rows, where a heatmap would have one column. Places are
counted from 1 in the order drawn. Knows plain numbers, nothing of Streamlit, runs or files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from nncift_core.types import FloatArray, IndexArray
from pages._ui.charts import finish

MOST_BARS = 400
HEIGHT = 380

# Okabe and Ito's blue and orange, and vermilion for what is pointed at.
PREDICTED_COLOR, LABELLED_COLOR, MARK_COLOR = "#0072B2", "#E69F00", "#D55E00"
_BINS = 40


class Bars(NamedTuple):
    """Scores of neighbouring rows, taken together.

    Attributes:
        edges: ``(bars + 1,)`` places, from 0, where bars begin and end.
        mean: ``(bars,)`` mean score of the rows of each bar; NaN where no row has one.
        lowest: ``(bars,)`` the lowest of them.
        highest: ``(bars,)`` the highest.
    """

    edges: IndexArray
    mean: FloatArray
    lowest: FloatArray
    highest: FloatArray

    @property
    def rows_per_bar(self) -> int:
        """Rows of the largest bar."""
        return int(np.diff(self.edges).max(initial=0))

    def bar_of(self, place: int) -> int:
        """The bar of the row at a place, from 1."""
        return int(np.searchsorted(self.edges, place - 1, side="right")) - 1


def score_bars(scores: FloatArray, most: int = MOST_BARS) -> Bars:
    """The scores of rows in the order drawn, as at most ``most`` bars of nearly equal width.

    Args:
        scores: ``(n,)``, at least one; NaN counts as no score.
        most: Bars at most.
    """
    n_bars = min(most, len(scores))
    edges = np.arange(n_bars + 1, dtype=np.int64) * len(scores) // n_bars
    known = np.isfinite(scores)
    values = scores.astype(np.float64)
    count = np.add.reduceat(known.astype(np.int64), edges[:-1])
    total = np.add.reduceat(np.where(known, values, 0.0), edges[:-1])
    empty = count == 0
    mean = np.where(empty, np.nan, total / np.maximum(count, 1))
    lowest = np.minimum.reduceat(np.where(known, values, np.inf), edges[:-1])
    highest = np.maximum.reduceat(np.where(known, values, -np.inf), edges[:-1])
    lowest, highest = (np.where(empty, np.nan, end) for end in (lowest, highest))
    kinds = (array.astype(np.float32) for array in (mean, lowest, highest))
    return Bars(edges, *kinds)


def histogram_chart(predicted: FloatArray, labelled: FloatArray, *, title: str) -> go.Figure:
    """How many rows have which score; labelled rows stand on top of the predicted ones.

    Args:
        predicted: ``(n,)`` scores that were predicted.
        labelled: ``(m,)`` scores that were measured.
        title: What the chart shows.
    """
    parts = {
        "predicted": (predicted[np.isfinite(predicted)], PREDICTED_COLOR),
        "labelled": (labelled[np.isfinite(labelled)], LABELLED_COLOR),
    }
    every = np.concatenate([values for values, _ in parts.values()]).astype(np.float64)
    edges = np.histogram_bin_edges(every, bins=_BINS) if len(every) else np.array([0.0, 1.0])
    middles = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure()
    names = []
    for name, (values, color) in parts.items():
        if not len(values):
            continue
        counts, _ = np.histogram(values, bins=edges)
        figure.add_trace(
            go.Bar(
                x=middles.tolist(),
                y=counts.tolist(),
                width=np.diff(edges).tolist(),
                marker={"color": color, "line": {"width": 0}},
                hovertemplate=f"score %{{x:.3g}}: %{{y:,}} {name}<extra></extra>",
                showlegend=False,
            )
        )
        names.append(f'<span style="color:{color}">■</span> {name}: {len(values):,}')
    if names:
        figure.add_annotation(
            text="   ".join(names),
            x=0,
            xref="paper",
            xanchor="left",
            y=1,
            yref="paper",
            yanchor="bottom",
            showarrow=False,
        )
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_xaxes(title_text="score, higher is better")
    figure.update_yaxes(title_text="rows", rangemode="tozero", tickformat=",d")
    return finish(figure, title, height=HEIGHT)


def strip_chart(bars: Bars, *, title: str, row_axis: str, marked: int | None = None) -> go.Figure:
    """The score of each row in an order; a bar is a row, or the mean of several.

    Args:
        bars: From ``score_bars``.
        title: What the chart shows.
        row_axis: Title of the horizontal axis.
        marked: Place of a row to mark, from 1.
    """
    first, last = bars.edges[:-1] + 1, bars.edges[1:]
    middles = (first + last) / 2
    texts = [
        f"row {a:,}: {mean:.3g}"
        if a == b
        else f"rows {a:,} to {b:,}: mean {mean:.3g}, from {low:.3g} to {high:.3g}"
        for a, b, mean, low, high in zip(
            first.tolist(), last.tolist(), bars.mean, bars.lowest, bars.highest, strict=True
        )
    ]
    figure = go.Figure(
        go.Bar(
            x=middles.tolist(),
            y=[None if np.isnan(mean) else float(mean) for mean in bars.mean],
            width=np.diff(bars.edges).tolist(),
            marker={"color": PREDICTED_COLOR, "line": {"width": 0}},
            # A click must not pale the others.
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
            hovertext=texts,
            hovertemplate="%{hovertext}<br>click to read it<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_layout(bargap=0)
    if marked is not None:
        figure.add_vline(x=marked, line={"color": MARK_COLOR, "width": 2})
    figure.update_xaxes(
        title_text=row_axis,
        range=[0.5, int(bars.edges[-1]) + 0.5],
        tickformat=",d",
        fixedrange=True,
    )
    low, high = _span(bars)
    figure.update_yaxes(
        title_text="score, higher is better" + (f" (axis from {low:.3g})" if low > 0 else ""),
        range=[low, high],
        fixedrange=True,
    )
    # A click anywhere above or below a bar means it: low bars are hard to hit.
    return finish(figure, title, height=HEIGHT).update_layout(hovermode="x")


def _span(bars: Bars) -> tuple[float, float]:
    """The axis around all bars: from zero, unless they would hardly differ then."""
    known = bars.mean[np.isfinite(bars.mean)].astype(np.float64)
    if not len(known):
        return 0.0, 1.0
    lowest, highest = float(known.min()), float(known.max())
    margin = 0.05 * (highest - lowest or abs(highest) or 1.0)
    if lowest > 0.5 * highest > 0 and highest > lowest:
        return lowest - margin, highest + margin
    return min(0.0, lowest - margin if lowest < 0 else 0.0), max(0.0, highest + margin)


def clicked_place(event: Mapping[str, Any] | None, bars: Bars) -> int | None:
    """Place, from 1, of the first row of a bar that was clicked; None if none was."""
    points: Sequence[Mapping[str, Any]] = (event or {}).get("points") or ()
    if len(points) != 1 or points[0].get("x") is None:
        return None
    place = int(float(points[0]["x"]))
    bar = min(max(0, bars.bar_of(max(1, place))), len(bars.mean) - 1)
    return int(bars.edges[bar]) + 1
