"""The Select page: use case, budget, curve, tables and keeping what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nncift_core import jobs
from nncift_core.datasets.row_filter import RowFilter
from nncift_core.errors import DataError
from nncift_core.pipeline import create_selection, curation, pending_selections
from tests.pages.conftest import Place
from tests.pages.finished import N_TRAIN, Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")


def _figure(page: Any, label: str) -> str:
    return next(m.value for m in page.metric if m.label == label)


def _ids(page: Any) -> list[str]:
    return list(page.dataframe[0].value["Row id"])


def _rows_budget(page: Any, rows: int) -> None:
    page.segmented_control(key="budget-kind").set_value("Rows").run()
    page.number_input(key="budget-count").set_value(rows).run()
    assert not page.exception
    assert not page.error


def test_the_page_begins_with_what_the_run_itself_chose(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted))
    (record,) = runs.workspace.catalog.selections(runs.predicted)
    stored = runs.workspace.catalog.selection_rows(record.id)
    assert _figure(page, "Rows chosen") == str(record.row_count)
    assert _ids(page) == [row.row_id for row in stored]
    chosen = page.dataframe[0].value
    assert chosen["Rank"].tolist() == list(range(1, record.row_count + 1))
    assert chosen["Why"].tolist() == [row.reason for row in stored]
    # So there is nothing to keep; the next step is there.
    words = every_text(page)
    assert f"Kept as **{record.name}**" in words
    assert page.button(key="next-step").label == "Take it to the trainer"
    assert "**Exact**" in words
    assert int(_figure(page, "Tokens").replace(",", "")) > record.row_count
    assert len(page.get("plotly_chart")) == 2
    assert _figure(page, "Targets covered").endswith("%")
    # Defaults stay out of the link.
    assert set(page.query_params) <= {"project", "run"}
    # What would need rows that the model was already tuned on is not offered.
    offered = " ".join(page.selectbox(key="objective").options)
    assert "FL (target)" in offered
    assert "FLCG" not in offered
    assert "Continual learning" not in page.selectbox(key="use-case").options
    assert "Continual learning" in page.selectbox(key="use-case").help


def test_the_objective_follows_from_the_use_case_and_can_be_overridden(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted))
    page.selectbox(key="use-case").set_value("target").run()
    assert page.selectbox(key="objective").value == "flmi-query"
    assert page.query_params["use"] == "target"
    page.selectbox(key="objective").set_value("coverage").run()
    assert page.query_params["objective"] == "coverage"
    # Another use case forgets what was chosen by hand for this one.
    page.selectbox(key="use-case").set_value("subtasks").run()
    assert page.selectbox(key="objective").value == "round-robin"
    assert "objective" not in page.query_params
    assert "Rounds" not in [metric.label for metric in page.metric]
    assert "Score" in page.dataframe[0].value


def test_another_budget_is_a_prefix_of_the_same_order(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    select = curation.Desk.select

    def counted(self: Any, objective: str, settings: Any, most_rows: int, *more: Any) -> Any:
        asked.append(most_rows)
        return select(self, objective, settings, most_rows, *more)

    monkeypatch.setattr(curation.Desk, "select", counted)
    page = open_page("select", runs.query(runs.predicted))
    thirty = _ids(page)
    page.slider(key="budget-share").set_value(10).run()
    assert _ids(page) == thirty[: N_TRAIN // 10]
    assert page.query_params["budget"] == "0.10"
    page.slider(key="budget-share").set_value(40).run()
    assert _ids(page)[: len(thirty)] == thirty
    # The budget stands in the curve.
    chart = json.loads(page.get("plotly_chart")[0].proto.spec)
    notes = [note["text"] for note in chart["layout"]["annotations"]]
    assert f"budget: {40 * N_TRAIN // 100} rows" in notes
    # Another kind begins with the same amount.
    page.segmented_control(key="budget-kind").set_value("Rows").run()
    assert page.number_input(key="budget-count").value == 40 * N_TRAIN // 100
    assert page.query_params["budget"] == str(40 * N_TRAIN // 100)
    button = page.button(key="use-knee")
    knee = button.label.removeprefix("Use the knee: ").removesuffix(" rows")
    button.click().run()
    assert _figure(page, "Rows chosen") == knee
    assert page.query_params["budget"] == knee
    assert page.button(key="use-knee").disabled
    page.segmented_control(key="budget-kind").set_value("Share").run()
    assert page.slider(key="budget-share").value == round(100 * int(knee) / N_TRAIN)
    # All of it was one order.
    assert set(asked) == {N_TRAIN}


def test_a_token_budget_is_kept_to(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted, budget="tokens-300"))
    assert page.number_input(key="budget-tokens").value == 300
    spent = int(_figure(page, "Tokens").replace(",", ""))
    assert 0 < spent <= 300
    assert int(_figure(page, "Rows chosen")) < N_TRAIN


def test_links_that_mean_nothing_open_the_defaults(runs: Runs) -> None:
    (record,) = runs.workspace.catalog.selections(runs.predicted)
    nothing = {
        "objective": "x",
        "use": "y",
        "duplicates": "z",
        "optimizer": "w",
        "part": "v",
        "least-tokens": "-1",
        "most-tokens": "1" * 40,
        "shortest": "-1",
        "row": "<script>",
        "out": "q",
        "selection": "gone",
    }
    for budget in ("many", "999999", "tokens-"):
        page = open_page("select", runs.query(runs.predicted, budget=budget, **nothing))
        assert _figure(page, "Rows chosen") == str(record.row_count)


def test_the_link_brings_the_form_back(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted))
    page.selectbox(key="use-case").set_value("target")
    page.slider(key="budget-share").set_value(15)
    page.number_input(key="least-tokens").set_value(12)
    page.selectbox(key="duplicates").set_value("keep").run()
    ids = _ids(page)
    link = {name: page.query_params[name] for name in page.query_params}
    again = open_page("select", link)
    assert _ids(again) == ids
    assert again.selectbox(key="use-case").value == "target"
    assert again.number_input(key="least-tokens").value == 12
    assert again.selectbox(key="duplicates").value == "keep"


def test_keeping_stores_what_is_shown_under_its_name(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted))
    _rows_budget(page, 7)
    ids = _ids(page)
    assert "next-step" not in [button.key for button in page.button]
    page.text_input(key="selection-name").set_value("<b>Seven</b>")
    page.button(key="select").click().run()
    assert not page.exception and not page.error
    _, second = runs.workspace.catalog.selections(runs.predicted)
    assert (second.name, second.row_count, second.budget) == ("<b>Seven</b>", 7, "7")
    assert [row.row_id for row in runs.workspace.catalog.selection_rows(second.id)] == ids
    assert second.meta["request"]["budget"] in ("7", 7)
    assert "Kept as" in every_text(page)
    # The page still chooses; the kept one can be opened.
    page.button(key=f"open-{second.id}").click().run()
    assert page.query_params["selection"] == second.id
    assert _figure(page, "Rows chosen") == "7"
    page.button(key="close-selection").click().run()
    assert "selection" not in page.query_params
    assert page.slider or page.number_input(key="budget-count").value == 7


def test_left_out_rows_say_why_and_the_next_one_comes_first(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted, budget="0.10"))
    chosen = _ids(page)
    page.segmented_control(key="part").set_value("left-out").run()
    assert page.query_params["part"] == "left-out"
    table = page.dataframe[0].value
    assert len(table) == 50
    assert table["Why it is out"].str.len().gt(0).all()
    assert not set(table["Row id"]) & set(chosen)
    first = table["Row id"][0]
    page.segmented_control(key="budget-kind").set_value("Rows").run()
    page.number_input(key="budget-count").set_value(len(chosen) + 1).run()
    page.segmented_control(key="part").set_value("chosen").run()
    assert _ids(page) == [*chosen, first]


def test_the_filter_means_the_same_in_every_table(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted))
    prompt = page.dataframe[0].value["Prompt"][0]
    word = max(prompt.split(), key=len)
    page.text_input(key="chosen-q").set_value(word.upper()).run()
    assert page.query_params["q"] == word.upper()
    assert 1 in page.dataframe[0].value["Rank"].tolist()
    found = set(_ids(page))
    page.segmented_control(key="part").set_value("left-out").run()
    assert page.text_input(key="left-out-q").value == word.upper()
    found |= set(_ids(page)) if page.dataframe else set()
    project = runs.workspace.catalog.project(runs.project_id)
    rows = runs.workspace.catalog.dataset_rows(project.pool_id)
    matches = RowFilter(word).matches(rows)
    assert found == {row.id for row, matched in zip(rows, matches, strict=True) if matched}
    page.text_input(key="left-out-q").set_value("no row says this").run()
    assert "No such row matches the filter" in every_text(page)
    assert not page.dataframe
    assert page.button(key="rows-pin").disabled
    page.button(key="left-out-clear").click().run()
    assert "q" not in page.query_params
    page.segmented_control(key="part").set_value("coverage").run()
    assert not page.exception and not page.error
    assert "of what the whole pool could give" in every_text(page)


def test_the_opened_row_is_in_the_link(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted))
    row_id = _ids(page)[3]
    key = page.dataframe[0].key
    page.session_state[key] = {"selection": {"rows": [3], "columns": [], "cells": []}}
    page.run()
    assert page.query_params["row"] == row_id
    assert "Chosen at rank 4." in every_text(page)
    again = open_page("select", runs.query(runs.predicted, row=row_id, part="left-out"))
    assert "Chosen at rank 4." in every_text(again)
    again.button(key="close-row").click().run()
    assert "row" not in again.query_params
    assert "Chosen at rank" not in every_text(again)
    # A mark that is taken away closes what it opened.
    page.session_state[key] = {"selection": {"rows": [], "columns": [], "cells": []}}
    page.run()
    assert "row" not in page.query_params
    gone = open_page("select", runs.query(runs.predicted, row="![x](http://a.b)"))
    assert "is not in the pool of this run" in every_text(gone)


def test_failed_selection_says_why_and_can_be_removed(runs: Runs) -> None:
    selection_id = create_selection(runs.workspace, runs.predicted, "fl", "5", "Fails")
    folder = runs.workspace.selection_dir(runs.predicted, selection_id)
    with pytest.raises(DataError), jobs.running(folder) as progress:
        progress.stage("select", 5, "rows")
        raise DataError("The matrix is broken.")
    page = open_page("select", runs.query(runs.predicted), problems=True)
    assert "The matrix is broken" in every_text(page)
    assert page.button(key="selection-job-resume").label == "Try again"
    page.button(key="discard").click().run()
    assert not pending_selections(runs.workspace, runs.predicted)
    assert not folder.exists()
    assert not page.error


def test_running_selection_shows_progress_and_cancel(runs: Runs) -> None:
    selection_id = create_selection(runs.workspace, runs.predicted, "fl", "5", "Runs")
    folder = runs.workspace.selection_dir(runs.predicted, selection_id)
    with jobs.running(folder) as progress:
        progress.stage("select", 5, "rows")
        page = open_page("select", runs.query(runs.predicted))
    assert page.button(key="selection-job-cancel").label == "Cancel"
    assert any("Runs" in text.value for text in page.text)


def test_unfinished_run_leads_to_the_run_page(runs: Runs) -> None:
    waiting = runs.add_waiting()
    page = open_page("select", runs.query(waiting))
    assert page.button(key="empty-state-button").label.endswith("Run page")


def test_without_a_run_or_a_project_the_way_on_is_shown(runs: Runs) -> None:
    page = open_page("select", {})
    assert page.button(key="empty-state-button").label == "Choose a project"
    runs.workspace.delete_run(runs.predicted)
    page = open_page("select", {"project": runs.project_id})
    assert page.button(key="empty-state-button").label == "Set up a run"


def test_failed_run_leads_to_the_run_page(failed_job: Place) -> None:
    page = open_page("select", failed_job.query)
    assert "The run failed" in every_text(page)
    assert page.button(key="empty-state-button").label == "See what happened"


def test_the_page_holds_no_array_maths_and_no_sql() -> None:
    root = Path(__file__).resolve().parents[2] / "pages"
    names = ("select.py", "_ui/row_actions.py", "_ui/selections.py", *(
        f"_ui/select/{path.name}" for path in (root / "_ui/select").glob("*.py")))  # fmt: skip
    assert len(names) > 12
    for name in names:
        text = (root / name).read_text("utf-8")
        assert "import numpy" not in text and "SELECT " not in text, name
