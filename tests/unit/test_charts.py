from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nncift_core.network.verdict import QUADRANTS
from nncift_core.pipeline.view import Heatmap, color_range
from nncift_core.selection.curve import gain_curve
from pages._ui.charts import QUADRANT_COLORS, epoch_chart, gain_chart
from pages._ui.charts_heatmap import (
    Group,
    box_window,
    can_be_clicked,
    clicked_pair,
    groups,
    heatmap_chart,
)

POINTS = [
    {"epoch": float(epoch), "q1": 0.3 / (epoch + 1), "q2": 0.3, "q3": 0.2, "q4": 0.4 / (epoch + 1)}
    for epoch in range(4)
]


def _heatmap(n_pool: int, n_target: int, *, first: tuple[int, int] = (0, 0)) -> Heatmap:
    values = np.arange(n_pool * n_target, dtype=np.float32).reshape(n_target, n_pool)
    return Heatmap(
        values=values - values.mean(),
        pool_edges=np.arange(n_pool + 1) + first[0],
        target_edges=np.arange(n_target + 1) + first[1],
        pool_positions=np.arange(n_pool),
        target_positions=np.arange(n_target),
    )


def _lines(figure: Any) -> dict[str, Any]:
    """The network's line of each quadrant, by its color."""
    colors = {color: name for name, color in QUADRANT_COLORS.items()}
    return {colors[t.line.color]: t for t in figure.data if t.line.color in colors}


def test_epoch_chart_draws_every_quadrant_by_epoch() -> None:
    lines = _lines(epoch_chart(POINTS))
    assert list(lines) == list(QUADRANTS)
    for name, line in lines.items():
        assert list(line.x) == [0, 1, 2, 3]
        assert list(line.y) == [point[name] for point in POINTS]
    # Each in a panel of its own.
    assert len({line.xaxis for line in lines.values()} & {"x", "x2", "x3", "x4"}) == 4


def test_epoch_chart_puts_baselines_of_the_same_quadrant_beside_it() -> None:
    baselines = {
        "kind": "baselines",
        "q1": {"mse_mean": 0.05, "mse_zero": 0.2},
        "q4": {"mse_mean": 0.07, "mse_additive": None},
    }
    figure = epoch_chart(POINTS, baselines)
    network = _lines(figure)
    beside = [t for t in figure.data if t.line.dash and t.line.dash != "solid"]
    assert sorted((t.xaxis, t.y[0]) for t in beside) == [
        (network["q1"].xaxis, 0.05),
        (network["q1"].xaxis, 0.2),
        (network["q4"].xaxis, 0.07),
    ]
    labels = [note.text for note in figure.layout.annotations]
    assert "mean label 0.07" in labels
    assert "network 0.1" in labels


def test_epoch_chart_lives_with_nothing_nulls_and_exact_baselines() -> None:
    assert "How far off" in epoch_chart([]).layout.title.text
    figure = epoch_chart(
        [{"epoch": 0, "q1": 0.1, "q2": None, "q4": 0.0}], {"q1": {"mse_cosine": 1e-17}, "q2": None}
    )
    low, high = figure.layout.yaxis.range
    # An exact baseline must not stretch the axis to 1e-17.
    assert low > -8
    assert low < -1 < high
    for trace in figure.data:
        assert all(value >= 10**low for value in trace.y)


def test_epoch_chart_says_the_finding_and_keeps_its_size() -> None:
    short, long = epoch_chart(POINTS[:2]), epoch_chart(POINTS)
    assert long.layout.title.text == "Error on unseen pairs (Q4) fell from 0.4 to 0.1"
    assert short.layout.height == long.layout.height
    assert list(short.layout.xaxis.range) == list(long.layout.xaxis.range) == [0, 20]


def test_labels_at_line_ends_do_not_overlap() -> None:
    same = {key: 0.1 for key in ("mse_mean", "mse_zero", "mse_random", "mse_additive")}
    figure = epoch_chart(POINTS, {name: same for name in QUADRANTS})
    for axis in ("y2", "y4"):
        heights = sorted(n.y for n in figure.layout.annotations if n.yref == axis)
        low, high = figure.layout.yaxis.range
        assert len(heights) == 5
        assert min(np.diff(heights)) >= (high - low) / 12 - 1e-9
        assert heights[-1] <= high


def test_gain_chart_draws_a_line_per_round() -> None:
    curve = gain_curve([3, 2, 1, 3, 2], [1, 1, 1, 2, 2])
    figure = gain_chart(curve)
    assert [list(t.x) for t in figure.data] == [[1, 2, 3], [4, 5]]
    assert [list(t.y) for t in figure.data] == [[3, 5, 6], [3, 5]]
    assert figure.layout.title.text == "After 3 of 5 picks nothing was left to gain: 2 rounds"
    gains = gain_chart(curve, per_pick=True)
    assert [list(t.y) for t in gains.data] == [[3, 2, 1], [3, 2]]
    assert not gain_chart(gain_curve([], [])).data


def test_heatmap_has_pool_rows_across_and_places_from_one() -> None:
    heatmap = _heatmap(4, 3, first=(10, 20))
    figure = heatmap_chart(heatmap, title="t", pool_axis="pool", target_axis="target")
    heat = figure.data[0]
    assert np.array_equal(np.asarray(heat.z), heatmap.values)
    assert list(heat.x) == [10.5, 11.5, 12.5, 13.5, 14.5]
    assert list(heat.y) == [20.5, 21.5, 22.5, 23.5]
    assert list(figure.layout.xaxis.range) == [10.5, 14.5]
    # Downwards.
    assert list(figure.layout.yaxis.range) == [23.5, 20.5]


def test_both_signs_give_a_diverging_scale_around_zero_one_sign_cividis() -> None:
    figure = heatmap_chart(_heatmap(4, 3), title="", pool_axis="", target_axis="")
    heat = figure.data[0]
    assert heat.zmin == -heat.zmax
    colors = [color for _, color in heat.colorscale]
    # Red, green, blue of the ends: the lowest is orange, the highest blue.
    low, high = (tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in (colors[0], colors[-1]))
    assert low[0] > low[2]
    assert high[2] > high[0]
    positive = _heatmap(4, 3)
    object.__setattr__(positive, "values", np.abs(positive.values) + 1)
    one_sign = heatmap_chart(positive, title="", pool_axis="", target_axis="").data[0]
    assert one_sign.zmin > 0
    assert [color for _, color in one_sign.colorscale] != colors


def test_color_range_is_not_dulled_by_a_few_extremes() -> None:
    values = np.full((100, 100), 0.2, dtype=np.float32)
    values[:50] = 0.1
    values[0, 0] = 40.0
    found = color_range(values)
    assert found.clipped
    assert found.hi == pytest.approx(0.2, abs=1e-6)
    values[0, 0] = np.nan
    assert not color_range(values).clipped
    assert color_range(np.full((2, 2), np.nan, np.float32)).hi > 0
    constant = color_range(np.full((3, 3), 0.7, np.float32))
    assert constant.lo < 0.7 < constant.hi
    trace = np.linspace(-0.01, 1, 100, dtype=np.float32)
    assert not color_range(trace).diverging
    assert color_range(trace - 0.5).diverging


@pytest.mark.parametrize(
    ("x", "y", "window"),
    [
        # A box over cells 3 to 5 and 2 to 2, drawn in any direction.
        ([2.6, 5.4], [1.6, 2.4], ((2, 5), (1, 2))),
        ([5.4, 2.6], [2.4, 1.6], ((2, 5), (1, 2))),
        # Exactly on cell borders.
        ([2.5, 5.5], [0.5, 1.5], ((2, 5), (0, 1))),
        # Half a cell more on either side touches those cells.
        ([2.4, 5.6], [0.5, 1.5], ((1, 6), (0, 1))),
        # Beyond the edges.
        ([-9, 99], [-9, 99], ((0, 10), (0, 8))),
        # As thin as a line, and outside of everything.
        ([3.1, 3.1], [50, 60], ((2, 3), (7, 8))),
    ],
)
def test_box_becomes_the_window_of_all_rows_that_it_touches(
    x: list[float], y: list[float], window: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    assert box_window({"box": [{"x": x, "y": y}], "points": []}, (10, 8)) == window


def test_no_box_no_window_and_only_single_clicks_are_pairs() -> None:
    assert box_window(None, (5, 5)) is None
    assert box_window({"box": [], "points": [{"x": 1, "y": 2}]}, (5, 5)) is None
    assert clicked_pair({"box": [], "points": [{"x": 4, "y": 2}]}) == (4, 2)
    assert clicked_pair({"box": [], "points": []}) is None
    box = {"box": [{"x": [1, 2], "y": [1, 2]}], "points": [{"x": 1, "y": 1}]}
    assert clicked_pair(box) is None


def test_small_raw_windows_take_clicks_at_the_middle_of_every_cell() -> None:
    heatmap = _heatmap(4, 3, first=(10, 20))
    assert can_be_clicked(heatmap)
    figure = heatmap_chart(heatmap, title="", pool_axis="", target_axis="", clickable=True)
    marks = figure.data[1]
    assert list(marks.x) == [11, 12, 13, 14] * 3
    assert list(marks.y) == [21] * 4 + [22] * 4 + [23] * 4
    assert [float(text) for text in marks.text] == pytest.approx(
        heatmap.values.ravel().tolist(), rel=1e-2
    )
    assert not can_be_clicked(_heatmap(60, 60))


def test_groups_are_named_at_their_middle_and_texts_are_literal() -> None:
    names = ["a", "a", "<b>x</b>", None, "a"]
    found = groups(names, 5)
    assert found == [Group("a", 5, 6), Group("<b>x</b>", 7, 7), Group("a", 9, 9)]
    figure = heatmap_chart(
        _heatmap(5, 3, first=(4, 0)), title="", pool_axis="", target_axis="", pool_groups=found
    )
    assert list(figure.layout.xaxis.tickvals) == [5.5, 7, 9]
    assert figure.layout.xaxis.ticktext[1] == "&lt;b&gt;x&lt;/b&gt;"
