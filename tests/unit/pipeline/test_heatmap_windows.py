"""Windows of a matrix, predicted or from a grid, against the slow and obvious way."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nncift_core.errors import Cancelled
from nncift_core.network.reducers import stream
from nncift_core.network.tiles import TileGrid, TileQuantile, merge_tiles, step_edges, tile_edges
from nncift_core.pipeline import heatmap_grid, heatmap_windows
from nncift_core.pipeline.estimates import ArraySource, Estimates
from nncift_core.pipeline.heatmap_grid import Grid
from nncift_core.pipeline.heatmap_windows import DrawnOrder, HeatmapWindows
from nncift_core.pipeline.uncertainty import Uncertainty
from nncift_core.progress import SilentProgress

N_TRAIN, N_TARGET = 57, 31


@pytest.fixture
def matrix() -> np.ndarray:
    draw = np.random.default_rng(0)
    return draw.standard_normal((N_TRAIN, N_TARGET)).astype(np.float32)


@pytest.fixture
def order() -> DrawnOrder:
    draw = np.random.default_rng(1)
    return DrawnOrder("a-b", draw.permutation(N_TRAIN), draw.permutation(N_TARGET))


def windows_of(matrix: np.ndarray, folder: Path) -> HeatmapWindows:
    estimates = Estimates(ArraySource(matrix), None, None)
    doubt = Uncertainty({}, None, matrix.shape, pointwise=False)
    half = np.linspace(0.1, 0.2, len(matrix), dtype=np.float32)
    return HeatmapWindows(estimates, doubt, lambda: half, folder / "heatmap")


def slow(tile: np.ndarray, aggregate: str) -> float:
    flat = tile.ravel().astype(np.float64)
    if aggregate == "mean":
        return float(flat.mean())
    if aggregate == "strongest":
        return float(flat[np.abs(flat).argmax()])
    level = {"high": 0.9, "low": 0.1}[aggregate]
    return float(np.quantile(flat, level, method="inverted_cdf"))


@pytest.mark.parametrize("aggregate", ["mean", "strongest", "high", "low"])
@pytest.mark.parametrize("from_grid", [False, True])
@pytest.mark.parametrize("ends", [(None, None), ((3, 50), (4, 29)), ((10, 11), (0, 31))])
def test_every_cell_is_what_its_pairs_say(
    matrix: np.ndarray,
    order: DrawnOrder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    aggregate: str,
    from_grid: bool,
    ends: tuple,
) -> None:
    monkeypatch.setattr(heatmap_grid, "MOST_GRID", 20)
    monkeypatch.setattr(heatmap_windows, "DIRECT_PAIRS", 0 if from_grid else 10**9)
    found = windows_of(matrix, tmp_path).window(order, *ends, aggregate, most_tiles=7)
    pool, target = found.pool_edges, found.target_edges
    assert found.values.shape == (len(target) - 1, len(pool) - 1)
    assert max(found.values.shape) <= 7
    ordered = matrix[np.ix_(order.pool, order.target)]
    for a in range(len(pool) - 1):
        for b in range(len(target) - 1):
            tile = ordered[pool[a] : pool[a + 1], target[b] : target[b + 1]]
            assert found.values[b, a] == pytest.approx(slow(tile, aggregate), abs=1e-6)
    # It holds what was asked for, and ends of the grid's tiles are less than a tile away.
    for (first, last), edges, size in zip(
        [end or (0, n) for end, n in zip(ends, matrix.shape, strict=True)],
        (pool, target),
        matrix.shape,
        strict=True,
    ):
        step = -(-size // 20) if from_grid and aggregate in ("mean", "strongest") else 1
        assert first - step < edges[0] <= first
        assert last <= edges[-1] < last + step
    inside = ordered[pool[0] : pool[-1], target[0] : target[-1]].astype(np.float64)
    by_column = [inside[a - pool[0] : b - pool[0]].mean() for a, b in pairwise(pool)]
    by_row = [inside[:, a - target[0] : b - target[0]].mean() for a, b in pairwise(target)]
    np.testing.assert_allclose(found.pool_profile.mean, by_column, atol=1e-6)
    np.testing.assert_allclose(found.target_profile.mean, by_row, atol=1e-6)


def test_a_profile_says_how_far_it_may_be_off_only_where_that_is_known(
    matrix: np.ndarray, order: DrawnOrder, tmp_path: Path
) -> None:
    windows = windows_of(matrix, tmp_path)
    whole = windows.window(order, (5, 25), None, most_tiles=4)
    half = np.linspace(0.1, 0.2, N_TRAIN, dtype=np.float32)[order.pool[5:25]]
    np.testing.assert_allclose(whole.pool_profile.half_width, half.reshape(4, 5).mean(axis=1))
    assert whole.target_profile.half_width is None
    assert windows.window(order, None, (0, 5)).pool_profile.half_width is None


def test_a_grid_is_kept_and_one_that_does_not_fit_is_made_again(
    matrix: np.ndarray,
    order: DrawnOrder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heatmap_windows, "DIRECT_PAIRS", 0)
    first = windows_of(matrix, tmp_path).window(order, None, None)
    (path,) = (tmp_path / "heatmap").glob("a-b-*.npy")
    # Read back: another matrix would show if it were looked at.
    again = windows_of(matrix * 2, tmp_path).window(order, None, None)
    np.testing.assert_array_equal(first.values, again.values)
    path.write_bytes(b"half a file")
    np.testing.assert_allclose(
        windows_of(matrix * 2, tmp_path).window(order, None, None).values, 2 * first.values
    )
    assert Grid.load(path, (5, 5)) is None
    # A folder that cannot be written is no reason to show nothing.
    blocked = tmp_path / "file"
    blocked.write_text("")
    windows = windows_of(matrix, blocked)
    np.testing.assert_array_equal(windows.window(order, None, None).values, first.values)


@pytest.mark.parametrize("window", [(-5, 3), (40, 999), (70, 80), (9, 9)])
def test_windows_beyond_the_ends_are_cut(
    matrix: np.ndarray, order: DrawnOrder, tmp_path: Path, window: tuple[int, int]
) -> None:
    found = windows_of(matrix, tmp_path).window(order, window, None)
    first, last, _, _ = found.window
    expected = {(-5, 3): (0, 3), (40, 999): (40, N_TRAIN)}.get(window, (0, N_TRAIN))
    assert (first, last) == expected


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("block_rows", [1, 4, 57])
@pytest.mark.parametrize("shuffled", [False, True])
def test_quantile_of_tiles_in_blocks_of_any_size(
    matrix: np.ndarray, level: float, block_rows: int, shuffled: bool
) -> None:
    matrix = matrix.round(1)
    rows, columns = np.arange(N_TRAIN), np.arange(N_TARGET)
    if shuffled:
        draw = np.random.default_rng(3)
        rows, columns = draw.permutation(rows)[:40], draw.permutation(columns)
    reducer = TileQuantile(rows, columns, level, 6)
    stream(ArraySource(matrix), [reducer], block_rows=block_rows)
    found = reducer.result()
    for a in range(6):
        for b in range(6):
            r = rows[found.row_edges[a] : found.row_edges[a + 1]]
            c = columns[found.column_edges[b] : found.column_edges[b + 1]]
            tile = np.sort(matrix[np.ix_(r, c)].ravel())
            # The smallest value that the share ``level`` does not exceed, counted one by one.
            expected = next(v for v in tile if (tile <= v).mean() >= level - 1e-12)
            assert found.values[a, b] == expected


def test_a_quantile_outside_of_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        TileQuantile(np.arange(2), np.arange(2), 0.0)


def test_small_tiles_merged_are_large_tiles(matrix: np.ndarray) -> None:
    rows, columns = np.random.default_rng(4).permutation(N_TRAIN), np.arange(N_TARGET)
    grid = TileGrid(rows, columns, 5, 3)
    stream(ArraySource(matrix), [grid], block_rows=8)
    mean, strongest = grid.result()
    assert mean.row_edges.tolist() == step_edges(N_TRAIN, 5).tolist()
    assert mean.row_edges[-2:].tolist() == [55, 57]
    r, c = 2 + tile_edges(9, 4), 1 + tile_edges(8, 3)
    for how, tiles in (("mean", mean), ("strongest", strongest)):
        merged = merge_tiles(tiles.values.astype(np.float32), tiles.counts, r, c, how)
        for a in range(4):
            for b in range(3):
                part = matrix[rows][
                    mean.row_edges[r[a]] : mean.row_edges[r[a + 1]],
                    mean.column_edges[c[b]] : mean.column_edges[c[b + 1]],
                ]
                assert merged[a, b] == pytest.approx(slow(part, how), abs=1e-6)


def test_a_grid_of_another_order_of_the_same_name_is_not_taken(
    matrix: np.ndarray, order: DrawnOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heatmap_windows, "DIRECT_PAIRS", 0)
    windows = windows_of(matrix, tmp_path)
    windows.window(order, None, None)
    # Clusters were found, or found anew.
    for other in (
        DrawnOrder("a-b", order.pool[::-1].copy(), order.target),
        DrawnOrder("a-b", order.pool, order.target[::-1].copy()),
    ):
        for asked in (windows, windows_of(matrix, tmp_path)):
            found = asked.window(other, None, None)
            expected = matrix[np.ix_(other.pool, other.target)].T
            np.testing.assert_allclose(found.values, expected, atol=1e-6)


def test_the_oldest_grids_go(
    matrix: np.ndarray, order: DrawnOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heatmap_windows, "DIRECT_PAIRS", 0)
    monkeypatch.setattr(heatmap_windows, "_MOST_FILES", 3)
    windows = windows_of(matrix, tmp_path)
    for turn in range(5):
        windows.window(DrawnOrder(f"t{turn}", order.pool, order.target), None, None)
    assert len(list((tmp_path / "heatmap").iterdir())) == 3


@pytest.mark.parametrize("aggregate", ["mean", "strongest"])
@pytest.mark.parametrize("pairs", [0, 10**9])
def test_a_pair_without_a_value_never_counts_as_zero(
    matrix: np.ndarray,
    order: DrawnOrder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    aggregate: str,
    pairs: int,
) -> None:
    monkeypatch.setattr(heatmap_windows, "DIRECT_PAIRS", pairs)
    matrix[order.pool[0], order.target[0]] = np.nan
    found = windows_of(matrix, tmp_path).window(order, None, None, aggregate, most_tiles=5)
    assert np.argwhere(np.isnan(found.values)).tolist() == [[0, 0]]
    assert np.isnan(found.pool_profile.mean).tolist() == [True, *[False] * 4]


def test_a_grid_that_was_drawn_ahead_is_the_one_that_a_look_makes(
    matrix: np.ndarray, order: DrawnOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = windows_of(matrix, tmp_path / "small")
    small.draw_ahead(order, SilentProgress())
    assert not (tmp_path / "small" / "heatmap").exists()
    monkeypatch.setattr(heatmap_windows, "DIRECT_PAIRS", 10)
    looked, ahead = (tmp_path / name for name in ("looked", "ahead"))
    for folder in (looked, ahead):
        folder.mkdir()
    windows_of(matrix, looked).window(order, None, None)
    windows_of(matrix, ahead).draw_ahead(order, SilentProgress())
    kept = [folder / "heatmap" / order.file for folder in (looked, ahead)]
    assert kept[0].read_bytes() == kept[1].read_bytes()
    # It is not made twice, and one that was cancelled leaves nothing.
    windows_of(matrix, ahead).draw_ahead(order, _Stopped())
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    with pytest.raises(Cancelled):
        windows_of(matrix, stopped).draw_ahead(order, _Stopped())
    assert not list(stopped.rglob("*.npy*"))


class _Stopped(SilentProgress):
    def advance(self, amount: int = 1) -> None:
        raise Cancelled("stopped")
