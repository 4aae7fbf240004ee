"""A run that is cancelled or killed anywhere goes on to the same result."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from nncift_core import files as files_module
from nncift_core import pipeline
from nncift_core.embeddings import cache
from nncift_core.errors import Cancelled
from nncift_core.influence import base as influence_base
from nncift_core.network import fitting
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.progress import SilentProgress
from nncift_core.store import Workspace

ARTIFACTS = [
    "labels.npy", "network.safetensors", "projected_helpers.npy", "projected_helped.npy",
    "row_mean.npy", "column_mean.npy", "overview.json", "quadrants.json", "uncertainty.json",
]  # fmt: skip


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch, short_training: None) -> None:
    """These tests run a pipeline some forty times."""
    monkeypatch.setattr(cache, "SHARD_TEXTS", 32)
    monkeypatch.setattr(influence_base, "SHARD_PAIRS", 64)


@pytest.fixture
def untouched(tmp_path: Any, new_run: Any, chosen: Any) -> tuple[list[Any], dict[str, bytes]]:
    """Selection and artifacts of a run that nothing disturbed, in a workspace of its own."""
    workspace = Workspace.open(tmp_path / "undisturbed")
    run_id = new_run(workspace)
    pipeline.execute(workspace, run_id, SilentProgress())
    folder = workspace.run_dir(run_id)
    return chosen(workspace, run_id), {name: (folder / name).read_bytes() for name in ARTIFACTS}


def check_same(
    workspace: Workspace, run_id: str, untouched: tuple[list[Any], dict[str, bytes]], chosen: Any
) -> None:
    folder = workspace.run_dir(run_id)
    assert chosen(workspace, run_id) == untouched[0]
    assert {name: (folder / name).read_bytes() for name in ARTIFACTS} == untouched[1]
    assert workspace.catalog.run(run_id).status == "done"
    assert len(workspace.catalog.labels(run_id)) == 5
    stored = {labels.role: len(labels.value) for labels in workspace.catalog.labels(run_id)}
    assert stored == {"q1": 288, "q2": 96, "q3": 192, "q4": 64, "q1u": 128}


STOPS = [
    ("embed", 2, ["embed", "label", "train", "predict", "select"]),
    ("label", 3, ["embed", "label", "train", "predict", "select"]),
    ("train", 2, ["embed", "train", "predict", "select"]),
    ("predict", 1, ["embed", "predict", "select"]),
    ("select", 1, ["embed", "select"]),
]
"""Where a run is cancelled, after how many steps, and what is left to do."""


def test_cancel_in_each_stage(
    workspace: Any, new_run: Any, recording: Any, untouched: Any, chosen: Any
) -> None:
    for stage, after, left in STOPS:
        run_id = new_run(workspace)
        with pytest.raises(Cancelled):
            pipeline.execute(workspace, run_id, recording(stage, after))
        files = RunFiles(workspace.run_dir(run_id))
        assert not files.result.exists()
        assert not list(workspace.path.rglob("*.partial"))
        before = files.seconds()
        progress = recording()
        outcome = pipeline.execute(workspace, run_id, progress)
        assert [name for name, _, _ in progress.stages] == left
        if stage != "embed":
            assert progress.stages[0] == ("embed", 0, "rows")
        check_same(workspace, run_id, untouched, chosen)
        # Seconds of both attempts count.
        assert all(outcome.summary["seconds"][name] >= seconds for name, seconds in before.items())


class Killed(BaseException):
    """Stands for a process that ends here: nothing catches it."""


@contextmanager
def killed_at_write(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[list[str]]:
    """Every file is written up to file ``number``, which never reaches its name."""
    written: list[str] = []
    replacing = files_module.replacing

    @contextmanager
    def dying(path: Any, **options: Any) -> Iterator[Any]:
        # seconds.json is written again and again; once is enough here.
        fresh = str(path) not in written
        if fresh:
            written.append(str(path))
        with replacing(path, **options) as file:
            yield file
            if fresh and len(written) == number:
                raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(files_module, "replacing", dying)
        patch.setattr(fitting, "replacing", dying)
        yield written


def test_killed_at_any_file(
    workspace: Any, new_run: Any, untouched: Any, chosen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SHARD_TEXTS", 256)
    files: list[str] = []
    for number in itertools.count(1):
        run_id = new_run(workspace)
        try:
            with killed_at_write(monkeypatch, number) as files:
                pipeline.execute(workspace, run_id, SilentProgress())
        except Killed:
            pipeline.execute(workspace, run_id, SilentProgress())
            check_same(workspace, run_id, untouched, chosen)
        else:
            break
    # The embeddings are in the cache since the first time; seconds and result are written.
    assert {name.rsplit("/", 1)[1] for name in files} >= {
        *ARTIFACTS, "estimators.json", "seconds.json", "result.json",
    }  # fmt: skip


def test_a_finished_run_is_not_done_again(
    workspace: Any, new_run: Any, recording: Any, chosen: Any
) -> None:
    run_id = new_run(workspace)
    first = pipeline.execute(workspace, run_id, SilentProgress())
    rows = chosen(workspace, run_id)
    progress = recording()
    again = pipeline.execute(workspace, run_id, progress)
    assert [name for name, _, _ in progress.stages] == ["embed"]
    assert chosen(workspace, run_id) == rows
    assert {k: v for k, v in again.summary.items() if k != "seconds"} == {
        k: v for k, v in first.summary.items() if k != "seconds"
    }


def test_a_job_that_fails_says_so_and_can_go_on(
    workspace: Any, new_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncift_core import jobs
    from nncift_core.errors import WorkspaceError
    from nncift_core.pipeline import stages

    run_id = new_run(workspace)
    folder = workspace.run_dir(run_id)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "save_array", _full)
        with pytest.raises(WorkspaceError):
            pipeline.work(folder)
    assert workspace.catalog.run(run_id).status == "failed"
    state = jobs.read_state(folder)
    assert state.status == "failed"
    assert state.error is not None
    assert state.error.message == "The disk is full."
    pipeline.work(folder)
    assert workspace.catalog.run(run_id).status == "done"
    assert jobs.read_state(folder).status == "done"


def _full(path: Any, array: Any) -> None:
    from nncift_core.errors import WorkspaceError

    raise WorkspaceError("The disk is full.", "Free some space.")
