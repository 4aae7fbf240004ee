from __future__ import annotations

import base64
import csv
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from nncift_core import jobs
from nncift_core.errors import Cancelled
from nncift_core.pipeline import RunView
from nncift_core.pipeline.row_orders import Group
from nncift_core.store import RunRecord
from pages._ui.format import number
from pages._ui.influence import heatmap_component
from pages._ui.influence.methods_panel import newest_by_method
from tests.pages.conftest import REPOSITORY, Place
from tests.pages.finished import N_TARGET, N_TRAIN, Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")

WORDS = heatmap_component.Words("t", "pool", "target", "mean", "alt")


def drawn(page: AppTest, at: int = 0) -> dict[str, Any]:
    """What a heatmap on the page is told."""
    told: dict[str, Any] = json.loads(page.get("bidi_component")[at].proto.json)
    return told


def test_whole_matrix_is_drawn_with_pool_rows_across(runs: Runs) -> None:
    page = open_page("influence", runs.query(runs.predicted))
    told = drawn(page)
    assert told["poolAxis"].startswith("pool rows")
    assert told["targetAxis"].startswith("target rows")
    assert told["window"] == [0, N_TRAIN, 0, N_TARGET]
    view = RunView(runs.workspace, runs.predicted)
    expected = view.heatmap(pool_order="subtask", target_order="subtask").values
    codes = np.frombuffer(base64.b64decode(told["cells"]["codes"]), "<u2").astype(float)
    lo, hi = told["cells"]["lo"], told["cells"]["hi"]
    found = (lo + codes * (hi - lo) / 65534).reshape(N_TARGET, N_TRAIN)
    np.testing.assert_allclose(found, expected, atol=(hi - lo) / 65534)
    assert [sum(told["spread"]), len(told["poolProfile"]["mean"])] == [expected.size, N_TRAIN]
    np.testing.assert_allclose(told["targetProfile"]["mean"], expected.mean(axis=1), rtol=1e-3)
    assert "1 cell = 1 pair" in every_text(page)
    assert "Pool rows 1 to 120 of 120" in told["alt"]
    assert f"**{number(view.overview['lowest'])}**" in every_text(page)


def test_link_brings_window_order_and_pair_back(runs: Runs) -> None:
    page = open_page(
        "influence",
        runs.query(
            runs.predicted,
            x="3-12",
            y="5-9",
            columns="influence",
            rows="input",
            pool="8",
            target="5",
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
    assert drawn(page)["window"] == [2, 12, 4, 9]
    # The pair is marked where it stands in the orders drawn, if it is in view.
    assert drawn(page)["marked"] == ([place - 1, 4] if 3 <= place <= 12 else None)
    # A link of an older version counts from 0.
    old = open_page("influence", runs.query(runs.predicted, pair="7-4"))
    assert expected.pool_row.prompt in every_text(old)


@pytest.mark.parametrize("broken", ["0-0", "900-100", "a-b", "\u0661-\u0663", "1" * 40])
def test_broken_links_show_everything(runs: Runs, broken: str) -> None:
    wrong = dict.fromkeys(("x", "y", "pool", "tab", "columns", "cell", "page", "scale"), broken)
    page = open_page("influence", runs.query(runs.predicted, **wrong, target="5", pair="999-0"))
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
        assert page.query_params["pool"] == str(pool + 1)
        assert page.query_params["target"] == str(target + 1)
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


def test_rows_are_listed_from_either_end(runs: Runs) -> None:
    view = RunView(runs.workspace, runs.predicted)
    best, worst = int(np.nanargmax(view.row_mean)), int(np.nanargmin(view.row_mean))
    page = open_page("influence", runs.query(runs.predicted, tab="rows"))
    assert not page.get("bidi_component")
    assert page.dataframe[0].value["Row id"][0] == view.roles.pool[best].id
    page.button(key="rows-next").click().run()
    assert page.dataframe[0].value["Place"].tolist() == [str(place) for place in range(51, 101)]
    page.segmented_control(key="rows-end").set_value("bottom").run()
    assert "page" not in page.query_params
    table = page.dataframe[0].value
    assert table["Row id"][0] == view.roles.pool[worst].id
    assert table["Place"].tolist()[:2] == [str(N_TRAIN), str(N_TRAIN - 1)]


def test_rows_are_filtered_as_on_every_page(runs: Runs) -> None:
    view = RunView(runs.workspace, runs.predicted)
    name = view.roles.pool[0].subtask
    page = open_page("influence", runs.query(runs.predicted, tab="rows", subtask=name))
    table = page.dataframe[0].value
    assert set(table["Subtask"]) == {name}
    expected = [i for i in view.order("pool", "influence") if view.roles.pool[i].subtask == name]
    assert table["Row id"].tolist() == [view.roles.pool[i].id for i in expected[:50]]
    none = open_page("influence", runs.query(runs.predicted, tab="rows", q="no such words at all"))
    assert "No row matches" in "".join(element.value for element in none.info)


def test_methods_are_drawn_side_by_side_in_one_order(runs: Runs) -> None:
    exact = runs.add_exact()
    page = open_page("influence", runs.query(runs.predicted, tab="methods"))
    # Both runs are of one method: the run in view stands for it.
    (told,) = page.get("bidi_component")
    assert "Only one method" in every_text(page)
    assert json.loads(told.proto.json)["compact"]
    assert json.loads(told.proto.json)["titleColor"] == "#0072B2"
    page = open_page("influence", runs.query(exact, tab="methods", scale="common", x="1-40"))
    told = drawn(page)
    assert told["percent"]
    assert told["window"][:2] == [0, 40]
    assert 0 <= told["cells"]["lo"] < told["cells"]["hi"] <= 1
    assert [words for _, words in told["barTicks"]] == ["0 %", "50 %", "100 %"]


def test_another_method_is_drawn_in_the_order_of_the_run_in_view(runs: Runs) -> None:
    guide, other = (RunView(runs.workspace, run) for run in (runs.predicted, runs.add_exact()))
    found = other.heatmap(
        (10, 30), None, pool_order="influence", target_order="influence", ordered_by=guide
    )
    pool, target = (guide.order(side, "influence") for side in ("pool", "target"))
    assert found.pool_positions.tolist() == pool[10:30].tolist()
    matrix = other.estimates.best.block(0, N_TRAIN)
    np.testing.assert_allclose(found.values, matrix[np.ix_(pool[10:30], target)].T, atol=1e-6)


def test_the_newest_run_of_each_method_is_taken_and_the_run_in_view_for_its_own() -> None:
    def run(run_id: str, method: str) -> RunRecord:
        return RunRecord(run_id, "p", {"config": {"method": method}}, "", "done")

    runs = [run("5", "less"), run("4", "delift"), run("3", "less"), run("2", "delift-se")]
    assert [found.run_id for found in newest_by_method(runs, "2")] == ["2", "5", "4"]
    assert [found.run_id for found in newest_by_method(runs, "3")] == ["3", "4", "2"]


def test_what_is_shown_can_be_saved_as_a_table(runs: Runs) -> None:
    from nncift_core.pipeline.heatmap_table import HEADER, heatmap_csv

    view = RunView(runs.workspace, runs.predicted)
    pool, target = view.order("pool", "influence"), view.order("target", "input")
    shown = view.heatmap((5, 25), (10, 13), pool_order="influence", most_tiles=10)
    lines = list(csv.DictReader(io.StringIO(heatmap_csv(shown, *rows_of(view)).decode())))
    assert list(lines[0]) == list(HEADER)
    assert len(lines) == 30
    line = lines[11]  # second target row, second drawn column of two rows
    assert [line[name] for name in HEADER[:4]] == ["8", "9", "12", "12"]
    assert line["pool_row_id_first"] == view.roles.pool[pool[7]].id
    assert line["pool_row_id_last"] == view.roles.pool[pool[8]].id
    assert line["target_row_id_first"] == view.roles.target[target[11]].id
    assert line["pairs"] == "2"
    assert float(line["value"]) == pytest.approx(float(shown.values[1, 1]), rel=1e-6)
    page = open_page("influence", runs.query(runs.predicted))
    assert [button.proto.label for button in page.get("download_button")] == [
        "CSV of what is shown"
    ]


def rows_of(view: RunView) -> tuple[Any, Any]:
    return view.roles.pool, view.roles.target


def test_the_open_pair_can_be_pinned_stepped_and_closed(runs: Runs) -> None:
    page = open_page("influence", runs.query(runs.predicted, columns="input", pool="3", target="4"))
    view = RunView(runs.workspace, runs.predicted)
    page.button(key="pair-pin").click().run()
    (action,) = runs.workspace.catalog.actions(runs.predicted)
    assert (action.kind, action.value) == ("pin", view.roles.pool[2].id)
    page.button(key="pair+1").click().run()
    assert page.query_params["pool"] == "4"
    assert view.roles.pool[3].response in every_text(page)
    page.button(key="pair-1").click().run()
    assert page.query_params["pool"] == "3"
    page.button(key="pair-close").click().run()
    assert "pool" not in page.query_params
    assert page.button(key="pair+1").disabled


@pytest.mark.parametrize("cell", ["strongest", "high", "low"])
def test_a_cell_can_show_more_than_a_mean(runs: Runs, cell: str) -> None:
    page = open_page("influence", runs.query(runs.predicted, cell=cell))
    assert page.selectbox(key="cell").value == cell
    assert drawn(page)["cellWords"] == {"high": "90 % quantile", "low": "10 % quantile"}.get(
        cell, cell
    )


def test_constant_influence_and_one_target_row_are_drawn(runs: Runs) -> None:
    exact = runs.add_exact()
    view = RunView(runs.workspace, exact)
    one = view.heatmap(None, (3, 4))
    assert one.values.shape == (1, N_TRAIN)
    page = open_page("influence", runs.query(exact, y="4-4"))
    assert drawn(page)["window"][2:] == [3, 4]
    constant = replace(one, values=np.full_like(one.values, 0.25))
    told = heatmap_component.payload(constant, (N_TRAIN, 1), WORDS, heatmap_component.Look())
    assert told["scale"]["lo"] < 0.25 < told["scale"]["hi"]
    assert sum(told["spread"]) == N_TRAIN
    nothing = replace(one, values=np.full_like(one.values, np.nan))
    told = heatmap_component.payload(nothing, (N_TRAIN, 1), WORDS, heatmap_component.Look())
    assert set(base64.b64decode(told["cells"]["codes"])) == {255}
    assert json.loads(json.dumps(told, allow_nan=False))["spread"] == [0] * 48


def test_hostile_names_of_groups_are_data_and_cut(runs: Runs) -> None:
    view = RunView(runs.workspace, runs.predicted)
    hostile = [
        Group("<script>alert(1)</script>" * 9, 0, 5),
        Group("=1+1 \u202e ![x](http://a)", 5, 9),
    ]
    look = heatmap_component.Look(pool_groups=hostile)
    told = heatmap_component.payload(view.heatmap(), (N_TRAIN, N_TARGET), WORDS, look)
    assert [len(name) for name, _, _ in told["poolGroups"]] == [60, len(hostile[1].name)]
    # The component writes names as text: it never sets HTML.
    for script in (REPOSITORY / "pages/_ui/influence/components").glob("heatmap*.js"):
        assert "innerHTML" not in script.read_text("utf-8")


def test_exact_run_shows_exact_values(runs: Runs) -> None:
    page = open_page("influence", runs.query(runs.add_exact(), pool="2", target="2"))
    assert page.metric[0].label == "Exact influence"
    assert "computed, not predicted" in every_text(page)


def test_texts_are_never_read_as_markdown_or_html(runs: Runs) -> None:
    page = open_page("influence", runs.query(runs.predicted, pool="1", target="1"))
    view = RunView(runs.workspace, runs.predicted)
    prompt = view.roles.pool[0].prompt
    assert prompt in every_text(page)
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
