"""DELIFT (SE): cosines of embeddings, the same whatever else is computed with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core import influence
from nncift_core.errors import ConfigError
from nncift_core.influence.delift_se import CosineSource, DeliftSE
from tests.fake_encoder import FakeEncoder, fake_vector


def slow_cosines(helpers: Any, helped: Any) -> np.ndarray:
    result = np.empty((len(helpers), len(helped)))
    for i, a in enumerate(helpers):
        for j, b in enumerate(helped):
            result[i, j] = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    return result


def test_matrix_is_the_cosine_of_prompt_and_response(
    demo_rows: Callable[[int, int], Any], tmp_path: Path
) -> None:
    pool, target = demo_rows(12, 7)
    for cache in (None, tmp_path):
        matrix = DeliftSE(FakeEncoder(), cache).matrix(pool, target)
        assert matrix.shape == (12, 7)
        assert matrix.dtype == np.float32
        left = [fake_vector(f"{row.prompt}\n{row.response}") for row in pool]
        right = [fake_vector(f"{row.prompt}\n{row.response}") for row in target]
        np.testing.assert_allclose(matrix, slow_cosines(left, right), atol=1e-7)


def test_a_pair_does_not_depend_on_the_others(unit_vectors: Callable[..., np.ndarray]) -> None:
    helpers, helped = unit_vectors(70, 16, 1), unit_vectors(40, 16, 2)
    source = CosineSource(helpers, helped)
    assert (source.n_train, source.n_target) == (70, 40)
    whole = source.block(0, 70)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, slow_cosines(helpers, helped), atol=1e-7)
    for start in range(0, 70, 9):
        np.testing.assert_array_equal(source.block(start, start + 9), whole[start : start + 9])
    rows, columns = np.array([60, 3, 3]), np.array([39, 0])
    np.testing.assert_array_equal(source.subset(rows, columns).block(0, 3), whole[rows][:, columns])


def test_pairs_alone_have_the_values_of_the_matrix(
    demo_rows: Callable[[int, int], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, target = demo_rows(30, 12)
    monkeypatch.setattr("nncift_core.influence.delift_se.GATHERED_PAIRS", 10)
    columns = np.random.default_rng(0).integers(0, 12, (30, 4))
    whole = DeliftSE(FakeEncoder()).matrix(pool, target)
    expected = np.take_along_axis(whole, columns, axis=1)
    # All pairs are never computed for some of them.
    monkeypatch.setattr(CosineSource, "block", None)
    for cache in (None, tmp_path):
        method = DeliftSE(FakeEncoder(), cache)
        found = method.values_at(pool, target, columns)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
        source = method.pair_source(pool, target, columns)
        for start in range(0, 30, 7):
            np.testing.assert_array_equal(
                source.block(start, start + 7), expected[start : start + 7]
            )
    shifted = np.roll(columns, 1, axis=0)
    assert not np.allclose(DeliftSE(FakeEncoder()).values_at(pool, target, shifted), expected)


def test_rows_are_embedded_once_whatever_the_blocks(demo_rows: Callable[[int, int], Any]) -> None:
    pool, target = demo_rows(20, 8)
    encoder = FakeEncoder()
    source = DeliftSE(encoder).pair_source(pool, target, np.zeros((20, 2), dtype=np.int64))
    for start in range(0, 20, 5):
        source.block(start, start + 5)
    assert len(encoder.encoded) == 28


def test_created_by_name(demo_rows: Callable[[int, int], Any]) -> None:
    method = influence.create("delift-se", encoder=FakeEncoder())
    assert method.matrix(*demo_rows(3, 2)).shape == (3, 2)
    with pytest.raises(ConfigError, match="Did you mean 'delift-se'"):
        influence.create("delift-es")
