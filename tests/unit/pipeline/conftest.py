"""Small runs on demo rows with the fake encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import Workspace
from tests.fake_encoder import FakeEncoder
from tests.unit.pipeline.finished_runs import (  # noqa: F401
    copy_of_finished_runs,
    extend_finished_runs,
    make_finished_runs,
    write_added_file,
)

POOL, TARGET = 120, 60


@pytest.fixture
def new_run(
    demo_files: Callable[[int, int], tuple[Path, Path]], fake_encoder: FakeEncoder
) -> Callable[..., str]:
    """``new_run(workspace, sample=None, existing=None, **settings)``: the id of a new run."""
    files = demo_files(POOL, TARGET)

    def make(
        workspace: Workspace,
        *,
        sample: int | None = None,
        existing: Path | None = None,
        files: tuple[Path, Path] = files,
        **settings: Any,
    ) -> str:
        # Duplicates stay, so that objectives are compared with their plain definitions.
        keep = SelectionConfig(duplicates="keep")
        settings = {
            "label_fraction": 0.2, "budget": "0.3", "seed": 3, "selection": keep
        } | settings  # fmt: skip
        pool = pipeline.import_files(workspace, [files[0]])
        target = None if sample else pipeline.import_files(workspace, [files[1]])
        spec = pipeline.RunSpec(
            config=RunConfig(**settings),
            train=pool.source,
            target=target.source if target else None,
            target_sample=sample,
            existing=pipeline.import_files(workspace, [existing]).source if existing else None,
        )
        project = pipeline.ensure_project(
            workspace, "Test", pool.record.id, target.record.id if target else None, sample
        )
        return pipeline.create_run(workspace, project.id, spec)

    return make


@pytest.fixture
def chosen() -> Callable[..., list[tuple[Any, ...]]]:
    """``chosen(workspace, run_id)``: everything that is stored of the run's selection."""

    def read(workspace: Workspace, run_id: str) -> list[tuple[Any, ...]]:
        (selection,) = workspace.catalog.selections(run_id)
        return [
            (row.rank, row.row_id, row.gain, row.round, row.reason)
            for row in workspace.catalog.selection_rows(selection.id)
        ]

    return read
