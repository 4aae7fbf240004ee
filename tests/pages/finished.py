"""Pages opened on a workspace with a finished run, and more runs beside it where a test asks.

Its fixtures are used by importing them.
"""

from __future__ import annotations

import contextlib
import importlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from nncift_core import jobs
from nncift_core.config import LanguageModelConfig, RunConfig
from nncift_core.errors import NNCIFTError
from nncift_core.store import Workspace
from tests.fake_encoder import PLACES, FakeEncoder
from tests.open_databases import databases_stay_open
from tests.pages.conftest import N_TARGET, N_TRAIN, REPOSITORY, Place, make_spec
from tests.tiny_lm import make_tiny_model

__all__ = ["N_TARGET", "N_TRAIN", "Runs", "every_text", "open_page"]


@dataclass(frozen=True)
class Runs:
    """A workspace with the small demo and a finished run that has a network.

    Attributes:
        workspace: The workspace.
        project_id: The demo project.
        predicted: The run that has a network.
        others: Ids of runs with a language model, by what they are.
    """

    workspace: Workspace
    project_id: str
    predicted: str
    others: Mapping[str, str] = field(default_factory=dict)

    def query(self, run_id: str, **more: str) -> dict[str, str]:
        """The query of a link to a run."""
        return {"project": self.project_id, "run": run_id, **more}

    def add_exact(self) -> str:
        """A finished run that computed every value."""
        from nncift_core.pipeline import work

        run_id = self._add(exact=True)
        work(self.workspace.run_dir(run_id))
        return run_id

    def add_waiting(self) -> str:
        """A run that nobody started."""
        return self._add(exact=False)

    def _add(self, *, exact: bool) -> str:
        from nncift_core.pipeline import DataSource, RunSpec, create_run

        project = self.workspace.catalog.project(self.project_id)
        assert project.target_id is not None
        spec = RunSpec(
            config=RunConfig(label_fraction=0.2, exact=exact),
            train=DataSource(project.pool_id, "demo_pool.jsonl"),
            target=DataSource(project.target_id, "demo_target.jsonl"),
        )
        return create_run(self.workspace, self.project_id, spec)


@pytest.fixture(name="runs")
def finished_runs(finished_run: Place) -> Runs:
    """A finished run that the test may change."""
    return Runs(finished_run.workspace, finished_run.project.id, finished_run.run_id)


@pytest.fixture(scope="session", name="_labelled_by_models")
def runs_of_language_models(
    _finished: tuple[Path, str], small_demo: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """The finished workspace with runs that a tiny language model labelled, and their ids."""
    from nncift_core import pipeline

    root = tmp_path_factory.mktemp("labelled") / "ws"
    shutil.copytree(_finished[0], root)
    folder = make_tiny_model(tmp_path_factory.mktemp("model") / "tiny", positions=2048)
    model = LanguageModelConfig(model=str(folder))
    wanted = {
        "selectit": RunConfig(method="selectit", label_fraction=0.2, lm=model),
        "selectit-exact": RunConfig(method="selectit", exact=True, lm=model),
        # It reads W too, so there are two quadrant tables.
        "delift": RunConfig(method="delift", label_fraction=0.1, objective="fl-pool", lm=model),
    }
    ids = {}
    with pytest.MonkeyPatch.context() as patch, databases_stay_open():
        patch.setenv("NNCIFT_DEMO_DIR", str(small_demo))
        _without_a_sentence_encoder(patch)
        # As for every test; this is made before what a single test asks for.
        patch.setattr("nncift_core.network.fitting.PICKED_FROM", ("ridge", "neighbours"))
        workspace = Workspace.open(root)
        (project,) = workspace.catalog.projects()
        for name, config in wanted.items():
            ids[name] = pipeline.create_run(workspace, project.id, make_spec(project, config))
            pipeline.work(workspace.run_dir(ids[name]))
    return root, ids


@pytest.fixture(name="model_runs")
def finished_runs_of_language_models(
    _labelled_by_models: tuple[Path, dict[str, str]],
    tmp_path: Path,
    small_demo: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Runs:
    """A copy of them that the test may change."""
    root, ids = _labelled_by_models
    monkeypatch.setenv("NNCIFT_DEMO_DIR", str(small_demo))
    _without_a_sentence_encoder(monkeypatch)
    shutil.copytree(root, tmp_path / "ws")
    workspace = Workspace.open(tmp_path / "ws")
    (project,) = workspace.catalog.projects()
    return Runs(workspace, project.id, "", ids)


def _without_a_sentence_encoder(patch: pytest.MonkeyPatch) -> None:
    for module in PLACES:
        patch.setattr(importlib.import_module(module), "open_encoder", lambda name: FakeEncoder())


@pytest.fixture(name="jobs_at_once")
def run_jobs_at_once(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Jobs that pages start are done before ``start`` returns; the folders started so far."""
    from nncift_core.pipeline import work

    started: list[Path] = []

    def start(job_dir: Path) -> int:
        started.append(job_dir)
        # The folder says how it went.
        with contextlib.suppress(NNCIFTError):
            work(job_dir)
        return 0

    monkeypatch.setattr(jobs, "start", start)
    return started


def open_page(name: str, query: dict[str, str], *, problems: bool = False) -> AppTest:
    """A page as a link with this query opens it; without ``problems`` there must be none."""
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
    app.switch_page(f"pages/{name}.py")
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    if not problems:
        assert not app.error, [error.value for error in app.error]
    return app


def every_text(app: AppTest) -> str:
    """All texts that a page shows outside tables and charts."""
    kinds = (
        app.title,
        app.subheader,
        app.markdown,
        app.caption,
        app.info,
        app.warning,
        app.error,
        app.code,
    )
    return "\n".join(str(element.value) for kind in kinds for element in kind)
