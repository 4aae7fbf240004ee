"""Pins, bans, rules and quotas on the Select page, and taking them back."""

from __future__ import annotations

from typing import Any

import pytest

from nncift_core.selection.actions import curation
from tests.pages.finished import N_TRAIN, Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")


def _ids(page: Any) -> list[str]:
    return list(page.dataframe[0].value["Row id"])


def _tick(page: Any, *places: int) -> None:
    key = page.dataframe[0].key
    page.session_state[key] = {"selection": {"rows": list(places), "columns": [], "cells": []}}
    page.run()
    assert not page.exception


def _click(page: Any, key: str) -> None:
    page.button(key=key).click().run()
    assert not page.exception


def _add(page: Any, field: str, text: str) -> None:
    page.text_input(key=field).set_value(text)
    _click(page, f"{field}-add")


@pytest.fixture(name="page")
def small_selection(runs: Runs) -> Any:
    return open_page("select", runs.query(runs.predicted, budget="10"))


def test_a_ban_takes_the_row_out_and_undo_restores_the_selection_exactly(
    runs: Runs, page: Any
) -> None:
    before = _ids(page)
    assert page.button(key="rows-undo").disabled
    _tick(page, 0, 2)
    assert "2 rows marked" in every_text(page)
    _click(page, "rows-ban")
    assert not page.error
    after = _ids(page)
    assert not {before[0], before[2]} & set(after)
    assert len(after) == 10
    left = len(set(before) - set(after))
    assert f"Banned 2 rows: {left} rows left, {left} came in." in every_text(page)
    log = curation(runs.workspace.catalog.actions(runs.predicted))
    assert log.banned == (before[0], before[2])
    # Nothing is ticked in the new table.
    assert page.button(key="rows-ban").disabled
    # What was banned together is taken back together.
    _click(page, "rows-undo")
    assert _ids(page) == before
    assert page.button(key="rows-undo").disabled
    _click(page, "rows-redo")
    assert not {before[0], before[2]} & set(_ids(page))
    # Another tab finds the same.
    again = open_page("select", runs.query(runs.predicted, budget="10"))
    assert _ids(again) == _ids(page)


def test_a_pin_brings_a_left_out_row_in_first_and_says_so(page: Any) -> None:
    page.segmented_control(key="part").set_value("left-out").run()
    wanted = _ids(page)[30]
    _tick(page, 30)
    _click(page, "rows-pin")
    assert wanted not in _ids(page)
    page.segmented_control(key="part").set_value("chosen").run()
    assert _ids(page)[0] == wanted
    assert page.dataframe[0].value["Why"][0].startswith("pinned")
    assert "pinned 1" in every_text(page)
    _tick(page, 0)
    assert page.button(key="rows-pin").disabled
    assert not page.button(key="rows-release").disabled
    _click(page, "rows-release")
    assert wanted not in _ids(page)


def test_banned_rows_can_be_found_and_released(page: Any) -> None:
    banned = _ids(page)[0]
    _tick(page, 0)
    _click(page, "rows-ban")
    page.segmented_control(key="part").set_value("left-out").run()
    page.selectbox(key="left-out-kind").set_value("banned").run()
    assert _ids(page) == [banned]
    assert page.dataframe[0].value["Why it is out"][0] == "banned by hand"
    _tick(page, 0)
    _click(page, "rows-release")
    assert "banned 0" in every_text(page)


def test_a_rule_bans_and_dropping_it_takes_that_back(page: Any) -> None:
    before = _ids(page)
    _add(page, "rule-text", "characters > 150")
    assert not page.error
    assert "1 rule" in every_text(page)
    assert page.text_input(key="rule-text").value == ""
    page.segmented_control(key="part").set_value("left-out").run()
    page.selectbox(key="left-out-kind").set_value("rule").run()
    reasons = page.dataframe[0].value["Why it is out"]
    assert set(reasons) == {"banned by rule characters > 150"}
    page.segmented_control(key="part").set_value("chosen").run()
    _click(page, "drop-ban-where-0")
    assert _ids(page) == before
    # Two in one field are two actions.
    _add(page, "rule-text", "tokens < 9; response contains a")
    assert not page.error
    assert "2 rules" in every_text(page)
    _click(page, "rows-undo")
    assert "1 rule" in every_text(page)


def test_what_is_no_rule_or_quota_is_refused_in_a_sentence(runs: Runs, page: Any) -> None:
    before = _ids(page)
    for field, text in (
        ("rule-text", "colour = red"),
        ("rule-text", "tokens > many"),
        ("rule-text", ""),
        ("rule-text", "<script>alert(1)</script>"),
        ("quota-text", "subtask:math"),
        ("quota-text", "subtask:no such subtask=1..2"),
        ("quota-text", "cluster:1=5..2"),
    ):
        _add(page, field, text)
        assert len(page.error) == 1, text
        assert "fault of this software" not in page.error[0].value
        assert page.text_input(key=field).value == text
    assert runs.workspace.catalog.actions(runs.predicted) == []
    assert _ids(page) == before


def test_demands_that_cannot_be_met_are_said_and_can_be_taken_back(page: Any) -> None:
    before = _ids(page)
    _add(page, "rule-text", "characters > 0")
    assert len(page.error) == 1
    assert not page.dataframe
    _click(page, "rows-undo")
    assert not page.error
    assert _ids(page) == before


def test_a_quota_is_met(page: Any) -> None:
    rows = page.dataframe[0].value
    assert len(rows) == 10
    _add(page, "quota-text", "cluster:0=..1")
    assert not page.error, [error.value for error in page.error]
    assert "1 quota" in every_text(page)


def test_fewer_rows_than_asked_for_say_why(runs: Runs) -> None:
    page = open_page("select", runs.query(runs.predicted, budget="1.0"))
    _add(page, "rule-text", "characters > 150")
    left = int(next(m.value for m in page.metric if m.label == "Rows chosen"))
    assert left < N_TRAIN
    (warning,) = page.warning
    assert warning.value.startswith(f"Only {left} of {N_TRAIN} rows were chosen")
    assert "22 are banned by a rule" in warning.value


def test_a_ticked_row_is_read_in_full_as_it_stands(runs: Runs, page: Any) -> None:
    row_id = _ids(page)[3]
    _tick(page, 3)
    project = runs.workspace.catalog.project(runs.project_id)
    rows = {row.id: row for row in runs.workspace.catalog.dataset_rows(project.pool_id)}
    shown = every_text(page) + "".join(text.value for text in page.text)
    assert rows[row_id].prompt in shown
    assert rows[row_id].response in shown


def test_more_pins_than_the_budget_holds_cannot_be_kept(runs: Runs, page: Any) -> None:
    _tick(page, 3, 4)
    _click(page, "rows-pin")
    query = runs.query(runs.predicted, budget="1", **{"least-tokens": "50", "most-tokens": "10"})
    page = open_page("select", query, problems=True)
    # First the lengths, which no row can have.
    assert len(page.error) == 1
    assert "do not exist" in page.error[0].value.replace("\n", " ")
    page.number_input(key="least-tokens").set_value(0)
    page.number_input(key="most-tokens").set_value(0).run()
    assert len(page.error) == 1
    assert page.error[0].value.startswith("Your pins and quotas ask for 2 rows, more than the 1")
    assert "select" not in {button.key for button in page.button}
    page.number_input(key="budget-count").set_value(2).run()
    assert not page.error
    assert page.dataframe[0].value["Why"].str.startswith("pinned").all()
    assert "select" in {button.key for button in page.button}
