"""The chart of coverage by group of targets as a Plotly figure.

Knows plain numbers, nothing of Streamlit, runs or files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from nncift_core.selection.explanations import GroupCoverage
from pages._ui.charts import QUIET, SELECTION_COLOR, finish
from pages._ui.format import counted, number, percent, shortened

MOST_BARS = 12
"""Groups drawn at most; of more, those covered worst."""

_BAR_HEIGHT = 26
_MOST_LETTERS = 28


def drawn_groups(groups: Sequence[GroupCoverage], most: int = MOST_BARS) -> list[GroupCoverage]:
    """The groups that are drawn: those covered worst, the worst first, without hopeless ones."""
    known = [group for group in groups if group.share is not None]
    return sorted(known, key=lambda group: group.share or 0.0)[:most]


def coverage_chart(
    groups: Sequence[GroupCoverage],
    everything: GroupCoverage,
    kind: str,
    examples: Mapping[str, str] | None = None,
    *,
    most: int = MOST_BARS,
    height: int | None = None,
) -> go.Figure:
    """How much of what is possible each group of targets gets, as horizontal bars.

    Args:
        groups: All groups; ``drawn_groups`` says which are drawn.
        everything: All targets together: a line to compare with.
        kind: What the groups are, such as ``subtask``.
        examples: By group the text of one of its targets, shown when pointed at.
        most: Groups drawn at most.
        height: In pixels; by default as high as its bars need.
    """
    drawn = drawn_groups(groups, most)
    names = [_escaped(shortened(group.name, _MOST_LETTERS)) for group in drawn]
    shares = [100 * (group.share or 0.0) for group in drawn]
    figure = go.Figure(
        go.Bar(
            x=shares,
            # Places and not names, since two shortened names may be equal.
            y=list(range(len(drawn))),
            orientation="h",
            marker={"color": SELECTION_COLOR},
            text=[
                f"{percent(group.share)} · {counted(group.n_target, 'target')}" for group in drawn
            ],
            textposition="auto",
            insidetextanchor="start",
            customdata=[
                [
                    _escaped(group.name),
                    number(group.mean_best),
                    number(group.mean_possible),
                    percent(group.reached),
                    _escaped(shortened((examples or {}).get(group.name, ""), 80)),
                ]
                for group in drawn
            ],
            hovertemplate="%{customdata[0]}: %{customdata[1]} of %{customdata[2]} possible<br>"
            "%{customdata[3]} of its targets are reached<br>%{customdata[4]}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_yaxes(
        title_text=kind,
        tickvals=list(range(len(drawn))),
        ticktext=names,
        autorange="reversed",
        automargin=True,
    )
    figure.update_xaxes(
        title_text="coverage (% of what the whole pool reaches)", range=[0, 100], ticksuffix=" %"
    )
    if everything.share is not None:
        mean = 100 * everything.share
        figure.add_shape(
            type="line",
            x0=mean,
            x1=mean,
            y0=0,
            y1=1,
            yref="paper",
            line={"color": QUIET, "width": 2, "dash": "dash"},
        )
        figure.add_annotation(
            text=f"all targets {percent(everything.share)}",
            x=mean,
            xanchor="right" if mean > 50 else "left",
            y=1.0,
            yref="paper",
            yanchor="bottom",
            showarrow=False,
            font={"size": 11, "color": QUIET},
        )
    height = height or 150 + _BAR_HEIGHT * max(3, len(drawn))
    return finish(figure, coverage_title(groups, kind), height=height, narrow=True)


def coverage_title(groups: Sequence[GroupCoverage], kind: str) -> str:
    """What the chart finds; user text in it is escaped for Plotly."""
    drawn = drawn_groups(groups)
    if not drawn:
        return f"No pool row helps any {kind}"
    worst, best = drawn[0], max(groups, key=lambda group: group.share or 0.0)
    name = _escaped(shortened(worst.name, _MOST_LETTERS))
    if len(groups) == 1:
        return f"{name} gets {percent(worst.share)} of what is possible"
    if (best.share or 0.0) - (worst.share or 0.0) < 0.05:
        return f"Each {kind} gets {percent(worst.share)} or more of what is possible"
    return f"Covered least: {name}, {percent(worst.share)} of what is possible"


def _escaped(name: str) -> str:
    """A name as Plotly draws it literally: it reads a few tags as markup."""
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
