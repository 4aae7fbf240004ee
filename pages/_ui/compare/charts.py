"""Charts of a comparison of selections: overlap, order, coverage and diversity.

Selections are called by their letters; each letter keeps one colour and one mark in every chart.
Knows what ``pipeline.comparing`` returns as plain numbers, nothing of Streamlit, runs or files.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages._ui.charts import QUIET, finish
from pages._ui.format import percent

# Okabe and Ito's palette. Marks differ too: no chart is read by colour alone.
COLORS = {"A": "#0072B2", "B": "#E69F00", "C": "#009E73", "D": "#CC79A7"}
SYMBOLS = {"A": "circle", "B": "square", "C": "diamond", "D": "triangle-up"}
_PAIR_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_PAIR_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

_ROW = 46
"""Height of a selection's line in a chart of marks, in pixels."""


def overlap_chart(found: Mapping[str, Any]) -> go.Figure:
    """Shared rows of each two selections, with their share of the smaller one."""
    names = letters(found)
    shares, shared = found["overlap"]["of_smaller"], found["overlap"]["shared"]
    chance = found["overlap"]["chance"]
    both = range(len(names))
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=[[shares[a][b] for b in both] for a in both],
            zmin=0,
            zmax=1,
            colorscale="Cividis",
            text=[
                [
                    f"{shared[a][a]:,} rows"
                    if a == b
                    else f"{shared[a][b]:,}<br>{percent(round(shares[a][b], 3))}"
                    for b in both
                ]
                for a in both
            ],
            texttemplate="%{text}",
            textfont={"size": 14},
            customdata=[[chance[a][b] for b in both] for a in both],
            hovertemplate="%{y} and %{x}: %{text}<br>by chance %{customdata:,.0f}<extra></extra>",
            xgap=3,
            ygap=3,
            colorbar={
                "title": {"text": "share of the<br>smaller one"},
                "tickformat": ".0%",
                "thickness": 12,
            },
        )
    )
    figure.update_xaxes(title_text="selection", fixedrange=True)
    figure.update_yaxes(title_text="selection", autorange="reversed", fixedrange=True)
    return finish(figure, _overlap_title(found), height=360, right=10, narrow=True)


def agreement_chart(found: Mapping[str, Any]) -> go.Figure:
    """Share of the first rows that two selections have in common, by how many are looked at."""
    names, pairs = letters(found), found["agreement"]
    figure = go.Figure()
    longest = max(pairs, key=lambda one: one["depth"][-1])
    lines = [
        (
            f"{names[one['pair'][0]]} and {names[one['pair'][1]]}",
            one["depth"],
            one["at_depth"],
            {
                "color": _PAIR_COLORS[place % len(_PAIR_COLORS)],
                "dash": _PAIR_DASHES[place % len(_PAIR_DASHES)],
                "width": 3,
            },
        )
        for place, one in enumerate(pairs)
    ]
    lines.append(
        ("chance", longest["depth"], longest["chance"], {"color": QUIET, "dash": "dot", "width": 2})
    )
    ends = _apart([values[-1] for _, _, values, _ in lines])
    for (name, depth, values, line), end in zip(lines, ends, strict=True):
        figure.add_trace(
            go.Scatter(
                x=depth,
                y=values,
                mode="lines" if len(depth) > 2 else "lines+markers",
                line=line,
                hovertemplate=f"{name}: %{{y:.1%}} of the first %{{x:,}} rows<extra></extra>",
                showlegend=False,
            )
        )
        figure.add_annotation(
            text=name,
            x=1,
            xref="paper",
            xanchor="left",
            xshift=6,
            y=end,
            showarrow=False,
            font={"color": line["color"], "size": 12},
        )
    figure.update_xaxes(title_text="first rows of each selection", rangemode="tozero")
    figure.update_yaxes(title_text="share in common", tickformat=".0%", range=[-0.03, 1.03])
    title = "How many of the best rows do they have in common?"
    if len(pairs) == 1:
        title = _agreement_title(pairs[0])
    return finish(figure, title, height=360, right=80, narrow=True)


def coverage_chart(found: Mapping[str, Any]) -> go.Figure:
    """How much of what the whole pool could give to the targets each selection gives."""
    each = found["coverage"]["selections"]
    names = letters(found)
    figure = go.Figure()
    _random_marks(
        figure,
        names,
        [one["random_share"] for one in each],
        [one["random_spread"] for one in each],
    )
    _marks(figure, names, [one["share"] for one in each], ".1%")
    figure.update_xaxes(
        title_text="share of what the whole pool gives to the targets", tickformat=".0%"
    )
    best = max(zip([one["gap_closed"] or 0 for one in each], names, strict=True))
    title = f"{best[1]} covers the targets best" if best[0] > 0 else "How well are targets covered?"
    return mark_lines(figure, names, title)


def diversity_chart(found: Mapping[str, Any]) -> go.Figure:
    """Mean distance to the nearest other row, and NovelSum, beside random rows."""
    each, names = found["diversity"]["selections"], letters(found)
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    titles = {"nearest": "distance to the nearest row (cosine)", "novelsum": "NovelSum"}
    for column, (measure, title) in enumerate(titles.items(), start=1):
        place = {"row": 1, "col": column}
        _random_marks(figure, names, [one[f"{measure}_random"] for one in each], None, **place)
        _marks(figure, names, [one[measure] for one in each], ".3g", **place)
        figure.update_xaxes(title_text=title, **place)
    known = [
        (one["nearest"] / one["nearest_random"], name)
        for one, name in zip(each, names, strict=True)
        if one["nearest"] is not None and one["nearest_random"]
    ]
    title = "How different are the rows from each other?"
    if known:
        ratio, name = max(known)
        words = "more diverse than" if ratio > 1.02 else "less diverse than"
        words = "as diverse as" if abs(ratio - 1) <= 0.02 else words
        title = f"{name} is the most diverse, {words} random rows"
    return mark_lines(figure, names, title)


def _marks(
    figure: go.Figure,
    names: Sequence[str],
    values: Sequence[float | None],
    form: str,
    **place: int,
) -> None:
    for name, value in zip(names, values, strict=True):
        if value is None:
            continue
        figure.add_trace(
            go.Scatter(
                x=[value],
                y=[name],
                mode="markers+text",
                marker={"color": COLORS[name], "symbol": SYMBOLS[name], "size": 14},
                text=[format(value, form)],
                textposition="top center",
                hovertemplate=f"{name}: %{{x:{form}}}<extra></extra>",
                showlegend=False,
            ),
            **place,
        )


def _random_marks(
    figure: go.Figure,
    names: Sequence[str],
    values: Sequence[float | None],
    spreads: Sequence[float | None] | None,
    **place: int,
) -> None:
    """What random draws of the same size give, as a grey stroke in each line."""
    known = [i for i, value in enumerate(values) if value is not None]
    errors = None
    if spreads is not None:
        errors = {
            "type": "data",
            "array": [2 * (spreads[i] or 0.0) for i in known],
            "color": QUIET,
            "thickness": 2,
            "width": 0,
        }
    figure.add_trace(
        go.Scatter(
            x=[values[i] for i in known],
            y=[names[i] for i in known],
            mode="markers",
            marker={
                "color": QUIET,
                "symbol": "line-ns-open",
                "size": 18,
                "line": {"width": 3, "color": QUIET},
            },
            error_x=errors,
            hovertemplate="random rows: %{x:.3g}<extra></extra>",
            showlegend=False,
        ),
        **place,
    )


def mark_lines(figure: go.Figure, names: Sequence[str], title: str) -> go.Figure:
    """A chart with one horizontal line for each selection, the first on top."""
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=list(names),
        range=[len(names) - 0.4, -0.7],
        fixedrange=True,
        showgrid=True,
    )
    figure.update_xaxes(fixedrange=True)
    return finish(figure, title, height=130 + _ROW * len(names), narrow=True)


def _apart(values: Sequence[float], least: float = 0.07) -> list[float]:
    """Heights of labels near values in 0 to 1, moved apart where they would overlap."""
    order = sorted(range(len(values)), key=values.__getitem__)
    placed = list(values)
    for below, above in itertools.pairwise(order):
        placed[above] = max(placed[above], placed[below] + least)
    top = 1.03
    for place in reversed(order):
        placed[place] = min(placed[place], top)
        top = placed[place] - least
    return placed


def _agreement_title(one: Mapping[str, Any]) -> str:
    """What the first tenth has in common, and the whole of the shorter selection."""
    depth, shares = one["depth"], one["at_depth"]
    last = len(depth) - 1
    # Of very few rows a share says little.
    early = next(i for i, d in enumerate(depth) if d >= depth[-1] / 10 and (d >= 10 or i == last))
    whole = f"{percent(round(shares[last], 3))} of the first {depth[last]:,} rows are common"
    if early == last:
        return whole
    return f"{whole}, {percent(round(shares[early], 3))} of the first {depth[early]:,}"


def _overlap_title(found: Mapping[str, Any]) -> str:
    names, shares = letters(found), found["overlap"]["of_smaller"]
    values = [
        (shares[a][b], names[a], names[b])
        for a in range(len(names))
        for b in range(a + 1, len(names))
    ]
    most, least = max(values), min(values)
    if len(values) == 1:
        return f"{most[1]} and {most[2]} have {percent(round(most[0], 3))} in common"
    return (
        f"From {percent(round(least[0], 3))} ({least[1]} and {least[2]}) to "
        f"{percent(round(most[0], 3))} ({most[1]} and {most[2]}) in common"
    )


def letters(found: Mapping[str, Any]) -> list[str]:
    """What the selections are called, in their order."""
    return [str(one["letter"]) for one in found["selections"]]
