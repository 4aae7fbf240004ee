"""X, W and E of a run on one scale: whole where they fit in memory, else computed as they are read.

Knows estimates and the optimizers' names; what an objective does with a matrix is its business.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nncift_core.datasets import find_self_pairs
from nncift_core.errors import ConfigError
from nncift_core.files import load_array, read_json
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.estimates import Estimates
from nncift_core.pipeline.labelling import make_method, matrix_sides
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.selection import OBJECTIVES, Matrices, scale
from nncift_core.selection.scaled import ScaledSource
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, IndexArray, InfluenceSource

MEMORY_SHARE = 0.6
"""Dense matrices may take this share of the machine's memory; the rest is for working copies."""

IN_BLOCKS = ("sparse", "partitioned")
"""Optimizers that never need the whole matrix."""

_BLOCK_VALUES = 4_000_000
_NEEDS = {"target-matrix": "target", "pool-matrix": "pool", "existing-matrix": "existing"}

Make = Callable[[str, ScaledSource], FloatArray]
"""Gives the whole matrix of a name from its blocks."""


@dataclass(frozen=True)
class RunMatrices:
    """What matrices of a run are made of."""

    workspace: Workspace
    spec: RunSpec
    roles: Roles
    files: RunFiles
    estimates: Estimates

    def optimizer(self, objective: str, wanted: str) -> str:
        """The optimizer that a setting means for an objective of this run.

        ``auto`` is lazy where the matrices fit in memory; where they do not, sparse for an
        objective of targets and partitioned for one of the pool. Round robin and top-k have no
        optimizer; a matrix that does not fit is read in blocks for them.

        Raises:
            ConfigError: The matrices do not fit, and the optimizer holds them whole.
        """
        entry = OBJECTIVES[objective]
        needed = 4 * self._values(objective)
        if wanted in IN_BLOCKS and entry.rounds:
            return wanted
        usable = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * MEMORY_SHARE
        if not entry.rounds:
            # These pick from lists of the best rows, whatever the optimizer.
            return "lazy" if needed <= usable else "sparse"
        if needed <= usable:
            return "lazy" if wanted == "auto" else wanted
        blocks = "partitioned" if "pool-matrix" in entry.needs else "sparse"
        if wanted == "auto":
            return blocks
        raise ConfigError(
            f"Objective {objective!r} needs {needed / 1e9:,.1f} GB for its influence matrix; "
            f"{usable / 1e9:,.1f} GB may be used on this machine.",
            f"Use --optimizer {blocks}.",
        )

    def matrices(self, objective: str, optimizer: str, make: Make | None = None) -> Matrices:
        """X, W and E as far as an objective reads them, on the scale of X's training labels.

        Args:
            objective: A name of ``OBJECTIVES``.
            optimizer: From ``optimizer``; ``sparse`` and ``partitioned`` read in blocks.
            make: Makes whole matrices; by default in memory.

        Raises:
            ConfigError: The run did not label what the objective reads.
        """
        needs = OBJECTIVES[objective].needs
        found: dict[str, FloatArray | ScaledSource | None] = {}
        for need, name in _NEEDS.items():
            found[name] = None
            if need not in needs:
                continue
            if optimizer in IN_BLOCKS:
                found[name] = self.in_blocks(name, objective)
            else:
                found[name] = self.whole(name, objective, make)
        row_mean = load_array(self.files.row_mean)
        has_scores = self.files.row_scores.is_file()
        return Matrices(
            row_mean=row_mean,
            row_scores=load_array(self.files.row_scores) if has_scores else row_mean,
            subtasks=[row.subtask for row in self.roles.target],
            **found,
        )

    def whole(self, name: str, objective: str, make: Make | None = None) -> FloatArray:
        """A whole matrix by name: ``target``, ``pool`` or ``existing``."""
        if make is not None:
            return make(name, self.in_blocks(name, objective))
        return _dense(self._source(name, objective), *self._range())

    def in_blocks(self, name: str, objective: str) -> ScaledSource:
        """A matrix by name that is computed when it is read."""
        return ScaledSource(self._source(name, objective), *self._range())

    def _values(self, objective: str) -> int:
        needs, n_train = OBJECTIVES[objective].needs, len(self.roles.pool)
        return n_train * (
            len(self.roles.target) * ("target-matrix" in needs)
            + n_train * ("pool-matrix" in needs)
            + len(self.roles.existing) * ("existing-matrix" in needs)
        )

    def _range(self) -> tuple[float, float]:
        if self.estimates.scale is not None:
            return self.estimates.scale.lo, self.estimates.scale.hi
        overview = read_json(self.files.overview)
        return overview["lowest"], overview["highest"]

    def _source(self, name: str, objective: str) -> InfluenceSource:
        if name == "target":
            return _Best(self.estimates)
        source = self._other(name, objective)
        if name == "pool":
            # A row helps itself, and its exact copies, as much as anything helps anything.
            return _SelfPairs(source, *find_self_pairs(self.roles.pool, self.roles.pool))
        return source

    def _other(self, name: str, objective: str) -> InfluenceSource:
        """W or E: what the run has of it, or true values where these cost no language model."""
        source = self.estimates.best_other(name)
        if source is not None:
            return source
        if needs_model(self.spec.config):
            raise ConfigError(
                f"This run did not label what objective {objective!r} reads.",
                f"Start a run with --objective {objective}.",
            )
        helpers, helped = matrix_sides(self.roles)[name]
        found: InfluenceSource = make_method(self.workspace, self.spec, self.roles).source(
            helpers, helped
        )
        return found


class _Best:
    """X with labels standing in, of which single rows can be read."""

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates
        self._source = estimates.best

    @property
    def n_train(self) -> int:
        """Helping rows."""
        return self._source.n_train

    @property
    def n_target(self) -> int:
        """Helped rows."""
        return self._source.n_target

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, n_target)`` float32, original units."""
        return self._source.block(start, stop)

    def subset(self, rows: IndexArray, columns: IndexArray) -> InfluenceSource:
        """The same for some rows and columns, in that order."""
        return self._estimates.subset(rows, columns)


class _SelfPairs:
    """W in which self pairs hold the highest value of all."""

    def __init__(self, source: InfluenceSource, rows: IndexArray, columns: IndexArray) -> None:
        self.source, self.rows, self.columns = source, rows, columns
        self._highest: float | None = None

    @property
    def n_train(self) -> int:
        """Helping rows."""
        return self.source.n_train

    @property
    def n_target(self) -> int:
        """Helped rows."""
        return self.source.n_target

    @property
    def highest(self) -> float:
        """The highest value, which costs one pass over all pairs."""
        if self._highest is None:
            step = max(1, _BLOCK_VALUES // max(1, self.n_target))
            self._highest = max(
                float(self.source.block(start, min(start + step, self.n_train)).max())
                for start in range(0, self.n_train, step)
            )
        return self._highest

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, n_target)`` float32, original units."""
        found = np.array(self.source.block(start, stop), dtype=np.float32)
        # Ascending by row.
        first, last = np.searchsorted(self.rows, [start, stop])
        found[self.rows[first:last] - start, self.columns[first:last]] = self.highest
        return found


def _dense(source: InfluenceSource, lo: float, hi: float) -> FloatArray:
    """The whole matrix in memory. Raises: DataError."""
    # The value of self pairs is the highest of all, known at the end: that spares a pass.
    alike = source if isinstance(source, _SelfPairs) else None
    plain = source if alike is None else alike.source
    dense = np.empty((source.n_train, source.n_target), dtype=np.float32)
    step = max(1, _BLOCK_VALUES // max(1, source.n_target))
    for start in range(0, source.n_train, step):
        stop = min(start + step, source.n_train)
        scale(plain.block(start, stop), lo, hi, out=dense[start:stop])
    if alike is not None:
        dense[alike.rows, alike.columns] = dense.max()
    return dense
