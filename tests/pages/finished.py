"""Workspaces with small real runs for page tests, and pages opened on them.

The runs go through the whole pipeline on the first rows of the demo data, with an encoder that
needs no model. Used by importing the fixtures; each test gets a copy it may change.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from nncift_core import jobs
from nncift_core.config import RunConfig
from nncift_core.store import Workspace
from tests.fake_encoder import PLACES, FakeEncoder

N_TRAIN, N_TARGET = 60, 30
REPOSITORY = Path(__file__).resolve().parents[2]
APP = REPOSITORY / "app.py"


@dataclass(frozen=True)
class Runs:
    """A workspace with the small demo and its runs."""

    workspace: Workspace
    project_id: str
    predicted: str
    """A finished run with a network."""
    exact: str
    """A finished run that computed every value."""
    waiting: str
    """A run that nobody started."""

    def query(self, run_id: str, **more: str) -> dict[str, str]:
        """The query of a link to a run."""
        return {"project": self.project_id, "run": run_id, **more}


def small_demo(folder: Path) -> Path:
    """The first rows of the demo as a demo folder of their own."""
    folder.mkdir()
    for name, count in (("demo_pool.jsonl", N_TRAIN), ("demo_target.jsonl", N_TARGET)):
        lines = (REPOSITORY / "data" / name).read_text("utf-8").splitlines(keepends=True)
        (folder / name).write_text("".join(lines[:count]), "utf-8")
    return folder


def _without_model(patch: pytest.MonkeyPatch) -> None:
    for place in PLACES:
        patch.setattr(importlib.import_module(place), "open_encoder", lambda name: FakeEncoder())


@pytest.fixture(scope="session", name="built")
def build_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Runs]]:
    """Folder, demo folder and ids of the runs; built once."""
    from nncift_core.pipeline import DataSource, RunSpec, create_run, ensure_demo, work

    root = tmp_path_factory.mktemp("pages")
    demo = small_demo(root / "demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNCIFT_DEMO_DIR", str(demo))
        _without_model(patch)
        workspace = Workspace.open(root / "workspace")
        project = ensure_demo(workspace)
        assert project.target_id is not None
        ids = []
        for exact, start in ((False, True), (True, True), (False, False)):
            spec = RunSpec(
                config=RunConfig(label_fraction=0.5, exact=exact),
                train=DataSource(project.pool_id, "demo_pool.jsonl"),
                target=DataSource(project.target_id, "demo_target.jsonl"),
            )
            ids.append(create_run(workspace, project.id, spec))
            if start:
                work(workspace.run_dir(ids[-1]))
        yield workspace.path, demo, Runs(workspace, project.id, *ids)


@pytest.fixture(name="runs")
def copy_runs(
    built: tuple[Path, Path, Runs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Runs:
    """The runs in a workspace of the test's own, which the pages open."""
    source, demo, runs = built
    folder = tmp_path / "workspace"
    shutil.copytree(source, folder)
    monkeypatch.setenv("NNCIFT_WORKSPACE", str(folder))
    monkeypatch.setenv("NNCIFT_DEMO_DIR", str(demo))
    _without_model(monkeypatch)
    workspace = Workspace.open(folder)
    return Runs(workspace, runs.project_id, runs.predicted, runs.exact, runs.waiting)


@pytest.fixture(name="jobs_at_once")
def run_jobs_at_once(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Jobs that pages start are done before ``start`` returns; the folders started so far."""
    from nncift_core.errors import NNCIFTError
    from nncift_core.pipeline import work

    started: list[Path] = []

    def start(job_dir: Path) -> int:
        started.append(job_dir)
        try:
            work(job_dir)
        except NNCIFTError:
            pass  # The folder says so.
        return 0

    monkeypatch.setattr(jobs, "start", start)
    return started


def open_page(name: str, query: dict[str, str], *, problems: bool = False) -> AppTest:
    """A page as a link with this query opens it; without ``problems`` there must be none."""
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.switch_page(f"pages/{name}.py")
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    if not problems:
        assert not app.error, [error.value for error in app.error]
    return app


def every_text(app: AppTest) -> str:
    """All texts that a page shows, for words that must or must not be there."""
    kinds: tuple[Callable[[AppTest], Any], ...] = (
        lambda a: a.title,
        lambda a: a.markdown,
        lambda a: a.caption,
        lambda a: a.info,
        lambda a: a.warning,
        lambda a: a.error,
        lambda a: a.subheader,
        lambda a: a.code,
        lambda a: a.text,
    )
    return "\n".join(str(element.value) for kind in kinds for element in kind(app))
