"""Proposals: within the budget, within the data, and honest where labels will not help."""

from __future__ import annotations

import numpy as np
import pytest

from nncift_core.errors import ConfigError
from nncift_core.studies.learning_curve import LearningCurve, fit_curve
from nncift_core.studies.plan_costs import Rates, Work, about, rates_of
from nncift_core.studies.planner import FRACTIONS, Goal, Plan, propose

N_TRAIN, N_TARGET = 3000, 1000
SIZES = np.array([250, 500, 1000, 2000])
RATES = Rates(100.0, 80.0, 125.0, "measured now")


def curve(floor: float = 0.1, scale: float = 0.3, noise: float = 0.02) -> LearningCurve:
    rng = np.random.default_rng(0)
    return fit_curve(
        SIZES, 1 - floor - scale * (SIZES / 2000) ** -0.5 + noise * rng.standard_normal((5, 4))
    )


def nothing() -> LearningCurve:
    rng = np.random.default_rng(1)
    return fit_curve(SIZES, -0.05 + 0.03 * rng.standard_normal((5, 4)))


def work(fraction: float) -> Work | None:
    pairs = round(fraction**2 * N_TRAIN * N_TARGET)
    return None if pairs < 100 else Work(pairs, 500, pairs + 500, 10.0)


WHOLE = Work(0, 0, N_TRAIN * N_TARGET, 10.0)


def plan(goal: Goal, fitted: LearningCurve | None = None, whole: Work = WHOLE) -> Plan:
    return propose(goal, fitted or curve(), work, whole, RATES)


@pytest.mark.parametrize("seconds", [40, 60, 150, 600, 3600, 20_000])
def test_a_time_budget_is_kept_even_at_the_slow_end(seconds: float) -> None:
    found = plan(Goal(seconds=seconds))
    proposal = found.proposal
    assert proposal is not None
    assert proposal.units / RATES.low + 10 == pytest.approx(proposal.seconds_ci[1])
    assert proposal.seconds_ci[0] < proposal.seconds < proposal.seconds_ci[1] <= seconds
    # The next fraction would not fit.
    place = FRACTIONS.index(proposal.fraction)
    if place + 1 < len(FRACTIONS):
        after = work(FRACTIONS[place + 1])
        assert after is not None and after.seconds(RATES)[2] > seconds


def test_a_budget_that_pays_for_nothing_says_so() -> None:
    found = plan(Goal(seconds=12))
    assert (found.verdict, found.proposal) == ("unaffordable", None)
    assert "too short" in found.sentence


def test_a_budget_that_pays_for_everything_means_exact() -> None:
    found = plan(Goal(seconds=40_000), whole=Work(0, 0, N_TRAIN * N_TARGET, 10.0))
    assert (found.verdict, found.proposal) == ("exact", None)
    assert "--exact" in found.sentence
    # Affordable on average and not at the slow end: it is not promised.
    assert plan(Goal(seconds=33_000)).verdict == "good"


@pytest.mark.parametrize("accuracy", [0.4, 0.6, 0.75, 0.85])
def test_an_accuracy_gives_the_smallest_fraction_that_reaches_it(accuracy: float) -> None:
    found = plan(Goal(accuracy=accuracy))
    proposal = found.proposal
    assert proposal is not None and proposal.r2 is not None
    assert proposal.r2 >= accuracy
    before = work(round(proposal.fraction - 0.005, 3))
    assert before is None or curve().predict(before.training) < accuracy
    assert proposal.r2_ci is not None
    assert proposal.r2_ci[0] <= proposal.r2 <= proposal.r2_ci[1]
    assert f"{proposal.r2:.2f}" in found.sentence
    assert "95 % interval" in found.sentence


def test_what_lies_below_the_smallest_run_is_met_by_it() -> None:
    found = plan(Goal(accuracy=0.05))
    smallest = next(fraction for fraction in FRACTIONS if work(fraction))
    assert found.proposal is not None
    assert found.proposal.fraction == smallest


def test_an_accuracy_out_of_reach_is_not_promised() -> None:
    found = plan(Goal(accuracy=0.95))
    assert (found.verdict, found.proposal) == ("unreachable", None)
    assert "out of reach" in found.sentence
    assert found.exact.units == N_TRAIN * N_TARGET


def test_an_accuracy_that_takes_most_labels_means_exact() -> None:
    found = plan(Goal(accuracy=0.85), whole=Work(0, 0, 20_000, 10.0))
    assert (found.verdict, found.proposal) == ("exact", None)


@pytest.mark.parametrize("goal", [Goal(seconds=3600), Goal(accuracy=0.5)])
def test_noise_is_warned_of_plainly_and_nothing_is_proposed(goal: Goal) -> None:
    found = plan(goal, nothing())
    assert (found.verdict, found.proposal) == ("mean", None)
    assert "will not beat predicting the mean" in found.sentence
    assert "another method" in found.sentence and "--exact" in found.sentence


def test_a_doubtful_curve_is_proposed_with_a_warning() -> None:
    offsets = 0.2 * np.array([-1.4, -0.7, 0.0, 0.7, 1.4])[:, None]
    doubtful = fit_curve(SIZES, np.array([-0.15, -0.02, 0.06, 0.12]) + offsets)
    found = plan(Goal(seconds=60), doubtful)
    assert found.verdict == "unsure"
    assert "not certain" in found.warnings[0]


def test_a_long_way_from_the_labels_at_hand_is_marked() -> None:
    near, far = plan(Goal(seconds=150)), plan(Goal(seconds=20_000))
    assert near.proposal is not None and not near.proposal.far and not near.warnings
    assert far.proposal is not None and far.proposal.far
    assert "guess" in far.warnings[0]


def test_a_wide_interval_asks_for_a_longer_pilot() -> None:
    found = plan(Goal(seconds=600), curve(noise=0.25))
    assert found.proposal is not None and found.proposal.r2_ci is not None
    low, high = found.proposal.r2_ci
    assert high - low > 0.5
    assert "A longer pilot" in found.warnings[-1]
    assert not plan(Goal(seconds=60)).warnings


def test_an_interval_that_begins_below_the_goal_is_said() -> None:
    found = plan(Goal(accuracy=0.7), curve(noise=0.06))
    assert found.proposal is not None
    assert any("may fall short" in warning for warning in found.warnings)


@pytest.mark.parametrize("n_train", [20, 40, 80, 200])
def test_no_proposal_has_more_labels_than_the_data(n_train: int) -> None:
    def small(fraction: float) -> Work | None:
        rows = min(round(fraction * n_train), n_train - 8)
        return None if rows * rows < 16 else Work(rows * rows, 64, rows * rows + 64, 1.0)

    whole = Work(0, 0, n_train**2, 1.0)
    for goal in (Goal(seconds=5), Goal(seconds=1e6), Goal(accuracy=0.6), Goal(accuracy=0.99)):
        found = propose(goal, curve(), small, whole, RATES)
        for option in (*found.options, *([found.proposal] if found.proposal else [])):
            assert option.units <= n_train**2
            assert option.fraction <= 0.5


def test_data_that_are_too_few_mean_exact() -> None:
    found = propose(Goal(seconds=60), curve(), lambda _: None, WHOLE, RATES)
    assert (found.verdict, found.options) == ("exact", ())


def test_large_fractions_are_not_worked_out_for_nothing() -> None:
    asked: list[float] = []

    def noted(fraction: float) -> Work | None:
        asked.append(fraction)
        return work(fraction)

    found = propose(Goal(seconds=60), curve(), noted, WHOLE, RATES)
    assert found.proposal is not None
    assert max(asked) <= 4 * found.proposal.fraction


@pytest.mark.parametrize(
    "wrong",
    [{}, {"accuracy": 0.5, "seconds": 9.0}, {"accuracy": 1.0}, {"accuracy": -1.0}, {"seconds": 0}],
)
def test_goals_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Goal(**wrong)


def test_the_rate_has_the_spread_of_its_parts() -> None:
    rng = np.random.default_rng(0)
    parts = [(64.0, 64.0 / rate) for rate in rng.uniform(50, 150, 40)]
    found = rates_of(parts, known=7.0)
    assert found is not None
    assert found.low < found.rate < found.high
    assert 50 <= found.low < 80 and 120 < found.high <= 150
    assert found.rate == pytest.approx(40 * 64 / sum(seconds for _, seconds in parts))


def test_a_rate_of_earlier_is_less_sure() -> None:
    found = rates_of([], known=100.0)
    assert found == Rates(100.0, 75.0, 125.0, "measured before")
    assert rates_of([], None) is None


def test_durations_in_words() -> None:
    assert [about(s) for s in (0.2, 42, 600, 9000)] == ["1 s", "42 s", "10 min", "2.5 h"]
