"""The law of a learning curve: what it finds, and how often its interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from nncift_core.studies import learning_curve
from nncift_core.studies.learning_curve import FAR, fit_curve

LABELS = np.array([250, 500, 1000, 2000])


def law(labels: float | np.ndarray, floor: float, scale: float, exponent: float) -> np.ndarray:
    return 1 - floor - scale * (np.asarray(labels) / LABELS[-1]) ** -exponent


def draws(seed: int, *parameters: float, count: int = 5, noise: float = 0.03) -> np.ndarray:
    """R² of draws around a law; a draw's sizes err together, small sizes more."""
    rng = np.random.default_rng(seed)
    own, common = rng.standard_normal((count, 4)), rng.standard_normal((count, 1))
    return law(LABELS, *parameters) + noise * np.array([2, 1.5, 1, 0.7]) * 0.7 * (own + common)


@pytest.mark.parametrize("parameters", [(0.1, 0.3, 0.5), (0.3, 0.2, 1.0), (0.0, 0.5, 0.3)])
def test_a_law_without_noise_is_found_again(parameters: tuple[float, float, float]) -> None:
    curve = fit_curve(LABELS, np.tile(law(LABELS, *parameters), (3, 1)))
    for labels in (250, 2000, 8000, 16000):
        assert curve.predict(labels) == pytest.approx(law(labels, *parameters), abs=0.01)
    wanted = float(law(6000, *parameters))
    assert curve.labels_for(wanted) == pytest.approx(6000, rel=0.1)


@pytest.mark.parametrize("parameters", [(0.1, 0.3, 0.5), (0.0, 0.5, 0.3), (0.95, 0.05, 0.5)])
def test_the_interval_holds_the_law_about_as_often_as_it_says(
    parameters: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_curve, "RESAMPLES", 400)
    held = dict.fromkeys((1, 4, 8), 0)
    tries = 150
    for seed in range(tries):
        curve = fit_curve(LABELS, draws(seed, *parameters), seed=seed)
        for factor in held:
            low, high = curve.interval(2000 * factor)
            held[factor] += low <= law(2000 * factor, *parameters) <= high
    for count in held.values():
        # 95 % of 150 with room for the tries' own chance.
        assert 0.88 * tries <= count <= tries


def test_draws_that_share_their_labels_are_less_sure() -> None:
    r2 = draws(1, 0.1, 0.3, 0.5)
    alone, shared = (fit_curve(LABELS, r2, shared=share).interval(8000) for share in (0.0, 0.25))
    assert shared[1] - shared[0] > 1.3 * (alone[1] - alone[0])


def test_more_labels_than_the_curve_speaks_of_are_marked() -> None:
    curve = fit_curve(LABELS, draws(2, 0.1, 0.3, 0.5))
    assert not curve.is_far(FAR * 2000)
    assert curve.is_far(FAR * 2000 + 1)


def test_what_no_number_of_labels_gives_is_none() -> None:
    curve = fit_curve(LABELS, np.tile(law(LABELS, 0.3, 0.2, 1.0), (3, 1)))
    assert curve.labels_for(0.72) is None
    assert curve.labels_for(0.6) is not None


@pytest.mark.parametrize("seed", range(6))
def test_noise_explains_nothing_and_a_signal_does(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(-0.06, 0.04, (5, 4)) - [0.4, 0.2, 0.1, 0.0]
    assert fit_curve(LABELS, noise, seed=seed).explains_nothing
    assert not fit_curve(LABELS, draws(seed, 0.5, 0.2, 0.5), seed=seed).explains_nothing


def test_the_same_draws_give_the_same_numbers() -> None:
    one, two = (fit_curve(LABELS, draws(3, 0.1, 0.3, 0.5), seed=4) for _ in range(2))
    assert one.as_json() == two.as_json()
    assert one.line(9000) == two.line(9000)


def test_too_little_makes_no_curve() -> None:
    with pytest.raises(ValueError, match="do not make a curve"):
        fit_curve(LABELS[:2], np.zeros((5, 2)))
    with pytest.raises(ValueError, match="do not make a curve"):
        fit_curve(LABELS, np.zeros((1, 4)))


def test_one_wild_draw_of_a_small_size_does_not_spoil_the_law() -> None:
    r2 = draws(5, 0.1, 0.3, 0.5)
    r2[0, 0] = -40.0
    assert fit_curve(LABELS, r2).predict(2000) == pytest.approx(0.6, abs=0.06)
