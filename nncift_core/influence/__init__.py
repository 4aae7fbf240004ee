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
    settings: str = ""
    """Name of the group of run settings that are its own, empty where it has none."""

    @property
    def pointwise(self) -> bool:
        """Whether it scores single rows instead of pairs."""
        return "pointwise" in self.needs


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
    MethodEntry(
        "delift",
        "nncift_core.influence.delift:Delift",
        "DELIFT",
        "How much a training row helps as an in-context example: it brings the model closer to "
        "the target row's response.",
        "Agarwal et al., DELIFT, ICLR 2025",
        frozenset({"pairwise", "language-model", "uses-chat-template"}),
        default_objective="fl",
        cost="hours: one forward pass of the model a pair",
    ),
    MethodEntry(
        "less",
        "nncift_core.influence.less:Less",
        "LESS",
        "How much a tuning step on a training row lowers the loss on a target row, from gradients "
        "of LoRA weights.",
        "Xia et al., LESS, ICML 2024",
        frozenset(
            {"pairwise", "language-model", "gradients", "uses-chat-template", "subtask-scores"}
        ),
        default_objective="topk",
        cost="minutes to hours: one gradient a row and checkpoint",
        settings="less",
    ),
    MethodEntry(
        "selectit",
        "nncift_core.influence.selectit:SelectIT",
        "SelectIT",
        "How good the model itself rates a training row, over five rating prompts; needs no "
        "target set.",
        "Liu et al., SelectIT, NeurIPS 2024",
        frozenset({"pointwise", "language-model", "uses-chat-template"}),
        default_objective="topk",
        cost="minutes: one forward pass a row with five short questions",
        settings="selectit",
    ),
)


def create(name: str, **options: Any) -> Any:
    """The influence function ``name``, built with its own options.

    Raises:
        ConfigError: No method has this name.
    """
    return METHODS[name].load()(**options)
