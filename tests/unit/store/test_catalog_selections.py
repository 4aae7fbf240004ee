from __future__ import annotations

import math

import numpy as np
import pytest

from nncift_core.errors import ConfigError
from nncift_core.store import SelectedRow


def _row_id(position: int) -> str:
    return f"{position:016x}-0"


CHOSEN = [
    SelectedRow(1, _row_id(5), 1 / 3, 1, "covers 'x'"),
    SelectedRow(2, _row_id(0), 1e-300, 1, ""),
    SelectedRow(3, _row_id(6), 0.25, 2, "é"),
]


def test_a_selection_reads_back_exactly(selected_run):
    catalog = selected_run.catalog
    record = catalog.add_selection(
        "run-1", "Mine", "fl", "0.3", CHOSEN, {"saturated_at": np.int64(2), "value": math.nan}
    )
    assert record.meta == {"saturated_at": 2, "value": None}
    assert (record.row_count, record.budget) == (3, "0.3")
    assert catalog.selection(record.id) == record
    assert catalog.selections("run-1") == [record]
    assert catalog.selections() == [record]
    assert catalog.selection_rows(record.id) == CHOSEN


def test_storing_the_same_again_changes_nothing_and_others_are_refused(selected_run):
    catalog = selected_run.catalog
    rows = [*CHOSEN, SelectedRow(4, _row_id(1), math.nan, 2)]
    first = catalog.add_selection("run-1", "Mine", "fl", "4", rows, selection_id="run-1-s0")
    again = catalog.add_selection("run-1", "Mine", "fl", 4, iter(rows), selection_id="run-1-s0")
    assert again == first
    assert catalog.selection_rows("run-1-s0")[3].gain is None
    assert len(catalog.selections()) == 1
    for objective, chosen in (("fl", rows[:3]), ("topk", rows)):
        with pytest.raises(ValueError, match="other content"):
            catalog.add_selection("run-1", "Mine", objective, "4", chosen, selection_id="run-1-s0")
    assert len(catalog.selection_rows("run-1-s0")) == 4
    # Without an id of its own the content names it.
    ids = {catalog.add_selection("run-1", n, "fl", "4", rows).id for n in ("a", "a", "b")}
    assert len(ids) == 2


def test_wrong_rows_are_refused(selected_run):
    catalog = selected_run.catalog
    swapped = [CHOSEN[1], CHOSEN[0]]
    twice = [CHOSEN[0], SelectedRow(2, CHOSEN[0].row_id, 0.0, 1)]
    for rows, words in ((swapped, "ranks"), (twice, "twice")):
        with pytest.raises(ValueError, match=words):
            catalog.add_selection("run-1", "x", "fl", "2", rows)
    with pytest.raises(ConfigError, match="no run"):
        catalog.add_selection("run-9", "x", "fl", "2", CHOSEN)
    with pytest.raises(ConfigError):
        catalog.add_selection("run-1", "x", "fl", "2", CHOSEN, selection_id="../x")
    assert catalog.selections() == []


def test_exports_are_listed_by_project_run_and_selection(selected_run, make_dataset):
    catalog = selected_run.catalog
    (project,) = catalog.projects()
    other = catalog.add_project("Other", "aaaa0001", target_sample=2)
    catalog.add_run("run-2", other.id, {})
    first = catalog.add_selection("run-1", "x", "fl", "3", CHOSEN)
    second = catalog.add_selection("run-2", "x", "fl", "3", CHOSEN)
    old = catalog.add_export(first.id, "raw", "/x/a.jsonl", "00", 3)
    new = catalog.add_export(first.id, "raw", "/x/a.jsonl", "11", 3)
    parquet = catalog.add_export(first.id, "parquet", "/x/a'.parquet", "22", 3)
    elsewhere = catalog.add_export(second.id, "raw", "/x/b.jsonl", "33", 3)
    assert old.id == new.id
    assert catalog.exports(selection_id=first.id) == [parquet, new]
    assert catalog.exports(run_id="run-2") == [elsewhere]
    assert catalog.exports(project_id=project.id) == [parquet, new]
    assert len(catalog.exports()) == 3
    with pytest.raises(ConfigError):
        catalog.add_export("nobody", "raw", "/x", "0", 1)
