"""A second round of labels: pairs that estimates from the first round disagree about most.

Rows are taken by their mean disagreement, and each gets the targets that it is largest for; no
target is taken so often that the round would label one column again and again. Reserved rows
and pairs that only measure are never taken. Knows positions and numbers; no rows, no networks.
This project's own addition to the label plan of NN-CIFT, section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nncift_core.influence.label_plan import LabelBlock, LabelPlan
from nncift_core.influence.spread import sparse_block
from nncift_core.types import FloatArray, IndexArray, InfluenceSource

USUAL_TARGETS = 4
"""Targets of a row where the first round was a block."""

MOST_SHARES = 2
"""A target is taken at most this many times as often as all equally."""

BLOCK_VALUES = 4_000_000
"""Values that are looked at together: 16 MB."""


def second_round_plan(
    plan: LabelPlan,
    disagreement: InfluenceSource | FloatArray,
    n_pairs: int,
    seed: int,
) -> LabelBlock | None:
    """The pairs of a second round, to be trained on with those of the first.

    Args:
        plan: What the first round labelled of X.
        disagreement: ``(n_train, n_target)``, 0 or more, higher where estimates differ more; an
            array, or what gives it block by block.
        n_pairs: At most so many pairs.
        seed: Decides between equals.

    Returns:
        A block of X with columns, as wide as the first round's; None where no row has enough
        targets left or the pairs are too few for one.
    """
    source = _Held(disagreement) if isinstance(disagreement, np.ndarray) else disagreement
    closed = _closed(plan, source.n_train, source.n_target)
    first = plan.block("q1")
    assert first is not None
    width = second_round_width(first)
    rng = np.random.default_rng((seed, 3))
    rows, values = _candidates(source, closed, n_pairs // width, width, rng)
    if not len(rows):
        return None
    open_targets = source.n_target - len(closed.targets)
    most = math.ceil(MOST_SHARES * len(rows) * width / max(1, open_targets))
    taken = np.zeros(source.n_target, dtype=np.int64)
    chosen = np.empty((len(rows), width), dtype=np.int64)
    for place, row in enumerate(values):
        # Targets that are used up come last, closed ones never: enough are open.
        rank = np.lexsort((rng.random(len(row)), -row, taken >= most, np.isneginf(row)))
        chosen[place] = rank[:width]
        taken[chosen[place]] += 1
    return sparse_block("q1", rows, chosen)


def second_round_width(first: LabelBlock) -> int:
    """Targets of each row of a second round, by the training block of the first."""
    return USUAL_TARGETS if first.columns is None else first.targets_of_each


class _Closed:
    """Pairs that a second round must not label.

    Attributes:
        helpers: Reserved rows.
        targets: Reserved targets.
        pairs: For each helper the targets that it has labels for.
    """

    def __init__(
        self, helpers: IndexArray, targets: IndexArray, pairs: Mapping[int, list[IndexArray]]
    ) -> None:
        self.helpers, self.targets, self.pairs = helpers, targets, pairs

    def shut(self, start: int, values: NDArray[np.float64]) -> None:
        """Give the closed pairs of rows from ``start`` on a disagreement below all others."""
        values[:, self.targets] = -np.inf
        inside = self.helpers[(self.helpers >= start) & (self.helpers < start + len(values))]
        values[inside - start] = -np.inf
        for place in range(len(values)):
            for targets in self.pairs.get(start + place, ()):
                values[place, targets] = -np.inf


def _closed(plan: LabelPlan, n_train: int, n_target: int) -> _Closed:
    none = np.empty(0, dtype=np.int64)
    q2, q3, q4 = (plan.block(role) for role in ("q2", "q3", "q4"))
    helpers = [block.helpers for block in (q2, q4) if block is not None]
    targets = [block.helped for block in (q3, q4) if block is not None]
    pairs: dict[int, list[IndexArray]] = {}
    for block in plan.blocks:
        if block.matrix == "target" and block.role in ("q1", "q1u"):
            for place, helper in enumerate(block.helpers):
                columns = slice(None) if block.columns is None else block.columns[place]
                pairs.setdefault(int(helper), []).append(block.helped[columns])
    return _Closed(
        np.unique(np.concatenate([none, *helpers])),
        np.unique(np.concatenate([none, *targets])),
        pairs,
    )


def _candidates(
    source: InfluenceSource, closed: _Closed, most: int, width: int, rng: np.random.Generator
) -> tuple[IndexArray, NDArray[np.float64]]:
    """The rows of highest mean disagreement that have enough open pairs, and their values.

    Best first; closed pairs have minus infinity.
    """
    means = np.full(source.n_train, -np.inf)
    step = max(1, BLOCK_VALUES // max(1, source.n_target))
    for start in range(0, source.n_train, step):
        values = _block(source, start, min(start + step, source.n_train), closed)
        free = np.isfinite(values)
        count = free.sum(axis=1)
        enough = count >= width
        total = np.where(free, values, 0.0).sum(axis=1)
        means[start : start + len(values)][enough] = total[enough] / count[enough]
    order = np.lexsort((rng.random(source.n_train), -means))
    rows = order[: min(most, int(np.isfinite(means).sum()))]
    values = np.empty((len(rows), source.n_target))
    # Asked for in ascending order, since a source may read from a file.
    for place in np.argsort(rows, kind="stable"):
        row = int(rows[place])
        values[place] = _block(source, row, row + 1, closed)[0]
    return rows, values


def _block(source: InfluenceSource, start: int, stop: int, closed: _Closed) -> NDArray[np.float64]:
    values = np.asarray(source.block(start, stop), dtype=np.float64).copy()
    values[np.isnan(values)] = 0.0
    closed.shut(start, values)
    return values


class _Held:
    """An array as a source of blocks."""

    def __init__(self, values: FloatArray) -> None:
        self._values = values

    @property
    def n_train(self) -> int:
        """Rows."""
        return len(self._values)

    @property
    def n_target(self) -> int:
        """Columns."""
        return int(self._values.shape[1])

    def block(self, start: int, stop: int) -> FloatArray:
        """Some rows."""
        return self._values[start:stop]
