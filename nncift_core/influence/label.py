"""Labels: true influence of the planned pairs. Knows nothing of how pairs are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nncift_core.datasets import find_self_pairs
from nncift_core.errors import ConfigError, DataError
from nncift_core.files import load_array, save_array
from nncift_core.influence.base import PairwiseInfluence
from nncift_core.influence.label_plan import ROLES, SMALLEST_TRAINING, LabelPlan
from nncift_core.progress import Progress
from nncift_core.types import Pairs, Row

# Pairs labelled between two looks at the cancel mark.
SHARD_PAIRS = 65_536

_STORED = np.dtype([("helper", "<i8"), ("helped", "<i8"), ("value", "<f4"), ("role", "<i1")])


@dataclass(frozen=True)
class Labels:
    """Labelled pairs by role (``q1`` is trained on, the others only measure)."""

    by_role: Mapping[str, Pairs]

    @property
    def training(self) -> Pairs:
        """The pairs that are trained on."""
        return self.by_role["q1"]

    @property
    def everything(self) -> Pairs:
        """All labelled pairs, in the order of the roles."""
        parts = list(self.by_role.values())
        return Pairs(
            np.concatenate([part.helper for part in parts]),
            np.concatenate([part.helped for part in parts]),
            np.concatenate([part.value for part in parts]),
        )

    @property
    def evaluation_pairs(self) -> int:
        """Pairs that only measure."""
        return sum(len(pairs) for role, pairs in self.by_role.items() if role != "q1")

    def save(self, path: Path) -> None:
        """Write all pairs as one structured array."""
        stored = np.empty(sum(map(len, self.by_role.values())), dtype=_STORED)
        start = 0
        for role, pairs in self.by_role.items():
            part = stored[start : start + len(pairs)]
            part["helper"], part["helped"] = pairs.helper, pairs.helped
            part["value"], part["role"] = pairs.value, ROLES.index(role)
            start += len(pairs)
        save_array(path, stored)

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read what ``save`` wrote. Raises: WorkspaceError."""
        stored = load_array(path)
        by_role = {}
        for number, role in enumerate(ROLES):
            part = stored[stored["role"] == number]
            if len(part):
                by_role[role] = Pairs(
                    part["helper"].astype(np.int64),
                    part["helped"].astype(np.int64),
                    part["value"].astype(np.float32),
                )
        return cls(by_role)


def label(
    method: PairwiseInfluence,
    plan: LabelPlan,
    helpers: Sequence[Row],
    helped: Sequence[Row],
    progress: Progress,
) -> Labels:
    """True influence of every planned pair, self pairs left out.

    Args:
        method: The influence function.
        plan: Positions of the pairs.
        helpers: The training pool, ``n_train`` rows.
        helped: The target set, ``n_target`` rows.
        progress: Told of stage ``label`` in pairs.

    Raises:
        ConfigError: Fewer than 16 training pairs are left without self pairs.
        DataError: The method gives a value that is not finite, or the same value for every
            pair that is trained on.
        Cancelled: Between shards.
    """
    progress.stage("label", plan.training_pairs + plan.evaluation_pairs, "pairs")
    by_role: dict[str, Pairs] = {}
    for block in plan.blocks:
        block_helpers = [helpers[i] for i in block.helpers]
        block_helped = [helped[j] for j in block.helped]
        values: NDArray[np.float32] = np.empty(
            (len(block_helpers), len(block_helped)), dtype=np.float32
        )
        step = max(1, SHARD_PAIRS // len(block_helped))
        source = method.source(block_helpers, block_helped)
        for start in range(0, len(block_helpers), step):
            stop = min(start + step, len(block_helpers))
            values[start:stop] = source.block(start, stop)
            progress.advance((stop - start) * len(block_helped))
        if not np.isfinite(values).all():
            i, j = np.argwhere(~np.isfinite(values))[0]
            raise DataError(
                f"The influence of training row {block_helpers[i].id} on target row "
                f"{block_helped[j].id} is {values[i, j]}.",
                "Check the model: it gives values that are not numbers.",
            )
        keep = np.ones(values.shape, dtype=bool)
        keep[find_self_pairs(block_helpers, block_helped)] = False
        i, j = np.nonzero(keep)
        if len(i):
            by_role[block.role] = Pairs(block.helpers[i], block.helped[j], values[i, j])
    found = len(by_role.get("q1", ()))
    if found < SMALLEST_TRAINING:
        raise ConfigError(
            f"Of {plan.training_pairs} planned training pairs {found} are left once rows of equal "
            f"content are not paired with each other; at least {SMALLEST_TRAINING} are needed.",
            "Use a larger label fraction, or --exact.",
        )
    if np.ptp(by_role["q1"].value) == 0:
        raise DataError(
            "All training labels have the same value, so there is nothing to learn or to rank.",
            "Check that the rows differ, or label a larger share of them.",
        )
    return Labels(by_role)
