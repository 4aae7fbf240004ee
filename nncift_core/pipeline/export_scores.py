"""What a run found out about each row, as extra columns of an export. Knows no files.

Reasons of rows that were left out are worked out like those of the page Select; that reads
influence, so it is done while the file is written, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nncift_core.export.score_columns import score_values
from nncift_core.files import load_array
from nncift_core.influence.label import Labels
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.export_rows import RowScores, Which
from nncift_core.pipeline.spec import RunSpec
from nncift_core.store import SelectedRow, Workspace
from nncift_core.types import IndexArray

MOST_COVERING = 5_000_000
"""Pairs of left-out rows and targets up to which a reason names the rows that cover a target."""

MOST_PREVIEWED = 20_000
"""Pool rows up to which a preview works out why rows were left out."""

LATER = "Worked out when the file is built."
"""Stands for a reason in the preview of a larger pool."""


class SelectionScores(RowScores):
    """The columns of the rows of one export.

    Args:
        workspace: Where the selection is stored.
        spec: Its run.
        selection_id: The selection.
        which: Whether the rows are the selected ones or the rest.
        pool_places: Place in the pool of each row of the export.
        preview: Whether a few rows are only to be shown.
    """

    def __init__(
        self,
        workspace: Workspace,
        spec: RunSpec,
        selection_id: str,
        which: Which,
        pool_places: IndexArray,
        n_train: int,
        *,
        preview: bool = False,
    ) -> None:
        record = workspace.catalog.selection(selection_id)
        files = RunFiles(workspace.run_dir(record.run_id))
        self._workspace, self._selection_id = workspace, selection_id
        self._places = pool_places
        self._means = load_array(files.row_mean, memmap=True)
        self._labelled = labelled_places(files, spec, n_train)
        self._chosen: Sequence[SelectedRow] | None = None
        self._reasons: Any = None
        if which == "selected":
            self._chosen = workspace.catalog.selection_rows(selection_id)
        elif not preview or n_train <= MOST_PREVIEWED:
            # It needs the predictor, and with it torch.
            from nncift_core.pipeline.explaining import explain_selection

            left_out = explain_selection(workspace, selection_id).left_out
            targets = workspace.catalog.dataset(spec.target.id).accepted if spec.target else 1
            covering = len(pool_places) * targets <= MOST_COVERING
            self._reasons = lambda places: left_out.reasons(places, covering=covering)

    def of(self, places: range, row_ids: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """The values of some rows of the export, in their order."""
        pool = self._places[places.start : places.stop]
        told: list[tuple[int | None, float | None, str]]
        if self._chosen is None:
            reasons = self._reasons(pool) if self._reasons is not None else [LATER] * len(pool)
            told = [(None, None, reason) for reason in reasons]
        else:
            picked = self._chosen[places.start : places.stop]
            told = [(row.rank, row.gain, row.reason) for row in picked]
        return [
            score_values(
                row_id,
                float(self._means[place]),
                rank,
                gain,
                reason,
                labelled=bool(self._labelled[place]),
            )
            for row_id, place, (rank, gain, reason) in zip(
                row_ids, pool.tolist(), told, strict=True
            )
        ]


def labelled_places(files: RunFiles, spec: RunSpec, n_train: int) -> Any:
    """``(n_train,)`` which pool rows have at least one true value."""
    labelled = np.zeros(n_train, dtype=bool)
    if files.labels.is_file():
        labelled[Labels.load(files.labels).everything.helper] = True
    elif spec.config.exact:
        labelled[:] = True
    return labelled
