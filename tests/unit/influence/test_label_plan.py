"""The label plan: seeded random blocks, reserved rows apart, sizes, refusals."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncift_core.errors import ConfigError
from nncift_core.influence.label_plan import LabelPlan, plan_block, plan_labels, plan_rows


def rows_of(plan: LabelPlan) -> tuple[set[int], set[int], set[int], set[int]]:
    """Labelled and reserved helpers, labelled and reserved helped."""
    blocks = {block.role: block for block in plan.blocks}
    empty: np.ndarray = np.empty(0, dtype=np.int64)
    reserved_helpers = blocks["q2"].helpers if "q2" in blocks else empty
    reserved_helped = blocks["q3"].helped if "q3" in blocks else empty
    return (
        set(blocks["q1"].helpers.tolist()),
        set(reserved_helpers.tolist()),
        set(blocks["q1"].helped.tolist()),
        set(reserved_helped.tolist()),
    )


def test_sizes_of_the_defaults() -> None:
    plan = plan_block(15_000, 5_000, 0.05, seed=0)
    shapes = {b.role: (len(b.helpers), len(b.helped)) for b in plan.blocks}
    assert shapes == {"q1": (750, 250), "q2": (32, 16), "q3": (32, 16), "q4": (32, 16)}
    assert plan.training_pairs == 750 * 250
    assert plan.evaluation_pairs == 3 * 512


def test_sizes_on_the_demo() -> None:
    # A fifth of 100 labelled pool rows; of 20 labelled target rows a fifth would be below 8.
    plan = plan_block(2_000, 400, 0.05, seed=0)
    shapes = {b.role: (len(b.helpers), len(b.helped)) for b in plan.blocks}
    assert shapes == {"q1": (100, 20), "q2": (20, 20), "q3": (64, 8), "q4": (20, 8)}


@settings(max_examples=150, deadline=None)
@given(
    n_train=st.integers(2, 4_000),
    n_target=st.integers(2, 1_500),
    fraction=st.floats(0.005, 1.0),
    seed=st.integers(0, 1000),
)
def test_any_size(n_train: int, n_target: int, fraction: float, seed: int) -> None:
    try:
        plan = plan_block(n_train, n_target, fraction, seed)
    except ConfigError as error:
        _check_refusal(error, n_train, n_target, fraction, seed)
        return
    helpers, reserved_helpers, helped, reserved_helped = rows_of(plan)
    assert plan.training_pairs == len(helpers) * len(helped) >= 16
    for labelled, reserved, n_rows, most in (
        (helpers, reserved_helpers, n_train, 32),
        (helped, reserved_helped, n_target, 16),
    ):
        assert labelled.isdisjoint(reserved)
        assert labelled | reserved <= set(range(n_rows))
        assert len(labelled) <= max(1, round(fraction * n_rows))
        assert len(reserved) <= max(8, min(most, round(fraction * n_rows) // 5))
        # On tiny data, but never more than half of the rows.
        assert len(reserved) >= min(8, n_rows // 2)
        assert len(labelled) + len(reserved) <= n_rows
    for block in plan.blocks:
        for side in (block.helpers, block.helped):
            assert side.dtype == np.int64
            assert (np.diff(side) > 0).all()
        if block.role != "q1":
            assert 0 < block.n_pairs <= 512
    by_role = {block.role: block for block in plan.blocks}
    assert [b.role for b in plan.blocks] == ["q1", "q2", "q3", "q4"]
    assert set(by_role["q2"].helped.tolist()) <= helped
    assert set(by_role["q3"].helpers.tolist()) <= helpers
    assert set(by_role["q4"].helpers.tolist()) == reserved_helpers
    assert set(by_role["q4"].helped.tolist()) == reserved_helped
    assert plan.evaluation_pairs == sum(by_role[role].n_pairs for role in ("q2", "q3", "q4"))


def _check_refusal(
    error: ConfigError, n_train: int, n_target: int, fraction: float, seed: int
) -> None:
    assert str(fraction) in error.message
    found = re.search(r"fraction of ([0-9.]+) or more", error.hint)
    if found is None:
        assert "--exact" in error.hint
        for enough in (0.25, 0.5, 0.75, 1.0):
            with pytest.raises(ConfigError):
                plan_block(n_train, n_target, enough, seed)
        return
    would_do = float(found[1])
    assert would_do > fraction
    for enough in {would_do, (1 + would_do) / 2, 1.0}:
        assert plan_block(n_train, n_target, enough, seed).training_pairs >= 16


def test_too_few_pairs_name_the_fraction_that_would_do() -> None:
    with pytest.raises(ConfigError, match=r"fraction of 0\.05 gives 3 x 2 = 6 training") as caught:
        plan_block(60, 40, 0.05, seed=0)
    assert caught.value.hint == "Use a label fraction of 0.1 or more, or --exact."
    assert plan_block(60, 40, 0.1, seed=0).training_pairs >= 16
    with pytest.raises(ConfigError) as caught:
        plan_block(4, 4, 1.0, seed=0)
    assert caught.value.hint == "Use --exact, or give more rows."


def test_same_seed_same_plan_and_other_seed_another() -> None:
    def flat(seed: int) -> list[tuple[str, bytes, bytes]]:
        plan = plan_block(500, 200, 0.1, seed)
        return [(b.role, b.helpers.tobytes(), b.helped.tobytes()) for b in plan.blocks]

    assert flat(3) == flat(3)
    assert flat(3) != flat(4)


def test_rows_are_drawn_from_everywhere() -> None:
    """Not the first u of the rows, nor the last, on any side, for labels and reserve alike."""
    counts = [np.zeros(400), np.zeros(400), np.zeros(200), np.zeros(200)]
    for seed in range(200):
        for count, rows in zip(counts, rows_of(plan_block(400, 200, 0.1, seed)), strict=True):
            assert rows != set(range(len(rows)))
            count[sorted(rows)] += 1
    for count in counts:
        quarters = count.reshape(4, -1).sum(axis=1) / count.sum()
        np.testing.assert_allclose(quarters, 0.25, atol=0.03)
        assert count.max() < 6 * max(1.0, count.mean())


def test_measured_parts_of_labelled_rows_are_drawn_too() -> None:
    """Q2 takes part of the labelled targets, Q3 part of the labelled pool rows: at random."""
    places = np.zeros(750)
    for seed in range(60):
        plan = plan_block(15_000, 5_000, 0.05, seed)
        q1, q3 = plan.block("q1"), plan.block("q3")
        assert q1 is not None
        assert q3 is not None
        places[np.searchsorted(q1.helpers, q3.helpers)] += 1
    quarters = places[:748].reshape(4, -1).sum(axis=1) / places.sum()
    np.testing.assert_allclose(quarters, 0.25, atol=0.05)


def test_x_is_drawn_alike_whatever_else_is_labelled() -> None:
    alone = plan_block(300, 100, 0.1, 3)
    more = plan_labels(300, 100, 0.1, 3, matrices=("target", "pool", "existing"), n_existing=80)
    for block, again in zip(alone.blocks, more.blocks, strict=False):
        assert (block.role, block.matrix) == (again.role, again.matrix)
        np.testing.assert_array_equal(block.helpers, again.helpers)
        np.testing.assert_array_equal(block.helped, again.helped)


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.5, 1.0])
def test_w_has_two_disjoint_draws_of_the_pool(fraction: float) -> None:
    for seed in range(20):
        plan = plan_labels(400, 100, fraction, seed, matrices=("target", "pool"))
        parts = [plan.block(role, "pool") for role in ("q1", "q4")]
        (seen, unseen) = parts
        assert seen is not None and unseen is not None
        rows = [seen.helpers, seen.helped, unseen.helpers, unseen.helped]
        together = np.concatenate(rows)
        assert len(np.unique(together)) == len(together)
        assert together.max() < 400
        if fraction <= 0.3:
            assert len(seen.helpers) == len(seen.helped) == round(fraction * 400)
        for role in ("q2", "q3"):
            part = plan.block(role, "pool")
            assert part is not None and part.n_pairs <= 512
        q2, q3 = plan.block("q2", "pool"), plan.block("q3", "pool")
        assert q2 is not None and set(q2.helpers) == set(unseen.helpers)
        assert q3 is not None and set(q3.helpers) <= set(seen.helpers)


def test_e_draws_existing_rows_and_pool_rows() -> None:
    plan = plan_labels(400, 100, 0.1, 1, matrices=("target", "existing"), n_existing=60)
    seen, unseen = plan.block("q1", "existing"), plan.block("q4", "existing")
    assert seen is not None and unseen is not None
    assert (len(seen.helpers), len(seen.helped)) == (6, 40)
    assert max(*seen.helpers, *unseen.helpers) < 60
    assert not set(seen.helpers) & set(unseen.helpers)
    assert not set(seen.helped) & set(unseen.helped)


def test_too_few_existing_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="existing rows and pool rows"):
        plan_labels(100, 100, 0.05, 1, matrices=("target", "existing"), n_existing=20)


def test_rows_alone() -> None:
    plan = plan_rows(2_000, 0.05, 0)
    seen, unseen = plan.block("q1"), plan.block("q4")
    assert seen is not None and unseen is not None
    assert (len(seen.helpers), len(unseen.helpers)) == (100, 20)
    assert not set(seen.helpers) & set(unseen.helpers)
    assert [block.role for block in plan.blocks] == ["q1", "q4"]
    assert (plan.training_pairs, plan.evaluation_pairs) == (100, 20)
    assert set(seen.helpers) != set(range(100))


def test_too_few_rows_alone_are_refused_with_a_fraction_that_is_enough() -> None:
    with pytest.raises(ConfigError, match="gives 4 training rows") as caught:
        plan_rows(80, 0.05, 0)
    enough = float(caught.value.hint.split("of ")[1].split(" or")[0])
    assert plan_rows(80, enough, 0).training_pairs >= 16
    with pytest.raises(ConfigError, match="Use --exact"):
        plan_rows(20, 0.5, 0)
