"""The spread design: many pool rows with a few targets each, at the cost of the paper's block.

A block shows few rows to few targets, all of them to each other, so its labels say the same
things again and again. Here every row has targets of its own. What that costs more is the
prefix: a row that is shown to k targets costs ratio + k, in units of a target's query and
response. So a row gets as many targets as keep the prefix a fifth of its cost, and as many
rows are labelled as the block's cost pays for. Reserved rows are those of the block of the same
seed, so that both designs are measured on the same unseen pairs. Knows no texts and no
influence function. This project's own design, beside NN-CIFT's section 3.1.
"""

from __future__ import annotations

import math

import numpy as np

from nncift_core.influence.draws import Clusters, deal, shuffled
from nncift_core.influence.label_plan import (
    RESERVED_HELPED,
    RESERVED_HELPERS,
    RESERVED_PAIRS,
    SMALLEST_TRAINING,
    LabelBlock,
    LabelPlan,
    PairCost,
    check_training_pairs,
    quadrants,
    side_sizes,
    target_sides,
)
from nncift_core.types import IndexArray

LEAST_TARGETS = 2
"""Targets of a row where a prefix costs nothing."""

TARGETS_A_PREFIX = 4
"""Targets for each target's length of a prefix: the prefix is then a fifth of the cost."""

MEASURED_TARGETS = 16
"""Unlabelled targets of each row that q1u measures with."""

SLACK = 1e-9
"""What rounding may add to a quotient that is whole."""


def spread_shape(
    n_train: int, n_target: int, fraction: float, costs: PairCost | None = None
) -> tuple[int, int]:
    """How many rows are labelled, and how many targets each of them gets.

    Neither the cost nor the number of pairs is above that of the block.

    Args:
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        fraction: u of the block.
        costs: What a pair costs; None: a prefix is as long as a target.
    """
    ratio = (costs or PairCost()).ratio
    most_rows = n_train - side_sizes(n_train, fraction, RESERVED_HELPERS)[1]
    a, _ = side_sizes(n_train, fraction, RESERVED_HELPERS)
    b, _ = side_sizes(n_target, fraction, RESERVED_HELPED)
    cost = a * (ratio + b) + SLACK
    targets = min(b, max(LEAST_TARGETS, math.ceil(TARGETS_A_PREFIX * ratio - SLACK)))
    # Where the pool has not that many rows they get more targets; at b the shape is the block's.
    if cost / (ratio + targets) >= most_rows + 1:
        targets = min(b, max(targets, math.ceil(cost / (most_rows + 1) - ratio)))
    rows = min(most_rows, int(cost / (ratio + targets)), a * b // targets)
    return (rows, targets) if rows * targets >= SMALLEST_TRAINING else (a, b)


def plan_spread(
    n_train: int,
    n_target: int,
    fraction: float,
    seed: int,
    *,
    clusters: Clusters | None = None,
    costs: PairCost | None = None,
) -> LabelPlan:
    """Many rows, each with targets of its own; every target is labelled equally often, up to one.

    With clusters the rows are drawn in proportion to them, and the targets of a row come from
    different ones as far as there are enough. The blocks that measure are those of the block
    design, and ``q1u``: pairs of labelled rows with labelled targets that are not trained on.

    Args:
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        fraction: u of the block that costs as much.
        seed: The same seed draws the same rows, and reserves the rows that the block reserves.
        clusters: Numbers of alike rows; None for plain draws. Sizes do not depend on them.
        costs: What a pair costs; None: a prefix is as long as a target.

    Raises:
        ConfigError: Fewer than 16 pairs would be trained on.
    """
    check_training_pairs(n_train, n_target, fraction)
    rng = np.random.default_rng(seed)
    n_rows, n_targets = spread_shape(n_train, n_target, fraction, costs)
    drawn: list[IndexArray] = []
    reserved: list[IndexArray] = []
    block: list[int] = []
    for side_rows, most_reserved, alike in target_sides(n_train, n_target, clusters):
        labelled, kept = side_sizes(side_rows, fraction, most_reserved)
        order = shuffled(side_rows, alike, rng)
        block.append(labelled)
        reserved.append(np.sort(order[labelled : labelled + kept]))
        drawn.append(np.delete(order, np.s_[labelled : labelled + kept]))
    helpers, deck = np.sort(drawn[0][:n_rows]), drawn[1]
    hands = deal(n_rows, n_targets, deck, None if clusters is None else clusters.target, rng)
    training = sparse_block("q1", helpers, hands)
    # What measures costs as much as it does beside a block.
    blocks = quadrants(training, (reserved[0], reserved[1]), rng, (block[0], block[1]))
    blocks += _unlabelled(training, len(reserved[0]), rng)
    return LabelPlan(tuple(blocks))


def sparse_block(role: str, helpers: IndexArray, targets: IndexArray) -> LabelBlock:
    """A block of X in which every helper has targets of its own.

    Args:
        role: One of ``ROLES``.
        helpers: ``(a,)`` positions in the pool, in any order.
        targets: ``(a, k)`` positions in the target set, different ones in each row.
    """
    order = np.argsort(helpers, kind="stable")
    helped, columns = np.unique(targets[order], return_inverse=True)
    places = np.sort(columns.reshape(targets.shape), axis=1)
    return LabelBlock(role, helpers[order], helped, columns=places)


def _unlabelled(training: LabelBlock, most_rows: int, rng: np.random.Generator) -> list[LabelBlock]:
    """As many labelled rows as are reserved, with targets that are labelled for other rows."""
    assert training.columns is not None
    n_rows = min(len(training.helpers), most_rows)
    n_targets = min(MEASURED_TARGETS, len(training.helped) - training.targets_of_each)
    if n_targets <= 0 or not n_rows:
        return []
    n_rows = min(n_rows, RESERVED_PAIRS // n_targets)
    rows = np.sort(rng.permutation(len(training.helpers))[:n_rows])
    targets = np.empty((n_rows, n_targets), dtype=np.int64)
    for place, row in enumerate(rows):
        others = np.delete(training.helped, training.columns[row])
        targets[place] = rng.permutation(others)[:n_targets]
    return [sparse_block("q1u", training.helpers[rows], targets)]
