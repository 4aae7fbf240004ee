"""Every optimizer against plain greedy, pick for pick, for every objective.

The plain side shares nothing with the package: every gain is f(A + row) - f(A) written out column
by column in float64, at every pick, for every row.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from nncift_core.selection import Matrices, maximise, scale, value
from nncift_core.selection.finders import compiled_function
from nncift_core.selection.formulas import saturated, target
from nncift_core.selection.kernels import all_gains
from nncift_core.selection.scaled import ScaledSource

GREEDY = ["fl", "fl-pool", "flmi", "flmi-query", "flcg", "coverage", "mix"]
WEIGHT = 0.3


def quality(target):
    """A row's mean on the targets, between the lowest and the highest of the pool."""
    mean = np.round(target.mean(axis=1), 2).astype(np.float64)
    return (mean - mean.min()) / max(mean.max() - mean.min(), 1e-300)


def objective_value(name, target, pool, existing, chosen, eta=1.0, nu=1.0):
    """f(A) straight from the table of definitions."""
    if not chosen:
        return 0.0
    target = None if target is None else target.astype(np.float64)
    pool = None if pool is None else pool.astype(np.float64)
    existing = None if existing is None else existing.astype(np.float64)
    if name == "fl":
        return float(target[chosen].max(axis=0).sum())
    if name == "fl-pool":
        return float(pool[chosen].max(axis=0).sum())
    if name == "flmi":
        return float(np.minimum(pool[chosen].max(axis=0), eta * target.max(axis=1)).sum())
    if name == "flmi-query":
        return float(target[chosen].max(axis=0).sum() + eta * target[chosen].max(axis=1).sum())
    if name == "flcg":
        floor = nu * existing.max(axis=0)
        return float(np.maximum(pool[chosen].max(axis=0) - floor, 0.0).sum())
    if name == "coverage":
        return float(np.sqrt(target[chosen].sum(axis=0)).sum())
    if name == "mix":
        best = target[chosen].max(axis=0).sum()
        return float((1 - WEIGHT) * best + WEIGHT * quality(target)[chosen].sum())
    raise AssertionError(name)


def column_gain(name, target, pool, existing, chosen, row, eta=1.0, nu=1.0):
    """f(A + row) - f(A), summed over the columns' own differences, so that nothing cancels."""
    total = 0.0
    if name in ("fl", "flmi-query", "mix"):
        for j in range(target.shape[1]):
            have = max((float(target[a, j]) for a in chosen), default=0.0)
            total += max(float(target[row, j]) - have, 0.0)
        if name == "flmi-query":
            total += eta * max(float(v) for v in target[row])
        if name == "mix":
            total = (1 - WEIGHT) * total + WEIGHT * quality(target)[row]
        return total
    if name == "coverage":
        for j in range(target.shape[1]):
            have = math.fsum(float(target[a, j]) for a in chosen)
            more = float(target[row, j])
            if more > 0.0:
                total += more / (math.sqrt(have + more) + math.sqrt(have))
        return total
    for i in range(pool.shape[1]):
        have = max((float(pool[a, i]) for a in chosen), default=0.0)
        then = max(have, float(pool[row, i]))
        if name == "flmi":
            cap = eta * float(target[i].max())
            have, then = min(have, cap), min(then, cap)
        if name == "flcg":
            floor = nu * float(existing[:, i].max())
            have, then = max(have - floor, 0.0), max(then - floor, 0.0)
        total += then - have
    return total


def naive_greedy(name, target, pool, existing, row_mean, row_ids, budget, eta=1.0, nu=1.0):
    """Every gain of every row at every pick; the rules of rounds and ties read from the text."""
    n_train = len(row_mean)
    order, gains, rounds = [], [], []
    chosen_in_round, value, current, saturated_at = [], 0.0, 1, None
    while len(order) < budget:
        rest = [row for row in range(n_train) if row not in order]
        gain = {
            row: column_gain(name, target, pool, existing, chosen_in_round, row, eta, nu)
            for row in rest
        }
        best = max(gain.values())
        if best <= 1e-6 * value or best <= 0.0:
            if current > 1 and not chosen_in_round:
                rest.sort(key=lambda row: (-float(row_mean[row]), row_ids[row]))
                for row in rest[: budget - len(order)]:
                    order.append(row)
                    gains.append(0.0)
                    rounds.append(current)
                break
            saturated_at = len(order) if saturated_at is None else saturated_at
            chosen_in_round, value, current = [], 0.0, current + 1
            continue
        ties = [row for row in rest if gain[row] >= best * (1 - 1e-9)]
        row = min(ties, key=lambda row: (-float(row_mean[row]), row_ids[row]))
        order.append(row)
        gains.append(gain[row])
        rounds.append(current)
        chosen_in_round.append(row)
        value += gain[row]
    return order, gains, rounds, saturated_at


def random_case(seed, n_train, n_target):
    draw = np.random.default_rng(seed)
    return (
        draw.random((n_train, n_target)),
        draw.random((n_train, n_train)),
        0.6 * draw.random((5, n_train)),
    )


def tied_case(seed, n_train, n_target):
    """Few whole numbers, repeated rows, zero rows and permuted columns: ties everywhere."""
    draw = np.random.default_rng(seed)
    target = draw.integers(0, 3, (n_train, n_target)).astype(float)
    pool = draw.integers(0, 3, (n_train, n_train)).astype(float)
    target[n_train // 2 : n_train // 2 + 4] = target[0]
    pool[n_train // 2 : n_train // 2 + 4] = pool[0]
    target[-3:], pool[-3:] = 0.0, 0.0
    return target, pool, draw.integers(0, 2, (3, n_train)).astype(float)


def permuted_case(seed, n_train, n_target):
    """Rows hold the same values in other columns: sums equal on paper, not in floating point."""
    draw = np.random.default_rng(seed)
    values, wide = draw.random(n_target), draw.random(n_train)
    target = np.stack([draw.permutation(values) for _ in range(n_train)])
    pool = np.stack([draw.permutation(wide) for _ in range(n_train)])
    return target, pool, np.full((2, n_train), 0.25)


def saturating_case(seed, n_train, n_target):
    """A few rows cover everything, so that several rounds are needed."""
    target, pool, existing = random_case(seed, n_train, n_target)
    target, pool = np.round(target, 1) ** 3, np.round(pool, 1) ** 3
    target[:, : n_target // 2] *= target[:, : n_target // 2] > 0.5
    return target, pool, existing


def sparse_case(seed, n_train, n_target):
    """Most entries zero, rows of very unlike size, some rows empty."""
    target, pool, existing = random_case(seed, n_train, n_target)
    target *= target > 0.9
    pool *= pool > 0.9
    target[::7], pool[::7] = 0.0, 0.0
    return target, pool, existing * (existing > 0.4)


CASES = [random_case, tied_case, permuted_case, saturating_case, sparse_case]


def matrices_of(case):
    target, pool, existing = (part.astype(np.float32) for part in case)
    row_mean = np.round(target.mean(axis=1), 2)
    return Matrices(row_mean, target, pool, existing)


def scrambled_ids(n_train, seed=5):
    """Ids whose string order is neither row order nor number order."""
    numbers = np.random.default_rng(seed).permutation(n_train)
    return [f"row-{number}" for number in numbers]


@pytest.mark.parametrize("objective", GREEDY)
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("size", [(30, 8), (40, 24)], ids=str)
def test_the_order_is_that_of_plain_greedy(objective, make, size):
    matrices = matrices_of(make(11, *size))
    ids = scrambled_ids(size[0])
    budget = size[0]
    found = maximise(objective, matrices, budget, row_ids=ids, quality_weight=WEIGHT)
    order, gains, rounds, saturated_at = naive_greedy(
        objective,
        matrices.target,
        matrices.pool,
        matrices.existing,
        matrices.row_mean,
        ids,
        budget,
    )
    assert found.order.tolist() == order
    assert found.round.tolist() == rounds
    assert found.saturated_at == saturated_at
    np.testing.assert_allclose(found.gain, gains, rtol=1e-9, atol=0)


def test_the_cases_reach_rounds_ties_and_rows_without_gain():
    seen_rounds, seen_zero = 0, 0
    for make in CASES:
        matrices = matrices_of(make(11, 45, 30))
        found = maximise("fl", matrices, 45, row_ids=scrambled_ids(45))
        seen_rounds = max(seen_rounds, int(found.round.max()))
        seen_zero += int((found.gain == 0).sum())
    assert seen_rounds >= 4
    assert seen_zero > 0


@pytest.mark.parametrize("objective", ["flmi", "flmi-query", "flcg"])
@pytest.mark.parametrize("number", [0.25, 0.5, 2.0])
def test_eta_and_nu_follow_the_formula(objective, number):
    matrices = matrices_of(random_case(3, 30, 12))
    ids = scrambled_ids(30)
    found = maximise(objective, matrices, 12, row_ids=ids, eta=number, nu=number)
    order, gains, *_ = naive_greedy(
        objective,
        matrices.target,
        matrices.pool,
        matrices.existing,
        matrices.row_mean,
        ids,
        12,
        eta=number,
        nu=number,
    )
    assert found.order.tolist() == order
    np.testing.assert_allclose(found.gain, gains, rtol=1e-6)


@pytest.mark.parametrize("make", [random_case, permuted_case, tied_case])
def test_many_rows_and_several_rounds(make):
    """More than a pick looks at, and ties among hundreds of rows."""
    target = make(2, 550, 40)[0].astype(np.float32)
    row_mean = np.round(target.mean(axis=1), 3)
    ids = scrambled_ids(550)
    found = maximise("fl", Matrices(row_mean, target), 150, row_ids=ids)
    order = vectorised_greedy(target, row_mean, ids, 150)
    assert found.order.tolist() == order


def vectorised_greedy(target, row_mean, ids, budget):
    """Plain greedy with all gains at once, for sizes a loop over entries cannot do."""
    wide = target.astype(np.float64)
    rank = {
        row: place
        for place, row in enumerate(sorted(range(len(ids)), key=lambda r: (-row_mean[r], ids[r])))
    }
    order, covered, total = [], np.zeros(target.shape[1]), 0.0
    while len(order) < budget:
        gains = np.maximum(wide - covered, 0.0).sum(axis=1)
        gains[order] = -1.0
        if gains.max() <= 1e-6 * total:
            if total == 0.0:
                rest = sorted(set(rank) - set(order), key=rank.__getitem__)
                return (order + rest)[:budget]
            covered, total = np.zeros(target.shape[1]), 0.0
            continue
        row = min(np.flatnonzero(gains >= gains.max() * (1 - 1e-9)), key=rank.__getitem__)
        order.append(int(row))
        total += gains[row]
        covered = np.maximum(covered, wide[row])
    return order


@pytest.mark.parametrize("objective", GREEDY)
def test_the_value_is_that_of_the_definition(objective):
    matrices = matrices_of(random_case(9, 40, 15))
    options = {"eta": 0.7, "nu": 0.6, "quality_weight": WEIGHT}
    found = maximise(objective, matrices, 40, row_ids=scrambled_ids(40), **options)
    for count in (1, 7, 40):
        chosen = found.order[:count].tolist()
        expected = objective_value(
            objective,
            matrices.target,
            matrices.pool,
            matrices.existing,
            chosen,
            eta=0.7,
            nu=0.6,
        )
        got = value(objective, matrices, chosen, **options)
        assert got == pytest.approx(expected, rel=1e-6)
    assert found.value == pytest.approx(expected, rel=1e-6)


def test_gains_of_the_first_round_add_up_to_its_value():
    matrices = matrices_of(saturating_case(1, 60, 20))
    found = maximise("fl", matrices, 60, row_ids=scrambled_ids(60))
    first = found.order[found.round == 1]
    assert found.saturated_at == len(first) < 60
    total = found.gain[found.round == 1].sum()
    assert total == pytest.approx(value("fl", matrices, first), rel=1e-9)


def test_round_robin_takes_the_best_remaining_row_in_turn():
    for make in CASES:
        target = make(4, 50, 7)[0].astype(np.float32)
        mean, ids = np.round(target.mean(axis=1), 2), scrambled_ids(50)
        found = maximise("round-robin", Matrices(mean, target), 50, row_ids=ids)
        rest, order = set(range(50)), []
        for pick in range(50):
            best = min(rest, key=lambda r: (-float(target[r, pick % 7]), -float(mean[r]), ids[r]))
            rest.remove(best)
            order.append(best)
        assert found.order.tolist() == order
        assert found.gain.tolist() == [float(target[row, k % 7]) for k, row in enumerate(order)]
        assert found.saturated_at is None
        assert set(found.round.tolist()) == {1}


def test_round_robin_over_subtasks_goes_by_their_mean():
    target = random_case(6, 30, 6)[0].astype(np.float32)
    subtasks = ["b", None, "a", "b", "a", None]
    groups = [[0, 3], [1, 5], [2, 4]]
    ids = scrambled_ids(30)
    matrices = Matrices(target.mean(axis=1), target, subtasks=subtasks)
    found = maximise("round-robin", matrices, 30, row_ids=ids)
    rest, order = list(range(30)), []
    for pick in range(30):
        columns = groups[pick % 3]
        best = max(rest, key=lambda row: float(target[row, columns].astype(float).mean()))
        rest.remove(best)
        order.append(best)
    assert found.order.tolist() == order


def test_round_robin_refills_a_column_that_runs_dry():
    """All columns want the same rows, so each must go far down its list."""
    target = np.tile(np.arange(300, dtype=np.float32)[:, None], (1, 90))
    found = maximise(
        "round-robin", Matrices(np.zeros(300), target), 300, row_ids=scrambled_ids(300)
    )
    assert found.order.tolist() == list(range(299, -1, -1))


def test_top_k_sorts_by_score_then_mean_then_id():
    scores = np.array([1.0, 3.0, 3.0, 3.0, -2.0])
    mean = np.array([0.0, 0.1, 0.2, 0.1, 9.0])
    found = maximise(
        "topk", Matrices(mean, row_scores=scores), 5, row_ids=["e", "d", "c", "b", "a"]
    )
    assert found.order.tolist() == [2, 3, 1, 0, 4]
    assert found.gain.tolist() == [3.0, 3.0, 3.0, 1.0, -2.0]
    by_mean = maximise("topk", Matrices(mean), 2, row_ids=["e", "d", "c", "b", "a"])
    assert by_mean.order.tolist() == [4, 2]


@pytest.mark.parametrize("make", CASES)
@pytest.mark.parametrize("objective", GREEDY)
def test_the_naive_optimizer_is_plain_greedy_too(objective, make):
    matrices = matrices_of(make(13, 40, 18))
    ids = scrambled_ids(40)
    options = {"row_ids": ids, "quality_weight": WEIGHT}
    lazy = maximise(objective, matrices, 40, **options)
    naive = maximise(objective, matrices, 40, optimizer="naive", **options)
    assert naive.order.tolist() == lazy.order.tolist()
    assert naive.round.tolist() == lazy.round.tolist()
    assert naive.newly_best.tolist() == lazy.newly_best.tolist()
    np.testing.assert_allclose(naive.gain, lazy.gain, rtol=1e-12)


class Source:
    """A matrix that is only given in blocks, in original units."""

    def __init__(self, values):
        self.values, self.n_train, self.n_target = values, *values.shape

    def block(self, start, stop):
        return self.values[start:stop]


@pytest.mark.parametrize("make", CASES)
@pytest.mark.parametrize("objective", [*GREEDY, "round-robin"])
@pytest.mark.parametrize("optimizer", ["lazy", "sparse", "partitioned"])
def test_blocks_give_what_the_matrix_gives(optimizer, objective, make):
    """On small matrices every list holds all rows, and one part holds the pool: all are exact."""
    target, pool, existing = (np.asarray(part, np.float32) for part in make(5, 40, 18))
    mean, ids = np.round(target.mean(axis=1), 2), scrambled_ids(40)
    whole = Matrices(mean, *(scale(part, -0.25, 3.75) for part in (target, pool, existing)))
    parts = Matrices(
        mean, *(ScaledSource(Source(part), -0.25, 3.75) for part in (target, pool, existing))
    )
    expected = maximise(objective, whole, 40, row_ids=ids)
    found = maximise(objective, parts, 40, row_ids=ids, optimizer=optimizer)
    assert found.order.tolist() == expected.order.tolist()
    assert found.exact and found.ratio == 1.0
    np.testing.assert_allclose(found.gain, expected.gain, rtol=1e-9)
    assert found.value == pytest.approx(expected.value, rel=1e-9)


def test_gains_of_dense_and_sparse_rows_are_those_of_the_formula():
    values = sparse_case(1, 60, 50)[0].astype(np.float32)
    for make in (target, saturated):
        coverage = make(Matrices(values.mean(axis=1), values), None)
        gains = np.empty(60)
        all_gains(compiled_function(coverage), gains)
        wide = values.astype(np.float64)
        plain = (np.sqrt(wide) if coverage.root else wide).sum(axis=1)
        np.testing.assert_allclose(gains, plain, rtol=1e-12)


def test_scale_is_the_formula_and_may_write_in_place():
    raw = np.array([[-1.0, 0.0], [0.5, 3.0]], dtype=np.float32)
    np.testing.assert_allclose(scale(raw, -0.5, 1.5), [[0.0, 0.25], [0.5, 1.75]])
    tall = np.random.default_rng(0).normal(size=(70_000, 70)).astype(np.float32)
    expected = np.maximum(0.0, (tall.astype(np.float64) + 0.3) / 0.9)
    scale(tall, -0.3, 0.6, out=tall)
    np.testing.assert_allclose(tall, expected, atol=2e-6)


def test_ties_that_float32_would_part_go_to_the_row_mean():
    """2,000 permuted values a row: equal on paper, unlike as float32 sums, whoever should win."""
    target = permuted_case(8, 120, 2000)[0].astype(np.float32)
    for winner in range(0, 120, 8):
        row_mean = np.zeros(120)
        row_mean[winner] = 1.0
        found = maximise("fl", Matrices(row_mean, target), 1, row_ids=scrambled_ids(120))
        assert found.order.tolist() == [winner]


def test_bounds_kept_from_earlier_picks_lie_above_the_truth():
    """Rows looked at while two others won, and equal on paper when their turn comes."""
    target = np.zeros((16, 2020), dtype=np.float32)
    target[:14, 20:] = permuted_case(3, 14, 2000)[0]
    target[14, :10] = 1000.0
    target[15, 10:20] = target[0].sum() * 0.101
    for winner in range(14):
        row_mean = np.zeros(16)
        row_mean[winner] = 1.0
        found = maximise("fl", Matrices(row_mean, target), 3, row_ids=scrambled_ids(16))
        assert found.order.tolist() == [14, 15, winner]


def test_a_round_ends_at_a_millionth_of_its_value():
    """f is 10 after the first pick, so a gain of 0.5e-5 ends the round and one of 2e-5 does not."""
    rows = np.zeros((4, 10), dtype=np.float32)
    rows[0] = 1.0
    rows[1, 0] = 1.0 + 0.5e-5
    rows[2, 1] = 1.0 + 2e-5
    rows[3, 2] = 0.5
    found = maximise("fl", Matrices(np.zeros(4), rows), 4, row_ids=["a", "b", "c", "d"])
    assert found.order.tolist() == [0, 2, 1, 3]
    assert found.round.tolist() == [1, 1, 2, 2]
    assert found.saturated_at == 2


@pytest.mark.parametrize("make", CASES)
def test_each_pick_knows_the_columns_it_covers_better(make):
    matrices = matrices_of(make(4, 30, 12))
    for objective in ("fl", "flmi-query"):
        found = maximise(objective, matrices, 30, row_ids=scrambled_ids(30))
        for pick, row in enumerate(found.order):
            earlier = found.order[:pick][found.round[:pick] == found.round[pick]]
            covered = matrices.target[earlier].max(axis=0, initial=0.0)
            more = matrices.target[row] - covered
            assert found.newly_best[pick] == (more > 0).sum()
            assert found.gains_most[pick] == (more.argmax() if (more > 0).any() else -1)
