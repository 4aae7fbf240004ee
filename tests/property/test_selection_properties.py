"""What must hold for any matrix: submodularity, nesting, permutations, rounds, budgets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from nncift_core.selection import OBJECTIVES, Matrices, maximise, random_selection, value

GREEDY = ["fl", "fl-pool", "flmi", "flmi-query", "flcg", "coverage"]
ALL = OBJECTIVES.names
SOME = settings(max_examples=25, deadline=None)

entries = st.one_of(
    st.sampled_from([0.0, 0.5, 1.0]),
    st.floats(0, 1, width=32),
)


@st.composite
def cases(draw):
    n_train = draw(st.integers(2, 9))
    n_target = draw(st.integers(1, 7))
    matrix = lambda rows, columns: draw(npst.arrays(np.float32, (rows, columns), elements=entries))  # noqa: E731
    target = matrix(n_train, n_target)
    return Matrices(
        np.round(target.mean(axis=1), 1),
        target,
        matrix(n_train, n_train),
        matrix(2, n_train),
    )


def ids_of(matrices):
    return [f"id{row * 7 % 10}-{row}" for row in range(matrices.n_train)]


@pytest.mark.parametrize("objective", GREEDY)
@SOME
@given(matrices=cases(), data=st.data())
def test_gains_shrink_as_the_set_grows(objective, matrices, data):
    """f is monotone, f(A + r) - f(A) >= f(B + r) - f(B) for A in B."""
    rows = data.draw(st.permutations(range(matrices.n_train)))
    cut = data.draw(st.integers(0, len(rows) - 1))
    small, large, row = rows[:cut], rows[: max(cut, len(rows) - 2)], rows[-1]
    f = lambda chosen: value(objective, matrices, chosen)  # noqa: E731
    gain_small = f([*small, row]) - f(small)
    gain_large = f([*large, row]) - f(large)
    assert gain_large >= -1e-5
    assert gain_small >= gain_large - 1e-5


@pytest.mark.parametrize("objective", ALL)
@SOME
@given(matrices=cases())
def test_orders_are_nested_and_hold_each_row_once(objective, matrices):
    ids = ids_of(matrices)
    n_train = matrices.n_train
    whole = maximise(objective, matrices, n_train, row_ids=ids)
    assert sorted(whole.order.tolist()) == list(range(n_train))
    for budget in range(1, n_train):
        part = maximise(objective, matrices, budget, row_ids=ids)
        assert part.order.tolist() == whole.order[:budget].tolist()
        assert part.gain.tobytes() == whole.gain[:budget].tobytes()
        assert part.round.tolist() == whole.round[:budget].tolist()


@pytest.mark.parametrize("objective", GREEDY)
@SOME
@given(matrices=cases())
def test_every_pick_is_the_best_there_was(objective, matrices):
    """Lazy = naive with rounds: no row left out had a larger gain over the round's own picks."""
    found = maximise(objective, matrices, matrices.n_train, row_ids=ids_of(matrices))
    for pick, row in enumerate(found.order):
        before = found.order[:pick][found.round[:pick] == found.round[pick]].tolist()
        base = value(objective, matrices, before)
        gains = {
            int(other): value(objective, matrices, [*before, other]) - base
            for other in found.order[pick:]
        }
        assert found.gain[pick] == pytest.approx(gains[int(row)], abs=1e-5)
        assert gains[int(row)] >= max(gains.values()) - 1e-5


@pytest.mark.parametrize("objective", GREEDY)
@SOME
@given(matrices=cases())
def test_rounds_end_only_when_nothing_gains(objective, matrices):
    found = maximise(objective, matrices, matrices.n_train, row_ids=ids_of(matrices))
    assert (np.diff(found.round) >= 0).all()
    assert (np.diff(found.round) <= 1).all()
    if found.saturated_at is None:
        assert set(found.round.tolist()) == {1}
        return
    assert found.saturated_at == int((found.round == 1).sum())
    for last in range(1, int(found.round.max())):
        inside = found.order[found.round == last].tolist()
        after = found.order[found.round > last].tolist()
        base = value(objective, matrices, inside)
        best = max(value(objective, matrices, [*inside, row]) - base for row in after)
        assert best <= 1e-6 * base + 1e-6


@pytest.mark.parametrize("objective", ALL)
@SOME
@given(matrices=cases(), data=st.data())
def test_the_order_of_the_input_does_not_matter(objective, matrices, data):
    """Shuffled pool rows with their ids give the same ids in the same order."""
    ids = ids_of(matrices)
    budget = matrices.n_train
    shuffle = np.array(data.draw(st.permutations(range(budget))))
    shuffled = Matrices(
        matrices.row_mean[shuffle],
        matrices.target[shuffle],
        matrices.pool[np.ix_(shuffle, shuffle)],
        matrices.existing[:, shuffle],
    )
    straight = maximise(objective, matrices, budget, row_ids=ids)
    other = maximise(objective, shuffled, budget, row_ids=[ids[row] for row in shuffle])
    assert [ids[row] for row in straight.order] == [ids[shuffle[row]] for row in other.order]


@SOME
@given(n_train=st.integers(1, 50), seed=st.integers(0, 9), data=st.data())
def test_random_baseline_is_seeded_nested_and_without_repeats(n_train, seed, data):
    budget = data.draw(st.integers(1, n_train))
    order = random_selection(n_train, budget, seed)
    assert len(set(order.tolist())) == budget
    assert order.tolist() == random_selection(n_train, n_train, seed)[:budget].tolist()
