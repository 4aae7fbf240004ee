"""Job folders, and a stub worker that runs in processes of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nncift_core import jobs
from nncift_core.jobs.process import is_running
from nncift_core.jobs.state import stored_state

STUB = """
import json, os, sys, time
from pathlib import Path
from nncift_core import jobs
from nncift_core.errors import DataError
from nncift_core.files import write_json

folder = Path(sys.argv[1])
job = jobs.read_job(folder)
if job.get("crash") == "import":
    import no_such_module
if job.get("crash") == "exit":
    sys.exit(0)
with jobs.running(folder) as progress:
    with (folder.parents[1] / "order.txt").open("a") as file:
        file.write(f"{folder.name} begins\\n")
    progress.stage("count", job.get("steps", 3), "steps")
    for step in range(job.get("steps", 3)):
        time.sleep(job.get("seconds", 0.02))
        while job.get("hold") and not (folder / "go").exists():
            time.sleep(0.02)
        if job.get("deaf") and step == 0:
            time.sleep(600)
        if job.get("crash") == "data" and step == 1:
            raise DataError("Row 7 is bad.", "Mend row 7.")
        if job.get("crash") == "fault" and step == 1:
            1 / 0
        progress.point("step", {"step": step})
        progress.advance()
    print("counted")
    progress.stage("write", 1, "files")
    write_json(folder / "result.json", {"steps": job.get("steps", 3)})
    with (folder.parents[1] / "order.txt").open("a") as file:
        file.write(f"{folder.name} ends\\n")
"""


@pytest.fixture
def job_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "w" / "runs" / "run-1"
    jobs.create(folder, {"kind": "run"})
    return folder


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Make and start a stub job; ends what is left of them after the test."""
    (tmp_path / "stub_worker.py").write_text(STUB)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    made: list[Path] = []

    def start(name: str = "run-1", *, begin: bool = True, **options: object) -> Path:
        folder = tmp_path / "w" / "runs" / name
        jobs.create(folder, {"kind": "run", **options})
        made.append(folder)
        if begin:
            jobs.start(folder, module="stub_worker")
        return folder

    yield start
    for folder in made:
        state = stored_state(folder)
        if state is not None and state.process and state.process.pid != os.getpid():
            while not jobs.terminate(folder, grace_seconds=0.1) and is_running(state.process):
                time.sleep(0.05)


@pytest.fixture
def wait_for() -> Callable[..., jobs.JobState]:
    """Wait until a job's state fulfils a condition."""

    def wait(
        folder: Path, condition: Callable[[jobs.JobState], bool], seconds: float = 30.0
    ) -> jobs.JobState:
        deadline = time.monotonic() + seconds
        while True:
            state = jobs.read_state(folder)
            if condition(state):
                return state
            assert time.monotonic() < deadline, (state, jobs.log_tail(folder))
            time.sleep(0.02)

    return wait
