"""Optimizers that hold the whole matrix: lazy, naive and stochastic greedy; and what all share.

Knows coverages and constraints; nothing of objectives by name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nncift_core.progress import Progress
from nncift_core.selection.column_coverage import ColumnCoverage, in_blocks
from nncift_core.selection.constraints import Constraints
from nncift_core.selection.finders import Lazy, Naive, Stochastic, gains_left
from nncift_core.selection.greedy import greedy
from nncift_core.selection.matrices import DoubleArray, Picks
from nncift_core.selection.openings import Openings
from nncift_core.selection.scaled import BLOCK_VALUES, ScaledSource
from nncift_core.types import IndexArray


@dataclass(frozen=True, eq=False)
class Problem:
    """What an optimizer is given.

    Attributes:
        coverage: What is to be covered.
        constraints: Checked demands.
        by_rank: ``(n_train,)`` rows, those that win ties first.
        budget: Rows to choose at most.
        progress: Advanced by picks.
        seed: Of random draws.
    """

    coverage: ColumnCoverage
    constraints: Constraints
    by_rank: IndexArray
    budget: int
    progress: Progress
    seed: int = 0

    @property
    def cost(self) -> DoubleArray | None:
        """``(n_train,)`` what gains are divided by: tokens, where they are the budget."""
        if self.constraints.token_budget is None or self.constraints.tokens is None:
            return None
        # A row of no token is as good as one of a single token.
        return np.maximum(self.constraints.tokens, 1).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Optimised:
    """What an optimizer gives back; see ``SelectionResult`` for ``exact`` and ``ratio``."""

    picks: Picks
    exact: bool
    ratio: float | None


def lazy(problem: Problem) -> Optimised:
    """The exact order of greedy."""
    return Optimised(search(problem, Lazy), True, 1.0)


def naive(problem: Problem) -> Optimised:
    """The exact order of greedy, every gain computed at every pick."""
    return Optimised(search(problem, Naive), True, 1.0)


def stochastic(problem: Problem) -> Optimised:
    """The best of a random sample at each pick."""
    picks = search(problem, Stochastic, seed=problem.seed, budget=problem.budget)
    return Optimised(picks, False, proven_ratio(problem, picks))


def search(problem: Problem, kind: Any, **options: Any) -> Picks:
    """Greedy with rounds by one way of finding rows. Raises: DataError, ConfigError, Cancelled."""
    coverage = in_memory(problem.coverage)
    openings = Openings(problem.constraints, coverage.shape[0])
    finder = kind(coverage, openings, problem.by_rank, problem.cost, **options)
    picks = greedy(finder, openings, problem.by_rank, problem.budget, problem.progress)
    return replace(picks, gain=picks.gain * coverage.unit)


def in_memory(coverage: ColumnCoverage) -> ColumnCoverage:
    """The same coverage with its whole matrix in memory."""
    if not isinstance(coverage.rows, ScaledSource):
        return coverage
    dense = np.empty(coverage.shape, dtype=np.float32)
    for start, block in in_blocks(coverage.rows, BLOCK_VALUES):
        dense[start : start + len(block)] = block
    return replace(coverage, rows=dense)


def proven_ratio(problem: Problem, picks: Picks) -> float | None:
    """How good the first round's set A is for certain: f(A) over what k rows can reach at most.

    By submodularity no set of k rows is worth more than f(A) and the k largest gains that are
    left (Nemhauser et al. 1978). None where lengths, not counts, bound the set.
    """
    if problem.constraints.token_budget is not None or not len(picks.order):
        return None
    coverage = in_memory(problem.coverage)
    first = picks.order[: picks.saturated_at or len(picks.order)]
    gains = gains_left(coverage, first)
    gains[first] = 0.0
    gains[problem.constraints.banned] = 0.0
    left = np.partition(gains, -len(first))[-len(first) :].sum()
    value = coverage.value(first) / coverage.unit
    return float(value / (value + left)) if value + left > 0 else 1.0
