"""How strongly pairs are alike, from the labels: the covariance of ``process.py``.

The strengths of highest marginal likelihood are climbed to by gradients in closed form. Knows
nothing of whitening, features or predictions.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", section 5.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from nncift_core.types import FloatArray, IndexArray

FITTED_LABELS = 1000
"""Labels that the strengths are fitted to; the likelihood costs their number cubed."""

STEPS = 40
RATE = 0.1
START = (0.1, 1.0, 0.05, 3.0)
"""Constant, similar, own and sharpness of either side before the first step."""

START_NOISE = 0.1
LEAST, MOST = 1e-4, 50.0
JITTER = 1e-6

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

    def sharper(self, factor: float) -> Strengths:
        """The same with narrower similarities."""
        helpers, helped = (
            replace(side, sharpness=factor * side.sharpness) for side in (self.helpers, self.helped)
        )
        return Strengths(helpers, helped, self.noise)


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
    sides = [_Kernel(helpers, i[some])]
    if helped is not None:
        sides.append(_Kernel(helped, j[some]))
    target = torch.from_numpy(values[some])
    # Logarithms, so that all stay above 0.
    start = torch.tensor(START * len(sides) + (START_NOISE,), dtype=torch.float64).log()
    unknown = start.clone()
    optimizer = torch.optim.Adam([unknown], lr=RATE)
    found = start
    for _ in range(STEPS if values.any() else 0):
        try:
            _, slope = minus_log_likelihood(sides, target, unknown.exp())
        except ArithmeticError:
            # A step into strengths whose covariance has no root in floating point.
            break
        found = unknown.clone()
        # A weak pull towards the start: some strengths make no difference to some labels.
        unknown.grad = slope + (unknown - start) / 4
        optimizer.step()
        unknown.clamp_(min=np.log(LEAST), max=np.log(MOST))
    else:
        found = unknown
    given = found.exp().tolist()
    first = Side(*given[:4])
    second = Side(*given[4:8]) if helped is not None else Side(1.0, 0.0, 0.0, 1.0)
    return Strengths(first, second, given[-1])


class _Kernel:
    """One side's covariance of the sampled labels, and how it changes with its strengths."""

    def __init__(self, rows: FloatArray, at: IndexArray) -> None:
        alike = rows[at].astype(np.float64)
        self.distance = torch.from_numpy(alike @ alike.T - 1)
        self.same = torch.from_numpy(np.flatnonzero(at[:, None] == at[None]))

    def of(self, strengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The covariance and the similarity in it, both ``(labels, labels)``."""
        constant, similar, own, sharpness = strengths.tolist()
        alike = (self.distance * sharpness).exp_()
        covariance = alike * similar
        covariance += constant
        covariance.view(-1)[self.same] += own
        return covariance, alike

    def slope(
        self, outer: torch.Tensor, alike: torch.Tensor, strengths: torch.Tensor
    ) -> list[torch.Tensor]:
        """Change of a function by the logarithms, from ``outer``, that by the covariance."""
        constant, similar, own, sharpness = strengths
        by_alike = outer * alike
        return [
            constant * outer.sum(),
            similar * by_alike.sum(),
            own * outer.view(-1)[self.same].sum(),
            sharpness * similar * torch.vdot(by_alike.view(-1), self.distance.view(-1)),
        ]


def minus_log_likelihood(
    sides: list[_Kernel], target: torch.Tensor, strengths: torch.Tensor
) -> tuple[float, torch.Tensor]:
    """What is minimised, up to a constant, and its gradient by the logarithms of the strengths.

    Raises:
        ArithmeticError: The covariance is not positive definite.
    """
    noise = strengths[-1]
    made = [side.of(strengths[4 * n : 4 * n + 4]) for n, side in enumerate(sides)]
    covariance = made[0][0] * made[1][0] if len(made) > 1 else made[0][0].clone()
    covariance.diagonal().add_(noise + JITTER)
    factor, fault = torch.linalg.cholesky_ex(covariance)
    if fault:
        raise ArithmeticError("the covariance is not positive definite")
    solved = torch.cholesky_solve(target[:, None], factor)[:, 0]
    value = 0.5 * float(target @ solved) + float(torch.log(factor.diagonal()).sum())
    # Symmetric, and stored by columns: read by rows it lies in memory as the others do.
    outer = torch.cholesky_inverse(factor).mT.contiguous()
    outer.addr_(solved, solved, alpha=-1).mul_(0.5)
    slopes = []
    for number, (side, (_, alike)) in enumerate(zip(sides, made, strict=True)):
        through = outer * made[1 - number][0] if len(made) > 1 else outer
        slopes += side.slope(through, alike, strengths[4 * number : 4 * number + 4])
    return value, torch.stack([*slopes, noise * outer.trace()])
