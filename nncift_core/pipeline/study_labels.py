"""The labels of a label-size study: what each fraction needs beyond the one before it.

They go through the shards of labelling, so those of a language model are kept and a study that
goes on reads them back. Knows nothing of estimators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nncift_core.influence.base import PairwiseInfluence, PointwiseInfluence, RowBlock
from nncift_core.influence.label import label_block, together
from nncift_core.influence.label_plan import LabelBlock
from nncift_core.influence.values import row_values
from nncift_core.pipeline import labelling
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress, skip
from nncift_core.store import Workspace
from nncift_core.studies.label_size import NestedPlans
from nncift_core.types import Pairs


class StudyLabels:
    """The labels of one study, fraction by fraction. A context manager: it ends with the notes.

    Args:
        workspace: Where finished parts are kept.
        spec: Data and settings.
        roles: The rows.
        progress: Told of stage ``label`` for each fraction.
    """

    def __init__(
        self, workspace: Workspace, spec: RunSpec, roles: Roles, progress: Progress
    ) -> None:
        self._workspace, self._spec, self._roles, self._progress = workspace, spec, roles, progress
        self._method = labelling.make_method(workspace, spec, roles)
        # All blocks of a fraction are one stage, whose size is known before.
        quiet = Quiet(progress, stages=False)
        self._shards = labelling.open_shards(workspace, spec, self._method, quiet)
        self._found: dict[int, dict[str, list[Pairs]]] = {}
        self._planned: list[RowBlock] = []

    def __enter__(self) -> StudyLabels:
        return self

    def __exit__(self, *error: object) -> None:
        labelling.finish(self._workspace, self._spec, self._method, self._shards, self._progress)

    def add(self, plans: NestedPlans, seed: int, step: int) -> dict[str, Pairs]:
        """Label what a fraction needs beyond the one before it; all its labels by role."""
        blocks = list(plans.new_blocks(step))
        if not step:
            blocks += plans.evaluation
        found = self._found.setdefault(seed, {})
        for block, pairs in zip(blocks, self._label(blocks), strict=True):
            if len(pairs):
                found.setdefault(block.role, []).append(pairs)
        return {role: together(parts) for role, parts in found.items()}

    def _label(self, blocks: Sequence[LabelBlock]) -> list[Pairs]:
        method = self._method
        if isinstance(method, PointwiseInfluence):
            count = sum(len(block.helpers) for block in blocks)
            self._progress.stage("label", method.planned_units(count), method.unit)
            return [self._rows(method, block) for block in blocks]
        sides = labelling.matrix_sides(self._roles)
        planned = [
            RowBlock(
                [self._roles.pool[i] for i in block.helpers],
                [self._roles.target[j] for j in block.helped],
                block.columns,
            )
            for block in blocks
        ]
        self._progress.stage("label", self._units(method, planned), method.unit)
        return [label_block(method, block, sides, self._shards) for block in blocks]

    def _units(self, method: PairwiseInfluence, blocks: Sequence[RowBlock]) -> int:
        """What labelling some blocks one after the other will count."""
        if method.unit != "gradients":
            return sum(method.planned_units([block]) for block in blocks)
        # Gradients of a row are computed once, whatever blocks and fractions it is in.
        before = method.planned_units(self._planned) if self._planned else 0
        self._planned += blocks
        return method.planned_units(self._planned) - before

    def _rows(self, method: PointwiseInfluence, block: LabelBlock) -> Pairs:
        values = row_values(method, [self._roles.pool[i] for i in block.helpers], self._shards)
        (known,) = np.nonzero(np.isfinite(values))
        return Pairs(block.helpers[known], np.zeros(len(known), dtype=np.int64), values[known])


class Quiet:
    """Progress of a part of a study: it is advanced and warned, and draws no points of its own.

    Args:
        progress: The study's.
        stages: Whether the part's stages are shown.
    """

    def __init__(self, progress: Progress, *, stages: bool) -> None:
        self._progress, self._stages = progress, stages

    def stage(self, name: str, total: int, unit: str) -> None:
        """Passed on, or left out."""
        if self._stages:
            self._progress.stage(name, total, unit)

    def advance(self, count: int = 1) -> None:
        """Passed on. Raises: Cancelled."""
        self._progress.advance(count)

    def skip(self, count: int) -> None:
        """Passed on. Raises: Cancelled."""
        skip(self._progress, count)

    def point(self, kind: str, values: Mapping[str, Any]) -> None:
        """Left out."""

    def warn(self, message: str) -> None:
        """Passed on."""
        self._progress.warn(message)
