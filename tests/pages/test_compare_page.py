"""The page Compare: choosing selections, what is said of them, and the rows only one holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nncift_core.errors import EncoderError
from nncift_core.selection.actions import curation
from nncift_core.store import SelectedRow
from tests.pages.conftest import Place
from tests.pages.finished import N_TRAIN, Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")


@pytest.fixture
def add(runs: Runs) -> Callable[..., str]:
    """``add("Name", first, last)``: a stored selection of the pool's rows first to last."""
    from nncift_core.pipeline import RunView

    pool = RunView(runs.workspace, runs.predicted).roles.pool

    def make(name: str, first: int, last: int, run_id: str = runs.predicted) -> str:
        rows = [
            SelectedRow(rank, row.id, 1.0, 1, f"reason <b>{rank}</b>")
            for rank, row in enumerate(pool[first:last], start=1)
        ]
        return runs.workspace.catalog.add_selection(run_id, name, "fl", str(len(rows)), rows).id

    return make


def _own(runs: Runs) -> str:
    return runs.workspace.catalog.selections(runs.predicted)[0].id


def _compare(runs: Runs, ids: Sequence[str], **more: str) -> Any:
    return open_page("compare", runs.query(runs.predicted, **{"with": ",".join(ids)}, **more))


def _figure(page: Any, label: str) -> str:
    return next(str(m.value) for m in page.metric if m.label == label)


def test_one_selection_leads_to_the_select_page(runs: Runs) -> None:
    page = open_page("compare", runs.query(runs.predicted))
    assert "One selection so far" in every_text(page)
    assert page.button(key="empty-state-button").label == "Make another selection"
    assert not page.multiselect


def test_without_a_run_the_way_on_is_shown(demo_workspace: Place) -> None:
    page = open_page("compare", demo_workspace.query)
    assert page.button(key="empty-state-button").label == "Set up a run"


def test_the_newest_two_are_compared_at_once(runs: Runs, add: Any) -> None:
    add("Old", 0, 5)
    ids = [add("<b>One</b>", 0, 20), add("Two $x$", 10, 40)]
    page = open_page("compare", runs.query(runs.predicted))
    assert page.query_params["with"] == ",".join(ids)
    words = every_text(page)
    assert "A and B share 10 rows, 50 % of the smaller one" in words
    assert f"two random draws would share {20 * 30 / N_TRAIN:.0f}" in words
    assert "By estimated influence" in words
    assert _figure(page, "Rows in all of them") == "10"
    assert _figure(page, "Rows in only one") == str(10 + 20)
    # Overlap, order, coverage, diversity, lengths, composition.
    assert len(page.get("plotly_chart")) == 6
    assert len(page.metric) == 4
    listed = page.dataframe[0].value
    assert listed["Name"].tolist() == ["<b>One</b>", "Two $x$"]
    assert listed["Rows"].tolist() == [20, 30]


def test_a_link_keeps_order_and_says_what_is_gone(runs: Runs, add: Any) -> None:
    one, two, three = add("One", 0, 20), add("Two", 10, 40), add("Three", 15, 18)
    page = _compare(runs, [three, "no-such-one", one, two])
    assert page.query_params["with"] == ",".join([three, one, two])
    assert "1 selection of this link is not in this project" in every_text(page)
    assert page.dataframe[0].value["Name"].tolist() == ["Three", "One", "Two"]
    assert "All three share 3 rows" in every_text(page)


def test_choosing_others_and_taking_all_away(runs: Runs, add: Any) -> None:
    one, two = add("One", 0, 20), add("Two", 10, 40)
    page = _compare(runs, [one, two])
    page.multiselect(key="compared").set_value([two, one, _own(runs)]).run()
    assert page.query_params["with"] == ",".join([two, one, _own(runs)])
    assert page.dataframe[0].value["Name"].tolist() == ["Two", "One", "Run"]
    page.multiselect(key="compared").set_value([one]).run()
    assert "Choose at least two" in every_text(page) and not page.metric
    page.multiselect(key="compared").set_value([]).run()
    assert page.multiselect(key="compared").value == []
    assert not page.exception and not page.error


def test_rows_only_in_one_with_search(runs: Runs, add: Any) -> None:
    one, two = add("One", 0, 20), add("Two", 10, 100)
    page = _compare(runs, [one, two])
    table = page.dataframe[-1].value
    assert table["Rank in A"].tolist() == list(range(1, 11))
    assert table["Why"].tolist()[0] == "reason <b>1</b>"
    page.segmented_control(key="only-in").set_value(1).run()
    table = page.dataframe[-1].value
    assert table["Rank in B"].tolist() == list(range(11, 61)), "fifty rows a page"
    page.button(key=f"only-{two}-forth").click().run()
    assert page.dataframe[-1].value["Rank in B"].tolist() == list(range(61, 91))
    prompt = page.dataframe[-1].value["Prompt"].tolist()[0]
    assert page.query_params["only"] == "B"
    page.text_input(key=f"only-{two}-q").set_value(f'"{prompt.upper()}"').run()
    assert page.dataframe[-1].value["Prompt"].tolist() == [prompt]
    page.text_input(key=f"only-{two}-q").set_value("no row says this").run()
    assert "No such row matches the filter" in every_text(page)
    # A link brings table and filter back.
    again = _compare(runs, [one, two], only="B", q="no row says this")
    assert "No such row matches the filter" in every_text(again)


def test_rows_are_pinned_and_opened_from_here(runs: Runs, add: Any) -> None:
    one, two = add("One", 0, 20), add("Two", 10, 40)
    page = _compare(runs, [one, two])
    key = page.dataframe[-1].key
    ids = page.dataframe[-1].value["Row id"].tolist()
    page.session_state[key] = {"selection": {"rows": [2, 0], "columns": [], "cells": []}}
    page.run()
    assert page.query_params["row"] == ids[0]
    assert "**Rank 1** · " in every_text(page)
    assert "2 rows marked" in every_text(page)
    page.button(key=f"only-{one}-pin").click().run()
    assert not page.exception and not page.error
    log = curation(runs.workspace.catalog.actions(runs.predicted))
    assert log.pinned == (ids[0], ids[2])
    assert "pinned 2" in every_text(page)
    page.button(key=f"only-{one}-undo").click().run()
    assert curation(runs.workspace.catalog.actions(runs.predicted)).pinned == ()


def test_one_click_compares_the_runs(runs: Runs, add: Any) -> None:
    ids = [add("One", 0, 20), add("Two", 10, 40)]
    assert "one-of-each" not in {button.key for button in _compare(runs, ids).button}
    exact = runs.add_exact()
    (own,) = runs.workspace.catalog.selections(exact)
    page = _compare(runs, ids)
    page.button(key="one-of-each").click().run()
    assert page.query_params["with"] == f"{ids[1]},{own.id}"
    assert page.button(key="one-of-each").disabled
    assert not page.exception and not page.error


def test_nothing_is_only_in_a_part_of_another(runs: Runs, add: Any) -> None:
    page = _compare(runs, [add("Part", 0, 10), add("Whole", 0, 20)])
    assert "Every row of A is in another selection too." in every_text(page)


def test_an_exact_run_measures_and_another_can_be_named(runs: Runs, add: Any) -> None:
    exact = runs.add_exact()
    ids = [add("One", 0, 20), add("Two", 10, 40)]
    page = _compare(runs, ids)
    assert "By true influence" in every_text(page)
    field = page.selectbox(key="measured-by")
    assert field.value == exact
    field.set_value(runs.predicted).run()
    assert page.query_params["by"] == runs.predicted
    assert "By estimated influence" in every_text(page)
    assert not page.error and not page.exception


def test_what_is_planted_stands_there_for_the_demo(
    runs: Runs, add: Any, small_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [add("One", 0, 20), add("Two", 10, 40)]
    assert "planted" not in every_text(_compare(runs, ids))
    folder = tmp_path / "whole"
    folder.mkdir()
    for path in small_demo.iterdir():
        (folder / path.name).write_text(path.read_text("utf-8"), "utf-8")
    truth = (Path("data") / "demo_truth.jsonl").read_text("utf-8")
    (folder / "demo_truth.jsonl").write_text(truth, "utf-8")
    monkeypatch.setenv("NNCIFT_DEMO_DIR", str(folder))
    from pages._ui.compare.comparison import cached_comparison

    cached_comparison.clear()
    page = _compare(runs, ids)
    assert "What is planted in the demo" in every_text(page)
    table = next(frame.value for frame in page.dataframe if "Wanted" in frame.value)
    rows = [row for row in map(json.loads, truth.splitlines()) if row["split"] == "pool"][:20]
    off_target = sum(not row["in_target_family"] for row in rows) / 20
    found = table[table["Rows"].str.startswith("off target")]["A"].tolist()
    assert found == [f"{100 * off_target:g} %"]


def test_an_encoder_that_is_gone_leaves_the_rest(
    runs: Runs, add: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(name: str) -> Any:
        raise EncoderError("The *encoder* is not here.")

    monkeypatch.setattr("nncift_core.pipeline.embedding.open_encoder", gone)
    page = _compare(runs, [add("One", 0, 20), add("Two", 10, 40)])
    assert "is not here." in every_text(page) and "The *encoder*" not in every_text(page)
    assert _figure(page, "Most diverse") == "-"
    assert len(page.get("plotly_chart")) == 5
