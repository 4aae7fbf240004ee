"""Intervals: coverage of the truth, reproducibility, degenerate samples."""

from __future__ import annotations

import numpy as np
import pytest

from nncift_core.network import bootstrap
from nncift_core.network.bootstrap import (
    correlation,
    intervals,
    ranks,
    row_means,
    row_rank_interval,
)

ROWS = np.repeat(np.arange(12), 10)
COLUMNS = np.tile(np.arange(10), 12)


def test_interval_covers_the_expected_error() -> None:
    """Rows and columns both carry error; nineteen of twenty intervals should hold the truth."""
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        error = rng.standard_normal(12)[ROWS] + rng.standard_normal(10)[COLUMNS]
        error += rng.standard_normal(120)
        truth = rng.random(120)
        low, high = intervals(ROWS, COLUMNS, truth, truth + error, seed).mse or (0, 0)
        hits += low <= 3 <= high
    assert 46 <= hits <= 60


def test_seed_decides() -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.random(120), rng.random(120)
    first = intervals(ROWS, COLUMNS, truth, guess, 1)
    assert first == intervals(ROWS, COLUMNS, truth, guess, 1)
    assert first != intervals(ROWS, COLUMNS, truth, guess, 2)
    # The order of pairs is nothing: only which row and column each is in.
    order = rng.permutation(120)
    shuffled = intervals(ROWS[order], COLUMNS[order], truth[order], guess[order], 1)
    for name in ("mse", "r2", "spearman"):
        np.testing.assert_allclose(getattr(shuffled, name), getattr(first, name), rtol=1e-12)


def test_many_pairs_use_fewer_ranked_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(120)
    guess = truth + 0.1 * rng.standard_normal(120)
    full = intervals(ROWS, COLUMNS, truth, guess, 1)
    monkeypatch.setattr(bootstrap, "MANY_PAIRS", 100)
    for chunk in (120 * 30, 120 * 100, 120 * 300):
        monkeypatch.setattr(bootstrap, "_CHUNK", chunk)
        few = intervals(ROWS, COLUMNS, truth, guess, 1)
        np.testing.assert_allclose(few.mse, full.mse)
        np.testing.assert_allclose(few.r2, full.r2)
        np.testing.assert_allclose(few.spearman, full.spearman, atol=0.05)
        assert few.spearman != full.spearman


def test_no_resample_with_pairs_gives_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two pairs on a diagonal: many resamples hold neither; all others hold one repeated value.
    found = intervals(np.array([0, 1]), np.array([0, 1]), np.array([0.0, 1]), np.array([0.0, 0]), 0)
    assert found.mse is not None
    assert all(np.isfinite(found.mse))
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1)
    for seed in range(20):
        for name in ("mse", "r2", "spearman"):
            interval = getattr(
                intervals(
                    np.array([0, 1]), np.array([0, 1]), np.array([0.0, 1]), np.array([1.0, 0]), seed
                ),
                name,
            )
            assert interval is None or np.isfinite(interval).all()


def test_correlation_is_weighted_pearson() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random(30), rng.random(30)
    weights = rng.integers(1, 4, 30)
    expected = np.corrcoef(np.repeat(x, weights), np.repeat(y, weights))[0, 1]
    assert float(correlation(x, y, weights.astype(float))) == pytest.approx(expected)
    assert np.isnan(correlation(np.ones(5), np.arange(5.0), np.ones(5)))


def test_row_means_and_their_order_as_plain_code_has_them() -> None:
    """Every resample once more with copied rows and columns; small numbers make many ties."""
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 4, 120) / 2.0, rng.integers(0, 4, 120) / 2.0
    assert row_means(ROWS, truth).tolist() == pytest.approx(
        [truth[ROWS == row].mean() for row in range(12)]
    )
    draws = np.random.default_rng(3)
    rows = draws.multinomial(12, np.full(12, 1 / 12), bootstrap.RESAMPLES)
    columns = draws.multinomial(10, np.full(10, 1 / 10), bootstrap.RESAMPLES)
    slow = []
    for row_count, column_count in zip(rows, columns, strict=True):
        i, j = np.repeat(np.arange(12), row_count), np.repeat(np.arange(10), column_count)
        sides = [values.reshape(12, 10)[i][:, j].mean(axis=1) for values in (truth, guess)]
        # Means of halves are ties only if rounding does not part them.
        one, two = (ranks(np.round(side, 9)) for side in sides)
        slow.append(float(correlation(one, two, np.ones(len(i)))))
    expected = np.quantile(np.array(slow)[np.isfinite(slow)], [0.025, 0.975])
    found = row_rank_interval(ROWS, COLUMNS, truth, guess, 3)
    assert found == pytest.approx(tuple(expected), abs=0.01)
    # The order of pairs is nothing.
    order = rng.permutation(120)
    again = row_rank_interval(ROWS[order], COLUMNS[order], truth[order], guess[order], 3)
    assert again == pytest.approx(found, abs=0.01)


@pytest.mark.parametrize(("rows", "columns"), [(ROWS * 0, COLUMNS), (ROWS, COLUMNS * 0)])
def test_one_row_or_column_has_no_interval_of_order(rows: np.ndarray, columns: np.ndarray) -> None:
    values = np.random.default_rng(0).random(120)
    assert row_rank_interval(rows, columns, values, values, 0) is None


def test_rows_that_a_resample_leaves_without_columns_do_not_count() -> None:
    rng = np.random.default_rng(0)
    keep = rng.permutation(120)[:18]
    found = row_rank_interval(ROWS[keep], COLUMNS[keep], rng.random(18), rng.random(18), 0)
    assert found is not None
    assert np.isfinite(found).all()
