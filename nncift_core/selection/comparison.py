"""How alike selections of one pool are: overlap, order, composition, repeats, lengths.

Every figure comes with what chance gives for draws of the same size, since two halves of a pool
share half of their rows whatever chose them. Works on positions in the pool; knows nothing of
ids, texts, files or where influence comes from.

Agreement at depth and its mean, the average overlap, are those of Fagin, Kumar and Sivakumar,
"Comparing top k lists" (SIAM J. Discrete Math. 17, 2003), section 3: they need no common length,
so that different budgets can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.types import IndexArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LEAST_SHARED = 3
"""Fewer shared rows have no order worth a coefficient."""

MOST_DEPTHS = 50
"""Points of the agreement curve."""

RANDOM_DRAWS = 10
"""Random draws that a figure is set against, where chance has no simple formula."""


@dataclass(frozen=True, eq=False)
class Overlap:
    """What selections share, two by two; ``(m, m)`` each, symmetric.

    Attributes:
        shared: Rows that are in both; the diagonal holds the sizes.
        jaccard: Shared rows as a share of the rows that are in one of the two or both.
        of_smaller: Shared rows as a share of the smaller selection.
        chance: Rows that two random draws of these sizes share on average.
        chance_jaccard: The Jaccard index of that many shared rows.
    """

    shared: Ints
    jaccard: Floats
    of_smaller: Floats
    chance: Floats
    chance_jaccard: Floats


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far two selections agree in their order.

    Attributes:
        shared: Rows that are in both.
        spearman: Rank correlation of the shared rows in -1 to 1; None below ``LEAST_SHARED``.
        kendall: Kendall's tau of them, likewise.
        average_overlap: Mean over all depths d, up to the shorter selection, of the share of the
            first d rows that are common; in 0 to 1.
        average_overlap_chance: The same for two random orders.
        depth: ``(p,)`` some depths, the last is the shorter selection's size.
        at_depth: ``(p,)`` share of the first so many rows that are common.
        chance: ``(p,)`` the same for two random orders.
    """

    shared: int
    spearman: float | None
    kendall: float | None
    average_overlap: float
    average_overlap_chance: float
    depth: Ints
    at_depth: Floats
    chance: Floats


@dataclass(frozen=True)
class Quartiles:
    """Lengths of rows: quartiles, mean and sum. Units are those of the lengths."""

    lower: float
    median: float
    upper: float
    mean: float
    total: int


@dataclass(frozen=True)
class Repeats:
    """Rows of a selection that repeat another one of it.

    Attributes:
        groups: Groups of equal or similar rows with more than one row in the selection.
        surplus: Rows beyond the first of each group.
    """

    groups: int
    surplus: int


def overlap(orders: Sequence[IndexArray], n_train: int) -> Overlap:
    """What selections share, two by two.

    Args:
        orders: ``(k,)`` positions in the pool of each selection, none twice, at least one.
        n_train: Rows of the pool.
    """
    # As indicators by rows of the pool: positions are cheap, and sizes are at most the pool's.
    sizes = np.array([len(order) for order in orders], dtype=np.int64)
    inside = np.zeros((len(orders), n_train), dtype=np.bool_)
    for row, order in zip(inside, orders, strict=True):
        row[order] = True
    shared = np.array([[np.count_nonzero(a & b) for b in inside] for a in inside], dtype=np.int64)
    both = sizes[:, None] + sizes[None, :]
    chance = sizes[:, None] * sizes[None, :] / n_train
    # A selection shares itself with itself: nothing is left to chance.
    np.fill_diagonal(chance, sizes)
    return Overlap(
        shared,
        shared / (both - shared),
        shared / np.minimum(sizes[:, None], sizes[None, :]),
        chance,
        chance / (both - chance),
    )


def agreement(first: IndexArray, second: IndexArray, n_train: int) -> Agreement:
    """How far two selections agree in their order, which runs from the best row on.

    Args:
        first: ``(k,)`` positions in the pool, in selection order.
        second: ``(l,)`` likewise; k and l may differ.
        n_train: Rows of the pool.
    """
    rank_first, rank_second = _ranks(first, n_train), _ranks(second, n_train)
    common = first[rank_second[first] >= 0]
    a, b = rank_first[common], rank_second[common]
    spearman = kendall = None
    if len(common) >= LEAST_SHARED:
        spearman = float(np.corrcoef(_ranked(a), _ranked(b))[0, 1])
        pairs = len(common) * (len(common) - 1) / 2
        kendall = 1 - 2 * _inversions(_ranked(b)[np.argsort(a)]) / pairs
    shorter = min(len(first), len(second))
    # A shared row counts from the depth on at which both selections hold it.
    seen = np.maximum(a, b)
    together = np.cumsum(np.bincount(seen[seen < shorter], minlength=shorter))
    depths = np.arange(1, shorter + 1, dtype=np.int64)
    shares = together / depths
    shown = np.unique(np.linspace(1, shorter, min(shorter, MOST_DEPTHS)).round().astype(np.int64))
    return Agreement(
        len(common),
        spearman,
        kendall,
        float(shares.mean()),
        (shorter + 1) / (2 * n_train),
        shown,
        shares[shown - 1],
        shown / n_train,
    )


def only_in(orders: Sequence[IndexArray], n_train: int) -> list[IndexArray]:
    """For each selection the positions that no other one holds, in its order."""
    times = np.zeros(n_train, dtype=np.int64)
    for order in orders:
        times[order] += 1
    return [order[times[order] == 1] for order in orders]


def in_all(orders: Sequence[IndexArray], n_train: int) -> int:
    """How many rows every selection holds."""
    times = np.zeros(n_train, dtype=np.int64)
    for order in orders:
        times[order] += 1
    return int(np.count_nonzero(times == len(orders)))


def quartiles(lengths: IndexArray) -> Quartiles:
    """Quartiles, mean and sum of ``(n,)`` lengths, at least one."""
    lower, median, upper = np.quantile(lengths, [0.25, 0.5, 0.75])
    return Quartiles(
        float(lower), float(median), float(upper), float(lengths.mean()), int(lengths.sum())
    )


def repeats(group: IndexArray, order: IndexArray) -> Repeats:
    """Rows of a selection that repeat another one of it.

    Args:
        group: ``(n_train,)`` group of each row of the pool, -1 for rows that are like no other.
        order: ``(k,)`` positions of the selection.
    """
    inside = group[order]
    counts = np.unique(inside[inside >= 0], return_counts=True)[1]
    return Repeats(int(np.count_nonzero(counts > 1)), int((counts - 1).sum()))


def composition(family: IndexArray, n_families: int, order: IndexArray) -> Ints:
    """``(n_families,)`` how many rows of a selection belong to each family.

    Args:
        family: ``(n_train,)`` family of each row of the pool, from 0.
        n_families: How many there are.
        order: ``(k,)`` positions of the selection.
    """
    return np.bincount(family[order], minlength=n_families).astype(np.int64)


def distance(first: Ints, second: Ints) -> float:
    """Share of rows that would have to change family to make two compositions alike, 0 to 1.

    The total variation distance of their shares: half the sum of absolute differences.
    """
    return float(np.abs(first / first.sum() - second / second.sum()).sum() / 2)


def random_distance(
    family: IndexArray, n_families: int, size: int, *, draws: int = RANDOM_DRAWS, seed: int = 0
) -> float:
    """Mean distance from the pool of random draws of ``size`` rows: what chance alone gives."""
    generator = np.random.default_rng(seed)
    pool = np.bincount(family, minlength=n_families).astype(np.int64)
    found = generator.multivariate_hypergeometric(pool, size, size=draws, method="marginals")
    return float(np.mean([distance(counts.astype(np.int64), pool) for counts in found]))


def _ranks(order: IndexArray, n_train: int) -> Ints:
    """``(n_train,)`` the place of each row of the pool in an order, -1 for rows outside it."""
    ranks = np.full(n_train, -1, dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _inversions(order: Ints) -> int:
    """How many pairs of a permutation of 0 to n - 1 stand the wrong way round.

    By binary digits, the highest first: among numbers that are equal up to there, those with a 1
    before those with a 0 are counted. No sort of 25,000 rows takes part, and no import of a
    second.
    """
    found, grouped = 0, order.copy()
    for digit in reversed(range(len(order).bit_length())):
        ones = (grouped >> digit) & 1
        group = grouped >> (digit + 1)
        before = np.cumsum(ones) - ones
        first = np.flatnonzero(np.diff(group, prepend=-1))
        sizes = np.diff(np.append(first, len(group)))
        inside = before - np.repeat(before[first], sizes)
        found += int(inside[ones == 0].sum())
        grouped = grouped[np.argsort(grouped >> digit, kind="stable")]
    return found


def _ranked(values: Ints) -> Ints:
    """The ranks of different values."""
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.argsort(values)] = np.arange(len(values))
    return ranks
