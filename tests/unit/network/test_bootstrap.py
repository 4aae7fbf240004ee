"""Intervals: coverage of the truth, reproducibility, degenerate samples."""

from __future__ import annotations

import numpy as np
import pytest

from nncift_core.network import bootstrap
from nncift_core.network.bootstrap import correlation, intervals

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
