"""The list of shapes, and parameter counts against networks that exist."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nncift_core.studies.deep_network import DeepNetwork
from nncift_core.studies.shapes import (
    LARGE_PARAMETERS,
    SHAPES,
    SMALL_PARAMETERS,
    USED_SHAPE,
    WIDTHS,
    choose_shapes,
    count_parameters,
    label_of,
    shape_name,
)


def test_46_distinct_tapering_shapes_of_1_to_5_layers() -> None:
    assert len(SHAPES) == 46 == len(set(SHAPES))
    assert {len(shape) for shape in SHAPES} == {1, 2, 3, 4, 5}
    assert {width for shape in SHAPES for width in shape} == set(WIDTHS)
    for shape in SHAPES:
        assert all(before > after for before, after in pairwise(shape)), shape
    assert USED_SHAPE in SHAPES


def test_widths_are_the_twelve_of_the_paper() -> None:
    assert WIDTHS == (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 3000, 4000, 5000)


@pytest.mark.parametrize("sides", [(16, 16), (24, 0), (7, 3)])
def test_parameter_counts_are_those_of_the_networks(sides: tuple[int, int]) -> None:
    for shape in SHAPES:
        if shape[0] <= 500:
            network = DeepNetwork(shape, *sides)
            assert network.parameter_count == count_parameters(shape, *sides), shape
    # By hand: 2 x 1024 inputs, 100 hidden units, one output.
    assert count_parameters((100,), 1024, 1024) == 205_001


def test_large_shapes_only_on_request_and_small_ones_alone() -> None:
    usual, small = choose_shapes(384, 384), choose_shapes(384, 384, small=True)
    everything = choose_shapes(384, 384, large=True)
    counts = [count_parameters(shape, 384, 384) for shape in everything]
    assert counts == sorted(counts)
    assert set(everything) == set(SHAPES)
    assert set(usual) == {
        s for s, c in zip(everything, counts, strict=True) if c <= LARGE_PARAMETERS
    }
    assert 0 < len(everything) - len(usual) < 6
    assert set(small) == {
        s for s, c in zip(everything, counts, strict=True) if c <= SMALL_PARAMETERS
    }
    assert USED_SHAPE in small
    # Asking for both means small.
    assert choose_shapes(384, 384, small=True, large=True) == small


def test_names_and_words() -> None:
    assert shape_name((500, 200, 100)) == "500-200-100"
    assert len({shape_name(shape) for shape in SHAPES}) == 46
    assert label_of((2000,)) == "1 layer of 2,000 units"
    assert label_of((500, 200, 100)) == "3 layers of 500, 200 and 100 units"
