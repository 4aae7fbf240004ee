"""Data: filter, hints, order, pages and the opened row, all of it in the URL; hostile rows."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from nncift_core import pipeline
from nncift_core.datasets.report import Rejection, Report
from nncift_core.datasets.row_filter import RowFilter
from pages._ui.data import report as data_report
from pages._ui.row_filter import filter_query, pool_matches
from tests.unit.store.conftest import StandInDataset

pytestmark = pytest.mark.usefixtures("open_databases")

HOSTILE = [
    ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>"),
    ("![x](http://evil.example/x.png) [l](javascript:alert(1))", "$x^2$ :red[r] :material/home:"),
    ("\x1b[31mred\x1b[0m", '=HYPERLINK("http://evil.example")'),
    ("مرحبا \u202eevil\u202c", "🙂👩‍👩‍👧"),
    ("# Title\n- one", "x" * 150_000),
]


@pytest.fixture
def rows(demo_workspace):
    return demo_workspace.workspace.catalog.dataset_rows(demo_workspace.project.pool_id)


def listed(app) -> list[int]:
    return list(app.dataframe[-1].value["Row"])


def test_the_filter_finds_what_it_means_and_stands_in_the_url(
    open_app, demo_workspace, rows, words
) -> None:
    subtask = rows[0].subtask
    app = open_app("data", {**demo_workspace.query, "subtask": subtask, "page": "1"})
    assert (
        listed(app) == [place + 1 for place, row in enumerate(rows) if row.subtask == subtask][:50]
    )
    wanted = rows[0].prompt.split()[0].upper()
    app.text_input(key="rows-q").set_value(wanted).run()
    longest = len(rows[0].prompt) + len(rows[0].response)
    app.number_input(key="rows-longest").set_value(longest).run()
    row_filter = RowFilter(wanted, subtask, None, longest)
    expected = np.flatnonzero(row_filter.matches(rows)) + 1
    assert 0 < len(expected) < 50
    assert listed(app) == expected.tolist()
    assert {name: app.query_params[name] for name in ("q", "subtask", "longest")} == filter_query(
        row_filter
    )
    app.button(key="rows-clear").click().run()
    assert "q" not in app.query_params
    assert len(listed(app)) == 50


def test_nothing_found_is_said_with_what_to_do(open_app, demo_workspace, words) -> None:
    app = open_app("data", {**demo_workspace.query, "q": "no such words", "row": "3"})
    assert not app.exception
    assert "No row matches" in app.info[0].value
    app = open_app("data", {**demo_workspace.query, "shortest": "500", "longest": "x<b>"})
    assert r"longest=x\<b\> in the address is no number" in words(app)
    app = open_app("data", {**demo_workspace.query, "shortest": "9", "longest": "3"})
    assert "no row can match" in words(app)


def test_what_the_url_gets_wrong_is_said_in_a_sentence(open_app, demo_workspace, words) -> None:
    query = {"page": "77", "row": "999", "order": "raw; DROP", "hint": "*x*"}
    app = open_app("data", {**demo_workspace.query, **query})
    assert not app.exception
    text = words(app)
    assert "There is no page 77" in text
    assert "There is no row 999; the rows are numbered 1 to 120" in text
    assert "order=raw; DROP in the address is no order" in text
    assert r"hint=\*x\* in the address names nothing" in text
    assert listed(app) == list(range(1, 51))


def test_rows_are_ordered(open_app, demo_workspace, rows) -> None:
    app = open_app("data", demo_workspace.query)
    app.selectbox(key="order").set_value("length").run()
    app.toggle(key="descending").set_value(True).run()
    lengths = [len(row.prompt) + len(row.response) for row in rows]
    assert list(app.dataframe[-1].value["Characters"]) == sorted(lengths, reverse=True)[:50]
    assert (app.query_params["order"], app.query_params["descending"]) == ("length", "true")
    again = open_app("data", {**demo_workspace.query, "order": "length", "descending": "true"})
    assert listed(again) == listed(app)


def test_a_hint_shows_its_rows(open_app, demo_workspace, rows, words) -> None:
    app = open_app("data", {**demo_workspace.query, "q": "zebra"})
    short = [place + 1 for place, row in enumerate(rows) if len(row.response) < 10]
    sentence = f"{len(short)} responses have fewer than 10 characters."
    assert sentence in words(app)
    number = [markdown.value for markdown in app.markdown if markdown.value.endswith((".", "”"))]
    button = next(
        button
        for button in app.button
        if button.label == "Show" and f"hint-{_place(number, sentence)}" in str(button.key)
    )
    button.click().run()
    assert listed(app) == short
    assert app.query_params["hint"] == "short"
    assert "q" not in app.query_params
    assert "Only rows whose response has fewer than 10 characters." in words(app)
    app.button(key="close-hint").click().run()
    assert "hint" not in app.query_params
    assert len(listed(app)) == 50


def _place(sentences: list[str], sentence: str) -> int:
    """Place of a hint among the hints, which stand together on the page."""
    first = next(
        place
        for place, one in enumerate(sentences)
        if "in other words" in one or "fewer than" in one or "letter" in one
    )
    return sentences.index(sentence) - first


def test_the_neighbours_of_a_row_follow_the_list(open_app, demo_workspace, rows) -> None:
    order = sorted(range(120), key=lambda place: (len(rows[place].response), place))
    app = open_app(
        "data",
        {**demo_workspace.query, "order": "response-length", "row": str(order[48] + 1)},
    )
    for place in (49, 50, 51):
        app.button(key="row-next").click().run()
        assert app.query_params["row"] == str(order[place] + 1)
        assert rows[order[place]].prompt in [code.value for code in app.code]
    app.button(key="row-previous").click().run()
    assert app.query_params["row"] == str(order[50] + 1)


def test_neighbours_of_a_row_that_is_not_listed_are_those_of_the_file(
    open_app, demo_workspace
) -> None:
    app = open_app("data", {**demo_workspace.query, "page": "3", "row": "1"})
    app.button(key="row-previous").click().run()
    assert app.query_params["row"] == "1"
    app.button(key="row-next").click().run()
    assert app.query_params["row"] == "2"


def test_lengths_in_tokens(open_app, demo_workspace, words) -> None:
    app = open_app("data", demo_workspace.query)
    app.button_group(key="unit").set_value("Tokens").run()
    assert not app.exception
    assert "All rows, by the tokenizer of all-MiniLM-L6-v2" in words(app)


def test_near_duplicates_of_many_rows_are_looked_for_on_demand(
    open_app, demo_workspace, monkeypatch
) -> None:
    monkeypatch.setattr(data_report, "COMPARED_AT_ONCE", 10)
    app = open_app("data", demo_workspace.query)
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Near duplicates"] == "-"
    app.button(key="find-near").click().run()
    assert not app.exception
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Near duplicates"] != "-"
    assert "find-near" not in [button.key for button in app.button]


def test_hostile_rows_are_shown_as_text(open_app, empty_workspace, tmp_path, words) -> None:
    path = tmp_path / "hostile.jsonl"
    lines = [json.dumps({"prompt": prompt, "response": response}) for prompt, response in HOSTILE]
    path.write_text("\n".join([*lines, "=1+1 broken"]), "utf-8")
    imported = pipeline.import_files(empty_workspace, [path])
    project = empty_workspace.catalog.add_project("*Bad*", imported.record.id, None, 2)
    query = {"project": project.id}
    app = open_app("data", query)
    assert not app.exception
    table = app.dataframe[-1].value
    assert table["Prompt"][0] == HOSTILE[0][0]
    assert table["Prompt"][2] == "\\x1b[31mred\\x1b[0m"
    assert table["Prompt"][3] == "مرحبا \\u202eevil\\u202c"
    assert max(len(text) for text in table["Response"]) <= 300
    for place, (prompt, response) in enumerate(HOSTILE, 1):
        app = open_app("data", {**query, "row": str(place)})
        assert not app.exception
        assert len(app.code[1].value) <= 10_001
        if place < 3:
            assert [code.value for code in app.code][:2] == [prompt, response]
        app.toggle(key=f"row-{place - 1}-formatted").set_value(True).run()
        assert not app.exception
        text = "\n".join(markdown.value for markdown in app.markdown)
        assert not re.search(r"(?<!\\)(<script|<img|\[x\]|\[l\]|\$x|:red)", text)


def test_a_dataset_without_accepted_rows(open_app, empty_workspace, words) -> None:
    rejected = (Rejection("a.jsonl", 1, "no prompt: x", "{}"),)
    report = Report(0, rejected, 0, ("one warning",))
    source = {
        "name": "a.jsonl",
        "sha256": "f",
        "size": 1,
        "format": "json",
        "rows": 0,
        "mapping": {"kind": "pairs", "prompt": "p", "response": "r"},
    }
    empty_workspace.catalog.add_dataset(
        StandInDataset("dead0001", "a.jsonl", (), (), (), (source,), report)
    )
    project = empty_workspace.catalog.add_project("None", "dead0001", None, 2)
    for query in ({}, {"row": "1", "q": "x", "hint": "near"}):
        app = open_app("data", {"project": project.id, **query})
        assert not app.exception
        assert "No row of this dataset could be used." in words(app)
        assert {metric.label: metric.value for metric in app.metric}["Rejected rows"] == "1"


def test_pool_matches_are_those_of_the_runs_pool(finished_run) -> None:
    view = pipeline.RunView(finished_run.workspace, finished_run.run_id)
    row_filter = RowFilter("the", longest=150)
    expected = row_filter.matches(view.roles.pool)
    for run in (view, finished_run.run_id):
        found = pool_matches(finished_run.workspace, run, row_filter)
        assert found is not None
        assert found.tolist() == expected.tolist()
    assert pool_matches(finished_run.workspace, view, RowFilter()) is None


def test_pool_matches_leave_out_the_target_sample(demo_workspace) -> None:
    class View:
        run_id = "r1"

    from nncift_core.config import RunConfig
    from nncift_core.pipeline import DataSource, RunSpec, read_roles

    spec = RunSpec(
        config=RunConfig(),
        train=DataSource(demo_workspace.project.pool_id, "demo_pool.jsonl"),
        target_sample=30,
    )
    view = View()
    view.spec, view.roles = spec, read_roles(demo_workspace.workspace, spec)
    row_filter = RowFilter("the")
    found = pool_matches(demo_workspace.workspace, view, row_filter)
    assert found.tolist() == row_filter.matches(view.roles.pool).tolist()
    assert len(found) == 90
