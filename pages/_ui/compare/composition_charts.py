"""Charts of what selections are made of beside the pool: lengths of rows, and their families.

Knows what ``pipeline.comparing`` returns as plain numbers, nothing of Streamlit, runs or files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages._ui.charts import QUIET, finish
from pages._ui.compare.charts import COLORS, SYMBOLS, letters, mark_lines
from pages._ui.format import number, percent

MOST_FAMILIES = 12
"""Families drawn in a composition: those whose shares differ most."""


def length_chart(found: Mapping[str, Any]) -> go.Figure:
    """Quartiles of the lengths of prompts and responses, of the pool and each selection."""
    lengths, names = found["lengths"], letters(found)
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    for column, part in enumerate(("prompt", "response"), start=1):
        unit = lengths[part]["unit"]
        each = [("pool", lengths[part]["pool"])]
        each += zip(names, lengths[part]["selections"], strict=True)
        for name, values in each:
            color = COLORS.get(name, QUIET)
            figure.add_trace(
                go.Scatter(
                    x=[values["lower"], values["median"], values["upper"]],
                    y=[name] * 3,
                    mode="lines+markers",
                    line={"color": color, "width": 6},
                    marker={
                        "color": color,
                        "size": [0, 14 if name in COLORS else 20, 0],
                        "symbol": SYMBOLS.get(name, "line-ns-open"),
                        "line": {"width": 0 if name in COLORS else 3},
                    },
                    hovertemplate=f"{name}: %{{x:,.0f}} {unit}<extra></extra>",
                    showlegend=False,
                ),
                row=1,
                col=column,
            )
        figure.update_xaxes(
            title_text=f"{part} ({unit})",
            rangemode="tozero",
            row=1,
            col=column,
        )
    content = lengths["response"]
    medians = ", ".join(
        f"{name} {number(one['median'])}"
        for name, one in zip(names, content["selections"], strict=True)
    )
    title = (
        f"Median response: {medians} {content['unit']}, pool {number(content['pool']['median'])}"
    )
    return mark_lines(figure, ["pool", *names], title)


def composition_chart(found: Mapping[str, Any], field: str) -> go.Figure:
    """Shares of the families whose shares differ most, of the pool and each selection."""
    content, names = found["composition"][field], letters(found)
    pool = _shares(content["pool"])
    each = [_shares(one["rows"]) for one in content["selections"]]
    differ = [max(values) - min(values) for values in zip(pool, *each, strict=True)]
    drawn = sorted(sorted(range(len(pool)), key=lambda i: -differ[i])[:MOST_FAMILIES])
    labels = [_short(content["names"][i]) for i in drawn]
    figure = go.Figure()
    for name, values in [("pool", pool), *zip(names, each, strict=True)]:
        figure.add_trace(
            go.Scatter(
                x=[values[i] for i in drawn],
                # Places, since two shortened names may be equal.
                y=list(range(len(drawn))),
                mode="markers",
                name=name,
                marker={
                    "color": COLORS.get(name, QUIET),
                    "symbol": SYMBOLS.get(name, "line-ns-open"),
                    "size": 12 if name in COLORS else 16,
                    "line": {"width": 0 if name in COLORS else 3},
                },
                customdata=labels,
                hovertemplate=f"{name}: %{{x:.1%}} are %{{customdata}}<extra></extra>",
            )
        )
    figure.update_xaxes(
        title_text="share of the rows", tickformat=".0%", rangemode="tozero", showgrid=True
    )
    figure.update_yaxes(
        title_text=field,
        tickvals=list(range(len(drawn))),
        ticktext=labels,
        autorange="reversed",
        automargin=True,
    )
    far = [one["distance"] for one in content["selections"]]
    most = max(zip(far, names, strict=True))
    title = f"{most[1]} is furthest from the pool: {percent(round(most[0], 3))} of its rows differ"
    figure = finish(figure, title, height=150 + 30 * len(drawn), narrow=True)
    return figure.update_layout(
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, showlegend=True
    )


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _short(name: str, length: int = 28) -> str:
    """A family's name for an axis; a chart's text reads angle brackets as markup."""
    text = " ".join(name.split())
    text = text if len(text) <= length else f"{text[: length - 1]}…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
