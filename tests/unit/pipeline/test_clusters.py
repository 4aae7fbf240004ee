"""Clusters of a run's rows: found where they are, the same each time, any number of rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

from nncift_core.pipeline.clusters import cluster_rows
from nncift_core.pipeline.embedding import Vectors


def groups(n: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around a few directions, and whose each is."""
    rng = np.random.default_rng(seed)
    centres = np.eye(32)[:count]
    of = rng.integers(count, size=n)
    vectors = centres[of] + 0.05 * rng.standard_normal((n, 32))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), of


def test_rows_of_a_cluster_are_alike() -> None:
    vectors, of = groups(240, 5)
    found = cluster_rows(Vectors(vectors, vectors[:80], vectors[:0]))
    assert found.pool.shape == (240,) and found.target.shape == (80,)
    assert found.pool.dtype == np.int64
    assert len(np.unique(found.pool)) <= 240 // 8
    mixed = sum(len(np.unique(of[found.pool == number])) > 1 for number in np.unique(found.pool))
    # A start with two centres far from a small group may merge it with another.
    assert mixed <= 1


def test_the_same_vectors_have_the_same_clusters(unit_vectors: Callable[..., np.ndarray]) -> None:
    vectors = Vectors(unit_vectors(200, 16, 1), unit_vectors(60, 16, 2), unit_vectors(0, 16))
    one, two = cluster_rows(vectors), cluster_rows(vectors)
    np.testing.assert_array_equal(one.pool, two.pool)
    np.testing.assert_array_equal(one.target, two.target)


@pytest.mark.parametrize("n", [0, 1, 7, 15, 16, 40])
def test_few_or_equal_rows(n: int, unit_vectors: Callable[..., np.ndarray]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        equal = np.tile(unit_vectors(1), (n, 1))
        found = cluster_rows(Vectors(unit_vectors(n), equal, unit_vectors(0)))
    assert len(found.pool) == len(found.target) == n
    assert len(np.unique(found.target)) == min(n, 1)
    assert len(np.unique(found.pool)) <= max(1, n // 8)
