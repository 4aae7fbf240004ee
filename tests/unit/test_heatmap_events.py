"""What the heatmap asks for, and what it is told, as numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nncift_core.pipeline.heatmap import ColorRange
from pages._ui.influence.heatmap_component import CIVIDIS, DIVERGING, bar_ticks
from pages._ui.influence.heatmap_events import LEAST_ROWS, Pair, answer, turn_of
from pages._ui.influence.window import WHOLE, Window
from pages._ui.method_colors import METHOD_COLORS, method_color

SIZE = (100, 40)


def ask(kind: str, pool: Any = None, target: Any = None, shown: Window = WHOLE) -> Any:
    return answer({"kind": kind, "pool": pool, "target": target, "turn": 3}, shown, SIZE)


@pytest.mark.parametrize(
    ("pool", "target", "window"),
    [
        # A box over the cells 2 to 4 and 1, drawn in any direction.
        ([2.1, 4.9], [1.1, 1.9], ((2, 5), (1, 2))),
        ([4.9, 2.1], [1.9, 1.1], ((2, 5), (1, 2))),
        # Exactly on the borders of cells, up to rounding.
        ([2.0000000001, 5.0], [0.0, 1.0], ((2, 5), (0, 1))),
        # Beyond the ends, as thin as a line, and outside of everything.
        ([-9, 999], [-9, 999], (None, None)),
        ([3.1, 3.1], [50, 60], ((3, 4), (39, 40))),
    ],
)
def test_a_box_shows_every_row_that_it_touches(pool: Any, target: Any, window: Any) -> None:
    assert ask("box", pool, target) == Window(*window)


def test_a_view_that_rests_shows_the_nearest_rows() -> None:
    assert ask("window", [2.4, 7.6], [1.6, 3.4]) == Window((2, 8), (2, 3))
    assert ask("window", [0.2, 100], [0, 39.8]) == WHOLE
    assert ask("window", [99.7, 99.9], [3, 3]) == Window((99, 100), (3, 4))


def test_zooming_in_ends_at_one_pair_and_zooming_out_at_everything() -> None:
    shown = WHOLE
    for _ in range(20):
        (a, b), (c, d) = shown.pool or (0, 100), shown.target or (0, 40)
        # As the component does it: half of what is in view around its middle, one row at least.
        sides = [
            ((first + last) / 2 - span / 2, (first + last) / 2 + span / 2)
            for first, last, span in ((a, b, max(1, (b - a) / 2)), (c, d, max(1, (d - c) / 2)))
        ]
        shown = ask("window", *map(list, sides))
    assert [last - first for first, last in (shown.pool, shown.target)] == [1, 1]
    for _ in range(20):
        shown = ask("out", shown=shown)
    assert shown == WHOLE


def test_a_cell_of_one_pair_is_opened_and_one_of_several_is_looked_into() -> None:
    assert ask("cell", [7, 8], [3, 4]) == Pair(7, 3)
    assert ask("cell", [20, 60], [0, 13]) == Window((20, 60), (0, 13))
    # Very few rows get some beside them, also at an end.
    found = ask("cell", [98, 100], [3, 4])
    assert found == Window((100 - LEAST_ROWS, 100), (0, LEAST_ROWS))
    assert answer({"kind": "cell", "pool": [0, 2], "target": [0, 1]}, WHOLE, (3, 1)) == WHOLE


@pytest.mark.parametrize(
    "event",
    [
        None,
        "out",
        {},
        {"kind": "window"},
        {"kind": "window", "pool": [1, 2]},
        {"kind": "box", "pool": [1, None], "target": [1, 2]},
        {"kind": "box", "pool": [1, math.nan], "target": [1, 2]},
        {"kind": "cell", "pool": [1, "2"], "target": [1, 2]},
        {"kind": "cell", "pool": [1, 2, 3], "target": [1, 2]},
        {"kind": "drop", "pool": [1, 2], "target": [1, 2]},
    ],
)
def test_what_cannot_be_understood_asks_for_nothing(event: Any) -> None:
    assert answer(event, WHOLE, SIZE) is None


def test_turns_are_whole_numbers() -> None:
    assert turn_of({"turn": 1_790_000_000_123}) == 1_790_000_000_123
    for event in (None, {}, {"turn": "x"}, {"turn": math.inf}, {"turn": True}):
        assert turn_of(event) == 0


def test_the_whole_is_shown_again() -> None:
    assert ask("whole", shown=Window((3, 9), None)) == WHOLE


def test_both_ends_of_a_diverging_bar_have_their_sign_and_its_middle_is_zero() -> None:
    ticks = bar_ticks(ColorRange(-0.25, 0.25, diverging=True, clipped=False))
    assert ticks == [(0.0, "-0.250"), (0.5, "0"), (1.0, "+0.250")]
    ticks = bar_ticks(ColorRange(0.1, 0.3, diverging=False, clipped=False))
    assert [words for _, words in ticks] == ["0.100", "0.200", "0.300"]


def test_orange_hurts_blue_helps_and_the_middle_is_neither() -> None:
    low, middle, high = (
        tuple(int(DIVERGING[at][i : i + 2], 16) for i in (1, 3, 5)) for at in (0, 2, -1)
    )
    assert low[0] > low[2]
    assert high[2] > high[0]
    assert len(set(middle)) == 1
    # Cividis rises in lightness all the way.
    lightness = [
        0.2126 * int(c[1:3], 16) + 0.7152 * int(c[3:5], 16) + 0.0722 * int(c[5:], 16)
        for c in CIVIDIS
    ]
    assert lightness == sorted(lightness)


def test_every_method_has_one_colour() -> None:
    assert len(set(METHOD_COLORS.values())) == len(METHOD_COLORS)
    assert method_color("less") == METHOD_COLORS["less"]
    assert method_color("unknown") == method_color("unknown")
