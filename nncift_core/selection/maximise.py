"""The entry to selection: checks what an objective needs, runs it, evaluates any order.

Knows the registry and nothing of single objectives. An objective is a class with
``select(matrices, budget, ties, progress)`` and ``value(matrices, order)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import ConfigError
from nncift_core.progress import Progress, SilentProgress
from nncift_core.registry import Entry
from nncift_core.selection.matrices import DoubleArray, Matrices, SelectionResult
from nncift_core.selection.objectives import OBJECTIVES
from nncift_core.types import IndexArray


@dataclass(frozen=True)
class Settings:
    """The two numbers of the formulas.

    Attributes:
        eta: η of FLMI: how far a pool row is covered for the targets' sake.
        nu: ν of FLCG: how much of what existing rows cover is taken as covered.
    """

    eta: float = 1.0
    nu: float = 1.0


@dataclass(frozen=True)
class Picks:
    """What an objective's ``select`` gives back; the fields are those of SelectionResult."""

    order: IndexArray
    gain: DoubleArray
    round: NDArray[np.int32]
    saturated_at: int | None
    newly_best: IndexArray
    gains_most: IndexArray


class Objective(Protocol):
    """What a registered objective is, built from ``Settings``."""

    def select(
        self, matrices: Matrices, budget: int, by_rank: IndexArray, progress: Progress
    ) -> Picks:
        """The chosen rows; ``by_rank`` lists all rows with those that win ties first."""

    def value(self, matrices: Matrices, order: IndexArray) -> float:
        """f(A) of the rows in ``order``, in a single round."""


def maximise(
    objective: str,
    matrices: Matrices,
    budget: int,
    *,
    row_ids: Sequence[str],
    progress: Progress | None = None,
    eta: float = 1.0,
    nu: float = 1.0,
) -> SelectionResult:
    """Choose ``budget`` pool rows by greedy maximisation of an objective, in rounds.

    In a round, f(A) is the value of the round's own picks: coverage starts anew, so the
    threshold of a round does not depend on the rounds before. The round ends when no remaining
    row gains more than 1e-6 of it; at a round's first pick f(A) is 0 and any gain is enough.
    When a round after the first would begin with no gain at all, the remaining rows (they gain
    nothing even alone) follow in tie order with gain 0 and no further round begins.

    Gains within a relative 1e-9 of the best are ties; they go to the higher row mean, then to the
    smaller id. No random number is drawn: the same input gives the same bytes.

    Args:
        objective: A name of ``OBJECTIVES``.
        matrices: At least what ``OBJECTIVES[objective].needs`` names.
        budget: Rows to choose, 1 to ``n_train``.
        row_ids: Id of each pool row, compared as strings in ties.
        progress: Advanced by picked rows; the caller begins the stage.
        eta: η of FLMI and its query variant.
        nu: ν of FLCG.

    Raises:
        ConfigError: Unknown objective, a matrix it needs is missing, a budget outside the pool.
        DataError: A matrix holds NaN or infinite values.
        Cancelled: From ``progress``.
    """
    entry = OBJECTIVES[objective]
    _check_needs(entry, matrices)
    n_train = matrices.n_train
    if not 1 <= budget <= n_train:
        raise ConfigError(
            f"Budget {budget} is outside the pool of {n_train} rows.",
            f"Give between 1 and {n_train} rows.",
        )
    if len(row_ids) != n_train:
        raise ValueError(f"{len(row_ids)} row ids for {n_train} pool rows.")
    implementation: Objective = entry.load()(Settings(eta, nu))
    by_rank = tie_order(matrices.row_mean, row_ids)
    picks = implementation.select(matrices, budget, by_rank, progress or SilentProgress())
    return SelectionResult(
        objective=objective,
        order=picks.order,
        gain=picks.gain,
        round=picks.round,
        saturated_at=picks.saturated_at,
        value=implementation.value(matrices, picks.order),
        newly_best=picks.newly_best,
        gains_most=picks.gains_most,
    )


def value(
    objective: str,
    matrices: Matrices,
    order: Sequence[int] | IndexArray,
    *,
    eta: float = 1.0,
    nu: float = 1.0,
) -> float:
    """f(A) of any set of pool positions, in a single round and float64, for comparisons.

    Round robin maximises no function; its sets are valued by FL (target).

    Raises:
        ConfigError: Unknown objective, or a matrix it needs is missing.
    """
    entry = OBJECTIVES[objective]
    _check_needs(entry, matrices)
    implementation: Objective = entry.load()(Settings(eta, nu))
    return implementation.value(matrices, np.asarray(order, dtype=np.int64))


def random_selection(n_train: int, budget: int, seed: int) -> IndexArray:
    """A seeded random order of ``budget`` pool positions, nested: the baseline to beat."""
    permutation = np.random.default_rng(seed).permutation(n_train)
    return permutation[:budget].astype(np.int64)


def tie_order(row_mean: NDArray[np.floating], row_ids: Sequence[str]) -> IndexArray:
    """All positions, those that win ties first: higher row mean, then smaller id."""
    mean = np.asarray(row_mean, dtype=np.float64)
    mean = np.where(np.isnan(mean), -np.inf, mean).tolist()
    ordered = sorted(range(len(mean)), key=lambda row: (-mean[row], row_ids[row], row))
    return np.asarray(ordered, dtype=np.int64)


_MATRIX_OF = {
    "target-matrix": ("target", "influence on the target rows"),
    "pool-matrix": ("pool", "influence between pool rows"),
    "existing-matrix": ("existing", "influence of an existing set"),
}


def _check_needs(entry: Entry, matrices: Matrices) -> None:
    for need in sorted(entry.needs & _MATRIX_OF.keys()):
        attribute, words = _MATRIX_OF[need]
        if getattr(matrices, attribute) is None:
            raise ConfigError(
                f"Objective {entry.name!r} needs {words}, which this run does not have.",
                "Choose a method that gives it, or another objective such as 'topk'.",
            )
