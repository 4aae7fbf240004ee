"""A finished or running run, to look at: quadrants, heatmap windows, pairs.

Reads artifacts and computes what a page shows, never more than a screenful of numbers. Knows
nothing of pages.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nncift_core.errors import ConfigError
from nncift_core.files import load_array, read_json
from nncift_core.influence import METHODS
from nncift_core.network.conformal import LEVEL
from nncift_core.network.tiles import MOST_TILES
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.estimates import Estimates, read_estimates
from nncift_core.pipeline.heatmap import Aggregate, Heatmap
from nncift_core.pipeline.heatmap_windows import DrawnOrder, HeatmapWindows
from nncift_core.pipeline.roles import Roles, read_roles
from nncift_core.pipeline.row_orders import Order, RowOrders
from nncift_core.pipeline.spec import RunSpec
from nncift_core.pipeline.uncertainty import EvaluationPoints, Uncertainty, evaluation_points
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.types import FloatArray, IndexArray, Row

__all__ = ["Aggregate", "Order", "PairView", "RunView", "Side"]

Side = Literal["pool", "target"]


@dataclass(frozen=True)
class PairView:
    """One pair: its two rows, the prediction, and the label where there is one.

    Attributes:
        pool_row: The row that helps.
        target_row: The row that is helped.
        predicted: Influence as the network sees it, or the exact value; original units.
        true: The label, None where the pair was not labelled.
        role: ``q1`` if it was trained on, ``q2`` to ``q4`` and ``q1u`` if it only measures, else
            None.
        self_pair: Whether both rows have the same content.
        quadrant: Where it belongs, labelled or not: ``q1`` to ``q4``, or ``q1u`` for a pair of a
            seen row and a seen target that was not trained on; None for an exact run.
        half_width: The true value is within this of the prediction for ``level`` of the pairs of
            its quadrant; original units. None where that is not known or was trained on.
        level: That share, such as 0.9.
    """

    pool_row: Row
    target_row: Row
    predicted: float
    true: float | None
    role: str | None
    self_pair: bool
    quadrant: str | None = None
    half_width: float | None = None
    level: float = LEVEL


class RunView:
    """Read-only access to one run.

    Args:
        workspace: Where the run is recorded.
        run_id: The run.
        roles: The run's rows where they are known, as another run with the same data knows them.
        estimates: Its influence, likewise.

    Raises:
        ConfigError: There is no such run.
        WorkspaceError: Its files cannot be read.
    """

    def __init__(
        self,
        workspace: Workspace,
        run_id: str,
        roles: Roles | None = None,
        estimates: Estimates | None = None,
    ) -> None:
        self._workspace = workspace
        self._known_roles, self._known_estimates = roles, estimates
        self.run_id = run_id
        self.files = RunFiles(workspace.run_dir(run_id))
        self.spec = RunSpec.read(self.files.config)

    @functools.cached_property
    def roles(self) -> Roles:
        """The run's rows; their texts are read as they are asked for."""
        return self._known_roles or read_roles(self._workspace, self.spec, lazily=True)

    @functools.cached_property
    def estimates(self) -> Estimates:
        """The run's influence; needs a finished prediction."""
        if not self.files.overview.is_file():
            raise ConfigError(
                f"Run {self.run_id} has no predictions yet.", "Wait for it, or resume it."
            )
        return self._known_estimates or read_estimates(
            self._workspace, self.spec, self.roles, self.files
        )

    @functools.cached_property
    def overview(self) -> Mapping[str, Any]:
        """Lowest and highest influence, and a histogram of all of it."""
        content: Mapping[str, Any] = read_json(self.files.overview)
        return content

    @functools.cached_property
    def row_mean(self) -> FloatArray:
        """``(n_train,)`` mean influence of each pool row."""
        return load_array(self.files.row_mean)

    @property
    def pointwise(self) -> bool:
        """Whether rows are scored alone; then there is no heatmap and no pair."""
        return METHODS[self.spec.config.method].pointwise

    @functools.cached_property
    def row_scores(self) -> FloatArray:
        """``(n_train,)`` what top-k ranks by; for a pointwise method the score of each row."""
        if self.files.row_scores.is_file():
            return load_array(self.files.row_scores)
        return self.row_mean

    @functools.cached_property
    def predicted_scores(self) -> FloatArray:
        """``(n_train,)`` scores of a pointwise run as predicted. Raises: ConfigError."""
        self._require(pointwise=True)
        return self.estimates.raw.block(0, len(self.roles.pool))[:, 0]

    @functools.cached_property
    def true_scores(self) -> FloatArray:
        """``(n_train,)`` scores of a pointwise run, NaN where unlabelled. Raises: ConfigError."""
        self._require(pointwise=True)
        if self.estimates.labels is None:
            return self.row_mean
        true = np.full(len(self.roles.pool), np.nan, dtype=np.float32)
        labels = self.estimates.labels.everything
        true[labels.helper] = labels.value
        return true

    @property
    def uncertainty(self) -> Mapping[str, Any]:
        """What ``conformal.calibrate_run`` found; empty for exact and for older runs."""
        return self.files.intervals()

    @functools.cached_property
    def _doubt(self) -> Uncertainty:
        n_train, n_target = len(self.roles.pool), len(self.roles.target)
        size = n_train, 1 if self.pointwise else n_target
        return Uncertainty(self.uncertainty, self.estimates.labels, size, pointwise=self.pointwise)

    def row_half_width(self) -> FloatArray:
        """``(n_train,)``: how far the mean influence, or the score, of each row may be off.

        Original units, for the share ``level`` of the rows. NaN where that is not known; 0 where a
        pointwise score was labelled.
        """
        return self._doubt.rows()

    def evaluation_points(self, most: int = 2_000) -> EvaluationPoints:
        """Labels that were never trained on beside their predictions; at most ``most``."""
        return evaluation_points(self.estimates, most)

    def _require(self, *, pointwise: bool) -> None:
        if self.pointwise != pointwise:
            kind = "single rows" if self.pointwise else "pairs"
            raise ConfigError(f"Method {self.spec.config.method!r} gives a value to {kind}.")

    @functools.cached_property
    def column_mean(self) -> FloatArray:
        """``(n_target,)`` mean influence on each target row."""
        return load_array(self.files.column_mean)

    def orders(self, side: Side) -> RowOrders:
        """The orders that a side's rows can be drawn in."""
        return self._pool_orders if side == "pool" else self._target_orders

    @functools.cached_property
    def _pool_orders(self) -> RowOrders:
        return RowOrders(self.roles.pool, lambda: self.row_mean, self._clusters)

    @functools.cached_property
    def _target_orders(self) -> RowOrders:
        return RowOrders(self.roles.target, lambda: self.column_mean)

    def _clusters(self) -> IndexArray | None:
        path = self.files.row_clusters
        return load_array(path) if path.is_file() else None

    def order(self, side: Side, by: Order) -> IndexArray:
        """Positions of a side's rows in the order they are drawn."""
        return self.orders(side).order(by)

    def heatmap(
        self,
        pool_window: tuple[int, int] | None = None,
        target_window: tuple[int, int] | None = None,
        *,
        pool_order: Order = "input",
        target_order: Order = "input",
        aggregate: Aggregate = "mean",
        most_tiles: int = MOST_TILES,
        ordered_by: RunView | None = None,
    ) -> Heatmap:
        """A window of the matrix, aggregated to at most ``most_tiles`` cells a side.

        Args:
            pool_window: First and past-the-last place in the pool's order; None for all.
            target_window: Likewise for target rows.
            pool_order: How pool rows are ordered.
            target_order: How target rows are ordered.
            aggregate: ``mean``; ``strongest``, the value of the largest magnitude; ``high`` and
                ``low``, a quantile of the cell's pairs.
            most_tiles: Drawn cells per side. Ends of a window of many pairs fall on ends of the
                tiles of a coarse grid.
            ordered_by: A run of the same rows whose order is taken, so that places mean the same
                rows as there; by default this run.

        Raises:
            ConfigError: The method scores single rows.
        """
        self._require(pointwise=False)
        order = self._drawn(ordered_by or self, pool_order, target_order)
        return self.windows.window(order, pool_window, target_window, aggregate, most_tiles)

    def draw_ahead(self, progress: Progress) -> None:
        """Keep what the first look at a large heatmap needs, so that it is there at once.

        Raises:
            Cancelled: By ``progress``.
        """
        self._require(pointwise=False)
        sides = self.orders("pool").first, self.orders("target").first
        self.windows.draw_ahead(self._drawn(self, *sides), progress)

    def _drawn(self, guide: RunView, pool_order: Order, target_order: Order) -> DrawnOrder:
        name = f"{pool_order}-{target_order}"
        return DrawnOrder(
            name if guide is self else f"{name}-{guide.run_id}",
            guide.order("pool", pool_order),
            guide.order("target", target_order),
        )

    @functools.cached_property
    def windows(self) -> HeatmapWindows:
        """Windows of the matrix in any order of its rows."""
        return HeatmapWindows(
            self.estimates, self._doubt, self.row_half_width, self.files.folder / "heatmap"
        )

    def pair(self, pool_position: int, target_position: int) -> PairView:
        """One pair by the positions of its rows. Raises: ConfigError."""
        self._require(pointwise=False)
        n_train, n_target = len(self.roles.pool), len(self.roles.target)
        if not (0 <= pool_position < n_train and 0 <= target_position < n_target):
            raise ConfigError(
                f"There is no pair of pool row {pool_position} and target row {target_position}.",
                f"The run has {n_train:,} x {n_target:,} rows.",
            )
        pool_row, target_row = self.roles.pool[pool_position], self.roles.target[target_position]
        true, role = self._label(pool_position, target_position)
        place = pool_position, target_position
        predicted = self.estimates.pairs(np.array([pool_position]), np.array([target_position]))[0]
        return PairView(
            pool_row,
            target_row,
            float(predicted),
            true,
            role,
            pool_row.content_hash == target_row.content_hash,
            None if self.estimates.labels is None else self._doubt.quadrant(*place),
            self._doubt.pair(*place),
            self._doubt.level,
        )

    def _label(self, pool_position: int, target_position: int) -> tuple[float | None, str | None]:
        if self.estimates.labels is None:
            return None, None
        for role, pairs in self.estimates.labels.by_role.items():
            found = np.flatnonzero(
                (pairs.helper == pool_position) & (pairs.helped == target_position)
            )
            if len(found):
                return float(pairs.value[found[0]]), role
        return None, None
