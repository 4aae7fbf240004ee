"""Influence functions: what computes true influence of one row on another.

``create("delift-se", encoder=...)`` gives an object with ``matrix(helpers, helped)``.
The registry lists them without importing torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nncift_core.registry import Entry, Registry


@dataclass(frozen=True)
class MethodEntry(Entry):
    """An influence function, with what drivers and pages need to know of it."""

    default_objective: str = "fl"
    """The selection objective that belongs to it."""
    cost: str = ""
    """Cost class in words."""


METHODS = Registry(
    "method",
    MethodEntry(
        "delift-se",
        "nncift_core.influence.delift_se:DeliftSE",
        "DELIFT (SE)",
        "Cosine of sentence embeddings: how alike a training row and a target row are.",
        "Agarwal et al., DELIFT, ICLR 2025",
        frozenset({"pairwise", "encoder", "cosine-of-inputs"}),
        default_objective="fl",
        cost="seconds: one embedding a row",
    ),
)


def create(name: str, **options: Any) -> Any:
    """The influence function ``name``, built with its own options.

    Raises:
        ConfigError: No method has this name.
    """
    return METHODS[name].load()(**options)
