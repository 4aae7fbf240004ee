"""Influence of all pairs of a run: predicted or exact, with labels standing in where known.

Knows how to bring it back from a run's folder; pages and selection read it through here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nncift_core import influence
from nncift_core.files import load_array
from nncift_core.influence.base import MatrixBlocks, PairwiseInfluence
from nncift_core.influence.delift_se import CosineSource
from nncift_core.influence.label import Labels
from nncift_core.network.predict import Predictor, Projected
from nncift_core.network.training import LabelScale, TrainedNetwork
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, IndexArray, InfluenceSource, Pairs


def make_method(workspace: Workspace, spec: RunSpec) -> PairwiseInfluence:
    """The run's influence function, sharing the workspace's embedding cache."""
    method: PairwiseInfluence = influence.create(
        spec.config.method, encoder=spec.config.encoder, cache_root=workspace.embeddings_dir
    )
    return method


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
        raw: Predictions, or exact values.
        labels: Labelled pairs, None for an exact run.
        scale: Lowest and highest training label; of all values for an exact run.
    """

    raw: InfluenceSource
    labels: Labels | None
    scale: LabelScale | None

    @property
    def best(self) -> InfluenceSource:
        """Labels where they exist, estimates elsewhere: what selection reads."""
        if self.labels is None:
            return self.raw
        return LabelledSource(self.raw, self.labels.everything)

    def predicted(self, rows: IndexArray, columns: IndexArray) -> InfluenceSource:
        """The estimates of some rows and columns, in that order, without labels."""
        if isinstance(self.raw, Predictor | CosineSource | MatrixBlocks):
            return self.raw.subset(rows, columns)
        raise TypeError(f"{type(self.raw).__name__} has no subsets")

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
        source = make_method(workspace, spec).source(roles.pool, roles.target)
        return Estimates(source, None, None)
    trained = TrainedNetwork.load(files.network)
    head = trained.network.head()
    projected = Projected(
        helpers=load_array(files.projected_helpers),
        helped=load_array(files.projected_helped),
        output_weight=head.output_weight.numpy(),
        output_bias=head.output_bias,
        scale=trained.scale.width,
        offset=trained.scale.lo,
    )
    return Estimates(Predictor(projected), Labels.load(files.labels), trained.scale)
