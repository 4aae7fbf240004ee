"""Whitening: rows of length 1, no more components than there are, signs that do not wander."""

from __future__ import annotations

import numpy as np
import pytest

from nncift_core.network import whitening
from nncift_core.network.whitening import Whitening


def rows(n: int = 60, d: int = 9, rank: int = 9, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    strong = rng.standard_normal((n, rank)) * np.arange(rank, 0, -1)
    return (strong @ rng.standard_normal((rank, d)) + 3).astype(np.float32)


def test_rows_have_length_1_and_the_mean_row_stays_0() -> None:
    data = rows()
    found = Whitening.of([data])
    result = found.apply(data)
    assert result.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(result, axis=1), 1, atol=1e-6)
    middle = Whitening(np.zeros(9), found.weight).apply(np.zeros((1, 9), np.float32))
    np.testing.assert_array_equal(middle, 0)


@pytest.mark.parametrize(("rank", "components", "kept"), [(9, 64, 9), (4, 64, 4), (9, 3, 3)])
def test_no_more_components_than_there_are(rank: int, components: int, kept: int) -> None:
    assert Whitening.of([rows(rank=rank)], components).weight.shape == (9, kept)


def test_variances_are_between_raw_and_white() -> None:
    data = rows()
    found = Whitening.of([data])
    plain = (data.astype(float) - data.astype(float).mean(0)) @ found.weight
    raw = np.sort(np.linalg.eigvalsh(np.cov(data.T.astype(float))))[::-1]
    np.testing.assert_allclose(np.cov(plain.T), np.diag(np.sqrt(raw)), atol=1e-4 * raw[0])


def test_signs_are_fixed() -> None:
    weight = Whitening.of([rows()]).weight
    assert (weight[np.argmax(np.abs(weight), axis=0), np.arange(9)] > 0).all()
    again = Whitening.of([rows()[::-1]]).weight
    np.testing.assert_allclose(again, weight, atol=1e-6)


@pytest.mark.parametrize("most", [7, 50, 1000])
def test_sides_count_as_one_and_chunks_do_not_matter(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whitening, "MOST_ROWS", most)
    one, other = rows(23), rows(40, seed=1)
    joined = Whitening.of([np.concatenate([one, other])])
    apart = Whitening.of([one, other])
    assert joined.weight.tobytes() == apart.weight.tobytes()
    assert joined.mean.tobytes() == apart.mean.tobytes()
    whole = apart.apply(one)
    monkeypatch.setattr(whitening, "CHUNK", 5)
    np.testing.assert_allclose(apart.apply(one), whole, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_equal_rows_are_finite(count: int) -> None:
    data = np.repeat(rows(1), count, axis=0)
    found = Whitening.of([data])
    assert np.isfinite(found.weight).all()
    assert np.isfinite(found.apply(rows(4))).all()
