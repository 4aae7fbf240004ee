"""Windows of a run's influence matrix, aggregated to what a screen shows.

Windows of few pairs are predicted as they are asked for; those of many come from a coarse grid
that is kept in the run's folder. Knows the run's estimates and intervals, nothing of pages.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nncift_core.network.reducers import stream
from nncift_core.network.tiles import MOST_TILES, TileAbsMax, TileMean, TileQuantile
from nncift_core.pipeline.estimates import Estimates
from nncift_core.pipeline.heatmap import QUANTILES, Aggregate, Heatmap, Profile
from nncift_core.pipeline.heatmap_grid import Grid, GridWindow
from nncift_core.pipeline.uncertainty import Uncertainty
from nncift_core.progress import Progress
from nncift_core.types import FloatArray, IndexArray

DIRECT_PAIRS = 6_000_000
"""Windows of up to so many pairs are predicted anew: that takes less than a tenth of a second."""

_MOST_GRIDS = 4
_MOST_FILES = 12
"""Grids in a run's folder; the oldest go, since one may take 32 MB."""

Ends = tuple[int, int]


@dataclass(frozen=True)
class DrawnOrder:
    """How both sides are ordered.

    Attributes:
        name: Of the pair of orders, for the grid's file; empty if no grid may be kept.
        pool: ``(n_train,)`` positions in the order drawn.
        target: ``(n_target,)`` likewise.
    """

    name: str
    pool: IndexArray
    target: IndexArray

    @functools.cached_property
    def file(self) -> str:
        """The name of its grid's file, which another order of the same name does not share."""
        digest = hashlib.sha256()
        for positions in (self.pool, self.target):
            digest.update(np.ascontiguousarray(positions, dtype=np.int64).tobytes())
            digest.update(b"|")
        return f"{self.name}-{digest.hexdigest()[:12]}.npy"


@dataclass
class HeatmapWindows:
    """Answers what a window of the matrix looks like.

    Args:
        estimates: The run's influence.
        doubt: The run's intervals.
        row_half_width: Gives ``(n_train,)`` how far each row's mean over all targets may be off.
        folder: Where grids are kept.
    """

    estimates: Estimates
    doubt: Uncertainty
    row_half_width: Callable[[], FloatArray]
    folder: Path
    _grids: dict[str, Grid] = field(default_factory=dict)

    def window(
        self,
        order: DrawnOrder,
        pool_window: Ends | None,
        target_window: Ends | None,
        aggregate: Aggregate = "mean",
        most_tiles: int = MOST_TILES,
    ) -> Heatmap:
        """A window, in at most ``most_tiles`` cells a side.

        Args:
            order: How both sides are ordered.
            pool_window: First and past-the-last place in the pool's order; None for all.
            target_window: Likewise for target rows.
            aggregate: What a cell shows of its pairs.
            most_tiles: Drawn cells a side. A window from the grid may be a little larger than
                asked for: its ends fall on ends of the grid's tiles.
        """
        most_tiles = min(most_tiles, MOST_TILES)
        pool = _cut(pool_window, len(order.pool))
        target = _cut(target_window, len(order.target))
        pairs = (pool[1] - pool[0]) * (target[1] - target[0])
        if pairs > DIRECT_PAIRS and aggregate not in QUANTILES and order.name:
            found = self._grid(order).window(pool, target, aggregate, most_tiles)
        else:
            found = self._predicted(order, pool, target, aggregate, most_tiles)
        return self._heatmap(order, found)

    def _predicted(
        self, order: DrawnOrder, pool: Ends, target: Ends, aggregate: Aggregate, most: int
    ) -> GridWindow:
        rows, columns = order.pool[slice(*pool)], order.target[slice(*target)]
        places = np.arange(len(rows)), np.arange(len(columns))
        means = TileMean(*places, most)
        chosen: TileMean | TileAbsMax | TileQuantile = means
        if aggregate == "strongest":
            chosen = TileAbsMax(*places, most)
        elif aggregate in QUANTILES:
            chosen = TileQuantile(*places, QUANTILES[aggregate], most)
        source = self.estimates.subset(rows, columns)
        stream(source, [means] if chosen is means else [means, chosen])
        mean, result = means.result(), chosen.result()
        return GridWindow(
            result.values, mean.values, mean.row_edges + pool[0], mean.column_edges + target[0]
        )

    def _heatmap(self, order: DrawnOrder, found: GridWindow) -> Heatmap:
        rows, columns = found.row_edges, found.column_edges
        pool = order.pool[rows[0] : rows[-1]]
        target = order.target[columns[0] : columns[-1]]
        widths = None
        if found.values.shape == (len(pool), len(target)):
            widths = self.doubt.cells(pool, target)
        heights, breadths = np.diff(rows), np.diff(columns)
        return Heatmap(
            values=found.values.T.astype(np.float32),
            pool_edges=rows,
            target_edges=columns,
            pool_positions=pool,
            target_positions=target,
            half_width=None if widths is None else widths.T,
            pool_profile=Profile(
                _float32(found.mean @ breadths / breadths.sum()),
                self._pool_doubt(pool, heights, widths, whole=len(target) == len(order.target)),
            ),
            target_profile=Profile(
                _float32(heights @ found.mean / heights.sum()),
                _float32(widths[0]) if widths is not None and len(pool) == 1 else None,
            ),
        )

    def _pool_doubt(
        self, pool: IndexArray, heights: IndexArray, widths: FloatArray | None, *, whole: bool
    ) -> FloatArray | None:
        """How far a drawn column's mean may be off, where an interval speaks of it.

        Known for means over all targets (of several rows: the mean of their half widths), and for
        a single target row.
        """
        if whole:
            known = self.row_half_width()[pool].astype(np.float64)
            starts = np.cumsum(heights) - heights
            return _float32(np.add.reduceat(known, starts) / heights) if len(known) else None
        return _float32(widths[:, 0]) if widths is not None and widths.shape[1] == 1 else None

    def draw_ahead(self, order: DrawnOrder, progress: Progress) -> None:
        """Make the grid of an order before somebody looks, where windows need one.

        Tells ``progress`` of nothing where it is not needed or there already.

        Raises:
            Cancelled: By ``progress``; then no half grid is left.
        """
        size = len(order.pool), len(order.target)
        path = self._path(order)
        if size[0] * size[1] <= DIRECT_PAIRS or Grid.load(path, size) is not None:
            return
        progress.stage("predict", size[0] * size[1], "pairs")
        Grid.of(self.estimates.subset(order.pool, order.target), progress).save(path)

    def _path(self, order: DrawnOrder) -> Path:
        return self.folder / order.file

    def _grid(self, order: DrawnOrder) -> Grid:
        if order.file not in self._grids:
            path = self._path(order)
            size = len(order.pool), len(order.target)
            grid = Grid.load(path, size)
            if grid is None:
                grid = Grid.of(self.estimates.subset(order.pool, order.target))
                grid.save(path)
                self._drop_oldest()
            while len(self._grids) >= _MOST_GRIDS:
                self._grids.pop(next(iter(self._grids)))
            self._grids[order.file] = grid
        return self._grids[order.file]

    def _drop_oldest(self) -> None:
        with contextlib.suppress(OSError):
            found = sorted(self.folder.glob("*.npy"), key=lambda path: path.stat().st_mtime)
            for path in found[:-_MOST_FILES]:
                path.unlink()


def _float32(values: np.ndarray) -> FloatArray:
    return np.asarray(values, dtype=np.float32)


def _cut(window: Ends | None, size: int) -> Ends:
    """The part of a window that there is, everything if there is none of it."""
    if window is None:
        return 0, size
    first, last = max(0, window[0]), min(size, window[1])
    return (first, last) if first < last else (0, size)
