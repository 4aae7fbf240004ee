"""One nested order that nobody stored: every budget is a prefix of it.

Knows the result of ``maximise`` and the demands it obeyed, no run and no page.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncift_core.pipeline.demands import Demands
from nncift_core.selection import Matrices, SelectionResult, value
from nncift_core.selection.constraints import Constraints
from nncift_core.selection.rules import parse_quotas
from nncift_core.selection_config import SelectionConfig
from nncift_core.types import IndexArray

if TYPE_CHECKING:
    from nncift_core.selection.duplicates import DuplicateGroups


@dataclass(frozen=True, eq=False)
class LiveSelection:
    """One nested order for one set of demands: its first k rows are the answer for budget k.

    Where it is not ``nested``, it is the answer for ``most_rows`` alone: for another budget ask
    again.

    Attributes:
        objective: Name of the objective.
        settings: The demands as given.
        most_rows: The budget that was asked for.
        row_ids: Ids of the whole pool, in input order.
        result: The order with gains, rounds and phases.
        demands: The demands as positions, with the reason of each ban.
        seconds: How long it took.
        matrices: What the objective read.
    """

    objective: str
    settings: SelectionConfig
    most_rows: int
    row_ids: Sequence[str]
    result: SelectionResult
    demands: Demands
    seconds: float
    matrices: Matrices
    _values: dict[int, float] = field(default_factory=dict)

    @property
    def order(self) -> IndexArray:
        """``(k,)`` positions in the pool."""
        return self.result.order

    @property
    def gain(self) -> NDArray[np.float64]:
        """``(k,)`` gain of each pick."""
        return self.result.gain

    @property
    def round(self) -> NDArray[np.int32]:
        """``(k,)`` round of each pick, from 1."""
        return self.result.round

    @property
    def phase(self) -> NDArray[np.int8]:
        """``(k,)`` 0 for pinned rows, 1 for those a quota asked for, 2 for all others."""
        return self.result.phase

    @property
    def demanded(self) -> int:
        """Rows at the beginning that pins and quotas demand: no smaller budget can be met."""
        return int((self.phase < 2).sum())

    @property
    def saturated_at(self) -> int | None:
        """Picks of the first round, None when it never ended."""
        return self.result.saturated_at

    @property
    def constraints(self) -> Constraints:
        """The demands as ``maximise`` read them."""
        return self.demands.constraints

    @property
    def ban_reasons(self) -> Mapping[int, str]:
        """Why each banned position is banned."""
        return self.demands.ban_reasons

    @property
    def groups(self) -> DuplicateGroups | None:
        """Duplicates, None where all are kept."""
        return self.demands.groups

    @property
    def nested(self) -> bool:
        """Whether every prefix is what its own budget would give.

        Not so where a quota is a share of the budget, or the optimizer is not exact.
        """
        quotas = parse_quotas(self.settings.quota)
        return self.result.exact and not any(quota.of_budget for quota in quotas)

    def value_at(self, rows: int) -> float:
        """f(A) of the first ``rows`` picks, in a single round."""
        rows = min(max(0, rows), len(self.order))
        if rows == len(self.order):
            return self.result.value
        if rows not in self._values:
            self._values[rows] = value(
                self.objective,
                self.matrices,
                self.order[:rows],
                quality_weight=self.settings.quality_weight,
            )
        return self._values[rows]

    def tokens_at(self, rows: int) -> int | None:
        """Tokens of the first ``rows`` picks together, None where nobody counted."""
        if self.demands.tokens is None or rows <= 0:
            return None if self.demands.tokens is None else 0
        return int(self._tokens_so_far[min(rows, len(self.order)) - 1]) if len(self.order) else 0

    def first(self, rows: int) -> SelectionResult:
        """The result for a budget of ``rows``, which is the beginning of this one."""
        result = self.result
        if rows >= len(result):
            return result
        saturated = result.saturated_at
        return replace(
            result,
            **{
                name: getattr(result, name)[:rows]
                for name in ("order", "gain", "round", "newly_best", "gains_most", "phase")
            },
            saturated_at=saturated if saturated is not None and saturated < rows else None,
            ended="budget",
            value=self.value_at(rows),
            # A bound was proven for the whole order.
            ratio=result.ratio if result.exact else None,
        )

    @functools.cached_property
    def _tokens_so_far(self) -> IndexArray:
        assert self.demands.tokens is not None
        return np.cumsum(self.demands.tokens[self.order], dtype=np.int64)
