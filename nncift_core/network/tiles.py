"""Reducers that aggregate an influence matrix to tiles, as a heatmap shows it.

Knows in which order rows and columns are to appear; knows nothing of why, nor of colours.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.network.reducers import Reducer
from nncift_core.types import FloatArray, IndexArray

MOST_TILES = 400
"""Tiles on one side of an aggregated matrix: what a browser draws without stutter."""


@dataclass(frozen=True)
class Tiles:
    """A matrix aggregated to tiles, in the order that was asked for.

    Attributes:
        values: ``(row_tiles, column_tiles)`` float64, rows being pool rows.
        counts: ``(row_tiles, column_tiles)`` pairs behind each value.
        row_edges: ``(row_tiles + 1,)``: tile ``a`` holds ``row_order[edges[a]:edges[a + 1]]``.
        column_edges: ``(column_tiles + 1,)``, likewise.
    """

    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    row_edges: IndexArray
    column_edges: IndexArray


class _Tiled(Reducer):
    """What both tile reducers share: where rows and columns lie.

    Args:
        row_order: Pool positions as they are to appear, each once; rows not named are left out.
        column_order: Target positions, likewise.
        most: Tiles on one side at most.
    """

    def __init__(
        self, row_order: IndexArray, column_order: IndexArray, most: int = MOST_TILES
    ) -> None:
        most = min(most, MOST_TILES)
        self._row_order = np.asarray(row_order, np.int64)
        self._column_order = np.asarray(column_order, np.int64)
        if not (len(self._row_order) and len(self._column_order)):
            raise ValueError("tiles need at least one row and one column")
        self._row_edges = _edges(len(self._row_order), most)
        self._column_edges = _edges(len(self._column_order), most)
        self._values = np.empty((0, 0), np.float64)

    def begin(self, n_train: int, n_target: int) -> None:
        """Start from zero and find each row's tile, -1 for rows left out."""
        shape = (len(self._row_edges) - 1, len(self._column_edges) - 1)
        self._values = np.zeros(shape, np.float64)
        self._tile_of_row = np.full(n_train, -1, np.int64)
        self._tile_of_row[self._row_order] = np.repeat(
            np.arange(shape[0]), np.diff(self._row_edges)
        )

    def update(self, start: int, block: FloatArray) -> None:
        """Reduce the rows of each tile to one, then the columns of each tile."""
        tiles = self._tile_of_row[start : start + len(block)]
        kept = np.flatnonzero(tiles >= 0)
        if not len(kept):
            return
        if np.any(np.diff(tiles[kept]) < 0):
            kept = kept[np.argsort(tiles[kept], kind="stable")]
        # Rows in the order shown need no copy.
        in_order = kept[-1] - kept[0] == len(kept) - 1 and np.all(np.diff(kept) == 1)
        rows = block[kept[0] : kept[-1] + 1] if in_order else block[kept]
        distinct, firsts = np.unique(tiles[kept], return_index=True)
        self._add(distinct, rows, [*firsts.tolist(), len(kept)])

    def _columns_in_order(self, rows: NDArray[Any]) -> NDArray[Any]:
        return np.take(rows, self._column_order, axis=1)

    @abstractmethod
    def _add(self, tiles: IndexArray, rows: FloatArray, bounds: list[int]) -> None:
        """Take ``rows[bounds[a]:bounds[a + 1]]`` as rows of tile ``tiles[a]``, for every ``a``."""

    def _counts(self) -> NDArray[np.int64]:
        return np.outer(np.diff(self._row_edges), np.diff(self._column_edges))

    def result(self) -> Tiles:
        """Values, counts and edges."""
        return Tiles(self._values, self._counts(), self._row_edges, self._column_edges)


class TileMean(_Tiled):
    """The mean of each tile."""

    def _add(self, tiles: IndexArray, rows: FloatArray, bounds: list[int]) -> None:
        by_row = np.stack([rows[a:b].sum(axis=0, dtype=np.float64) for a, b in pairwise(bounds)])
        starts = self._column_edges[:-1]
        self._values[tiles] += np.add.reduceat(self._columns_in_order(by_row), starts, axis=1)

    def result(self) -> Tiles:
        """Means, counts and edges."""
        counts = self._counts()
        return Tiles(self._values / counts, counts, self._row_edges, self._column_edges)


class TileAbsMax(_Tiled):
    """The strongest value of each tile, with its sign: a mean hides single strong pairs."""

    def _add(self, tiles: IndexArray, rows: FloatArray, bounds: list[int]) -> None:
        starts = self._column_edges[:-1]
        values = self._values[tiles]
        for extreme in (np.maximum, np.minimum):
            by_row = np.stack([extreme.reduce(rows[a:b], axis=0) for a, b in pairwise(bounds)])
            found = extreme.reduceat(self._columns_in_order(by_row), starts, axis=1)
            values = np.where(np.abs(found) > np.abs(values), found, values)
        self._values[tiles] = values


def _edges(count: int, most: int) -> IndexArray:
    """Cut ``count`` positions in at most ``most`` runs whose lengths differ by one at most."""
    tiles = min(count, most)
    return np.arange(tiles + 1, dtype=np.int64) * count // tiles
