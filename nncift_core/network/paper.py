"""The InfluenceNetwork of NN-CIFT, with its first layer kept as the two halves it really is.

The published network concatenates the two embeddings of a pair and applies
``Linear(2d, 100) -> ReLU -> Linear(100, 1)``. The first layer of a concatenation is a sum,
``W [x; y] = W_a x + W_b y``, so the halves are stored apart: a row is projected once, however
many pairs it is in, and a concatenated pair never exists. Knows nothing of labels, scales,
training or blocks.

Paper: "Neural Networks for Learnable and Scalable Influence Estimation of Instruction
Fine-Tuning Data" (NN-CIFT), section 3, InfluenceNetwork.
"""

from __future__ import annotations

import torch

from nncift_core.network.pair_network import PairNetwork

PAPER_HIDDEN = 100
"""Hidden units of the published network."""


class PaperNetwork(PairNetwork):
    """Two embeddings to one number, on the affine scale of the labels it is trained on.

    Equal to concatenation, ``Linear(2d, hidden)``, ReLU, ``Linear(hidden, 1)``, drawn from the
    same random numbers as those two PyTorch layers would be (fan-in ``2d``), with
    ``2 * d * hidden + 2 * hidden + 1`` parameters: 205,001 at ``d = 1024``, ``hidden = 100``.
    A pair costs ``hidden`` multiply-adds. A pointwise function has no second row: its helped side
    is one embedding of length 0.

    Args:
        dimension: ``d``, the length of one embedding.
        hidden: Hidden units.
        helped_dimension: Length of the embeddings of helped rows; ``d`` unless given.
    """

    factors = 0

    def __init__(
        self, dimension: int, hidden: int = PAPER_HIDDEN, helped_dimension: int | None = None
    ) -> None:
        super().__init__()
        self.dimension = dimension
        self.helped_dimension = dimension if helped_dimension is None else helped_dimension
        self.hidden = hidden
        # The layers themselves draw the start values, so that a seed gives the published start.
        first = torch.nn.Linear(dimension + self.helped_dimension, hidden)
        last = torch.nn.Linear(hidden, 1)
        with torch.no_grad():
            helper_weight = first.weight[:, :dimension].clone()
            helped_weight = first.weight[:, dimension:].clone()
        self.helper_weight = torch.nn.Parameter(helper_weight)
        self.helped_weight = torch.nn.Parameter(helped_weight)
        self.bias = torch.nn.Parameter(first.bias.detach().clone())
        self.output_weight = torch.nn.Parameter(last.weight.detach().flatten().clone())
        self.output_bias = torch.nn.Parameter(last.bias.detach().clone())

    def project_helpers(self, rows: torch.Tensor) -> torch.Tensor:
        """The helper half of the first layer: ``(n, d)`` to ``(n, hidden)``, no bias."""
        return rows @ self.helper_weight.T

    def project_helped(self, rows: torch.Tensor) -> torch.Tensor:
        """The helped half of the first layer: ``(n, d)`` to ``(n, hidden)``, the bias included.

        The bias belongs to the sum and is added once, here.
        """
        return torch.addmm(self.bias, rows, self.helped_weight.T)
