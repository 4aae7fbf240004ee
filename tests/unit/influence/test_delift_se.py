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


def test_created_by_name(demo_rows: Callable[[int, int], Any]) -> None:
    method = influence.create("delift-se", encoder=FakeEncoder())
    assert method.matrix(*demo_rows(3, 2)).shape == (3, 2)
    with pytest.raises(ConfigError, match="Did you mean 'delift-se'"):
        influence.create("delift-es")
