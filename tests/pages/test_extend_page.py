"""Rows added on the Data page, what they changed on the Run page, spot checks there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nncift_core import pipeline
from pages._ui.run.extension import changed_words
from pages._ui.runs import stages_of
from tests.pages.conftest import REPOSITORY
from tests.pages.finished import Runs, every_text, open_page


@pytest.fixture
def more() -> bytes:
    """Twenty rows that the small demo does not have, and one that it has."""
    lines = (REPOSITORY / "data" / "demo_pool.jsonl").read_text("utf-8").splitlines()
    return ("\n".join([lines[0], *lines[120:140]]) + "\n").encode()


def extended(runs: Runs, tmp_path: Path, content: bytes) -> tuple[str, str]:
    """Project and id of a finished run that extends the predicted one."""
    path = tmp_path / "more.jsonl"
    path.write_bytes(content)
    source = pipeline.import_files(runs.workspace, [path]).source
    run_id = pipeline.extend_run(runs.workspace, runs.predicted, source)
    pipeline.work(runs.workspace.run_dir(run_id))
    return runs.workspace.catalog.run(run_id).project_id, run_id


def test_files_on_the_data_page_become_a_longer_run(
    runs: Runs, jobs_at_once: list[Path], more: bytes
) -> None:
    app = open_page("data", runs.query(runs.predicted))
    assert app.button(key="extend").disabled
    assert "without labelling or training" in every_text(app)
    app.file_uploader[0].set_value(("new rows.jsonl", more, "text/plain")).run()
    assert not app.exception
    assert app.query_params["added"].endswith("|new rows.jsonl")
    app.button(key="extend").click().run()
    assert not app.exception and not app.error
    (folder,) = jobs_at_once
    record = runs.workspace.catalog.run(folder.name)
    assert (record.status, record.config["extends"]) == ("done", runs.predicted)
    project = runs.workspace.catalog.project(record.project_id)
    assert project.name.endswith("+ new rows.jsonl")
    assert record.project_id != runs.project_id
    # It goes on to the new run.
    assert app.query_params["run"] == folder.name
    assert app.query_params["project"] == project.id
    text = every_text(app)
    assert "20 rows" in text and "joined the pool" in text
    assert "1 row was in the pool already and left out" in text
    assert "farther from every labelled row" in text


def test_the_longer_run_on_all_pages(
    runs: Runs, tmp_path: Path, more: bytes, jobs_at_once: list[Path]
) -> None:
    project, run_id = extended(runs, tmp_path, more)
    query = {"project": project, "run": run_id}
    text = every_text(open_page("run", query))
    assert "What the added rows changed" in text
    assert "rows added" in text
    app = open_page("data", query)
    assert {metric.label: metric.value for metric in app.metric}["Accepted rows"] == "140"
    for page in ("trust", "influence", "select", "export"):
        open_page(page, query)
    # The run that it extends says nothing of it.
    assert "What the added rows changed" not in every_text(
        open_page("run", runs.query(runs.predicted))
    )


def test_a_spot_check_from_the_run_page(
    runs: Runs, tmp_path: Path, more: bytes, jobs_at_once: list[Path]
) -> None:
    project, run_id = extended(runs, tmp_path, more)
    app = open_page("run", {"project": project, "run": run_id})
    assert "Label a few new pairs" in every_text(app)
    app.button(key="spot-check").click().run()
    assert not app.exception and not app.error
    (check,) = pipeline.list_spot_checks(runs.workspace, run_id)
    assert check.result is not None
    assert (check.rows, check.result["n"]) == ("added", 64)
    assert check.result["sentence"].split(":")[0] in every_text(app).replace("\\", "")
    (table,) = [frame.value for frame in app.dataframe if "New pairs" in frame.value]
    assert list(table["Rows"]) == ["Added rows"]
    app.button_group(key="check-rows").set_value("pool").run()
    app.button(key="spot-check").click().run()
    (table,) = [frame.value for frame in app.dataframe if "New pairs" in frame.value]
    assert list(table["Rows"]) == ["Added rows", "The whole pool"]
    # A run that extends none is checked in its pool.
    app = open_page("run", runs.query(runs.predicted))
    assert not [group for group in app.button_group if group.key == "check-rows"]
    app.button(key="spot-check").click().run()
    assert pipeline.list_spot_checks(runs.workspace, runs.predicted)[0].rows == "pool"


def test_where_there_is_nothing_to_extend_or_check(runs: Runs) -> None:
    waiting = runs.add_waiting()
    app = open_page("data", runs.query(waiting))
    assert "once the run in view has finished" in every_text(app)
    assert not [button for button in app.button if button.key in ("extend", "spot-check")]
    exact = runs.add_exact()
    app = open_page("run", runs.query(exact))
    assert "Spot checks" not in every_text(app)
    # Exact cosines of new rows cost nothing, so they can be added.
    app = open_page("data", runs.query(exact))
    assert [button for button in app.button if button.key == "extend"]


def test_an_exact_run_of_a_model_says_why_not(runs: Runs) -> None:
    path = runs.workspace.run_dir(runs.predicted) / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config["config"] |= {"method": "delift", "exact": True}
    path.write_text(json.dumps(config), "utf-8")
    app = open_page("data", runs.query(runs.predicted))
    assert "no network that could predict added rows" in every_text(app)
    assert not [button for button in app.button if button.key == "extend"]


def test_words_and_stages() -> None:
    change: dict[str, Any] = {
        "added": 1, "left_out": 0, "kept": 30, "came_in": 4, "moved_up": 0, "displaced": 6,
    }  # fmt: skip
    words = changed_words(change)
    assert words.startswith(
        "**1 row** joined the pool. Of the 36 rows selected before, **30 stay**"
    )
    assert "others of the pool" not in words and "left out" not in words
    words = changed_words(change | {"left_out": 2, "moved_up": 3})
    assert "3 others of the pool" in words
    assert "2 rows were in the pool already" in words
    assert list(stages_of({"method": "delift"}, extended=True)) == [
        "embed", "compare", "predict", "select",
    ]  # fmt: skip
    assert list(stages_of({"method": "delift-se", "exact": True}, extended=True)) == [
        "embed", "predict", "select",
    ]  # fmt: skip
