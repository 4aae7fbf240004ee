"""Intervals: against a slow reference, their coverage on known matrices, and planted mistakes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from nncift_core.files import json_text
from nncift_core.network import conformal
from nncift_core.network.conformal import calibrate, calibrate_run, row_residuals
from nncift_core.types import Pairs

N_ROWS, N_COLUMNS = 120, 80
STRUCTURES = {
    "noise": (0.0, 0.0, 1.0, 0.0),
    "rows": (1.0, 0.0, 0.5, 0.0),
    "columns": (0.0, 1.0, 0.5, 0.0),
    "rows and columns": (1.0, 1.0, 0.3, 0.0),
    "low rank": (0.0, 0.0, 0.3, 1.0),
    "everything": (0.5, 0.5, 0.7, 0.7),
}


def missed(structure: str, seed: int) -> np.ndarray:
    """``(N_ROWS, N_COLUMNS)``: what a predictor missed of a fully known matrix."""
    row, column, noise, low_rank = STRUCTURES[structure]
    rng = np.random.default_rng(seed)
    return (
        row * rng.standard_normal((N_ROWS, 1))
        + column * rng.standard_normal((1, N_COLUMNS))
        + noise * rng.standard_normal((N_ROWS, N_COLUMNS))
        + low_rank
        * rng.standard_normal((N_ROWS, 2))
        @ rng.standard_normal((2, N_COLUMNS))
        / math.sqrt(2)
    )


def reserved(truth: np.ndarray, predicted: np.ndarray, n_rows: int, n_columns: int) -> tuple:
    """All pairs of the first rows and columns, as arguments of ``calibrate``."""
    rows, columns = (grid.ravel() for grid in np.indices((n_rows, n_columns)))
    return rows, columns, truth[rows, columns], predicted[rows, columns]


def mean_coverage(structure: str, level: float, *, seeds: int = 60, **shape: int) -> float:
    """Share of all unseen pairs of known matrices that the intervals hold, over seeds."""
    n_rows, n_columns = shape.get("n_rows", 32), shape.get("n_columns", 16)
    held = []
    for seed in range(seeds):
        truth = missed(structure, seed)
        # The predictor knows nothing of what it misses.
        args = reserved(truth, np.zeros_like(truth), n_rows, n_columns)
        width = calibrate(*args, seed, level).half_width
        assert width is not None
        held.append(float(np.mean(np.abs(truth[n_rows:, n_columns:]) <= width)))
    return float(np.mean(held))


@pytest.mark.parametrize("level", [0.9, 0.8])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_mean_coverage_is_nominal_with_halves_of_16_by_8(structure: str, level: float) -> None:
    # Of 200 seeds, so that chance is well below the two points.
    assert mean_coverage(structure, level, seeds=200) == pytest.approx(level, abs=0.02)


def test_signed_residuals_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformal, "residuals", lambda truth, predicted: truth - predicted)
    assert mean_coverage("everything", 0.9) < 0.87


def test_calibrating_on_trained_pairs_would_be_seen() -> None:
    held = []
    for seed in range(60):
        truth = missed("everything", seed)
        predicted = np.zeros_like(truth)
        # What was trained on is known by half already.
        predicted[:32, :16] = truth[:32, :16] / 2
        width = calibrate(*reserved(truth, predicted, 32, 16), seed).half_width
        held.append(np.mean(np.abs(truth[32:, 16:]) <= width))
    assert np.mean(held) < 0.87


def checked(seeds: int = 60) -> list[float]:
    truths = [missed("rows and columns", seed) for seed in range(seeds)]
    found = [
        calibrate(*reserved(truth, np.zeros_like(truth), 32, 16), seed).coverage
        for seed, truth in enumerate(truths)
    ]
    return [float(coverage) for coverage in found if coverage is not None]


def test_the_check_says_what_happens_on_new_pairs() -> None:
    # Above and below the nominal level, near it on average.
    assert np.mean(checked(200)) == pytest.approx(0.9, abs=0.02)
    assert min(checked()) < 0.85


def test_checking_on_the_calibrating_half_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def same(positions: np.ndarray, rng: np.random.Generator) -> tuple:
        first, _ = halves(positions, rng)
        return first, first

    halves = conformal.halves
    monkeypatch.setattr(conformal, "halves", same)
    # On its own half an interval always holds what it was made to hold.
    assert min(checked()) >= 0.9


def reached(place: int, wanted: float) -> bool:
    return place >= wanted - 1e-9


def covering_share(calibrating: list[tuple], level: float) -> float:
    """The smallest share of the others, one more counted, that covers enough of the pairs."""
    needed = []
    for row, column, off in calibrating:
        others = sorted(o for r, c, o in calibrating if r != row and c != column)
        place = next((k for k, o in enumerate(others, 1) if o >= off), len(others) + 1)
        needed.append(place / (len(others) + 1))
    return next(
        share
        for share in sorted(needed)
        if reached(sum(n <= share for n in needed), level * len(needed))
    )


def slow(rows: Any, columns: Any, truth: Any, predicted: Any, seed: int, level: float) -> dict:
    """The same with loops and sets."""
    rng = np.random.default_rng(seed)
    sides = []
    for positions in (rows, columns):
        if positions is None:
            continue
        distinct = rng.permutation(sorted(set(positions.tolist()))).tolist()
        sides.append(set(distinct[: math.ceil(len(distinct) / 2)]))
    first, second = [], []
    for place in range(len(rows)):
        where = [rows[place] in sides[0]]
        if columns is not None:
            where.append(columns[place] in sides[1])
        off = abs(float(truth[place]) - float(predicted[place]))
        if all(where):
            first.append((rows[place], None if columns is None else columns[place], off))
        elif not any(where):
            second.append((rows[place], None, off))
    values = [off for _, _, off in first]
    # The smallest width that holds enough, one more value being counted as outside.
    width = next(
        w for w in sorted(values) if sum(o <= w for o in values) >= level * (len(values) + 1) - 1e-9
    )
    if columns is not None:
        share = covering_share(first, level)
        width = next(
            (
                w
                for place, w in enumerate(sorted(values), 1)
                if w >= width and reached(place, share * (len(values) + 1))
            ),
            max(values),
        )
    second = [off for _, _, off in second]
    return {
        "level": level,
        "half_width": width,
        "coverage": sum(o <= width for o in second) / len(second),
        "n": len(values),
        "n_checked": len(second),
    }


@pytest.mark.parametrize("level", [0.9, 0.8, 0.5])
@pytest.mark.parametrize("scattered", [False, True])
def test_as_the_slow_reference(level: float, scattered: bool) -> None:
    rng = np.random.default_rng(3)
    rows, columns = (grid.ravel() for grid in np.indices((21, 15)))
    if scattered:
        keep = rng.permutation(len(rows))[:150]
        rows, columns = rows[keep] * 7, columns[keep] + 100
    truth = 40 + rng.standard_normal(len(rows)).astype(np.float32)
    predicted = 40 + rng.standard_normal(len(rows)).astype(np.float32)
    for across in (columns, None):
        found = calibrate(rows, across, truth, predicted, 5, level)
        expected = slow(rows, across, truth, predicted, 5, level)
        assert vars(found) == pytest.approx(expected, rel=1e-12)


def test_nineteen_values_have_the_eighteenth_as_their_interval() -> None:
    # (19 + 1) x 0.9 is 18 and not, by rounding, a little more.
    rows = np.arange(38)
    found = calibrate(rows, None, np.arange(38.0), np.zeros(38), 0)
    calibrating, _ = conformal.halves(rows, np.random.default_rng(0))
    assert found.half_width == sorted(rows[calibrating])[17]


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "known"),
    [
        (8, 8, False),
        (10, 10, True),
        (16, 8, True),
        (8, 12, True),
        (6, 40, False),
        (40, 6, False),
        (8, None, False),
        (18, None, True),
    ],
)
def test_too_few_rows_and_columns_have_no_interval(
    n_rows: int, n_columns: int | None, known: bool
) -> None:
    rows, columns = (grid.ravel() for grid in np.indices((n_rows, n_columns or 1)))
    across = None if n_columns is None else columns
    found = calibrate(rows, across, np.arange(len(rows), dtype=float), np.zeros(len(rows)), 0)
    assert (found.half_width is not None) == known
    assert (found.coverage is not None) == known
    assert found.n > 0


def block(rows: range, columns: range, truth: np.ndarray) -> Pairs:
    i, j = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
    return Pairs(i.astype(np.int64), j.astype(np.int64), truth[i, j].astype(np.float32))


@pytest.fixture
def run() -> tuple[dict[str, Pairs], dict[str, np.ndarray]]:
    """Labels by role and their estimates: seen rows are off by little, unseen ones by much."""
    truth = missed("everything", 1)
    truth[:40] *= 0.1
    by_role = {
        "q1": block(range(40), range(20), truth),
        "q2": block(range(40, 72), range(4, 20), truth),
        "q3": block(range(32), range(20, 36), truth),
        "q4": block(range(40, 72), range(20, 36), truth),
    }
    return by_role, {role: np.zeros(len(pairs), np.float32) for role, pairs in by_role.items()}


def test_a_run_has_an_interval_for_each_quadrant_and_for_row_scores(run: Any) -> None:
    by_role, predicted = run
    found = calibrate_run(by_role, predicted, 4, pointwise=False)
    assert json.loads(json_text(found)) == found
    assert found["level"] == 0.9
    assert list(found["pairs"]) == ["q1u", "q2", "q3", "q4"]
    assert found["pairs"]["q1u"] is None
    assert found["pairs"]["q3"]["half_width"] < found["pairs"]["q4"]["half_width"] / 3
    assert found["rows"]["seen"]["half_width"] < found["rows"]["unseen"]["half_width"] / 3
    assert found["rows"]["unseen"]["n"] == 16
    # A mean over many pairs is off by less than each of them.
    assert found["rows"]["unseen"]["half_width"] < found["pairs"]["q4"]["half_width"]
    assert calibrate_run(by_role, predicted, 4, pointwise=False) == found
    assert calibrate_run(by_role, predicted, 5, pointwise=False) != found


def test_trained_pairs_change_nothing(run: Any) -> None:
    by_role, predicted = run
    found = calibrate_run(by_role, predicted, 4, pointwise=False)
    without = {role: pairs for role, pairs in by_role.items() if role != "q1"}
    assert calibrate_run(without, predicted, 4, pointwise=False) == found


def test_a_run_without_reserved_rows_has_no_intervals(run: Any) -> None:
    by_role, predicted = run
    found = calibrate_run({"q1": by_role["q1"]}, predicted, 0, pointwise=False)
    assert set(found["pairs"].values()) == {None}
    assert found["rows"] == {"seen": None, "unseen": None}


def test_single_rows_are_calibrated_by_row(run: Any) -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((60, 1))
    by_role = {
        "q1": block(range(28), range(1), scores),
        "q4": block(range(28, 60), range(1), scores),
    }
    predicted = {role: np.zeros(len(pairs), np.float32) for role, pairs in by_role.items()}
    found = calibrate_run(by_role, predicted, 0, pointwise=True)
    assert found["pairs"] == {}
    assert found["rows"]["seen"] is None
    unseen = found["rows"]["unseen"]
    assert (unseen["n"], unseen["n_checked"]) == (16, 16)
    assert unseen["half_width"] in np.abs(by_role["q4"].value).astype(float)


def test_row_residuals_keep_their_sign_until_they_are_averaged() -> None:
    first = Pairs(np.array([3, 3]), np.array([0, 1]), np.array([1.0, -1.0], np.float32))
    second = Pairs(np.array([3, 1]), np.array([5, 5]), np.array([3.0, 2.0], np.float32))
    row, off = row_residuals([first, second], [np.zeros(2, np.float32), np.ones(2, np.float32)])
    assert row.tolist() == [1, 3]
    assert off.tolist() == pytest.approx([1.0, (1 - 1 + 2) / 3])


@pytest.mark.parametrize("structure", ["rows", "everything"])
def test_intervals_of_row_scores_hold_rather_too_often(structure: str) -> None:
    held, again = [], []
    for seed in range(60):
        truth = missed(structure, seed)
        by_role = {
            "q2": block(range(32), range(16), truth),
            "q4": block(range(32), range(16, 32), truth),
        }
        predicted = {role: np.zeros(len(pairs), np.float32) for role, pairs in by_role.items()}
        found = calibrate_run(by_role, predicted, seed, pointwise=False)["rows"]["unseen"]
        held.append(np.mean(np.abs(truth[32:].mean(axis=1)) <= found["half_width"]))
        again.append(found["coverage"])
    # 16 rows can only promise sixteenths and seventeenths: 16 / 17 is 0.94.
    assert 0.9 <= np.mean(held) <= 0.99
    assert np.mean(again) == pytest.approx(16 / 17, abs=0.03)
