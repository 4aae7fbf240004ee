"""The chart of what a run cost beside computing everything, by stage.

Knows plain seconds, nothing of Streamlit, runs or files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages._ui.charts import finish
from pages._ui.format import duration

HEIGHT = 330
STAGES: Mapping[str, tuple[str, str]] = {
    "embed": ("embed and read rows", "#56B4E9"),
    "label": ("label", "#D55E00"),
    "train": ("fit estimators", "#0072B2"),
    "predict": ("predict", "#009E73"),
    "select": ("select", "#CC79A7"),
}
"""Stages in words and their colours, in the order of the work."""

ZOOM_BELOW = 0.15
"""A run that takes less than this share of everything is drawn once more by itself."""

_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
_ROOM = 1.28
"""Length of the axis in longest bars: the rest is for the words beside it."""


def cost_chart(bars: Sequence[tuple[str, Mapping[str, float], str]], title: str) -> go.Figure:
    """Stacked bars on a linear axis; the last one is the run, drawn once more where it is short.

    Args:
        bars: Name, seconds by stage, and the words at the end of the bar.
        title: What the chart shows.
    """
    totals = [sum(seconds.values()) for _, seconds, _ in bars]
    longest = max(totals, default=1.0) or 1.0
    zoomed = totals[-1] < ZOOM_BELOW * longest
    figure = make_subplots(
        rows=2 if zoomed else 1,
        cols=1,
        row_heights=[len(bars), 1.4] if zoomed else None,
        vertical_spacing=0.3,
    )
    _draw(figure, bars, longest, 1)
    if zoomed:
        name, seconds, words = bars[-1]
        _draw(figure, [(f"{name},<br>by itself", seconds, words)], totals[-1] or 1.0, 2)
    figure.update_layout(
        barmode="stack",
        bargap=0.35,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
    )
    finish(figure, title, height=HEIGHT)
    return figure.update_layout(margin={"l": 10, "t": 84})


def unit_of(seconds: float) -> tuple[float, str]:
    """The unit in which a duration is at least 1.5, and its name."""
    return next(((size, name) for size, name in _UNITS if seconds >= 1.5 * size), (1.0, "seconds"))


def _draw(
    figure: go.Figure,
    bars: Sequence[tuple[str, Mapping[str, float], str]],
    longest: float,
    row: int,
) -> None:
    size, unit = unit_of(longest)
    names = [name for name, _, _ in bars]
    for stage, (words, color) in STAGES.items():
        spent = [seconds.get(stage, 0.0) for _, seconds, _ in bars]
        figure.add_trace(
            go.Bar(
                y=names,
                x=[value / size for value in spent],
                orientation="h",
                marker={"color": color},
                name=words,
                legendgroup=stage,
                showlegend=row == 1,
                customdata=[duration(value) for value in spent],
                hovertemplate=f"{words}: %{{customdata}}<extra></extra>",
            ),
            row=row,
            col=1,
        )
    for name, seconds, words in bars:
        figure.add_annotation(
            x=sum(seconds.values()) / size,
            y=name,
            text=words,
            xanchor="left",
            xshift=6,
            showarrow=False,
            font={"size": 12},
            row=row,
            col=1,
        )
    figure.update_xaxes(
        title_text=unit,
        range=[0, _ROOM * longest / size],
        fixedrange=True,
        title_standoff=2,
        row=row,
        col=1,
    )
    figure.update_yaxes(autorange="reversed", automargin=True, fixedrange=True, row=row, col=1)
