"""Overlap, order, coverage and diversity of selections against slow, obvious computations."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from nncift_core.errors import DataError
from nncift_core.selection import comparison
from nncift_core.selection.coverage import coverage
from nncift_core.selection.diversity import Diversity, DiversityMeter, random_diversity

N_TRAIN, N_TARGET = 60, 23


def _orders(*sizes: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.permutation(N_TRAIN)[:size].astype(np.int64) for size in sizes]


class _Blocks:
    """A matrix as a source, a few rows at a time."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.n_train, self.n_target = values.shape

    def block(self, start: int, stop: int) -> np.ndarray:
        return self.values[start:stop]


def test_overlap_counts_as_sets_do() -> None:
    orders = _orders(20, 35, 35)
    found = comparison.overlap(orders, N_TRAIN)
    sets = [set(order.tolist()) for order in orders]
    for a, b in itertools.product(range(3), repeat=2):
        shared = len(sets[a] & sets[b])
        assert found.shared[a, b] == shared
        assert found.jaccard[a, b] == pytest.approx(shared / len(sets[a] | sets[b]))
        assert found.of_smaller[a, b] == pytest.approx(shared / min(len(sets[a]), len(sets[b])))
    assert comparison.in_all(orders, N_TRAIN) == len(set.intersection(*sets))
    only = comparison.only_in(orders, N_TRAIN)
    assert only[0].tolist() == [i for i in orders[0].tolist() if i not in sets[1] | sets[2]]


def test_chance_is_the_mean_of_many_random_draws() -> None:
    generator = np.random.default_rng(1)
    shared, jaccard, depth_five, mean_overlap = [], [], [], []
    for _ in range(800):
        a, b = generator.permutation(N_TRAIN)[:20], generator.permutation(N_TRAIN)[:35]
        found = comparison.overlap([a, b], N_TRAIN)
        shared.append(found.shared[0, 1])
        jaccard.append(found.jaccard[0, 1])
        order = comparison.agreement(a, b, N_TRAIN)
        depth_five.append(order.at_depth[4])
        mean_overlap.append(order.average_overlap)
    assert found.chance[0, 1] == pytest.approx(np.mean(shared), rel=0.02)
    assert found.chance_jaccard[0, 1] == pytest.approx(np.mean(jaccard), rel=0.03)
    assert order.chance[4] == pytest.approx(np.mean(depth_five), rel=0.1)
    assert order.average_overlap_chance == pytest.approx(np.mean(mean_overlap), rel=0.05)


def test_order_agrees_with_counting_pairs_and_prefixes() -> None:
    first, second = _orders(30, 41, seed=3)
    found = comparison.agreement(first, second, N_TRAIN)
    a, b = first.tolist(), second.tolist()
    shared = [row for row in a if row in b]
    concordant = sum(
        1 if b.index(x) < b.index(y) else -1 for x, y in itertools.combinations(shared, 2)
    )
    assert found.shared == len(shared)
    assert found.kendall == pytest.approx(concordant / math.comb(len(shared), 2))
    in_second = sorted(shared, key=b.index)
    gaps = sum((shared.index(row) - in_second.index(row)) ** 2 for row in shared)
    n = len(shared)
    assert found.spearman == pytest.approx(1 - 6 * gaps / (n * (n * n - 1)))
    prefixes = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, 31)]
    assert found.average_overlap == pytest.approx(np.mean(prefixes))
    assert found.depth.tolist() == list(range(1, 31))
    assert found.at_depth == pytest.approx(prefixes)


def test_the_same_order_the_reverse_and_too_few_shared_rows() -> None:
    (order,) = _orders(30)
    same = comparison.agreement(order, order, N_TRAIN)
    assert (same.spearman, same.kendall, same.average_overlap) == pytest.approx((1, 1, 1))
    reverse = comparison.agreement(order, order[::-1], N_TRAIN)
    assert (reverse.spearman, reverse.kendall) == pytest.approx((-1, -1))
    assert reverse.at_depth[-1] == 1 and reverse.at_depth[0] == 0
    few = comparison.agreement(np.array([0, 1, 2]), np.array([1, 2, 3, 4]), N_TRAIN)
    assert few.shared == 2 and few.spearman is None and few.kendall is None
    prefix = comparison.agreement(order[:10], order, N_TRAIN)
    assert prefix.average_overlap == 1, "another budget of one order is no disagreement"


def _slow_coverage(values: np.ndarray, rows: list[int], lo: float, hi: float) -> float:
    best = [max(values[i, j] for i in rows) for j in range(values.shape[1])]
    return float(np.mean([max(0.0, (value - lo) / (hi - lo)) for value in best]))


@pytest.mark.parametrize("block_values", [23, 200, 10_000])
def test_coverage_is_the_mean_best_value_in_any_blocks(
    block_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nncift_core.selection.coverage._BLOCK_VALUES", block_values)
    values = np.random.default_rng(5).normal(size=(N_TRAIN, N_TARGET)).astype(np.float32)
    orders = _orders(5, 12, 12)
    lo, hi = -1.0, 3.0
    found = coverage(_Blocks(values), orders, lo, hi, draws=4, seed=2)
    possible = _slow_coverage(values, list(range(N_TRAIN)), lo, hi)
    generator = np.random.default_rng(2)
    draws = [generator.permutation(N_TRAIN).tolist() for _ in range(4)]
    for one, order in zip(found, orders, strict=True):
        rows = order.tolist()
        value = _slow_coverage(values, rows, lo, hi)
        drawn = np.mean([_slow_coverage(values, draw[: len(rows)], lo, hi) for draw in draws])
        assert one.value == pytest.approx(value, rel=1e-5)
        assert one.mean_best == pytest.approx(values[rows].max(axis=0).mean(), rel=1e-5)
        assert one.share == pytest.approx(value / possible, rel=1e-5)
        assert one.random_share == pytest.approx(drawn / possible, rel=1e-5)
        assert one.gap_closed == pytest.approx((value - drawn) / (possible - drawn), rel=1e-4)


def test_a_row_does_not_cover_its_own_copy_among_the_targets() -> None:
    values = np.zeros((4, 2), dtype=np.float32)
    values[1, 0], values[2, 0] = 9.0, 0.5
    pairs = np.array([1]), np.array([0])
    (with_it,) = coverage(_Blocks(values), [np.array([1])], 0.0, 1.0)
    (without,) = coverage(_Blocks(values), [np.array([1])], 0.0, 1.0, self_pairs=pairs)
    assert with_it.share == 1.0
    assert without.share == 0.0
    assert values[1, 0] == 9.0, "the matrix stays as it was"


def test_coverage_where_nothing_can_be_told_apart() -> None:
    constant = _Blocks(np.full((6, 3), 2.0, dtype=np.float32))
    (found,) = coverage(constant, [np.array([0, 4])], 1.0, 2.0)
    assert found.share == 1.0 and found.gap_closed is None
    (nothing,) = coverage(constant, [np.array([0])], 2.0, 3.0)
    assert nothing.share is None and nothing.gap_closed is None
    with pytest.raises(DataError, match="cannot be scaled"):
        coverage(constant, [np.array([0])], 2.0, 2.0)


def _slow_diversity(vectors: np.ndarray, rows: list[int]) -> Diversity:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distinct = []
    for row in unit:
        if not any(np.array_equal(row, other) for other in distinct):
            distinct.append(row)
    nearest, novel = [], []
    for i in rows:
        away = sorted(1 - float(unit[i] @ unit[j]) for j in rows if j != i)
        nearest.append(away[0])
        squared = sorted(float(((unit[i] - other) ** 2).sum()) for other in distinct)
        density = (np.mean(squared[1:11]) + 1e-9) ** -0.5
        # The row itself has rank 1 and distance 0.
        weighted = sum(value / rank for rank, value in enumerate([0.0, *away], start=1))
        novel.append(density * weighted / sum(1 / r for r in range(1, len(rows) + 1)))
    return Diversity(float(np.mean(nearest)), float(np.mean(novel)))


@pytest.mark.parametrize("block_values", [100, 4_000_000])
def test_diversity_against_loops(block_values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nncift_core.selection.diversity._BLOCK_VALUES", block_values)
    vectors = np.random.default_rng(7).normal(size=(N_TRAIN, 8)).astype(np.float32)
    vectors[50:] = vectors[:10]  # equal rows, which count once in the density
    (order,) = _orders(25)
    found = DiversityMeter(vectors).measure(order)
    slow = _slow_diversity(vectors.astype(np.float64), order.tolist())
    assert found.nearest == pytest.approx(slow.nearest, abs=1e-5)
    assert found.novelsum == pytest.approx(slow.novelsum, rel=1e-4)


def test_copies_lower_both_measures_and_scale_changes_neither() -> None:
    generator = np.random.default_rng(8)
    vectors = generator.normal(size=(200, 8)).astype(np.float32)
    vectors[100:] = vectors[:100] + 0.01 * generator.normal(size=(100, 8))
    meter = DiversityMeter(vectors)
    spread, doubled = np.arange(60), np.concatenate([np.arange(30), np.arange(100, 130)])
    assert meter.measure(doubled).nearest < meter.measure(spread).nearest / 10  # type: ignore[operator]
    assert meter.measure(doubled).novelsum < meter.measure(spread).novelsum  # type: ignore[operator]
    louder = DiversityMeter(5 * vectors).measure(spread)
    assert louder.nearest == pytest.approx(meter.measure(spread).nearest, abs=1e-5)
    assert meter.measure(spread[::-1]) == meter.measure(spread), "order changes nothing"


def test_a_sample_of_a_large_selection_is_near_the_whole_and_repeats() -> None:
    vectors = np.random.default_rng(9).normal(size=(800, 8)).astype(np.float32)
    order = np.arange(600)
    whole = DiversityMeter(vectors).measure(order)
    some = DiversityMeter(vectors, most_rows=200).measure(order)
    assert some.nearest == pytest.approx(whole.nearest, rel=0.1)
    assert some.novelsum == pytest.approx(whole.novelsum, rel=0.05)
    assert some != whole
    assert DiversityMeter(vectors, most_rows=200).measure(order) == some
    drawn = random_diversity(DiversityMeter(vectors), 800, 600)
    assert drawn.nearest == pytest.approx(whole.nearest, rel=0.1)


def test_diversity_of_one_row_and_of_equal_rows() -> None:
    meter = DiversityMeter(np.ones((5, 3), dtype=np.float32))
    assert meter.measure(np.array([2])) == Diversity(None, None)
    equal = meter.measure(np.array([0, 1]))
    assert equal.nearest == pytest.approx(0.0, abs=1e-6) and equal.novelsum is None


def test_composition_repeats_and_lengths() -> None:
    family = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 2])
    pool = comparison.composition(family, 4, np.arange(10))
    chosen = comparison.composition(family, 4, np.array([0, 6, 7, 1]))
    assert pool.tolist() == [6, 2, 2, 0] and chosen.tolist() == [2, 2, 0, 0]
    assert comparison.distance(chosen, pool) == pytest.approx(0.3)
    assert comparison.distance(pool, pool) == 0
    generator = np.random.default_rng(0)
    slow = np.mean(
        [
            comparison.distance(
                comparison.composition(family, 4, generator.permutation(10)[:4]), pool
            )
            for _ in range(3_000)
        ]
    )
    fast = comparison.random_distance(family, 4, 4, draws=3_000)
    assert fast == pytest.approx(float(slow), rel=0.05)
    group = np.array([0, 0, 0, 1, 1, -1, -1, 2, -1, -1])
    found = comparison.repeats(group, np.array([0, 1, 2, 3, 5, 6, 7]))
    assert (found.groups, found.surplus) == (1, 2)
    lengths = comparison.quartiles(np.array([1, 2, 3, 4, 100]))
    assert (lengths.lower, lengths.median, lengths.upper, lengths.total) == (2, 3, 4, 110)


def test_stopping_stops_between_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nncift_core.selection.coverage._BLOCK_VALUES", 23)

    class Stop:
        calls = 0

        def stage(self, *given: Any) -> None: ...
        def point(self, *given: Any) -> None: ...
        def warn(self, *given: Any) -> None: ...
        def advance(self, count: int = 1) -> None:
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt

    values = np.zeros((N_TRAIN, N_TARGET), dtype=np.float32)
    stop = Stop()
    with pytest.raises(KeyboardInterrupt):
        coverage(_Blocks(values), _orders(5), 0.0, 1.0, progress=stop)
    assert stop.calls == 3
