"""The balanced design: as many target rows as pool rows, at the cost of the paper's block.

Where a label costs by the row (LESS: one gradient a row, all pairs of rows with gradients are
free), a block of a x b pairs costs a + b, so equal sides give the most pairs for it. A target set
is mostly the smaller side, and few labelled targets are what a block of the paper's shares knows
least about. Reserved rows are those of the block of the same seed, so that both designs are
measured on the same unseen pairs. Knows no texts and no influence function. This project's own
design, beside NN-CIFT's section 3.1.
"""

from __future__ import annotations

import numpy as np

from nncift_core.influence.draws import Clusters, shuffled
from nncift_core.influence.label_plan import (
    RESERVED_HELPED,
    RESERVED_HELPERS,
    LabelBlock,
    LabelPlan,
    PairCost,
    check_training_pairs,
    quadrants,
    side_sizes,
    target_sides,
)
from nncift_core.types import IndexArray


def balanced_shape(n_train: int, n_target: int, fraction: float) -> tuple[int, int]:
    """Rows of either side: as many in all as the block has, as equal as the data allow.

    Args:
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        fraction: u of the block.
    """
    a, reserved_helpers = side_sizes(n_train, fraction, RESERVED_HELPERS)
    b, reserved_helped = side_sizes(n_target, fraction, RESERVED_HELPED)
    helped = min((a + b) // 2, n_target - reserved_helped)
    helpers = min(a + b - helped, n_train - reserved_helpers)
    return helpers, min(a + b - helpers, n_target - reserved_helped)


def plan_balanced(
    n_train: int,
    n_target: int,
    fraction: float,
    seed: int,
    *,
    clusters: Clusters | None = None,
    costs: PairCost | None = None,
) -> LabelPlan:
    """All pairs of as many pool rows as target rows.

    Args:
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        fraction: u of the block that costs as many gradients.
        seed: The same seed draws the same rows, and reserves the rows that the block reserves.
        clusters: Draw in proportion to these, plainly where None.
        costs: Not needed here.

    Raises:
        ConfigError: Fewer than 16 pairs would be trained on.
    """
    del costs
    check_training_pairs(n_train, n_target, fraction)
    rng = np.random.default_rng(seed)
    counts = balanced_shape(n_train, n_target, fraction)
    drawn: list[IndexArray] = []
    reserved: list[IndexArray] = []
    block: list[int] = []
    for count, (side_rows, most_reserved, alike) in zip(
        counts, target_sides(n_train, n_target, clusters), strict=True
    ):
        labelled, kept = side_sizes(side_rows, fraction, most_reserved)
        order = shuffled(side_rows, alike, rng)
        block.append(labelled)
        reserved.append(np.sort(order[labelled : labelled + kept]))
        drawn.append(np.sort(np.delete(order, np.s_[labelled : labelled + kept])[:count]))
    training = LabelBlock("q1", drawn[0], drawn[1])
    # What measures costs as much as it does beside a block.
    blocks = quadrants(training, (reserved[0], reserved[1]), rng, (block[0], block[1]))
    return LabelPlan(tuple(blocks))
