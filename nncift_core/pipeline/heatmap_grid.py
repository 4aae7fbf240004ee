"""A coarse copy of a large influence matrix, so that zooming out of 75 million pairs takes no time.

A grid holds the mean and the strongest value of every tile of fixed size, for one order of rows on
each side. Windows of many pairs are put together from its tiles, exactly: their ends then fall on
ends of tiles. Grids are files of the run's folder; one that is gone is made again.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nncift_core.errors import WorkspaceError
from nncift_core.files import load_array, save_array
from nncift_core.network.reducers import stream
from nncift_core.network.tiles import TileGrid, merge_tiles, step_edges, tile_edges
from nncift_core.progress import Progress
from nncift_core.types import FloatArray, IndexArray, InfluenceSource

MOST_GRID = 2_000
"""Tiles on one side of a grid: two such arrays are 32 MB at most."""


@dataclass(frozen=True)
class Grid:
    """Tiles of a whole matrix for one order of its rows and one of its columns.

    Attributes:
        values: ``(2, rows, columns)`` float32: means, then strongest values.
        row_edges: ``(rows + 1,)`` places where tiles begin and end.
        column_edges: ``(columns + 1,)`` likewise.
    """

    values: FloatArray
    row_edges: IndexArray
    column_edges: IndexArray

    @classmethod
    def of(cls, source: InfluenceSource, progress: Progress | None = None) -> Grid:
        """One pass over a matrix whose rows and columns are in the order drawn.

        Advances ``progress`` by pairs. Raises: Cancelled, by it.
        """
        steps = (_step(source.n_train), _step(source.n_target))
        tiles = TileGrid(np.arange(source.n_train), np.arange(source.n_target), *steps)
        stream(source, [tiles], progress)
        mean, strongest = tiles.result()
        values = np.stack([mean.values, strongest.values]).astype(np.float32)
        return cls(values, mean.row_edges, mean.column_edges)

    @classmethod
    def load(cls, path: Path, size: tuple[int, int]) -> Grid | None:
        """A grid that was kept; None where there is none of this size."""
        edges = tuple(step_edges(n, _step(n)) for n in size)
        try:
            values = load_array(path)
        except WorkspaceError:
            return None
        if values.shape != (2, len(edges[0]) - 1, len(edges[1]) - 1):
            return None
        return cls(values, *edges)

    def save(self, path: Path) -> None:
        """Keep it where the folder can be written; elsewhere it is made again next time."""
        with contextlib.suppress(WorkspaceError, OSError):
            path.parent.mkdir(exist_ok=True)
            save_array(path, self.values)

    def window(
        self, rows: tuple[int, int], columns: tuple[int, int], how: str, most: int
    ) -> GridWindow:
        """The smallest window of whole tiles that holds these places, in at most ``most`` cells.

        Args:
            rows: First and past-the-last place of the pool.
            columns: Likewise of the target set.
            how: ``mean`` or ``strongest``.
            most: Cells of a side.
        """
        sides = []
        for edges, (first, last) in ((self.row_edges, rows), (self.column_edges, columns)):
            start = int(np.searchsorted(edges, first, side="right")) - 1
            stop = int(np.searchsorted(edges, last, side="left"))
            sides.append(start + tile_edges(stop - start, most))
        row_tiles, column_tiles = sides
        counts = np.outer(np.diff(self.row_edges), np.diff(self.column_edges))
        mean = merge_tiles(self.values[0], counts, row_tiles, column_tiles, "mean")
        values = mean
        if how != "mean":
            values = merge_tiles(self.values[1], counts, row_tiles, column_tiles, how)
        return GridWindow(values, mean, self.row_edges[row_tiles], self.column_edges[column_tiles])


@dataclass(frozen=True)
class GridWindow:
    """Cells of a window, rows being pool rows.

    Attributes:
        values: ``(rows, columns)`` float64, as asked for.
        mean: ``(rows, columns)`` mean of each cell's pairs.
        row_edges: ``(rows + 1,)`` places where cells begin and end.
        column_edges: ``(columns + 1,)`` likewise.
    """

    values: np.ndarray
    mean: np.ndarray
    row_edges: IndexArray
    column_edges: IndexArray


def _step(count: int) -> int:
    return -(-count // MOST_GRID)
