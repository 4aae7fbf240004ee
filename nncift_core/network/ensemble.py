"""An ensemble of small networks as one network: its members' projections side by side.

Each member is trained without another tenth of the labelled rows and columns. Their mean errs
less than any of them, and where they disagree the estimate is least certain. Knows nothing of
how members are trained.
"""

from __future__ import annotations

import torch

from nncift_core.network.pair_network import PairNetwork
from nncift_core.network.towers import TowersNetwork

MEMBERS = 4
MEMBER_UNITS = 128
MEMBER_FACTORS = 32


class EnsembleNetwork(PairNetwork):
    """The mean of small two-tower networks.

    A pair costs ``members * (factors + 2)`` multiply-adds, 136 by default. 100,620 parameters at
    ``d = 64``.

    Args:
        dimension: Length of a row that helps.
        hidden: Units of each tower of a member.
        helped_dimension: Length of a row that is helped; 0 for a pointwise function.
        members: How many.
    """

    def __init__(
        self,
        dimension: int,
        hidden: int = MEMBER_UNITS,
        helped_dimension: int | None = None,
        members: int = MEMBERS,
    ) -> None:
        super().__init__()
        self.dimension = dimension
        self.helped_dimension = dimension if helped_dimension is None else helped_dimension
        self.units = hidden
        self.members = torch.nn.ModuleList(
            TowersNetwork(dimension, hidden, helped_dimension, MEMBER_FACTORS)
            for _ in range(members)
        )
        self.hidden = 0
        self.factors = sum(member.factors for member in self.each())
        self.register_buffer("output_weight", torch.empty(0), persistent=False)

    @property
    def output_bias(self) -> torch.Tensor:  # type: ignore[override]
        """Mean bias of the members."""
        return torch.stack([member.output_bias for member in self.each()]).mean(dim=0)

    def each(self) -> list[TowersNetwork]:
        """The members."""
        return [member for member in self.members if isinstance(member, TowersNetwork)]

    def project_helpers(self, rows: torch.Tensor) -> torch.Tensor:
        """The members' factors over their number, side by side."""
        parts = [member.project_helpers(rows) for member in self.each()]
        return torch.cat(parts, dim=1) / len(self.members)

    def project_helped(self, rows: torch.Tensor) -> torch.Tensor:
        """The members' factors side by side."""
        return torch.cat([member.project_helped(rows) for member in self.each()], dim=1)
