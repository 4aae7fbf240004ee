"""Each explanation against one that is slow and obvious, and the mistakes that are easily made."""

from __future__ import annotations

import time

import numpy as np
import pytest

from nncift_core.selection import covered_targets
from nncift_core.selection.covered_targets import NOBODY
from nncift_core.selection.explanations import (
    Covered,
    best_possible,
    coverage_by_group,
    explain_chosen,
    explain_left_out,
    target_coverage,
    worst_covered,
)

N_TRAIN, N_TARGET = 40, 23


@pytest.fixture(params=[0, 1, 2])
def influence(request: pytest.FixtureRequest) -> np.ndarray:
    """Values with many ties, zeros among them."""
    rng = np.random.default_rng(request.param)
    coarse = rng.integers(0, 8, (N_TRAIN, N_TARGET)) / 8
    fine = rng.random((N_TRAIN, N_TARGET))
    return (coarse if request.param else fine).astype(np.float32)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows at a time, so that every pass crosses blocks."""
    monkeypatch.setattr(covered_targets, "_BLOCK_VALUES", 3 * N_TARGET)


def _order(n: int = 12, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).permutation(N_TRAIN)[:n]


def _best_two(influence: np.ndarray, order: np.ndarray, target: int) -> list[tuple[float, int]]:
    """The best two (value, row) of a target; of equals the one chosen first."""
    ranked = sorted(order.tolist(), key=lambda row: -influence[row, target])  # stable
    return [(float(influence[row, target]), row) for row in ranked[:2]]


def _others(influence: np.ndarray, order: np.ndarray, row: int, target: int) -> tuple[float, int]:
    rest = np.array([other for other in order if other != row])
    return _best_two(influence, rest, target)[0]


@pytest.mark.parametrize("n_chosen", [1, 2, 3, 4, 12, N_TRAIN])
def test_best_and_second_best_are_those_of_a_sort(influence: np.ndarray, n_chosen: int) -> None:
    order = _order(n_chosen)
    covered = target_coverage(influence.__getitem__, order)
    for target in range(N_TARGET):
        first, *second = _best_two(influence, order, target)
        assert (covered.best[target], covered.best_row[target]) == first
        found = float(covered.second[target]), int(covered.second_row[target])
        assert found == (second[0] if second else (0.0, NOBODY))


def test_best_possible_is_the_highest_of_the_pool(influence: np.ndarray) -> None:
    assert best_possible(influence.__getitem__, N_TRAIN).tolist() == influence.max(axis=0).tolist()


def test_a_chosen_row_against_the_best_of_the_others(influence: np.ndarray) -> None:
    order = _order()
    for rank, row in enumerate(order.tolist(), start=1):
        found = explain_chosen(influence.__getitem__, order, row, top=N_TARGET)
        helped = [t for t in range(N_TARGET) if influence[row, t] > 0]
        assert (found.position, found.rank) == (row, rank)
        assert {item.target for item in found.targets} == set(helped)
        wins = [t for t in helped if _best_two(influence, order, t)[0][1] == row]
        assert found.best_of == len(wins)
        for item in found.targets:
            other, other_row = _others(influence, order, row, item.target)
            assert item.value == influence[row, item.target]
            assert (item.other, item.other_row) == (other, other_row)
            assert item.difference == pytest.approx(item.value - other)
            assert item.best == (item.target in wins)
        lost = influence[order].max(axis=0).astype(float).sum() - sum(
            _others(influence, order, row, t)[0] for t in range(N_TARGET)
        )
        assert found.lost == pytest.approx(lost, abs=1e-6)
        # Those that it covers best come first, by what would be lost; then its highest values.
        places = [item.best for item in found.targets]
        assert places == sorted(places, reverse=True)
        best = [item.difference for item in found.targets if item.best]
        rest = [item.value for item in found.targets if not item.best]
        assert best == sorted(best, reverse=True) and rest == sorted(rest, reverse=True)


def test_a_row_left_out_and_who_covers_its_targets(influence: np.ndarray) -> None:
    order = _order()
    for row in np.setdiff1d(np.arange(N_TRAIN), order).tolist():
        found = explain_left_out(influence.__getitem__, order, row, top=5)
        by_value = sorted(range(N_TARGET), key=lambda t: -influence[row, t])
        helped = [t for t in by_value if influence[row, t] > 0]
        assert [item.target for item in found.targets] == helped[:5]
        counts: dict[int, int] = {}
        for item in found.targets:
            value, holder = _best_two(influence, order, item.target)[0]
            assert (item.other, item.other_row) == (value, holder)
            assert item.best == (item.value > value)
            if not item.best:
                counts[holder] = counts.get(holder, 0) + 1
        assert dict(found.covered_by) == counts
        number = [count for _, count in found.covered_by]
        assert number == sorted(number, reverse=True)
        with_it = influence[[*order, row]].max(axis=0).astype(float)
        without = influence[order].max(axis=0).astype(float)
        assert found.added == pytest.approx((with_it - without).sum(), abs=1e-6)
        assert found.better_of == int((with_it > without).sum())


def test_the_only_chosen_row_has_no_others(influence: np.ndarray) -> None:
    found = explain_chosen(influence.__getitem__, np.array([7]), 7)
    assert found.best_of == int((influence[7] > 0).sum())
    assert all(item.other is None and item.other_row is None for item in found.targets)
    assert found.lost == pytest.approx(float(influence[7].sum(dtype=float)))


def test_nothing_chosen() -> None:
    values = np.array([[0.0, 0.5], [0.0, 0.0]], dtype=np.float32)
    found = explain_left_out(values.__getitem__, np.empty(0, dtype=np.int64), 0)
    assert found.covered_by == () and found.added == 0.5
    assert [(item.target, item.other, item.best) for item in found.targets] == [(1, None, True)]
    assert explain_left_out(values.__getitem__, np.array([0]), 1).targets == ()


def test_asking_for_the_wrong_kind_of_row(influence: np.ndarray) -> None:
    order = _order()
    outside = int(np.setdiff1d(np.arange(N_TRAIN), order)[0])
    with pytest.raises(ValueError, match="not chosen"):
        explain_chosen(influence.__getitem__, order, outside)
    with pytest.raises(ValueError, match="is chosen"):
        explain_left_out(influence.__getitem__, order, int(order[0]))


def test_planted_a_transposed_matrix_is_told_apart() -> None:
    """Pool row 0 helps target 1, but pool row 1 hardly helps target 0."""
    influence = np.array([[0.1, 0.9, 0.0], [0.2, 0.3, 0.0], [0.6, 0.0, 0.4]], dtype=np.float32)
    order = np.array([0, 1, 2])
    right = explain_chosen(influence.__getitem__, order, 0, top=1).targets[0]
    assert (right.target, right.value, right.other_row) == (1, pytest.approx(0.9), 1)
    wrong = explain_chosen(influence.T.copy().__getitem__, order, 0, top=1).targets[0]
    assert (wrong.target, wrong.value) == (2, pytest.approx(0.6))


def test_planted_its_own_value_is_not_that_of_another(influence: np.ndarray) -> None:
    """What a plain maximum over all chosen rows would say of the others."""
    order = _order()
    covered = target_coverage(influence.__getitem__, order)
    mistaken = Covered(
        covered.order, covered.best_row, covered.best, covered.best_row, covered.best
    )
    winners = {int(row) for row in covered.best_row}
    row = next(row for row in order.tolist() if row in winners)
    right = explain_chosen(influence.__getitem__, order, row, covered=covered)
    wrong = explain_chosen(influence.__getitem__, order, row, covered=mistaken)
    assert all(item.other_row != row for item in right.targets)
    assert wrong.targets[0].other_row == row and wrong.lost == 0.0


def test_groups_of_targets(influence: np.ndarray) -> None:
    order = _order(4)
    influence[:, 0] = 0.0  # a target that nobody helps
    covered = target_coverage(
        influence.__getitem__, order, best_possible(influence.__getitem__, N_TRAIN)
    )
    groups = [None if t % 5 == 4 else "abcd"[t % 5] for t in range(N_TARGET)]
    found = coverage_by_group(covered, groups, reached=0.8)
    assert [group.name for group in found] == ["a", "b", "c", "d"]
    for group in found:
        members = [t for t in range(N_TARGET) if groups[t] == group.name]
        best = [max(float(influence[row, t]) for row in order) for t in members]
        most = [max(float(influence[row, t]) for row in range(N_TRAIN)) for t in members]
        assert group.n_target == len(members)
        assert group.mean_best == pytest.approx(np.mean(best))
        assert group.mean_possible == pytest.approx(np.mean(most))
        assert group.share == pytest.approx(np.mean(best) / np.mean(most))
        near = [b >= np.float32(0.8 * m) for b, m in zip(best, most, strict=True) if m > 0]
        assert group.reached == pytest.approx(np.mean(near))
    (everything,) = coverage_by_group(covered)
    assert everything.n_target == N_TARGET and everything.name == "all targets"
    (hopeless,) = coverage_by_group(covered, ["h", *[None] * (N_TARGET - 1)])
    assert hopeless.share is None and hopeless.reached is None


def test_the_whole_pool_covers_all_that_can_be_covered(influence: np.ndarray) -> None:
    possible = best_possible(influence.__getitem__, N_TRAIN)
    (all_,) = coverage_by_group(
        target_coverage(influence.__getitem__, np.arange(N_TRAIN), possible), reached=1.0
    )
    assert all_.share == pytest.approx(1.0) and all_.reached == 1.0


def test_worst_first_and_no_target_that_nobody_helps(influence: np.ndarray) -> None:
    influence[:, 3] = 0.0
    order = _order(4)
    possible = best_possible(influence.__getitem__, N_TRAIN)
    covered = target_coverage(influence.__getitem__, order, possible)
    found = worst_covered(covered, top=N_TARGET)
    assert {item.target for item in found} == set(range(N_TARGET)) - {3}
    shares = [item.share for item in found]
    assert shares == sorted(shares)
    for item in found:
        assert item.share == pytest.approx(
            influence[order, item.target].max() / influence[:, item.target].max()
        )
    plain = worst_covered(target_coverage(influence.__getitem__, order), top=2)
    assert plain[0].best == 0.0 and plain[0].target == 3 and plain[0].share is None


def test_one_row_of_a_large_selection_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked once for the selection, each row costs one pass over the targets."""
    monkeypatch.setattr(covered_targets, "_BLOCK_VALUES", 4_000_000)
    influence = np.random.default_rng(0).random((3_000, 5_000), dtype=np.float32)
    order = np.arange(0, 3_000, 3)
    covered = target_coverage(influence.__getitem__, order)
    reads: list[int] = []

    def read(positions: np.ndarray) -> np.ndarray:
        reads.append(len(positions))
        return influence[positions]

    start = time.process_time()
    explain_chosen(read, order, 3, covered=covered)
    explain_left_out(read, order, 4, covered=covered)
    assert sum(reads) == 2
    assert time.process_time() - start < 0.5
