"""The influence heatmap as a Plotly figure: pool rows to the right, target rows downwards.

Places are counted from 1 in the order drawn; a cell of one row at place p spans p - 0.5 to
p + 0.5, so that a box on the axes is a range of places. Knows the window it is given, nothing
of Streamlit or runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from math import ceil, floor, isnan
from typing import TYPE_CHECKING, Any, NamedTuple

import plotly.graph_objects as go

if TYPE_CHECKING:
    # Importing the package's view would bring torch in before anything is drawn.
    from nncift_core.pipeline.heatmap import Heatmap

HEIGHT = 560

CLICKABLE_CELLS = 2_500
"""Up to so many cells each gets an invisible marker: a heatmap itself tells no clicks."""

_MOST_NAMES_ACROSS = 24
_MOST_NAMES_DOWN = 30
_NAME_LENGTH = 24

# Orange hurts, blue helps, alike in lightness at equal distance from zero: told apart with any
# common color blindness, and never red against green.
DIVERGING = (
    (0.0, "#7F3B08"),
    (0.25, "#E08214"),
    (0.5, "#F2F2F2"),
    (0.75, "#4393C3"),
    (1.0, "#053061"),
)


class Group(NamedTuple):
    """Neighbouring rows that share a name: first and last place, from 1."""

    name: str
    first: int
    last: int


def heatmap_chart(
    heatmap: Heatmap,
    *,
    title: str,
    pool_axis: str,
    target_axis: str,
    pool_groups: Sequence[Group] = (),
    target_groups: Sequence[Group] = (),
    marked: tuple[int, int] | None = None,
    clickable: bool = False,
) -> go.Figure:
    """A window of the influence matrix.

    Args:
        heatmap: From ``RunView.heatmap``.
        title: What the chart shows.
        pool_axis: Title of the horizontal axis.
        target_axis: Title of the vertical axis.
        pool_groups: Runs of neighbouring pool rows that share a name, written at the axis.
        target_groups: Likewise for target rows.
        marked: Places (pool, target) of a pair to mark, from 1.
        clickable: Whether a click chooses a cell instead of a box choosing a window; only
            where ``can_be_clicked``.
    """
    colors = heatmap.color_range
    # The edges as lists: typed arrays of this length save nothing and cannot be read in tests.
    x_edges = (heatmap.pool_edges + 0.5).tolist()
    y_edges = (heatmap.target_edges + 0.5).tolist()
    raw = heatmap.is_raw
    figure = go.Figure(
        go.Heatmap(
            z=heatmap.values,
            x=x_edges,
            y=y_edges,
            zmin=colors.lo,
            zmax=colors.hi,
            colorscale=[list(stop) for stop in DIVERGING] if colors.diverging else "Cividis",
            hovertemplate=(
                "pool row %{x:.0f}, target row %{y:.0f}: %{z:.3g}<extra></extra>"
                if raw
                else "around pool row %{x:.0f}, target row %{y:.0f}: %{z:.3g}<extra></extra>"
            ),
            colorbar={
                "title": {"text": "influence", "side": "right"},
                "thickness": 14,
                "outlinewidth": 0,
                **_ends(colors.lo, colors.hi, colors.diverging),
            },
        )
    )
    if clickable:
        figure.add_trace(_click_targets(heatmap))
        # Nothing to pan to: a window is computed as a whole.
        figure.update_xaxes(fixedrange=True)
        figure.update_yaxes(fixedrange=True)
    if marked is not None:
        figure.add_trace(_mark(*marked))
    figure.update_xaxes(
        title_text=pool_axis,
        range=[x_edges[0], x_edges[-1]],
        showgrid=False,
        zeroline=False,
        tickformat=",d",
    )
    figure.update_yaxes(
        title_text=target_axis,
        range=[y_edges[-1], y_edges[0]],
        showgrid=False,
        zeroline=False,
        tickformat=",d",
    )
    # All at once: added one by one, 40 lines take a second.
    lines = [
        *_name_groups(figure, "x", pool_groups, _MOST_NAMES_ACROSS),
        *_name_groups(figure, "y", target_groups, _MOST_NAMES_DOWN),
    ]
    figure.update_layout(
        title={"text": title, "font": {"size": 16}, "x": 0, "xref": "paper"},
        height=HEIGHT,
        margin={"l": 70, "r": 20, "t": 60, "b": 60},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        # The app's chart takes clicks or boxes, not both: it turns clicks off while boxes are on.
        dragmode="pan" if clickable else "select",
        showlegend=False,
        shapes=lines,
        # A box that stays after it was answered would look like a part of the data.
        newselection={"line": {"color": "#D55E00", "width": 2, "dash": "solid"}},
        selectdirection="any",
    )
    return figure


def groups(names: Sequence[str | None], first_place: int) -> list[Group]:
    """Runs of equal names; rows without one end a run and begin none.

    Args:
        names: Name of each row of a window, in the order drawn.
        first_place: Place of the first one, from 1.
    """
    found = []
    place = first_place
    for name, run in itertools.groupby(names):
        length = len(list(run))
        if name is not None:
            found.append(Group(name, place, place + length - 1))
        place += length
    return found


def _name_groups(figure: go.Figure, axis: str, named: Sequence[Group], most: int) -> list[Any]:
    """Names in the middle of their groups; gives the hairlines between them. Too many: none."""
    if not 1 < len(named) <= most:
        return []
    ticks = {
        "tickvals": [(group.first + group.last) / 2 for group in named],
        "ticktext": [_escaped(group.name) for group in named],
        "automargin": True,
    }
    if axis == "x":
        figure.update_xaxes(**ticks, tickangle=-40)
    else:
        figure.update_yaxes(**ticks)
    other = "y" if axis == "x" else "x"
    return [
        {
            "type": "line",
            f"{axis}0": group.first - 0.5,
            f"{axis}1": group.first - 0.5,
            f"{other}0": 0,
            f"{other}1": 1,
            f"{other}ref": f"{other} domain",
            "line": {"color": "rgba(255,255,255,0.55)", "width": 1},
        }
        for group in named[1:]
    ]


def _escaped(name: str) -> str:
    """A name as Plotly shows it literally: its texts read a few HTML tags."""
    short = name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ends(lo: float, hi: float, diverging: bool) -> dict[str, Any]:
    """Ticks of the color bar, in words where sides of zero mean something."""
    if not diverging:
        return {"tickformat": ".3g"}
    return {
        "tickvals": [lo, lo / 2, 0, hi / 2, hi],
        "ticktext": [
            f"{lo:.2g} hurts",
            f"{lo / 2:.2g}",
            "0",
            f"{hi / 2:.2g}",
            f"{hi:.2g} helps",
        ],
    }


def can_be_clicked(heatmap: Heatmap) -> bool:
    """Whether every cell is one pair and there are few enough to take clicks."""
    return heatmap.is_raw and heatmap.values.size <= CLICKABLE_CELLS


def _click_targets(heatmap: Heatmap) -> go.Scatter:
    n_target, n_pool = heatmap.values.shape
    first_pool, first_target = int(heatmap.pool_edges[0]) + 1, int(heatmap.target_edges[0]) + 1
    x = [first_pool + column for _ in range(n_target) for column in range(n_pool)]
    y = [first_target + row for row in range(n_target) for _ in range(n_pool)]
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"size": max(6, min(30, 400 // max(n_pool, n_target))), "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        text=_cell_texts(heatmap),
        hovertemplate="pool row %{x}, target row %{y}: %{text}<br>click to read it<extra></extra>",
    )


def _cell_texts(heatmap: Heatmap) -> list[str]:
    """What each cell holds; estimates with how far they may be off, where that is known."""
    values = heatmap.values.ravel().tolist()
    if heatmap.half_width is None:
        return [f"{value:.3g}" for value in values]
    widths = heatmap.half_width.ravel().tolist()
    return [
        f"{value:.3g}" if isnan(width) else f"{value:.3g} ± {width:.2g}"
        for value, width in zip(values, widths, strict=True)
    ]


def _mark(pool_place: int, target_place: int) -> go.Scatter:
    """A ring that is seen on light and dark cells."""
    return go.Scatter(
        x=[pool_place, pool_place],
        y=[target_place, target_place],
        mode="markers",
        marker={
            "symbol": "square-open",
            "size": [16, 12],
            "line": {"width": 2},
            "color": ["#000000", "#FFFFFF"],
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        hoverinfo="skip",
    )


def box_window(
    event: Mapping[str, Any] | None, most: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The window that a drawn box asks for: (first, past the last) places from 0 of each side.

    Args:
        event: ``selection`` of a chart's event state.
        most: Rows of the pool and of the target set.

    Returns:
        None if no box was drawn.
    """
    boxes: Sequence[Mapping[str, Any]] = (event or {}).get("box") or ()
    if not boxes:
        return None
    sides = []
    for axis, size in zip(("x", "y"), most, strict=True):
        ends = sorted(float(end) for end in boxes[-1].get(axis, ()))
        if len(ends) != 2:
            return None
        # Every row whose cell the box touches.
        start = min(max(0, floor(ends[0] - 0.5)), size - 1)
        stop = min(size, ceil(ends[1] - 0.5))
        sides.append((start, max(start + 1, stop)))
    return sides[0], sides[1]


def clicked_pair(event: Mapping[str, Any] | None) -> tuple[int, int] | None:
    """Places (pool, target), from 1, of a cell that was clicked; None if none was."""
    points: Sequence[Mapping[str, Any]] = (event or {}).get("points") or ()
    if len(points) != 1 or (event or {}).get("box"):
        return None
    x, y = points[0].get("x"), points[0].get("y")
    if x is None or y is None:
        return None
    return round(float(x)), round(float(y))
