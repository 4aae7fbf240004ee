"""Quadrants at the edges: what cannot be computed is None, never NaN."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nncift_core.files import json_text
from nncift_core.network.quadrants import measure_quadrants, r_squared, spearman
from nncift_core.network.scale import LabelScale
from nncift_core.types import Pairs


def pairs(helper: Any, helped: Any, value: Any) -> Pairs:
    return Pairs(
        np.array(helper, np.int64), np.array(helped, np.int64), np.array(value, np.float32)
    )


TRAINING = pairs([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1], [1, 2, 3, 5, 2, 4])


@pytest.fixture
def measure(unit_vectors: Callable[..., np.ndarray]) -> Callable[..., Any]:
    def run(guess: float | None = None, **others: Pairs) -> Any:
        by_role = {"q1": TRAINING, **others}
        rng = np.random.default_rng(0)
        predicted = {
            role: rng.random(len(part)).astype(np.float32)
            if guess is None
            else np.full(len(part), guess, np.float32)
            for role, part in by_role.items()
        }
        table = measure_quadrants(
            by_role, predicted, unit_vectors(9), unit_vectors(9, seed=1), LabelScale.of(TRAINING), 0
        )
        # Nothing in it is NaN: it survives strict JSON as it is.
        assert "NaN" not in json_text(table)
        json.dumps(json.loads(json_text(table)), allow_nan=False)
        return table

    return run


def test_empty_and_missing_quadrants(measure: Callable[..., Any]) -> None:
    table = measure(q3=pairs([], [], []))
    assert list(table) == ["q1", "q2", "q3", "q4", "q1u"]
    assert table["q1"] is not None
    assert [table[role] for role in ("q2", "q3", "q4", "q1u")] == [None] * 4


def test_unlabelled_pairs_of_seen_rows_are_measured_where_there_are_any(
    measure: Callable[..., Any],
) -> None:
    table = measure(q1u=pairs([0, 1, 2, 3], [2, 3, 2, 3], [1, 2, 3, 4]))
    assert table["q1u"].n == 4
    # Their rows are known from training, most of their columns are not.
    assert table["q1u"].mse_additive is not None
    assert table["q1"] == measure()["q1"]


def grid(n_rows: int, n_columns: int, value: np.ndarray) -> Pairs:
    i, j = (part.ravel() for part in np.indices((n_rows, n_columns)))
    return pairs(i, j, value[i, j])


def test_row_scores_are_ranked_by_their_means_and_not_pair_by_pair(
    unit_vectors: Callable[..., np.ndarray],
) -> None:
    rng = np.random.default_rng(1)
    # Rows differ a little and pairs much; predictions know the rows only.
    rows = np.linspace(0, 1, 16)[:, None]
    truth = rows + 3 * rng.standard_normal((16, 6))
    truth -= truth.mean(axis=1, keepdims=True) - rows
    by_role = {"q1": TRAINING, "q4": grid(16, 6, truth)}
    scale = LabelScale.of(TRAINING)
    predicted = {"q1": np.zeros(6), "q4": np.repeat(rows, 6)}
    vectors = unit_vectors(16), unit_vectors(9, seed=1)
    table = measure_quadrants(by_role, predicted, *vectors, scale, 0)
    assert table["q4"].row_spearman == pytest.approx(1)
    low, high = table["q4"].row_spearman_ci
    # Other columns would have given other means.
    assert low < 0.9 < high <= 1
    assert table["q4"].spearman < 0.5
    assert table["q1"].row_spearman is None
    # The order matters, not the sign of a distance.
    worse = {**predicted, "q4": -predicted["q4"]}
    assert measure_quadrants(by_role, worse, *vectors, scale, 0)["q4"].row_spearman == (
        pytest.approx(-1)
    )


@pytest.mark.parametrize(("n_rows", "known"), [(7, False), (8, True)])
def test_few_rows_have_no_order_of_scores(
    measure: Callable[..., Any], n_rows: int, known: bool
) -> None:
    metrics = measure(q2=grid(n_rows, 4, np.arange(40.0).reshape(10, 4)))["q2"]
    assert (metrics.row_spearman is not None) == known
    assert (metrics.row_spearman_ci is not None) == known


def test_constant_labels(measure: Callable[..., Any]) -> None:
    metrics = measure(q4=pairs([5, 5, 6, 6], [3, 4, 3, 4], [2, 2, 2, 2]))["q4"]
    assert (metrics.r2, metrics.spearman, metrics.r2_ci, metrics.spearman_ci) == (None,) * 4
    assert metrics.mse > 0
    assert metrics.mse_ci is not None
    assert metrics.mse_additive is None


def test_constant_predictions(measure: Callable[..., Any]) -> None:
    metrics = measure(guess=0.5, q4=pairs([5, 5, 6, 6], [3, 4, 3, 4], [1, 2, 3, 4]))["q4"]
    assert metrics.spearman is None
    assert metrics.spearman_ci is None
    assert metrics.r2 is not None


@pytest.mark.parametrize(
    "part",
    [
        pairs([5, 5, 5], [3, 4, 5], [1, 2, 3]),
        pairs([3, 4, 5], [5, 5, 5], [1, 2, 3]),
        pairs([5], [3], [2]),
    ],
)
def test_one_row_has_no_interval(measure: Callable[..., Any], part: Pairs) -> None:
    metrics = measure(q4=part)["q4"]
    assert (metrics.mse_ci, metrics.r2_ci, metrics.spearman_ci) == (None, None, None)
    assert metrics.n == len(part)
    if len(part) == 1:
        assert (metrics.r2, metrics.spearman) == (None, None)


def test_labels_of_tiny_spread_far_from_zero() -> None:
    # Constant up to float32 rounding of one value: no division by noise.
    truth = np.full(5, 0.3)
    assert r_squared(truth, truth + 0.1) is None
    assert spearman(truth, np.arange(5.0)) is None


def test_spearman_is_a_rank_correlation() -> None:
    truth = np.array([1.0, 2.0, 3.0, 10.0])
    assert spearman(truth, np.array([0.1, 0.2, 0.9, 1.0])) == pytest.approx(1)
    assert spearman(truth, -truth) == pytest.approx(-1)
    # Ties share mid-ranks: 1.5, 1.5, 3, 4 against 1, 2, 3, 4.
    assert spearman(np.array([1.0, 1, 2, 3]), np.arange(4.0)) == pytest.approx(0.9486832980505138)


def test_same_seed_same_intervals(measure: Callable[..., Any]) -> None:
    assert measure() == measure()
