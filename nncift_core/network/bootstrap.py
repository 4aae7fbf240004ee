"""Two-way bootstrap intervals: rows and columns are resampled independently.

Pairs that share a row or a column are not independent, so resampling pairs would promise
too much. A resample gives pair (i, j) the weight (times i was drawn) x (times j was drawn).
Source: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics, 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
CONFIDENCE = 0.95

# Spearman's rank correlation sorts weights in every resample; on more pairs than this its
# interval comes from fewer resamples, so that a large table still takes seconds.
MANY_PAIRS = 20_000
RESAMPLES_OF_MANY = 100

_CHUNK = 8_000_000
"""Weights in memory at a time: 64 MB of float64."""

DoubleArray = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """95 % intervals; None where there is too little to resample."""

    mse: Interval | None
    r2: Interval | None
    spearman: Interval | None


def ranks(values: DoubleArray, weights: DoubleArray | None = None) -> DoubleArray:
    """Mid-ranks of ``(n,)`` values, ties sharing theirs; each value counts ``weights`` times.

    Args:
        values: ``(n,)``.
        weights: ``(resamples, n)`` counts, or None for one each.

    Returns:
        ``(n,)``, or ``(resamples, n)`` with weights.
    """
    counts = np.ones((1, len(values))) if weights is None else weights
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    per_group = np.add.reduceat(np.take(counts, order, axis=1), starts, axis=1)
    middle = np.cumsum(per_group, axis=1) - (per_group - 1) / 2
    result: DoubleArray = np.take(middle, group, axis=1)
    return result[0] if weights is None else result


def correlation(first: DoubleArray, second: DoubleArray, weights: DoubleArray) -> DoubleArray:
    """Weighted Pearson correlation of the last axis; NaN where either side is constant."""
    total = weights.sum(-1, keepdims=True)
    first = first - (weights * first).sum(-1, keepdims=True) / total
    second = second - (weights * second).sum(-1, keepdims=True) / total
    covariance = (weights * first * second).sum(-1)
    spread = (weights * first**2).sum(-1) * (weights * second**2).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: DoubleArray = np.where(spread > 0, covariance / np.sqrt(spread), np.nan)
    return result


def intervals(
    row: NDArray[np.int64],
    column: NDArray[np.int64] | None,
    truth: DoubleArray,
    predicted: DoubleArray,
    seed: int,
) -> Intervals:
    """Intervals of mean squared error, R² and Spearman's rank correlation.

    Args:
        row: ``(n,)`` pool position of each pair.
        column: ``(n,)`` target position of each pair; None where there are rows only, which are
            then all that is resampled.
        truth: ``(n,)`` labels.
        predicted: ``(n,)`` predictions on the same scale.
        seed: Of the resampling.
    """
    _, i = np.unique(row, return_inverse=True)
    j = np.zeros_like(i) if column is None else np.unique(column, return_inverse=True)[1]
    n_rows, n_columns, n_pairs = int(i.max()) + 1, int(j.max()) + 1, len(i)
    if n_rows < 2 or (column is not None and n_columns < 2):
        return Intervals(None, None, None)
    rng = np.random.default_rng(seed)
    row_counts = rng.multinomial(n_rows, np.full(n_rows, 1 / n_rows), RESAMPLES)
    column_counts = rng.multinomial(n_columns, np.full(n_columns, 1 / n_columns), RESAMPLES)
    # Sums over a resample are a product of counts, grid of pairs and counts: one matrix
    # product instead of a weight for every pair and resample (187,500 pairs: the whole function
    # in 2 to 3 s of one core instead of 10; what is left is the ranks).
    rows_of, columns_of = row_counts.astype(np.float64), column_counts.astype(np.float64)
    totals: list[DoubleArray] = []
    for values in (np.ones(n_pairs), (truth - predicted) ** 2, truth, truth**2):
        cells = np.bincount(i * n_columns + j, weights=values, minlength=n_rows * n_columns)
        by_column = rows_of @ cells.reshape(n_rows, n_columns)
        totals.append((by_column * columns_of).sum(axis=1))
    enough_ranks = RESAMPLES if n_pairs <= MANY_PAIRS else RESAMPLES_OF_MANY
    rank_values: list[DoubleArray] = [np.empty(0)]
    step = max(1, _CHUNK // n_pairs)
    for start in range(0, enough_ranks, step):
        part = slice(start, min(start + step, enough_ranks))
        weights = np.take(rows_of[part], i, axis=1) * np.take(columns_of[part], j, axis=1)
        weights = weights[weights.sum(1) > 0]
        if len(weights):
            rank_values.append(
                correlation(ranks(truth, weights), ranks(predicted, weights), weights)
            )
    count, squared_error, total, total_squares = totals
    drawn = count > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        mse = squared_error[drawn] / count[drawn]
        spread = total_squares[drawn] / count[drawn] - (total[drawn] / count[drawn]) ** 2
        r2 = np.where(spread > 1e-15, 1 - mse / spread, np.nan)
    return Intervals(_interval(mse), _interval(r2), _interval(np.concatenate(rank_values)))


def row_means(row: NDArray[np.int64], values: DoubleArray) -> DoubleArray:
    """``(rows,)`` mean of each row's ``(n,)`` values, rows in ascending order of position."""
    place = np.unique(row, return_inverse=True)[1]
    result: DoubleArray = np.bincount(place, weights=values) / np.bincount(place)
    return result


def row_rank_interval(
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    truth: DoubleArray,
    predicted: DoubleArray,
    seed: int,
) -> Interval | None:
    """Interval of the rank correlation of row means of truth and prediction.

    Which columns were drawn changes a row's mean, so both sides are resampled here too.

    Args:
        row: ``(n,)`` pool position of each pair.
        column: ``(n,)`` target position of each pair.
        truth: ``(n,)`` labels.
        predicted: ``(n,)`` predictions on the same scale.
        seed: Of the resampling.

    Returns:
        None where there are fewer than two rows or columns.
    """
    _, i = np.unique(row, return_inverse=True)
    _, j = np.unique(column, return_inverse=True)
    n_rows, n_columns = int(i.max()) + 1, int(j.max()) + 1
    if min(n_rows, n_columns) < 2:
        return None
    rng = np.random.default_rng(seed)
    row_counts = rng.multinomial(n_rows, np.full(n_rows, 1 / n_rows), RESAMPLES)
    column_counts = rng.multinomial(n_columns, np.full(n_columns, 1 / n_columns), RESAMPLES)

    def by_row(values: DoubleArray) -> DoubleArray:
        cells = np.bincount(i * n_columns + j, weights=values, minlength=n_rows * n_columns)
        totals: DoubleArray = column_counts.astype(np.float64) @ cells.reshape(n_rows, n_columns).T
        return totals

    count = by_row(np.ones(len(i)))
    weights = np.where(count > 0, row_counts, 0).astype(np.float64)
    means = [by_row(values) / np.maximum(count, 1) for values in (truth, predicted)]
    found: list[DoubleArray] = []
    step = max(1, _CHUNK // n_rows**2)
    for start in range(0, RESAMPLES, step):
        part = slice(start, start + step)
        if not (drawn := weights[part].sum(1) > 0).any():
            continue
        here = weights[part][drawn]
        first, second = (_own_ranks(values[part][drawn], here) for values in means)
        found.append(correlation(first, second, here))
    return _interval(np.concatenate([np.empty(0), *found]))


def _own_ranks(values: DoubleArray, weights: DoubleArray) -> DoubleArray:
    """Mid-ranks where each resample has values of its own: ``(resamples, n)`` both."""
    below = values[:, None, :] < values[:, :, None]
    equal = values[:, None, :] == values[:, :, None]
    counts = weights[:, :, None]
    result: DoubleArray = (below @ counts + (equal @ counts + 1) / 2)[:, :, 0]
    return result


def _interval(values: DoubleArray) -> Interval | None:
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
