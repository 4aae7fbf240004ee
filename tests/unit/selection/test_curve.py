from __future__ import annotations

import numpy as np
import pytest

from nncift_core.selection.curve import gain_curve


def _slow(gains: list[float], rounds: list[int]) -> list[float]:
    """Value of the pick's own round after each pick."""
    return [
        sum(g for g, r in zip(gains[: i + 1], rounds[: i + 1], strict=True) if r == rounds[i])
        for i in range(len(gains))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_value_starts_anew_in_each_round(seed: int) -> None:
    random = np.random.default_rng(seed)
    gains = random.uniform(0, 1, 40).tolist()
    rounds = np.sort(random.integers(1, 5, 40))
    rounds = np.unique(rounds, return_inverse=True)[1] + 1
    curve = gain_curve(gains, rounds.tolist())
    assert curve.pick == tuple(range(1, 41))
    assert curve.value == pytest.approx(_slow(gains, rounds.tolist()))
    assert curve.gain == pytest.approx(gains)
    assert curve.round == tuple(rounds.tolist())
    starts = [i + 1 for i in range(40) if i == 0 or rounds[i] != rounds[i - 1]]
    assert curve.round_starts == tuple(starts)


def test_knee_is_the_first_pick_with_nine_tenths_of_round_one() -> None:
    assert gain_curve([5, 3, 1, 0.5, 0.5, 100], [1, 1, 1, 1, 1, 2]).knee == 3
    assert gain_curve([1.0], [1]).knee == 1
    assert gain_curve([0.0, 0.0], [1, 1]).knee is None
    assert gain_curve([-1.0, -2.0], [1, 1]).knee is None


def test_long_selections_are_thinned_and_keep_ends_and_knee() -> None:
    gains = [1 / rank for rank in range(1, 5001)] + [0.5] * 5000
    rounds = [1] * 5000 + [2] * 5000
    curve = gain_curve(gains, rounds, most_points=100)
    assert len(curve.pick) < 120
    assert {1, 5000, 5001, 10000, curve.knee} <= set(curve.pick)
    at = curve.pick.index(5000)
    assert curve.value[at] == pytest.approx(sum(gains[:5000]))


def test_many_rounds_do_not_defeat_thinning() -> None:
    curve = gain_curve([1.0] * 10_000, list(range(1, 10_001)), most_points=100)
    assert len(curve.pick) < 200
    assert len(curve.round_starts) == 10_000


def test_missing_gains_count_nothing_and_no_picks_give_no_curve() -> None:
    assert gain_curve([None, 2.0], [1, 1]).value == (0.0, 2.0)
    assert gain_curve([], []).pick == ()
