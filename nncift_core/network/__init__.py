"""The InfluenceNetwork: architectures, training, quadrant metrics, blockwise prediction."""

from __future__ import annotations

from nncift_core.registry import Entry, Registry

NETWORKS = Registry(
    "network",
    Entry(
        "paper",
        "nncift_core.network.paper:PaperNetwork",
        "Paper",
        "Two embeddings side by side, one hidden layer of 100 ReLU units.",
        "Agarwal et al., NN-CIFT, arXiv 2502.09969",
    ),
)
