"""Which pairs are labelled: the training block and the reserved pairs that measure it.

Rows are drawn by a seeded random sample of each side. Reserved rows are disjoint from the
rows of the training block and are never trained on; the quadrants are measured with them.
Knows nothing of influence functions or texts. Paper: NN-CIFT, section 3.1; reserved rows are
this project's addition, so that the unseen quadrants are measured on truly unseen rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nncift_core.errors import ConfigError
from nncift_core.types import IndexArray

RESERVED_HELPERS = 32
RESERVED_HELPED = 16
SMALLEST_RESERVED = 8
RESERVED_PAIRS = 512
"""At most this many pairs measure one of the unseen quadrants."""
SMALLEST_TRAINING = 16

ROLES = ("q1", "q2", "q3", "q4")
"""q1: trained on; q2: unseen pool rows x seen targets; q3: seen x unseen; q4: both unseen."""


@dataclass(frozen=True)
class LabelBlock:
    """Every pair of some pool rows and some target rows, self pairs left out.

    Attributes:
        role: ``q1`` (trained on), ``q2``, ``q3`` or ``q4`` (only measured with).
        helpers: Positions in the pool, ascending.
        helped: Positions in the target set, ascending.
    """

    role: str
    helpers: IndexArray
    helped: IndexArray

    @property
    def n_pairs(self) -> int:
        """Pairs in the block, self pairs included."""
        return len(self.helpers) * len(self.helped)


@dataclass(frozen=True)
class LabelPlan:
    """The blocks to label, in the order of ROLES; an empty block is left out."""

    blocks: tuple[LabelBlock, ...]

    def block(self, role: str) -> LabelBlock | None:
        """The block of ``role``, None when the data are too few for it."""
        return next((block for block in self.blocks if block.role == role), None)

    @property
    def training_pairs(self) -> int:
        """Pairs to train on."""
        return sum(block.n_pairs for block in self.blocks if block.role == "q1")

    @property
    def evaluation_pairs(self) -> int:
        """Pairs that only measure."""
        return sum(block.n_pairs for block in self.blocks if block.role != "q1")


def _side(n_rows: int, fraction: float, most_reserved: int) -> tuple[int, int]:
    """Labelled and reserved rows of one side.

    On small data at most a fifth of the labelled rows is reserved, at least 8, and never more
    than half of the side.
    """
    labelled = max(1, round(fraction * n_rows))
    reserved = min(most_reserved, max(SMALLEST_RESERVED, labelled // 5), n_rows // 2)
    return min(labelled, n_rows - reserved), reserved


def plan_block(n_train: int, n_target: int, fraction: float, seed: int) -> LabelPlan:
    """The paper's design: all pairs of a random share of the rows of each side.

    Args:
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        fraction: u, the share of the rows of each side.
        seed: The same seed draws the same rows.

    Raises:
        ConfigError: Fewer than 16 pairs would be trained on.
    """
    rng = np.random.default_rng(seed)
    drawn: list[tuple[IndexArray, IndexArray]] = []
    for n_rows, most_reserved in ((n_train, RESERVED_HELPERS), (n_target, RESERVED_HELPED)):
        labelled, reserved = _side(n_rows, fraction, most_reserved)
        order = rng.permutation(n_rows)
        drawn.append((np.sort(order[:labelled]), np.sort(order[labelled : labelled + reserved])))
    (helpers, reserved_helpers), (helped, reserved_helped) = drawn
    pairs = len(helpers) * len(helped)
    if pairs < SMALLEST_TRAINING:
        raise ConfigError(
            f"A label fraction of {fraction} gives {len(helpers)} x {len(helped)} = {pairs} "
            f"training pairs; at least {SMALLEST_TRAINING} are needed.",
            _more_labels_hint(n_train, n_target),
        )

    def part(rows: IndexArray, others: IndexArray) -> IndexArray:
        count = min(len(rows), RESERVED_PAIRS // max(1, len(others)))
        return np.sort(rng.permutation(rows)[:count])

    blocks = (
        LabelBlock("q1", helpers, helped),
        LabelBlock("q2", reserved_helpers, part(helped, reserved_helpers)),
        LabelBlock("q3", part(helpers, reserved_helped), reserved_helped),
        LabelBlock("q4", reserved_helpers, reserved_helped),
    )
    return LabelPlan(tuple(block for block in blocks if block.n_pairs))


def _more_labels_hint(n_train: int, n_target: int) -> str:
    for percent in (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100):
        labelled = [
            _side(n_rows, percent / 100, most)[0]
            for n_rows, most in ((n_train, RESERVED_HELPERS), (n_target, RESERVED_HELPED))
        ]
        if labelled[0] * labelled[1] >= SMALLEST_TRAINING:
            return f"Use a label fraction of {percent / 100} or more, or --exact."
    return "Use --exact, or give more rows."
