"""Which pairs or rows are labelled: those trained on and the reserved ones that measure them.

Rows are drawn by a seeded sample of each side, in proportion to clusters where they are given.
Reserved rows are disjoint from the rows that are trained on; the quadrants are measured with
them. X has one of several designs; the one here is the block. An objective that reads
influence between pool rows (W) or of existing rows (E) gets a block of the same share for each.
Knows nothing of influence functions. Paper: NN-CIFT, section 3.1; reserved rows are
this project's addition, so that the unseen quadrants are measured on truly unseen rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nncift_core.errors import ConfigError
from nncift_core.influence.designs import DESIGNS
from nncift_core.influence.draws import Clusters, shuffled
from nncift_core.influence.label_blocks import (
    MATRICES,
    ROLES,
    LabelBlock,
    LabelPlan,
    PairCost,
)
from nncift_core.types import IndexArray

__all__ = [
    "MATRICES",
    "RESERVED_HELPED",
    "RESERVED_HELPERS",
    "RESERVED_PAIRS",
    "ROLES",
    "SMALLEST_RESERVED",
    "SMALLEST_TRAINING",
    "LabelBlock",
    "LabelPlan",
    "PairCost",
    "Sides",
    "check_training_pairs",
    "plan_block",
    "plan_labels",
    "plan_rows",
    "quadrants",
    "side_sizes",
    "target_sides",
]

RESERVED_HELPERS = 32
RESERVED_HELPED = 16
SMALLEST_RESERVED = 8
RESERVED_PAIRS = 512
"""At most this many pairs measure one of the unseen quadrants."""
SMALLEST_TRAINING = 16


def side_sizes(n_rows: int, fraction: float, most_reserved: int) -> tuple[int, int]:
    """Labelled and reserved rows of one side.

    On small data at most a fifth of the labelled rows is reserved, at least 8, and never more
    than half of the side.
    """
    labelled = max(1, round(fraction * n_rows))
    reserved = min(most_reserved, max(SMALLEST_RESERVED, labelled // 5), n_rows // 2)
    return min(labelled, n_rows - reserved), reserved


def plan_labels(
    n_train: int,
    n_target: int,
    fraction: float,
    seed: int,
    *,
    matrices: Sequence[str] = ("target",),
    n_existing: int = 0,
    design: str = "block",
    clusters: Clusters | None = None,
    costs: PairCost | None = None,
    second_round: float = 0.0,
) -> LabelPlan:
    """The labels of X by a design, and a block for each further matrix that is needed.

    Args:
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        fraction: u, the share of the rows of each side that a block has; every design costs
            what the block costs.
        seed: The same seed draws the same rows; X is drawn alike whatever else is needed.
        matrices: Names of ``MATRICES``; ``target`` is always labelled.
        n_existing: Rows of the existing set, for ``existing``.
        design: Name of an entry of ``DESIGNS``, for X.
        clusters: Draw in proportion to these, plainly where None. Sizes do not depend on them.
        costs: What a pair costs.
        second_round: The share of the labels of X that is left for a second round.

    Raises:
        ConfigError: A matrix would be trained on fewer than 16 pairs.
    """
    first = fraction * math.sqrt(1.0 - second_round)
    plan = DESIGNS[design].load()(n_train, n_target, first, seed, clusters=clusters, costs=costs)
    blocks = list(plan.blocks)
    pool = None if clusters is None else clusters.pool
    if "pool" in matrices:
        blocks += _pool_block(n_train, fraction, np.random.default_rng((seed, 1)), pool)
    if "existing" in matrices:
        rng = np.random.default_rng((seed, 2))
        sides = (n_existing, RESERVED_HELPERS, None), (n_train, RESERVED_HELPED, pool)
        (helpers, helped), reserved = _drawn(sides, fraction, rng)
        _check_enough(len(helpers) * len(helped), "existing rows and pool rows", fraction)
        training = LabelBlock("q1", helpers, helped, "existing")
        blocks += quadrants(training, reserved, rng)
    return LabelPlan(tuple(blocks))


def plan_rows(
    n_train: int, fraction: float, seed: int, *, clusters: Clusters | None = None
) -> LabelPlan:
    """The labels of a pointwise function: a random share of the pool, and reserved rows.

    Args:
        n_train: Rows of the pool.
        fraction: u, the share of them.
        seed: The same seed draws the same rows.
        clusters: As for pairs.

    Raises:
        ConfigError: Fewer than 16 rows would be trained on.
    """
    labelled, reserved = side_sizes(n_train, fraction, RESERVED_HELPERS)
    if labelled < SMALLEST_TRAINING:
        enough = SMALLEST_TRAINING / max(1, n_train)
        raise ConfigError(
            f"A label fraction of {fraction} gives {labelled} training rows; at least "
            f"{SMALLEST_TRAINING} are needed.",
            f"Use a label fraction of {np.ceil(100 * enough) / 100:g} or more, or --exact."
            if enough <= 0.5
            else "Use --exact, or give more rows.",
        )
    rng = np.random.default_rng(seed)
    order = shuffled(n_train, None if clusters is None else clusters.pool, rng)
    only = np.zeros(1, dtype=np.int64)
    blocks = [LabelBlock("q1", np.sort(order[:labelled]), only)]
    if reserved:
        blocks.append(LabelBlock("q4", np.sort(order[labelled : labelled + reserved]), only))
    return LabelPlan(tuple(blocks))


def plan_block(
    n_train: int,
    n_target: int,
    fraction: float,
    seed: int,
    *,
    clusters: Clusters | None = None,
    costs: PairCost | None = None,
) -> LabelPlan:
    """The paper's design: all pairs of a random share of the rows of each side.

    Args:
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        fraction: u, the share of the rows of each side.
        seed: The same seed draws the same rows.
        clusters: Draw in proportion to these, plainly where None.
        costs: Not needed here.

    Raises:
        ConfigError: Fewer than 16 pairs would be trained on.
    """
    del costs
    rng = np.random.default_rng(seed)
    sides = target_sides(n_train, n_target, clusters)
    (helpers, helped), reserved = _drawn(sides, fraction, rng)
    check_training_pairs(n_train, n_target, fraction)
    return LabelPlan(tuple(quadrants(LabelBlock("q1", helpers, helped), reserved, rng)))


Sides = tuple[IndexArray, IndexArray]
"""Positions of rows that help and of rows that are helped."""

Side = tuple[int, int, IndexArray | None]
"""Rows of a side, at most how many are reserved, cluster numbers."""


def target_sides(n_train: int, n_target: int, clusters: Clusters | None) -> tuple[Side, Side]:
    """The sides of X."""
    pool, target = (None, None) if clusters is None else (clusters.pool, clusters.target)
    return (n_train, RESERVED_HELPERS, pool), (n_target, RESERVED_HELPED, target)


def check_training_pairs(n_train: int, n_target: int, fraction: float) -> None:
    """Raises: ConfigError - a block of X would have fewer than 16 pairs to train on."""
    helpers, _ = side_sizes(n_train, fraction, RESERVED_HELPERS)
    helped, _ = side_sizes(n_target, fraction, RESERVED_HELPED)
    if helpers * helped < SMALLEST_TRAINING:
        raise ConfigError(
            f"A label fraction of {fraction} gives {helpers} x {helped} = {helpers * helped} "
            f"training pairs; at least {SMALLEST_TRAINING} are needed.",
            _more_labels_hint(n_train, n_target),
        )


def _drawn(sides: Sequence[Side], fraction: float, rng: np.random.Generator) -> tuple[Sides, Sides]:
    """The rows trained on, and the reserved ones, of two sides that have no row in common."""
    drawn: list[Sides] = []
    for n_rows, most_reserved, clusters in sides:
        labelled, reserved = side_sizes(n_rows, fraction, most_reserved)
        order = shuffled(n_rows, clusters, rng)
        drawn.append((np.sort(order[:labelled]), np.sort(order[labelled : labelled + reserved])))
    (helpers, reserved_helpers), (helped, reserved_helped) = drawn
    return (helpers, helped), (reserved_helpers, reserved_helped)


def _pool_block(
    n_train: int, fraction: float, rng: np.random.Generator, clusters: IndexArray | None
) -> list[LabelBlock]:
    """W: two disjoint draws of the pool, and reserved rows of both."""
    half = n_train // 2
    helpers_labelled, helpers_reserved = side_sizes(half, min(1.0, 2 * fraction), RESERVED_HELPERS)
    helped_labelled, helped_reserved = side_sizes(half, min(1.0, 2 * fraction), RESERVED_HELPED)
    _check_enough(helpers_labelled * helped_labelled, "pool rows and pool rows", fraction)
    order = shuffled(n_train, clusters, rng)
    first, second = order[:half], order[half : 2 * half]

    def cut(rows: IndexArray, labelled: int, reserved: int) -> Sides:
        return np.sort(rows[:labelled]), np.sort(rows[labelled : labelled + reserved])

    helpers, reserved_helpers = cut(first, helpers_labelled, helpers_reserved)
    helped, reserved_helped = cut(second, helped_labelled, helped_reserved)
    training = LabelBlock("q1", helpers, helped, "pool")
    return quadrants(training, (reserved_helpers, reserved_helped), rng)


def _check_enough(pairs: int, words: str, fraction: float) -> None:
    if pairs < SMALLEST_TRAINING:
        raise ConfigError(
            f"A label fraction of {fraction} gives {pairs} training pairs of {words}; at least "
            f"{SMALLEST_TRAINING} are needed.",
            "Use a larger label fraction, another objective, or --exact.",
        )


def quadrants(
    training: LabelBlock,
    reserved: Sides,
    rng: np.random.Generator,
    most: tuple[int, int] | None = None,
) -> list[LabelBlock]:
    """The pairs to train on and three blocks that only measure; an empty one is left out.

    Args:
        training: What is trained on.
        reserved: Reserved rows of both sides.
        rng: Where the draw of their partners comes from.
        most: At most so many rows of each side of ``training`` are such partners.
    """
    most_helpers, most_helped = most or (RESERVED_PAIRS, RESERVED_PAIRS)

    def part(rows: IndexArray, others: IndexArray, most_rows: int) -> IndexArray:
        count = min(len(rows), most_rows, RESERVED_PAIRS // max(1, len(others)))
        return np.sort(rng.permutation(rows)[:count])

    helpers, helped, matrix = training.helpers, training.helped, training.matrix
    reserved_helpers, reserved_helped = reserved
    blocks = (
        training,
        LabelBlock("q2", reserved_helpers, part(helped, reserved_helpers, most_helped), matrix),
        LabelBlock("q3", part(helpers, reserved_helped, most_helpers), reserved_helped, matrix),
        LabelBlock("q4", reserved_helpers, reserved_helped, matrix),
    )
    return [block for block in blocks if block.n_pairs]


def _more_labels_hint(n_train: int, n_target: int) -> str:
    for percent in (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100):
        labelled = [
            side_sizes(n_rows, percent / 100, most)[0]
            for n_rows, most in ((n_train, RESERVED_HELPERS), (n_target, RESERVED_HELPED))
        ]
        if labelled[0] * labelled[1] >= SMALLEST_TRAINING:
            return f"Use a label fraction of {percent / 100} or more, or --exact."
    return "Use --exact, or give more rows."
