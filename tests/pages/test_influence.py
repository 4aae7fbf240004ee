from __future__ import annotations

import json

import numpy as np
import pytest

from nncift_core import jobs
from nncift_core.errors import Cancelled
from nncift_core.pipeline import RunView
from pages._ui.format import number
from tests.pages.conftest import Place
from tests.pages.finished import N_TARGET, N_TRAIN, Runs, every_text, open_page
from tests.pages.finished import finished_runs as finished_runs


def test_whole_matrix_is_drawn_with_pool_rows_across(runs: Runs) -> None:
    page = open_page("influence", runs.query(runs.predicted))
    (chart,) = page.get("plotly_chart")
    figure = json.loads(chart.proto.spec)
    heat = figure["data"][0]
    assert heat["type"] == "heatmap"
    assert figure["layout"]["xaxis"]["title"]["text"].startswith("pool rows")
    assert figure["layout"]["yaxis"]["title"]["text"].startswith("target rows")
    assert len(heat["x"]) == N_TRAIN + 1
    assert len(heat["y"]) == N_TARGET + 1
    assert "1 cell = 1 pair" in every_text(page)
    view = RunView(runs.workspace, runs.predicted)
    assert f"**{number(view.overview['lowest'])}**" in every_text(page)


def test_link_brings_window_order_and_pair_back(runs: Runs) -> None:
    page = open_page(
        "influence",
        runs.query(
            runs.predicted, x="3-12", y="5-9", columns="influence", rows="input", pair="7-4"
        ),
    )
    text = every_text(page)
    assert "Pool rows 3 to 12, target rows 5 to 9." in text
    assert page.selectbox(key="columns").value == "influence"
    assert page.selectbox(key="rows").value == "input"
    view = RunView(runs.workspace, runs.predicted)
    expected = view.pair(7, 4)
    assert expected.pool_row.prompt in text
    assert expected.target_row.response in text
    place = int(np.flatnonzero(view.order("pool", "influence") == 7)[0]) + 1
    assert page.number_input(key="pool-place").value == place
    assert page.number_input(key="target-place").value == 5


@pytest.mark.parametrize("broken", ["0-0", "900-100", "a-b"])
def test_broken_links_show_everything(runs: Runs, broken: str) -> None:
    page = open_page("influence", runs.query(runs.predicted, x=broken, y=broken, pair="999-0"))
    assert f"Pool rows 1 to {N_TRAIN}, target rows 1 to {N_TARGET}." in every_text(page)
    assert page.number_input(key="pool-place").value is None


def test_choosing_places_shows_the_pair_and_what_is_known_of_it(runs: Runs) -> None:
    view = RunView(runs.workspace, runs.predicted)
    labels = view.estimates.labels
    assert labels is not None
    for role, words in (("q1", "labelled and **trained on**"), ("q4", "kept apart to measure")):
        pairs = labels.by_role[role]
        pool, target = int(pairs.helper[0]), int(pairs.helped[0])
        page = open_page("influence", runs.query(runs.predicted, columns="input", rows="input"))
        page.number_input(key="pool-place").set_value(pool + 1).run()
        page.number_input(key="target-place").set_value(target + 1).run()
        assert page.query_params["pair"] == f"{pool}-{target}"
        assert words in every_text(page)
        true = next(metric for metric in page.metric if metric.label == "True influence")
        assert float(true.value) == pytest.approx(float(pairs.value[0]), rel=1e-2)


def test_zoom_out_and_reset(runs: Runs) -> None:
    page = open_page("influence", runs.query(runs.predicted, x="21-30", y="11-20"))
    page.button(key="zoom-out").click().run()
    assert page.query_params["x"] == "16-35"
    assert page.query_params["y"] == "6-25"
    page.button(key="zoom-reset").click().run()
    assert "x" not in page.query_params
    assert page.button(key="zoom-reset").disabled


def test_another_order_shows_everything_again(runs: Runs) -> None:
    page = open_page("influence", runs.query(runs.predicted, x="21-30"))
    page.selectbox(key="columns").set_value("input").run()
    assert "x" not in page.query_params
    assert f"Pool rows 1 to {N_TRAIN}" in every_text(page)


def test_extremes_are_the_rows_of_highest_and_lowest_mean(runs: Runs) -> None:
    page = open_page("influence", runs.query(runs.predicted))
    view = RunView(runs.workspace, runs.predicted)
    best, worst = int(np.nanargmax(view.row_mean)), int(np.nanargmin(view.row_mean))
    tables = [element.value for element in page.dataframe]
    assert tables[0]["Row id"][0] == view.roles.pool[best].id
    assert tables[1]["Row id"][0] == view.roles.pool[worst].id


def test_exact_run_shows_exact_values(runs: Runs) -> None:
    page = open_page("influence", runs.query(runs.add_exact(), pair="1-1"))
    assert page.metric[0].label == "Exact influence"
    assert "computed, not predicted" in every_text(page)


def test_texts_are_never_read_as_markdown_or_html(runs: Runs) -> None:
    page = open_page("influence", runs.query(runs.predicted, pair="0-0"))
    view = RunView(runs.workspace, runs.predicted)
    prompt = view.roles.pool[0].prompt
    assert prompt in [element.value for element in page.code]
    assert all(prompt not in element.value for element in page.markdown)
    assert not any(element.proto.allow_html for element in page.markdown)


def test_unfinished_runs_lead_to_the_run_page(runs: Runs) -> None:
    waiting = runs.add_waiting()
    folder = runs.workspace.run_dir(waiting)
    with jobs.running(folder) as progress:
        progress.stage("train", 20, "epochs")
        page = open_page("influence", runs.query(waiting))
        assert "not done yet" in every_text(page)
    assert page.button(key="empty-state-button").label == "Watch the run"
    with pytest.raises(Cancelled), jobs.running(folder) as progress:
        raise Cancelled
    page = open_page("influence", runs.query(waiting))
    assert "cancelled" in every_text(page)


def test_without_a_run_or_a_project_the_way_on_is_shown(runs: Runs) -> None:
    page = open_page("influence", {})
    assert page.button(key="empty-state-button").label == "Choose a project"
    runs.workspace.delete_run(runs.predicted)
    page = open_page("influence", {"project": runs.project_id})
    assert page.button(key="empty-state-button").label == "Set up a run"


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
def test_runs_that_ended_early_lead_to_the_run_page(
    failed_job: Place, cancelled_job: Place, ending: str
) -> None:
    place = failed_job if ending == "failed" else cancelled_job
    page = open_page("influence", place.query)
    assert f"The run {'was ' if ending == 'cancelled' else ''}{ending}" in every_text(page)
    assert page.button(key="empty-state-button").label in (
        "See what happened",
        "Resume it on the Run page",
    )
