"""Nested label plans: what the label-size study labels at each fraction, and what measures it.

One draw serves all fractions. The reserved rows of both sides are the same throughout and are
never trained on, and the labels of a smaller fraction are a part of those of every larger one:
rows come in one fixed random order, and so do the targets (design ``block``: one order for all
rows; design ``spread``: an order for each row, dealt so that all targets come equally often). A
plan is a prefix of both, and only what is new in it has to be labelled.

Knows counts and positions, no rows, no influence function and no estimator. Paper: NN-CIFT,
figure 2; the common evaluation set is this project's addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nncift_core.influence.draws import Clusters, shuffled
from nncift_core.influence.label_plan import (
    RESERVED_HELPED,
    RESERVED_HELPERS,
    RESERVED_PAIRS,
    SMALLEST_RESERVED,
    LabelBlock,
)
from nncift_core.influence.spread import sparse_block
from nncift_core.types import IndexArray

FRACTIONS = (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
"""The paper's."""

Design = Literal["block", "spread", "rows"]
"""``rows`` for a function that scores single rows."""

UNLABELLED_ROWS = 64
"""At most so many labelled rows measure their own unlabelled pairs (``q1u``)."""


@dataclass(frozen=True)
class Size:
    """How much a fraction labels.

    Attributes:
        fraction: u.
        rows: Pool rows that are trained on.
        targets: Targets of each of them; 1 where single rows are scored.
    """

    fraction: float
    rows: int
    targets: int

    @property
    def pairs(self) -> int:
        """Training pairs, self pairs included."""
        return self.rows * self.targets


@dataclass(frozen=True)
class NestedPlans:
    """The plans of all fractions of a study, the smallest first.

    Attributes:
        design: How the pairs are laid out.
        sizes: Of each fraction; neither rows nor targets ever become fewer.
        evaluation: What measures every fraction alike: ``q2`` to ``q4``, and ``q1u`` for
            ``spread``. Targets of ``q2`` and rows of ``q3`` are ones that the smallest fraction
            labels already, so they are seen by all.
        rows: Pool rows in the order in which they are labelled, as many as the largest
            fraction takes.
        targets: ``block``: ``(targets,)`` in the order in which they are labelled. ``spread``:
            ``(rows, targets)``, the order of each row.
    """

    design: Design
    sizes: tuple[Size, ...]
    evaluation: tuple[LabelBlock, ...]
    rows: IndexArray
    targets: IndexArray

    def __post_init__(self) -> None:
        # A plan that trained on what measures it would look better than it is.
        for block in self.evaluation:
            if block.role in ("q2", "q4") and np.isin(block.helpers, self.rows).any():
                raise ValueError(f"rows that {block.role} measures with are trained on")
            if self.design == "rows" or block.role not in ("q3", "q4"):
                continue
            if np.isin(block.helped, self.targets).any():
                raise ValueError(f"targets that {block.role} measures with are trained on")

    def new_blocks(self, step: int) -> tuple[LabelBlock, ...]:
        """What fraction number ``step`` labels beyond the one before it, as ``q1`` blocks."""
        rows, targets = self.sizes[step].rows, self.sizes[step].targets
        old_rows, old_targets = (
            (self.sizes[step - 1].rows, self.sizes[step - 1].targets) if step else (0, 0)
        )
        tiles = (
            ((0, old_rows), (old_targets, targets)),
            ((old_rows, rows), (0, targets)),
        )
        return tuple(
            self._block(slice(*some_rows), slice(*some_targets))
            for some_rows, some_targets in tiles
            if some_rows[0] < some_rows[1] and some_targets[0] < some_targets[1]
        )

    def training(self, step: int) -> LabelBlock:
        """Everything that fraction number ``step`` trains on."""
        return self._block(slice(0, self.sizes[step].rows), slice(0, self.sizes[step].targets))

    def _block(self, rows: slice, targets: slice) -> LabelBlock:
        if self.design == "spread":
            return sparse_block("q1", self.rows[rows], self.targets[rows, targets])
        return LabelBlock("q1", np.sort(self.rows[rows]), np.sort(self.targets[targets]))


def nested_plans(
    n_train: int,
    n_target: int,
    sizes: Sequence[Size],
    seed: int,
    design: Design,
    clusters: Clusters | None = None,
) -> NestedPlans:
    """Draw the plans of a study.

    Args:
        n_train: Rows of the pool.
        n_target: Rows of the target set; not read for design ``rows``.
        sizes: What each fraction would label on its own, in any order. A plan never has fewer
            rows or targets than a smaller one, and leaves the reserved rows alone.
        seed: The same seed draws the same plans.
        design: ``block``, ``spread`` or ``rows``.
        clusters: Every stretch of an order holds its share of each; None for plain draws.

    Raises:
        ValueError: There is no fraction.
    """
    if not sizes:
        raise ValueError("a study needs a fraction")
    if design == "rows":
        return _row_plans(n_train, sizes, seed, clusters)
    ordered = sorted(sizes, key=lambda size: size.fraction)
    rng = np.random.default_rng((seed, 4))
    reserved_rows = _reserved(n_train, max(size.rows for size in sizes), RESERVED_HELPERS)
    most_targets = max(size.targets for size in sizes)
    reserved_targets = _reserved(n_target, most_targets, RESERVED_HELPED)
    row_order = shuffled(n_train, clusters.pool if clusters else None, rng)
    target_order = shuffled(n_target, clusters.target if clusters else None, rng)
    apart_rows = np.sort(row_order[:reserved_rows])
    apart_targets = np.sort(target_order[:reserved_targets])
    rows, free = row_order[reserved_rows:], target_order[reserved_targets:]
    grown = _growing(ordered, len(rows), len(free))
    first, last = grown[0], grown[-1]
    rows = rows[: last.rows]
    if design == "block":
        targets = free[: last.targets]
        seen, unlabelled = targets[: first.targets], None
    else:
        width = min(len(free), last.targets + max(1, RESERVED_PAIRS // UNLABELLED_ROWS))
        order = _own_orders(last.rows, width, free, rng)
        targets, unlabelled = order[:, : last.targets], order[:, last.targets :]
        seen = np.unique(targets[: first.rows, : first.targets])
    evaluation = _evaluation(rows[: first.rows], seen, apart_rows, apart_targets, rng)
    if unlabelled is not None and unlabelled.shape[1]:
        some = rng.permutation(first.rows)[:UNLABELLED_ROWS]
        evaluation.append(sparse_block("q1u", rows[some], unlabelled[some]))
    return NestedPlans(design, tuple(grown), tuple(evaluation), rows, targets)


def _row_plans(
    n_train: int, sizes: Sequence[Size], seed: int, clusters: Clusters | None
) -> NestedPlans:
    """For a function of single rows: a prefix of the pool's rows, and reserved ones."""
    ordered = sorted(sizes, key=lambda size: size.fraction)
    order = shuffled(n_train, clusters.pool if clusters else None, np.random.default_rng((seed, 4)))
    reserved = _reserved(n_train, max(size.rows for size in sizes), RESERVED_HELPERS)
    grown = _growing(ordered, n_train - reserved, 1)
    only = np.zeros(1, dtype=np.int64)
    rows = order[reserved:][: grown[-1].rows]
    evaluation = (LabelBlock("q4", np.sort(order[:reserved]), only),) if reserved else ()
    return NestedPlans("rows", tuple(grown), evaluation, rows, only)


def _reserved(n_rows: int, labelled: int, most: int) -> int:
    """Reserved rows of one side: those of a run with the largest fraction."""
    return min(most, max(SMALLEST_RESERVED, labelled // 5), n_rows // 2)


def _growing(sizes: Sequence[Size], most_rows: int, most_targets: int) -> list[Size]:
    rows = targets = 0
    grown = []
    for size in sizes:
        rows = min(most_rows, max(rows, size.rows))
        targets = min(most_targets, max(targets, size.targets))
        grown.append(Size(size.fraction, rows, targets))
    return grown


def _own_orders(
    n_rows: int, width: int, targets: IndexArray, rng: np.random.Generator
) -> IndexArray:
    """``(n_rows, width)``: each row's first targets, no target twice in a row.

    As many rows as there are targets form a Latin square, so at every place each target comes
    once among them.
    """
    count = len(targets)
    orders = np.empty((n_rows, width), dtype=np.int64)
    for start in range(0, n_rows, count):
        part = orders[start : start + count]
        dealt, shifts = rng.permutation(targets), rng.permutation(count)[:width]
        turns = rng.permutation(count)[: len(part)]
        part[:] = dealt[(turns[:, None] + shifts) % count]
    return orders


def _evaluation(
    rows: IndexArray,
    seen: IndexArray,
    apart_rows: IndexArray,
    apart_targets: IndexArray,
    rng: np.random.Generator,
) -> list[LabelBlock]:
    def part(positions: IndexArray, others: IndexArray) -> IndexArray:
        count = min(len(positions), RESERVED_PAIRS // max(1, len(others)))
        return np.sort(rng.permutation(positions)[:count])

    blocks = (
        LabelBlock("q2", apart_rows, part(seen, apart_rows)),
        LabelBlock("q3", part(rows, apart_targets), apart_targets),
        LabelBlock("q4", apart_rows, apart_targets),
    )
    return [block for block in blocks if block.n_pairs]
