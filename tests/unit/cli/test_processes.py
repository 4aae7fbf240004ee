"""Real processes: killed and resumed, stopped by Ctrl-C, two at once, a full disk."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nncift_core import jobs
from nncift_core.store import Workspace

SLOW = {"FAKE_ENCODER_SECONDS": "0.05"}
"""Shards of 8 texts with a pause each: a second or two to be stopped in."""


def wait_for(condition: Callable[[], Any], running: subprocess.Popen[str]) -> Any:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)
    raise AssertionError("it took too long")


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_stopped_and_resumed(
    cli: Any, arguments: Any, process: Any, tmp_path: Path, signal_number: signal.Signals
) -> None:
    place, out = tmp_path / "workspace", tmp_path / "out" / "subset.jsonl"
    running = process(*arguments(json=True, network="ridge"), **SLOW)
    wait_for(lambda: len(list(place.glob("embeddings/*/*.keys.npy"))) >= 3, running)
    running.send_signal(signal_number)
    stdout, stderr = running.communicate(timeout=60)
    assert stdout == ""
    assert not out.exists()
    workspace = Workspace.open(place)
    (record,) = workspace.catalog.runs()
    # The user knows what to resume.
    assert record.run_id in stderr
    if signal_number == signal.SIGINT:
        assert running.returncode == 130
        assert "Traceback" not in stderr
        assert "nncift: Stopped. Resume it" in stderr
        assert record.status == "cancelled"
        assert jobs.read_state(workspace.run_dir(record.run_id)).status == "cancelled"
    else:
        assert running.returncode == -signal.SIGKILL
        assert jobs.read_state(workspace.run_dir(record.run_id)).status == "interrupted"
    embedded = len(list(place.glob("embeddings/*/*.keys.npy")))
    assert 3 <= embedded < 22
    resumed = cli("resume", record.run_id, "--output", out, "--json").summary
    assert resumed["run_id"] == record.run_id
    assert workspace.catalog.run(record.run_id).status == "done"
    whole = tmp_path / "whole.jsonl"
    undisturbed = tmp_path / "undisturbed"
    parts = arguments(json=True, output=whole, workspace=undisturbed, network="ridge")
    summary = cli(*parts).summary
    assert out.read_bytes() == whole.read_bytes()
    assert resumed["quadrants"] == summary["quadrants"]


def test_two_processes_on_one_new_workspace(arguments: Any, process: Any, tmp_path: Path) -> None:
    outs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    both = [process(*arguments(json=True, output=out, network="ridge")) for out in outs]
    done = [running.communicate(timeout=120) for running in both]
    for running, (_, stderr) in zip(both, done, strict=True):
        assert running.returncode == 0, stderr
    summaries = [json.loads(stdout) for stdout, _ in done]
    assert summaries[0]["run_id"] != summaries[1]["run_id"]
    assert summaries[0]["quadrants"] == summaries[1]["quadrants"]
    assert outs[0].read_bytes() == outs[1].read_bytes()
    catalog = Workspace.open(tmp_path / "workspace").catalog
    assert len(catalog.datasets()) == 2
    assert len(catalog.projects()) == 1
    assert [run.status for run in catalog.runs()] == ["done", "done"]


@pytest.mark.parametrize("kilobytes", [1, 40])
def test_files_that_may_not_grow(
    repository: Path, arguments: Any, tmp_path: Path, kilobytes: int
) -> None:
    """The kernel refuses to write, to DuckDB as well: one sentence, no half file."""
    limit = kilobytes * 1024
    done = subprocess.run(
        [sys.executable, str(repository / "tests/fake_encoder.py"), *arguments(json=True)],
        cwd=repository,
        env={"PYTHONPATH": str(repository), "PATH": "", "OMP_NUM_THREADS": "1", "HOME": "/tmp",
             "NNCIFT_WORKSPACE": str(tmp_path / "workspace"), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    sentences = [line for line in done.stderr.splitlines() if line.startswith("nncift: ")]
    assert len(sentences) == 1
    assert "disk" in sentences[0]
    assert not list(tmp_path.rglob("*.partial"))
    assert not (tmp_path / "out" / "subset.jsonl").exists()
