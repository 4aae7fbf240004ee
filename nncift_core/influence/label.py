"""Labels: true influence of the planned pairs or rows. Knows nothing of how they are chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nncift_core.datasets import find_self_pairs
from nncift_core.errors import ConfigError, DataError
from nncift_core.files import load_array, save_array
from nncift_core.influence.base import PairwiseInfluence, PointwiseInfluence, RowBlock, Rows
from nncift_core.influence.label_plan import (
    MATRICES,
    ROLES,
    SMALLEST_TRAINING,
    LabelBlock,
    LabelPlan,
)
from nncift_core.influence.shards import Shards
from nncift_core.influence.values import pairwise_values, row_values, sparse_values
from nncift_core.types import Pairs

__all__ = [
    "Labels",
    "label",
    "label_block",
    "label_rows",
    "pairwise_values",
    "row_values",
    "together",
]

_STORED = np.dtype(
    [("helper", "<i8"), ("helped", "<i8"), ("value", "<f4"), ("role", "<i1"), ("matrix", "<i1")]
)


@dataclass(frozen=True)
class Labels:
    """Labelled pairs by role (``q1`` is trained on, the others only measure).

    Attributes:
        by_role: Of X. For a pointwise function ``helped`` is 0 everywhere.
        others: Of W (``pool``) and E (``existing``), where they were labelled, likewise by role.
    """

    by_role: Mapping[str, Pairs]
    others: Mapping[str, Mapping[str, Pairs]] = field(default_factory=dict)

    @property
    def training(self) -> Pairs:
        """The pairs of X that are trained on."""
        return self.by_role["q1"]

    @property
    def everything(self) -> Pairs:
        """All labelled pairs of X, in the order of the roles."""
        return together(self.by_role.values())

    @property
    def training_count(self) -> int:
        """Pairs that are trained on, of all matrices."""
        return sum(len(roles.get("q1", ())) for roles in self._matrices().values())

    @property
    def evaluation_pairs(self) -> int:
        """Pairs that only measure, of all matrices."""
        return sum(
            len(pairs)
            for roles in self._matrices().values()
            for role, pairs in roles.items()
            if role != "q1"
        )

    def _matrices(self) -> dict[str, Mapping[str, Pairs]]:
        return {"target": self.by_role, **self.others}

    def save(self, path: Path) -> None:
        """Write all pairs as one structured array."""
        parts = []
        for matrix, roles in self._matrices().items():
            for role, pairs in roles.items():
                part = np.empty(len(pairs), dtype=_STORED)
                part["helper"], part["helped"] = pairs.helper, pairs.helped
                part["value"], part["role"] = pairs.value, ROLES.index(role)
                part["matrix"] = MATRICES.index(matrix)
                parts.append(part)
        save_array(path, np.concatenate(parts))

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read what ``save`` wrote. Raises: WorkspaceError."""
        stored = load_array(path)
        found: dict[str, dict[str, Pairs]] = {}
        for place, matrix in enumerate(MATRICES):
            # Runs of version 0.1 have labels of X only, and no such field.
            old = "matrix" not in (stored.dtype.names or ())
            here = stored if old else stored[stored["matrix"] == place]
            if old and place:
                break
            for number, role in enumerate(ROLES):
                part = here[here["role"] == number]
                if len(part):
                    found.setdefault(matrix, {})[role] = Pairs(
                        part["helper"].astype(np.int64),
                        part["helped"].astype(np.int64),
                        part["value"].astype(np.float32),
                    )
        return cls(found.pop("target", {}), found)


def together(parts: Iterable[Pairs]) -> Pairs:
    """Several lists of pairs as one, in order."""
    lists = list(parts)
    return Pairs(
        np.concatenate([part.helper for part in lists]),
        np.concatenate([part.helped for part in lists]),
        np.concatenate([part.value for part in lists]),
    )


def label(
    method: PairwiseInfluence,
    plan: LabelPlan,
    sides: Mapping[str, tuple[Rows, Rows]],
    shards: Shards,
) -> Labels:
    """True influence of every planned pair, self pairs left out.

    Args:
        method: The influence function.
        plan: Positions of the pairs.
        sides: For each planned matrix its (helpers, helped): ``target`` has the pool's
            ``n_train`` rows and the target set's ``n_target``.
        shards: Keeps finished parts; its progress is told of stage ``label``.

    Raises:
        ConfigError: Fewer than 16 training pairs of a matrix are left without self pairs.
        DataError: The method gives the same value for every pair that is trained on.
        Cancelled: The work was cancelled; finished shards are kept.
    """
    blocks = [_rows_of(block, sides) for block in plan.blocks]
    shards.progress.stage("label", method.planned_units(blocks), method.unit)
    method.prepare(blocks, shards)
    found: dict[str, dict[str, Pairs]] = {}
    for block, rows in zip(plan.blocks, blocks, strict=True):
        pairs = _block_labels(method, block, rows, shards)
        if len(pairs):
            found.setdefault(block.matrix, {})[block.role] = pairs
    for matrix in {block.matrix: None for block in plan.blocks}:
        _check_training(found.get(matrix, {}), plan, matrix)
    return Labels(found.pop("target"), found)


def label_block(
    method: PairwiseInfluence,
    block: LabelBlock,
    sides: Mapping[str, tuple[Rows, Rows]],
    shards: Shards,
) -> Pairs:
    """True influence of the pairs of one block, as ``label`` gives them.

    Args:
        method: The influence function.
        block: Positions of the pairs; may be of a second round.
        sides: As for ``label``.
        shards: As for ``label``.

    Raises:
        DataError: A value is infinite.
        Cancelled: The work was cancelled; finished shards are kept.
    """
    rows = _rows_of(block, sides)
    shards.progress.stage("label", method.planned_units([rows]), method.unit)
    method.prepare([rows], shards)
    return _block_labels(method, block, rows, shards)


def _block_labels(
    method: PairwiseInfluence, block: LabelBlock, rows: RowBlock, shards: Shards
) -> Pairs:
    """The pairs of a block that have a value, self pairs left out."""
    if rows.columns is None:
        values = pairwise_values(method, rows.helpers, rows.helped, shards)
        keep = np.isfinite(values)
        keep[find_self_pairs(rows.helpers, rows.helped)] = False
        i, j = np.nonzero(keep)
        return Pairs(block.helpers[i], block.helped[j], values[i, j])
    values = sparse_values(method, rows, shards)
    # Not the matrix of all pairs: it may be large where few of them are wanted.
    helper_texts = np.array([row.content_hash for row in rows.helpers])
    helped_texts = np.array([row.content_hash for row in rows.helped])
    same = helper_texts[:, None] == helped_texts[rows.columns]
    i, place = np.nonzero(np.isfinite(values) & ~same)
    return Pairs(block.helpers[i], block.helped[rows.columns[i, place]], values[i, place])


def label_rows(method: PointwiseInfluence, plan: LabelPlan, rows: Rows, shards: Shards) -> Labels:
    """True scores of the planned rows, as pairs whose ``helped`` is 0.

    Args:
        method: The influence function.
        plan: Positions of the rows.
        rows: The training pool.
        shards: As for ``label``.

    Raises:
        ConfigError: Fewer than 16 rows that are trained on have a score.
        DataError: They all have the same.
        Cancelled: The work was cancelled; finished shards are kept.
    """
    count = sum(len(block.helpers) for block in plan.blocks)
    shards.progress.stage("label", method.planned_units(count), method.unit)
    found: dict[str, Pairs] = {}
    for block in plan.blocks:
        values = row_values(method, [rows[i] for i in block.helpers], shards)
        (known,) = np.nonzero(np.isfinite(values))
        if len(known):
            found[block.role] = Pairs(
                block.helpers[known], np.zeros(len(known), dtype=np.int64), values[known]
            )
    _check_training(found, plan, "target")
    return Labels(found)


def _rows_of(block: LabelBlock, sides: Mapping[str, tuple[Rows, Rows]]) -> RowBlock:
    helpers, helped = sides[block.matrix]
    return RowBlock(
        [helpers[i] for i in block.helpers], [helped[j] for j in block.helped], block.columns
    )


def _check_training(found: Mapping[str, Pairs], plan: LabelPlan, matrix: str) -> None:
    count = len(found.get("q1", ()))
    if count < SMALLEST_TRAINING:
        block = plan.block("q1", matrix)
        planned = block.n_pairs if block else 0
        raise ConfigError(
            f"Of {planned} planned training labels {count} are left once rows of equal content "
            "are not paired with each other and rows that the model cannot read are left out; "
            f"at least {SMALLEST_TRAINING} are needed.",
            "Use a larger label fraction, or --exact.",
        )
    if np.ptp(found["q1"].value) == 0:
        raise DataError(
            "All training labels have the same value, so there is nothing to learn or to rank.",
            "Check that the rows differ, or label a larger share of them.",
        )
