"""The InfluenceNetwork: architectures, training, quadrant metrics, blockwise prediction."""

from __future__ import annotations

from nncift_core.errors import unknown_name
from nncift_core.registry import Entry, Registry

NETWORKS = Registry(
    "network",
    Entry(
        "paper",
        "nncift_core.network.learned:Paper",
        "Paper",
        "Two embeddings side by side, one hidden layer of 100 ReLU units.",
        "Agarwal et al., NN-CIFT, arXiv 2502.09969",
        frozenset({"text-only"}),
    ),
    Entry(
        "product",
        "nncift_core.network.learned:Product",
        "Product",
        "Additive hidden units, a low-rank product of both embeddings and their cosine.",
    ),
    Entry(
        "towers",
        "nncift_core.network.learned:Towers",
        "Towers",
        "Each side through a small network of its own; a pair is the product of both outputs.",
    ),
    Entry(
        "ensemble",
        "nncift_core.network.learned:Ensemble",
        "Ensemble",
        "Four small two-tower networks, each trained without another tenth of the labels.",
    ),
    Entry(
        "process",
        "nncift_core.network.process_estimator:Process",
        "Gaussian process",
        "The limit of ever wider towers, solved instead of trained; also knows what each labelled "
        "row has of its own.",
        "Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006",
        frozenset({"solved"}),
    ),
)
"""Architectures: what learns how rows and labels belong together."""

RIVALS = Registry(
    "rival",
    Entry(
        "cosine",
        "nncift_core.network.rivals:Cosine",
        "Plain cosine",
        "The embeddings' cosine, fitted to the labels by a line.",
        needs=frozenset({"text-only"}),
    ),
    Entry(
        "additive",
        "nncift_core.network.rivals:Additive",
        "Row plus column means",
        "Mean label of the row plus mean label of the column, as far as either is known.",
        needs=frozenset({"text-only"}),
    ),
    Entry(
        "ridge",
        "nncift_core.network.rivals:Ridge",
        "Ridge on the product",
        "Ridge regression on the leading components of both embeddings and their products.",
    ),
    Entry(
        "neighbours",
        "nncift_core.network.rivals:Neighbours",
        "Nearest neighbours",
        "Mean label of the nearest labelled rows and columns.",
    ),
    Entry(
        "landmark",
        "nncift_core.network.rivals:Landmark",
        "Landmark propagation",
        "Kernel regression from the labelled rows and columns.",
    ),
)
"""What needs no training and must be beaten: fitted to the same labels in closed form."""

AUTO = "auto"
"""Takes whichever of these predicts labels that were kept out best."""

ESTIMATORS = (AUTO, *NETWORKS.names, *RIVALS.names)
"""Every name that the setting ``network`` may have."""


def estimator(name: str) -> Entry:
    """The network or rival called ``name``. Raises: ConfigError that names the nearest."""
    if name in RIVALS:
        return RIVALS[name]
    if name not in NETWORKS:
        raise unknown_name("network", name, ESTIMATORS)
    return NETWORKS[name]
