"""Selecting live: one desk for each run, whose matrices stay mapped between a curator's actions.

A page keeps the desk and asks for a selection after each pin, ban or undo; nothing is stored until
somebody saves. Knows a finished run, no page and no job.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nncift_core.datasets.lazy_rows import ids_of, subtask_names
from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from nncift_core.pipeline.demands import build_demands
from nncift_core.pipeline.facts import pool_facts
from nncift_core.pipeline.kept_matrices import KeptMatrices
from nncift_core.pipeline.kept_orders import KeptOrders
from nncift_core.pipeline.live_selection import LiveSelection
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.scaled_matrices import IN_BLOCKS, RunMatrices
from nncift_core.pipeline.selecting import store
from nncift_core.pipeline.spec import RunSpec, check_words, for_selection
from nncift_core.pipeline.view import RunView
from nncift_core.progress import Progress, SilentProgress, WhereWork
from nncift_core.selection import Matrices, SelectionResult, maximise
from nncift_core.selection.explanations import best_possible
from nncift_core.selection.row_facts import RowFacts
from nncift_core.selection.use_cases import objective_for
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import SelectionRecord, Workspace
from nncift_core.types import FloatArray, IndexArray

__all__ = ["Desk", "LiveSelection", "open_desk", "save_selection"]

MOST_KEPT = 8
"""Selections that a desk remembers."""


class Desk:
    """A finished run, ready to select from.

    Safe to share between threads: selections are made one at a time.

    Args:
        workspace: Where the run is.
        run_id: The run.

    Raises:
        ConfigError: There is no such run, or it has not finished.
        WorkspaceError: Its files cannot be read.
    """

    def __init__(self, workspace: Workspace, run_id: str) -> None:
        self.workspace, self.run_id = workspace, run_id
        self.view = RunView(workspace, run_id)
        if not self.view.files.result.is_file():
            raise ConfigError(
                f"Run {run_id} has not finished, so nothing can be selected from it.",
                "Wait for it, or resume it.",
            )
        self.spec: RunSpec = self.view.spec
        self.roles: Roles = self.view.roles
        self.facts: RowFacts = pool_facts(workspace, self.spec, self.roles, self.view.files)
        self.row_ids: Sequence[str] = ids_of(self.roles.pool)
        self._sources = RunMatrices(
            workspace, self.spec, self.roles, self.view.files, self.view.estimates
        )
        self._kept = KeptMatrices(self.view.files)
        self._made: OrderedDict[tuple[str, SelectionConfig, int], LiveSelection] = OrderedDict()
        self._lock = threading.RLock()

    def select(
        self,
        objective: str,
        settings: SelectionConfig,
        most_rows: int,
        progress: Progress | None = None,
    ) -> LiveSelection:
        """The nested order for some demands, made now or remembered.

        Args:
            objective: A name of ``OBJECTIVES``; empty for what the use case means.
            settings: The demands.
            most_rows: Rows to order, 1 to ``n_train``.
            progress: Told what is done; also how it is cancelled.

        Raises:
            ConfigError: The demands cannot be read or met, or the run lacks what the objective
                reads.
            Cancelled: From ``progress``.
        """
        # The whole pool is ordered for the sake of its beginnings, whose duplicates do count.
        settings = settings.settled()
        method = METHODS[self.spec.config.method]
        objective = objective_for(settings.use_case, method, objective)
        key = objective, settings, most_rows
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
            made = self._select(objective, settings, most_rows, progress or SilentProgress())
            self._made[key] = made
            while len(self._made) > MOST_KEPT:
                self._made.popitem(last=False)
            return made

    def _select(
        self, objective: str, settings: SelectionConfig, most_rows: int, progress: Progress
    ) -> LiveSelection:
        start = time.monotonic()
        check_words(settings)
        # Refuses what does not go with the run, in the words of every other way to ask.
        for_selection(self.spec, objective, str(most_rows), settings)
        optimizer = self._sources.optimizer(objective, settings.optimizer)
        demands = build_demands(
            self.workspace,
            self.spec,
            self.roles,
            self.view.files,
            settings,
            most_rows,
            self.facts,
            WhereWork(progress),
        )
        matrices = self._matrices(objective, optimizer, progress)
        seed = self.spec.config.seed

        def find() -> SelectionResult:
            progress.stage("select", most_rows, "rows")
            return maximise(
                objective,
                matrices,
                most_rows,
                row_ids=self.row_ids,
                progress=progress,
                quality_weight=settings.quality_weight,
                optimizer=optimizer,
                constraints=demands.constraints,
                seed=seed,
            )

        orders = KeptOrders(self.view.files.folder, self._kept.state)
        result = orders.found(
            objective,
            settings,
            most_rows,
            seed,
            len(self.row_ids),
            find,
            optimizer=optimizer,
            constraints=demands.constraints,
        )
        seconds = time.monotonic() - start
        return LiveSelection(
            objective, settings, most_rows, self.row_ids, result, demands, seconds, matrices
        )

    def _matrices(self, objective: str, optimizer: str, progress: Progress) -> Matrices:
        self._kept.progress = progress
        return self._sources.matrices(objective, optimizer, self._kept.make)

    @functools.cached_property
    def target(self) -> FloatArray | None:
        """``(n_train, n_target)`` scaled X, a read-only memory map.

        None where it does not fit in memory, and for a method that scores single rows.
        """
        if self.view.pointwise:
            return None
        with self._lock:
            if self._sources.optimizer("fl", "auto") in IN_BLOCKS:
                return None
            return self._sources.whole("target", "fl", self._kept.make)

    @functools.cached_property
    def subtasks(self) -> Sequence[str]:
        """Names of the pool's subtasks, sorted; none where no row has one."""
        return subtask_names(self.roles.pool)

    def input_row(self, position: int) -> int:
        """Place of a pool row in the stored dataset, from 1, as the Data page counts."""
        return int(self.roles.pool_positions[position]) + 1

    def best_possible(self) -> FloatArray:
        """``(n_target,)`` the highest scaled influence of any pool row; kept in the run's folder.

        Raises:
            ConfigError: The method scores single rows.
        """
        with self._lock:
            return self._kept.vector("possible", len(self.roles.target), self._find_possible)

    @property
    def possible_is_known(self) -> bool:
        """Whether ``best_possible`` answers without reading the influence of the whole pool."""
        return self._kept.path("possible").is_file()

    def _find_possible(self) -> FloatArray:
        return best_possible(self.read_rows, len(self.roles.pool))

    @property
    def matrices(self) -> Matrices:
        """What objectives of single rows and of targets read."""
        found = self._sources.matrices("topk", "lazy")
        return found if self.target is None else replace(found, target=self.target)

    def read_rows(self, positions: IndexArray) -> FloatArray:
        """``(k, n_target)`` float32 scaled influence of some pool rows, in that order.

        Raises:
            ConfigError: The method scores single rows.
        """
        positions = np.asarray(positions, dtype=np.int64)
        if self.target is not None:
            return np.asarray(self.target[positions], dtype=np.float32)
        if self.view.pointwise:
            raise ConfigError(
                f"Method {self.spec.config.method!r} scores single rows, so no row covers a target."
            )
        return self._sources.in_blocks("target", "fl").rows(positions)


def open_desk(workspace: Workspace, run_id: str) -> Desk:
    """The desk of a finished run; keep it, since opening it reads all rows. Raises: ConfigError."""
    return Desk(workspace, run_id)


def save_selection(desk: Desk, live: LiveSelection, budget_rows: int, name: str) -> SelectionRecord:
    """Store the first ``budget_rows`` rows of a live selection under a name, at once.

    Its request names a budget in rows and all demands, so that it can be made again from the
    selection's manifest alone.

    Raises:
        ConfigError: Nothing would be stored, or the budget has no room for all pins and for what
            quotas demand.
    """
    beyond = budget_rows > live.most_rows
    # A budget that has no room for what is demanded is refused as everywhere.
    lacking = 0 < budget_rows < live.demanded
    if beyond or lacking or (budget_rows < live.most_rows and not live.nested):
        live = desk.select(live.objective, live.settings, max(1, budget_rows))
    chosen = live.first(budget_rows)
    if not len(chosen):
        raise ConfigError("This selection has no row, so there is nothing to save.")
    return store(
        desk.workspace,
        desk.run_id,
        desk.workspace.new_run_id(),
        chosen,
        live.demands,
        desk.roles,
        desk.view.estimates,
        budget=str(max(1, budget_rows)),
        settings=live.settings,
        seed=desk.spec.config.seed,
        name=name,
    )
