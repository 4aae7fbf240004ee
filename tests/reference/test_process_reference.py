"""The Gaussian process against the textbook: a full covariance matrix and an exact solve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nncift_core.network import process, strengths
from nncift_core.network.process import Posterior, fit_posterior
from nncift_core.network.strengths import Side, Strengths, fit_strengths, minus_log_likelihood

N, M, K, LABELS = 22, 15, 5, 120
# Sharp similarities keep the landmarks' matrix well conditioned.
GIVEN = Strengths(Side(0.2, 1.1, 0.3, 4.0), Side(0.4, 0.7, 0.15, 6.0), 0.2)


@pytest.fixture
def rows(unit_vectors: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return unit_vectors(N, K, 1), unit_vectors(M, K, 2)


@pytest.fixture
def labels() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all but the last 4 rows of either side."""
    rng = np.random.default_rng(3)
    places = np.sort(rng.permutation((N - 4) * (M - 4))[:LABELS])
    i, j = np.unravel_index(places, (N - 4, M - 4))
    values = rng.standard_normal(N)[i] * rng.standard_normal(M)[j] + rng.standard_normal(LABELS)
    return i.astype(np.int64), j.astype(np.int64), (values - values.mean()) / values.std()


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TOLERANCE", 1e-12)


def covariance(side: Side, one: np.ndarray, other: np.ndarray, same: np.ndarray) -> np.ndarray:
    alike = np.exp(side.sharpness * (one.astype(float) @ other.astype(float).T - 1))
    return side.constant + side.similar * alike + side.own * same


def textbook(
    rows: Any, labels: Any, given: Strengths, *, known: bool = True, pointwise: bool = False
) -> np.ndarray:
    """Posterior mean of every pair; where rows are not known none is one that was labelled.

    Without what a single labelled pair has of its own, which says nothing of any other pair.
    """
    helpers, helped = rows
    i, j, values = labels
    kx = covariance(given.helpers, helpers, helpers, np.eye(N))
    ky = covariance(given.helped, helped, helped, np.eye(M))
    across_x, across_y = kx, ky
    if not known:
        across_x = covariance(given.helpers, helpers, helpers, np.zeros((N, N)))
        across_y = covariance(given.helped, helped, helped, np.zeros((M, M)))
    if pointwise:
        ky = across_y = np.ones((1, 1))
    full = kx[np.ix_(i, i)] * ky[np.ix_(j, j)] + given.noise * np.eye(len(i))
    weights = np.linalg.solve(full, values)
    found = np.empty((N, len(ky)))
    for row in range(N):
        for column in range(len(ky)):
            found[row, column] = across_x[row, i] * across_y[column, j] @ weights
            if known and not pointwise:
                own = given.helpers.own * given.helped.own
                found[row, column] -= own * weights[(i == row) & (j == column)].sum()
    return found


def predictions(posterior: Posterior, rows: Any, *, known: bool = True) -> np.ndarray:
    left = posterior.project_helpers(rows[0], known=known)
    right = posterior.project_helped(rows[1], known=known)
    assert left.dtype == right.dtype == np.float32
    found: np.ndarray = left.astype(float) @ right.astype(float).T
    return found


def solved(rows: Any, labels: Any) -> Posterior:
    return fit_posterior(*rows, M, *labels, GIVEN, 0)


@pytest.mark.parametrize("known", [True, False])
def test_mean_of_every_pair(
    known: bool, rows: Any, labels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "ROWS", 7)  # several chunks, the last one short
    monkeypatch.setattr(process, "LABELS", 50)
    truth = textbook(rows, labels, GIVEN, known=known)
    assert truth.std() > 0.1
    # Landmarks are the labelled rows, so nothing is lost on them.
    found = predictions(solved(rows, labels), rows, known=known)
    np.testing.assert_allclose(found[: N - 4, : M - 4], truth[: N - 4, : M - 4], atol=1e-4)
    # Of rows without a label the features are a projection; these are close, not equal.
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.99


def test_own_terms_are_forgotten_for_rows_that_are_not_known(rows: Any, labels: Any) -> None:
    posterior = solved(rows, labels)
    known, new = (predictions(posterior, rows, known=one) for one in (True, False))
    assert np.abs(known - new)[: N - 4, : M - 4].max() > 0.05
    # A row without a label has nothing of its own to forget.
    np.testing.assert_allclose(known[N - 4 :, M - 4 :], new[N - 4 :, M - 4 :], atol=1e-6)


def test_rows_may_be_fewer_or_more_than_it_was_fitted_on(
    rows: Any, labels: Any, unit_vectors: Any
) -> None:
    posterior = solved(rows, labels)
    whole = predictions(posterior, rows)
    few = predictions(posterior, (rows[0][:3], rows[1][:2]))
    np.testing.assert_allclose(few, whole[:3, :2], atol=1e-5)
    more = np.concatenate([rows[0], unit_vectors(5, K, 9)])
    np.testing.assert_allclose(predictions(posterior, (more, rows[1]))[:N], whole, atol=1e-5)


@pytest.mark.parametrize("mistake", ["sides swapped", "own terms twice", "no own terms", "noise"])
def test_the_classic_mistakes_would_be_seen(rows: Any, labels: Any, mistake: str) -> None:
    posterior = solved(rows, labels)
    truth = textbook(rows, labels, GIVEN)[: N - 4, : M - 4]
    twice = replace(
        posterior, helper_own=2 * posterior.helper_own, helped_own=2 * posterior.helped_own
    )
    wrong = {
        "sides swapped": lambda: fit_posterior(
            *rows, M, *labels, Strengths(GIVEN.helped, GIVEN.helpers, GIVEN.noise), 0
        ),
        "own terms twice": lambda: twice,
        "no own terms": lambda: replace(posterior, helper_own=0 * posterior.helper_own),
        "noise": lambda: fit_posterior(*rows, M, *labels, replace(GIVEN, noise=0.3), 0),
    }[mistake]()
    found = predictions(wrong, rows)[: N - 4, : M - 4]
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found, truth, atol=1e-4)


def test_single_rows(rows: Any) -> None:
    rng = np.random.default_rng(5)
    labels = np.arange(N - 4), np.zeros(N - 4, np.int64), rng.standard_normal(N - 4)
    given = Strengths(GIVEN.helpers, Side(1.0, 0.0, 0.0, 1.0), 0.2)
    posterior = fit_posterior(rows[0], None, 1, *labels, given, 0)
    found = predictions(posterior, (rows[0], np.empty((1, 0), np.float32)))
    truth = textbook((rows[0], rows[1][:1]), labels, given, pointwise=True)
    np.testing.assert_allclose(found[: N - 4], truth[: N - 4], atol=1e-4)


def test_a_system_that_does_not_converge_is_still_finite(
    rows: Any, labels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MOST_ITERATIONS", 2)
    posterior = fit_posterior(*rows, M, *labels, replace(GIVEN, noise=1e-4), 0)
    assert np.isfinite(predictions(posterior, rows)).all()


# Strengths


def dense_loss(logs: torch.Tensor, rows: Any, labels: Any) -> torch.Tensor:
    """Minus the log likelihood without its constant, by the formula, for autograd."""
    i, j, values = labels
    n = len(logs) // 4
    whole = torch.ones(len(i), len(i), dtype=torch.float64)
    for side, (data, at) in enumerate(list(zip(rows, (i, j), strict=True))[:n]):
        constant, similar, own, sharpness = logs[4 * side : 4 * side + 4].exp()
        mine = torch.from_numpy(data[at].astype(float))
        same = torch.from_numpy((at[:, None] == at[None]).astype(float))
        whole = whole * (
            constant + similar * torch.exp(sharpness * (mine @ mine.T - 1)) + own * same
        )
    whole = whole + (logs[-1].exp() + strengths.JITTER) * torch.eye(len(i), dtype=torch.float64)
    target = torch.from_numpy(values)
    return 0.5 * target @ torch.linalg.solve(whole, target) + 0.5 * torch.logdet(whole)


@pytest.mark.parametrize("n_sides", [1, 2])
def test_likelihood_and_its_slopes(n_sides: int, rows: Any, labels: Any) -> None:
    if n_sides == 1:
        labels = np.arange(N), np.zeros(N, np.int64), labels[2][:N]
    rng = np.random.default_rng(8)
    logs = torch.from_numpy(rng.normal(-0.5, 0.7, 4 * n_sides + 1)).requires_grad_()
    sides = [
        strengths._Kernel(data, at)
        for data, at in list(zip(rows, labels[:2], strict=True))[:n_sides]
    ]
    value, slope = minus_log_likelihood(sides, torch.from_numpy(labels[2]), logs.detach().exp())
    expected = dense_loss(logs, rows, labels)
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-9)
    np.testing.assert_allclose(slope, logs.grad, rtol=1e-6, atol=1e-8)


def test_the_strengths_are_those_that_autograd_would_find(rows: Any, labels: Any) -> None:
    start = torch.tensor([*strengths.START, *strengths.START, strengths.START_NOISE]).double()
    logs = start.log().requires_grad_()
    optimizer = torch.optim.Adam([logs], lr=strengths.RATE)
    for _ in range(strengths.STEPS):
        optimizer.zero_grad()
        pull = ((logs - start.log()) ** 2).sum() / 8
        (dense_loss(logs, rows, labels) + pull).backward()
        optimizer.step()
        with torch.no_grad():
            logs.clamp_(np.log(strengths.LEAST), np.log(strengths.MOST))
    found = fit_strengths(*rows, *labels, 0)
    expected = logs.detach().exp().tolist()
    assert found == Strengths(Side(*found_of(found.helpers)), Side(*found_of(found.helped)),
                              found.noise)  # fmt: skip
    np.testing.assert_allclose(
        [*found_of(found.helpers), *found_of(found.helped), found.noise], expected, rtol=1e-5
    )
    # It fits better than where it began.
    assert dense_loss(logs, rows, labels) < dense_loss(start.log(), rows, labels)


def found_of(side: Side) -> tuple[float, float, float, float]:
    return side.constant, side.similar, side.own, side.sharpness


def test_strengths_tell_rows_with_something_of_their_own(rows: Any) -> None:
    """Labels that are row effects, unrelated to inputs, against labels that are noise."""
    rng = np.random.default_rng(4)
    i, j = (part.ravel() for part in np.meshgrid(np.arange(N), np.arange(M), indexing="ij"))
    effects, noise = rng.standard_normal(N)[i], rng.standard_normal(len(i))
    found = [
        fit_strengths(*rows, i, j, (values - values.mean()) / values.std(), 0)
        for values in (effects + 0.1 * noise, noise)
    ]
    assert found[0].helpers.own > 5 * found[0].helped.own
    assert found[0].noise < 0.05 < 0.3 < found[1].noise


def test_constant_labels_keep_the_start(rows: Any, labels: Any) -> None:
    found = fit_strengths(*rows, *labels[:2], np.zeros(LABELS), 0)
    np.testing.assert_allclose(found_of(found.helpers), strengths.START)


def test_a_covariance_without_a_root_keeps_the_last_good_strengths(
    rows: Any, labels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = strengths.minus_log_likelihood, []

    def failing(*arguments: Any) -> Any:
        calls.append(arguments[2].clone())
        if len(calls) == 4:
            raise ArithmeticError
        return real(*arguments)

    monkeypatch.setattr(strengths, "minus_log_likelihood", failing)
    found = fit_strengths(*rows, *labels, 0)
    assert len(calls) == 4
    np.testing.assert_allclose(
        [*found_of(found.helpers), *found_of(found.helped), found.noise], calls[2]
    )


def test_a_singular_covariance_is_said(rows: Any, labels: Any) -> None:
    sides = [strengths._Kernel(rows[0], labels[0])]
    nothing = torch.tensor([0.0, 0.0, 0.0, 1.0, -strengths.JITTER], dtype=torch.float64)
    with pytest.raises(ArithmeticError, match="positive definite"):
        minus_log_likelihood(sides, torch.from_numpy(labels[2]), nothing)


def test_same_seed_same_numbers(rows: Any, labels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strengths, "FITTED_LABELS", 60)  # a sample of the labels is drawn
    monkeypatch.setattr(process, "LANDMARKS", 9)
    first, again, other = (fit_strengths(*rows, *labels, seed) for seed in (1, 1, 2))
    assert first == again != other
    posteriors = [fit_posterior(*rows, M, *labels, GIVEN, seed) for seed in (1, 1, 2)]
    assert posteriors[0].core.tobytes() == posteriors[1].core.tobytes()
    assert posteriors[0].core.tobytes() != posteriors[2].core.tobytes()
