"""Quadrant metrics, baselines and intervals against slow, obvious code in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nncift_core.network import bootstrap
from nncift_core.network.bootstrap import intervals, ranks
from nncift_core.network.quadrants import measure_baselines, measure_quadrants
from nncift_core.network.scale import LabelScale
from nncift_core.types import Pairs

N_TRAIN, N_TARGET, D = 40, 25, 6


def block(rows: range, columns: range, truth: np.ndarray) -> Pairs:
    i, j = (part.ravel() for part in np.meshgrid(list(rows), list(columns), indexing="ij"))
    return Pairs(i.astype(np.int64), j.astype(np.int64), truth[i, j])


def apart(pairs: Pairs, *, unlabelled: bool) -> Pairs:
    """A third of the pairs, or the others."""
    keep = ((pairs.helper + pairs.helped) % 3 == 0) == unlabelled
    return Pairs(pairs.helper[keep], pairs.helped[keep], pairs.value[keep])


@pytest.fixture
def case(unit_vectors: Callable[..., np.ndarray]) -> dict[str, Any]:
    """An asymmetric truth in units far from 0 to 1, five quadrants, noisy predictions."""
    rng = np.random.default_rng(7)
    helpers, helped = unit_vectors(N_TRAIN, D, 1), unit_vectors(N_TARGET, D, 2)
    truth = 40 + 5 * (helpers @ rng.standard_normal((D, D)) @ helped.T)
    truth = (truth + rng.standard_normal(truth.shape)).astype(np.float32)
    by_role = {
        "q1": apart(block(range(12), range(9), truth), unlabelled=False),
        "q2": block(range(20, 31), range(2, 9), truth),
        "q3": block(range(3, 12), range(12, 19), truth),
        "q4": block(range(20, 31), range(12, 19), truth),
        "q1u": apart(block(range(12), range(9), truth), unlabelled=True),
    }
    scale = LabelScale.of(by_role["q1"])
    predicted = {
        role: (
            (pairs.value - scale.lo) / scale.width + 0.2 * rng.standard_normal(len(pairs))
        ).astype(np.float32)
        for role, pairs in by_role.items()
    }
    return {
        "by_role": by_role,
        "predicted": predicted,
        "helpers": helpers,
        "helped": helped,
        "scale": scale,
    }


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def scaled(case: dict[str, Any], role: str) -> list[float]:
    training = [float(value) for value in case["by_role"]["q1"].value]
    lo, hi = min(training), max(training)
    return [(float(value) - lo) / (hi - lo) for value in case["by_role"][role].value]


def test_metrics(case: dict[str, Any]) -> None:
    table = measure_quadrants(**case, seed=0)
    assert list(table) == ["q1", "q2", "q3", "q4", "q1u"]
    for role, metrics in table.items():
        assert metrics is not None
        truth = scaled(case, role)
        guess = [float(value) for value in case["predicted"][role]]
        errors = [(t - g) ** 2 for t, g in zip(truth, guess, strict=True)]
        centre = mean(truth)
        assert metrics.n == len(truth)
        assert metrics.mse == pytest.approx(mean(errors), rel=1e-9)
        deviation = math.fsum((t - centre) ** 2 for t in truth)
        assert metrics.r2 == pytest.approx(1 - math.fsum(errors) / deviation, rel=1e-9)
        assert metrics.spearman == pytest.approx(stats.spearmanr(truth, guess)[0], rel=1e-9)
        for low, middle, high in (
            (metrics.mse_ci[0], metrics.mse, metrics.mse_ci[1]),
            (metrics.r2_ci[0], metrics.r2, metrics.r2_ci[1]),
            (metrics.spearman_ci[0], metrics.spearman, metrics.spearman_ci[1]),
        ):
            assert low < middle < high


def test_baselines_from_their_definitions(case: dict[str, Any]) -> None:
    table = measure_quadrants(**case, seed=0)
    alone = measure_baselines(case["by_role"], case["helpers"], case["helped"], case["scale"])
    training = case["by_role"]["q1"]
    labels = scaled(case, "q1")
    grand = mean(labels)
    of_row: dict[int, list[float]] = {}
    of_column: dict[int, list[float]] = {}
    for i, j, value in zip(training.helper, training.helped, labels, strict=True):
        of_row.setdefault(int(i), []).append(value)
        of_column.setdefault(int(j), []).append(value)
    cosine_of = case["helpers"].astype(float) @ case["helped"].astype(float).T
    line = stats.linregress(cosine_of[training.helper, training.helped], labels)
    draws = np.random.default_rng(3).uniform(size=(20_000, 1))
    for role, metrics in table.items():
        assert metrics is not None
        truth = scaled(case, role)
        pairs = case["by_role"][role]
        assert metrics.mse_mean == pytest.approx(mean([(t - grand) ** 2 for t in truth]))
        assert metrics.mse_zero == pytest.approx(mean([t**2 for t in truth]))
        # A uniform random value against the label, by drawing it very often.
        monte_carlo = float(np.mean((draws - np.array(truth)) ** 2))
        assert metrics.mse_random == pytest.approx(monte_carlo, rel=0.02)
        by_line = [
            (line.intercept + line.slope * cosine_of[i, j] - t) ** 2
            for i, j, t in zip(pairs.helper, pairs.helped, truth, strict=True)
        ]
        assert metrics.mse_cosine == pytest.approx(mean(by_line))
        if role == "q4":
            assert metrics.mse_additive is None
        else:
            added = []
            for i, j, t in zip(pairs.helper, pairs.helped, truth, strict=True):
                row = mean(of_row[int(i)]) - grand if int(i) in of_row else 0.0
                column = mean(of_column[int(j)]) - grand if int(j) in of_column else 0.0
                added.append((grand + row + column - t) ** 2)
            assert metrics.mse_additive == pytest.approx(mean(added))
        for name, value in alone[role].items():
            assert getattr(metrics, name) == value


def test_additive_is_exact_on_a_full_additive_block(
    unit_vectors: Callable[..., np.ndarray],
) -> None:
    truth = (np.arange(40)[:, None] * 3.0 - np.arange(25)[None, :] ** 1.5).astype(np.float32)
    by_role = {"q1": block(range(12), range(9), truth), "q2": block(range(20, 24), range(9), truth)}
    table = measure_baselines(
        by_role, unit_vectors(40), unit_vectors(25, seed=1), LabelScale.of(by_role["q1"])
    )
    assert table["q1"]["mse_additive"] == pytest.approx(0, abs=1e-12)
    assert table["q2"]["mse_additive"] > 0.01


def test_cosine_is_exact_where_it_is_the_label(unit_vectors: Callable[..., np.ndarray]) -> None:
    helpers, helped = unit_vectors(40, 6, 1), unit_vectors(25, 6, 2)
    truth = 3 * helpers @ helped.T + 10
    by_role = {
        "q1": apart(block(range(12), range(9), truth), unlabelled=False),
        "q4": block(range(20, 30), range(9, 20), truth),
    }
    table = measure_baselines(by_role, helpers, helped, LabelScale.of(by_role["q1"]))
    assert table["q4"]["mse_cosine"] < 1e-9 < table["q4"]["mse_mean"]


def test_baselines_ignore_the_predictions(case: dict[str, Any]) -> None:
    """Random and zero are compared with the label, whatever the network says."""
    other = {role: 1 - values for role, values in case["predicted"].items()}
    first = measure_quadrants(**case, seed=0)
    second = measure_quadrants(**{**case, "predicted": other}, seed=0)
    for role, metrics in first.items():
        assert metrics is not None
        after = second[role]
        assert after is not None
        assert metrics.mse != after.mse
        for name in ("mse_mean", "mse_zero", "mse_random", "mse_additive", "mse_cosine"):
            assert getattr(metrics, name) == getattr(after, name)


def test_the_scale_is_that_of_the_training_labels(case: dict[str, Any]) -> None:
    """Labels that are not trained on move neither the scale nor any other quadrant."""
    scale = LabelScale.of(case["by_role"]["q1"])
    q4 = case["by_role"]["q4"]
    far = Pairs(q4.helper, q4.helped, q4.value * 50)
    wild = {**case, "by_role": {**case["by_role"], "q4": far}}
    before, after = measure_quadrants(**case, seed=0), measure_quadrants(**wild, seed=0)
    assert {role: before[role] for role in ("q1", "q2", "q3")} == {
        role: after[role] for role in ("q1", "q2", "q3")
    }
    truth = (far.value.astype(float) - scale.lo) / scale.width
    assert truth.max() > 2
    assert after["q4"] is not None
    # Unclipped.
    expected = np.mean((truth - case["predicted"]["q4"].astype(float)) ** 2)
    assert after["q4"].mse == pytest.approx(float(expected))


def test_ranks_share_ties_and_count_weights() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 6, 40).astype(float)
    np.testing.assert_array_equal(ranks(values), stats.rankdata(values))
    weights = rng.integers(0, 4, (5, 40)).astype(float)
    weighted = ranks(values, weights)
    for row, counts in zip(weighted, weights.astype(int), strict=True):
        repeated = np.repeat(np.arange(40), counts)
        np.testing.assert_array_equal(row[repeated], stats.rankdata(values[repeated]))


@pytest.mark.parametrize("holes", [False, True])
def test_intervals_are_those_of_an_explicit_resampling(
    monkeypatch: pytest.MonkeyPatch, holes: bool
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 60)
    rng = np.random.default_rng(11)
    i, j = (part.ravel() for part in np.meshgrid([4, 7, 9, 30, 31], [0, 2, 3, 8], indexing="ij"))
    if holes:
        keep = rng.random(len(i)) < 0.6
        i, j = i[keep], j[keep]
    truth = np.round(rng.random(len(i)), 1)
    guess = np.round(truth + 0.3 * rng.standard_normal(len(i)), 1)
    found = intervals(i, j, truth, guess, seed=5)

    # The same draws, taken literally: rows and columns repeated as often as they were drawn.
    draws = np.random.default_rng(5)
    rows, columns = np.unique(i), np.unique(j)
    row_counts = draws.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), 60)
    column_counts = draws.multinomial(len(columns), np.full(len(columns), 1 / len(columns)), 60)
    mse, r2, spearman = [], [], []
    for of_row, of_column in zip(row_counts, column_counts, strict=True):
        sample = []
        for row in np.repeat(rows, of_row):
            for column in np.repeat(columns, of_column):
                sample.extend(np.flatnonzero((i == row) & (j == column)).tolist())
        if not sample:
            continue
        t, g = truth[sample], guess[sample]
        mse.append(np.mean((t - g) ** 2))
        if np.ptp(t) > 0:
            r2.append(1 - np.mean((t - g) ** 2) / np.var(t))
            if np.ptp(g) > 0:
                spearman.append(stats.spearmanr(t, g)[0])
    assert len(mse) > 50
    for name, values in (("mse", mse), ("r2", r2), ("spearman", spearman)):
        expected = np.quantile(values, [0.025, 0.975])
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-9, atol=1e-12)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, case: dict[str, Any]) -> None:
    whole = measure_quadrants(**case, seed=0)
    monkeypatch.setattr(bootstrap, "_CHUNK", 3_000)
    for role, metrics in measure_quadrants(**case, seed=0).items():
        before = whole[role]
        assert metrics is not None
        assert before is not None
        for name in ("mse_ci", "r2_ci", "spearman_ci"):
            np.testing.assert_allclose(getattr(metrics, name), getattr(before, name), rtol=1e-10)


def test_two_way_intervals_are_wider_than_those_of_pairs(case: dict[str, Any]) -> None:
    """With strong row effects, resampling pairs alone would promise far too much."""
    rng = np.random.default_rng(2)
    rows = np.repeat(np.arange(20), 20)
    columns = np.tile(np.arange(20), 20)
    error = rng.standard_normal(20)[rows] + rng.standard_normal(20)[columns]
    truth = rng.random(400)
    low, high = intervals(rows, columns, truth, truth + error, seed=0).mse or (0.0, 0.0)
    by_pair = np.mean(rng.choice(error**2, (1000, 400)), axis=1)
    assert high - low > 2 * np.ptp(np.quantile(by_pair, [0.025, 0.975]))
