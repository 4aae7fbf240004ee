"""Sparse greedy: each column sees only the rows that help it most.

One pass over the matrix, block by block, leaves a list of rows a column; greedy then works on these
entries. What a list leaves out is bounded by its last value, and so is what greedy may have missed.
Knows nothing of objectives by name.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nncift_core.selection.column_coverage import ColumnCoverage, SparseRows
from nncift_core.selection.column_lists import ColumnLists, column_lists
from nncift_core.selection.constraints import Constraints
from nncift_core.selection.finders import Lazy, gains_left
from nncift_core.selection.matrices import Picks, rank_of
from nncift_core.selection.optimizing import Optimised, Problem, search
from nncift_core.types import FloatArray

LEAST_LENGTH = 64
"""Rows of a list, at least."""

SHARES = 64
"""Rows of a list, in units of the picks a column has on average: its best rows serve others too."""

MOST_ENTRIES = 60_000_000
"""Entries of all lists together: 0.5 GB, and as much again by row."""


def sparse(problem: Problem) -> Optimised:
    """Greedy on the best entries of each column; exact where it can be shown to be."""
    coverage = problem.coverage
    if isinstance(coverage.rows, SparseRows):
        return Optimised(search(problem, Lazy), True, 1.0)
    n_rows, n_columns = coverage.shape
    problem.progress.stage("scan", n_rows, "rows")
    lists = column_lists(
        coverage.rows,
        rank_of(problem.by_rank),
        list_length(problem.budget, n_rows, n_columns),
        allowed=_allowed(problem.constraints, n_rows),
        progress=problem.progress,
    )
    problem.progress.stage("select", problem.budget, "rows")
    entries = replace(coverage, rows=lists.by_row())
    picks = search(replace(problem, coverage=entries), Lazy)
    complete = bool(np.isneginf(lists.cut).all() or (lists.cut <= 0).all())
    if complete:
        return Optimised(picks, True, 1.0)
    return Optimised(picks, False, _proven_ratio(problem, entries, lists, picks))


def list_length(budget: int, n_rows: int, n_columns: int) -> int:
    """Rows of a list: some for each pick that a column has on average, as far as memory goes."""
    wanted = max(LEAST_LENGTH, SHARES * -(-budget // max(1, n_columns)))
    return int(min(n_rows, wanted, max(1, MOST_ENTRIES // max(1, n_columns))))


def _allowed(constraints: Constraints, n_rows: int) -> np.ndarray:
    allowed = np.ones(n_rows, dtype=np.bool_)
    allowed[constraints.banned] = False
    allowed[constraints.pinned] = True
    return allowed


def _proven_ratio(
    problem: Problem, entries: ColumnCoverage, lists: ColumnLists, picks: Picks
) -> float | None:
    """As ``optimizing.proven_ratio``, with what the lists leave out on top of the gains left."""
    if problem.constraints.token_budget is not None or not len(picks.order) or entries.root:
        return None
    first = picks.order[: picks.saturated_at or len(picks.order)]
    gains = gains_left(entries, first)
    gains[first] = 0.0
    gains[problem.constraints.banned] = 0.0
    left = float(np.partition(gains, -len(first))[-len(first) :].sum())
    # A column that is covered to its list's last value has nothing to gain from other rows.
    left += _unseen(entries.level_after(first), lists.cut, entries.last_level())
    value = entries.value(first) / entries.unit
    return float(value / (value + left)) if value + left > 0 else 1.0


def _unseen(level: FloatArray, cut: FloatArray, cap: FloatArray | None) -> float:
    """What all rows outside the lists could add together, at most."""
    reach = cut if cap is None else np.minimum(cut, cap)
    return float(np.maximum(reach.astype(np.float64) - level, 0.0).sum())
