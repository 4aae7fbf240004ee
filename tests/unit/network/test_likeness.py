"""Likeness: a line through cosine and similarity, used where it tells something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nncift_core.network.estimators import Task
from nncift_core.network.likeness import SHARPNESS, Likeness
from nncift_core.network.whitening import Whitening
from nncift_core.types import FloatArray, Pairs

N, M, D, TEXT = 40, 30, 7, 5


@pytest.fixture
def make(unit_vectors: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """``make(cosine, similarity, noise)``: a task with such labels, whitened sides, the truth."""

    def run(cosine: float, similarity: float, noise: float = 0.0) -> Any:
        helpers, helped = unit_vectors(N, D, 1), unit_vectors(M, D, 2)
        whitening = Whitening.of([helpers, helped])
        white = whitening.apply(helpers), whitening.apply(helped)
        alike = np.exp(SHARPNESS[1] * (white[0].astype(float) @ white[1].T - 1))
        rng = np.random.default_rng(0)
        truth = 0.4 + cosine * helpers[:, :TEXT].astype(float) @ helped[:, :TEXT].T
        truth = truth + similarity * alike + noise * rng.standard_normal((N, M))
        places = rng.permutation(N * M)[:400]
        i, j = np.unravel_index(places, (N, M))
        pairs = Pairs(i, j, truth[i, j].astype(np.float32))
        return Task(helpers, helped, TEXT, pairs, 0), white, truth

    return run


def every(found: Likeness, task: Task, white: tuple[FloatArray, FloatArray]) -> np.ndarray:
    left = found.factors(task.helpers, white[0], helped=False).astype(float)
    result: np.ndarray = (
        found.intercept + left @ found.factors(task.helped, white[1], helped=True).T
    )
    return result


@pytest.mark.parametrize("strengths", [(1.0, 0.0), (0.0, 1.0), (0.7, 1.0)])
def test_what_is_made_of_likeness_is_found(make: Any, strengths: tuple[float, float]) -> None:
    task, white, truth = make(*strengths)
    found = Likeness.fit(task, *white)
    assert found is not None
    assert (found.cosine != 0, found.features is not None) == tuple(s != 0 for s in strengths)
    if 0 in strengths:
        np.testing.assert_allclose([found.cosine, found.similarity], strengths, atol=5e-3)
        np.testing.assert_allclose(every(found, task, white), truth, atol=5e-3)
    # The sharpness is chosen for similarity alone: beside a cosine it need not be the right one.
    assert np.mean((every(found, task, white) - truth) ** 2) < 0.1 * truth.var()
    at = task.pairs.helper, task.pairs.helped
    np.testing.assert_allclose(
        found.of_pairs(task, *white), every(found, task, white)[at], atol=1e-6
    )
    back = Likeness.restore(found.arrays())
    assert back is not None and back.parameters == found.parameters == 1 + sum(
        strength != 0 for strength in strengths
    )
    np.testing.assert_array_equal(every(back, task, white), every(found, task, white))


def test_noise_is_left_alone(make: Any) -> None:
    task, white, _ = make(0.0, 0.0, 1.0)
    assert Likeness.fit(task, *white) is None
    assert Likeness.restore({}) is None


def test_equal_labels_are_left_alone(make: Any) -> None:
    task, white, _ = make(0.0, 0.0)
    assert Likeness.fit(task, *white) is None
