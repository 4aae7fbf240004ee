from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from nncift_core.errors import ConfigError
from nncift_core.store import SelectedRow


@dataclass(frozen=True)
class _Pairs:
    helper: Any
    helped: Any
    value: Any


def test_projects_have_readable_ids_and_unique_names(selected_run, make_dataset):
    catalog = selected_run.catalog
    project = catalog.add_project("  Größe:  Zwei! ", "aaaa0001", target_sample=20)
    assert project.name == "Größe: Zwei!"
    assert project.id.startswith("groe-zwei-")
    assert catalog.project(project.id) == project
    assert [p.name for p in catalog.projects()] == ["Größe: Zwei!", "First"]
    for name in ("größe: zwei!", " FIRST"):
        with pytest.raises(ConfigError, match="already"):
            catalog.add_project(name, "aaaa0001", target_sample=5)
    for name in ("", "  ", "a\x00b", "x" * 121):
        with pytest.raises(ConfigError):
            catalog.add_project(name, "aaaa0001", target_sample=5)
    nasty = catalog.add_project("'; DROP TABLE projects; --", "aaaa0001", target_sample=5)
    assert catalog.project(nasty.id).name == "'; DROP TABLE projects; --"
    assert catalog.add_project("日本", "aaaa0001", target_sample=5).id.startswith("project-")


def test_a_project_needs_stored_data_and_at_most_one_target(selected_run):
    catalog = selected_run.catalog
    for arguments in (("aaaa0001", "bbbb0002", 5), ("feed", "bbbb0002")):
        with pytest.raises(ConfigError):
            catalog.add_project("New", *arguments)
    with pytest.raises(ConfigError):
        catalog.add_project("New", "aaaa0001", "feed")
    with pytest.raises(ConfigError, match="too small"):
        catalog.add_project("New", "aaaa0001", target_sample=0)
    assert len(catalog.projects()) == 1
    alone = catalog.add_project("New", "aaaa0001")
    assert (alone.target_id, alone.target_sample) == (None, None)
    assert catalog.project(alone.id) == alone
    # The pool is another project's, too.
    assert catalog.delete_project(alone.id) == ()
    alone = catalog.add_project("Rows alone", "aaaa0001")
    assert (alone.target_id, alone.target_sample) == (None, None)


def test_renaming_keeps_the_id(selected_run):
    catalog = selected_run.catalog
    (project,) = catalog.projects()
    other = catalog.add_project("Other", "aaaa0001", target_sample=5)
    assert catalog.rename_project(project.id, "FIRST").id == project.id
    assert catalog.project(project.id).name == "FIRST"
    with pytest.raises(ConfigError, match="already"):
        catalog.rename_project(other.id, "first")
    with pytest.raises(ConfigError, match="no project"):
        catalog.rename_project("nobody", "x")


def test_runs_are_added_updated_and_listed(selected_run):
    catalog = selected_run.catalog
    (project,) = catalog.projects()
    other = catalog.add_project("Other", "aaaa0001", target_sample=5)
    catalog.add_run("run-2", project.id, {"seed": 1, "budget": "0.3"})
    catalog.add_run("run-3", other.id, {})
    assert [r.run_id for r in catalog.runs(project.id)] == ["run-2", "run-1"]
    assert len(catalog.runs()) == 3
    catalog.update_run("run-2", status="running")
    assert catalog.run("run-2").status == "running"
    assert catalog.run("run-2").result is None
    catalog.update_run("run-2", result={"r2": float("nan"), "n": 3})
    record = catalog.run("run-2")
    assert (record.status, record.result) == ("running", {"r2": None, "n": 3})
    assert record.config == {"seed": 1, "budget": "0.3"}
    assert catalog.run("run-1").status == "queued"
    with pytest.raises(ConfigError, match="already"):
        catalog.add_run("run-2", project.id, {})
    with pytest.raises(ConfigError, match="no run"):
        catalog.update_run("run-9", status="done")
    with pytest.raises(ConfigError, match="no project"):
        catalog.add_run("run-9", "nobody", {})


def test_labels_are_exact_and_replaced_by_role(selected_run):
    catalog = selected_run.catalog
    value = np.array([0.1, -2.5e-8, 3.0], dtype=np.float32)
    ids = np.array(["p1", "p0", "p1"])
    catalog.add_labels("run-1", "training", _Pairs(ids, np.array(["t1", "t0", "t2"]), value * 0))
    catalog.add_labels("run-1", "training", _Pairs(ids, ["t1", "t0", "t2"], value))
    catalog.add_labels("run-1", "q4", _Pairs(["p5"], ["t5"], [7.0]))
    catalog.add_labels("run-1", "empty", _Pairs([], [], []))
    q4, training = catalog.labels("run-1")
    assert (training.role, training.helper, training.helped) == (
        "training",
        ("p1", "p0", "p1"),
        ("t1", "t0", "t2"),
    )
    assert training.value.dtype == np.float32
    assert np.array_equal(training.value, value)
    assert q4.value.tolist() == [7.0]
    assert catalog.label("run-1", "p1", "t2") == 3.0
    assert catalog.label("run-1", "t2", "p1") is None
    with pytest.raises(ValueError, match="values"):
        catalog.add_labels("run-1", "training", _Pairs(["p1"], ["t1"], [1.0, 2.0]))
    assert len(catalog.labels("run-1")[1].value) == 3
    with pytest.raises(ConfigError):
        catalog.add_labels("run-9", "training", _Pairs(["p1"], ["t1"], [1.0]))


def test_quadrants_keep_their_order_and_nulls(selected_run):
    catalog = selected_run.catalog
    assert catalog.quadrant_metrics("run-1") == {}
    catalog.add_quadrant_metrics("run-1", {"q1": {"mse": 1.0}})
    quadrants = {"q4": {"mse": 0.5, "mse_ci": (0.1, np.float32(0.5)), "r2": np.nan}, "q1": None}
    catalog.add_quadrant_metrics("run-1", quadrants)
    stored = catalog.quadrant_metrics("run-1")
    assert list(stored) == ["q4", "q1"]
    assert stored == {"q4": {"mse": 0.5, "mse_ci": [0.1, 0.5], "r2": None}, "q1": None}


def _count(workspace, table):
    with workspace.catalog._database.session() as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def _fill(catalog, run_id):
    catalog.add_labels(run_id, "training", _Pairs(["p"], ["t"], [1.0]))
    catalog.add_quadrant_metrics(run_id, {"q1": None})
    rows = [SelectedRow(1, "0000000000000001-0", 0.5, 1)]
    selection = catalog.add_selection(run_id, "Run", "fl", "1", rows)
    catalog.add_export(selection.id, "raw", f"/x/{run_id}.jsonl", "abc", 1)


def test_deleting_a_run_deletes_its_records_alone(selected_run):
    catalog = selected_run.catalog
    (project,) = catalog.projects()
    catalog.add_run("run-2", project.id, {})
    _fill(catalog, "run-1")
    _fill(catalog, "run-2")
    catalog.delete_run("run-1")
    tables = ("runs", "labels", "quadrant_metrics", "selections", "selection_rows", "exports")
    assert [_count(selected_run, table) for table in tables] == [1] * 6
    assert catalog.labels("run-2")
    assert catalog.exports(run_id="run-2")
    with pytest.raises(ConfigError):
        catalog.delete_run("run-1")


def test_deleting_a_project_keeps_shared_datasets(selected_run, make_dataset):
    catalog = selected_run.catalog
    (project,) = catalog.projects()
    catalog.add_dataset(make_dataset("cccc0003", count=2))
    catalog.add_project("Other", "cccc0003", "aaaa0001")
    _fill(catalog, "run-1")
    assert catalog.delete_project(project.id) == ("bbbb0002",)
    assert {d.id for d in catalog.datasets()} == {"aaaa0001", "cccc0003"}
    assert len(catalog.dataset_rows("aaaa0001")) == 8
    assert _count(selected_run, "rows") == 10
    tables = ("runs", "labels", "quadrant_metrics", "selections", "selection_rows", "exports")
    assert [_count(selected_run, table) for table in tables] == [0] * 6
    with pytest.raises(ConfigError):
        catalog.project(project.id)


def test_a_project_that_samples_its_pool_can_be_deleted(selected_run):
    catalog = selected_run.catalog
    project = catalog.add_project("Sample", "bbbb0002", target_sample=2)
    assert catalog.delete_project(project.id) == ()
    (first,) = catalog.projects()
    assert catalog.delete_project(first.id) == ("aaaa0001", "bbbb0002")
    assert catalog.datasets() == []
