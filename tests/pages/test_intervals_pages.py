"""Trust and Influence of runs with intervals and with several estimators tried."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from nncift_core import jobs
from nncift_core.files import write_json
from nncift_core.network.conformal import calibrate_run
from nncift_core.pipeline import RunView
from nncift_core.types import Pairs
from pages._ui.format import number
from pages._ui.quadrants import PAIRS, ROWS, accuracy_table
from pages._ui.trust.estimators import candidate_table, picked_words, rival_words
from tests.pages.finished import N_TRAIN, Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")


def calibration(half_width: float | None, coverage: float | None = 0.875) -> dict[str, Any]:
    return {
        "level": 0.9,
        "half_width": half_width,
        "coverage": coverage if half_width is not None else None,
        "n": 16,
        "n_checked": 24,
    }


INTERVALS = {
    "level": 0.9,
    "pairs": {
        "q1u": calibration(0.031),
        "q2": calibration(0.042),
        "q3": calibration(0.053),
        "q4": calibration(0.0641),
    },
    "rows": {"seen": calibration(0.0071), "unseen": calibration(0.0082)},
}


def candidate(name: str, error: float, **others: Any) -> dict[str, Any]:
    return {
        "name": name,
        "validation_mse": error,
        "validation_r2": 1 - 10 * error,
        "seconds": 1.234,
        "parameters": 81_001,
        "pair_cost": 433,
        "chosen": False,
    } | others


CANDIDATES = [
    candidate("paper", 0.031),
    candidate("ridge", 0.0124, chosen=True, parameters=2_304),
    candidate("product", 0.0131),
]


def with_files(runs: Runs, run_id: str, intervals: Any = INTERVALS) -> RunView:
    """The run with what a run stores besides; without estimators where there are no intervals."""
    view = RunView(runs.workspace, run_id)
    for path in (view.files.uncertainty, view.files.estimators):
        path.unlink(missing_ok=True)
    if intervals is not None:
        write_json(view.files.uncertainty, intervals)
        write_json(view.files.estimators, CANDIDATES)
    return view


def table_with(page: AppTest, column: str) -> Any:
    return next((t.value for t in [*page.table, *page.dataframe] if column in t.value), None)


def scatter(page: AppTest) -> dict[str, Any]:
    figures = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return next(f for f in figures if "predicted" in str(f["layout"]["xaxis"].get("title")))


def figures(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def test_trust_says_which_estimator_was_used_and_why(runs: Runs) -> None:
    with_files(runs, runs.predicted)
    page = open_page("trust", runs.query(runs.predicted))
    text = every_text(page)
    assert (
        "Picked by error on held-out labels: Ridge on the product 0.0124, Product 0.0131, "
        "Paper 0.0310." in text
    )
    assert "Ridge on the product is no network, and no network predicted" in text
    table = table_with(page, "Estimator")
    assert table["Estimator"].tolist() == ["Ridge on the product", "Product", "Paper"]
    assert table["Used"].tolist() == ["yes", "", ""]
    assert table["Kind"].tolist() == ["rival, no network", "network", "network"]
    assert table["Parameters"].tolist() == ["2,304", "81,001", "81,001"]


def test_trust_shows_each_interval_with_what_it_held(runs: Runs) -> None:
    with_files(runs, runs.predicted)
    page = open_page("trust", runs.query(runs.predicted))
    table = table_with(page, "Half width")
    assert table["Estimate of"].tolist() == [
        "other pairs of seen rows x seen targets (Q1u)",
        "unseen rows x seen targets (Q2)",
        "seen rows x unseen targets (Q3)",
        "unseen rows x unseen targets (Q4)",
        "mean of a seen row over the targets",
        "mean of an unseen row over the targets",
    ]
    assert table["Half width"].tolist()[3] == "± 0.0641"
    assert set(table["Meant to hold"]) == {"90 %"}
    assert set(table["Held when checked"]) == {"87.5 %"}
    assert "The promise is marginal" in every_text(page)


def test_trust_draws_kept_labels_beside_their_predictions(runs: Runs) -> None:
    view = with_files(runs, runs.predicted)
    figure = scatter(open_page("trust", runs.query(runs.predicted)))
    assert figure["layout"]["title"]["text"] == (
        "87.5 % of the unseen pairs kept to check lie within ± 0.064 of the truth"
    )
    assert figure["layout"]["yaxis"]["title"]["text"] == "true influence, higher is more helpful"
    labels = view.estimates.labels
    assert labels is not None
    drawn = {
        t["name"].split(" (")[1].split(")")[0]: t for t in figure["data"] if t["mode"] == "markers"
    }
    assert [name for name in drawn if name != "Q1u"] == ["Q2", "Q3", "Q4"]
    assert ("Q1u" in drawn) == ("q1u" in labels.by_role)
    for role in ("q2", "q3", "q4"):
        pairs = labels.by_role[role]
        assert drawn[role.upper()]["y"] == pytest.approx(pairs.value.tolist(), rel=1e-6)
        first = view.pair(int(pairs.helper[0]), int(pairs.helped[0]))
        assert drawn[role.upper()]["x"][0] == pytest.approx(first.predicted, rel=1e-4)
    band = figure["data"][0]
    assert band["name"] == "90 % interval of unseen pairs"
    assert band["y"][2] - band["x"][2] == pytest.approx(0.0641)


def test_trust_without_the_files_draws_labels_and_claims_nothing(runs: Runs) -> None:
    with_files(runs, runs.predicted, None)
    page = open_page("trust", runs.query(runs.predicted))
    text = every_text(page)
    assert "Picked by" not in text
    assert "marginal" not in text
    assert table_with(page, "Half width") is None
    assert table_with(page, "Estimator") is None
    figure = scatter(page)
    assert figure["layout"]["title"]["text"].startswith("How close do estimates")
    assert all(trace.get("fill") != "toself" for trace in figure["data"])


def test_intervals_that_the_library_calibrates_are_shown_as_they_are(runs: Runs) -> None:
    view = RunView(runs.workspace, runs.predicted)
    labels = view.estimates.labels
    assert labels is not None
    predicted = {
        role: np.array(
            [
                view.pair(int(i), int(j)).predicted
                for i, j in zip(pairs.helper, pairs.helped, strict=True)
            ],
            np.float32,
        )
        for role, pairs in labels.by_role.items()
        if role != "q1"
    }
    # Eight reserved rows leave four to calibrate with: too few for their scores.
    found = calibrate_run(labels.by_role, predicted, 0, pointwise=False)
    assert found["rows"]["unseen"]["half_width"] is None
    with_files(runs, runs.predicted, found)
    table = table_with(open_page("trust", runs.query(runs.predicted)), "Half width")
    by_line = dict(zip(table["Estimate of"], table["Half width"], strict=True))
    assert by_line["mean of an unseen row over the targets"] == "too few to say"
    assert by_line["unseen rows x seen targets (Q2)"] == (
        f"± {number(found['pairs']['q2']['half_width'])}"
    )
    page = open_page("influence", runs.query(runs.predicted, tab="rows"))
    column = table_with(page, "±")["±"].tolist()
    assert set(column) <= {"-", number(found["rows"]["seen"]["half_width"], 2)}


def test_a_pair_is_shown_with_how_far_it_may_be_off(runs: Runs) -> None:
    view = with_files(runs, runs.predicted)
    labels = view.estimates.labels
    assert labels is not None
    for role, width, words in (
        ("q4", "0.064", "unseen rows x unseen targets"),
        ("q2", "0.042", "unseen rows x seen targets"),
    ):
        pool, target = (int(side[0]) for side in vars_of(labels.by_role[role]))
        page = open_page("influence", runs.query(runs.predicted, pair=f"{pool}-{target}"))
        value = view.pair(pool, target).predicted
        assert figures(page)["Predicted influence"] == f"{value:.3f} ± {width}"
        assert f"true for 90 % of such pairs: {words}" in every_text(page)
    # What was trained on is closer than any interval could promise.
    pool, target = (int(side[0]) for side in vars_of(labels.by_role["q1"]))
    page = open_page("influence", runs.query(runs.predicted, pair=f"{pool}-{target}"))
    assert figures(page)["Predicted influence"].startswith("~ ")


def vars_of(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    return pairs.helper, pairs.helped


def test_rows_are_listed_with_how_far_their_means_may_be_off(runs: Runs) -> None:
    view = with_files(runs, runs.predicted)
    page = open_page("influence", runs.query(runs.predicted, tab="rows"))
    labels = view.estimates.labels
    assert labels is not None
    seen = set(labels.training.helper.tolist())
    highest = view.order("pool", "influence")[:50]
    expected = ["0.0071" if int(i) in seen else "0.0082" for i in highest]
    assert table_with(page, "Mean influence")["±"].tolist() == expected
    text = every_text(page)
    assert "the true mean influence of 90 % of such rows" in text
    text = every_text(open_page("influence", runs.query(runs.predicted)))
    assert "The pale band below" in text
    assert "An estimate of one pair is within ± 0.064 of the truth for 90 %" in text


def test_influence_without_intervals_shows_none(runs: Runs) -> None:
    view = with_files(runs, runs.predicted, None)
    page = open_page("influence", runs.query(runs.predicted, pair="0-0"))
    assert "±" not in every_text(page)
    assert "pale band" not in every_text(page)
    rows = open_page("influence", runs.query(runs.predicted, tab="rows"))
    assert "±" not in table_with(rows, "Mean influence")
    assert figures(page)["Predicted influence"].startswith("~ ")
    assert view.heatmap((0, 4), (0, 3)).half_width is None


def test_cells_tell_how_far_they_may_be_off(runs: Runs) -> None:
    view = with_files(runs, runs.predicted)
    window = view.heatmap((0, 12), (0, 9))
    assert window.half_width is not None
    assert window.half_width.shape == window.values.shape
    for place, width in enumerate(window.half_width.ravel().tolist()):
        target, pool = divmod(place, 12)
        pair = view.pair(pool, target)
        # A label stands in where there is one.
        assert np.isfinite(width) == (pair.true is None)
        if pair.true is None:
            assert width == pytest.approx(pair.half_width, rel=1e-6)
    page = open_page("influence", runs.query(runs.predicted, x="1-12", y="1-9"))
    (told,) = page.get("bidi_component")
    assert json.loads(told.proto.json)["halfWidths"]["hi"] == pytest.approx(0.0641)


def test_scores_of_single_rows_have_intervals_too(model_runs: Runs) -> None:
    run_id = model_runs.others["selectit"]
    intervals = {**INTERVALS, "pairs": {}, "rows": {"seen": None, "unseen": calibration(0.0213)}}
    view = with_files(model_runs, run_id, intervals)
    unseen = int(np.flatnonzero(~np.isfinite(view.true_scores))[0])
    page = open_page("influence", model_runs.query(run_id, row=str(unseen + 1), columns="input"))
    assert figures(page)["Predicted score"].endswith(" ± 0.021")
    (table,) = [d.value for d in page.dataframe if "±" in d.value]
    known = {"label": "label", "estimate": "0.021"}
    assert table["±"].tolist() == [known[k] for k in table["Known from"]]
    rows = open_page("influence", model_runs.query(run_id, tab="rows"))
    assert set(table_with(rows, "Score")["±"]) <= set(known.values())
    page = open_page("trust", model_runs.query(run_id))
    table = table_with(page, "Half width")
    assert table["Estimate of"].tolist() == ["score of an unseen row"]
    figure = scatter(page)
    assert figure["layout"]["title"]["text"].startswith("87.5 % of the unseen rows kept to check")
    assert figure["layout"]["xaxis"]["title"]["text"] == "predicted score, higher is better"
    assert len(view.row_half_width()) == N_TRAIN


def test_an_exact_run_has_neither_intervals_nor_estimators(runs: Runs) -> None:
    exact = runs.add_exact()
    view = RunView(runs.workspace, exact)
    assert view.uncertainty == {}
    assert view.pair(0, 1).half_width is None
    assert view.pair(0, 1).quadrant is None
    assert np.isnan(view.row_half_width()).all()
    page = open_page("trust", runs.query(exact))
    assert not page.get("plotly_chart")
    assert "±" not in every_text(open_page("influence", runs.query(exact, pair="0-1")))


def test_other_pairs_of_seen_rows_stand_before_the_real_test() -> None:
    metrics = {"n": 7, "mse": 0.1, "r2": 0.2, "spearman": 0.3}
    stored = {name: metrics for name in ("q1", "q2", "q3", "q4", "q1u")}
    lines = accuracy_table(PAIRS, stored)["Pairs of"]
    assert [line.split("(")[1] for line in lines] == ["Q1)", "Q1u)", "Q2)", "Q3)", "Q4)"]
    # Older tables, and blocks, have none.
    for table in ({**stored, "q1u": None}, {k: v for k, v in stored.items() if k != "q1u"}):
        assert len(accuracy_table(PAIRS, table)["Pairs of"]) == 4
    assert len(accuracy_table(ROWS, {"q1": metrics, "q4": metrics, "q1u": None})["Rows"]) == 2


def test_what_was_tried_so_far_is_told_while_it_goes_on(runs: Runs) -> None:
    waiting = runs.add_waiting()
    with jobs.running(runs.workspace.run_dir(waiting)) as progress:
        progress.stage("train", 9, "fits")
        for number, one in enumerate(CANDIDATES[:2]):
            progress.point("candidate", one | {"number": number, "chosen": False})
            progress.advance()
        page = open_page("trust", runs.query(waiting))
    assert (
        "Error on held-out labels so far: Ridge on the product 0.0124, Paper 0.0310."
        in every_text(page)
    )
    assert not page.get("plotly_chart")


def test_words_of_estimators_at_the_edges() -> None:
    assert (picked_words([]), rival_words([])) == ("", "")
    alone = [candidate("product", 0.02, chosen=True)]
    assert picked_words(alone) == (
        "Estimated with Product, as the settings ask, squared error on held-out labels 0.0200."
    )
    assert picked_words([candidate("paper", 0.0, validation_mse=None, chosen=True)]) == (
        "Estimated with Paper, as the settings ask."
    )
    assert rival_words(alone) == ""
    asked = [candidate("cosine", 0.02, chosen=True)]
    assert rival_words(asked) == "Plain cosine is no network."
    # What was removed since, and what could not be measured.
    old = [candidate("gone", 0.1, chosen=True), candidate("ridge", 0.2, validation_mse=None)]
    assert picked_words(old).endswith("gone 0.100, Ridge on the product -.")
    assert candidate_table(old)["R²"] == ["0", "-1.00"]
