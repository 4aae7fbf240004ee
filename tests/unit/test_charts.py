from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nncift_core.network.verdict import QUADRANTS
from nncift_core.pipeline.heatmap import color_range
from nncift_core.selection.curve import gain_curve
from pages._ui.charts import QUADRANT_COLORS, epoch_chart
from pages._ui.influence.score_charts import clicked_place, histogram_chart, score_bars, strip_chart
from pages._ui.quadrants import PAIRS, last_training
from pages._ui.select.charts import gain_chart
from pages._ui.trust.charts import truth_chart

POINTS = [
    {"epoch": float(epoch), "q1": 0.3 / (epoch + 1), "q2": 0.3, "q3": 0.2, "q4": 0.4 / (epoch + 1)}
    for epoch in range(4)
]


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
    assert "estimates 0.1" in labels


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
    short, long = epoch_chart(POINTS[:1]), epoch_chart(POINTS)
    assert long.layout.title.text == "Error on unseen pairs (Q4) fell from 0.400 to 0.100"
    assert short.layout.height == long.layout.height
    assert list(short.layout.xaxis.range) == list(long.layout.xaxis.range) == [0, 20]
    # What is solved instead of trained has a before and an after.
    assert list(epoch_chart(POINTS[:2]).layout.xaxis.range) == [0, 1]


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
    title = figure.layout.title.text.replace("<br>", " ")
    assert title == "After 3 of 5 picks nothing was left to gain: 2 rounds"
    gains = gain_chart(curve, per_pick=True)
    assert [list(t.y) for t in gains.data] == [[3, 2, 1], [3, 2]]
    assert not gain_chart(gain_curve([], [])).data


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


def test_epoch_chart_of_single_rows_has_two_panels() -> None:
    rows = {"q1": "labelled rows", "q4": "unseen rows"}
    figure = epoch_chart(POINTS, quadrants=rows, unseen="unseen rows")
    assert list(_lines(figure)) == ["q1", "q4"]
    assert figure.layout.title.text == "Error on unseen rows (Q4) fell from 0.400 to 0.100"
    assert figure.layout.height < epoch_chart(POINTS).layout.height


@pytest.mark.parametrize(("count", "most"), [(7, 400), (400, 400), (1000, 400), (1001, 3)])
def test_score_bars_hold_every_row_once(count: int, most: int) -> None:
    scores = np.random.default_rng(0).normal(size=count).astype(np.float32)
    scores[::5] = np.nan
    bars = score_bars(scores, most)
    assert len(bars.mean) == min(count, most)
    sizes = np.diff(bars.edges)
    assert sizes.sum() == count
    assert sizes.max() - sizes.min() <= 1
    assert bars.rows_per_bar == sizes.max()
    for bar, (start, stop) in enumerate(zip(bars.edges[:-1], bars.edges[1:], strict=True)):
        known = [value for value in scores[start:stop].tolist() if value == value]
        if known:
            assert bars.mean[bar] == pytest.approx(sum(known) / len(known), rel=1e-5, abs=1e-6)
            assert (bars.lowest[bar], bars.highest[bar]) == (min(known), max(known))
        else:
            assert np.isnan([bars.mean[bar], bars.lowest[bar], bars.highest[bar]]).all()
        for place in (start + 1, stop):
            assert bars.bar_of(int(place)) == bar


def test_strip_chart_places_bars_and_says_what_is_in_them() -> None:
    bars = score_bars(np.array([4, 2, 2, np.nan, np.nan, 1], np.float32), 3)
    figure = strip_chart(bars, title="t", row_axis="rows", marked=5)
    (trace,) = figure.data
    assert list(trace.x) == [1.5, 3.5, 5.5]
    assert list(trace.width) == [2, 2, 2]
    assert list(trace.y) == [3, 2, 1]
    assert trace.hovertext[0] == "rows 1 to 2: mean 3, from 2 to 4"
    assert list(figure.layout.xaxis.range) == [0.5, 6.5]
    assert figure.layout.shapes[0].x0 == 5
    # A low bar can be clicked above it.
    assert figure.layout.hovermode == "x"
    assert figure.layout.yaxis.range[0] == 0
    assert strip_chart(score_bars(np.full(3, np.nan, np.float32)), title="", row_axis="").data


def test_strip_chart_begins_above_zero_only_where_it_says_so() -> None:
    near = strip_chart(score_bars(np.array([2.1, 2.2], np.float32)), title="", row_axis="")
    assert near.layout.yaxis.range[0] > 2
    assert "axis from 2.09" in near.layout.yaxis.title.text
    below = strip_chart(score_bars(np.array([-1.0, 2.0], np.float32)), title="", row_axis="")
    assert below.layout.yaxis.range[0] < -1
    assert "axis" not in below.layout.yaxis.title.text


def test_clicked_bar_gives_its_first_row() -> None:
    bars = score_bars(np.arange(1000, dtype=np.float32), 400)
    figure = strip_chart(bars, title="", row_axis="")
    for bar, x in enumerate(figure.data[0].x):
        assert clicked_place({"points": [{"x": x}]}, bars) == bars.edges[bar] + 1
    assert clicked_place(None, bars) is None
    assert clicked_place({"points": []}, bars) is None
    assert clicked_place({"points": [{"x": 9_999}]}, bars) == bars.edges[-2] + 1


def test_histogram_counts_labelled_and_predicted_rows_apart_in_the_same_bins() -> None:
    predicted = np.array([0, 0.1, 0.2, 1, np.nan], np.float32)
    labelled = np.array([0, 1, 1], np.float32)
    figure = histogram_chart(predicted, labelled, title="t")
    below, above = figure.data
    assert list(below.x) == list(above.x)
    assert (sum(below.y), sum(above.y)) == (4, 3)
    assert (below.y[-1], above.y[-1]) == (1, 2)
    assert figure.layout.barmode == "stack"
    (note,) = figure.layout.annotations
    assert "predicted: 4" in note.text
    assert "labelled: 3" in note.text
    same = histogram_chart(np.full(3, 2.0, np.float32), np.array([], np.float32), title="t")
    assert len(same.data) == 1
    assert not histogram_chart(*[np.array([np.nan], np.float32)] * 2, title="t").data


def test_truth_chart_has_points_by_quadrant_a_band_and_the_line_of_no_error() -> None:
    role = np.array(["q4", "q2", "q4", "q1u"])
    predicted, true = np.float32([0.1, 0.2, 0.5, 0.3]), np.float32([0.2, 0.2, 0.4, 0.1])
    names = {name: PAIRS.words(name) for name in ("q1u", "q2", "q3", "q4")}
    figure = truth_chart(
        role,
        predicted,
        true,
        names=names,
        title="T",
        what="influence",
        half_width=0.25,
        band="90 %",
    )
    band, line, *points = figure.data
    for low, high in zip(band.y[:2], reversed(band.y[2:]), strict=True):
        assert high - low == pytest.approx(0.5)
    assert line.x == line.y
    assert [trace.name for trace in points] == [
        "other pairs of seen rows x seen targets (Q1u): 1",
        "unseen rows x seen targets (Q2): 1",
        "unseen rows x unseen targets (Q4): 2",
    ]
    assert points[-1].x == pytest.approx([0.1, 0.5])
    assert points[-1].y == pytest.approx([0.2, 0.4])
    # Told apart by more than colors.
    assert len({trace.marker.symbol for trace in points}) == 3
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == (
        "predicted influence",
        "true influence",
    )
    without = truth_chart(role, predicted, true, names=names, title="T", what="influence")
    assert len(without.data) == 4


def test_truth_chart_lives_with_constant_predictions_and_with_nothing() -> None:
    constant = truth_chart(
        ["q4"], np.float32([0.5]), np.float32([0.5]), names={"q4": "x"}, title="", what=""
    )
    assert constant.data[0].x[0] < 0.5 < constant.data[0].x[1]
    none = np.empty(0, np.float32)
    assert len(truth_chart([], none, none, names={"q4": "x"}, title="", what="").data) == 1


def test_only_the_network_that_was_trained_last_is_drawn() -> None:
    first = [{"epoch": epoch, "q1": 1.0} for epoch in range(3)]
    assert last_training([*first, *POINTS]) == POINTS
    assert last_training(first) == first
    assert last_training([]) == []
    # What began before the file did.
    assert last_training(first[1:]) == first[1:]


def test_epoch_chart_names_an_error_that_lies_below_the_axis() -> None:
    """The line ends at the axis; the label says what the error is."""
    exact = [{"epoch": 0, **dict.fromkeys(QUADRANTS, 0.4)}]
    exact.append({"epoch": 1, **dict.fromkeys(QUADRANTS, 1e-15)})
    figure = epoch_chart(exact, {name: {"mse_mean": 0.5} for name in QUADRANTS})
    labels = [annotation.text for annotation in figure.layout.annotations]
    assert "estimates 0" in labels
