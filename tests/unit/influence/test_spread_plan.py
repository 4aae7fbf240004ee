"""The spread design: never dearer than the block, balanced, reserved rows apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncift_core.errors import ConfigError
from nncift_core.influence.draws import Clusters
from nncift_core.influence.label_plan import (
    LabelBlock,
    LabelPlan,
    PairCost,
    plan_block,
    plan_labels,
    plan_rows,
)
from nncift_core.influence.spread import plan_spread, sparse_block, spread_shape
from nncift_core.types import Row


def pairs_of(block: LabelBlock) -> set[tuple[int, int]]:
    """The positions of all pairs, spelled out."""
    if block.columns is None:
        return {(int(i), int(j)) for i in block.helpers for j in block.helped}
    return {
        (int(i), int(block.helped[place]))
        for i, places in zip(block.helpers, block.columns, strict=True)
        for place in places
    }


def by_role(plan: LabelPlan) -> dict[str, LabelBlock]:
    return {block.role: block for block in plan.blocks}


def test_sizes_where_a_prefix_is_as_long_as_a_target() -> None:
    plan = by_role(plan_spread(3_000, 1_000, 0.05, seed=0, costs=PairCost(1.0)))
    # The block is 150 x 50 and costs 150 * (1 + 50) = 7,650; so do 1,530 rows with 4 targets.
    assert (len(plan["q1"].helpers), plan["q1"].targets_of_each) == (1_530, 4)
    assert {role: block.n_pairs for role, block in plan.items()} == {
        "q1": 6_120, "q2": 30 * 17, "q3": 51 * 10, "q4": 300, "q1u": 480,
    }  # fmt: skip


def test_sizes_where_pairs_cost_no_prefix() -> None:
    """Two targets would not use up the cost on 3,000 rows, so each gets three."""
    plan = by_role(plan_spread(3_000, 1_000, 0.05, seed=0, costs=PairCost(0.0)))
    assert (len(plan["q1"].helpers), plan["q1"].targets_of_each) == (2_500, 3)


def test_a_prefix_is_at_most_a_fifth_of_the_cost() -> None:
    for ratio in (0.3, 1.0, 2.0, 5.0):
        _, targets = spread_shape(15_000, 5_000, 0.05, PairCost(ratio))
        assert ratio / (ratio + targets) <= 0.2 + 1e-9


@settings(max_examples=150, deadline=None)
@given(
    n_train=st.integers(2, 700),
    n_target=st.integers(2, 250),
    fraction=st.floats(0.005, 1.0),
    ratio=st.floats(0.0, 30.0),
    seed=st.integers(0, 1000),
)
def test_any_size(n_train: int, n_target: int, fraction: float, ratio: float, seed: int) -> None:
    costs = PairCost(ratio)
    try:
        block = by_role(plan_block(n_train, n_target, fraction, seed))
    except ConfigError as refusal:
        with pytest.raises(ConfigError) as again:
            plan_spread(n_train, n_target, fraction, seed, costs=costs)
        assert str(again.value) == str(refusal)
        return
    plan = plan_spread(n_train, n_target, fraction, seed, costs=costs)
    parts = by_role(plan)
    seen = parts["q1"]
    assert seen.columns is not None
    # Equal cost: never more pairs to train on than the block, never more to pay.
    a, b = len(block["q1"].helpers), len(block["q1"].helped)
    r, k = seen.columns.shape
    assert 16 <= r * k <= a * b
    assert r * (ratio + k) <= a * (ratio + b) * (1 + 1e-9)
    assert r >= a and k <= b
    if r * k > 16:
        # What is left of the cost does not pay for another row.
        assert (
            a * (ratio + b) - r * (ratio + k) < ratio + k or r + len(block["q4"].helpers) == n_train
        )
    # A row's targets differ, and every target is labelled equally often, up to one.
    assert (np.diff(seen.columns, axis=1) > 0).all()
    counts = np.bincount(seen.columns.ravel(), minlength=len(seen.helped))
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 1
    unreserved = n_target - len(block["q4"].helped)
    assert len(seen.helped) == min(unreserved, r * k)
    # Reserved rows are the block's, and trained on by neither.
    for side in ("helpers", "helped"):
        kept = set(getattr(parts["q4"], side).tolist())
        assert kept == set(getattr(block["q4"], side).tolist())
        assert not kept & set(getattr(seen, side).tolist())
    assert set(parts["q2"].helpers) == set(parts["q4"].helpers)
    assert set(parts["q3"].helped) == set(parts["q4"].helped)
    assert set(parts["q2"].helped) <= set(seen.helped)
    assert set(parts["q3"].helpers) <= set(seen.helpers)
    # What measures costs no more than beside the block, but for q1u.
    for role in ("q2", "q3", "q4"):
        assert parts[role].columns is None
        assert parts[role].n_pairs <= min(512, block[role].n_pairs)
    if "q1u" in parts:
        unlabelled = pairs_of(parts["q1u"])
        assert len(unlabelled) == parts["q1u"].n_pairs <= 512
        assert not unlabelled & pairs_of(seen)
        assert {i for i, _ in unlabelled} <= set(seen.helpers.tolist())
        assert {j for _, j in unlabelled} == set(parts["q1u"].helped.tolist())
        assert {j for _, j in unlabelled} <= set(seen.helped.tolist())
    else:
        assert k == len(seen.helped)
    for part in plan.blocks:
        assert (np.diff(part.helpers) > 0).all() and (np.diff(part.helped) > 0).all()
        assert part.n_pairs == len(pairs_of(part))
    assert plan.training_pairs == r * k
    assert plan.evaluation_pairs == sum(p.n_pairs for p in plan.blocks if p.role != "q1")


def test_sizes_do_not_depend_on_clusters() -> None:
    clusters = Clusters(np.arange(500) % 7, np.arange(120) % 5)
    for plan in (plan_spread, plan_block):
        plain, drawn = (plan(500, 120, 0.1, 3, clusters=some) for some in (None, clusters))
        assert [(b.role, len(b.helpers), b.targets_of_each) for b in plain.blocks] == [
            (b.role, len(b.helpers), b.targets_of_each) for b in drawn.blocks
        ]
        assert plain.blocks[0].helpers.tolist() != drawn.blocks[0].helpers.tolist()


@pytest.mark.parametrize("design", ["block", "spread"])
def test_draws_are_in_proportion_to_clusters(design: str) -> None:
    rng = np.random.default_rng(0)
    sizes = [200, 100, 50, 30, 20]
    pool = rng.permutation(np.repeat(np.arange(5), sizes))
    target = rng.permutation(np.repeat(np.arange(5), [100, 50, 25, 15, 10]))
    plan = plan_labels(
        400, 200, 0.2, 4, matrices=("target", "pool"), design=design,
        clusters=Clusters(pool, target),
    )  # fmt: skip
    seen, unseen = plan.block("q1"), plan.block("q4")
    assert seen is not None and unseen is not None
    drawn = [(pool, seen.helpers), (pool, unseen.helpers), (target, unseen.helped)]
    if design == "block":
        drawn.append((target, seen.helped))
    for role in ("q1", "q4"):
        part = plan.block(role, "pool")
        assert part is not None
        drawn += [(pool, part.helpers), (pool, part.helped)]
    for numbers, rows in drawn:
        expected = np.bincount(numbers, minlength=5) * len(rows) / len(numbers)
        assert np.abs(np.bincount(numbers[rows], minlength=5) - expected).max() < 2.5
    rows_alone = plan_rows(400, 0.2, 4, clusters=Clusters(pool, target)).block("q1")
    assert rows_alone is not None
    found = np.bincount(pool[rows_alone.helpers], minlength=5)
    assert np.abs(found - np.array(sizes) * 0.2).max() < 2.5


def test_targets_of_a_row_come_from_different_clusters() -> None:
    target = np.arange(200) % 20
    clusters = Clusters(np.zeros(600, np.int64), target)
    seen = plan_spread(600, 200, 0.1, 1, clusters=clusters).block("q1")
    assert seen is not None and seen.columns is not None
    for places in seen.columns:
        assert len(np.unique(target[seen.helped[places]])) == seen.targets_of_each


def test_same_seed_same_plan_and_other_seed_another() -> None:
    clusters = Clusters(np.arange(500) % 7, np.arange(200) % 5)

    def flat(seed: int, some: Clusters | None) -> list[Any]:
        plan = plan_spread(500, 200, 0.1, seed, clusters=some)
        return [
            (
                b.role,
                b.helpers.tobytes(),
                b.helped.tobytes(),
                b.columns is None or b.columns.tobytes(),
            )
            for b in plan.blocks
        ]

    for some in (None, clusters):
        assert flat(3, some) == flat(3, some)
        assert flat(3, some) != flat(4, some)


def test_the_block_is_drawn_as_it_always_was() -> None:
    """The same seed gives the rows that runs before the designs had, written out here."""
    rng = np.random.default_rng(11)
    order, columns = rng.permutation(300), rng.permutation(90)
    plan = by_role(plan_labels(300, 90, 0.1, 11))
    np.testing.assert_array_equal(plan["q1"].helpers, np.sort(order[:30]))
    np.testing.assert_array_equal(plan["q4"].helpers, np.sort(order[30:38]))
    np.testing.assert_array_equal(plan["q1"].helped, np.sort(columns[:9]))
    np.testing.assert_array_equal(plan["q4"].helped, np.sort(columns[9:17]))
    partners = np.sort(rng.permutation(np.sort(columns[:9]))[:9])
    np.testing.assert_array_equal(plan["q2"].helped, partners)
    assert "q1u" not in plan


def test_other_matrices_keep_the_block() -> None:
    plan = plan_labels(
        400, 100, 0.1, 1, matrices=("target", "pool", "existing"), n_existing=60, design="spread"
    )
    blocks = plan_labels(400, 100, 0.1, 1, matrices=("target", "pool", "existing"), n_existing=60)
    for role in ("q1", "q2", "q3", "q4"):
        for matrix in ("pool", "existing"):
            one, other = plan.block(role, matrix), blocks.block(role, matrix)
            assert one is not None and other is not None and one.columns is None
            np.testing.assert_array_equal(one.helpers, other.helpers)
            np.testing.assert_array_equal(one.helped, other.helped)
    assert plan.block("q1u", "pool") is None


def test_a_second_round_leaves_its_share() -> None:
    for design in ("block", "spread"):
        whole = plan_labels(2_000, 600, 0.1, 1, design=design)
        first = plan_labels(2_000, 600, 0.1, 1, design=design, second_round=0.3)
        one, other = first.block("q1"), whole.block("q1")
        assert one is not None and other is not None
        assert one.cost(1.0) == pytest.approx(0.7 * other.cost(1.0), rel=0.03)


def test_a_sparse_block_keeps_each_row_with_its_targets() -> None:
    block = sparse_block("q1", np.array([9, 2, 5]), np.array([[40, 7], [7, 30], [8, 40]]))
    assert block.helpers.tolist() == [2, 5, 9]
    assert pairs_of(block) == {(9, 40), (9, 7), (2, 7), (2, 30), (5, 8), (5, 40)}
    assert (block.n_pairs, block.targets_of_each) == (6, 2)
    assert block.cost(1.5) == 3 * 3.5


def test_the_cost_of_a_pair_is_read_off_the_texts() -> None:
    long, short = Row("0-0", "x" * 90, "y" * 30), Row("1-0", "x" * 20, "y" * 20)
    assert PairCost.of([long], [short, short]).ratio == 3.0
    assert PairCost.of([short, long], [short]).ratio == 2.0
    assert math.isfinite(PairCost.of([], [Row("2-0", "", "")]).ratio)
