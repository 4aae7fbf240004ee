"""Reducers that aggregate an influence matrix to tiles, as a heatmap shows it.

Knows in which order rows and columns are to appear; knows nothing of why, nor of colours.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
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
    """What tile reducers share: where rows and columns lie.

    Args:
        row_order: Pool positions as they are to appear, each once; rows not named are left out.
        column_order: Target positions, likewise.
        most: Tiles on one side at most.
        edges: Where tiles of rows and of columns begin and end, as ``Tiles`` has them; None cuts
            at most ``most`` tiles of nearly equal size.
    """

    def __init__(
        self,
        row_order: IndexArray,
        column_order: IndexArray,
        most: int = MOST_TILES,
        *,
        edges: tuple[IndexArray, IndexArray] | None = None,
    ) -> None:
        most = min(most, MOST_TILES)
        self._row_order = np.asarray(row_order, np.int64)
        self._column_order = np.asarray(column_order, np.int64)
        if not (len(self._row_order) and len(self._column_order)):
            raise ValueError("tiles need at least one row and one column")
        if edges is None:
            rows, columns = (len(o) for o in (self._row_order, self._column_order))
            edges = tile_edges(rows, most), tile_edges(columns, most)
        self._row_edges, self._column_edges = edges
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
            # A pair without a value leaves the tile without one, as in the mean.
            stronger = np.isnan(found) | (np.abs(found) > np.abs(values))
            values = np.where(stronger, found, values)
        self._values[tiles] = values


class TileQuantile(_Tiled):
    """A quantile of each tile: exact, and always the value of one of its pairs.

    It is the smallest value that at least the share ``level`` of the tile's pairs do not exceed
    (NumPy's ``inverted_cdf``). Rows are kept until their tile is complete: one tile's height where
    they come in the order shown, everything in the worst case.

    Args:
        row_order: Pool positions as they are to appear.
        column_order: Target positions, likewise.
        level: Above 0 and at most 1.
        most: Tiles on one side at most.
    """

    def __init__(
        self,
        row_order: IndexArray,
        column_order: IndexArray,
        level: float,
        most: int = MOST_TILES,
    ) -> None:
        super().__init__(row_order, column_order, most)
        if not 0 < level <= 1:
            raise ValueError(f"a quantile lies above 0 and at most at 1, got {level}")
        self._level = level

    def begin(self, n_train: int, n_target: int) -> None:
        """Keep nothing yet."""
        super().begin(n_train, n_target)
        self._kept: dict[int, list[FloatArray]] = {}
        widths = np.diff(self._column_edges)
        # Tiles of one width are dealt with together: there are two widths at most.
        self._widths = []
        for width in np.unique(widths):
            places = np.flatnonzero(widths == width)
            columns = self._column_edges[places][:, None] + np.arange(width)
            self._widths.append((places, self._column_order[columns].ravel()))

    def _add(self, tiles: IndexArray, rows: FloatArray, bounds: list[int]) -> None:
        heights = np.diff(self._row_edges)
        for tile, (first, last) in zip(tiles.tolist(), pairwise(bounds), strict=True):
            parts = self._kept.pop(tile, [])
            parts.append(rows[first:last])
            if sum(map(len, parts)) < heights[tile]:
                # A copy: what is kept must not hold on to whole blocks.
                self._kept[tile] = [*parts[:-1], parts[-1].copy()]
            else:
                self._values[tile] = self._quantiles(np.concatenate(parts))

    def _quantiles(self, rows: FloatArray) -> NDArray[np.float64]:
        """One value for each tile of columns of the rows of a complete tile."""
        found = np.empty(len(self._column_edges) - 1, np.float64)
        for places, columns in self._widths:
            by_row = rows.take(columns, axis=1).reshape(len(rows), len(places), -1)
            values = by_row.transpose(1, 0, 2).reshape(len(places), -1)
            # Less a trace, so that 0.9 of 10 values is the ninth and not, by rounding, the tenth.
            rank = max(0, ceil(self._level * values.shape[1] - 1e-9) - 1)
            found[places] = np.partition(values, rank, axis=1)[:, rank]
        return found


class TileGrid(Reducer):
    """Sum and strongest value of every tile of a fixed size, in one pass: a coarse copy to zoom in.

    Args:
        row_order: Pool positions as they are to appear, each once.
        column_order: Target positions, likewise.
        row_step: Pool rows of a tile; the last tile may have fewer.
        column_step: Target rows of a tile, likewise.
    """

    def __init__(
        self, row_order: IndexArray, column_order: IndexArray, row_step: int, column_step: int
    ) -> None:
        edges = (step_edges(len(row_order), row_step), step_edges(len(column_order), column_step))
        self._mean = TileMean(row_order, column_order, edges=edges)
        self._strongest = TileAbsMax(row_order, column_order, edges=edges)

    def begin(self, n_train: int, n_target: int) -> None:
        """Start both from zero."""
        self._mean.begin(n_train, n_target)
        self._strongest.begin(n_train, n_target)

    def update(self, start: int, block: FloatArray) -> None:
        """Give the block to both."""
        self._mean.update(start, block)
        self._strongest.update(start, block)

    def result(self) -> tuple[Tiles, Tiles]:
        """Means and strongest values."""
        return self._mean.result(), self._strongest.result()


def merge_tiles(
    values: FloatArray, counts: FloatArray, rows: IndexArray, columns: IndexArray, how: str
) -> NDArray[np.float64]:
    """Larger tiles out of smaller ones, without looking at pairs again.

    Args:
        values: ``(r, c)`` means or strongest values of the smaller tiles.
        counts: ``(r, c)`` pairs behind each of them.
        rows: ``(r' + 1,)`` smaller tiles where larger ones begin and end.
        columns: ``(c' + 1,)`` likewise.
        how: ``mean`` or ``strongest``.

    Returns:
        ``(r', c')`` float64; smaller tiles beyond the ends are left out.
    """
    inside = slice(int(rows[0]), int(rows[-1])), slice(int(columns[0]), int(columns[-1]))
    part, weight = values[inside].astype(np.float64), counts[inside].astype(np.float64)
    at = (rows[:-1] - rows[0], columns[:-1] - columns[0])

    def over(array: NDArray[np.float64], reduce: np.ufunc) -> NDArray[np.float64]:
        by_row = reduce.reduceat(array, at[0], axis=0)
        return np.asarray(reduce.reduceat(by_row, at[1], axis=1), np.float64)

    if how == "mean":
        return over(part * weight, np.add) / over(weight, np.add)
    highest, lowest = over(part, np.maximum), over(part, np.minimum)
    return np.where(np.abs(lowest) > np.abs(highest), lowest, highest)


def tile_edges(count: int, most: int) -> IndexArray:
    """Cut ``count`` positions in at most ``most`` runs whose lengths differ by one at most."""
    tiles = min(count, most)
    return np.arange(tiles + 1, dtype=np.int64) * count // tiles


def step_edges(count: int, step: int) -> IndexArray:
    """Cut ``count`` positions in runs of ``step``; the last one may be shorter."""
    return np.append(np.arange(0, count, step, dtype=np.int64), np.int64(count))
