"""Nested plans: every fraction holds the smaller ones, and none touches what measures it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nncift_core.influence.label_plan import LabelBlock
from nncift_core.studies.label_size import Design, NestedPlans, Size, nested_plans

N_TRAIN, N_TARGET = 150, 70
SIZES = [Size(0.05, 8, 4), Size(0.1, 15, 7), Size(0.4, 60, 28), Size(0.2, 30, 14)]
SPREAD = [Size(0.05, 9, 4), Size(0.1, 27, 4), Size(0.4, 118, 14), Size(0.2, 99, 4)]

PairSet = set[tuple[int, int]]


def pairs_of(block: LabelBlock) -> PairSet:
    """Pair by pair, the slow way."""
    found = []
    for number, i in enumerate(block.helpers):
        places = range(len(block.helped)) if block.columns is None else block.columns[number]
        found += [(int(i), int(block.helped[place])) for place in places]
    assert len(found) == len(set(found))
    return set(found)


def plans(design: Design, seed: int = 1, n_target: int = N_TARGET) -> NestedPlans:
    sizes = SPREAD if design == "spread" else SIZES
    return nested_plans(N_TRAIN, n_target, sizes, seed, design)


@pytest.mark.parametrize("design", ["block", "spread"])
def test_each_fraction_holds_the_smaller_ones_and_new_blocks_are_the_rest(design: Design) -> None:
    nested = plans(design)
    assert [size.fraction for size in nested.sizes] == [0.05, 0.1, 0.2, 0.4]
    before: PairSet = set()
    for step, size in enumerate(nested.sizes):
        everything = pairs_of(nested.training(step))
        assert len(everything) == size.pairs
        assert before < everything
        parts = [pairs_of(block) for block in nested.new_blocks(step)]
        assert sum(map(len, parts)) == len(everything) - len(before)
        assert set().union(*parts) == everything - before
        before = everything


@pytest.mark.parametrize("design", ["block", "spread"])
def test_what_measures_is_one_and_the_same_and_never_trained_on(design: Design) -> None:
    nested = plans(design)
    by_role = {block.role: block for block in nested.evaluation}
    roles = ["q2", "q3", "q4"] + (["q1u"] if design == "spread" else [])
    assert list(by_role) == roles
    largest, smallest = (
        nested.training(len(nested.sizes) - 1),
        nested.training(0),
    )
    trained = pairs_of(largest)
    for block in nested.evaluation:
        assert not pairs_of(block) & trained
    for role in ("q2", "q4"):
        assert not set(by_role[role].helpers) & set(largest.helpers)
    for role in ("q3", "q4"):
        assert not set(by_role[role].helped) & set(largest.helped)
    # Seen by all fractions, also the smallest.
    assert set(by_role["q2"].helped) <= set(smallest.helped)
    assert set(by_role["q3"].helpers) <= set(smallest.helpers)
    if design == "spread":
        assert set(by_role["q1u"].helpers) <= set(smallest.helpers)
    # A single fraction alone has other reserved rows: not what is compared here.
    assert len(by_role["q4"].helpers) == min(32, (118 if design == "spread" else 60) // 5)


def test_a_leak_is_refused() -> None:
    nested = plans("block")
    (q4,) = [block for block in nested.evaluation if block.role == "q4"]
    leak = nested.rows.copy()
    leak[0] = q4.helpers[0]
    with pytest.raises(ValueError, match="trained on"):
        replace(nested, rows=leak)
    leak = nested.targets.copy()
    leak[-1] = q4.helped[-1]
    with pytest.raises(ValueError, match="trained on"):
        replace(nested, targets=leak)
    spread = plans("spread")
    leak = spread.targets.copy()
    leak[5, 3] = next(b for b in spread.evaluation if b.role == "q3").helped[0]
    with pytest.raises(ValueError, match="trained on"):
        replace(spread, targets=leak)


def test_spread_rows_have_targets_of_their_own_and_all_targets_come_equally_often() -> None:
    nested = plans("spread")
    for row in nested.targets:
        assert len(set(row)) == len(row)
    assert len({tuple(sorted(row)) for row in nested.targets}) > len(nested.rows) // 2
    free = N_TARGET - len(next(b for b in nested.evaluation if b.role == "q4").helped)
    # Whole squares of rows: each target once at every place.
    for place in range(nested.targets.shape[1]):
        counts = np.bincount(nested.targets[:free, place], minlength=N_TARGET)
        assert set(counts) == {0, 1}
        assert counts.sum() == free


@pytest.mark.parametrize("design", ["block", "spread", "rows"])
def test_same_seed_same_plans(design: Design) -> None:
    first, again, other = plans(design, 1), plans(design, 1), plans(design, 2)
    assert np.array_equal(first.rows, again.rows)
    assert np.array_equal(first.targets, again.targets)
    assert not np.array_equal(first.rows, other.rows)


def test_single_rows() -> None:
    nested = plans("rows")
    assert [block.role for block in nested.evaluation] == ["q4"]
    before: PairSet = set()
    for step, size in enumerate(nested.sizes):
        assert size.targets == 1
        everything = pairs_of(nested.training(step))
        assert len(everything) == size.rows
        assert before < everything
        assert not {i for i, _ in everything} & set(nested.evaluation[0].helpers)
        assert {j for _, j in everything} == {0}
        before = everything


@pytest.mark.parametrize("design", ["block", "spread"])
def test_more_than_there_is_leaves_the_reserved_rows_alone(design: Design) -> None:
    nested = nested_plans(20, 12, [Size(0.5, 10, 6), Size(1.0, 20, 12)], 0, design)
    assert [size.pairs for size in nested.sizes] == [10 * 6, 12 * 6]
    assert [block.role for block in nested.evaluation][:3] == ["q2", "q3", "q4"]


def test_sizes_never_shrink() -> None:
    # A design may take fewer rows with more targets at a larger fraction.
    nested = nested_plans(100, 50, [Size(0.1, 60, 3), Size(0.2, 40, 8)], 0, "spread")
    assert [(size.rows, size.targets) for size in nested.sizes] == [(60, 3), (60, 8)]


def test_no_fraction_is_refused() -> None:
    with pytest.raises(ValueError, match="fraction"):
        nested_plans(100, 50, [], 0, "block")
