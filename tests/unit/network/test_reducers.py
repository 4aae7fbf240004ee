"""Reducers against the whole matrix at once, whatever the blocks are."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from nncift_core.errors import WorkspaceError
from nncift_core.network import reducers
from nncift_core.network.reducers import (
    Histogram,
    MemmapWriter,
    Reducer,
    RowMean,
    RowTopK,
    stream,
)
from nncift_core.network.tiles import MOST_TILES, TileAbsMax, TileMean
from nncift_core.types import FloatArray

BLOCKS = [1, 7, 40, 53, 200]
N_TRAIN, N_TARGET = 53, 29


class Whole:
    """A matrix in memory as a source."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = np.asarray(matrix, np.float32)
        self.n_train, self.n_target = matrix.shape
        self.block_bytes: list[int] = []

    def block(self, start: int, stop: int) -> FloatArray:
        block = self.matrix[start:stop].copy()
        block.setflags(write=False)  # a reducer that writes into it would spoil the others
        self.block_bytes.append(block.nbytes)
        return block


@pytest.fixture
def matrix() -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.standard_normal((N_TRAIN, N_TARGET)).astype(np.float32)


def reduce(matrix: np.ndarray, reducer: Reducer, block_rows: int | None = None) -> Reducer:
    stream(Whole(matrix), [reducer], block_rows=block_rows)
    return reducer


@pytest.mark.parametrize("block_rows", BLOCKS)
def test_row_mean_without_self_pairs(matrix: np.ndarray, block_rows: int) -> None:
    generator = np.random.default_rng(1)
    cells = generator.choice(matrix.size, 60, replace=False)
    rows, columns = np.divmod(cells, N_TARGET)
    matrix[rows, columns] = 1e3  # a self pair is the largest value of its row
    expected = [
        np.mean(
            [
                float(matrix[i, j])
                for j in range(N_TARGET)
                if (i, j) not in set(zip(rows, columns, strict=True))
            ]
        )
        for i in range(N_TRAIN)
    ]
    found = reduce(matrix, RowMean(rows, columns), block_rows).result()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * 1e3)


def test_row_mean_of_a_row_with_only_itself_is_zero() -> None:
    found = reduce(np.array([[5.0], [2.0]]), RowMean(np.array([0]), np.array([0]))).result()
    assert found.tolist() == [0.0, 2.0]


def test_row_mean_sums_in_float64() -> None:
    matrix = np.full((1, 100_000), 0.1, np.float32)
    matrix[0, 0] = 1e8
    found = reduce(matrix, RowMean()).result()
    assert found[0] == pytest.approx(matrix.astype(np.float64).mean(), rel=1e-12)


@pytest.mark.parametrize("block_rows", BLOCKS)
@pytest.mark.parametrize("k", [1, 5, N_TARGET, N_TARGET + 3])
def test_row_top_k(matrix: np.ndarray, k: int, block_rows: int) -> None:
    matrix = matrix.round(0)  # many equal values: the first by position are meant
    found = reduce(matrix, RowTopK(k), block_rows).result()
    for i in range(N_TRAIN):
        best = sorted(range(N_TARGET), key=lambda j: (-matrix[i, j], j))[:k]
        assert found.positions[i].tolist() == best
        assert found.values[i].tolist() == matrix[i, best].tolist()


@pytest.mark.parametrize("block_rows", BLOCKS)
@pytest.mark.parametrize("chunk", [10, 10_000])
def test_histogram(
    matrix: np.ndarray, block_rows: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reducers, "HISTOGRAM_CHUNK", chunk)
    lo, hi, bins = -1.0, 1.5, 10
    matrix[0, :5] = [lo, hi, np.nextafter(np.float32(lo), np.float32(-2)), 0.0, 1e30]
    matrix[1, 0] = np.nextafter(np.float32(hi), np.float32(2))
    found = reduce(matrix, Histogram(lo, hi, bins), block_rows).result()
    counts, edges = np.histogram(matrix.astype(np.float64), bins, (lo, hi))
    np.testing.assert_allclose(found.edges, edges)
    assert found.counts.tolist() == counts.tolist()
    assert found.below == (matrix < lo).sum() > 0
    assert found.above == (matrix > hi).sum() > 1
    assert found.counts.sum() + found.below + found.above == matrix.size


def test_a_histogram_of_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="lo < hi"):
        Histogram(1.0, 1.0)


@pytest.mark.parametrize("block_rows", BLOCKS)
@pytest.mark.parametrize("most", [1, 4, 29, MOST_TILES])
@pytest.mark.parametrize("order", ["given", "shuffled", "window"])
def test_tiles(matrix: np.ndarray, block_rows: int, most: int, order: str) -> None:
    generator = np.random.default_rng(2)
    rows, columns = np.arange(N_TRAIN), np.arange(N_TARGET)
    if order != "given":
        rows, columns = generator.permutation(rows), generator.permutation(columns)
    if order == "window":
        rows, columns = rows[:20], columns[:11]
    mean = reduce(matrix, TileMean(rows, columns, most), block_rows).result()
    strongest = reduce(matrix, TileAbsMax(rows, columns, most), block_rows).result()
    ordered = matrix[np.ix_(rows, columns)].astype(np.float64)
    shape = (min(most, len(rows)), min(most, len(columns)))
    assert mean.values.shape == strongest.values.shape == mean.counts.shape == shape
    assert mean.counts.sum() == ordered.size
    for a in range(shape[0]):
        for b in range(shape[1]):
            tile = ordered[
                mean.row_edges[a] : mean.row_edges[a + 1],
                mean.column_edges[b] : mean.column_edges[b + 1],
            ]
            assert mean.counts[a, b] == strongest.counts[a, b] == tile.size
            assert mean.values[a, b] == pytest.approx(tile.mean(), abs=1e-12)
            flat = tile.ravel()
            assert strongest.values[a, b] == flat[np.abs(flat).argmax()]


def test_never_more_tiles_than_a_browser_draws() -> None:
    tiles = reduce(np.ones((1000, 900)), TileMean(np.arange(1000), np.arange(900), 5000)).result()
    assert tiles.values.shape == (MOST_TILES, MOST_TILES)
    assert set(np.diff(tiles.row_edges).tolist()) == {2, 3}


@pytest.mark.parametrize("block_rows", BLOCKS)
def test_the_written_matrix_is_the_matrix(
    matrix: np.ndarray, block_rows: int, tmp_path: Path
) -> None:
    path = tmp_path / "predictions.npy"
    assert reduce(matrix, MemmapWriter(path), block_rows).result() == path
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), matrix)
    assert [entry.name for entry in tmp_path.iterdir()] == ["predictions.npy"]


def test_a_failure_keeps_the_old_file_and_leaves_no_partial_one(
    matrix: np.ndarray, tmp_path: Path
) -> None:
    class Failing(RowMean):
        def update(self, start: int, block: FloatArray) -> None:
            if start >= 20:
                raise RuntimeError("planted")
            assert (tmp_path / "predictions.npy.partial").exists()

    path = tmp_path / "predictions.npy"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="planted"):
        stream(Whole(matrix), [MemmapWriter(path), Failing()], block_rows=10)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["predictions.npy"]


def test_a_full_disk_is_one_clear_sentence(
    matrix: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reducers.os, "fsync", full)
    path = tmp_path / "predictions.npy"
    with pytest.raises(WorkspaceError, match=r"predictions\.npy: No space left") as caught:
        reduce(matrix, MemmapWriter(path))
    assert "space" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_one_clear_sentence(
    matrix: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(WorkspaceError, match="No such file"):
        reduce(matrix, MemmapWriter(tmp_path / "missing" / "m.npy"))


def test_blocks_stay_small_and_one_pass_serves_all_reducers() -> None:
    source = Whole(np.zeros((3000, 1500)))
    stream(source, [RowMean(), RowTopK(3), Histogram(-1, 1)])
    assert len(source.block_bytes) > 1
    assert max(source.block_bytes) <= reducers.BLOCK_BYTES
    assert sum(source.block_bytes) == 3000 * 1500 * 4


def test_a_row_wider_than_a_block_is_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reducers, "BLOCK_BYTES", 16)
    source = Whole(np.zeros((4, 10)))
    stream(source, [RowMean()])
    assert source.block_bytes == [40] * 4
