"""Stored selections: they are renamed and deleted until they are exported."""

from __future__ import annotations

import pytest

from nncift_core.errors import ConfigError
from nncift_core.store import SelectedRow

CHOSEN = [SelectedRow(rank, f"{rank + 3:016x}-0", 1 / rank, 1, "why") for rank in (1, 2, 3)]


@pytest.fixture
def catalog(selected_run):
    return selected_run.catalog


def _add(catalog, selection_id, name="Mine", rows=CHOSEN):
    return catalog.add_selection(
        "run-1", name, "fl", "3", rows, {"request": {"seed": 0}}, selection_id=selection_id
    )


def test_a_name_changes_and_nothing_else(catalog):
    record = _add(catalog, "later")
    other = _add(catalog, "other")
    renamed = catalog.rename_selection("later", "  It's   <b>mine</b> ")
    assert renamed.name == "It's <b>mine</b>"
    assert catalog.selection("later") == renamed
    assert {**vars(renamed), "name": record.name} == vars(record)
    assert catalog.selection_rows("later") == CHOSEN
    assert catalog.selection("other") == other
    # A job that is worked on again stores the same rows under the name it was given first.
    assert _add(catalog, "later") == renamed
    with pytest.raises(ValueError, match="other content"):
        _add(catalog, "later", rows=CHOSEN[:2])


@pytest.mark.parametrize("name", ["", "  ", "\0", "a\x1bb", "x" * 121])
def test_names_that_are_none(catalog, name):
    _add(catalog, "later")
    with pytest.raises(ConfigError, match="selection name") as caught:
        catalog.rename_selection("later", name)
    assert "\n" not in str(caught.value)
    assert catalog.selection("later").name == "Mine"


def test_a_deleted_selection_leaves_nothing_and_others_stay(selected_run, catalog):
    _add(catalog, "later")
    _add(catalog, "other")
    folder = selected_run.selection_dir("run-1", "later")
    folder.mkdir(parents=True)
    (folder / "job.json").write_text("{}")
    neighbour = selected_run.selection_dir("run-1", "other")
    neighbour.mkdir(parents=True)
    freed = selected_run.delete_selection("later")
    assert freed.bytes >= 2
    assert not folder.exists()
    assert neighbour.is_dir()
    assert [record.id for record in catalog.selections("run-1")] == ["other"]
    assert catalog.selection_rows("other") == CHOSEN
    with catalog._database.session() as connection:
        ids = connection.execute("SELECT DISTINCT selection_id FROM selection_rows").fetchall()
    assert ids == [("other",)]
    with pytest.raises(ConfigError, match="no selection 'later'"):
        selected_run.delete_selection("later")
    # One that never had a job has no folder.
    selected_run.delete_selection("other")
    assert catalog.selections() == []


def test_an_exported_selection_is_what_its_files_say(selected_run, catalog):
    record = _add(catalog, "later", name="It's mine")
    assert record.exported_at is None
    folder = selected_run.selection_dir("run-1", "later")
    folder.mkdir(parents=True)
    export = catalog.add_export("later", "raw", "/x/a.jsonl", "00", 3)
    catalog.add_export("later", "parquet", "/x/a.parquet", "11", 3)
    exported = catalog.selection("later")
    assert exported.exported_at == export.created_at
    assert catalog.selections("run-1") == [exported]
    for call in (
        lambda: catalog.rename_selection("later", "Other"),
        lambda: catalog.delete_selection("later"),
        lambda: selected_run.delete_selection("later"),
    ):
        with pytest.raises(ConfigError, match="was exported on 2") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert folder.is_dir()
    assert catalog.selection("later") == exported
    assert catalog.selection_rows("later") == CHOSEN
    # It can be exported as often as one likes, and goes with its run.
    catalog.add_export("later", "raw", "/x/a.jsonl", "00", 3)
    selected_run.delete_run("run-1")
    assert catalog.selections() == []
    assert catalog.exports() == []


def test_the_selection_a_run_made_stays_with_it(selected_run, catalog):
    record = _add(catalog, "run-1-s0", name="Run")
    assert record.is_first
    assert not _add(catalog, "run-1-s1").is_first
    for delete in (catalog.delete_selection, selected_run.delete_selection):
        with pytest.raises(ConfigError, match="the one its run made"):
            delete("run-1-s0")
    assert catalog.rename_selection("run-1-s0", "Baseline").name == "Baseline"
    assert catalog.selection_rows("run-1-s0") == CHOSEN


def test_unknown_selections_and_ids_that_are_paths(selected_run, catalog):
    for call in (
        lambda name: catalog.rename_selection(name, "x"),
        catalog.delete_selection,
        selected_run.delete_selection,
    ):
        with pytest.raises(ConfigError, match="no selection"):
            call("nobody")
        with pytest.raises(ConfigError, match="not a selection id"):
            call("../runs")
