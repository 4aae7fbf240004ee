"""Two towers: each side through a small network of its own, a pair is the product of both.

What a rating model of users and items does. Each tower is one hidden layer, so rows can be bent
before they meet, which one product of linear maps cannot do. Knows nothing of training or labels.
"""

from __future__ import annotations

import torch

from nncift_core.network.pair_network import PairNetwork, with_terms

TOWER_UNITS = 256
FACTORS = 64
DROPOUT = 0.2


class TowersNetwork(PairNetwork):
    """``p(x) . q(y) + r(x) + c(y) + bias``, each tower ``Linear -> ReLU -> Linear``.

    A pair costs ``factors + 2`` multiply-adds. 66,691 parameters at ``d = 64``. A pointwise
    function keeps ``r(x)`` and the bias only.

    Args:
        dimension: Length of a row that helps.
        hidden: Units of each tower's hidden layer.
        helped_dimension: Length of a row that is helped; 0 for a pointwise function.
        factors: Length of the product.
    """

    def __init__(
        self,
        dimension: int,
        hidden: int = TOWER_UNITS,
        helped_dimension: int | None = None,
        factors: int = FACTORS,
    ) -> None:
        super().__init__()
        self.dimension = dimension
        self.helped_dimension = dimension if helped_dimension is None else helped_dimension
        self.units, self.width = hidden, factors
        self.hidden = 0
        product = factors if self.helped_dimension else 0
        self.factors = product + 2
        self.helper_tower = _tower(dimension, hidden, product + 1)
        self.helped_tower = _tower(self.helped_dimension, hidden, product + 1)
        self.register_buffer("output_weight", torch.empty(0), persistent=False)
        self.output_bias = torch.nn.Parameter(torch.zeros(1))

    def project_helpers(self, rows: torch.Tensor) -> torch.Tensor:
        """``[p(x), r(x), 1]``."""
        outputs = self.helper_tower(rows)
        return with_terms(outputs[:, :-1], outputs[:, -1:], helped=False)

    def project_helped(self, rows: torch.Tensor) -> torch.Tensor:
        """``[q(y), 1, c(y)]``."""
        outputs = self.helped_tower(rows) if self.helped_dimension else rows.new_zeros(len(rows), 1)
        return with_terms(outputs[:, :-1], outputs[:, -1:], helped=True)


def _tower(dimension: int, units: int, outputs: int) -> torch.nn.Module:
    if not dimension:
        return torch.nn.Identity()
    return torch.nn.Sequential(
        torch.nn.Dropout(DROPOUT),
        torch.nn.Linear(dimension, units),
        torch.nn.ReLU(),
        torch.nn.Linear(units, outputs),
    )
