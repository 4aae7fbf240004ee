"""Fitting and picking: the lowest weighted error on labels kept out, honest about it, never NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nncift_core.errors import Cancelled, DataError
from nncift_core.network import ESTIMATORS, fitting, learned
from nncift_core.network.fitting import Fitted, chosen_of, fit
from nncift_core.network.learned import Learned
from nncift_core.network.predict import Predictor
from nncift_core.network.process_estimator import Process
from nncift_core.network.training import TrainingSettings
from nncift_core.progress import SilentProgress
from nncift_core.types import Pairs

N, M, D = 40, 30, 8
NAMES = [name for name in ESTIMATORS if name != "auto"]


@pytest.fixture
def sides(unit_vectors: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return unit_vectors(N, D, 1), unit_vectors(M, D, 2)


def spread(truth: np.ndarray, count: int = 500, rows: int = N, columns: int = M) -> Pairs:
    """``count`` labels of the first ``rows`` and ``columns``."""
    places = np.random.default_rng(3).permutation(rows * columns)[:count]
    i, j = np.unravel_index(places, (rows, columns))
    return Pairs(i, j, truth[i, j].astype(np.float32))


def block(fitted: Fitted, sides: Any) -> np.ndarray:
    projected = fitted.project(*sides)
    return Predictor(projected, compile="never").block(0, projected.helpers.shape[0])


@pytest.fixture
def pick(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fitted]:
    """``pick(names, sides, pairs)``: what ``auto`` makes of these estimators in one draw."""

    def run(names: tuple[str, ...], sides: Any, pairs: Pairs, **more: Any) -> Fitted:
        monkeypatch.setattr(fitting, "PICKED_FROM", names)
        monkeypatch.setattr(fitting, "DRAWS_OF_FEW", 1)
        return fit("auto", *sides, {"q1": pairs}, 0, SilentProgress(), **more)

    return run


CLOSED = ("cosine", "additive", "ridge", "neighbours", "landmark", "process")


def test_labels_that_are_the_cosine(sides: Any, pick: Any) -> None:
    truth = 7 + 3 * sides[0].astype(float) @ sides[1].T
    fitted = pick(CLOSED, sides, spread(truth, 200, 30, 20))
    assert fitted.name in ("cosine", "process")
    np.testing.assert_allclose(block(fitted, sides), truth, atol=1e-5)
    np.testing.assert_allclose(
        (block(fitted, sides) - fitted.scale.lo) / fitted.scale.width,
        (truth - fitted.scale.lo) / fitted.scale.width, atol=2e-6,
    )  # fmt: skip


def test_labels_that_are_row_and_column_effects(sides: Any, pick: Any) -> None:
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((N, 1)) + rng.standard_normal((1, M))
    fitted = pick(CLOSED, sides, spread(truth))
    assert fitted.name in ("additive", "process")
    tried = {candidate.name: candidate.validation_mse for candidate in fitted.candidates}
    assert max(tried["additive"], tried["process"]) < 0.5 * min(tried["ridge"], tried["cosine"])
    assert np.mean((block(fitted, sides) - truth) ** 2) < 0.05 * truth.var()


def test_labels_that_are_products(sides: Any, pick: Any) -> None:
    rng = np.random.default_rng(0)
    hidden = (sides[0] @ rng.standard_normal((D, 2))) @ (sides[1] @ rng.standard_normal((D, 2))).T
    fitted = pick(("paper", "ridge", "product"), sides, spread(hidden))
    tried = {candidate.name: candidate.validation_r2 for candidate in fitted.candidates}
    assert fitted.name != "paper"
    assert tried["ridge"] > 0.8 and tried["ridge"] > tried["paper"] + 0.3
    assert tried["product"] > tried["paper"]


def test_a_named_estimator_is_used_even_if_another_is_better(sides: Any) -> None:
    truth = sides[0] @ sides[1].T
    fitted = fit("additive", *sides, {"q1": spread(truth)}, 0, SilentProgress())
    assert fitted.name == "additive"
    (candidate,) = fitted.candidates
    assert candidate.chosen and candidate.pair_cost == 2 and candidate.validation_r2 < 0.5


# Picking, with errors that are given


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, sides: Any) -> Callable[..., Any]:
    """``given({name: errors by draw})``: fit with these errors; and who was fitted, in order."""

    def run(errors: dict[str, list[float]]) -> tuple[Fitted, list[str]]:
        order: list[str] = []

        def go(self: Any, task: Any) -> None:
            order.append(self.name)
            self.errors.append(errors[self.name][len(self.errors)])
            self._spreads.append(1.0)
            self._settings.append(None)

        monkeypatch.setattr(fitting._Trial, "go", go)
        monkeypatch.setattr(fitting, "PICKED_FROM", tuple(errors))
        pairs = spread(sides[0] @ sides[1].T)
        return fit("auto", *sides, {"q1": pairs}, 0, SilentProgress()), order

    return run


def test_ties_go_by_name(given: Any) -> None:
    for names in (("ridge", "cosine", "additive"), ("additive", "ridge", "cosine")):
        fitted, _ = given({name: [0.5, 0.5, 0.5] for name in names})
        assert [one.name for one in fitted.candidates] == ["additive", "cosine", "ridge"]
        assert [one.chosen for one in fitted.candidates] == [True, False, False]


def test_errors_of_all_draws_decide(given: Any) -> None:
    fitted, order = given(
        {"ridge": [0.10, 0.30, 0.30], "cosine": [0.12, 0.12, 0.12], "additive": [0.5, 0.0, 0.0]}
    )
    # Far from the best in the first draw: not tried again.
    assert order.count("additive") == 1 and order.count("cosine") == 3
    assert fitted.name == chosen_of(fitted.candidates).name == "cosine"
    assert fitted.candidates[0].validation_mse == pytest.approx(0.12)
    assert fitted.candidates[0].validation_r2 == pytest.approx(0.88)
    assert fitted.candidates[-1].name == "additive"
    assert sum(one.chosen for one in fitted.candidates) == 1


def test_what_is_kept_out_is_weighted_by_the_shape(
    sides: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = fitting.split

    def spy(labelled: Pairs, shape: Any, seed: int, **more: Any) -> Any:
        found = real(labelled, shape, seed, **more)
        seen.append((shape, {check.kind: check.weight for check in found[1]}))
        return found

    monkeypatch.setattr(fitting, "split", spy)
    by_role = {"q1": spread(sides[0] @ sides[1].T, 200, 20, 15)}
    fit("cosine", *sides, by_role, 0, SilentProgress(), shape=(25, 20))
    assert len(seen) == 3 and {shape for shape, _ in seen} == {(25, 20)}
    assert seen[0][1]["q4"] == pytest.approx(5 * 5 / (25 * 20 - 200))


# Further labels


def test_labels_of_other_matrices_are_learned_from(sides: Any) -> None:
    truth = 5 + sides[0] @ sides[1].T
    pairs = spread(truth, 100, 20, 15)
    more = Pairs(np.array([38, 38, 39]), np.array([28, 29, 28]), np.array([6, 6, 4], np.float32))
    plain, fuller = (
        fit("additive", *sides, {"q1": pairs}, 0, SilentProgress(), shape=(20, 15), more=further)
        for further in (None, more)
    )
    assert plain.scale == fuller.scale  # that of X
    assert plain.model.arrays()["rows"][38] == 0 != fuller.model.arrays()["rows"][38]
    assert fuller.candidates[0].validation_mse is not None


def test_rows_kept_out_are_not_told_by_other_matrices(
    sides: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[Any] = []
    real = fitting._Trial.go

    def spy(self: Any, task: Any) -> None:
        tasks.append(task)
        real(self, task)

    monkeypatch.setattr(fitting._Trial, "go", spy)
    pairs = spread(sides[0] @ sides[1].T, 200, 30, 15)
    i, j = (part.ravel() for part in np.meshgrid(np.arange(30), np.arange(20, 30), indexing="ij"))
    more = Pairs(i, j, np.ones(300, np.float32))
    fit("additive", *sides, {"q1": pairs}, 0, SilentProgress(), shape=(N, 20), more=more)
    for task in tasks:
        assert (task.pairs.helped >= 20).sum() == 10 * 27  # three of 30 rows are kept out
        for check in task.checks:
            if check.kind in ("q2", "q4"):
                assert not np.isin(check.pairs.helper, task.pairs.helper).any()


# Corners


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    short = TrainingSettings(epochs=2)
    monkeypatch.setattr(Learned, "settings", short)
    monkeypatch.setattr(learned, "PAPER", short)
    monkeypatch.setattr(fitting, "DRAWS_OF_FEW", 1)


@pytest.mark.parametrize("values", [[0.5, 0.5, 0.5], [0.5], []])
def test_labels_without_two_values_are_a_sentence(sides: Any, values: list[float]) -> None:
    at = np.arange(len(values))
    with pytest.raises(DataError, match="no two different values"):
        fit("auto", *sides, {"q1": Pairs(at, at, np.array(values, "f4"))}, 0, SilentProgress())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_a_sentence(sides: Any, bad: float) -> None:
    pairs = spread(sides[0] @ sides[1].T)
    pairs.value[3] = bad
    with pytest.raises(DataError, match="label is not a finite"):
        fit("auto", *sides, {"q1": pairs}, 0, SilentProgress())
    sides[1][2, 0] = bad
    with pytest.raises(DataError, match="embeddings hold"):
        fit("auto", *sides, {"q1": pairs}, 0, SilentProgress())


@pytest.mark.parametrize("name", ["auto", *NAMES])
@pytest.mark.parametrize("places", [[(0, 0), (0, 1)], [(0, 0), (1, 1), (1, 0)]])
def test_a_few_labels_are_enough_to_say_something_finite(
    name: str, places: list[tuple[int, int]], sides: Any, quick: None
) -> None:
    i, j = (np.array(part) for part in zip(*places, strict=True))
    pairs = Pairs(i, j, np.arange(len(i), dtype=np.float32))
    fitted = fit(name, *sides, {"q1": pairs}, 0, SilentProgress())
    assert np.isfinite(block(fitted, sides)).all()
    assert sum(one.chosen for one in fitted.candidates) == 1


def test_without_labels_to_keep_out_it_says_so(sides: Any, quick: None) -> None:
    pairs = Pairs(np.array([0, 1]), np.array([0, 1]), np.array([0, 1], np.float32))
    fitted = fit("auto", *sides, {"q1": pairs}, 0, SilentProgress())
    assert fitted.name == "ridge"
    assert fitted.candidates[0].validation_mse is None


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_all_equal(name: str, sides: Any, quick: None) -> None:
    same = tuple(np.repeat(side[:1], len(side), axis=0) for side in sides)
    pairs = spread(np.random.default_rng(0).standard_normal((N, M)), 100)
    fitted = fit(name, *same, {"q1": pairs}, 0, SilentProgress())
    assert np.isfinite(block(fitted, same)).all()


@pytest.mark.parametrize("name", ["paper", "product", "towers", "ensemble"])
def test_another_seed_is_another_network(name: str, sides: Any, quick: None) -> None:
    by_role = {"q1": spread(sides[0] @ sides[1].T, 100)}
    blocks = [block(fit(name, *sides, by_role, seed, SilentProgress()), sides) for seed in (1, 2)]
    assert not np.allclose(*blocks, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_cancelling_passes_through(name: str, sides: Any, recording: Any, quick: None) -> None:
    by_role = {"q1": spread(sides[0] @ sides[1].T, 100)}
    with pytest.raises(Cancelled):
        fit(name, *sides, by_role, 0, recording("train", 2))


@pytest.mark.parametrize("name", ["product", "towers", "ensemble"])
def test_a_network_sees_whitened_rows(name: str, sides: Any, quick: None) -> None:
    """Block against mapping, length 2 and forward of each pair, in float64."""
    fitted = fit(name, *sides, {"q1": spread(sides[0] @ sides[1].T, 100)}, 0, SilentProgress())
    model = fitted.model
    assert isinstance(model, Learned) and model.whitening is not None
    prepared = []
    for side in sides:
        plain = (side.astype(float) - model.whitening.mean) @ model.whitening.weight
        prepared.append(2 * plain / np.linalg.norm(plain, axis=1, keepdims=True))
    found = block(fitted, sides)
    network = model.network.double()
    left, right = (torch.from_numpy(rows) for rows in prepared)
    with torch.no_grad():
        for i in (0, 7, 39):
            scores = network(left[i : i + 1].expand(M, -1), right).numpy()
            expected = fitted.scale.lo + fitted.scale.width * scores
            np.testing.assert_allclose(found[i], expected, atol=1e-5)


@pytest.mark.parametrize("cosine", [0.0, 1.0])
def test_the_process_adds_likeness_mean_and_deviation(cosine: float, sides: Any) -> None:
    rng = np.random.default_rng(0)
    truth = 4 + cosine * sides[0] @ sides[1].T + 0.3 * rng.standard_normal((N, 1))
    fitted = fit("process", *sides, {"q1": spread(truth, 150, 30, 20)}, 0, SilentProgress())
    model = fitted.model
    assert isinstance(model, Process)
    likeness = model.likeness
    assert (likeness is not None) == bool(cosine)
    posterior, white = model.posterior, [model.whitening.apply(side) for side in sides]
    left, right = (
        np.concatenate(
            [np.full((len(rows), 1), side.constant**0.5), side.similar**0.5 * feature.apply(rows)],
            axis=1,
        )
        for rows, side, feature in zip(
            white,
            (posterior.strengths.helpers, posterior.strengths.helped),
            (posterior.helper_features, posterior.helped_features),
            strict=True,
        )
    )
    expected = np.empty((N, M))
    for i in range(N):
        for j in range(M):
            shared = left[i] @ posterior.core @ right[j]
            own = posterior.helper_own[i] @ right[j] + left[i] @ posterior.helped_own[j]
            expected[i, j] = model.mean + model.deviation * (shared + own)
            if likeness is not None:
                expected[i, j] += likeness.intercept + likeness.cosine * (sides[0][i] @ sides[1][j])
                if likeness.features is not None:
                    x, y = (
                        likeness.features.apply(w[n : n + 1])[0]
                        for w, n in zip(white, (i, j), strict=True)
                    )
                    expected[i, j] += likeness.similarity * (x @ y)
    in_units = fitted.scale.lo + fitted.scale.width * expected
    np.testing.assert_allclose(block(fitted, sides), in_units, atol=2e-5)
    assert fitted.parameters == 150 + 9 + (0 if likeness is None else likeness.parameters)
