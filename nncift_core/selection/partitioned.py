"""Partitioned greedy: greedy in parts of the pool, then among the rows that won there.

For pools whose matrix does not fit in memory while the rows to be chosen do: a part is read, its
best rows are kept, and when too many are kept they compete. Mirzasoleiman et al., JMLR 2016.
Knows nothing of objectives by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from nncift_core.errors import ConfigError
from nncift_core.progress import SilentProgress
from nncift_core.selection import kernels
from nncift_core.selection.column_coverage import SparseRows, in_blocks
from nncift_core.selection.constraints import Constraints, Quota
from nncift_core.selection.finders import Lazy
from nncift_core.selection.matrices import Picks
from nncift_core.selection.openings import Openings
from nncift_core.selection.optimizing import Optimised, Problem, proven_ratio, search
from nncift_core.selection.scaled import ScaledSource
from nncift_core.types import FloatArray, IndexArray

MOST_VALUES = 500_000_000
"""Values of the matrix in memory: 2 GB of float32."""

MARGIN = 2
"""Rows that a part keeps, in units of its share of the budget."""

GROWTH = 8
"""By how much that grows where too few of the rows kept can be chosen together."""


def partitioned(problem: Problem, most_values: int | None = None) -> Optimised:
    """Greedy in parts, then among the winners.

    Args:
        problem: What to choose from.
        most_values: Values of the matrix that may be in memory at once; ``MOST_VALUES`` if None.

    Raises:
        ConfigError: Even the rows to be chosen do not fit in memory.
    """
    most_values = most_values or MOST_VALUES
    coverage = problem.coverage
    if isinstance(coverage.rows, SparseRows):
        return Optimised(search(problem, Lazy), True, 1.0)
    n_rows, n_columns = coverage.shape
    room = most_values // max(1, n_columns)
    if n_rows <= room:
        return Optimised(search(problem, Lazy), True, 1.0)
    if 2 * problem.budget > room:
        raise ConfigError(
            f"Partitioned greedy would keep {2 * problem.budget:,} rows of {n_columns:,} values, "
            f"and {room:,} fit.",
            "Use the sparse optimizer, or a smaller budget.",
        )
    margin = MARGIN
    picks = _of_winners(problem, margin, most_values)
    while _too_few(problem, picks) and margin * problem.budget < n_rows:
        # Copies in several parts and groups that are full leave too few of the rows kept.
        margin *= GROWTH
        problem.progress.stage("select", problem.budget, "rows")
        picks = _of_winners(problem, margin, most_values)
    # Columns keep their positions; only rows were renumbered.
    ratio = None if isinstance(coverage.rows, ScaledSource) else proven_ratio(problem, picks)
    return Optimised(picks, False, ratio)


def _of_winners(problem: Problem, margin: int, most_values: int) -> Picks:
    """The picks among the rows that won in their parts."""
    n_rows, n_columns = problem.coverage.shape
    assert not isinstance(problem.coverage.rows, SparseRows)
    kept = _Kept(problem)
    for start, block in in_blocks(problem.coverage.rows, most_values // 4):
        rows = np.arange(start, start + len(block))
        share = -(-margin * problem.budget * len(rows) // n_rows)
        kept.join(rows, block, min(len(rows), share))
        if len(kept.rows) > most_values // max(1, n_columns) // 2:
            kept.shrink(problem.budget)
    picks = search(kept.problem(problem.budget), Lazy)
    short = picks.ended == "budget" and len(picks.order) < problem.budget
    ended = "rows" if short else picks.ended
    return replace(picks, order=kept.rows[picks.order], ended=ended)


def _too_few(problem: Problem, picks: Picks) -> bool:
    """Whether fewer rows were picked than the constraints allow."""
    if picks.ended != "rows":
        return False
    openings = Openings(problem.constraints, problem.coverage.shape[0])
    for row in picks.order.tolist():
        openings.take(row)
    return len(openings.rows(kernels.FREE)) > 0


@dataclass(eq=False)
class _Kept:
    """The rows that won in their parts, with their values."""

    whole: Problem
    rows: IndexArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    values: list[FloatArray] = field(default_factory=list)

    def join(self, rows: IndexArray, block: FloatArray, count: int) -> None:
        """Keep the best ``count`` rows of a part, and all that the constraints name."""
        best = self._best(rows, block, count)
        self.rows = np.concatenate([self.rows, rows[best]])
        self.values.append(block[best])

    def shrink(self, count: int) -> None:
        """Let all rows that are kept compete for ``count`` places."""
        block = np.concatenate(self.values)
        best = self._best(self.rows, block, count)
        self.rows, self.values = self.rows[best], [block[best]]

    def problem(self, budget: int) -> Problem:
        """The problem of choosing among the rows that are kept."""
        block = np.concatenate(self.values)
        self.values = [block]
        return _restricted(self.whole, self.rows, block, min(budget, len(self.rows)))

    def _best(self, rows: IndexArray, block: FloatArray, count: int) -> IndexArray:
        part = _restricted(self.whole, rows, block, max(1, count))
        demanded = np.concatenate([part.constraints.pinned, *_owed(part.constraints)])
        # A part can neither fill a quota alone nor know the tokens that others take. Of a group
        # that has a most it keeps its share of that, or it would keep nothing else.
        quotas = tuple(
            Quota(quota.name, quota.members, 0, -(-quota.most * count // self.whole.budget))
            for quota in part.constraints.quotas
            if quota.most is not None
        )
        alone = replace(part.constraints, pinned=demanded[:0], quotas=quotas, token_budget=None)
        part = replace(part, constraints=alone, progress=SilentProgress())
        return np.union1d(search(part, Lazy).order, demanded).astype(np.int64)


def _owed(constraints: Constraints) -> list[IndexArray]:
    return [quota.members for quota in constraints.quotas if quota.least > 0]


def _restricted(whole: Problem, rows: IndexArray, block: FloatArray, budget: int) -> Problem:
    """The problem with some rows only, which are renumbered."""
    place = np.full(whole.coverage.shape[0], -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))

    def inside(positions: IndexArray) -> IndexArray:
        found = place[np.asarray(positions, dtype=np.int64)]
        return found[found >= 0]

    demands, coverage = whole.constraints, whole.coverage
    constraints = Constraints(
        pinned=inside(demands.pinned),
        banned=inside(demands.banned),
        duplicates=None if demands.duplicates is None else demands.duplicates[rows],
        quotas=tuple(
            Quota(quota.name, inside(quota.members), quota.least, quota.most)
            for quota in demands.quotas
        ),
        tokens=None if demands.tokens is None else demands.tokens[rows],
        token_budget=demands.token_budget,
    )
    bonus = None if coverage.bonus is None else coverage.bonus[rows]
    ranked = place[whole.by_rank]
    return replace(
        whole,
        coverage=replace(coverage, rows=block, bonus=bonus),
        constraints=constraints,
        by_rank=ranked[ranked >= 0],
        budget=budget,
    )
