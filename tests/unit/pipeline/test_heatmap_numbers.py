"""Codes, spreads, common scales and orders of a heatmap against the slow and obvious way."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from nncift_core.pipeline.heatmap import Heatmap
from nncift_core.pipeline.heatmap_codes import HIGHEST_CODE, NO_VALUE, quantised, spread
from nncift_core.pipeline.method_scales import on_common_scale, rank_agreement, share_below
from nncift_core.pipeline.row_orders import Group, RowOrders
from nncift_core.types import Row


@pytest.mark.parametrize("scale", [1e-7, 1.0, 3e8])
def test_values_come_back_from_their_codes(scale: float) -> None:
    values = (np.random.default_rng(0).standard_normal((9, 13)) * scale).astype(np.float32)
    values[2, 3], values[4, 5], values[0, 0] = np.nan, np.inf, -np.inf
    codes = quantised(values)
    known = np.isfinite(values)
    step = (codes.hi - codes.lo) / HIGHEST_CODE
    np.testing.assert_allclose(
        codes.values()[known], values[known], atol=0.51 * step + 1e-6 * scale
    )
    assert np.isnan(codes.values()[~known]).all()
    assert (codes.codes[~known] == NO_VALUE).all()
    assert codes.codes[known].max() == HIGHEST_CODE
    sent = np.frombuffer(base64.b64decode(codes.text), "<u2").reshape(values.shape)
    assert (sent == codes.codes).all()


def test_constant_values_and_no_values_have_codes() -> None:
    codes = quantised(np.full((2, 2), 0.3, np.float32))
    assert codes.values() == pytest.approx(np.full((2, 2), 0.3), rel=1e-6)
    assert np.isnan(quantised(np.full((2, 2), np.nan, np.float32)).values()).all()


def test_spread_counts_every_known_value_once() -> None:
    values = np.array([-5, 0, 0.1, 0.5, 0.99, 1, 7, np.nan], np.float32)
    assert spread(values, 0.0, 1.0, bins=4).tolist() == [3, 0, 1, 3]
    assert spread(values, 0.0, 0.0, bins=2).tolist() == [7, 0]


def test_the_common_scale_is_the_share_of_pairs_that_are_lower() -> None:
    pairs = np.random.default_rng(1).normal(3, 2, 20_000)
    counts, edges = np.histogram(pairs, 200, (-3, 9))
    histogram = {
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "below": int((pairs < -3).sum()),
        "above": int((pairs > 9).sum()),
    }
    values = np.array([[-50, 0, 3], [5, 50, np.nan]], np.float32)
    found = share_below(values, histogram)
    expected = [(pairs < value).mean() for value in values.ravel()[:5]]
    np.testing.assert_allclose(found.ravel()[1:4], expected[1:4], atol=0.005)
    assert found[0, 0] <= 0.005
    assert found[1, 1] >= 0.995
    assert np.isnan(found[1, 2])
    # Another unit makes no difference.
    other = histogram | {"edges": (10 * edges - 4).tolist()}
    np.testing.assert_allclose(share_below(10 * values - 4, other), found, atol=1e-6)
    assert np.isnan(share_below(values, {"edges": [0, 1], "counts": [0]})).all()
    heatmap = Heatmap(values, np.arange(4), np.arange(3), np.arange(3), np.arange(2))
    np.testing.assert_array_equal(on_common_scale(heatmap, histogram).values, found)


def test_rank_agreement_with_ties_and_gaps() -> None:
    one = np.array([1, 2, 2, 4, np.nan, 6], np.float32)
    other = np.array([10, 30, 20, 40, 50, np.nan], np.float32)
    constant = np.ones(6, np.float32)
    table = rank_agreement([one, other, constant])
    assert table[0][0] == pytest.approx(1.0)
    # Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4 of the four rows that both know.
    expected = np.corrcoef([1, 2.5, 2.5, 4], [1, 3, 2, 4])[0, 1]
    assert table[0][1] == table[1][0] == pytest.approx(expected)
    assert table[0][2] is None
    assert rank_agreement([-other, other])[0][1] == pytest.approx(-1.0)
    assert rank_agreement([one[:2], other[:2]])[0][1] is None


def rows(*subtasks: str | None) -> list[Row]:
    return [
        Row(f"{i:016x}-0", "p" * (7 - i), "r", subtask=subtask)
        for i, subtask in enumerate(subtasks)
    ]


def test_orders_and_places_and_groups() -> None:
    found = RowOrders(
        rows("b", None, "a", "b", "a"),
        lambda: np.array([0.1, np.nan, 0.9, 0.9, -1], np.float32),
        lambda: np.array([1, 0, 1, 0, 2]),
    )
    assert found.known() == ("influence", "subtask", "cluster", "length", "input")
    assert found.order("influence").tolist() == [2, 3, 0, 4, 1]
    assert found.order("subtask").tolist() == [2, 4, 0, 3, 1]
    assert found.order("cluster").tolist() == [1, 3, 0, 2, 4]
    assert found.order("length").tolist() == [4, 3, 2, 1, 0]
    assert found.order("input").tolist() == [0, 1, 2, 3, 4]
    for by in found.known():
        order = found.order(by)
        assert found.places(by)[order].tolist() == [0, 1, 2, 3, 4]
        # Found once.
        assert found.order(by) is order
    assert found.groups("subtask", (0, 5)) == [Group("a", 0, 2), Group("b", 2, 4), Group("", 4, 5)]
    assert found.groups("subtask", (1, 3)) == [Group("a", 1, 2), Group("b", 2, 3)]
    assert found.groups("cluster", (0, 2)) == [Group("cluster 0", 0, 2)]
    assert found.groups("influence", (0, 5)) == []
    assert found.groups("subtask", (0, 5), most=2) == []


def test_orders_without_subtasks_and_clusters_that_come_later() -> None:
    clusters: list[np.ndarray | None] = [None]
    found = RowOrders(rows(None, None), lambda: np.zeros(2, np.float32), lambda: clusters[0])
    assert found.known() == ("influence", "length", "input")
    clusters[0] = np.array([1, 0])
    assert "cluster" in found.known()
    assert found.order("cluster").tolist() == [1, 0]
    # Clusters of another pool mean nothing here.
    clusters[0] = np.array([1, 0, 2])
    other = RowOrders(rows(None, None), lambda: np.zeros(2, np.float32), lambda: clusters[0])
    assert "cluster" not in other.known()


def test_clusters_that_are_found_later_order_rows_from_then_on() -> None:
    from nncift_core.pipeline.row_orders import RowOrders
    from nncift_core.types import Row

    found: list[np.ndarray] = []
    rows = [Row(f"{i}", "a", "b", None, None) for i in range(4)]
    orders = RowOrders(rows, lambda: np.zeros(4, np.float32), lambda: found[0] if found else None)
    assert orders.order("cluster").tolist() == orders.places("cluster").tolist() == [0, 1, 2, 3]
    found.append(np.array([1, 0, 1, 0]))
    assert orders.order("cluster").tolist() == [1, 3, 0, 2]
    assert orders.places("cluster").tolist() == [2, 0, 3, 1]
    assert [group.name for group in orders.groups("cluster", (0, 4))] == ["cluster 0", "cluster 1"]
