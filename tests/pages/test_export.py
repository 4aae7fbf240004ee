from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.pages.conftest import Place
from tests.pages.finished import N_TRAIN, Runs, every_text, open_page
from tests.pages.finished import finished_runs as finished_runs


def _raw_lines(runs: Runs) -> list[str]:
    project = runs.workspace.catalog.project(runs.project_id)
    return runs.workspace.catalog.dataset_raw(project.pool_id)


def _written(runs: Runs) -> Path:
    (record,) = runs.workspace.catalog.exports(run_id=runs.predicted)
    path = Path(record.path)
    assert path.parent == runs.workspace.exports_dir
    assert hashlib.sha256(path.read_bytes()).hexdigest() == record.sha256
    return path


def test_selected_rows_as_json_lines_are_the_original_rows(runs: Runs) -> None:
    page = open_page("export", runs.query(runs.predicted))
    (selection,) = runs.workspace.catalog.selections(runs.predicted)
    chosen = runs.workspace.catalog.selection_rows(selection.id)
    project = runs.workspace.catalog.project(runs.project_id)
    rows = runs.workspace.catalog.dataset_rows(project.pool_id)
    raw_of = {row.id: raw for row, raw in zip(rows, _raw_lines(runs), strict=True)}
    expected = [raw_of[row.row_id] for row in chosen]
    assert [element.value for element in page.code][:3] == expected[:3]
    page.button(key="build").click().run()
    assert not page.exception and not page.error
    path = _written(runs)
    assert path.read_text("utf-8").splitlines() == expected
    text = every_text(page)
    assert str(path) in text
    assert hashlib.sha256(path.read_bytes()).hexdigest() in text
    labels = [button.label for button in page.get("download_button")]
    assert labels[:2] == ["Download the file", "Download the manifest"]
    manifest = json.loads(path.with_name(f"{path.stem}.manifest.json").read_text("utf-8"))
    assert manifest["output"]["rows"] == len(expected)
    assert page.dataframe[0].value["File"].tolist() == [path.name]


def test_the_rest_is_every_other_row_in_input_order(runs: Runs) -> None:
    page = open_page("export", runs.query(runs.predicted))
    page.segmented_control(key="which").set_value("rest").run()
    page.button(key="build").click().run()
    path = _written(runs)
    (selection,) = runs.workspace.catalog.selections(runs.predicted)
    rest = path.read_text("utf-8").splitlines()
    assert len(rest) == N_TRAIN - selection.row_count
    assert rest == [raw for raw in _raw_lines(runs) if raw in set(rest)]
    assert path.name.endswith("-rest.jsonl")


@pytest.mark.parametrize("schema", ["alpaca", "messages", "parquet"])
def test_other_formats_show_and_write_their_own_shape(runs: Runs, schema: str) -> None:
    page = open_page("export", runs.query(runs.predicted))
    page.radio(key="schema").set_value(schema).run()
    preview = [json.loads(element.value) for element in page.code[:3]]
    page.button(key="build").click().run()
    path = _written(runs)
    if schema == "parquet":
        rows = pq.read_table(path).to_pylist()
    else:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert rows[:3] == preview
    keys = {
        "alpaca": {"instruction", "input", "output"},
        "messages": {"messages"},
        "parquet": {"prompt", "response", "subtask"},
    }
    assert set(preview[0]) == keys[schema]


def test_file_name_is_safe_whatever_the_project_is_called(runs: Runs) -> None:
    runs.workspace.catalog.rename_project(runs.project_id, "../../etc <b>/ ü")
    page = open_page("export", runs.query(runs.predicted))
    page.button(key="build").click().run()
    assert set(_written(runs).name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")


def test_file_that_is_gone_can_be_built_again(runs: Runs) -> None:
    page = open_page("export", runs.query(runs.predicted))
    page.button(key="build").click().run()
    path = _written(runs)
    before = path.read_bytes()
    path.unlink()
    page.run()
    page.button(key="build").click().run()
    assert path.read_bytes() == before


def test_unfinished_run_leads_to_the_run_page(runs: Runs) -> None:
    waiting = runs.add_waiting()
    page = open_page("export", runs.query(waiting))
    assert page.button(key="empty-state-button").label.endswith("Run page")


def test_without_a_run_or_a_project_the_way_on_is_shown(runs: Runs) -> None:
    page = open_page("export", {})
    assert page.button(key="empty-state-button").label == "Choose a project"
    runs.workspace.delete_run(runs.predicted)
    page = open_page("export", {"project": runs.project_id})
    assert page.button(key="empty-state-button").label == "Set up a run"


def test_failed_run_leads_to_the_run_page(failed_job: Place) -> None:
    page = open_page("export", failed_job.query)
    assert "The run failed" in every_text(page)
    assert page.button(key="empty-state-button").label == "See what happened"
