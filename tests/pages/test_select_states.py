"""The Select page in its rarer states: exact, scored alone, all banned, too large, only looking."""

from __future__ import annotations

from typing import Any

import pytest

from nncift_core.selection.actions import curation
from pages._ui.select import growth as selection_growth
from tests.pages.finished import N_TRAIN, Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")


def _figure(page: Any, label: str) -> str:
    return next(m.value for m in page.metric if m.label == label)


def _keys(page: Any) -> set[str]:
    return {button.key for button in page.button}


def test_an_exact_run(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.add_exact(), budget="0.20"))
    assert _figure(page, "Rows chosen") == str(N_TRAIN // 5)
    assert _figure(page, "Labelled rows") == "100 %"
    assert len(page.metric) <= 4
    assert len(page.get("plotly_chart")) == 2


def test_a_run_that_scores_rows_alone(model_runs: Runs) -> None:
    run_id = model_runs.others["selectit"]
    page = open_page("select", model_runs.query(run_id, budget="0.20", part="coverage"))
    assert not page.selectbox or "use-case" not in {box.key for box in page.selectbox}
    assert "Lowest score" in [metric.label for metric in page.metric]
    assert len(page.get("plotly_chart")) == 1
    assert "the best first" in every_text(page)
    # There is nothing to be covered, so this part does not exist.
    assert page.segmented_control(key="part").value == "chosen"
    (record,) = model_runs.workspace.catalog.selections(run_id)
    page = open_page("select", model_runs.query(run_id, selection=record.id))
    assert len(page.dataframe[0].value) == min(50, record.row_count)


def test_rows_that_are_all_banned_can_be_released_at_once(runs: Runs) -> None:
    catalog = runs.workspace.catalog
    project = catalog.project(runs.project_id)
    ids = [row.id for row in catalog.dataset_rows(project.pool_id)]
    catalog.add_action(runs.predicted, "ban", ",".join(ids))
    page = open_page("select", runs.query(runs.predicted), problems=True)
    assert len(page.error) == 1 and "banned" in page.error[0].value
    assert not page.dataframe and "select" not in _keys(page)
    assert f"banned {N_TRAIN:,}" in every_text(page)
    page.button(key="rows-undo").click().run()
    assert not page.error and not page.exception
    assert curation(catalog.actions(runs.predicted)).banned == ()
    assert page.dataframe


def test_a_log_of_rows_that_are_gone_says_so_and_can_be_undone(runs: Runs) -> None:
    runs.workspace.catalog.add_action(runs.predicted, "pin", f"{'f' * 16}-0")
    page = open_page("select", runs.query(runs.predicted), problems=True)
    assert len(page.error) == 1 and "is not in the pool" in page.error[0].value
    page.button(key="rows-undo").click().run()
    assert not page.error and not page.exception


def test_in_a_large_run_coverage_is_measured_when_asked(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection_growth, "MOST_CELLS", 10)
    page = open_page("select", runs.query(runs.predicted))
    assert _figure(page, "Targets covered") == "-"
    assert len(page.get("plotly_chart")) == 1
    page.button(key="measure-coverage-button").click().run()
    assert _figure(page, "Targets covered").endswith("%")
    assert len(page.get("plotly_chart")) == 2
    # It was kept, so another visitor need not ask.
    assert list(runs.workspace.run_dir(runs.predicted).glob("scaled-possible-*.npy"))
    again = open_page("select", runs.query(runs.predicted))
    assert _figure(again, "Targets covered") == _figure(page, "Targets covered")


def test_who_may_only_look_changes_nothing(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (
        "access",
        "row_actions",
        "select.demands",
        "select.save_form",
        "select.saved_list",
    ):
        monkeypatch.setattr(f"pages._ui.{module}.may_change", lambda: False)
    catalog = runs.workspace.catalog
    (row, *_) = catalog.selection_rows(catalog.selections(runs.predicted)[0].id)
    catalog.add_action(runs.predicted, "pin", row.row_id)
    page = open_page("select", runs.query(runs.predicted, budget="7"))
    changing = {
        "rows-pin", "rows-ban", "rows-release", "rows-undo", "rows-redo", "rule-text-add",
        "quota-text-add", "select",
    }  # fmt: skip
    assert changing <= _keys(page)
    assert all(page.button(key=key).disabled for key in changing)
    assert not {key for key in _keys(page) if key.startswith(("rename-", "delete-"))}
    # Looking is free.
    page.number_input(key="budget-count").set_value(9).run()
    assert _figure(page, "Rows chosen") == "9"


def test_hostile_texts_are_shown_as_text(runs: Runs) -> None:
    query = {"row": "**x** :red[y] $z$", "q": '"unclosed', "subtask": "<b>", "out": "<script>"}
    page = open_page("select", runs.query(runs.predicted, **query))
    words = every_text(page)
    assert "is not in the pool of this run" in words
    assert "**x**" not in words and ":red[y]" not in words
    page = open_page("select", runs.query(runs.predicted, part="left-out", **query))
    assert "No such row matches the filter" in every_text(page)
