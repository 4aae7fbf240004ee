"""Stored selections of one project, read and matched by row id, to be set side by side.

Knows which selections can be compared, which runs can measure them, and what is planted in the
demo. Computes no figure of a comparison and knows nothing of pages.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nncift_core.datasets import demo_paths
from nncift_core.datasets.demo_kinds import count_kinds, read_truth
from nncift_core.datasets.lazy_rows import ids_of, rows_at
from nncift_core.errors import ConfigError, DataError, NNCIFTError, WorkspaceError
from nncift_core.pipeline.view import RunView
from nncift_core.selection import comparison
from nncift_core.store import SelectedRow, SelectionRecord, Workspace
from nncift_core.types import IndexArray, Row

LEAST, MOST = 2, 4
"""How many selections are compared at once."""

LETTERS = "ABCD"
"""What they are called in sentences, tables and charts, in the order given."""


@dataclass(frozen=True, eq=False)
class Opened:
    """Selections of one pool, read and matched.

    Attributes:
        records: The selections in the order given.
        chosen: The rows of each, in selection order.
        orders: ``(k,)`` each: the same as positions in the pool.
        views: The run of each selection; one view for each run.
        project_id: The project of all.
    """

    records: Sequence[SelectionRecord]
    chosen: Sequence[Sequence[SelectedRow]]
    orders: Sequence[IndexArray]
    views: Sequence[RunView]
    project_id: str

    @property
    def pool(self) -> Sequence[Row]:
        """The rows that all were chosen from."""
        return self.views[0].roles.pool

    @property
    def target(self) -> Sequence[Row]:
        """The target rows of the first run."""
        return self.views[0].roles.target

    @functools.cached_property
    def only(self) -> list[IndexArray]:
        """For each selection the positions of rows that no other one holds, in its order."""
        return comparison.only_in(self.orders, len(self.pool))


@dataclass(frozen=True)
class OnlyRow:
    """A row that only one of the compared selections holds, with its position in the pool."""

    chosen: SelectedRow
    row: Row
    position: int


def open_selections(workspace: Workspace, selection_ids: Sequence[str]) -> Opened:
    """Read two to four selections of one project and one pool.

    Raises:
        ConfigError: Fewer, more or unknown selections are given, one is given twice, or they
            were not chosen from the same rows.
        WorkspaceError: Their runs cannot be read.
    """
    if not LEAST <= len(selection_ids) <= MOST:
        raise ConfigError(
            f"{len(selection_ids)} selection{'s' * (len(selection_ids) != 1)} cannot be compared.",
            f"Give {LEAST} to {MOST} selections of one project.",
        )
    for place, selection_id in enumerate(selection_ids):
        if selection_id in selection_ids[:place]:
            raise ConfigError(
                f"The selection {selection_id!r} is given twice.", "Give different selections."
            )
    records, views, project_id = _open_runs(workspace, selection_ids)
    catalog = workspace.catalog
    place_of = {name: place for place, name in enumerate(ids_of(views[0].roles.pool))}
    chosen, orders = [], []
    for record in records:
        rows = catalog.selection_rows(record.id)
        places = [place_of.get(row.row_id, -1) for row in rows]
        if not rows or min(places) < 0:
            raise WorkspaceError(
                f"Selection {record.id} holds "
                + ("rows that its pool lacks." if rows else "no rows."),
                "Make the selection again.",
            )
        chosen.append(rows)
        orders.append(np.array(places, dtype=np.int64))
    return Opened(records, chosen, orders, views, project_id)


def _open_runs(
    workspace: Workspace, selection_ids: Sequence[str]
) -> tuple[Sequence[SelectionRecord], Sequence[RunView], str]:
    """The selections, the run of each and their project. Raises: ConfigError, WorkspaceError."""
    catalog = workspace.catalog
    records = [catalog.selection(selection_id) for selection_id in selection_ids]
    runs = {record.run_id: catalog.run(record.run_id) for record in records}
    first = records[0]
    for record in records[1:]:
        if runs[record.run_id].project_id != runs[first.run_id].project_id:
            names = [catalog.project(runs[one.run_id].project_id).name for one in (first, record)]
            raise ConfigError(
                f"Selection {first.id} belongs to project {names[0]!r} and selection {record.id} "
                f"to project {names[1]!r}.",
                "Compare selections of one project.",
            )
    by_run = {run_id: RunView(workspace, run_id) for run_id in runs}
    views = [by_run[record.run_id] for record in records]
    for record, view in zip(records, views, strict=True):
        if pool_key(view) != pool_key(views[0]):
            raise ConfigError(
                f"Selections {first.id} and {record.id} were chosen from different rows: their "
                "runs took another target sample out of the pool.",
                "Compare selections of runs with the same pool.",
            )
    return records, views, runs[first.run_id].project_id


def pool_key(view: RunView) -> tuple[Any, ...]:
    """What decides which rows a run chose from: equal for runs of one pool."""
    spec = view.spec
    sampled = (spec.target_sample, spec.config.seed) if spec.target_sample else None
    return spec.train.id, sampled, spec.grown_from if sampled else None


def yardsticks(workspace: Workspace, opened: Opened) -> dict[str, RunView]:
    """Runs whose influence can measure these selections, the best first.

    Finished runs of a pairwise method on the same pool: exact ones before estimated ones, runs
    of the selections before others of the project, and else the newest first.
    """
    own = {view.run_id: view for view in opened.views}
    found = []
    for record in workspace.catalog.runs(opened.project_id):
        files = workspace.run_dir(record.run_id)
        if not (files / "result.json").is_file():
            continue
        # Another run of the project that cannot be read measures nothing; that is no problem.
        with contextlib.suppress(NNCIFTError):
            view = own.get(record.run_id) or RunView(workspace, record.run_id)
            if not view.pointwise and pool_key(view) == pool_key(opened.views[0]):
                found.append(view)
    # Of several runs of the selections, that of the first one.
    place = {run_id: number for number, run_id in enumerate(own)}
    found.sort(key=lambda view: (not view.spec.config.exact, place.get(view.run_id, len(place))))
    return {view.run_id: view for view in found}


def rows_only_in(opened: Opened, which: int) -> list[OnlyRow]:
    """The rows that only one of the selections holds, in its order; ``which`` counts from 0."""
    places = opened.only[which].tolist()
    rank = {place: at for at, place in enumerate(opened.orders[which].tolist())}
    chosen = opened.chosen[which]
    rows = rows_at(opened.pool, places)
    return [
        OnlyRow(chosen[rank[place]], row, place) for place, row in zip(places, rows, strict=True)
    ]


def planted(opened: Opened) -> dict[str, Any] | None:
    """What the selections keep of what is planted in the demo; None for other data."""
    try:
        path = demo_paths().truth
        truth = read_truth(path) if path.is_file() else {}
    except DataError:
        return None
    splits = (opened.pool, "pool"), (opened.target, "target")
    for rows, split in splits:
        if not rows or any(row.id not in truth or truth[row.id].split != split for row in rows):
            return None
    wanted = {truth[row.id].context for row in opened.target}
    pool = [truth[row.id] for row in opened.pool]
    return {
        "pool": count_kinds(pool, wanted),
        "selections": [count_kinds([pool[i] for i in order], wanted) for order in opened.orders],
    }
