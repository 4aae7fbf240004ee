"""Data: uploads, mapping, import, report, downloads, browsing."""

from __future__ import annotations

import json

import pytest

from nncift_core.datasets import Rejection
from pages._ui.data.rejections import rejections_csv, rejections_jsonl

pytestmark = pytest.mark.usefixtures("open_databases")


def lines(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def pool_bytes() -> bytes:
    rows = [{"instruction": f"Say {i}", "input": "", "output": f"{i} said"} for i in range(60)]
    return b'{"broken": \n' + lines(rows) + lines(rows[:1])


@pytest.fixture
def target_bytes() -> bytes:
    return lines({"frage": f"Was ist {i}?", "antwort": f"Die Zahl {i}"} for i in range(20))


def upload(app, place: int, name: str, content: bytes):
    return app.file_uploader[place].set_value((name, content, "text/plain")).run()


def test_empty_workspace_offers_the_upload(open_app, empty_workspace, words) -> None:
    app = open_app("data")
    assert not app.exception
    assert "Drop a pool file to begin" in words(app)
    assert app.button(key="import").disabled


def test_upload_is_stored_at_once_and_named_in_the_url(
    open_app, empty_workspace, pool_bytes, words
) -> None:
    app = upload(open_app("data"), 0, "my *pool*.jsonl", pool_bytes)
    stored = list(empty_workspace.uploads_dir.iterdir())
    assert [path.read_bytes() for path in stored] == [pool_bytes]
    assert app.query_params["pool"] == f"{stored[0].name}|my *pool*.jsonl"
    text = words(app)
    assert r"my \*pool\*.jsonl" in text
    assert "prompt ← instruction + input, response ← output" in text
    preview = app.dataframe[0].value
    assert len(preview) == 10
    assert preview["Check"][0].startswith("broken JSON")
    assert preview["Prompt"][1] == "Say 0"


def test_a_refresh_loses_nothing(open_app, empty_workspace, pool_bytes, words) -> None:
    before = upload(open_app("data"), 0, "pool.jsonl", pool_bytes)
    query = {"pool": before.query_params["pool"], "new": "Mine"}
    again = open_app("data", query)
    assert "pool.jsonl" in words(again)
    assert len(again.dataframe[0].value) == 10
    assert again.text_input(key="new").value == "Mine"


def test_the_url_opens_no_other_file(open_app, empty_workspace, tmp_path, words) -> None:
    (tmp_path / "secret.jsonl").write_bytes(lines([{"prompt": "p", "response": "r"}] * 3))
    for name in ("../../secret.jsonl", str(tmp_path / "secret.jsonl"), "0" * 64 + ".jsonl"):
        app = open_app("data", {"pool": f"{name}|x"})
        assert not app.exception
        assert not app.dataframe
        assert "Drop a pool file to begin" in words(app)


def test_unknown_columns_are_chosen_by_hand_and_the_import_makes_a_project(
    open_app, empty_workspace, pool_bytes, target_bytes, words
) -> None:
    app = upload(open_app("data", {"new": "Zahlen"}), 0, "pool.jsonl", pool_bytes)
    app = upload(app, 1, "ziel.jsonl", target_bytes)
    assert "frage, antwort" in app.warning[1].value
    assert app.button(key="import").disabled
    digest = app.query_params["target"][:12]
    app.selectbox(key=f"target-prompt-{digest}").set_value("frage").run()
    app.selectbox(key=f"target-response-{digest}").set_value("antwort").run()
    assert len(app.warning) == 1
    app.button(key="import").click().run()
    assert not app.exception
    assert not app.error
    project = empty_workspace.catalog.projects()[0]
    assert project.name == "Zahlen"
    assert app.query_params["project"] == project.id
    assert "pool" not in app.query_params
    assert empty_workspace.catalog.dataset_rows(project.target_id)[3].prompt == "Was ist 3?"
    assert {metric.label: metric.value for metric in app.metric} == {
        "Accepted rows": "61",
        "Rejected rows": "1",
        "Exact duplicates": "1",
        "Near duplicates": "0",
    }


def test_a_sample_of_the_pool_as_target(open_app, empty_workspace, pool_bytes, words) -> None:
    app = upload(open_app("data"), 0, "pool.jsonl", pool_bytes)
    app.button_group(key="target-kind").set_value("A sample of the pool").run()
    assert app.slider(key="sample").max == 59
    app.slider(key="sample").set_value(20).run()
    assert app.query_params["sample"] == "20"
    app.button(key="import").click().run()
    project = empty_workspace.catalog.projects()[0]
    assert (project.target_sample, project.name) == (20, "pool")
    assert "41 pool rows · 20 target rows" in app.caption[0].value
    app.button_group(key="side").set_value("Target").run()
    assert "The target is a sample of 20 pool rows" in words(app)


def test_a_file_that_cannot_be_read_is_one_sentence(open_app, empty_workspace) -> None:
    app = upload(open_app("data"), 0, "pool.jsonl", "prompt".encode("utf-16"))
    assert not app.exception
    assert "UTF-16" in app.error[0].value
    assert app.button(key="import").disabled


def test_a_taken_name_is_refused_and_nothing_is_lost(open_app, demo_workspace, pool_bytes) -> None:
    app = upload(open_app("data", {"new": "demo"}), 0, "pool.jsonl", pool_bytes)
    app.button_group(key="target-kind").set_value("A sample of the pool").run()
    app.slider(key="sample").set_value(20).run()
    app.button(key="import").click().run()
    assert "already" in app.error[0].value
    assert len(app.dataframe[0].value) == 10


def test_a_correction_survives_a_refresh(open_app, empty_workspace, target_bytes) -> None:
    app = upload(open_app("data"), 0, "ziel.jsonl", target_bytes)
    digest = app.query_params["pool"][:12]
    app.selectbox(key=f"pool-prompt-{digest}").set_value("frage").run()
    app.selectbox(key=f"pool-response-{digest}").set_value("antwort").run()
    assert app.dataframe[0].value["Prompt"][3] == "Was ist 3?"
    query = {name: app.query_params[name] for name in app.query_params}
    again = open_app("data", query)
    assert again.dataframe[0].value["Prompt"][3] == "Was ist 3?"


def test_prompt_and_response_from_one_column_are_refused(
    open_app, empty_workspace, pool_bytes, words
) -> None:
    app = upload(open_app("data"), 0, "pool.jsonl", pool_bytes)
    app.button_group(key="target-kind").set_value("A sample of the pool").run()
    digest = app.query_params["pool"][:12]
    app.selectbox(key=f"pool-prompt-{digest}").set_value("output").run()
    assert "both read from the column 'output'" in app.warning[0].value
    assert app.button(key="import").disabled
    app.selectbox(key=f"pool-response-{digest}").set_value("instruction").run()
    assert not app.button(key="import").disabled
    preview = app.dataframe[0].value
    assert (preview["Prompt"][1], preview["Response"][1]) == ("0 said", "Say 0")


def test_rows_that_would_be_rejected_are_counted_with_reasons(
    open_app, empty_workspace, words
) -> None:
    rows = [
        {"prompt": f"p{i}", "response": None if i % 3 == 0 else f"r{i}", "group": f"g{i}"}
        for i in range(1, 31)
    ]
    rows[4].pop("prompt")
    app = upload(open_app("data"), 0, "holes.jsonl", lines(rows))
    said = app.warning[0].value
    assert "11 of all 30 rows would be rejected: 10 null response" in said
    assert r"1 no prompt \(first: line 5" in said
    assert "30 rows checked, 19 can be used" in words(app)
    assert app.dataframe[0].value["Group"][0] == "g1"
    digest = app.query_params["pool"][:12]
    app.selectbox(key=f"pool-response-{digest}").set_value("group").run()
    assert "1 of all 30 rows" in app.warning[0].value


def test_a_mapping_that_no_row_fits_is_one_sentence(open_app, empty_workspace) -> None:
    rows = [{"prompt": f"p{i}", "response": f"r{i}", "n": i} for i in range(9)]
    app = upload(open_app("data"), 0, "numbers.jsonl", lines(rows))
    digest = app.query_params["pool"][:12]
    app.selectbox(key=f"pool-response-{digest}").set_value("n").run()
    assert app.warning[0].value.startswith("None of all 9 rows can be used like this: line 1,")
    assert app.button(key="import").disabled


def test_files_with_other_columns_are_checked_one_by_one(
    open_app, empty_workspace, pool_bytes, target_bytes, words
) -> None:
    app = upload(open_app("data"), 0, "pool.jsonl", pool_bytes)
    more = lines([{"question": f"Why {i}?", "answer": f"So {i}"} for i in range(9)])
    app = upload(app, 0, "more.jsonl", more)
    text = words(app)
    assert "**pool.jsonl** prompt ← instruction" in text
    assert "**more.jsonl** prompt ← question, response ← answer" in text
    assert not app.error
    app = upload(app, 0, "ziel.jsonl", target_bytes)
    assert "the names in ziel.jsonl tell nothing" in app.warning[-1].value
    assert app.button(key="import").disabled


def test_removing_a_file(open_app, empty_workspace, pool_bytes) -> None:
    app = upload(open_app("data"), 0, "pool.jsonl", pool_bytes)
    app.button(key="pool-remove-0").click().run()
    assert "pool" not in app.query_params
    assert not app.dataframe


def test_report_and_rows_of_a_project(open_app, demo_workspace, words) -> None:
    app = open_app("data", demo_workspace.query)
    assert not app.exception
    assert {metric.label: metric.value for metric in app.metric}["Accepted rows"] == "120"
    assert "1 to 50 of 120 rows" in words(app)
    assert len(app.dataframe[-1].value) == 50
    app.button_group(key="side").set_value("Target").run()
    assert {metric.label: metric.value for metric in app.metric}["Accepted rows"] == "60"


def test_a_row_opens_in_full_from_its_link(open_app, demo_workspace) -> None:
    row = demo_workspace.workspace.catalog.dataset_rows(demo_workspace.project.pool_id)[11]
    app = open_app("data", {**demo_workspace.query, "row": "12"})
    shown = [code.value for code in app.code]
    assert row.prompt in shown
    assert row.response in shown
    for wrong in ("0", "121", "-1", "x", "²"):
        app = open_app("data", {**demo_workspace.query, "row": wrong})
        assert not app.exception
        assert not app.code


def test_rejected_rows_are_read_only_when_they_are_shown(
    open_app, empty_workspace, pool_bytes, tmp_path
) -> None:
    from nncift_core import pipeline

    (tmp_path / "pool.jsonl").write_bytes(pool_bytes)
    imported = pipeline.import_files(empty_workspace, [tmp_path / "pool.jsonl"])
    project = empty_workspace.catalog.add_project("One", imported.record.id, None, 2)
    app = open_app("data", {"project": project.id})
    assert len(app.dataframe) == 1
    app = open_app("data", {"project": project.id, "rejected": "true"})
    assert not app.exception
    assert list(app.dataframe[0].value["Reason"]) == ["broken JSON"]
    assert list(app.dataframe[1].value["Line"]) == [1]


def test_rejected_rows_can_be_downloaded() -> None:
    rejected = [
        Rejection("a.csv", 4, "ragged row", "=1+1"),
        Rejection("@a.csv", 5, "+x", " \t=2"),
        Rejection("a.csv", 9, "no prompt", 'quote " and ä'),
    ]
    text = rejections_csv(rejected).decode("utf-8-sig").splitlines()
    assert text[1] == "a.csv,4,ragged row,'=1+1"
    assert text[2] == "'@a.csv,5,'+x,' \t=2"
    assert text[3] == 'a.csv,9,no prompt,"quote "" and ä"'
    parsed = [json.loads(line) for line in rejections_jsonl(rejected).decode().splitlines()]
    assert parsed[0] == {"file": "a.csv", "line": 4, "reason": "ragged row", "excerpt": "=1+1"}
    assert parsed[2]["excerpt"] == 'quote " and ä'
