"""Additive hidden units beside a product: what a concatenation can express, and what it cannot.

A network on concatenated embeddings has no product of the two rows in it; where influence is a
cosine it explains about half. Here a low-rank product and the cosine itself stand beside the
hidden units. Knows nothing of training or labels.
"""

from __future__ import annotations

import torch

from nncift_core.network.pair_network import PairNetwork

HIDDEN = 100
RANK = 50
DROPOUT = 0.2


class ProductNetwork(PairNetwork):
    """``relu(A x + B y) . w + (C x) . (D y) + s x . y + bias``.

    A pair costs ``hidden + rank + d`` multiply-adds, ``hidden + rank`` where both sides have
    rows of different length. 19,452 parameters at ``d = 64``. A pointwise function keeps the
    hidden units.

    Args:
        dimension: ``d``, the length of a row that helps.
        hidden: Additive hidden units.
        helped_dimension: Length of a row that is helped; 0 for a pointwise function.
        rank: Length of the low-rank product.
    """

    def __init__(
        self,
        dimension: int,
        hidden: int = HIDDEN,
        helped_dimension: int | None = None,
        rank: int = RANK,
    ) -> None:
        super().__init__()
        self.dimension = dimension
        self.helped_dimension = dimension if helped_dimension is None else helped_dimension
        self.hidden = hidden
        self.rank = rank if self.helped_dimension else 0
        self.has_cosine = self.helped_dimension == dimension
        self.factors = self.rank + (dimension if self.has_cosine else 0)
        self.dropout = torch.nn.Dropout(DROPOUT)
        self.helper_half = torch.nn.Linear(dimension, hidden + self.rank)
        self.helped_half = (
            torch.nn.Linear(self.helped_dimension, hidden + self.rank, bias=False)
            if self.helped_dimension
            else None
        )
        self.output_weight = torch.nn.Parameter(torch.randn(hidden) / hidden**0.5)
        self.output_bias = torch.nn.Parameter(torch.zeros(1))
        self.slope = torch.nn.Parameter(torch.zeros(1))

    def project_helpers(self, rows: torch.Tensor) -> torch.Tensor:
        """``[A x + a, C x, s x]``."""
        rows = self.dropout(rows)
        parts = [self.helper_half(rows)]
        if self.has_cosine:
            parts.append(self.slope * rows)
        return torch.cat(parts, dim=1)

    def project_helped(self, rows: torch.Tensor) -> torch.Tensor:
        """``[B y, D y, y]``."""
        if self.helped_half is None:
            return rows.new_zeros(len(rows), self.hidden)
        rows = self.dropout(rows)
        parts = [self.helped_half(rows)]
        if self.has_cosine:
            parts.append(rows)
        return torch.cat(parts, dim=1)
