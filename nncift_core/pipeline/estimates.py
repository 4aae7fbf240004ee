"""Influence of all pairs of a run: predicted or exact, with labels standing in where known.

Knows how to bring it back from a run's folder; pages and selection read it through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nncift_core.files import load_array
from nncift_core.influence import METHODS
from nncift_core.influence.base import MatrixBlocks
from nncift_core.influence.delift_se import CosineSource
from nncift_core.influence.label import Labels, together
from nncift_core.network.fitting import Fitted
from nncift_core.network.predict import Predictor
from nncift_core.network.scale import LabelScale
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.labelling import make_method
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, IndexArray, InfluenceSource, Pairs


class ArraySource:
    """Values that were computed once, a block of rows at a time.

    Args:
        values: ``(n_train, n_target)`` float32, an array or a memory map.
    """

    def __init__(self, values: FloatArray) -> None:
        self._values = values

    @property
    def n_train(self) -> int:
        """Number of helping rows."""
        return len(self._values)

    @property
    def n_target(self) -> int:
        """Number of helped rows."""
        return int(self._values.shape[1])

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, n_target)`` float32."""
        return np.array(self._values[start:stop], dtype=np.float32)

    def pairs(self, rows: IndexArray, columns: IndexArray) -> FloatArray:
        """``(n,)`` values of single pairs."""
        return np.array(self._values[rows, columns], dtype=np.float32)

    def subset(self, rows: IndexArray, columns: IndexArray) -> ArraySource:
        """The same values for some rows and columns, in that order."""
        return ArraySource(self._values[rows][:, columns])


class LabelledSource:
    """A source in which labels stand in for estimates.

    Args:
        source: Estimates of all pairs.
        labels: Pairs whose true value is known.
    """

    def __init__(self, source: InfluenceSource, labels: Pairs) -> None:
        self._source = source
        order = np.argsort(labels.helper, kind="stable")
        self._helper = labels.helper[order]
        self._helped = labels.helped[order]
        self._value = labels.value[order]

    @property
    def n_train(self) -> int:
        """Number of helping rows."""
        return self._source.n_train

    @property
    def n_target(self) -> int:
        """Number of helped rows."""
        return self._source.n_target

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, n_target)`` float32, original units."""
        block = self._source.block(start, stop)
        first, last = np.searchsorted(self._helper, [start, stop])
        if last > first:
            block = np.array(block, dtype=np.float32)
            part = slice(first, last)
            block[self._helper[part] - start, self._helped[part]] = self._value[part]
        return block


@dataclass(frozen=True)
class Estimates:
    """Influence of all pairs.

    Attributes:
        raw: X: predictions, or exact values; one column for a pointwise function.
        labels: Labelled pairs, None for an exact run.
        scale: Lowest and highest training label; of all values for an exact run.
        others: W (``pool``) and E (``existing``) where the run labelled or computed them.
    """

    raw: InfluenceSource
    labels: Labels | None
    scale: LabelScale | None
    others: Mapping[str, InfluenceSource] = field(default_factory=dict)

    @property
    def best(self) -> InfluenceSource:
        """X with labels where they exist, estimates elsewhere: what selection reads."""
        if self.labels is None:
            return self.raw
        return LabelledSource(self.raw, self.labels.everything)

    def best_other(self, matrix: str) -> InfluenceSource | None:
        """The same for W or E; None where the run has neither labels nor values of it."""
        source = self.others.get(matrix)
        if source is None or self.labels is None:
            return source
        return LabelledSource(source, together(self.labels.others[matrix].values()))

    def predicted(self, rows: IndexArray, columns: IndexArray) -> InfluenceSource:
        """The estimates of some rows and columns, in that order, without labels."""
        if isinstance(self.raw, Predictor | CosineSource | MatrixBlocks | ArraySource):
            return self.raw.subset(rows, columns)
        raise TypeError(f"{type(self.raw).__name__} has no subsets")

    def pairs(self, rows: IndexArray, columns: IndexArray) -> FloatArray:
        """``(n,)`` the estimates of single pairs, without labels."""
        if isinstance(self.raw, Predictor):
            return self.raw.pairs(rows, columns)
        if isinstance(self.raw, ArraySource):
            return self.raw.pairs(rows, columns)
        found = np.empty(len(rows), dtype=np.float32)
        for row in np.unique(rows):
            here = np.flatnonzero(rows == row)
            found[here] = self.predicted(np.array([row]), columns[here]).block(0, 1)[0]
        return found

    def subset(self, rows: IndexArray, columns: IndexArray) -> InfluenceSource:
        """The same, with labels standing in where they exist."""
        source = self.predicted(rows, columns)
        if self.labels is None:
            return source
        return LabelledSource(source, _restrict(self.labels.everything, rows, columns, self.raw))


def _restrict(
    pairs: Pairs, rows: IndexArray, columns: IndexArray, source: InfluenceSource
) -> Pairs:
    row_place = np.full(source.n_train, -1, dtype=np.int64)
    row_place[rows] = np.arange(len(rows))
    column_place = np.full(source.n_target, -1, dtype=np.int64)
    column_place[columns] = np.arange(len(columns))
    helper, helped = row_place[pairs.helper], column_place[pairs.helped]
    inside = (helper >= 0) & (helped >= 0)
    return Pairs(helper[inside], helped[inside], pairs.value[inside])


def read_estimates(workspace: Workspace, spec: RunSpec, roles: Roles, files: RunFiles) -> Estimates:
    """The influence of a run that has trained, or of an exact one. Raises: WorkspaceError."""
    if spec.config.exact:
        return _exact(workspace, spec, roles, files)
    fitted = Fitted.load(files.network)
    everything = fitted.projected(
        load_array(files.projected_helpers), load_array(files.projected_helped)
    )

    def predictor(helper_rows: slice, helped_rows: slice) -> Predictor:
        return Predictor(everything.rows(helper_rows, helped_rows))

    labels = Labels.load(files.labels)
    pool, existing = slice(0, len(roles.pool)), slice(len(roles.pool), None)
    n_target = 1 if METHODS[spec.config.method].pointwise else len(roles.target)
    target, pool_as_helped = slice(0, n_target), slice(n_target, None)
    sides = {"pool": (pool, pool_as_helped), "existing": (existing, pool_as_helped)}
    others = {matrix: predictor(*sides[matrix]) for matrix in labels.others}
    return Estimates(predictor(pool, target), labels, fitted.scale, others)


def _exact(workspace: Workspace, spec: RunSpec, roles: Roles, files: RunFiles) -> Estimates:
    if not needs_model(spec.config):
        source = make_method(workspace, spec, roles).source(roles.pool, roles.target)
        return Estimates(source, None, None)
    others = {
        matrix: ArraySource(load_array(files.exact_matrix(matrix), memmap=True))
        # A later selection may read another matrix than the run's own did.
        for matrix in ("pool", "existing")
        if files.exact_matrix(matrix).is_file()
    }
    return Estimates(ArraySource(load_array(files.influence, memmap=True)), None, None, others)
