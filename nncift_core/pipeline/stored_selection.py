"""A stored selection as tables show it, read through the desk of its run."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nncift_core.pipeline.explaining import explain_selection
from nncift_core.pipeline.row_pages import RowPages
from nncift_core.selection import OBJECTIVES
from nncift_core.selection.curve import GainCurve, gain_curve
from nncift_core.types import IndexArray

if TYPE_CHECKING:
    from nncift_core.pipeline.curation import Desk
    from nncift_core.pipeline.explanation import Explanation
    from nncift_core.store import SelectedRow, SelectionRecord


@dataclass(frozen=True, eq=False)
class StoredSelection(RowPages):
    """The rows of a stored selection with why they are in and others out. It never changes.

    Attributes:
        desk: The run that it was chosen from.
        record: The selection.
        rows: Its rows in their order.
        found: Why rows are in or out.
    """

    desk: Desk
    record: SelectionRecord
    rows: Sequence[SelectedRow]
    found: Explanation

    @property
    def n_rows(self) -> int:  # type: ignore[override]
        """How many rows it holds."""
        return len(self.rows)

    @property
    def order(self) -> IndexArray:
        """``(n_rows,)`` positions in the pool."""
        return self.found.order

    @functools.cached_property
    def why(self) -> Sequence[str]:
        """Why each row is in."""
        return [row.reason for row in self.rows]

    @property
    def has_rounds(self) -> bool:
        """Whether picks share coverage; also said of objectives that are gone."""
        name = self.record.objective
        return name not in OBJECTIVES or bool(OBJECTIVES[name].rounds)

    @property
    def explanation(self) -> Explanation:
        """Why rows are in or out, and how well targets are covered."""
        return self.found

    @functools.cached_property
    def curve(self) -> GainCurve:
        """How its value grows."""
        return gain_curve([row.gain for row in self.rows], [row.round for row in self.rows])

    def gain_of(self, rank: int) -> float | None:
        """What a pick added, ranks from 0."""
        return self.rows[rank].gain

    def round_of(self, rank: int) -> int:
        """The round of a pick, ranks from 0."""
        return self.rows[rank].round


def stored_selection(desk: Desk, selection_id: str) -> StoredSelection:
    """Open a stored selection of the desk's run; keep it.

    Raises:
        ConfigError: There is no such selection.
        WorkspaceError: Its run cannot be read.
    """
    catalog = desk.workspace.catalog
    found = explain_selection(desk.workspace, selection_id, desk=desk)
    record = catalog.selection(selection_id)
    return StoredSelection(desk, record, catalog.selection_rows(selection_id), found)
