"""Finished runs to start from, made once a session and copied for each test.

Its fixtures are imported once, by ``conftest.py``, so that all modules share the runs.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.network import bootstrap
from nncift_core.pipeline import labelling
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.progress import SilentProgress
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import Workspace
from tests.fake_encoder import PLACES, FakeEncoder
from tests.open_databases import databases_stay_open
from tests.unit.pipeline.test_language_model_runs import Pairwise, Pointwise

POOL, TARGET = 120, 60

RUNS: dict[str, dict[str, Any]] = {
    "cosine": {},
    # It remembers rows that were labelled, so their places matter.
    "sampled": {"sample": 30, "budget": "1.0", "network": "process"},
    "exact": {"exact": True},
    "delift": {"method": "delift", "objective": "flmi"},
    "selectit": {"method": "selectit"},
}
"""Settings of each run, by what tests call it; 120 pool rows, 60 target rows or 30 sampled ones."""


@dataclass(frozen=True)
class Finished:
    """A workspace, the test's own, with finished runs.

    Attributes:
        workspace: The workspace.
        ids: Ids of the runs by the names of ``RUNS``.
        methods: The stand-ins for language models that were made in this test, in order.
        encoder: Counts what is embedded in this test.
    """

    workspace: Workspace
    ids: dict[str, str]
    methods: list[Any]
    encoder: FakeEncoder


def stand_ins(patch: pytest.MonkeyPatch) -> tuple[list[Any], FakeEncoder]:
    """Nothing is computed by a model: the methods that are made from now on, and the encoder."""
    made: list[Any] = []
    encoder = FakeEncoder()

    def create(name: str, **options: Any) -> Any:
        if name == "delift-se":
            from nncift_core.influence.delift_se import DeliftSE

            made.append(DeliftSE(**options))
        else:
            made.append((Pointwise if name == "selectit" else Pairwise)(**options))
        return made[-1]

    patch.setattr(labelling.influence, "create", create)
    for place in PLACES:
        patch.setattr(importlib.import_module(place), "open_encoder", lambda name: encoder)
    patch.setattr(bootstrap, "RESAMPLES", 20)
    return made, encoder


@pytest.fixture(scope="session", name="_finished_runs")
def make_finished_runs(
    tmp_path_factory: pytest.TempPathFactory, demo_lines: tuple[list[str], list[str]]
) -> tuple[Path, dict[str, str]]:
    """The workspace that tests copy, and the runs in it."""
    folder = tmp_path_factory.mktemp("finished")
    files = folder / "pool.jsonl", folder / "target.jsonl"
    for path, lines, count in zip(files, demo_lines, (POOL, TARGET), strict=True):
        path.write_text("\n".join(lines[:count]) + "\n", "utf-8")
    workspace = Workspace.open(folder / "ws")
    ids = {}
    with pytest.MonkeyPatch.context() as patch, databases_stay_open():
        stand_ins(patch)
        pool, target = (pipeline.import_files(workspace, [path]) for path in files)
        for name, settings in RUNS.items():
            keep = SelectionConfig(duplicates="keep")
            given = {"network": "paper", "label_fraction": 0.2, "seed": 3, "selection": keep}
            given |= settings
            sample = given.pop("sample", None)
            spec = pipeline.RunSpec(
                RunConfig(**given), pool.source, None if sample else target.source, sample
            )
            project = pipeline.ensure_project(
                workspace, "Test", pool.record.id, None if sample else target.record.id, sample
            )
            ids[name] = pipeline.create_run(workspace, project.id, spec)
            pipeline.execute(workspace, ids[name], SilentProgress())
    return workspace.path, ids


@pytest.fixture(name="finished")
def copy_of_finished_runs(
    _finished_runs: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Finished]:
    """A copy that the test may change."""
    root, ids = _finished_runs
    shutil.copytree(root, tmp_path / "finished")
    methods, encoder = stand_ins(monkeypatch)
    yield Finished(Workspace.open(tmp_path / "finished"), dict(ids), methods, encoder)


@pytest.fixture(name="added_file")
def write_added_file(tmp_path: Path, demo_lines: Any) -> Callable[..., Path]:
    """``added_file(lines, name)``: by default 30 new rows, one of them twice, and 2 known ones."""

    def write(lines: list[str] | None = None, name: str = "more.jsonl") -> Path:
        if lines is None:
            pool = demo_lines[0]
            lines = [pool[3], *pool[POOL : POOL + 30], pool[7], pool[POOL]]
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    return write


@pytest.fixture(name="extend")
def extend_finished_runs(finished: Finished, added_file: Any) -> Callable[..., str]:
    """``extend(run_id)``: the id of a finished run on its pool and the added rows."""

    def make(run_id: str, path: Path | None = None, budget: str | None = None) -> str:
        source = pipeline.import_files(finished.workspace, [path or added_file()]).source
        longer = pipeline.extend_run(finished.workspace, run_id, source, budget)
        pipeline.execute(finished.workspace, longer, SilentProgress())
        return longer

    return make


def opened(workspace: Workspace, run_id: str) -> tuple[RunFiles, pipeline.RunSpec, Any]:
    """Files, settings and rows of a run."""
    files = RunFiles(workspace.run_dir(run_id))
    spec = pipeline.RunSpec.read(files.config)
    return files, spec, pipeline.read_roles(workspace, spec)
