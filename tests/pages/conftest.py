"""Workspaces in every state that a page may meet, without a model and without a worker."""

from __future__ import annotations

import importlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from nncift_core import jobs
from nncift_core.config import RunConfig
from nncift_core.jobs import FinishedStage, JobError, JobState
from nncift_core.jobs.process import mark_of
from nncift_core.jobs.state import append_point, beat, write_state
from nncift_core.store import ProjectRecord, Workspace
from tests.fake_encoder import PLACES, FakeEncoder
from tests.open_databases import databases_stay_open

REPOSITORY = Path(__file__).resolve().parents[2]
N_TRAIN, N_TARGET = 120, 60


@dataclass
class Place:
    """A workspace with one project, and a run of it where there is one."""

    workspace: Workspace
    project: ProjectRecord
    run_id: str = ""

    @property
    def job_dir(self) -> Path:
        return self.workspace.run_dir(self.run_id)

    @property
    def query(self) -> dict[str, str]:
        """The address of the project and its run."""
        return {"project": self.project.id, **({"run": self.run_id} if self.run_id else {})}


@pytest.fixture(autouse=True)
def _quiet_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing outside the test's folder is touched."""
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("NNCIFT_WORKSPACE", str(tmp_path / "ws"))
    monkeypatch.setenv("NNCIFT_DEMO_DIR", str(tmp_path / "no-demo"))


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first rows of the demo, as the demo's folder."""
    folder = tmp_path_factory.mktemp("demo")
    for name, count in (("demo_pool.jsonl", N_TRAIN), ("demo_target.jsonl", N_TARGET)):
        lines = (REPOSITORY / "data" / name).read_text("utf-8").splitlines()[:count]
        (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder


@pytest.fixture
def open_app() -> Callable[..., AppTest]:
    """``open_app("run", query)``: a page of the app, run once."""

    def run(page: str = "home", query: dict[str, str] | None = None) -> AppTest:
        app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=60)
        if page != "home":
            app.switch_page(f"pages/{page}.py")
        for name, value in (query or {}).items():
            app.query_params[name] = value
        return app.run()

    return run


@pytest.fixture
def empty_workspace(tmp_path: Path) -> Workspace:
    """No project, not even the demo."""
    return Workspace.open(tmp_path / "ws")


@pytest.fixture
def demo_workspace(tmp_path: Path, small_demo: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The demo project without a run."""
    from nncift_core.pipeline import ensure_demo

    monkeypatch.setenv("NNCIFT_DEMO_DIR", str(small_demo))
    workspace = Workspace.open(tmp_path / "ws")
    return Place(workspace, ensure_demo(workspace))


@pytest.fixture
def make_run(demo_workspace: Place) -> Callable[..., Place]:
    """``make_run(JobState(...))``: a run of the demo project whose job is in that state."""

    def make(state: JobState, config: RunConfig | None = None, *, age: float = 0.0) -> Place:
        place = demo_workspace
        spec = make_spec(place.project, config or RunConfig())
        run_id = place.workspace.new_run_id()
        folder = place.workspace.run_dir(run_id)
        jobs.create(folder, {"kind": "run", "run_id": run_id})
        spec.write(folder, run_id)
        place.workspace.catalog.add_run(
            run_id, place.project.id, spec.as_json(), status=state.status
        )
        write_state(folder, state)
        beat(folder)
        if age:
            long_ago = time.time() - age
            os.utime(folder / "heartbeat", (long_ago, long_ago))
        return replace(place, run_id=run_id)

    return make


@pytest.fixture
def running_job(make_run: Callable[..., Place]) -> Place:
    """A run whose network trains: two stages done, three epochs measured."""
    place = make_run(
        JobState(
            "running",
            stage="train",
            done=3,
            total=20,
            unit="epochs",
            rate=2.0,
            seconds_left=8.5,
            stages=(
                FinishedStage("embed", 12.0, 180, "rows"),
                FinishedStage("label", 1.5, 400, "pairs"),
            ),
            warnings=("Three *rows* are long.",),
            started_at=time.time() - 20,
            process=mark_of(os.getpid()),
        )
    )
    for epoch in range(3):
        error = 0.2 / (epoch + 1)
        point = {"epoch": epoch, "q1": error, "q2": error, "q3": error, "q4": None}
        append_point(place.job_dir, "epoch", point, stage="train", attempt=1)
    return place


@pytest.fixture
def failed_job(make_run: Callable[..., Place]) -> Place:
    """A run that failed for a reason the user can mend, with markup in the texts."""
    return make_run(
        JobState(
            "failed",
            stage="embed",
            done=10,
            total=180,
            unit="rows",
            error=JobError(
                "The model 'a*b*c' is <b>not</b> here.",
                "Give a folder that exists.",
                "Traceback (most recent call last): the details",
            ),
        )
    )


@pytest.fixture
def cancelled_job(make_run: Callable[..., Place]) -> Place:
    """A run that was cancelled while it labelled."""
    return make_run(
        JobState(
            "cancelled",
            stage="label",
            done=100,
            total=400,
            unit="pairs",
            stages=(FinishedStage("embed", 12.0, 180, "rows"),),
        )
    )


@pytest.fixture
def interrupted_job(make_run: Callable[..., Place]) -> Place:
    """A run that says it runs, though nothing has worked on it for a minute."""
    state = JobState("running", stage="label", done=100, total=400, unit="pairs")
    return make_run(state, age=60.0)


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory, small_demo: Path) -> tuple[Path, str]:
    """A workspace with a run that really ran, with an encoder that is no model."""
    from nncift_core import pipeline

    root = tmp_path_factory.mktemp("finished") / "ws"
    with pytest.MonkeyPatch.context() as patch, databases_stay_open():
        patch.setenv("NNCIFT_DEMO_DIR", str(small_demo))
        patch.setattr("nncift_core.network.fitting.PICKED_FROM", ("ridge", "neighbours"))
        for module in PLACES:
            patch.setattr(
                importlib.import_module(module), "open_encoder", lambda name: FakeEncoder()
            )
        workspace = Workspace.open(root)
        project = pipeline.ensure_demo(workspace)
        spec = make_spec(project, RunConfig(label_fraction=0.2, budget="0.3"))
        run_id = pipeline.create_run(workspace, project.id, spec)
        pipeline.work(workspace.run_dir(run_id))
    return root, run_id


@pytest.fixture
def finished_run(
    _finished: tuple[Path, str],
    tmp_path: Path,
    small_demo: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """A copy of a workspace with a finished run, the test's own."""
    root, run_id = _finished
    monkeypatch.setenv("NNCIFT_DEMO_DIR", str(small_demo))
    for module in PLACES:
        monkeypatch.setattr(
            importlib.import_module(module), "open_encoder", lambda name: FakeEncoder()
        )
    shutil.copytree(root, tmp_path / "ws")
    workspace = Workspace.open(tmp_path / "ws")
    return Place(workspace, workspace.catalog.projects()[0], run_id)


def make_spec(project: ProjectRecord, config: RunConfig) -> Any:
    """A run of the demo project."""
    from nncift_core.pipeline import DataSource, RunSpec

    assert project.target_id is not None
    return RunSpec(
        config=config,
        train=DataSource(project.pool_id, "demo_pool.jsonl"),
        target=DataSource(project.target_id, "demo_target.jsonl"),
    )


@pytest.fixture
def labels() -> Callable[[Any], list[str]]:
    """Labels of an AppTest's buttons, in order."""
    return lambda app: [button.label for button in app.button]


@pytest.fixture
def words() -> Callable[[Any], str]:
    """Everything an AppTest's page says outside tables, as one text."""

    def gather(app: Any) -> str:
        texts: list[str] = []
        for name in (
            "title",
            "subheader",
            "markdown",
            "caption",
            "error",
            "warning",
            "info",
            "code",
            "text",
        ):
            texts += [str(element.value) for element in getattr(app, name)]
        texts += [f"{metric.label} {metric.value}" for metric in app.metric]
        return "\n".join(texts)

    return gather


# Once for all modules: a fixture that each module imports is made anew for each of them. Last,
# because that module needs names of this one.
from tests.pages.finished import (  # noqa: E402, F401
    finished_runs,
    finished_runs_of_language_models,
    run_jobs_at_once,
    runs_of_language_models,
)
