"""Draws in proportion to clusters, and hands dealt from shuffled decks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncift_core.influence.draws import deal, shuffled


def some_clusters(n: int, count: int, seed: int = 0) -> np.ndarray:
    """Numbers of clusters of very different sizes."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(count, 0.5))
    return rng.choice(count, size=n, p=weights).astype(np.int64)


def test_without_clusters_the_draw_is_the_generators_own() -> None:
    expected = np.random.default_rng(5).permutation(40)
    np.testing.assert_array_equal(shuffled(40, None, np.random.default_rng(5)), expected)
    assert len(shuffled(0, np.empty(0, np.int64), np.random.default_rng(0))) == 0


@settings(max_examples=80, deadline=None)
@given(n=st.integers(1, 400), count=st.integers(1, 40), seed=st.integers(0, 99))
def test_every_beginning_is_in_proportion(n: int, count: int, seed: int) -> None:
    clusters = some_clusters(n, count, seed)
    order = shuffled(n, clusters, np.random.default_rng(seed))
    assert sorted(order) == list(range(n))
    sizes = np.bincount(clusters, minlength=count)
    for length in {1, n // 20, n // 3, n // 2, n}:
        found = np.bincount(clusters[order[:length]], minlength=count)
        # Random starts move the line up to which the first rows reach by a few rows.
        slack = 1.5 + 4.0 * np.sqrt(count) * sizes / n
        assert (np.abs(found - sizes * length / n) <= slack).all()


def test_plain_draws_are_not_in_proportion() -> None:
    """What the test above would miss if every draw passed it."""
    clusters = np.repeat(np.arange(10), 40)
    uneven = 0
    for seed in range(20):
        plain = shuffled(400, None, np.random.default_rng(seed))[:80]
        uneven = max(uneven, int(np.abs(np.bincount(clusters[plain], minlength=10) - 8).max()))
        some = shuffled(400, clusters, np.random.default_rng(seed))[:80]
        assert np.abs(np.bincount(clusters[some], minlength=10) - 8).max() <= 1
    assert uneven >= 5


def test_every_row_is_as_likely_as_any_other() -> None:
    clusters = np.array([0] * 50 + [1] * 9 + [2])
    counts = np.zeros(60)
    for seed in range(3_000):
        counts[shuffled(60, clusters, np.random.default_rng(seed))[:12]] += 1
    # Of the rows of large and of small clusters, and of the row that is alone in one.
    assert counts[:50].mean() / 3_000 == pytest.approx(0.2, abs=0.02)
    assert counts[50:59].mean() / 3_000 == pytest.approx(0.2, abs=0.02)
    assert counts[59] / 3_000 == pytest.approx(0.2, abs=0.03)
    assert counts.std() < 45


@settings(max_examples=150, deadline=None)
@given(
    n_cards=st.integers(1, 60),
    share=st.floats(0.01, 1.0),
    n_hands=st.integers(1, 90),
    count=st.integers(0, 12),
    seed=st.integers(0, 999),
)
def test_hands(n_cards: int, share: float, n_hands: int, count: int, seed: int) -> None:
    width = max(1, round(share * n_cards))
    rng = np.random.default_rng(seed)
    deck = np.sort(rng.choice(100, size=n_cards, replace=False))
    clusters = some_clusters(100, count, seed) if count else None
    hands = deal(n_hands, width, deck, clusters, rng)
    assert hands.shape == (n_hands, width)
    assert (np.diff(hands, axis=1) > 0).all()
    counts = np.bincount(hands.ravel(), minlength=100)
    assert counts[deck].max() - counts[deck].min() <= 1
    assert counts.sum() == counts[deck].sum()


def test_the_cards_of_a_hand_come_from_different_clusters() -> None:
    clusters = np.repeat(np.arange(12), 10)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        hands = deal(90, 6, np.arange(120), clusters, rng)
        assert all(len(np.unique(clusters[hand])) == 6 for hand in hands)
        plain = deal(90, 6, np.arange(120), None, rng)
        assert any(len(np.unique(clusters[hand])) < 6 for hand in plain)


def test_a_large_cluster_is_shared_out_evenly() -> None:
    """It cannot be in every hand once; then it is in none much more often than in another."""
    clusters = np.array([0] * 60 + list(range(1, 41)))
    hands = deal(20, 5, np.arange(100), clusters, np.random.default_rng(1))
    of_it = (clusters[hands] == 0).sum(axis=1)
    assert set(of_it.tolist()) == {3}


def test_hands_do_not_come_in_groups() -> None:
    """Helpers that share one target share no more of the others than chance would have."""
    hands = deal(200, 5, np.arange(100), np.arange(100) % 20, np.random.default_rng(3))
    held = np.zeros((200, 100))
    np.put_along_axis(held, hands, 1.0, axis=1)
    shared = (held @ held.T)[np.triu_indices(200, 1)]
    assert shared.mean() == pytest.approx(5 * 5 / 100, rel=0.1)
    assert shared.max() <= 3


def test_same_seed_same_hands() -> None:
    def hands(seed: int) -> Any:
        return deal(30, 4, np.arange(25), np.arange(25) % 5, np.random.default_rng(seed)).tolist()

    assert hands(1) == hands(1)
    assert hands(1) != hands(2)
