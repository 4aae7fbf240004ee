"""Whoever exports, app or command line, a selection is from then on what its files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.store import SelectedRow, Workspace

pytestmark = pytest.mark.usefixtures("open_databases")


@pytest.fixture
def selected(tmp_path: Path, demo_files: Any) -> Workspace:
    """A workspace with selection ``later`` of a run whose rows alone are there."""
    workspace = Workspace.open(tmp_path / "workspace")
    pool, target = demo_files(20, 5)
    train = pipeline.import_files(workspace, [pool]).source
    aim = pipeline.import_files(workspace, [target]).source
    project = workspace.catalog.add_project("Mine", train.id, aim.id)
    spec = pipeline.RunSpec(config=RunConfig(), train=train, target=aim)
    run_id = pipeline.create_run(workspace, project.id, spec)
    rows = workspace.catalog.dataset_rows(train.id)
    chosen = [SelectedRow(rank, rows[rank].id, 1 / rank, 1, "why") for rank in (1, 2, 3)]
    meta = {"saturated_at": None, "value": 1.5, "exact": True, "request": {"seed": 0}}
    workspace.catalog.add_selection(run_id, "Mine", "fl", "3", chosen, meta, selection_id="later")
    return workspace


@pytest.mark.parametrize("which", ["selected", "rest"])
def test_an_export_ends_renaming_and_deleting(
    selected: Workspace, tmp_path: Path, which: Any
) -> None:
    selected.catalog.rename_selection("later", "Before")
    before = selected.catalog.selection("later")
    output = tmp_path / "out" / "subset.jsonl"
    output.parent.mkdir()
    exported = pipeline.export_selection(selected, "later", output, which=which)
    assert exported.file.rows == (3 if which == "selected" else 17)
    after = selected.catalog.selection("later")
    assert after.exported_at is not None
    assert {**vars(after), "exported_at": None} == vars(before)
    for call in (
        lambda: selected.catalog.rename_selection("later", "After"),
        lambda: selected.delete_selection("later"),
    ):
        with pytest.raises(ConfigError, match="'Before' was exported on"):
            call()
    # The same file again is the same bytes.
    content = output.read_bytes()
    pipeline.export_selection(selected, "later", output, which=which)
    assert output.read_bytes() == content
    assert selected.catalog.selection("later").name == "Before"


def test_an_export_that_failed_ends_nothing(selected: Workspace, tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(NNCIFTError):
        pipeline.export_selection(selected, "later", tmp_path / "folder.jsonl")
    assert selected.catalog.selection("later").exported_at is None
    selected.delete_selection("later")
    assert selected.catalog.selections() == []
