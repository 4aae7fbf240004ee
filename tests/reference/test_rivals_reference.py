"""Closed forms against explicit loops, scikit-learn and numpy, in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge as PlainRidge

from nncift_core.network import rivals
from nncift_core.network.estimators import Check, Estimator, Task
from nncift_core.network.holdout import take
from nncift_core.network.predict import Predictor
from nncift_core.network.rivals import Additive, Cosine, Landmark, Neighbours, Ridge
from nncift_core.network.whitening import Whitening
from nncift_core.types import Pairs

N, M, D = 26, 18, 7


@pytest.fixture
def task(unit_vectors: Callable[..., np.ndarray]) -> Task:
    """Labels of most rows; the first 5 of the 7 columns are the embedding."""
    rng = np.random.default_rng(3)
    helpers, helped = unit_vectors(N, D, 1), unit_vectors(M, D, 2)
    places = rng.permutation((N - 3) * (M - 2))[:150]
    i, j = np.unravel_index(places, (N - 3, M - 2))
    values = np.sum(helpers[i] * helped[j], axis=1) + helpers[i, 0] + 0.2 * rng.standard_normal(150)
    return Task(helpers, helped, 5, Pairs(i, j, values.astype(np.float32)), 0)


@pytest.fixture
def pointwise(task: Task) -> Task:
    rows = np.arange(N - 3)
    values = task.helpers[rows, 0].astype(np.float32)
    return replace(task, helped=np.empty((1, 0), np.float32), pairs=Pairs(rows, 0 * rows, values))


def matrix(model: Estimator, task: Task, *, known: bool = True) -> np.ndarray:
    projected = model.project(task.helpers, task.helped, known=known)
    return Predictor(projected, compile="never").block(0, len(task.helpers))


def test_the_cosine_line(task: Task) -> None:
    left, right = task.helpers[:, :5].astype(float), task.helped[:, :5].astype(float)
    i, j = task.pairs.helper, task.pairs.helped
    slope, intercept = np.polyfit(np.sum(left[i] * right[j], axis=1), task.pairs.value, 1)
    np.testing.assert_allclose(
        matrix(Cosine.fit(task), task), slope * left @ right.T + intercept, atol=1e-6
    )


def test_the_cosine_of_one_embedding_for_all_is_the_mean(task: Task) -> None:
    same = replace(
        task, helped=np.tile(task.helped[:1], (M, 1)), helpers=task.helpers[:1].repeat(N, 0)
    )
    np.testing.assert_allclose(matrix(Cosine.fit(same), same), task.pairs.value.mean(), atol=1e-5)


def test_means_of_rows_and_columns(task: Task) -> None:
    grand = float(np.mean(task.pairs.value.astype(float)))
    labels = list(zip(task.pairs.helper, task.pairs.helped, task.pairs.value.astype(float)))  # noqa: B905
    columns = np.zeros(M)
    for column in range(M):
        mine = [value - grand for _, j, value in labels if j == column]
        columns[column] = sum(mine) / (len(mine) + 1)
    rows = np.zeros(N)
    for row in range(N):
        mine = [value - grand - columns[j] for i, j, value in labels if i == row]
        rows[row] = sum(mine) / (len(mine) + 1)
    model = Additive.fit(task)
    np.testing.assert_allclose(
        matrix(model, task), grand + rows[:, None] + columns[None], atol=1e-6
    )
    np.testing.assert_allclose(matrix(model, task, known=False), grand, atol=1e-6)


@pytest.mark.parametrize("setting", range(len(rivals.PENALTIES)))
def test_ridge(setting: int, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "RIDGE_COMPONENTS", 4)
    whitening = Whitening.of(task.sides, 4)
    left, right = (
        np.concatenate([np.ones((len(rows), 1)), whitening.apply(rows)], axis=1).astype(float)
        for rows in task.sides
    )
    every = np.einsum("ia,jb->ijab", left, right).reshape(N, M, -1)
    values = task.pairs.value.astype(float)
    plain = PlainRidge(alpha=rivals.PENALTIES[setting], fit_intercept=False)
    plain.fit(every[task.pairs.helper, task.pairs.helped], values - values.mean())
    expected = plain.predict(every.reshape(N * M, -1)).reshape(N, M) + values.mean()
    found = matrix(Ridge.fit(replace(task, setting=setting)), task)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def slow_means(task: Task, weigh: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Every pair's weighted mean of labels, one label at a time."""
    whitening = Whitening.of(task.sides)
    left, right = (whitening.apply(rows).astype(float) for rows in task.sides)
    labelled = np.unique(task.pairs.helper), np.unique(task.pairs.helped)
    near_rows, near_columns = np.zeros((N, N)), np.zeros((M, M))
    near_rows[:, labelled[0]] = weigh(left @ left[labelled[0]].T)
    near_columns[:, labelled[1]] = weigh(right @ right[labelled[1]].T)
    mean = float(np.mean(task.pairs.value.astype(float)))
    found = np.empty((N, M))
    for row in range(N):
        for column in range(M):
            total = mass = 0.0
            for i, j, value in zip(
                *(task.pairs.helper, task.pairs.helped, task.pairs.value), strict=True
            ):
                weight = near_rows[row, i] * near_columns[column, j]
                total += weight * (float(value) - mean)
                mass += weight
            found[row, column] = mean + total / (mass + rivals.PRIOR)
    return found


def nearest(count: int) -> Callable[[np.ndarray], np.ndarray]:
    def weigh(alike: np.ndarray) -> np.ndarray:
        found = np.zeros_like(alike)
        for number, row in enumerate(alike):
            found[number, np.argsort(-row, kind="stable")[:count]] = 1
        return found

    return weigh


@pytest.mark.parametrize("setting", [0, 2, 3])
def test_neighbours(setting: int, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 neighbours are more than there are labelled columns."""
    monkeypatch.setattr(rivals, "ROWS", 7)
    found = matrix(Neighbours.fit(replace(task, setting=setting)), task)
    expected = slow_means(task, nearest(rivals.NEIGHBOURS[setting]))
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("setting", [0, 4])
def test_landmarks(setting: int, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "ROWS", 7)
    sharpness = rivals.SHARPNESS[setting]
    found = matrix(Landmark.fit(replace(task, setting=setting)), task)
    expected = slow_means(task, lambda alike: np.exp(sharpness * (alike - 1)))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    swapped = slow_means(
        replace(task, pairs=Pairs(task.pairs.helped, task.pairs.helper % M, task.pairs.value)),
        lambda alike: np.exp(sharpness * (alike - 1)),
    )
    assert not np.allclose(found, swapped, atol=1e-2)


def test_many_columns_share_anchors(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels go to the nearest anchor, none is lost, and a pair is no dearer."""
    monkeypatch.setattr(rivals, "LANDMARKS", 6)
    model = Neighbours.fit(task)
    columns = np.unique(task.pairs.helped)
    kept = len(model.state["columns"])
    assert kept <= 6 < len(columns)
    assert model.state["counts"].sum() == len(task.pairs)
    right = Whitening.of(task.sides).apply(task.helped)
    counts = np.zeros(kept)
    for column in task.pairs.helped:
        counts[np.argmax(model.state["columns"] @ right[column])] += 1
    np.testing.assert_array_equal(model.state["counts"].sum(axis=0), counts)
    projected = model.project(task.helpers, task.helped, known=True)
    assert projected.helpers.shape[1] == kept + 1


@pytest.mark.parametrize("kind", [Ridge, Neighbours, Landmark])
def test_the_setting_of_lowest_error_on_the_checks(kind: Any, task: Task) -> None:
    rng = np.random.default_rng(1)
    order = rng.permutation(150)
    learned, first, second = (
        take(task.pairs, part) for part in (order[:110], order[110:130], order[130:])
    )
    checks = (Check("q1u", first, 0.2), Check("q4", second, 0.8))
    part = replace(task, pairs=learned)
    settings = range(len(rivals.PENALTIES if kind is Ridge else kind._settings()))
    errors = []
    for setting in settings:
        found = matrix(kind.fit(replace(part, setting=setting)), part)
        misses = [
            np.mean((found[c.pairs.helper, c.pairs.helped] - c.pairs.value) ** 2) for c in checks
        ]
        errors.append(0.2 * misses[0] + 0.8 * misses[1])
    chosen = kind.fit(replace(part, checks=checks))
    assert chosen.setting == int(np.argmin(errors))
    assert len(set(np.round(errors, 8))) > 1


@pytest.mark.parametrize("kind", [Cosine, Additive, Ridge, Neighbours, Landmark])
def test_single_rows(kind: Any, pointwise: Task) -> None:
    model = kind.fit(pointwise)
    found = matrix(model, pointwise)
    assert found.shape == (N, 1) and np.isfinite(found).all()
    values = pointwise.pairs.value
    if kind is Cosine:
        np.testing.assert_allclose(found, values.mean(), atol=1e-6)
    else:
        assert np.corrcoef(found[: N - 3, 0], values)[0, 1] > 0.5
    pairs = pointwise.pairs
    np.testing.assert_allclose(
        model.predict(pointwise.helpers, pointwise.helped, pairs), found[pairs.helper, 0], atol=1e-5
    )


@pytest.mark.parametrize("kind", [Cosine, Additive, Ridge, Neighbours, Landmark])
def test_some_pairs_are_those_of_the_block(kind: Any, task: Task) -> None:
    """Only the rows in the pairs are projected; means of rows must still find their rows."""
    model = kind.fit(task)
    i, j = np.array([20, 3, 20, 25]), np.array([2, 2, 17, 0])
    found = model.predict(task.helpers, task.helped, Pairs(i, j, np.zeros(4, np.float32)))
    np.testing.assert_allclose(found, matrix(model, task)[i, j], atol=1e-5)
