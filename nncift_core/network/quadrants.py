"""How good the estimates are: the quadrants, beside honest baselines.

Q1 pairs were trained on; Q2 are unseen pool rows x seen targets; Q3 seen x unseen; Q4 unseen
x unseen, the real test. Q1u are pairs of a seen row and a seen target that were not trained on;
a block of labels has none. All squared errors are on the min-max scale of the training labels,
unclipped. What cannot be computed is None, never NaN. Paper: NN-CIFT, figure 2; Q1u, the
baselines and the intervals are this project's addition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from nncift_core.influence.label_plan import ROLES
from nncift_core.network.bootstrap import (
    DoubleArray,
    Interval,
    correlation,
    intervals,
    ranks,
    row_means,
    row_rank_interval,
)
from nncift_core.network.scale import LabelScale
from nncift_core.types import FloatArray, Pairs

SMALLEST_ROWS = 8
"""Fewer rows than this have no rank correlation of their scores."""

_SCORED = ("q2", "q3", "q4")
"""Quadrants in which every row has labels with the same several columns."""


@dataclass(frozen=True)
class QuadrantMetrics:
    """Errors of one quadrant and of what must be beaten there.

    Attributes:
        n: Pairs measured.
        mse: Mean squared error, scaled.
        r2: Share of the labels' variance that is explained; None if they do not vary.
        spearman: Rank correlation with the labels.
        mse_ci: 95 % interval, rows and columns resampled; likewise the other two.
        mse_mean: Error of predicting the mean of the training labels.
        mse_zero: Error of predicting 0 on the scale.
        mse_random: Expected error of a uniform random value on the scale.
        mse_additive: Error of row mean plus column mean, as far as either is known from
            training pairs; None in Q4, where neither is.
        mse_cosine: Error of the embeddings' cosine, fitted to the training labels by a line;
            None for a pointwise function, which has no second embedding.
        row_spearman: Rank correlation of row scores: of each row's mean label with its mean
            prediction over the quadrant's columns, in Q2 to Q4. None elsewhere, with fewer than
            8 rows, and for a pointwise function, where ``spearman`` says it.
        row_spearman_ci: Its 95 % interval, rows and columns resampled.
    """

    n: int
    mse: float
    r2: float | None
    spearman: float | None
    mse_ci: Interval | None
    r2_ci: Interval | None
    spearman_ci: Interval | None
    mse_mean: float
    mse_zero: float
    mse_random: float
    mse_additive: float | None
    mse_cosine: float | None
    row_spearman: float | None = None
    row_spearman_ci: Interval | None = None


class _RowOrder(TypedDict, total=False):
    row_spearman: float | None
    row_spearman_ci: Interval | None


class _Baselines(TypedDict):
    mse_mean: float
    mse_zero: float
    mse_random: float
    mse_additive: float | None
    mse_cosine: float | None


def measure_quadrants(
    by_role: Mapping[str, Pairs],
    predicted: Mapping[str, FloatArray],
    helpers: FloatArray,
    helped: FloatArray,
    scale: LabelScale,
    seed: int,
) -> dict[str, QuadrantMetrics | None]:
    """The table of the quadrants, ``q1`` to ``q4`` and ``q1u``; None where there are no pairs.

    Args:
        by_role: Labelled pairs, original units.
        predicted: ``(n,)`` predictions of the same pairs on the min-max scale.
        helpers: ``(n_train, d)`` unit embeddings of the pool.
        helped: ``(n_target, d)`` unit embeddings of the target set; ``(1, 0)`` for a pointwise
            function.
        scale: Min-max scale of the training labels.
        seed: Of the bootstrap.
    """
    beside = measure_baselines(by_role, helpers, helped, scale)
    table: dict[str, QuadrantMetrics | None] = {}
    for number, role in enumerate(ROLES):
        pairs = by_role.get(role)
        if pairs is None or not len(pairs):
            table[role] = None
            continue
        truth = (pairs.value.astype(np.float64) - scale.lo) / scale.width
        guess = predicted[role].astype(np.float64)
        pointwise = helped.shape[1] == 0
        spread = intervals(
            pairs.helper, None if pointwise else pairs.helped, truth, guess, seed + number
        )
        scored = not pointwise and role in _SCORED
        table[role] = QuadrantMetrics(
            n=len(pairs),
            mse=_mse(truth, guess),
            r2=r_squared(truth, guess),
            spearman=spearman(truth, guess),
            mse_ci=spread.mse,
            r2_ci=spread.r2,
            spearman_ci=spread.spearman,
            **beside[role],
            **(_row_order(pairs, truth, guess, seed + number) if scored else {}),
        )
    return table


def measure_baselines(
    by_role: Mapping[str, Pairs],
    helpers: FloatArray,
    helped: FloatArray,
    scale: LabelScale,
) -> dict[str, _Baselines]:
    """What must be beaten in each quadrant that has pairs; needs no network.

    Args:
        by_role: Labelled pairs, original units.
        helpers: ``(n_train, d)`` unit embeddings of the pool.
        helped: As for ``measure_quadrants``.
        scale: Min-max scale of the training labels.

    Returns:
        By quadrant, the fields ``mse_mean`` to ``mse_cosine`` of ``QuadrantMetrics``.
    """
    training = by_role["q1"]
    scaled = (training.value.astype(np.float64) - scale.lo) / scale.width
    pointwise = helped.shape[1] == 0
    if not pointwise:
        additive = _Additive(training, scaled, len(helpers), len(helped))
        slope, intercept = _line(_cosines(training, helpers, helped), scaled)
    table: dict[str, _Baselines] = {}
    for role, pairs in by_role.items():
        if not len(pairs):
            continue
        truth = (pairs.value.astype(np.float64) - scale.lo) / scale.width
        # A row's own label is all that a row mean would be made of.
        cosine = added = None
        if not pointwise:
            cosine = slope * _cosines(pairs, helpers, helped) + intercept
            added = additive.predict(pairs)
        table[role] = _Baselines(
            mse_mean=_mse(truth, scaled.mean()),
            mse_zero=_mse(truth, 0.0),
            # E[(U - y)^2] for U uniform on 0 to 1: exact, so no second draw can change it.
            mse_random=float(np.mean(1 / 3 - truth + truth**2)),
            mse_additive=None if added is None else _mse(truth, added),
            mse_cosine=None if cosine is None else _mse(truth, cosine),
        )
    return table


def r_squared(truth: DoubleArray, predicted: DoubleArray) -> float | None:
    """1 - squared error / squared deviation from the labels' own mean; None if constant."""
    deviation = float(np.sum((truth - truth.mean()) ** 2))
    if deviation <= 1e-15 * len(truth):
        return None
    return 1 - float(np.sum((truth - predicted) ** 2)) / deviation


def spearman(truth: DoubleArray, predicted: DoubleArray) -> float | None:
    """Rank correlation, ties sharing mid-ranks; None if either side is constant."""
    value = float(correlation(ranks(truth), ranks(predicted), np.ones(len(truth))))
    return value if np.isfinite(value) else None


def _row_order(pairs: Pairs, truth: DoubleArray, guess: DoubleArray, seed: int) -> _RowOrder:
    """How well the order of row scores is found; nothing where there are too few rows."""
    if len(np.unique(pairs.helper)) < SMALLEST_ROWS:
        return {}
    value = spearman(row_means(pairs.helper, truth), row_means(pairs.helper, guess))
    if value is None:
        return {}
    interval = row_rank_interval(pairs.helper, pairs.helped, truth, guess, seed)
    return {"row_spearman": value, "row_spearman_ci": interval}


def _mse(truth: DoubleArray, predicted: DoubleArray | float) -> float:
    return float(np.mean((truth - predicted) ** 2))


def _cosines(pairs: Pairs, helpers: FloatArray, helped: FloatArray) -> DoubleArray:
    result = np.empty(len(pairs), dtype=np.float64)
    for start in range(0, len(pairs), 65_536):
        part = slice(start, start + 65_536)
        left = helpers[pairs.helper[part]].astype(np.float64)
        result[part] = np.einsum("nd,nd->n", left, helped[pairs.helped[part]])
    return result


def _line(x: DoubleArray, y: DoubleArray) -> tuple[float, float]:
    spread = float(np.var(x))
    slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > 0 else 0.0
    return slope, float(y.mean() - slope * x.mean())


class _Additive:
    """Row mean plus column mean minus grand mean of the training labels."""

    def __init__(self, training: Pairs, scaled: DoubleArray, n_train: int, n_target: int) -> None:
        self._grand = float(scaled.mean())
        self._row = self._effect(training.helper, scaled, n_train)
        self._column = self._effect(training.helped, scaled, n_target)

    def _effect(self, position: NDArray[np.int64], scaled: DoubleArray, size: int) -> DoubleArray:
        count = np.bincount(position, minlength=size)
        total = np.bincount(position, weights=scaled, minlength=size)
        effect: DoubleArray = np.where(count, total / np.maximum(count, 1) - self._grand, np.nan)
        return effect

    def predict(self, pairs: Pairs) -> DoubleArray | None:
        """Known effects added up; None where no pair has a known row or column."""
        effects = np.stack([self._row[pairs.helper], self._column[pairs.helped]])
        if not np.isfinite(effects).any():
            return None
        result: DoubleArray = self._grand + np.nansum(effects, axis=0)
        return result
