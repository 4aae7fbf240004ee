from __future__ import annotations

from pathlib import Path

import pytest

from nncift_core import jobs
from nncift_core.errors import DataError
from nncift_core.pipeline import create_selection, pending_selections
from tests.pages.conftest import Place
from tests.pages.finished import N_TRAIN, Runs, every_text, open_page
from tests.pages.finished import finished_runs as finished_runs
from tests.pages.finished import run_jobs_at_once as run_jobs_at_once


def _figure(page: object, label: str) -> str:
    return next(m.value for m in page.metric if m.label == label)  # type: ignore[attr-defined]


def test_the_runs_own_selection_is_there_at_once(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted))
    (record,) = runs.workspace.catalog.selections(runs.predicted)
    assert _figure(page, "Rows chosen") == str(record.row_count)
    assert len(page.get("plotly_chart")) == 1
    rows, total = runs.workspace.catalog.browse_selection(record.id)
    chosen = page.dataframe[0].value
    assert total == record.row_count == len(chosen)
    assert chosen["Rank"].tolist() == list(range(1, total + 1))
    assert chosen["Why"].tolist() == [row.selected.reason for row in rows]
    assert len(page.dataframe[1].value) == min(50, N_TRAIN - total)
    words = every_text(page)
    if record.meta["saturated_at"] is None:
        assert "one round was enough" in words
    else:
        assert f"After **{record.meta['saturated_at']} pick" in words


def test_only_objectives_that_the_run_can_meet_are_offered(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted))
    offered = page.selectbox(key="objective").options
    assert "FL (target)" in offered
    # It needs rows that the model was already tuned on.
    assert "FLCG" not in offered


@pytest.mark.parametrize("objective", ["topk", "fl-pool"])
def test_another_selection_is_made_shown_and_switchable(
    runs: Runs, jobs_at_once: list[Path], objective: str
) -> None:
    page = open_page("select", runs.query(runs.predicted))
    page.selectbox(key="objective").set_value(objective)
    page.segmented_control(key="budget-kind").set_value("Rows").run()
    page.number_input(key="budget-count").set_value(7)
    page.text_input(key="selection-name").set_value("<b>Seven</b>").run()
    page.button(key="select").click().run()
    assert not page.exception and not page.error
    assert len(jobs_at_once) == 1
    first, second = runs.workspace.catalog.selections(runs.predicted)
    assert (second.name, second.objective, second.row_count) == ("<b>Seven</b>", objective, 7)
    assert page.query_params["selection"] == second.id
    assert _figure(page, "Rows chosen") == "7"
    # Scores of single rows share no coverage, so there are no rounds to speak of.
    labels = [metric.label for metric in page.metric]
    assert ("Highest score" in labels, "Rounds" in labels) == (
        objective == "topk",
        objective != "topk",
    )
    page.selectbox(key="selection-switcher").set_value(first.id).run()
    assert _figure(page, "Rows chosen") == str(first.row_count)


def test_share_slider_gives_the_share_as_budget(runs: Runs, jobs_at_once: list[Path]) -> None:
    page = open_page("select", runs.query(runs.predicted))
    page.slider(key="budget-share").set_value(10).run()
    page.button(key="select").click().run()
    assert runs.workspace.catalog.selections(runs.predicted)[-1].budget == "0.10"
    assert _figure(page, "Rows chosen") == str(N_TRAIN // 10)


def test_search_finds_rows_and_says_when_there_is_none(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted))
    (record,) = runs.workspace.catalog.selections(runs.predicted)
    rows, _ = runs.workspace.catalog.browse_selection(record.id)
    assert rows[0].record is not None
    prompt = rows[0].record.row.prompt
    page.text_input(key="chosen-search").set_value(prompt.upper()).run()
    assert page.dataframe[0].value["Rank"].tolist() == [1]
    page.text_input(key="chosen-search").set_value("no row says this").run()
    assert "No row holds 'no row says this'" in every_text(page)


def test_failed_selection_says_why_and_can_be_removed(runs: Runs) -> None:
    selection_id = create_selection(runs.workspace, runs.predicted, "fl", "5", "Fails")
    folder = runs.workspace.selection_dir(runs.predicted, selection_id)
    with pytest.raises(DataError), jobs.running(folder) as progress:
        progress.stage("select", 5, "rows")
        raise DataError("The matrix is broken.")
    query = runs.query(runs.predicted, selection=selection_id)
    page = open_page("select", query, problems=True)
    assert "The matrix is broken" in every_text(page)
    assert page.button(key="selection-job-resume").label == "Try again"
    page.button(key="discard").click().run()
    assert not pending_selections(runs.workspace, runs.predicted)
    assert not folder.exists()
    assert len(page.dataframe) == 2


def test_running_selection_shows_progress_and_cancel(runs: Runs) -> None:
    selection_id = create_selection(runs.workspace, runs.predicted, "fl", "5", "Runs")
    folder = runs.workspace.selection_dir(runs.predicted, selection_id)
    with jobs.running(folder) as progress:
        progress.stage("select", 5, "rows")
        page = open_page("select", runs.query(runs.predicted, selection=selection_id))
    assert page.button(key="selection-job-cancel").label == "Cancel"
    assert not page.metric


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
