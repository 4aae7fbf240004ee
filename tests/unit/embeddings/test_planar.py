from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncift_core.embeddings.planar import (
    MOST_CORNERS,
    SIDE,
    area_text,
    inside,
    nearest_points,
    quantised,
    read_area,
    unquantised,
)
from nncift_core.errors import ConfigError

Corner = tuple[int, int]


def slow_inside(point: Corner, corners: list[Corner]) -> bool:
    """On an edge, or a ray to the right crosses an odd number of edges: exact fractions."""
    x, y = point
    crossings = 0
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        turn = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        if turn == 0 and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
            return True
        if (y0 <= y) != (y1 <= y):
            crosses = x0 + Fraction((y - y0) * (x1 - x0), y1 - y0)
            crossings += crosses > x
    return crossings % 2 == 1


small = st.integers(0, 12)
corner = st.tuples(small, small)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(corner, min_size=3, max_size=9))
def test_inside_agrees_with_a_slow_rule_for_any_outline(corners: list[Corner]) -> None:
    points = np.array([(x, y) for x in range(13) for y in range(13)], dtype=np.uint16)
    expected = [i for i, (x, y) in enumerate(points.tolist()) if slow_inside((x, y), corners)]
    assert inside(points, corners).tolist() == expected


def test_inside_at_full_range_has_no_overflow() -> None:
    points = np.array([(0, 0), (SIDE, SIDE), (SIDE, 0), (100, 65_000)], dtype=np.uint16)
    triangle = [(0, 0), (SIDE, SIDE), (0, SIDE)]
    assert inside(points, triangle).tolist() == [0, 1, 3]
    square = [(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)]
    assert inside(points, square).tolist() == [0, 1, 2, 3]


def test_points_are_fine_to_half_a_step_and_stay_in_range() -> None:
    places = np.random.default_rng(0).random((500, 2)).astype(np.float32)
    places[0], places[1] = (0, 1), (1, 0)
    points = quantised(places)
    assert points.dtype == np.uint16
    assert points[:2].tolist() == [[0, SIDE], [SIDE, 0]]
    assert np.abs(unquantised(points) - places).max() <= 0.5 / SIDE + 1e-7


def test_nearest_points_are_those_of_a_slow_search() -> None:
    random = np.random.default_rng(1)
    points = random.integers(0, 40, (200, 2)).astype(np.uint16)
    for x, y in random.integers(0, 40, (20, 2)).tolist():
        away = [(x - a) ** 2 + (y - b) ** 2 for a, b in points.tolist()]
        expected = sorted(range(200), key=lambda i: (away[i], i))[:7]
        assert nearest_points(points, (x, y), 7).tolist() == expected
    assert len(nearest_points(points[:3], (0, 0), 7)) == 3
    assert len(nearest_points(points[:0], (0, 0), 7)) == 0


def test_areas_come_back_from_their_text() -> None:
    corners = [(0, SIDE), (17, 4096), (SIDE, 1)]
    assert read_area(area_text(corners)) == corners


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00ff",
        "0" * 16,
        "g" * 24,
        "0" * 23,
        "0" * 8 * (MOST_CORNERS + 1),
        "<script>",
        "ＦＦＦＦ" * 6,
    ],
)
def test_texts_that_are_no_area_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no outline"):
        read_area(text)
