"""Later selections as jobs, the preview of exports, and what a run can select by."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nncift_core import jobs
from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError
from nncift_core.pipeline import (
    DataSource,
    RunSpec,
    create_run,
    create_selection,
    discard_selection,
    ensure_project,
    export_selection,
    import_files,
    pending_selections,
    preview_selection,
    work,
)
from nncift_core.store import Workspace


@pytest.fixture
def run_id(
    workspace: Workspace, fake_encoder: Any, demo_files: Callable[[int, int], tuple[Path, Path]]
) -> str:
    """A finished exact run whose target is a sample of the pool."""
    pool_file, _ = demo_files(50, 2)
    pool = import_files(workspace, [pool_file])
    project = ensure_project(workspace, "P", pool.record.id, None, 12)
    spec = RunSpec(config=RunConfig(exact=True, budget="10"), train=pool.source, target_sample=12)
    created = create_run(workspace, project.id, spec)
    work(workspace.run_dir(created))
    return created


def test_pending_until_it_is_done(workspace: Workspace, run_id: str) -> None:
    assert pending_selections(workspace, run_id) == []
    selection_id = create_selection(workspace, run_id, "topk", "0.5", "Half")
    (pending,) = pending_selections(workspace, run_id)
    assert (pending.id, pending.name, pending.objective) == (selection_id, "Half", "topk")
    assert not pending.state.live
    work(workspace.selection_dir(run_id, selection_id))
    assert pending_selections(workspace, run_id) == []
    assert workspace.catalog.selection(selection_id).row_count == 19


def test_discard_removes_only_what_has_no_result_and_no_worker(
    workspace: Workspace, run_id: str
) -> None:
    selection_id = create_selection(workspace, run_id, "topk", "5", "Five")
    folder = workspace.selection_dir(run_id, selection_id)
    with jobs.running(folder), pytest.raises(ConfigError, match="is being made"):
        discard_selection(workspace, run_id, selection_id)
    other = create_selection(workspace, run_id, "topk", "5", "Other")
    discard_selection(workspace, run_id, other)
    assert not workspace.selection_dir(run_id, other).exists()
    stored = workspace.catalog.selections(run_id)[0].id
    with pytest.raises(ConfigError, match="is complete"):
        discard_selection(workspace, run_id, stored)


@pytest.mark.parametrize("which", ["selected", "rest"])
@pytest.mark.parametrize("schema", ["raw", "alpaca", "messages", "sharegpt", "prompt-completion"])
def test_preview_is_the_beginning_of_the_file(
    workspace: Workspace, run_id: str, schema: str, which: Any, tmp_path: Path
) -> None:
    selection_id = workspace.catalog.selections(run_id)[0].id
    preview = preview_selection(workspace, selection_id, schema=schema, which=which)
    path = tmp_path / "out.jsonl"
    export_selection(workspace, selection_id, path, schema=schema, which=which)
    lines = path.read_text("utf-8").splitlines()
    assert list(preview.lines) == lines[:3] and preview.rows == len(lines)
    assert len(lines) == (10 if which == "selected" else 28)


def test_preview_of_parquet_is_its_rows(workspace: Workspace, run_id: str, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    selection_id = workspace.catalog.selections(run_id)[0].id
    export_selection(workspace, selection_id, tmp_path / "o.parquet", schema="parquet")
    rows = pq.read_table(tmp_path / "o.parquet").to_pylist()[:3]
    preview = preview_selection(workspace, selection_id, schema="parquet")
    assert [json.loads(text) for text in preview.lines] == rows


def test_objectives_that_need_an_existing_set_need_one() -> None:
    source = DataSource("a" * 64, "x")
    spec = RunSpec(config=RunConfig(), train=source, target_sample=5)
    names = [entry.name for entry in spec.usable_objectives()]
    assert "fl" in names
    assert "flcg" not in names
    continual = RunSpec(
        config=RunConfig(objective="flcg"), train=source, target_sample=5, existing=source
    )
    assert "flcg" in [entry.name for entry in continual.usable_objectives()]
