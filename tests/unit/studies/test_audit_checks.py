"""Checks of an audit: honest estimates pass, planted faults are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nncift_core.network import bootstrap
from nncift_core.progress import SilentProgress
from nncift_core.selection import maximise
from nncift_core.selection.matrices import Matrices
from nncift_core.studies import audit_subsets
from nncift_core.studies.audit_checks import equal_scores, shuffled_labels, worse_copies
from nncift_core.studies.audit_subsets import (
    best_subtask_scores,
    gap_closed,
    mean_scores,
    sample_matrices,
    subsets,
)
from nncift_core.types import Pairs
from tests.stand_in_estimators import honest, leaky, positional

N_TRAIN, N_TARGET, D = 120, 40, 8


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 200)
    monkeypatch.setattr(audit_subsets, "RESAMPLES", 60)


@pytest.fixture
def data(unit_vectors: Callable[..., np.ndarray]) -> tuple[Any, Any, dict[str, Pairs], np.ndarray]:
    helpers, helped = unit_vectors(N_TRAIN, D, 1), unit_vectors(N_TARGET, D, 2)
    rng = np.random.default_rng(3)
    clean = helpers @ np.diag(rng.normal(1, 1, D)) @ helped.T
    noise = 0.3 * clean.std() * rng.standard_normal(clean.shape)
    truth = (clean + noise).astype(np.float32)

    def part(rows: np.ndarray, columns: np.ndarray) -> Pairs:
        i, j = np.repeat(rows, len(columns)), np.tile(columns, len(rows))
        return Pairs(i, j, truth[i, j])

    rows, columns = np.arange(N_TRAIN), np.arange(N_TARGET)
    by_role = {
        "q1": part(rows[:60], columns[:20]),
        "q2": part(rows[60:84], columns[:8]),
        "q3": part(rows[:24], columns[20:32]),
        "q4": part(rows[60:84], columns[20:32]),
    }
    return helpers, helped, by_role, truth


def shuffled(data: Any, fit: Any, **changed: Pairs) -> Any:
    helpers, helped, by_role, _ = data
    return shuffled_labels(fit, "x", helpers, helped, {**by_role, **changed}, seed=0)


def test_an_honest_estimate_learns_nothing_from_shuffled_labels(data: Any) -> None:
    check = shuffled(data, honest)
    assert check.status == "passed"
    assert set(check.numbers["quadrants"]) == {"q2", "q3", "q4"}
    assert check.numbers["quadrants"]["q4"]["r2"] < 0.1
    assert "R² in Q4 is" in check.sentence
    # The estimate itself is good, so that it is the shuffling which takes it away.
    helpers, helped, by_role, _ = data
    fitted = honest("x", helpers, helped, by_role, 0, SilentProgress())
    guess = fitted.predict(helpers, helped, by_role["q4"]) * fitted.scale.width + fitted.scale.lo
    assert np.corrcoef(guess, by_role["q4"].value)[0, 1] > 0.8


def test_an_estimate_that_looks_labels_up_is_found(data: Any) -> None:
    check = shuffled(data, leaky)
    assert check.status == "failed"
    assert "a leak" in check.sentence
    assert check.numbers["quadrants"]["q4"]["r2"] == pytest.approx(1, abs=1e-6)


def test_measured_pairs_that_were_trained_on_are_found(data: Any) -> None:
    _, _, by_role, _ = data
    training = by_role["q1"]
    inside = Pairs(training.helper[:9], training.helped[:9], training.value[:9])
    check = shuffled(data, honest, q2=inside)
    assert (check.status, check.numbers) == ("failed", {"shared_pairs": 9})


def test_without_labels_kept_apart_it_is_skipped(data: Any) -> None:
    helpers, helped, by_role, _ = data
    check = shuffled_labels(honest, "x", helpers, helped, {"q1": by_role["q1"]}, seed=0)
    assert check.status == "skipped"


def test_rows_alone_are_checked_too(unit_vectors: Callable[..., np.ndarray]) -> None:
    helpers = unit_vectors(100, D, 1)
    value = helpers[:, 0]
    zero = np.zeros(100, dtype=np.int64)
    rows = np.arange(100)
    by_role = {
        "q1": Pairs(rows[:60], zero[:60], value[:60]),
        "q4": Pairs(rows[60:], zero[60:], value[60:]),
    }
    none = np.empty((1, 0), dtype=np.float32)
    assert shuffled_labels(honest, "x", helpers, none, by_role, seed=0).status == "passed"
    assert shuffled_labels(leaky, "x", helpers, none, by_role, seed=0).status == "failed"


def copies(data: Any, fit: Any) -> Any:
    """The check of copies as an audit makes it, from a stand-in's scores."""
    helpers, helped, by_role, _ = data
    fitted = fit("x", helpers, helped, by_role, 0, SilentProgress())
    rows = np.arange(100, 108)
    both = np.concatenate([helpers[rows], helpers[rows][::-1]])
    alone = fitted.scores(both, helped)
    stacked = fitted.scores(np.concatenate([helpers, both]), helped)
    first, one, two = stacked[rows], stacked[120:128], stacked[128:][::-1]
    unseen = alone[:8], alone[8:][::-1]
    return equal_scores(unseen, (one, two), (first, one), fitted.scale.width)


def test_exact_copies_score_alike_wherever_they_stand(data: Any) -> None:
    check = copies(data, honest)
    assert check.status == "passed"
    assert max(check.numbers["largest_difference"].values()) < 1e-6


def test_an_estimate_that_uses_places_is_found(data: Any) -> None:
    check = copies(data, positional)
    assert check.status == "failed"
    assert "where a row stands" in check.sentence
    nothing = np.empty(0), np.empty(0)
    assert equal_scores(nothing, nothing, nothing, 1.0).status == "skipped"


def test_wrong_answers_that_score_lower_pass() -> None:
    original = np.random.default_rng(0).normal(0, 1, 30)
    check = worse_copies(original, original - 0.5, expected=True, seed=0)
    assert check.status == "passed"
    assert check.numbers["estimated"]["share_lower"] == 1.0
    assert check.numbers["estimated"]["mean"] == pytest.approx(-0.5)


def test_the_truth_tells_whose_fault_it_is() -> None:
    rng = np.random.default_rng(0)
    original, same = rng.normal(0, 1, 30), rng.normal(0, 1, 30)
    seen, unseen = (original[:10], original[:10] - 1), (original[:10], same[:10])
    blind = worse_copies(original, same, expected=True, seed=0, truth=seen)
    assert blind.status == "failed"
    assert "the estimate does not" in blind.sentence
    both = worse_copies(original, same, expected=True, seed=0, truth=unseen)
    assert both.status == "failed"
    assert "influence function itself" in both.sentence
    unknown = worse_copies(original, same, expected=True, seed=0, why_no_truth="it took long")
    assert unknown.numbers["true"] is None
    assert "it took long" in unknown.sentence


def test_a_cosine_is_only_reported() -> None:
    original = np.linspace(0, 1, 20)
    for changed in (original - 0.5, original + 0.5):
        check = worse_copies(original, changed, expected=False, seed=0)
        assert check.status == "reported"
        assert "cannot know" in check.sentence


@pytest.mark.parametrize("objective", ["fl", "coverage", "topk", "round-robin"])
def test_the_truth_closes_the_whole_gap_and_chance_none(data: Any, objective: str) -> None:
    truth = data[3][:64, :24]
    lo, hi = float(truth.min()), float(truth.max())
    ids = [f"{n:04d}" for n in range(64)]
    names = [str(n % 3) for n in range(24)]

    def made(values: np.ndarray) -> Matrices:
        return sample_matrices(values, lo, hi, names, mean_scores)

    exact = gap_closed(objective, made(truth), made(truth), 6, ids, 0)
    assert exact["share"] == pytest.approx(1.0)
    assert exact["ci"] == pytest.approx([1.0, 1.0], abs=1e-9)
    random = []
    for seed in range(12):
        values = np.random.default_rng(seed).permutation(truth.ravel()).reshape(truth.shape)
        random.append(gap_closed(objective, made(truth), made(values), 6, ids, 50)["share"])
    assert np.mean(random) == pytest.approx(0.0, abs=0.25)
    # A little noise loses a little.
    noisy = truth + 0.2 * truth.std() * np.random.default_rng(1).standard_normal(truth.shape)
    some = gap_closed(objective, made(truth), made(noisy.astype(np.float32)), 6, ids, 0)
    # Round robin maximises no function, so its order on the truth is not the best there is.
    assert 0.5 < some["share"] <= (1.5 if objective == "round-robin" else 1.0 + 1e-9)
    assert some["ci"][0] <= some["share"] + 1e-9


def test_the_share_is_the_formula_written_out(data: Any) -> None:
    truth = data[3][:30, :10]
    lo, hi = float(truth.min()), float(truth.max())
    ids = [str(n) for n in range(30)]
    guess = truth[:, ::-1]
    matrices = [sample_matrices(v, lo, hi, None, mean_scores) for v in (truth, guess)]
    # Single rows: f is the sum of the chosen rows' true scores.
    score = truth.mean(axis=1, dtype=np.float64)
    ours = maximise("topk", matrices[1], 5, row_ids=ids).order
    drawn = [np.random.default_rng(seed).permutation(30)[:5] for seed in range(20)]
    floor = np.mean([score[order].sum() for order in drawn])
    wanted = (score[ours].sum() - floor) / (np.sort(score)[-5:].sum() - floor)
    assert gap_closed("topk", *matrices, 5, ids, 0)["share"] == pytest.approx(wanted)


def test_equal_rows_leave_no_gap() -> None:
    flat = sample_matrices(np.full((20, 5), 0.5, np.float32), 0, 1, [None] * 5, mean_scores)
    closed = gap_closed("fl", flat, flat, 4, [str(n) for n in range(20)], 0)
    assert closed == {"budget": 4, "share": None, "ci": None}
    assert subsets("fl", [closed], 20, 5).status == "skipped"


def test_subsets_worse_than_chance_fail() -> None:
    good = {"budget": 6, "share": 0.9, "ci": [0.7, 1.0]}
    bad = {"budget": 6, "share": -0.4, "ci": [-0.6, -0.1]}
    assert subsets("fl", [good], 64, 24).status == "reported"
    assert subsets("fl", [good, bad], 64, 24).status == "failed"
    assert "close 90% of the gap" in subsets("fl", [good], 64, 24).sentence


def test_scores_of_the_best_subtask() -> None:
    target = np.array([[1, 3, 0], [0, 0, 9]], dtype=np.float32)
    assert best_subtask_scores(target, ["a", "a", "b"]).tolist() == [2.0, 9.0]
    assert mean_scores(target, None).tolist() == pytest.approx([4 / 3, 3.0])
