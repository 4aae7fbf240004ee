"""What objectives read and what a selection gives back.

Knows nothing of where influence comes from, of files or of ids beyond their order.
Everything here is float32 in, float64 out: gains are sums of many small numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import DataError
from nncift_core.types import FloatArray, IndexArray

DoubleArray = NDArray[np.float64]

SCALE_BLOCK = 4_194_304
"""Elements scaled at a time: 16 MiB of float32, so that scaling needs no second matrix."""


class Blocks(Protocol):
    """A matrix that is computed when it is read, see ``scaled.ScaledSource``."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, n_columns)`` float32, scaled."""

    def rows(self, positions: IndexArray) -> FloatArray:
        """``(len(positions), n_columns)`` float32, scaled."""


@dataclass(frozen=True)
class Matrices:
    """The scaled influence that objectives read; what an objective does not need may be None.

    All matrices are on one scale (``scale`` with the same lo and hi), float32, with the
    helping rows first; a read-only memory map is fine, none is copied or changed. One that does
    not fit in memory is a ``scaled.ScaledSource``.

    Attributes:
        row_mean: ``(n_train,)`` mean influence of each pool row on the targets, self pairs left
            out. Breaks ties; higher is more helpful. NaN counts as the lowest.
        target: X ``(n_train, n_target)``, pool row helps target row.
        pool: W ``(n_train, n_train)``, pool row helps pool row; self pairs hold its highest value.
        existing: E ``(n_existing, n_train)``, existing row helps pool row.
        row_scores: ``(n_train,)`` what top-k ranks by, in original units; ``row_mean`` if None.
        subtasks: Subtask of each target row, for round robin; None or all None when there is none.
    """

    row_mean: NDArray[np.floating]
    target: FloatArray | Blocks | None = None
    pool: FloatArray | Blocks | None = None
    existing: FloatArray | Blocks | None = None
    row_scores: NDArray[np.floating] | None = None
    subtasks: Sequence[str | None] | None = None

    def __post_init__(self) -> None:
        n_train = len(self.row_mean)
        for name, matrix, axis in (
            ("target", self.target, 0),
            ("pool", self.pool, 0),
            ("pool", self.pool, 1),
            ("existing", self.existing, 1),
            ("row_scores", self.row_scores, 0),
        ):
            if matrix is not None and matrix.shape[axis] != n_train:
                raise ValueError(
                    f"{name} has shape {matrix.shape}, but row_mean has {n_train} pool rows."
                )
        if self.subtasks is not None and self.target is not None:
            n_target = self.target.shape[1]
            if len(self.subtasks) != n_target:
                raise ValueError(f"{len(self.subtasks)} subtasks for {n_target} target rows.")

    @property
    def n_train(self) -> int:
        """Number of pool rows."""
        return len(self.row_mean)


@dataclass(frozen=True, eq=False)
class Picks:
    """Chosen rows in order; the fields are those of ``SelectionResult``."""

    order: IndexArray
    gain: DoubleArray
    round: NDArray[np.int32]
    saturated_at: int | None
    newly_best: IndexArray
    gains_most: IndexArray
    phase: NDArray[np.int8]
    ended: str


@dataclass(frozen=True, eq=False)
class SelectionResult(Picks):
    """Chosen pool rows, best first. The order is nested: its first k rows are the answer for k.

    Attributes:
        order: ``(k,)`` positions in the pool.
        gain: ``(k,)`` what each pick added to its round's f(A); for top-k and round robin the
            score the row was picked by.
        round: ``(k,)`` from 1; objectives without rounds stay in round 1.
        saturated_at: Picks of the first round, None when it never ended.
        newly_best: ``(k,)`` columns (targets, or pool rows) that the pick covers better than all
            earlier picks of its round; -1 where the objective has no such thing.
        gains_most: ``(k,)`` position of the column the pick gains most on, -1 where there is none.
        phase: ``(k,)`` 0 for pinned rows, 1 for rows that a quota demanded, 2 for all others.
        ended: ``budget`` when all rows were chosen that were asked for; ``tokens`` when the next
            row would not fit into the token budget; ``rows`` when the constraints left no row.
        objective: Name of the objective.
        optimizer: Name of the optimizer.
        value: f(A) of all chosen rows together, in a single round.
        exact: Whether the order is that of the plain greedy algorithm, tie for tie.
        ratio: A proven lower bound of the first round's f(A) as a share of what the best choice of
            as many rows could reach, and so of what greedy reaches; 1.0 where the order is exact,
            None where nothing is proven.
    """

    objective: str = ""
    optimizer: str = "lazy"
    value: float = 0.0
    exact: bool = True
    ratio: float | None = 1.0

    def __len__(self) -> int:
        return len(self.order)


def rank_of(by_rank: IndexArray) -> IndexArray:
    """``(n_train,)`` tie rank of each row, from the rows in the order of their rank."""
    rank: IndexArray = np.empty(len(by_rank), dtype=np.int64)
    rank[by_rank] = np.arange(len(by_rank))
    return rank


def finite_rows(values: NDArray[np.floating]) -> DoubleArray:
    """One value of each pool row as float64, all of them finite.

    Raises:
        DataError: A value is NaN or infinite; names the first such pool row, from 1.
    """
    finite = np.isfinite(values)
    if not finite.all():
        raise DataError(
            f"The influence of pool row {int(np.argmin(finite)) + 1} holds values that are not "
            "finite.",
            "Compute the influence again, or leave the row out.",
        )
    return values.astype(np.float64)


def scale(
    influence: NDArray[np.floating], lo: float, hi: float, *, out: FloatArray | None = None
) -> FloatArray:
    """Influence on the common scale: max(0, (influence - lo) / (hi - lo)), as float32.

    Works block by block.

    Args:
        influence: Any shape, original units.
        lo: Lowest training label of X.
        hi: Highest training label of X.
        out: Where to write, e.g. a memory map or ``influence`` itself; a new array if None.

    Raises:
        DataError: lo and hi are equal or not finite: there is nothing to scale by.
    """
    if not np.isfinite([lo, hi]).all() or hi <= lo:
        raise DataError(
            f"Influence cannot be scaled: the training labels range from {lo:g} to {hi:g}.",
            "Label more rows, or check that the pool's responses are not all the same.",
        )
    scaled = np.empty(influence.shape, dtype=np.float32) if out is None else out
    width = max(1, influence[0].size) if influence.ndim and len(influence) else 1
    step = max(1, SCALE_BLOCK // width)
    for start in range(0, len(influence), step):
        block = np.asarray(influence[start : start + step], dtype=np.float32)
        target = scaled[start : start + step]
        np.subtract(block, np.float32(lo), out=target)
        np.multiply(target, np.float32(1.0 / (hi - lo)), out=target)
        np.maximum(target, np.float32(0.0), out=target)
    return scaled
