"""Demands are met in every prefix, by every objective and optimizer; contradictions are said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncift_core.errors import ConfigError, DataError
from nncift_core.selection import OBJECTIVES, Constraints, Matrices, Quota, maximise

N_TRAIN, N_TARGET = 24, 7
IDS = [f"{row * 7 % N_TRAIN:04d}" for row in range(N_TRAIN)]
EXACT = ["lazy", "naive", "sparse", "partitioned"]

names = st.sampled_from(OBJECTIVES.names)
optimizers = st.sampled_from([*EXACT, "stochastic"])


def matrices_of(seed, levels=0):
    draw = np.random.default_rng(seed)

    def values(*shape):
        if levels:
            return draw.integers(0, levels, shape).astype(np.float32)
        return draw.random(shape, dtype=np.float32)

    target = values(N_TRAIN, N_TARGET)
    return Matrices(target.mean(axis=1), target, values(N_TRAIN, N_TRAIN), 0.5 * values(3, N_TRAIN))


@st.composite
def demands(draw):
    """Demands that do not contradict each other."""
    rows = draw(st.permutations(range(N_TRAIN)))
    n_pinned, n_banned = draw(st.integers(0, 3)), draw(st.integers(0, 8))
    pinned, banned = rows[:n_pinned], rows[n_pinned : n_pinned + n_banned]
    group = np.array(draw(st.lists(st.integers(-1, 5), min_size=N_TRAIN, max_size=N_TRAIN)))
    members = np.flatnonzero(np.arange(N_TRAIN) % 3 == draw(st.integers(0, 2)))
    pins_inside = len(np.intersect1d(members, pinned))
    most = draw(st.integers(max(1, pins_inside), 6))
    usable = np.setdiff1d(members, banned)
    kinds = group[usable]
    choosable = int((kinds < 0).sum()) + len(np.unique(kinds[kinds >= 0]))
    # What pins take of groups may keep others out: demand no more than is left for certain.
    least = draw(st.integers(0, max(0, min(most, choosable - n_pinned, 3))))
    return Constraints(
        pinned=np.array(pinned, np.int64),
        banned=np.array(banned, np.int64),
        duplicates=group if draw(st.booleans()) else None,
        quotas=(Quota("third", members, least, most),),
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), names, optimizers, demands(), st.integers(0, 3), st.integers(8, 24))
def test_demands_are_met(seed, name, optimizer, wanted, levels, budget):
    matrices = matrices_of(seed, levels)
    found = maximise(
        name, matrices, budget, row_ids=IDS, optimizer=optimizer, constraints=wanted, seed=seed
    )
    order = found.order.tolist()
    assert len(set(order)) == len(order) <= budget
    assert set(wanted.pinned.tolist()) == set(order[: len(wanted.pinned)])
    assert not set(wanted.banned.tolist()) & set(order)
    (quota,) = wanted.quotas
    inside = np.isin(order, quota.members)
    assert quota.least <= inside.sum() <= quota.most
    free = [row for row in order if row not in wanted.pinned]
    if wanted.duplicates is not None:
        kinds = wanted.duplicates[free]
        kinds = kinds[kinds >= 0]
        assert len(np.unique(kinds)) == len(kinds)
        pinned_kinds = wanted.duplicates[wanted.pinned]
        assert not set(kinds.tolist()) & set(pinned_kinds[pinned_kinds >= 0].tolist())
    if len(order) < budget:
        assert found.ended == "rows"
        # No row is left that could have been chosen.
        kinds = set() if wanted.duplicates is None else set(wanted.duplicates[order].tolist())
        for row in set(range(N_TRAIN)) - set(order) - set(wanted.banned.tolist()):
            alike = wanted.duplicates is not None and wanted.duplicates[row] in kinds - {-1}
            full = row in quota.members and inside.sum() >= quota.most
            assert alike or full


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), names, demands(), st.integers(0, 3), st.integers(6, 24))
def test_prefixes_answer_smaller_budgets(seed, name, wanted, levels, budget):
    """One order serves every budget, pins and quotas included."""
    matrices = matrices_of(seed, levels)
    whole = maximise(name, matrices, N_TRAIN, row_ids=IDS, constraints=wanted)
    part = maximise(name, matrices, budget, row_ids=IDS, constraints=wanted)
    assert whole.order[: len(part)].tolist() == part.order.tolist()
    assert whole.gain[: len(part)].tolist() == part.gain.tolist()
    assert whole.round[: len(part)].tolist() == part.round.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), names, demands(), st.integers(0, 3))
def test_lazy_is_naive_under_constraints(seed, name, wanted, levels):
    matrices = matrices_of(seed, levels)
    orders = [
        maximise(name, matrices, 20, row_ids=IDS, optimizer=how, constraints=wanted).order.tolist()
        for how in EXACT
    ]
    assert all(order == orders[0] for order in orders)


def plain_order(target, wanted, budget, mean):
    """FL in one round and its phases, every gain at every pick, demands read from the text."""
    chosen, covered = [], np.zeros(target.shape[1])
    quota = wanted.quotas[0]
    while len(chosen) < budget:
        waiting = [row for row in wanted.pinned if row not in chosen]
        owed = quota.least - len(set(chosen) & set(quota.members.tolist()))
        rows = []
        for row in set(range(len(target))) - set(chosen) - set(wanted.banned.tolist()):
            inside = len(set(chosen) & set(quota.members.tolist()))
            alike = wanted.duplicates[row] >= 0 and any(
                wanted.duplicates[row] == wanted.duplicates[other] for other in chosen
            )
            if waiting:
                if row in waiting:
                    rows.append(row)
            elif alike or (row in quota.members and inside >= quota.most):
                continue
            elif owed <= 0 or row in quota.members:
                rows.append(row)
        if not rows:
            break
        gain = {row: np.maximum(target[row] - covered, 0).sum() for row in rows}
        best = max(gain.values())
        ties = [row for row in rows if gain[row] >= best * (1 - 1e-9)]
        row = min(ties, key=lambda row: (-mean[row], IDS[row]))
        chosen.append(row)
        covered = np.maximum(covered, target[row])
    return chosen


@pytest.mark.parametrize("seed", range(12))
def test_the_order_is_that_of_the_plain_rules(seed):
    """Few picks of many columns, so that the first round does not end."""
    draw = np.random.default_rng(seed)
    target = draw.random((N_TRAIN, 400), dtype=np.float32)
    mean = target.mean(axis=1)
    members = np.flatnonzero(np.arange(N_TRAIN) % 3 == 1)
    wanted = Constraints(
        pinned=np.array([4, 2]),
        banned=np.array([0, 9]),
        duplicates=draw.integers(-1, 6, N_TRAIN),
        quotas=(Quota("third", members, 3, 4),),
    )
    found = maximise("fl", Matrices(mean, target), 12, row_ids=IDS, constraints=wanted)
    expected = plain_order(target.astype(np.float64), wanted, 12, mean)
    assert found.order.tolist() == expected
    assert found.round.max() == 1
    assert found.phase[:2].tolist() == [0, 0] and found.phase[2] == 1 and found.phase[-1] == 2


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), names, st.integers(10, 400))
def test_a_token_budget_is_never_exceeded_and_wasted_by_one_row_at_most(seed, name, tokens_left):
    matrices = matrices_of(seed)
    tokens = np.random.default_rng(seed).integers(1, 60, N_TRAIN)
    wanted = Constraints(tokens=tokens, token_budget=tokens_left)
    if tokens.min() > tokens_left:
        with pytest.raises(ConfigError, match="No row fits into the token budget"):
            maximise(name, matrices, N_TRAIN, row_ids=IDS, constraints=wanted)
        return
    found = maximise(name, matrices, N_TRAIN, row_ids=IDS, constraints=wanted)
    spent = int(tokens[found.order].sum())
    assert spent <= tokens_left
    if len(found) < N_TRAIN:
        assert found.ended == "tokens"
        rest = np.setdiff1d(np.arange(N_TRAIN), found.order)
        assert spent + tokens[rest].max() > tokens_left
    more = maximise(
        name,
        matrices,
        N_TRAIN,
        row_ids=IDS,
        constraints=Constraints(tokens=tokens, token_budget=tokens_left + 50),
    )
    assert more.order[: len(found)].tolist() == found.order.tolist()


def test_the_token_order_is_by_gain_a_token():
    target = np.array([[10.0, 0.0], [0.0, 6.0], [5.0, 5.0]], dtype=np.float32)
    tokens = np.array([100, 10, 20])
    found = maximise(
        "fl",
        Matrices(np.zeros(3), target),
        3,
        row_ids=["a", "b", "c"],
        constraints=Constraints(tokens=tokens, token_budget=130),
    )
    # 0.6, 0.5 and 0.1 a token at first; then 5 / 20 for the third row and 10 / 100 for the first.
    assert found.order.tolist() == [1, 2, 0]
    assert found.gain.tolist() == [6.0, 5.0, 5.0]


def test_pins_stay_even_where_they_are_duplicates_of_each_other():
    wanted = Constraints(pinned=np.array([3, 5]), duplicates=np.zeros(N_TRAIN, np.int64))
    found = maximise("fl", matrices_of(0), 10, row_ids=IDS, constraints=wanted)
    assert sorted(found.order.tolist()) == [3, 5]
    assert found.ended == "rows"


def refused(budget=5, n=N_TRAIN, **wanted):
    with pytest.raises(ConfigError) as caught:
        maximise("fl", matrices_of(0), budget, row_ids=IDS, constraints=Constraints(**wanted))
    assert caught.value.hint
    return str(caught.value)


def rows(*positions):
    return np.array(positions, dtype=np.int64)


def test_contradictions_are_said():
    third = np.arange(0, N_TRAIN, 3)
    assert "pinned and banned" in refused(pinned=rows(2, 3), banned=rows(3))
    assert "All 24 rows are banned" in refused(banned=np.arange(N_TRAIN))
    assert "6 rows are pinned, but the budget is 5" in refused(pinned=np.arange(6))
    assert "demands 5 rows, but only 4" in refused(
        banned=third[:4], quotas=(Quota("third", third, 5),)
    )
    assert "at least 4 rows and at most 2" in refused(quotas=(Quota("third", third, 4, 2),))
    assert "2 rows of third are pinned, but its quota allows 1" in refused(
        pinned=third[:2], quotas=(Quota("third", third, 0, 1),)
    )
    assert "demand 6 rows, but the budget is 5" in refused(
        quotas=(Quota("a", third, 3), Quota("b", third + 1, 3))
    )
    tokens = np.full(N_TRAIN, 10)
    assert "have 30 tokens, but the token budget is 25" in refused(
        pinned=rows(0, 1, 2), tokens=tokens, token_budget=25
    )
    assert "token budget of 0" in refused(tokens=tokens, token_budget=0)


def test_quotas_that_duplicates_make_impossible_are_said():
    group = np.full(N_TRAIN, -1)
    group[:6] = 0
    quota = Quota("first", np.arange(6), 2)
    assert "only 1 can be chosen" in refused(duplicates=group, quotas=(quota,))


def test_values_that_are_no_numbers_are_named():
    matrices = matrices_of(0)
    matrices.target[4, 2] = np.nan
    for name in ("fl", "coverage", "round-robin", "mix", "flmi-query"):
        with pytest.raises(DataError, match="pool row 5"):
            maximise(name, matrices, 5, row_ids=IDS)


@pytest.mark.parametrize("name", OBJECTIVES.names)
def test_one_target_row_and_constant_influence_give_an_order(name):
    one = matrices_of(1)
    narrow = Matrices(one.row_mean, one.target[:, :1].copy(), one.pool, one.existing)
    assert len(maximise(name, narrow, N_TRAIN, row_ids=IDS)) == N_TRAIN
    flat = Matrices(
        np.zeros(N_TRAIN),
        np.full((N_TRAIN, 4), 0.5, np.float32),
        np.full((N_TRAIN, N_TRAIN), 0.5, np.float32),
        np.zeros((2, N_TRAIN), np.float32),
    )
    found = maximise(name, flat, N_TRAIN, row_ids=IDS)
    # Nothing tells the rows apart: they come by id.
    assert [IDS[row] for row in found.order] == sorted(IDS)
