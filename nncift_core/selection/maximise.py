"""The entry to selection: checks what an objective needs, maximises it, evaluates any order.

Knows the registries and nothing of single objectives or optimizers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import ConfigError
from nncift_core.progress import Progress, SilentProgress
from nncift_core.registry import Entry
from nncift_core.selection.constraints import Constraints, check
from nncift_core.selection.matrices import Matrices, Picks, SelectionResult
from nncift_core.selection.objectives import OBJECTIVES, Settings
from nncift_core.selection.optimizers import OPTIMIZERS
from nncift_core.types import IndexArray


def maximise(
    objective: str,
    matrices: Matrices,
    budget: int,
    *,
    row_ids: Sequence[str],
    progress: Progress | None = None,
    eta: float = 1.0,
    nu: float = 1.0,
    quality_weight: float = 0.5,
    optimizer: str = "lazy",
    constraints: Constraints | None = None,
    seed: int = 0,
) -> SelectionResult:
    """Choose up to ``budget`` pool rows by greedy maximisation of an objective, in rounds.

    In a round, f(A) is the value of the round's own picks: coverage starts anew, so the
    threshold of a round does not depend on the rounds before. The round ends when no remaining
    row gains more than 1e-6 of it; at a round's first pick f(A) is 0 and any gain is enough.
    When a round after the first would begin with no gain at all, the remaining rows (they gain
    nothing even alone) follow in tie order with gain 0 and no further round begins.

    Gains within a relative 1e-9 of the best are ties; they go to the higher row mean, then to the
    smaller id. The same input gives the same bytes.

    Pinned rows come first, then what quotas demand at least, then all others; with a token budget
    the largest gain a token comes first, and the order ends where the next row does not fit. So
    every prefix of the order is the answer for a smaller budget.

    Args:
        objective: A name of ``OBJECTIVES``.
        matrices: At least what ``OBJECTIVES[objective].needs`` names.
        budget: Rows to choose at most, 1 to ``n_train``; fewer where the constraints leave fewer.
        row_ids: Id of each pool row, compared as strings in ties.
        progress: Advanced by picked rows; the caller begins the stage.
        eta: η of FLMI and its query variant.
        nu: ν of FLCG.
        quality_weight: Weight of quality in ``mix``.
        optimizer: A name of ``OPTIMIZERS``; objectives that cover nothing are always exact.
        constraints: What the curator demands; nothing if None.
        seed: Of the stochastic optimizer's samples.

    Raises:
        ConfigError: Unknown objective or optimizer, a matrix it needs is missing, a budget outside
            the pool, or demands that contradict each other.
        DataError: A matrix holds NaN or infinite values.
        Cancelled: From ``progress``.
    """
    entry, method = OBJECTIVES[objective], OPTIMIZERS[optimizer]
    _check_needs(entry, matrices)
    n_train = matrices.n_train
    if not 1 <= budget <= n_train:
        raise ConfigError(
            f"Budget {budget} is outside the pool of {n_train} rows.",
            f"Give between 1 and {n_train} rows.",
        )
    if len(row_ids) != n_train:
        raise ValueError(f"{len(row_ids)} row ids for {n_train} pool rows.")
    demands = constraints or Constraints()
    check(demands, n_train, budget, row_ids)
    progress = progress or SilentProgress()
    by_rank = tie_order(matrices.row_mean, row_ids)
    if not entry.rounds:
        from nncift_core.selection.openings import Openings

        modular = entry.load()(matrices)
        picks = modular.select(Openings(demands, n_train), by_rank, budget, progress)
        return _result(picks, objective, "lazy", modular.value(picks.order), True, 1.0)
    from nncift_core.selection.optimizing import Problem

    coverage = entry.load()(matrices, Settings(eta, nu, quality_weight))
    problem = Problem(coverage, demands, by_rank, budget, progress, seed)
    found = method.load()(problem)
    value_ = coverage.value(found.picks.order)
    return _result(found.picks, objective, optimizer, value_, found.exact, found.ratio)


def value(
    objective: str,
    matrices: Matrices,
    order: Sequence[int] | IndexArray,
    *,
    eta: float = 1.0,
    nu: float = 1.0,
    quality_weight: float = 0.5,
) -> float:
    """f(A) of any set of pool positions, in a single round and float64, for comparisons.

    Round robin maximises no function; its sets are valued by FL (target).

    Raises:
        ConfigError: Unknown objective, or a matrix it needs is missing.
    """
    entry = OBJECTIVES[objective]
    _check_needs(entry, matrices)
    rows = np.asarray(order, dtype=np.int64)
    if not entry.rounds:
        return float(entry.load()(matrices).value(rows))
    return float(entry.load()(matrices, Settings(eta, nu, quality_weight)).value(rows))


def random_selection(n_train: int, budget: int, seed: int) -> IndexArray:
    """A seeded random order of ``budget`` pool positions, nested: the baseline to beat."""
    permutation = np.random.default_rng(seed).permutation(n_train)
    return permutation[:budget].astype(np.int64)


def tie_order(row_mean: NDArray[np.floating], row_ids: Sequence[str]) -> IndexArray:
    """All positions, those that win ties first: higher row mean, then smaller id."""
    mean = np.asarray(row_mean, dtype=np.float64)
    mean = np.where(np.isnan(mean), -np.inf, mean)
    by_id = np.array(sorted(range(len(mean)), key=row_ids.__getitem__), dtype=np.int64)
    ordered: IndexArray = by_id[np.argsort(-mean[by_id], kind="stable")]
    return ordered


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


def _result(
    picks: Picks, objective: str, optimizer: str, value_: float, exact: bool, ratio: float | None
) -> SelectionResult:
    shared: dict[str, Any] = {item.name: getattr(picks, item.name) for item in fields(picks)}
    return SelectionResult(
        **shared,
        objective=objective,
        optimizer=optimizer,
        value=value_,
        exact=exact,
        ratio=ratio,
    )
