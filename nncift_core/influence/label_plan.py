"""Which pairs or rows are labelled: those trained on and the reserved ones that measure them.

Rows are drawn by a seeded random sample of each side. Reserved rows are disjoint from the
rows that are trained on; the quadrants are measured with them. An objective that reads
influence between pool rows (W) or of existing rows (E) gets a block of the same share for each.
Knows nothing of influence functions or texts. Paper: NN-CIFT, section 3.1; reserved rows are
this project's addition, so that the unseen quadrants are measured on truly unseen rows.
"""

from __future__ import annotations

from collections.abc import Sequence
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

MATRICES = ("target", "pool", "existing")
"""X: pool helps target; W: pool helps pool; E: existing rows help pool rows."""


@dataclass(frozen=True)
class LabelBlock:
    """Every pair of some pool rows and some target rows, self pairs left out.

    Attributes:
        role: ``q1`` (trained on), ``q2``, ``q3`` or ``q4`` (only measured with).
        helpers: Positions among the rows that help, ascending.
        helped: Positions among the rows that are helped, ascending; only 0 for a pointwise
            function, which has no second side.
        matrix: Which of ``MATRICES`` it is a part of.
    """

    role: str
    helpers: IndexArray
    helped: IndexArray
    matrix: str = "target"

    @property
    def n_pairs(self) -> int:
        """Pairs in the block, self pairs included."""
        return len(self.helpers) * len(self.helped)


@dataclass(frozen=True)
class LabelPlan:
    """The blocks to label, by matrix and in the order of ROLES; an empty block is left out."""

    blocks: tuple[LabelBlock, ...]

    def block(self, role: str, matrix: str = "target") -> LabelBlock | None:
        """The block of ``role``, None when the data are too few for it."""
        found = (b for b in self.blocks if (b.role, b.matrix) == (role, matrix))
        return next(found, None)

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


def plan_labels(
    n_train: int,
    n_target: int,
    fraction: float,
    seed: int,
    *,
    matrices: Sequence[str] = ("target",),
    n_existing: int = 0,
) -> LabelPlan:
    """All pairs of a random share of the rows of each side, for each matrix that is needed.

    Args:
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        fraction: u, the share of the rows of each side.
        seed: The same seed draws the same rows; X is drawn alike whatever else is needed.
        matrices: Names of ``MATRICES``; ``target`` is always labelled.
        n_existing: Rows of the existing set, for ``existing``.

    Raises:
        ConfigError: A matrix would be trained on fewer than 16 pairs.
    """
    blocks = list(plan_block(n_train, n_target, fraction, seed).blocks)
    if "pool" in matrices:
        blocks += _pool_block(n_train, fraction, np.random.default_rng((seed, 1)))
    if "existing" in matrices:
        rng = np.random.default_rng((seed, 2))
        sides = (n_existing, RESERVED_HELPERS), (n_train, RESERVED_HELPED)
        (helpers, helped), reserved = _drawn(sides, fraction, rng)
        _check_enough(len(helpers) * len(helped), "existing rows and pool rows", fraction)
        blocks += _quadrants("existing", (helpers, helped), reserved, rng)
    return LabelPlan(tuple(blocks))


def plan_rows(n_train: int, fraction: float, seed: int) -> LabelPlan:
    """The labels of a pointwise function: a random share of the pool, and reserved rows.

    Raises:
        ConfigError: Fewer than 16 rows would be trained on.
    """
    labelled, reserved = _side(n_train, fraction, RESERVED_HELPERS)
    if labelled < SMALLEST_TRAINING:
        enough = SMALLEST_TRAINING / max(1, n_train)
        raise ConfigError(
            f"A label fraction of {fraction} gives {labelled} training rows; at least "
            f"{SMALLEST_TRAINING} are needed.",
            f"Use a label fraction of {np.ceil(100 * enough) / 100:g} or more, or --exact."
            if enough <= 0.5
            else "Use --exact, or give more rows.",
        )
    order = np.random.default_rng(seed).permutation(n_train)
    only = np.zeros(1, dtype=np.int64)
    blocks = [LabelBlock("q1", np.sort(order[:labelled]), only)]
    if reserved:
        blocks.append(LabelBlock("q4", np.sort(order[labelled : labelled + reserved]), only))
    return LabelPlan(tuple(blocks))


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
    sides = (n_train, RESERVED_HELPERS), (n_target, RESERVED_HELPED)
    (helpers, helped), reserved = _drawn(sides, fraction, rng)
    pairs = len(helpers) * len(helped)
    if pairs < SMALLEST_TRAINING:
        raise ConfigError(
            f"A label fraction of {fraction} gives {len(helpers)} x {len(helped)} = {pairs} "
            f"training pairs; at least {SMALLEST_TRAINING} are needed.",
            _more_labels_hint(n_train, n_target),
        )
    return LabelPlan(tuple(_quadrants("target", (helpers, helped), reserved, rng)))


_Sides = tuple[IndexArray, IndexArray]


def _drawn(
    sides: Sequence[tuple[int, int]], fraction: float, rng: np.random.Generator
) -> tuple[_Sides, _Sides]:
    """The rows trained on, and the reserved ones, of two sides that have no row in common."""
    drawn: list[_Sides] = []
    for n_rows, most_reserved in sides:
        labelled, reserved = _side(n_rows, fraction, most_reserved)
        order = rng.permutation(n_rows)
        drawn.append((np.sort(order[:labelled]), np.sort(order[labelled : labelled + reserved])))
    (helpers, reserved_helpers), (helped, reserved_helped) = drawn
    return (helpers, helped), (reserved_helpers, reserved_helped)


def _pool_block(n_train: int, fraction: float, rng: np.random.Generator) -> list[LabelBlock]:
    """W: two disjoint draws of the pool, and reserved rows of both."""
    half = n_train // 2
    helpers_labelled, helpers_reserved = _side(half, min(1.0, 2 * fraction), RESERVED_HELPERS)
    helped_labelled, helped_reserved = _side(half, min(1.0, 2 * fraction), RESERVED_HELPED)
    _check_enough(helpers_labelled * helped_labelled, "pool rows and pool rows", fraction)
    order = rng.permutation(n_train)
    first, second = order[:half], order[half : 2 * half]

    def cut(rows: IndexArray, labelled: int, reserved: int) -> _Sides:
        return np.sort(rows[:labelled]), np.sort(rows[labelled : labelled + reserved])

    helpers, reserved_helpers = cut(first, helpers_labelled, helpers_reserved)
    helped, reserved_helped = cut(second, helped_labelled, helped_reserved)
    return _quadrants("pool", (helpers, helped), (reserved_helpers, reserved_helped), rng)


def _check_enough(pairs: int, words: str, fraction: float) -> None:
    if pairs < SMALLEST_TRAINING:
        raise ConfigError(
            f"A label fraction of {fraction} gives {pairs} training pairs of {words}; at least "
            f"{SMALLEST_TRAINING} are needed.",
            "Use a larger label fraction, another objective, or --exact.",
        )


def _quadrants(
    matrix: str, labelled: _Sides, reserved: _Sides, rng: np.random.Generator
) -> list[LabelBlock]:
    """The block to train on and the three that only measure; an empty one is left out."""

    def part(rows: IndexArray, others: IndexArray) -> IndexArray:
        count = min(len(rows), RESERVED_PAIRS // max(1, len(others)))
        return np.sort(rng.permutation(rows)[:count])

    (helpers, helped), (reserved_helpers, reserved_helped) = labelled, reserved
    blocks = (
        LabelBlock("q1", helpers, helped, matrix),
        LabelBlock("q2", reserved_helpers, part(helped, reserved_helpers), matrix),
        LabelBlock("q3", part(helpers, reserved_helped), reserved_helped, matrix),
        LabelBlock("q4", reserved_helpers, reserved_helped, matrix),
    )
    return [block for block in blocks if block.n_pairs]


def _more_labels_hint(n_train: int, n_target: int) -> str:
    for percent in (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100):
        labelled = [
            _side(n_rows, percent / 100, most)[0]
            for n_rows, most in ((n_train, RESERVED_HELPERS), (n_target, RESERVED_HELPED))
        ]
        if labelled[0] * labelled[1] >= SMALLEST_TRAINING:
            return f"Use a label fraction of {percent / 100} or more, or --exact."
    return "Use --exact, or give more rows."
