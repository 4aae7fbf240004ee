"""One pass over an influence matrix that never exists as a whole.

A source gives blocks of rows; every block goes to every reducer; each keeps only what it is
asked for. Works for predictions and for exact values alike and knows neither. Values are
float32, sums are kept in float64.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import WorkspaceError
from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, IndexArray, InfluenceSource

BLOCK_BYTES = 8 * 2**20
"""Bytes of one block: a reducer's fixed cost per block does not show, and a block with the
float64 and int64 copies that reducers make of it stays far below 256 MB."""


HISTOGRAM_CHUNK = 32_768
"""Values counted at a time: their float64 and int64 copies stay in the second-level cache."""


class Reducer(ABC):
    """What blocks are handed to: ``begin``, ``update`` for every block, ``finish``, ``result``."""

    @abstractmethod
    def begin(self, n_train: int, n_target: int) -> None:
        """Make room for the result of a matrix ``(n_train, n_target)``."""

    @abstractmethod
    def update(self, start: int, block: FloatArray) -> None:
        """Take rows ``start`` onward, ``(rows, n_target)``; the block must not be changed."""

    @abstractmethod
    def result(self) -> Any:
        """What was asked for; to be called once after the pass."""

    def finish(self) -> None:  # noqa: B027 - most reducers have nothing to close
        """Every block has been seen."""

    def abort(self) -> None:  # noqa: B027 - most reducers leave nothing behind
        """The pass stopped early: leave nothing behind."""


def stream(
    source: InfluenceSource,
    reducers: Sequence[Reducer],
    progress: Progress | None = None,
    block_rows: int | None = None,
) -> None:
    """One pass over all rows of a source, every block to every reducer.

    Announces no stage; advances ``progress`` by the pairs of each block.

    Args:
        source: The matrix.
        reducers: What to keep of it.
        progress: Who is told, and who may stop the pass.
        block_rows: Rows of a block; by default as many as ``BLOCK_BYTES`` hold.

    Raises:
        Cancelled: By ``progress``; like any other failure it leaves no half file.
    """
    progress = progress or SilentProgress()
    rows = block_rows or max(1, BLOCK_BYTES // (4 * max(1, source.n_target)))
    try:
        for reducer in reducers:
            reducer.begin(source.n_train, source.n_target)
        for start in range(0, source.n_train, rows):
            block = source.block(start, min(start + rows, source.n_train))
            for reducer in reducers:
                reducer.update(start, block)
            progress.advance(block.size)
        for reducer in reducers:
            reducer.finish()
    except BaseException:
        for reducer in reducers:
            reducer.abort()
        raise


class RowMean(Reducer):
    """Mean influence of each row on all targets but itself: ``(n_train,)`` float64.

    A row with no target left has mean 0.

    Args:
        helper_positions: ``(n,)`` rows of the pairs to leave out (equal content), each pair once.
        helped_positions: ``(n,)`` their columns.
    """

    def __init__(
        self,
        helper_positions: IndexArray | None = None,
        helped_positions: IndexArray | None = None,
    ) -> None:
        empty = np.empty(0, np.int64)
        helpers = empty if helper_positions is None else np.asarray(helper_positions, np.int64)
        helped = empty if helped_positions is None else np.asarray(helped_positions, np.int64)
        order = np.argsort(helpers, kind="stable")
        self._helpers, self._helped = helpers[order], helped[order]

    def begin(self, n_train: int, n_target: int) -> None:
        """Make room for ``n_train`` means."""
        self._sum = np.zeros(n_train, np.float64)
        left_out = np.bincount(self._helpers, minlength=n_train)
        self._count = n_target - left_out

    def update(self, start: int, block: FloatArray) -> None:
        """Sum the rows of the block, less the pairs left out."""
        stop = start + len(block)
        sums = block.sum(axis=1, dtype=np.float64)
        first, last = np.searchsorted(self._helpers, [start, stop])
        rows = self._helpers[first:last] - start
        left_out = block[rows, self._helped[first:last]].astype(np.float64)
        sums -= np.bincount(rows, weights=left_out, minlength=len(block))
        self._sum[start:stop] = sums

    def result(self) -> NDArray[np.float64]:
        """``(n_train,)`` means."""
        return np.where(self._count > 0, self._sum / np.maximum(self._count, 1), 0.0)


@dataclass(frozen=True)
class TopK:
    """The largest values of each row, falling; equal values in order of position.

    Attributes:
        values: ``(n_train, k)`` float32.
        positions: ``(n_train, k)`` columns.
    """

    values: FloatArray
    positions: IndexArray


class RowTopK(Reducer):
    """The ``k`` targets that each row helps most, or all where there are fewer."""

    def __init__(self, k: int) -> None:
        self._wanted = k

    def begin(self, n_train: int, n_target: int) -> None:
        """Make room for ``k`` values and positions a row."""
        k = min(self._wanted, n_target)
        self._values = np.empty((n_train, k), np.float32)
        self._positions = np.empty((n_train, k), np.int64)

    def update(self, start: int, block: FloatArray) -> None:
        """Partition each row, then sort the part that is kept."""
        k = self._values.shape[1]
        if k == 0:
            return
        chosen = np.argpartition(block, block.shape[1] - k, axis=1)[:, -k:]
        values = np.take_along_axis(block, chosen, axis=1)
        # A partition keeps any of the values equal to the k-th; the first by position is meant.
        least = values.min(axis=1, keepdims=True)
        tied = (block == least).sum(axis=1) > (values == least).sum(axis=1)
        for row in np.flatnonzero(tied):
            chosen[row] = np.argsort(-block[row], kind="stable")[:k]
        chosen.sort(axis=1)
        values = np.take_along_axis(block, chosen, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        stop = start + len(block)
        self._values[start:stop] = np.take_along_axis(values, order, axis=1)
        self._positions[start:stop] = np.take_along_axis(chosen, order, axis=1)

    def result(self) -> TopK:
        """Values and positions."""
        return TopK(self._values, self._positions)


@dataclass(frozen=True)
class Counts:
    """A histogram of all pairs.

    Attributes:
        edges: ``(bins + 1,)`` float64; a bin holds its left edge, the last one both.
        counts: ``(bins,)`` int64.
        below: Pairs below the first edge.
        above: Pairs above the last edge.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    below: int
    above: int


class Histogram(Reducer):
    """How often each value occurs between ``lo`` and ``hi``, and how often outside."""

    def __init__(self, lo: float, hi: float, bins: int = 100) -> None:
        if not lo < hi:
            raise ValueError(f"a histogram needs lo < hi, got {lo} and {hi}")
        self._lo, self._hi, self._bins = lo, hi, bins

    def begin(self, n_train: int, n_target: int) -> None:
        """Start from zero."""
        self._counts = np.zeros(self._bins + 2, np.int64)

    def update(self, start: int, block: FloatArray) -> None:
        """Count the block; slot 0 is below the range, the last slot above it."""
        values = block.ravel()
        slots = self._bins + 2
        for first in range(0, len(values), HISTOGRAM_CHUNK):
            part = values[first : first + HISTOGRAM_CHUNK]
            slot = np.subtract(part, self._lo, dtype=np.float64)
            slot *= self._bins / (self._hi - self._lo)
            slot += 1.0
            slot[part == self._hi] = self._bins
            # What is cut off to an integer afterwards is not negative, so this is a floor.
            np.clip(slot, 0, slots - 1, out=slot)
            self._counts += np.bincount(slot.astype(np.intp), minlength=slots)

    def result(self) -> Counts:
        """Edges, counts, and what lies outside."""
        edges = np.linspace(self._lo, self._hi, self._bins + 1)
        inside = self._counts[1:-1]
        return Counts(edges, inside, int(self._counts[0]), int(self._counts[-1]))


class MemmapWriter(Reducer):
    """Writes the whole matrix to a ``.npy`` file, ``(n_train, n_target)`` float32.

    The file appears under its name only when complete. Blocks are written, not mapped: the
    dirty pages of a map would count as this process's memory.

    Args:
        path: Where the file shall be.

    Raises:
        WorkspaceError: When the disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._file: BinaryIO | None = None

    def begin(self, n_train: int, n_target: int) -> None:
        """Open the partial file and write the header."""
        header = {"descr": "<f4", "fortran_order": False, "shape": (n_train, n_target)}
        try:
            self._file = self._partial.open("wb")
            np.lib.format.write_array_header_1_0(self._file, header)
        except OSError as error:
            raise self._failed(error) from error
        self._data_start = self._file.tell()
        self._row_bytes = 4 * n_target

    def update(self, start: int, block: FloatArray) -> None:
        """Write the block at its place."""
        assert self._file is not None
        try:
            self._file.seek(self._data_start + start * self._row_bytes)
            self._file.write(np.ascontiguousarray(block, "<f4").data)
        except OSError as error:
            raise self._failed(error) from error

    def finish(self) -> None:
        """Bring the file to disk and give it its name."""
        assert self._file is not None
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.replace(self._path)
        except OSError as error:
            raise self._failed(error) from error

    def abort(self) -> None:
        """Remove the partial file."""
        if self._file is not None:
            # On a full disk closing fails as well: what is buffered has no place either.
            with contextlib.suppress(OSError):
                self._file.close()
        self._partial.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> WorkspaceError:
        return WorkspaceError(
            f"The prediction matrix could not be written to {self._path}: {error.strerror}.",
            "Free some space or choose another folder, then resume the run.",
        )

    def result(self) -> Path:
        """The path of the complete file; open it with ``numpy.load(path, mmap_mode="r")``."""
        return self._path
