"""The rows of an export, read from the store some at a time. Knows nothing of files or formats.

An export of a large pool must not hold its texts in memory, so positions are worked out first, and
texts are read where a writer asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from nncift_core.datasets import sample_target
from nncift_core.errors import WorkspaceError
from nncift_core.export.exportable import ExportRow, Layout
from nncift_core.pipeline.spec import RunSpec
from nncift_core.store import DatasetRecord, Workspace
from nncift_core.types import IndexArray

Which = Literal["selected", "rest"]

BATCH_BYTES = 48_000_000
"""Texts that are read at once, about."""
_FEWEST, _MOST = 50, 20_000


@dataclass(frozen=True)
class StoredRows:
    """Rows of one dataset in the order of an export.

    Attributes:
        workspace: Where they are stored.
        dataset: The dataset.
        positions: Their positions in the dataset.
        scores: Gives the extra columns of some of these rows, by place in ``positions``; None
            for no extra columns.
    """

    workspace: Workspace
    dataset: DatasetRecord
    positions: IndexArray
    scores: RowScores | None = None
    layouts: tuple[Layout, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self) -> Iterator[ExportRow]:
        """The rows, from the first again each time."""
        chats = tuple(dict.fromkeys(item.prompt for item in self.layouts if item.chat))
        step = self._batch_rows()
        for start in range(0, len(self.positions), step):
            places = range(start, min(start + step, len(self.positions)))
            found = self.workspace.catalog.stored_rows(
                self.dataset.id, self.positions[places.start : places.stop].tolist()
            )
            scores: Sequence[Mapping[str, Any] | None] = [None] * len(found)
            if self.scores is not None:
                scores = self.scores.of(places, [row.id for row, _ in found])
            for (row, raw), extra in zip(found, scores, strict=True):
                yield ExportRow(raw, row, extra, chats)

    def first(self, count: int) -> StoredRows:
        """Only the first rows."""
        return StoredRows(
            self.workspace, self.dataset, self.positions[:count], self.scores, self.layouts
        )

    def _batch_rows(self) -> int:
        size = sum(int(source.get("size") or 0) for source in self.dataset.sources)
        average = max(1, size // max(1, self.dataset.accepted))
        return min(_MOST, max(_FEWEST, BATCH_BYTES // average))


class RowScores:
    """The extra columns of rows: a protocol with one implementation in ``export_scores``."""

    def of(self, places: range, row_ids: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """The values of some rows of the export, in their order."""
        raise NotImplementedError


def pool_positions(spec: RunSpec, n_rows: int) -> IndexArray:
    """``(n_train,)`` positions of a run's pool in its dataset; what ``read_roles`` finds.

    Args:
        spec: The run.
        n_rows: Rows of the dataset.

    Raises:
        ConfigError: The target sample does not fit the dataset.
    """
    everything = np.arange(n_rows, dtype=np.int64)
    if spec.target is not None or spec.target_sample is None:
        return everything
    original = spec.grown_from[0] if spec.grown_from else n_rows
    # Which rows are drawn depends on their number alone.
    stay, _ = sample_target(range(original), spec.target_sample, spec.config.seed)
    return np.concatenate([stay.astype(np.int64), everything[original:]])


def export_positions(
    workspace: Workspace, spec: RunSpec, selection_id: str, which: Which
) -> tuple[DatasetRecord, IndexArray, IndexArray]:
    """The dataset of a run's pool, the pool's positions in it, and those of the rows to export.

    Raises:
        ConfigError: There is no such selection.
        WorkspaceError: The selection holds a row that is not in the pool.
    """
    dataset = workspace.catalog.dataset(spec.train.id)
    pool = pool_positions(spec, dataset.accepted)
    chosen = np.array(
        workspace.catalog.selected_positions(selection_id, dataset.id), dtype=np.int64
    )
    in_pool = np.zeros(dataset.accepted, dtype=bool)
    in_pool[pool] = True
    if (
        len(chosen) != workspace.catalog.selection(selection_id).row_count
        or not in_pool[chosen].all()
    ):
        raise WorkspaceError(
            f"Selection {selection_id} holds rows that are not in the pool of its run.",
            "Make the selection again.",
        )
    if which == "selected":
        return dataset, pool, chosen
    in_pool[chosen] = False
    return dataset, pool, np.flatnonzero(in_pool).astype(np.int64)
