"""Coverage by beginnings of an order against the same asked anew for each of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncift_core.selection import prefix_coverage
from nncift_core.selection.covered_targets import Covered, target_coverage
from nncift_core.selection.prefix_coverage import PrefixCoverage


def _same(found: Covered, wanted: Covered) -> None:
    for name in ("order", "best_row", "best", "second_row", "second"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 40),
    st.integers(1, 6),
    st.integers(1, 9),
    st.lists(st.integers(-3, 45), min_size=1, max_size=12),
    st.integers(0, 2**16),
)
def test_any_beginning_in_any_sequence(
    n_rows: int, n_target: int, marks: int, asked: list[int], seed: int
) -> None:
    draw = np.random.default_rng(seed)
    # Few values, so that there are ties.
    influence = draw.integers(-2, 4, size=(n_rows + 5, n_target)).astype(np.float32)
    order = draw.permutation(n_rows + 5)[:n_rows]

    def read(positions: np.ndarray) -> np.ndarray:
        return influence[positions]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefix_coverage, "MARKS", marks)
        prefixes = PrefixCoverage(read, order)
        for rows in asked:
            _same(prefixes.first(rows), target_coverage(read, order[: max(0, rows)]))


def test_moving_reads_a_few_rows_only() -> None:
    influence = np.random.default_rng(0).random((6_400, 3), dtype=np.float32)
    read_rows = 0

    def read(positions: np.ndarray) -> np.ndarray:
        nonlocal read_rows
        read_rows += len(positions)
        return influence[positions]

    prefixes = PrefixCoverage(read, np.arange(6_400))
    prefixes.first(3_000)
    assert read_rows <= 3_000
    read_rows = 0
    for rows in (2_999, 1_501, 17, 3_000):
        prefixes.first(rows)
    assert read_rows <= 4 * 100
