"""Explanations of stored selections, and of prefixes of a live order that nobody stored.

Knows where selections are kept and what was demanded of them; what is said of them is the business
of ``explanation``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nncift_core.config import Budget
from nncift_core.errors import WorkspaceError
from nncift_core.pipeline.demands import Demands, build_demands
from nncift_core.pipeline.explanation import Explanation
from nncift_core.pipeline.facts import pool_facts
from nncift_core.pipeline.influence_rows import places_of
from nncift_core.pipeline.pick_words import PickWords
from nncift_core.pipeline.view import RunView
from nncift_core.progress import Progress, SilentProgress
from nncift_core.selection.constraints import Constraints
from nncift_core.selection.explanations import Covered
from nncift_core.selection.prefix_coverage import PrefixCoverage
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import Workspace

if TYPE_CHECKING:
    from nncift_core.pipeline.curation import Desk, LiveSelection


def explain_selection(
    workspace: Workspace,
    selection_id: str,
    progress: Progress | None = None,
    *,
    desk: Desk | None = None,
) -> Explanation:
    """The explanation of a stored selection.

    Args:
        workspace: Where it is stored.
        selection_id: The selection.
        progress: Told of lengths and duplicates where nobody counted them yet.
        desk: Of its run, where somebody has it open: nothing of the run is read again then.

    Raises:
        ConfigError: There is no such selection, or its demands do not fit the run's rows.
        WorkspaceError: Its run cannot be read.
        Cancelled: From ``progress``.
    """
    record = workspace.catalog.selection(selection_id)
    rows = workspace.catalog.selection_rows(selection_id)
    view = RunView(workspace, record.run_id) if desk is None else desk.view
    places = places_of(view)
    missing = next((row.row_id for row in rows if row.row_id not in places), None)
    if missing is not None:
        raise WorkspaceError(
            f"Selection {selection_id} holds row {missing}, which is not in the pool of its run.",
            "Make the selection again.",
        )
    return Explanation(
        view,
        record.objective,
        np.array([places[row.row_id] for row in rows], dtype=np.int64),
        len(rows),
        [row.reason for row in rows],
        [row.round for row in rows],
        stored_demands(workspace, view, record.meta.get("request"), progress),
        read_rows=None if desk is None or view.pointwise else desk.read_rows,
        possible=None if desk is None else desk.best_possible,
        row_ids=None if desk is None else desk.row_ids,
    )


def explain_live(
    desk: Desk, live: LiveSelection, n_rows: int, ban_reasons: Mapping[int, str] | None = None
) -> Explanation:
    """The explanation of the first ``n_rows`` picks of a live order.

    Args:
        desk: The run.
        live: The nested order.
        n_rows: How many rows of it are chosen.
        ban_reasons: By position, why rows are banned, where that is said otherwise than by the
            demands themselves.
    """
    demands = live.demands
    if ban_reasons is not None:
        demands = replace(demands, ban_reasons=ban_reasons)
    pointwise = desk.view.pointwise
    return Explanation(
        desk.view,
        live.objective,
        live.order,
        n_rows,
        PickWords(live.result, desk.roles, live.row_ids),
        live.round,
        demands,
        read_rows=None if pointwise else desk.read_rows,
        covered=None if pointwise else _covered_of(desk, live, n_rows),
        possible=desk.best_possible,
        row_ids=desk.row_ids,
    )


def stored_demands(
    workspace: Workspace,
    view: RunView,
    request: Mapping[str, Any] | None,
    progress: Progress | None = None,
) -> Demands:
    """What was demanded of a stored selection; nothing where it is too old to say.

    Raises:
        ConfigError: The demands do not fit the run's rows.
        Cancelled: From ``progress``.
    """
    if not request:
        return Demands(Constraints(), {})
    names = {item.name for item in fields(SelectionConfig)}
    settings = SelectionConfig(**{name: request[name] for name in names & set(request)})
    progress = progress or SilentProgress()
    budget = Budget(str(request["budget"])).rows(len(view.roles.pool))
    facts = pool_facts(workspace, view.spec, view.roles, view.files, progress)
    return build_demands(
        workspace, view.spec, view.roles, view.files, settings, budget, facts, progress
    )


@functools.lru_cache(maxsize=16)
def _covered_of(desk: Desk, live: LiveSelection, n_rows: int) -> Covered:
    return _prefixes_of(desk, live).first(n_rows)


@functools.lru_cache(maxsize=4)
def _prefixes_of(desk: Desk, live: LiveSelection) -> PrefixCoverage:
    return PrefixCoverage(desk.read_rows, live.order)
