"""Intervals of a run by the place of a pair or row, and labels beside their predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nncift_core.influence.label import Labels
from nncift_core.pipeline.estimates import ArraySource, Estimates
from nncift_core.pipeline.uncertainty import Uncertainty, evaluation_points
from nncift_core.types import Pairs

WIDTHS = {"q1u": 0.1, "q2": 0.2, "q3": 0.3, "q4": 0.4}


def stored(pairs: dict[str, Any] = WIDTHS) -> dict[str, Any]:
    def calibration(width: float | None) -> dict[str, Any]:
        return {"level": 0.8, "half_width": width, "coverage": 0.8, "n": 20, "n_checked": 20}

    return {
        "level": 0.8,
        "pairs": {role: None if w is None else calibration(w) for role, w in pairs.items()},
        "rows": {"seen": calibration(0.01), "unseen": calibration(0.02)},
    }


def pairs(*places: tuple[int, int]) -> Pairs:
    i, j = np.array(places, dtype=np.int64).T
    return Pairs(i, j, (10 * i + j).astype(np.float32))


LABELS = Labels(
    {
        "q1": pairs((0, 0), (0, 1), (2, 1)),
        "q2": pairs((1, 0)),
        "q3": pairs((0, 3)),
        "q4": pairs((1, 3), (4, 2)),
        "q1u": pairs((2, 0)),
    }
)


@pytest.fixture
def doubt() -> Uncertainty:
    return Uncertainty(stored(), LABELS, (5, 4), pointwise=False)


def test_a_pair_belongs_where_its_row_and_target_say(doubt: Uncertainty) -> None:
    seen_rows = {0, 2}
    seen_columns = {0, 1}
    trained = {(0, 0), (0, 1), (2, 1)}
    for i in range(5):
        for j in range(4):
            expected = {
                (True, True): "q1u",
                (False, True): "q2",
                (True, False): "q3",
                (False, False): "q4",
            }[i in seen_rows, j in seen_columns]
            if (i, j) in trained:
                assert (doubt.quadrant(i, j), doubt.pair(i, j)) == ("q1", None)
            else:
                assert (doubt.quadrant(i, j), doubt.pair(i, j)) == (expected, WIDTHS[expected])
    # Labels that only measure have the quadrant that they measure.
    for role, measured in LABELS.by_role.items():
        found = zip(measured.helper, measured.helped, strict=True)
        assert {doubt.quadrant(int(i), int(j)) for i, j in found} == {role}


def test_cells_of_a_window_are_those_of_its_pairs(doubt: Uncertainty) -> None:
    rows, columns = np.array([4, 2, 0, 1]), np.array([3, 0])
    cells = doubt.cells(rows, columns)
    assert cells is not None
    labelled = {
        (int(i), int(j))
        for measured in LABELS.by_role.values()
        for i, j in zip(measured.helper, measured.helped, strict=True)
    }
    for r, i in enumerate(rows.tolist()):
        for c, j in enumerate(columns.tolist()):
            if (i, j) in labelled:
                assert np.isnan(cells[r, c])
            else:
                assert cells[r, c] == pytest.approx(doubt.pair(i, j))


def test_rows_have_the_interval_of_seen_or_of_unseen_rows(doubt: Uncertainty) -> None:
    assert doubt.rows().tolist() == pytest.approx([0.01, 0.02, 0.01, 0.02, 0.02])
    assert doubt.level == 0.8


def test_what_is_not_known_is_nan_or_none() -> None:
    few = Uncertainty(stored({"q2": None, "q4": 0.4}), LABELS, (5, 4), pointwise=False)
    assert (few.pair(1, 1), few.pair(2, 0), few.pair(1, 3)) == (None, None, 0.4)
    for labels in (LABELS, None):
        nothing = Uncertainty({}, labels, (5, 4), pointwise=False)
        assert nothing.pair(4, 3) is None
        assert nothing.cells(np.arange(5), np.arange(4)) is None
        assert np.isnan(nothing.rows()).all()


def test_a_labelled_score_of_a_single_row_is_certain() -> None:
    labels = Labels({"q1": pairs((0, 0), (2, 0)), "q4": pairs((1, 0))})
    content = {**stored({}), "rows": {"seen": None, "unseen": stored()["rows"]["unseen"]}}
    doubt = Uncertainty(content, labels, (4, 1), pointwise=True)
    assert doubt.rows().tolist() == pytest.approx([0, 0, 0, 0.02])
    assert np.isnan(Uncertainty({}, labels, (4, 1), pointwise=True).rows()).all()


def test_labels_stand_beside_predictions_of_the_same_pairs() -> None:
    raw = -np.arange(50.0, dtype=np.float32).reshape(5, 10)[:, :4]
    estimates = Estimates(ArraySource(raw), LABELS, None)
    points = evaluation_points(estimates, 100)
    assert points.role.tolist() == ["q2", "q3", "q4", "q4", "q1u"]
    assert points.true.tolist() == [10, 3, 13, 42, 20]
    # As raw was made, a prediction is minus the label.
    assert points.predicted.tolist() == [-10, -3, -13, -42, -20]


def test_of_many_labels_an_even_draw_is_taken() -> None:
    grid = [(i, j) for i in range(60) for j in range(50)]
    labels = Labels({"q1": pairs((0, 0)), "q4": pairs(*grid)})
    estimates = Estimates(ArraySource(np.zeros((60, 50), np.float32)), labels, None)
    points = evaluation_points(estimates, 2_000)
    assert len(points) == 2_000
    assert len(set(points.true.tolist())) > 500
    assert points.true.tolist() == evaluation_points(estimates, 2_000).true.tolist()
    # Not the first ones: rows of the end are among them.
    assert points.true.max() > 600


def test_an_exact_run_has_no_labels_to_compare() -> None:
    points = evaluation_points(Estimates(ArraySource(np.zeros((2, 2), np.float32)), None, None), 9)
    assert len(points) == 0
