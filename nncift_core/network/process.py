"""A Gaussian process over pairs: what an endlessly wide two-tower network would answer.

Two pairs are alike where both their helpers and their helped rows are. The covariance of pairs
(i, j) and (i', j') is ``k_x(i, i') k_y(j, j')`` with ``k(x, x') = constant + similar * s(x, x') +
own * [same row]``, ``s`` a Gaussian of the whitened inputs, and label noise. The products hold
everything a labelled matrix can teach: row and column means, what alike rows share, and what a row
has of its own. The nine strengths are fitted by marginal likelihood, the rest is a linear system.

Nothing of size pairs x pairs is made: ``s`` is replaced by at most 160 features of each row
(Nyström), so that one product with the covariance costs a few hundred operations a label.
Knows nothing of units, hold-outs or files.

Sources: Rasmussen and Williams, "Gaussian Processes for Machine Learning", chapters 2, 5 and 8;
Bonilla, Chai and Williams, "Multi-task Gaussian Process Prediction", NIPS 2007 (products).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg

from nncift_core.types import FloatArray, IndexArray

LANDMARKS = 512
FEATURES = 160
FITTED_LABELS = 1000
"""Labels that the strengths are fitted to; the likelihood costs their number cubed."""
STEPS = 40
TOLERANCE = 1e-4
MOST_ITERATIONS = 400

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """The covariance of one side's rows.

    Attributes:
        constant: What all rows share.
        similar: What alike rows share.
        own: What a row has of its own.
        sharpness: ``s(x, x') = exp(sharpness (x . x' - 1))``.
    """

    constant: float
    similar: float
    own: float
    sharpness: float


@dataclass(frozen=True)
class Strengths:
    """What the likelihood decides: both sides, and the variance of label noise."""

    helpers: Side
    helped: Side
    noise: float


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
    def of(cls, rows: FloatArray, sharpness: float, seed: int) -> Features:
        """From a seeded sample of ``(n, k)`` rows."""
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.permutation(len(rows))[:LANDMARKS])
        landmarks = rows[chosen]
        values, vectors = np.linalg.eigh(_similarity(landmarks, landmarks, sharpness))
        values, vectors = values[::-1], vectors[:, ::-1]
        kept = max(1, min(FEATURES, int(np.sum(values > 1e-6 * values[0]))))
        return cls(landmarks, vectors[:, :kept] / np.sqrt(values[:kept]), sharpness)

    def apply(self, rows: FloatArray) -> Array:
        """``(n, k)`` to ``(n, r)``."""
        result: Array = _similarity(rows, self.landmarks, self.sharpness) @ self.weight
        return result


def _similarity(rows: FloatArray, others: FloatArray, sharpness: float) -> Array:
    result: Array = np.exp(sharpness * (rows.astype(np.float64) @ others.T.astype(np.float64) - 1))
    return result


def fit_strengths(
    helpers: FloatArray,
    helped: FloatArray | None,
    i: IndexArray,
    j: IndexArray,
    values: Array,
    seed: int,
) -> Strengths:
    """The strengths of highest marginal likelihood on a sample of the labels.

    Args:
        helpers: ``(n, k)`` whitened rows.
        helped: ``(m, k)`` whitened rows, None for a pointwise function.
        i: ``(labels,)`` positions of the helpers.
        j: ``(labels,)`` positions of the helped rows.
        values: ``(labels,)`` of mean 0 and variance 1.
        seed: Of the sample.
    """
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(i))[:FITTED_LABELS])
    i, j = i[some], j[some]
    target = torch.from_numpy(values[some])
    alike = [torch.from_numpy((helpers[i] @ helpers[i].T).astype(np.float64))]
    same = [torch.from_numpy((i[:, None] == i[None]).astype(np.float64))]
    if helped is not None:
        alike.append(torch.from_numpy((helped[j] @ helped[j].T).astype(np.float64)))
        same.append(torch.from_numpy((j[:, None] == j[None]).astype(np.float64)))
    # Logarithms: constant, similar, own, sharpness of each side, then the noise.
    start = np.log([0.1, 1.0, 0.05, 3.0] * len(alike) + [0.1])
    unknown = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([unknown], lr=0.1)
    eye = torch.eye(len(i), dtype=torch.float64)
    for _ in range(STEPS if values.any() else 0):
        optimizer.zero_grad()
        covariance = torch.ones_like(eye)
        for side, (product, equal) in enumerate(zip(alike, same, strict=True)):
            constant, similar, own, sharpness = unknown[4 * side : 4 * side + 4].exp()
            covariance = covariance * (
                constant + similar * torch.exp(sharpness * (product - 1)) + own * equal
            )
        factor = torch.linalg.cholesky(covariance + (unknown[-1].exp() + 1e-6) * eye)
        solved = torch.cholesky_solve(target[:, None], factor)[:, 0]
        loss = 0.5 * target @ solved + torch.log(torch.diagonal(factor)).sum()
        # A weak pull towards the start: some strengths make no difference to some labels.
        loss = loss + 0.5 * ((unknown - torch.from_numpy(start)) ** 2).sum() / 4
        torch.autograd.backward(loss)
        optimizer.step()
        with torch.no_grad():
            unknown.clamp_(min=np.log(1e-4), max=np.log(50.0))
    found = unknown.detach().exp().tolist()
    first = Side(*found[:4])
    second = Side(*found[4:8]) if helped is not None else Side(1.0, 0.0, 0.0, 1.0)
    return Strengths(first, second, found[-1])


@dataclass(frozen=True)
class Posterior:
    """The mean of the process given its labels, as a product of two projections.

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

    def project_helpers(self, rows: FloatArray, *, known: bool) -> Array:
        """``(n, (r_y + 1) + (r_x + 1))``; the first rows are those it was fitted on if known."""
        features = expand(self.helper_features, rows, self.strengths.helpers)
        left = features @ self.core
        if known:
            count = min(len(rows), len(self.helper_own))
            left[:count] += self.helper_own[:count]
        return np.concatenate([left, features], axis=1)

    def project_helped(self, rows: FloatArray, *, known: bool) -> Array:
        """``(m, (r_y + 1) + (r_x + 1))``, likewise."""
        features = expand(self.helped_features, rows, self.strengths.helped)
        own = np.zeros((len(rows), self.core.shape[0]))
        if known:
            count = min(len(rows), len(self.helped_own))
            own[:count] = self.helped_own[:count]
        return np.concatenate([features, own], axis=1)


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
    helper_features = Features.of(helpers[np.unique(i)], x.sharpness, seed)
    helped_features = (
        None if helped is None else Features.of(helped[np.unique(j)], y.sharpness, seed)
    )
    left = expand(helper_features, helpers, x)
    right = (
        np.ones((n_helped, 1)) * np.sqrt(y.constant)
        if helped is None
        else expand(helped_features, helped, y)
    )
    left_at, right_at = left[i], right[j]
    shape = (len(helpers), n_helped)

    def sums(weights: Array) -> tuple[Array, Array, Array, sparse.csr_matrix]:
        """What each row collects of the labels' weights: core, by helper, by helped row."""
        matrix = sparse.csr_matrix((weights, (i, j)), shape=shape)
        by_helper = matrix @ right
        by_helped = matrix.T @ left
        return left.T @ by_helper, by_helper, by_helped, matrix

    def covariance(weights: Array) -> Array:
        core, by_helper, by_helped, _ = sums(weights)
        shared = left_at @ core + x.own * by_helper[i]
        result: Array = np.einsum("nr,nr->n", shared, right_at)
        result += y.own * np.einsum("nr,nr->n", by_helped[j], left_at)
        # A pair is labelled once, so its own weight is all that both own terms share.
        result += (x.own * y.own + strengths.noise) * weights
        return result

    diagonal = (np.einsum("nr,nr->n", left_at, left_at) + x.own) * (
        np.einsum("nr,nr->n", right_at, right_at) + y.own
    ) + strengths.noise
    operator = LinearOperator((len(i), len(i)), matvec=covariance, dtype=np.float64)
    precondition = LinearOperator((len(i), len(i)), matvec=lambda v: v / diagonal)
    weights, _ = cg(operator, values, rtol=TOLERANCE, maxiter=MOST_ITERATIONS, M=precondition)
    core, by_helper, by_helped, _ = sums(weights)
    return Posterior(
        helper_features, helped_features, strengths, core, x.own * by_helper, y.own * by_helped
    )
