"""A Gaussian process over pairs: what an endlessly wide two-tower network would answer.

Two pairs are alike where both their helpers and their helped rows are. The covariance of pairs
(i, j) and (i', j') is ``k_x(i, i') k_y(j, j')`` with ``k(x, x') = constant + similar * s(x, x') +
own * [same row]``, ``s`` a Gaussian of the whitened inputs, and label noise. The products hold
everything a labelled matrix can teach: row and column means, what alike rows share, and what a row
has of its own. The nine strengths are given (``strengths.py``), the rest is a linear system.

Nothing of size pairs x pairs is made: ``s`` is replaced by at most 160 features of each row
(Nyström), so that one product with the covariance costs a few hundred operations a label.
Knows nothing of units, hold-outs or files.

Sources: Rasmussen and Williams, "Gaussian Processes for Machine Learning", chapters 2, 5 and 8;
Bonilla, Chai and Williams, "Multi-task Gaussian Process Prediction", NIPS 2007 (products).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg

from nncift_core.network.strengths import Side, Strengths
from nncift_core.types import FloatArray, IndexArray

LANDMARKS = 512
FEATURES = 160
TOLERANCE = 1e-4
MOST_ITERATIONS = 400

ROWS = 4096
"""Rows projected at a time: 17 MB of similarities to the landmarks."""

LABELS = 16_384
"""Labels gathered at a time: 42 MB of each side."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """A side's similarity as a product: ``s(x, x')`` is about ``f(x) . f(x')``.

    Attributes:
        landmarks: ``(l, k)`` whitened rows.
        weight: ``(l, r)``.
        sharpness: Of the similarity.
    """

    landmarks: FloatArray
    weight: Array
    sharpness: float

    @classmethod
    def of(cls, rows: FloatArray, sharpness: float, seed: int, most: int = FEATURES) -> Features:
        """At most ``most`` features from a seeded sample of ``(n, k)`` rows."""
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.permutation(len(rows))[:LANDMARKS])
        landmarks = rows[chosen]
        values, vectors = np.linalg.eigh(_similarity(landmarks, landmarks, sharpness))
        values, vectors = values[::-1], vectors[:, ::-1]
        kept = max(1, min(most, int(np.sum(values > 1e-6 * values[0]))))
        return cls(landmarks, vectors[:, :kept] / np.sqrt(values[:kept]), sharpness)

    def apply(self, rows: FloatArray) -> Array:
        """``(n, k)`` to ``(n, r)``."""
        result = np.empty((len(rows), self.weight.shape[1]))
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            result[part] = _similarity(rows[part], self.landmarks, self.sharpness) @ self.weight
        return result


def _similarity(rows: FloatArray, others: FloatArray, sharpness: float) -> Array:
    result: Array = np.exp(sharpness * (rows.astype(np.float64) @ others.T.astype(np.float64) - 1))
    return result


@dataclass(frozen=True)
class Posterior:
    """The mean of the process given its labels, as a product of two projections.

    What one labelled pair has of its own, beyond its row and column, is left out: it counts as
    noise and says nothing of any other pair.

    Attributes:
        helper_features: Of rows that help.
        helped_features: Of rows that are helped, None for a pointwise function.
        strengths: What they were fitted with.
        core: ``(r_x + 1, r_y + 1)`` what alike rows teach.
        helper_own: ``(n, r_y + 1)`` what each known helper has of its own.
        helped_own: ``(m, r_x + 1)`` what each known helped row has of its own.
    """

    helper_features: Features
    helped_features: Features | None
    strengths: Strengths
    core: Array
    helper_own: Array
    helped_own: Array

    def project_helpers(self, rows: FloatArray, *, known: bool) -> FloatArray:
        """``(n, (r_y + 1) + (r_x + 1))``; the first rows are those it was fitted on if known."""
        left, right = self.core.shape
        result = np.empty((len(rows), right + left), dtype=np.float32)
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            features = expand(self.helper_features, rows[part], self.strengths.helpers)
            taught = features @ self.core
            if known:
                own = self.helper_own[part]
                taught[: len(own)] += own[: len(taught)]
            result[part, :right], result[part, right:] = taught, features
        return result

    def project_helped(self, rows: FloatArray, *, known: bool) -> FloatArray:
        """``(m, (r_y + 1) + (r_x + 1))``, likewise."""
        left, right = self.core.shape
        result = np.zeros((len(rows), right + left), dtype=np.float32)
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            result[part, :right] = expand(self.helped_features, rows[part], self.strengths.helped)
        if known:
            count = min(len(rows), len(self.helped_own))
            result[:count, right:] = self.helped_own[:count]
        return result


def expand(features: Features | None, rows: FloatArray, side: Side) -> Array:
    """``f(x) . f(x')`` is ``constant + similar * s(x, x')``: ``(n, r + 1)``."""
    constant = np.full((len(rows), 1), np.sqrt(side.constant))
    if features is None:
        return constant
    return np.concatenate([constant, np.sqrt(side.similar) * features.apply(rows)], axis=1)


def fit_posterior(
    helpers: FloatArray,
    helped: FloatArray | None,
    n_helped: int,
    i: IndexArray,
    j: IndexArray,
    values: Array,
    strengths: Strengths,
    seed: int,
) -> Posterior:
    """Solve for the labels' weights by conjugate gradients, and sum them up by row and feature.

    Args:
        helpers: ``(n, k)`` whitened rows.
        helped: ``(m, k)`` whitened rows, None for a pointwise function.
        n_helped: ``m``; 1 for a pointwise function.
        i: ``(labels,)`` positions of the helpers.
        j: ``(labels,)`` positions of the helped rows.
        values: ``(labels,)`` of mean 0.
        strengths: Of the covariance.
        seed: Of the landmarks.
    """
    x, y = strengths.helpers, strengths.helped
    # Rows without a label learn and teach nothing: they are left out until the end.
    rows, i = np.unique(i, return_inverse=True)
    columns, j = np.unique(j, return_inverse=True)
    helper_features = Features.of(helpers[rows], x.sharpness, seed)
    left = expand(helper_features, helpers[rows], x)
    helped_features, right = None, np.full((len(columns), 1), np.sqrt(y.constant))
    if helped is not None:
        helped_features = Features.of(helped[columns], y.sharpness, seed)
        right = expand(helped_features, helped[columns], y)
    shape = (len(rows), len(columns))

    def sums(weights: Array) -> tuple[Array, Array, Array]:
        """What the labels' weights come to: core, by helper, by helped row."""
        matrix = sparse.csr_matrix((weights, (i, j)), shape=shape)
        by_helper = matrix @ right
        return left.T @ by_helper, by_helper, matrix.T @ left

    def covariance(weights: Array) -> Array:
        core, by_helper, by_helped = sums(weights)
        one = np.concatenate([left @ core + x.own * by_helper, left], axis=1)
        other = np.concatenate([right, y.own * by_helped], axis=1)
        # A pair is labelled once, so its own weight is all that both own terms share.
        result = (x.own * y.own + strengths.noise) * weights
        for start in range(0, len(i), LABELS):
            part = slice(start, start + LABELS)
            result[part] += np.einsum("nr,nr->n", one[i[part]], other[j[part]])
        return result

    diagonal = (np.einsum("nr,nr->n", left, left) + x.own)[i]
    diagonal *= (np.einsum("nr,nr->n", right, right) + y.own)[j]
    diagonal += strengths.noise
    operator = LinearOperator((len(i), len(i)), matvec=covariance, dtype=np.float64)
    precondition = LinearOperator((len(i), len(i)), matvec=lambda v: v / diagonal)
    weights, _ = cg(operator, values, rtol=TOLERANCE, maxiter=MOST_ITERATIONS, M=precondition)
    core, by_helper, by_helped = sums(weights)
    helper_own = np.zeros((len(helpers), right.shape[1]))
    helped_own = np.zeros((n_helped, left.shape[1]))
    helper_own[rows], helped_own[columns] = x.own * by_helper, y.own * by_helped
    return Posterior(helper_features, helped_features, strengths, core, helper_own, helped_own)
