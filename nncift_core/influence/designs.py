"""Label designs: which pairs are labelled for a given cost. Listed without importing them.

An entry's target is a function ``(n_train, n_target, fraction, seed, *, clusters, costs)`` that
gives the ``LabelPlan`` of X. Knows no rows and no influence function by name.
"""

from __future__ import annotations

from nncift_core.errors import ConfigError
from nncift_core.influence import MethodEntry
from nncift_core.registry import Entry, Registry

DESIGNS = Registry(
    "design",
    Entry(
        "block",
        "nncift_core.influence.label_plan:plan_block",
        "Block",
        "All pairs of a random share of the rows of each side: what the paper does.",
        "Agarwal et al., NN-CIFT, arXiv 2502.09969",
    ),
    Entry(
        "spread",
        "nncift_core.influence.spread:plan_spread",
        "Spread",
        "Many pool rows with a few targets each, every row with targets of its own, at the cost "
        "of the block.",
    ),
    Entry(
        "balanced",
        "nncift_core.influence.balanced:plan_balanced",
        "Balanced",
        "All pairs of as many pool rows as target rows, at the gradients of the block.",
    ),
)

AUTO = "auto"
"""Takes the design that suits the method."""

ROWS = "rows"
"""What a function of single rows has in place of a design."""


def design_of(chosen: str, method: MethodEntry) -> str:
    """The design of a run: a name of ``DESIGNS``, or ``rows`` for a function of single rows.

    Args:
        chosen: The setting: the name of a design, or ``auto``.
        method: The influence function.

    Raises:
        ConfigError: There is no such design, or the method has no use for it.
    """
    if chosen != AUTO:
        DESIGNS[chosen]
    if method.pointwise:
        if chosen not in (AUTO, "block"):
            raise ConfigError(
                f"{method.title} gives a value to single rows, so there are no pairs to choose.",
                "Use --design auto.",
            )
        return ROWS
    if "gradients" in method.needs:
        if chosen == "spread":
            raise ConfigError(
                f"With {method.title} every pair of rows that have gradients is free, so a block "
                "of the same gradients already holds every pair that spread labels would.",
                "Use --design balanced or block.",
            )
        return "balanced" if chosen == AUTO else chosen
    if chosen == "balanced":
        raise ConfigError(
            f"With {method.title} a label costs by the pair, so balanced sides save nothing.",
            "Use --design spread or block.",
        )
    return "spread" if chosen == AUTO else chosen
