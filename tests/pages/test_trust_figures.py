"""Trust: errors by label share with the run among them, costs beside computing everything."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nncift_core.config import RunConfig
from nncift_core.jobs import JobState
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.cost_comparison import CostBar, CostComparison, compare_costs
from nncift_core.pipeline.trust_studies import label_range, run_as_point
from pages._ui.trust.cost_bars import comparison_words, title_words
from pages._ui.trust.cost_chart import cost_chart, unit_of
from tests.pages.conftest import Place
from tests.pages.test_studies_page import make_study, request

pytestmark = pytest.mark.usefixtures("open_databases")


def titles(app: Any) -> list[str]:
    return [json.loads(c.proto.spec)["layout"]["title"]["text"] for c in app.get("plotly_chart")]


def test_without_a_study_one_button_leads_to_it(open_app, finished_run, words) -> None:
    app = open_app("trust", {**finished_run.query, "figure": "r2"})
    assert not app.exception and not app.error
    assert "has not been measured" in words(app)
    assert app.button(key="study-label-size").label == "Measure it in a study"
    app = open_app("trust", {**finished_run.query, "figure": "no-such"})
    assert not app.exception and not app.error
    assert titles(app)[0].startswith("Error on unseen pairs (Q4)")


def test_a_study_is_drawn_with_the_run_as_a_point(open_app, finished_run: Place, words) -> None:
    make_study(finished_run, request(), JobState("done"), 6)
    app = open_app("trust", finished_run.query)
    assert not app.exception and not app.error
    assert "This run, at u = 20 %, has" in words(app)
    stored = finished_run.workspace.catalog.quadrant_metrics(finished_run.run_id)
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    marks = [trace for trace in figure["data"] if trace.get("name") == "this run"]
    assert len(marks) == 4
    assert marks[3]["x"] == [20.0]
    assert marks[3]["y"] == [pytest.approx(stored["q4"]["r2"])]


def test_squared_errors_of_the_run_are_on_the_scale_of_the_study(finished_run: Place) -> None:
    stored = finished_run.workspace.catalog.quadrant_metrics(finished_run.run_id)
    lo, hi = label_range(RunFiles(finished_run.job_dir).network)
    points = [{"fraction": 0.1, "lo": 0.0, "hi": 0.5}, {"fraction": 0.4, "lo": -1.0, "hi": 1.0}]
    point = run_as_point(RunConfig(label_fraction=0.2), stored, (lo, hi), points)
    expected = stored["q4"]["mse"] * (hi - lo) ** 2 / 4.0
    assert point["quadrants"]["q4"]["mse"] == pytest.approx(expected)
    assert "mse" not in run_as_point(RunConfig(), stored, None, points)["quadrants"]["q4"]
    assert label_range(finished_run.job_dir / "config.json") is None
    assert label_range(finished_run.job_dir / "not-there") is None


def comparison(**changed: Any) -> CostComparison:
    values: dict[str, Any] = {
        "run": CostBar("run", {"label": 10.0, "train": 10.0}),
        "measured": None,
        "estimated": CostBar("full-estimated", {"label": 7_200.0}),
        "unit": "pairs", "units": 1_000, "full_units": 720_000, "rate": 100.0,
    }  # fmt: skip
    return CostComparison(**(values | changed))


def test_costs_in_words_say_what_is_measured() -> None:
    found = comparison()
    assert title_words(found) == "This run saved 99.7 % of the time of computing everything"
    words = comparison_words(found)
    assert "Computing all 720,000 pairs is estimated to take ~ 2 h at 100 pairs/s." in words
    assert "This run took 20 s for 1,000 of them." in words
    measured = comparison(measured=CostBar("full-measured", {"label": 15.0}, "x"))
    assert title_words(measured) == "Computing everything would have taken no longer than this run"
    assert comparison_words(measured).startswith("An exact run of this project took 15 s.")
    cached = comparison(run=CostBar("run", {"label": 1.0}))
    assert "Some of its labels were there already" in comparison_words(cached)


def test_a_short_run_is_drawn_once_more_by_itself() -> None:
    bars = [("all", {"label": 7_200.0}, "2 h"), ("run", {"label": 10.0, "train": 10.0}, "20 s")]
    figure = cost_chart(bars, "title")
    assert figure.layout.xaxis.title.text == "hours"
    assert figure.layout.xaxis2.title.text == "seconds"
    assert "xaxis2" not in cost_chart([bars[1], bars[1]], "title").to_plotly_json()["layout"]
    assert unit_of(120.0) == (60.0, "minutes")


def test_a_method_without_a_model_has_nothing_to_save(open_app, finished_run, words) -> None:
    run = finished_run.workspace.catalog.run(finished_run.run_id)
    found = compare_costs(finished_run.workspace, run, [run])
    assert found is not None and found.measured is None
    assert "there is nothing to save" in words(open_app("trust", finished_run.query))
