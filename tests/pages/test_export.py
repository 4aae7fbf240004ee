from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nncift_core.errors import WorkspaceError
from nncift_core.store import Workspace
from pages._ui import access
from pages._ui.export import file as export_file
from pages._ui.export import hub as export_hub
from tests.open_databases import databases_stay_open
from tests.pages.conftest import Place
from tests.pages.finished import N_TRAIN, Runs, every_text, open_page


@pytest.fixture(autouse=True)
def _open_databases() -> Iterator[None]:
    with databases_stay_open():
        yield


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


@pytest.mark.parametrize("schema", ["messages", "parquet"])
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


def test_running_job_leads_to_the_run_page(running_job: Place) -> None:
    page = open_page("export", running_job.query)
    assert "not done yet" in every_text(page)
    assert page.button(key="empty-state-button").label == "Watch the run"


def test_a_run_whose_selections_are_gone_leads_to_select(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(runs.workspace.catalog), "selections", lambda *given, **more: [])
    page = open_page("export", runs.query(runs.predicted))
    assert "Nothing is selected yet" in every_text(page)
    assert page.button(key="next-step").label == "Choose what to keep"


def test_the_address_says_what_is_exported(runs: Runs) -> None:
    query = runs.query(
        runs.predicted, schema="sharegpt", which="rest", scores="1", trainer="axolotl"
    )
    page = open_page("export", query)
    first = json.loads(page.code[0].value)
    assert first["conversations"][0]["from"] == "human"
    assert first["nncift_rank"] is None and first["nncift_reason"]
    assert "`nncift_score`: mean influence" in every_text(page)
    assert "other fields \\(subtask\\)" in every_text(page)
    assert any("field_messages" in element.value for element in page.code)
    page.button(key="build").click().run()
    assert not page.error
    path = _written(runs)
    assert path.name.endswith("-sharegpt-rest-scores.jsonl")
    assert json.loads(path.read_text("utf-8").splitlines()[0]) == first
    # Back to the plain file: the address gets short again, and that file is not built yet.
    page.toggle(key="scores").set_value(False).run()
    page.segmented_control(key="which").set_value("selected").run()
    page.radio(key="schema").set_value("raw").run()
    assert not {"schema", "which", "scores"} & set(page.query_params)
    assert page.button(key="build").label == "Build the file"
    assert page.dataframe[0].value["File"].tolist() == [path.name]


def test_an_address_with_nonsense_shows_the_usual_and_says_what_is_not_there(runs: Runs) -> None:
    query = runs.query(
        runs.predicted, schema="<b>", which="all", scores="yes", trainer="x", selection="**gone**"
    )
    page = open_page("export", query)
    assert page.radio(key="schema").value == "raw"
    assert page.segmented_control(key="which").value == "selected"
    assert page.toggle(key="scores").value is False
    assert "The selection \\*\\*gone\\*\\* is not in this run" in page.info[0].value
    assert page.button(key="build").label == "Build the file"


def test_a_viewer_sees_it_and_builds_nothing(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (access, export_file, export_hub):
        monkeypatch.setattr(module, "may_change", lambda: False)
    page = open_page("export", runs.query(runs.predicted))
    assert page.button(key="build").disabled
    assert page.code and access.VIEWER_SENTENCE in every_text(page)


def test_a_folder_that_cannot_be_written_is_one_sentence(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs.workspace.exports_dir
    page = open_page("export", runs.query(runs.predicted))
    folder.rmdir()
    folder.write_text("a file")
    page.button(key="build").click().run()
    assert not page.exception
    assert len(page.error) == 1 and "Details" not in every_text(page)
    assert "exports" in page.error[0].value and "folder" in page.error[0].value
    folder.unlink()
    folder.mkdir()

    def full(*given: object, **more: object) -> None:
        raise WorkspaceError(f"The disk is full: {folder} could not be written.", "Free some.")

    monkeypatch.setattr("nncift_core.pipeline.exporting.write_rows", full)
    page.button(key="build").click().run()
    assert "The disk is full" in page.error[0].value
    assert runs.workspace.catalog.exports() == []
    assert page.button(key="build").label == "Build the file"


def test_long_and_hostile_rows_are_cut_in_the_preview_only(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps({"prompt": "<script>![x](http://e)$a$ :red[x]" + "y" * 1_000_000})
    real = Workspace.open(runs.workspace.path).catalog.stored_rows

    def long_rows(self: object, dataset_id: str, positions: list[int]) -> object:
        return [(row, text) for row, _ in real(dataset_id, positions)]

    monkeypatch.setattr(type(runs.workspace.catalog), "stored_rows", long_rows)
    page = open_page("export", runs.query(runs.predicted))
    assert page.code[0].value == text[:2_000]
    assert f"2,000 of {len(text):,} characters are shown" in every_text(page)
    assert len(page.code) < 12
    page.button(key="build").click().run()
    assert _written(runs).read_text("utf-8").split("\n")[0] == text


def test_raw_rows_that_a_trainer_cannot_be_told_of_are_said(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncift_core.export import Layout

    nested = (Layout("pairs", "a.b", "c"),)
    monkeypatch.setattr(Layout, "of_sources", classmethod(lambda cls, sources: nested))
    page = open_page("export", runs.query(runs.predicted))
    assert "are nested, which TRL cannot be told of" in page.info[0].value


def test_without_a_token_the_hub_is_a_sentence(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_hub, "has_token", lambda: False)
    page = open_page("export", runs.query(runs.predicted))
    assert "`hf auth login`" in every_text(page)
    assert not [field for field in page.text_input if field.key == "push-repository"]


def test_a_built_file_is_pushed_as_a_job(
    runs: Runs, jobs_at_once: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncift_core.export import hub
    from nncift_core.pipeline import pushing

    for module in (export_hub, pushing, hub):
        monkeypatch.setattr(module, "has_token", lambda: True)
    given: list[object] = []

    def push_files(repository: str, file: Path, *more: object, **named: object) -> str:
        given.append((repository, file.name, named["private"]))
        if repository == "ann/shut":
            raise WorkspaceError("The Hugging Face hub cannot be reached.", "Try later.")
        return f"https://huggingface.co/datasets/{repository}"

    monkeypatch.setattr(pushing, "push_files", push_files)
    page = open_page("export", runs.query(runs.predicted))
    assert "Build the file first" in every_text(page)
    page.button(key="build").click().run()
    assert page.button(key="push").disabled
    page.text_input(key="push-repository").set_value("ann").run()
    page.button(key="push").click().run()
    assert "is not the name of a repository" in page.error[0].value and not jobs_at_once
    page.text_input(key="push-repository").set_value("ann/shut").run()
    page.button(key="push").click().run()
    assert "cannot be reached" in page.error[0].value
    page.text_input(key="push-repository").set_value("ann/set").run()
    page.button(key="push").click().run()
    assert not page.error and not page.exception
    name = _written(runs).name
    assert given == [("ann/shut", name, True), ("ann/set", name, True)]
    assert "Last push: ann/set, private" in every_text(page)
