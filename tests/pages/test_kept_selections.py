"""Kept selections on the Select page: opened, renamed, deleted, immutable once exported."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pages.finished import N_TRAIN, Runs, every_text, open_page

pytestmark = pytest.mark.usefixtures("open_databases")


@pytest.fixture(name="page")
def kept_five(runs: Runs) -> Any:
    page = open_page("select", runs.query(runs.predicted, budget="5"))
    page.text_input(key="selection-name").set_value("Five")
    page.button(key="select").click().run()
    assert not page.exception and not page.error
    return page


def _keys(page: Any) -> set[str]:
    return {button.key for button in page.button}


def test_a_kept_selection_is_renamed_and_deleted(runs: Runs, page: Any) -> None:
    first, five = runs.workspace.catalog.selections(runs.predicted)
    page.text_input(key=f"name-{five.id}").set_value("*Fünf*")
    page.button(key=f"rename-{five.id}").click().run()
    assert runs.workspace.catalog.selection(five.id).name == "*Fünf*"
    assert "Kept as **\\*Fünf\\***" in every_text(page)
    # The run's own stays as long as the run.
    assert f"delete-{first.id}" not in _keys(page)
    page.button(key=f"delete-{five.id}").click().run()
    assert runs.workspace.catalog.selections(runs.predicted) == [first]
    # What was shown is only no longer kept.
    assert not page.error
    assert page.button(key="select").label == "Keep this selection"


def test_an_exported_selection_stays_as_it_is(runs: Runs, page: Any) -> None:
    first, five = runs.workspace.catalog.selections(runs.predicted)
    # Two can be compared, the newest first.
    link = next(link for link in page.get("page_link") if link.proto.label == "Compare them")
    assert f"with={five.id}%2C{first.id}" in link.proto.query_string
    runs.workspace.catalog.add_export(five.id, "raw", "exports/five.jsonl", "0" * 64, 5)
    page.run()
    assert not _keys(page) & {f"rename-{five.id}", f"delete-{five.id}"}
    assert "exported: it stays as it is" in every_text(page)


def test_a_link_opens_a_kept_selection_read_only(runs: Runs, page: Any) -> None:
    first, _ = runs.workspace.catalog.selections(runs.predicted)
    page = open_page("select", runs.query(runs.predicted, selection=first.id))
    assert not _keys(page) & {"rows-pin", "rows-ban", "rows-undo", "select"}
    rows = runs.workspace.catalog.selection_rows(first.id)
    chosen = page.dataframe[0].value
    assert len(rows) == first.row_count == len(chosen)
    assert chosen["Why"].tolist() == [row.reason for row in rows]
    assert chosen["Row id"].tolist() == [row.row_id for row in rows]
    page.segmented_control(key="saved-part").set_value("left-out").run()
    left = page.dataframe[0].value
    assert len(left) == min(50, N_TRAIN - len(rows))
    assert not set(left["Row id"]) & set(chosen["Row id"])
    page.segmented_control(key="saved-part").set_value("coverage").run()
    assert "of what the whole pool could give" in every_text(page)
    assert "next-step" in _keys(page)
