"""Seeded draws of rows and of each row's own targets, plain or in proportion to clusters.

Knows positions and cluster numbers; nothing of rows, plans or influence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.types import IndexArray


@dataclass(frozen=True)
class Clusters:
    """Which rows are alike: a cluster number for each row.

    Attributes:
        pool: ``(n_train,)`` of the pool's rows.
        target: ``(n_target,)`` of the target rows; empty where there are none.
    """

    pool: IndexArray
    target: IndexArray


def shuffled(n_rows: int, clusters: IndexArray | None, rng: np.random.Generator) -> IndexArray:
    """All positions in random order; with clusters every stretch holds its share of each.

    A row is as likely to come early as any other. Member number r of a cluster of s rows stands
    about (r + a random start) / s of the way down, so the first L rows hold L s / n_rows of its
    members, but for less than one.

    Args:
        n_rows: How many rows.
        clusters: ``(n_rows,)`` cluster numbers, or None for a plain draw.
        rng: Where the draw comes from.
    """
    order: IndexArray = rng.permutation(n_rows)
    if clusters is None or n_rows == 0:
        return order
    _, numbers, sizes = np.unique(clusters[order], return_inverse=True, return_counts=True)
    starts = rng.random(len(sizes))
    ranks = _ranks(numbers, sizes)
    place = (ranks + starts[numbers]) / sizes[numbers]
    return order[np.argsort(place, kind="stable")]


def _ranks(numbers: IndexArray, sizes: IndexArray) -> IndexArray:
    """The how-manieth of its cluster each row is, in the order given."""
    together = np.argsort(numbers, kind="stable")
    first = np.cumsum(sizes) - sizes
    ranks = np.empty(len(numbers), dtype=np.int64)
    ranks[together] = np.arange(len(numbers)) - np.repeat(first, sizes)
    return ranks


def deal(
    n_hands: int,
    n_cards: int,
    deck: IndexArray,
    clusters: IndexArray | None,
    rng: np.random.Generator,
) -> IndexArray:
    """Hands of different cards, dealt from one shuffled deck after the other.

    So every card is dealt equally often, up to one. With clusters the cards of a hand come from
    as many clusters as a deck can give to each of its hands.

    Args:
        n_hands: How many hands.
        n_cards: Cards of a hand, at most a whole deck.
        deck: Distinct cards (positions).
        clusters: Cluster numbers, indexed by card; None for none.
        rng: Where the shuffles come from.

    Returns:
        ``(n_hands, n_cards)``, each hand ascending.
    """
    hands: IndexArray = np.empty((n_hands, n_cards), dtype=np.int64)
    left: IndexArray = np.empty(0, dtype=np.int64)
    done = 0
    while done < n_hands:
        fresh = deck[shuffled(len(deck), None if clusters is None else clusters[deck], rng)]
        # Cards that wait from the deck before are dealt first, and not twice into one hand.
        waiting = np.isin(fresh, left)
        cards = np.concatenate([left, fresh[~waiting], fresh[waiting]])
        count = min(n_hands - done, len(cards) // n_cards)
        used, left = np.split(cards, [count * n_cards])
        hands[done : done + count] = _stride(used, count, clusters, rng)
        done += count
    return np.sort(hands, axis=1)


def _stride(
    cards: IndexArray, n_hands: int, clusters: IndexArray | None, rng: np.random.Generator
) -> IndexArray:
    """Cards into hands: sorted by cluster, every ``n_hands``-th one goes to the same hand.

    Two cards of a cluster, or two copies of a card, then share a hand only where there are more
    of them than hands.
    """
    kinds, number = np.unique(cards, return_inverse=True)
    keys: list[NDArray[np.float64]] = [rng.random(len(kinds))[number]]
    if clusters is not None:
        groups, group = np.unique(clusters[cards], return_inverse=True)
        keys.append(rng.random(len(groups))[group])
    return cards[np.lexsort(keys)].reshape(-1, n_hands).T
