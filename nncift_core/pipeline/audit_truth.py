"""True influence for an audit: of copies of rows, and of a sample of pairs, where affordable.

How much that is follows from the rate that labelling had. What is computed is kept with the other
labels of the workspace. Knows influence functions and their cost, no estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.influence import METHODS
from nncift_core.influence.base import PointwiseInfluence
from nncift_core.influence.label import pairwise_values, row_values
from nncift_core.influence.shards import Shards
from nncift_core.pipeline.labelling import known_rate, make_method, open_shards
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.studies.audit_subsets import best_subtask_scores, mean_scores
from nncift_core.types import FloatArray, IndexArray, Row

SAMPLE_ROWS, SAMPLE_COLUMNS = 64, 24
LEAST_ROWS, LEAST_COLUMNS = 16, 8
"""A smaller sample says nothing."""

COPIES, COPIES_COLUMNS = 16, 16
LEAST_COPIES = 6

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """True influence of some rows on some targets.

    Attributes:
        rows: ``(a,)`` positions in the pool.
        columns: ``(b,)`` positions in the target set; one 0 for a pointwise method.
        values: ``(a, b)`` true influence.
    """

    rows: IndexArray
    columns: IndexArray
    values: FloatArray


class Truth:
    """True influence, as much as a time allows.

    Args:
        workspace: Where labels are kept.
        spec: The run.
        roles: Its rows.
        seconds: About how long one call may take.
        progress: Told of stage ``label``.
    """

    def __init__(
        self,
        workspace: Workspace,
        spec: RunSpec,
        roles: Roles,
        seconds: float,
        progress: Progress,
    ) -> None:
        self._workspace, self._spec, self._roles = workspace, spec, roles
        self._seconds, self._progress = seconds, progress
        self._method = make_method(workspace, spec, roles)
        self._pointwise = METHODS[spec.config.method].pointwise

    def row_scores(self, values: FloatArray, columns: IndexArray | None = None) -> DoubleArray:
        """``(a,)`` what rows are ranked by, of their influence on all or some target rows."""
        if self._pointwise:
            return values[:, 0].astype(np.float64)
        if "subtask-scores" not in METHODS[self._spec.config.method].needs:
            return mean_scores(values, None)
        places = range(len(self._roles.target)) if columns is None else columns
        return best_subtask_scores(values, [self._roles.target[j].subtask for j in places])

    def of_copies(
        self, pairs: Sequence[tuple[Row, Row]], rng: np.random.Generator
    ) -> tuple[tuple[DoubleArray, DoubleArray] | None, str]:
        """True scores of rows and of their changed copies, or why there are none.

        Args:
            pairs: Each row with its copy.
            rng: Draws the target rows.

        Raises:
            Cancelled: Finished shards are kept.
        """
        size = self._affordable(
            2, (min(COPIES, len(pairs)), COPIES_COLUMNS), (min(LEAST_COPIES, len(pairs)), 4)
        )
        if isinstance(size, str):
            return None, f"true influence of the copies was left out: {size}"
        count, width = size
        rows = [row for part in zip(*pairs[:count], strict=True) for row in part]
        columns = self._columns(rng, width)
        scores = self.row_scores(self._values(rows, columns), columns)
        one, two = np.split(scores, 2)
        keep = np.isfinite(one) & np.isfinite(two)
        if keep.sum() < 2:
            return None, "the model could not read the copies"
        return (one[keep], two[keep]), ""

    def sample(self, rng: np.random.Generator) -> Sample | str:
        """True influence of a sample of the pool on a sample of the targets, or why not.

        Raises:
            Cancelled: Finished shards are kept.
        """
        n_rows = len(self._roles.pool)
        largest = min(2 * SAMPLE_ROWS if self._pointwise else SAMPLE_ROWS, n_rows), SAMPLE_COLUMNS
        size = self._affordable(1, largest, (min(LEAST_ROWS, n_rows), LEAST_COLUMNS))
        if isinstance(size, str):
            return f"True influence of a sample was left out: {size}."
        rows = np.sort(rng.permutation(n_rows)[: size[0]]).astype(np.int64)
        columns = self._columns(rng, size[1])
        values = self._values([self._roles.pool[i] for i in rows], columns)
        keep = np.isfinite(values).all(axis=0)
        if not keep.any():
            known = np.isfinite(values).all(axis=1)
            if not self._pointwise or known.sum() < LEAST_ROWS:
                return "The model could read too few rows of the sample."
            return Sample(rows[known], columns, values[known])
        return Sample(rows, columns[keep], np.ascontiguousarray(values[:, keep]))

    def _columns(self, rng: np.random.Generator, width: int) -> IndexArray:
        if self._pointwise:
            return np.zeros(1, dtype=np.int64)
        drawn = rng.permutation(len(self._roles.target))[:width]
        return np.sort(drawn).astype(np.int64)

    def _affordable(
        self, copies: int, largest: tuple[int, int], least: tuple[int, int]
    ) -> tuple[int, int] | str:
        """Rows (each ``copies`` times) and columns that the time pays for, or why none do."""
        n_target = max(1, len(self._roles.target))
        rows, columns = largest[0], min(largest[1], n_target)
        floor = min(least[0], rows), min(least[1], columns)
        if not needs_model(self._spec.config):
            return rows, columns
        rate = known_rate(self._workspace, self._spec.config)
        if rate is None:
            # Labelling was over too soon for a rate to be kept: a small sample is, too.
            return floor
        while self._units(copies * rows, columns) > rate * self._seconds:
            if (rows, columns) == floor:
                needed = self._units(copies * rows, columns) / rate
                return f"it would take {needed:,.3g} s, more than {self._seconds:,.3g} s"
            rows, columns = max(floor[0], int(0.8 * rows)), max(floor[1], int(0.8 * columns))
        return rows, columns

    def _units(self, rows: int, columns: int) -> int:
        """Units of work besides a warm-up, which the run has done."""
        if self._pointwise:
            return int(self._method.planned_units(rows))
        # Any rows will do: units count them.
        helpers = [_row(n) for n in range(rows)]
        helped = [_row(rows + n) for n in range(columns)]
        whole = self._method.planned_units([(helpers, helped)])
        return int(whole - self._method.planned_units([]))

    def _values(self, rows: Sequence[Row], columns: IndexArray) -> FloatArray:
        """``(rows, columns)`` true influence, NaN where there is none."""
        shards = self._shards()
        method = self._method
        if isinstance(method, PointwiseInfluence):
            self._progress.stage("label", method.planned_units(len(rows)), method.unit)
            return row_values(method, rows, shards)[:, None]
        helped = [self._roles.target[j] for j in columns]
        self._progress.stage("label", method.planned_units([(rows, helped)]), method.unit)
        method.prepare([(rows, helped)], shards)
        found: FloatArray = pairwise_values(method, rows, helped, shards)
        return found

    def _shards(self) -> Shards:
        return open_shards(self._workspace, self._spec, self._method, self._progress)


def _row(number: int) -> Row:
    return Row(f"{number:016x}-0", f"prompt {number}", f"response {number}")
