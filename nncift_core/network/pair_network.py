"""What every architecture shares: a pair is scored from rows that were projected once.

``score(i, j) = relu(a_i + b_j) . w + p_i . q_j + bias``: additive hidden units, and a product of
factors. A projection holds both parts of a row side by side, hidden units first, so that any
architecture is predicted by the same blockwise path and a concatenated pair never exists.
Knows nothing of labels, training or blocks.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Head:
    """What turns two projections into one number.

    ``relu(a + b)[:hidden] @ output_weight + a[hidden:] @ b[hidden:] + bias``, where ``hidden`` is
    the length of ``output_weight``.

    Attributes:
        output_weight: ``(hidden,)``; may be empty.
        output_bias: One number.
    """

    output_weight: torch.Tensor
    output_bias: float


class PairNetwork(torch.nn.Module, abc.ABC):
    """Two rows to one number, on the affine scale of the labels it is trained on.

    Attributes:
        hidden: Additive hidden units.
        factors: Length of the product.
        output_weight: ``(hidden,)`` weights of the hidden units.
        output_bias: ``(1,)``.
    """

    hidden: int
    factors: int
    output_weight: torch.Tensor
    output_bias: torch.Tensor

    @abc.abstractmethod
    def project_helpers(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows that help: ``(n, d)`` to ``(n, hidden + factors)``."""

    @abc.abstractmethod
    def project_helped(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows that are helped: ``(n, d)`` to ``(n, hidden + factors)``."""

    @property
    def pair_cost(self) -> int:
        """Multiply-adds of a pair once its rows are projected."""
        return self.hidden + self.factors

    def combine(self, helpers: torch.Tensor, helped: torch.Tensor) -> torch.Tensor:
        """Score pairs of projected rows: two ``(n, hidden + factors)`` to ``(n,)``."""
        score = self.output_bias
        if self.hidden:
            units = torch.relu(helpers[:, : self.hidden] + helped[:, : self.hidden])
            score = score + units @ self.output_weight
        if self.factors:
            score = score + (helpers[:, self.hidden :] * helped[:, self.hidden :]).sum(dim=1)
        return score.expand(len(helpers))

    def forward(self, helpers: torch.Tensor, helped: torch.Tensor) -> torch.Tensor:
        """Score the pairs of two ``(n, d)`` arrays of rows, row by row: ``(n,)``.

        Where rows recur in many pairs, project each once, index and ``combine``.
        """
        return self.combine(self.project_helpers(helpers), self.project_helped(helped))

    def head(self) -> Head:
        """The output layer, detached."""
        return Head(self.output_weight.detach().clone(), float(self.output_bias.detach()))


def with_terms(factors: torch.Tensor, term: torch.Tensor, *, helped: bool) -> torch.Tensor:
    """Factors to which a term of the row alone is added, as two more factors.

    The product of ``[p, r, 1]`` and ``[q, 1, c]`` is ``p . q + r + c``.

    Args:
        factors: ``(n, k)``.
        term: ``(n, 1)``.
        helped: Which side it is.

    Returns:
        ``(n, k + 2)``.
    """
    one = torch.ones_like(term)
    return torch.cat([factors, one, term] if helped else [factors, term, one], dim=1)
