"""The charts of studies: what they draw, what they say, and that they keep their size."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from nncift_core.network import ESTIMATORS
from nncift_core.network.verdict import QUADRANTS
from nncift_core.studies.common_scale import common_scale, on_common_scale
from pages._ui.quadrants import ROWS
from pages._ui.studies.charts import NETWORK_COLORS, label_chart, names_beside
from pages._ui.studies.lines import label_words, network_line, size_words
from pages._ui.studies.network_size_chart import USED_COLOR, size_chart


def quadrant(r2: float | None, mse: float, *, spread: float = 0.05) -> dict[str, Any]:
    return {
        "n": 500, "mse": mse, "mse_ci": [mse / 2, mse * 2], "r2": r2,
        "r2_ci": None if r2 is None else [r2 - spread, r2 + spread],
        "variance": 0.08, "mse_mean": 0.08, "mse_additive": None, "mse_cosine": 0.02,
    }  # fmt: skip


def label_point(u: float, network: str, r2: float, *, seed: int = 0, hi: float = 1.0) -> Any:
    mse = 0.08 * (1 - r2)
    quadrants = {"q1": quadrant(r2, mse), "q2": None, "q3": quadrant(None, mse)}
    return {
        "name": f"u{u:g}-{network}-s{seed}", "fraction": u, "network": network, "seed": seed,
        "lo": 0.0, "hi": hi, "quadrants": {**quadrants, "q4": quadrant(r2, mse)},
    }  # fmt: skip


LABEL_POINTS = [
    label_point(0.4, "paper", 0.6, hi=2.0),
    label_point(0.1, "paper", 0.2),
    label_point(0.1, "auto", 0.3),
    label_point(0.4, "auto", 0.8, hi=2.0),
]


def size_point(shape: tuple[int, ...], parameters: int, mse: float, training: str = "paper") -> Any:
    return {
        "name": "-".join(map(str, shape)), "shape": list(shape), "parameters": parameters,
        "training": training, "fraction": 0.05, "seconds": 3.0, "lo": 0.0, "hi": 1.0,
        "quadrants": {name: quadrant(1 - mse / 0.08, mse) for name in QUADRANTS},
    }  # fmt: skip


SIZE_POINTS = on_common_scale(
    [
        size_point((5,), 171, 0.06),
        size_point((100,), 3_401, 0.03),
        size_point((500, 200), 116_901, 0.02),
        size_point((500, 200), 116_901, 0.015, "longer"),
    ]
)


def lines(figure: Any) -> list[Any]:
    return [trace for trace in figure.data if trace.mode == "lines+markers"]


def test_one_scale_for_all_points_and_r2_of_baselines() -> None:
    assert common_scale([]) is None
    assert on_common_scale([]) == []
    assert common_scale(LABEL_POINTS) == {"lo": 0.0, "hi": 2.0}
    scaled = on_common_scale(LABEL_POINTS)
    for before, after in zip(LABEL_POINTS, scaled, strict=True):
        q4, was = after["quadrants"]["q4"], before["quadrants"]["q4"]
        assert q4["mse"] == pytest.approx(was["mse"] / 4)
        assert q4["mse_ci"] == pytest.approx([end / 4 for end in was["mse_ci"]])
        assert (q4["r2"], q4["r2_mean"], q4["r2_additive"]) == (was["r2"], 0.0, None)
        assert q4["r2_cosine"] == pytest.approx(0.75)
        assert after["quadrants"]["q2"] is None
        # Without R² of the estimate there is none of a baseline either.
        assert after["quadrants"]["q3"]["r2_mean"] is None
    # The points that were given are as they were.
    assert LABEL_POINTS[0]["quadrants"]["q4"]["variance"] == 0.08


def test_every_estimator_has_a_color_of_its_own() -> None:
    assert set(NETWORK_COLORS) == set(ESTIMATORS)
    assert len(set(NETWORK_COLORS.values())) == len(ESTIMATORS)


def test_label_chart_draws_every_network_in_every_quadrant() -> None:
    points = on_common_scale(LABEL_POINTS)
    figure = label_chart(points, fractions=(0.1, 0.4))
    drawn = {(t.xaxis, t.name): (list(t.x), list(t.y)) for t in lines(figure)}
    assert len(drawn) == 8
    assert drawn["x4", "Paper"] == ([10, 40], [0.2, 0.6])
    assert drawn["x", "Best on kept-out labels"] == ([10, 40], [0.3, 0.8])
    assert drawn["x2", "Paper"] == ([], [])
    bands = [trace for trace in figure.data if trace.fill == "toself"]
    assert list(bands[0].y) == pytest.approx([0.25, 0.65, 0.55, 0.15])
    # Baselines are thin, beside the right column by name, and no name is in the legend twice.
    beside = [note for note in figure.layout.annotations if note.xref == "x4 domain"]
    named = [(note.text, note.y) for note in beside if note.xanchor == "left"]
    assert [text for text, _ in named] == ["mean label 0", "plain cosine 0.75"]
    low, high = figure.layout.yaxis.range
    assert named[1][1] == pytest.approx((0.75 - low) / (high - low))
    assert not [n for n in figure.layout.annotations if n.xref in ("x domain", "x3 domain")]
    legend = [trace.name for trace in figure.data if trace.showlegend]
    assert legend == ["Paper", "Best on kept-out labels"]
    assert figure.layout.title.text == (
        "R² on unseen pairs (Q4): 0.300 at u = 10 %, 0.800 at 40 % (best on kept-out labels)"
    )
    assert figure.layout.yaxis.title.text == "R² (1 = exact)"
    assert "u" in figure.layout.xaxis3.title.text
    assert figure.layout.xaxis.range[1] > 40


def test_label_chart_keeps_its_size_from_nothing_to_all_points() -> None:
    nothing = label_chart([], fractions=(0.1, 0.4))
    one = label_chart(on_common_scale(LABEL_POINTS[1:2]), fractions=(0.1, 0.4))
    every = label_chart(on_common_scale(LABEL_POINTS), fractions=(0.1, 0.4))
    assert nothing.layout.height == one.layout.height == every.layout.height
    assert nothing.layout.xaxis.range == one.layout.xaxis.range == every.layout.xaxis.range
    assert "How many labels" in nothing.layout.title.text
    # A single point has no band but bars.
    (paper, *_) = [trace for trace in lines(one) if trace.xaxis == "x4"]
    assert list(paper.error_y.array) == pytest.approx([0.05])
    assert list(paper.error_y.arrayminus) == pytest.approx([0.05])


def test_squared_errors_have_a_logarithmic_axis_that_holds_them() -> None:
    figure = label_chart(on_common_scale(LABEL_POINTS), "mse")
    assert figure.layout.yaxis.type == "log"
    low, high = figure.layout.yaxis.range
    for trace in figure.data:
        assert all(10**low <= value <= 10**high for value in trace.y)
    assert "Squared error on unseen pairs" in figure.layout.title.text


def test_r2_far_below_zero_is_drawn_at_the_edge_and_said() -> None:
    figure = label_chart(on_common_scale([label_point(0.1, "paper", -7.0)]))
    low, _ = figure.layout.yaxis.range
    (trace,) = [t for t in lines(figure) if t.xaxis == "x4"]
    assert trace.y[0] == low >= -1
    assert trace.customdata[0][0] == "-7.00"


def test_names_of_baselines_never_overlap() -> None:
    ends = {"mse_mean": 0.5, "mse_additive": 0.501, "mse_cosine": 0.502}
    notes = names_beside(ends, "r2", (0.0, 1.02), 1)
    heights = [note["y"] for note in notes]
    assert [note["text"].split(" 0")[0] for note in notes] == [
        "mean label", "row + column mean", "plain cosine",
    ]  # fmt: skip
    assert all(after - before > 0.07 for before, after in pairwise(heights))
    assert names_beside(ends, "r2", (0.0, 1.02), 0) == []


def test_several_seeds_are_a_mean_and_their_ends() -> None:
    points = on_common_scale(
        [label_point(0.1, "paper", r2, seed=s) for s, r2 in enumerate((0.2, 0.3, 0.7))]
    )
    (mean,) = network_line(points, "paper", "q4", "r2")
    assert (mean.x, mean.low, mean.high, mean.seeds) == (10, 0.2, 0.7, 3)
    assert mean.value == pytest.approx(0.4)
    assert "3 seeds" in lines(label_chart(points))[0].customdata[0][1]


def test_single_rows_have_two_panels() -> None:
    figure = label_chart(on_common_scale(LABEL_POINTS), quadrants=ROWS.quadrants, noun="row")
    assert {trace.xaxis for trace in lines(figure)} == {"x", "x2"}
    assert figure.layout.height < label_chart([]).layout.height
    assert figure.layout.xaxis.title.text == "labelled rows, u"


def test_size_chart_has_a_mark_a_shape_and_a_ring_around_the_papers() -> None:
    figure = size_chart(SIZE_POINTS)
    assert figure.layout.xaxis.type == "log"
    marks = [t for t in figure.data if t.mode == "markers" and t.xaxis == "x4"]
    named = {trace.name: trace for trace in marks}
    assert set(named) == {"1 layer", "2 layers", "2 layers, longer", "the paper's (100)"}
    assert list(named["1 layer"].x) == [171, 3_401]
    assert named["1 layer"].customdata[1][0] == "100"
    assert named["2 layers, longer"].marker.symbol.endswith("-open")
    ring = named["the paper's (100)"]
    assert list(ring.x) == [3_401]
    assert ring.marker.color == USED_COLOR
    legend = [trace.name for trace in figure.data if trace.showlegend]
    assert sorted(legend) == sorted(named)
    assert figure.layout.title.text == (
        "Least error on unseen pairs (Q4): 0.0150, shape 500-200 with 116,901 parameters"
    )
    assert "How large" in size_chart([]).layout.title.text
    assert size_chart([]).layout.height == figure.layout.height
    assert size_chart(SIZE_POINTS, "r2").layout.yaxis.title.text == "R² (1 = exact)"


def test_text_alternatives() -> None:
    words = label_words(on_common_scale(LABEL_POINTS), "r2", QUADRANTS)
    assert "Paper: trained pairs (Q1) 0.200 at u = 10 % to 0.600 at 40 %" in words
    assert "Q2" not in words
    assert label_words([], "r2", QUADRANTS) == "No R² is known yet."
    words = size_words(SIZE_POINTS, "mse", QUADRANTS)
    assert "unseen targets (Q4) best 0.0150 with shape 500-200, 116,901 parameters" in words
    assert size_words([], "mse", QUADRANTS) == "No Squared error is known yet."
