"""A finished exact run to start from, made once a session and copied for each test.

Its fixtures are imported once, by ``conftest.py``, so that all modules share the run.
"""

from __future__ import annotations

import importlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nncift_core.cli import main
from nncift_core.store import Workspace
from tests.fake_encoder import PLACES, FakeEncoder
from tests.open_databases import databases_stay_open

POOL, TARGET = 120, 60


@dataclass(frozen=True)
class ExactRun:
    """A run on the first rows of the demo that computed every value and chose 36 of 120 rows.

    Attributes:
        run_id: The run.
        pool_ids: Ids of its pool rows, in order.
    """

    run_id: str
    pool_ids: tuple[str, ...]


@pytest.fixture(scope="session", name="_exact_run")
def make_exact_run(
    tmp_path_factory: pytest.TempPathFactory, demo_lines: tuple[list[str], list[str]]
) -> tuple[Path, ExactRun]:
    """A folder with the workspace, and its subset in ``out`` as the command wrote it."""
    folder = tmp_path_factory.mktemp("exact-run")
    files = folder / "pool.jsonl", folder / "target.jsonl"
    for path, lines, count in zip(files, demo_lines, (POOL, TARGET), strict=True):
        path.write_text("\n".join(lines[:count]) + "\n", "utf-8")
    encoder = FakeEncoder()
    with pytest.MonkeyPatch.context() as patch, databases_stay_open():
        for place in PLACES:
            patch.setattr(importlib.import_module(place), "open_encoder", lambda name: encoder)
        code = main(
            ["run", "--train", str(files[0]), "--target", str(files[1]), "--method", "delift-se",
             "--exact", "--workspace", str(folder / "workspace"),
             "--output", str(folder / "out" / "subset.jsonl")]
        )  # fmt: skip
    assert code == 0
    (record,) = (catalog := Workspace.open(folder / "workspace").catalog).runs()
    (pool,) = [dataset for dataset in catalog.datasets() if dataset.accepted == POOL]
    ids = tuple(row.id for row in catalog.dataset_rows(pool.id))
    return folder, ExactRun(record.run_id, ids)


@pytest.fixture(name="exact_run")
def copy_of_exact_run(cli: Any, _exact_run: tuple[Path, ExactRun], tmp_path: Path) -> ExactRun:
    """The run in the workspace of ``cli``, and its subset in ``out``, for the test to change."""
    folder, made = _exact_run
    for name in ("workspace", "out"):
        shutil.copytree(folder / name, tmp_path / name)
    return made
