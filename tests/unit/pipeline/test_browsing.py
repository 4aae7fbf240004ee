"""Pages of a live selection: order, counts and what lies between two selections."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nncift_core.errors import ConfigError
from nncift_core.pipeline import browsing
from nncift_core.selection_config import SelectionConfig
from nncift_core.types import Row


def _rows(count: int) -> list[Row]:
    return [Row(f"{i:016x}-0", f"Prompt {i}", "Straße" if i % 2 else "road") for i in range(count)]


def _shown(order: list[int], n_rows: int, n_train: int = 8) -> browsing.Shown:
    """An order of a pool, explained by nothing but numbers."""
    reasons = SimpleNamespace(
        counts=lambda: {"banned": 2},
        positions=lambda kind: np.array([6, 7]),
        reasons=lambda positions: [f"because {p}" for p in positions],
    )
    pool = _rows(n_train)
    live: Any = SimpleNamespace(
        order=np.array(order),
        gain=np.arange(len(order), 0, -1, dtype=np.float64),
        round=np.ones(len(order), dtype=np.int32),
        phase=np.array([0, 1, *[2] * (len(order) - 2)], dtype=np.int8),
        row_ids=[row.id for row in pool],
        objective="fl",
    )
    desk: Any = SimpleNamespace(
        roles=SimpleNamespace(pool=pool), input_row=lambda position: position + 101
    )
    shown = browsing.Shown(desk, live, n_rows)
    # Taken from the cache of the properties, so that no run is needed.
    shown.__dict__["explanation"] = SimpleNamespace(left_out=reasons)
    shown.__dict__["why"] = [f"pick {p}" for p in order]
    return shown


def _mask(*positions: int) -> np.ndarray:
    return np.isin(np.arange(8), positions)


def test_pages_of_chosen_rows_join_to_the_prefix() -> None:
    shown = _shown([5, 0, 3, 1, 2], 4)
    first, total = shown.chosen_page(limit=3)
    rest, again = shown.chosen_page(offset=3, limit=3)
    assert total == again == 4
    assert [line.position for line in [*first, *rest]] == [5, 0, 3, 1]
    assert [line.rank for line in [*first, *rest]] == [1, 2, 3, 4]
    assert [line.why for line in first] == ["pick 5", "pick 0", "pick 3"]
    # As the Data page counts: places in the stored dataset, not in the pool.
    assert first[0].input_row == 106
    # A search keeps the ranks.
    found, total = shown.chosen_page(mask=_mask(1, 3, 4))
    assert [(line.rank, line.position) for line in found] == [(3, 3), (4, 1)]
    assert total == 2


def test_left_out_rows_begin_with_the_next_pick_and_hold_each_other_row_once() -> None:
    shown = _shown([5, 0, 3, 1, 2], 2)
    lines, total = shown.left_out_page()
    assert [line.position for line in lines] == [3, 1, 2, 4, 6, 7]
    assert total == 6
    assert lines[0].why == "because 3"
    banned, total = shown.left_out_page(kind="banned")
    assert [line.position for line in banned] == [6, 7]
    assert total == 2
    searched, _ = shown.left_out_page(kind="banned", mask=_mask(1, 7))
    assert [line.position for line in searched] == [7]


def test_demands_count_in_the_whole_order_so_that_a_small_budget_shows_it() -> None:
    assert _shown([5, 0, 3, 1], 1).demanded == 2
    assert _shown([5, 0, 3, 1], 0).rounds == 0
    assert _shown([5, 0, 3, 1], 0).score_range is None
    assert _shown([5, 0, 3, 1], 2).score_range == (3.0, 4.0)


@pytest.mark.parametrize(
    ("before", "after", "left", "came"),
    [([1, 2, 3], [3, 2, 1], 0, 0), ([1, 2, 3], [3, 4], 2, 1), ([], [1], 0, 1)],
)
def test_change_counts_rows_and_not_their_order(
    before: list[int], after: list[int], left: int, came: int
) -> None:
    found = browsing.change(np.array(before, dtype=np.int64), np.array(after, dtype=np.int64))
    assert (found.left, found.came, found.any) == (left, came, bool(left or came))


def test_large_pools_are_ordered_whole_only_when_asked() -> None:
    plain = SelectionConfig()
    assert browsing.rows_to_order(2_000, 10, plain) == 2_000
    assert browsing.rows_to_order(100_000, 10, plain) == 10_000
    assert browsing.rows_to_order(100_000, 10_001, plain) == 30_000
    assert browsing.rows_to_order(100_000, 30_000, plain) == 30_000
    assert browsing.rows_to_order(100_000, 30_001, plain) == 100_000
    # A share of the budget makes another order for each budget.
    share = SelectionConfig(quota="cluster:1=..0.2")
    assert browsing.rows_to_order(2_000, 10, share) == 10
    assert browsing.rows_to_order(2_000, 10, SelectionConfig(quota="cluster:1=..2")) == 2_000
    with pytest.raises(ConfigError):
        browsing.rows_to_order(5_000, 10, SelectionConfig(quota="cluster"))
