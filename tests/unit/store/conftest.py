"""A stand-in for loaded datasets, and scripts that run in processes of their own."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nncift_core.datasets.report import Rejection, Report
from nncift_core.store import Workspace
from nncift_core.types import Row

REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True)
class StandInDataset:
    id: str
    name: str
    rows: tuple[Row, ...]
    raw: tuple[str, ...]
    source_ids: tuple[str | None, ...]
    sources: tuple[Any, ...]
    report: Report


@pytest.fixture
def make_dataset() -> Callable[..., StandInDataset]:
    def make(
        dataset_id: str = "aaaa0001",
        texts: list[tuple[str, str]] | None = None,
        *,
        count: int = 5,
        subtasks: list[str | None] | None = None,
        sha256: str = "f00d",
        name: str = "rows.jsonl",
        rejected: tuple[Rejection, ...] = (),
    ) -> StandInDataset:
        if texts is None:
            texts = [(f"prompt {i}", f"response {i}") for i in range(count)]
        rows = tuple(
            Row(f"{i:016x}-0", p, r, subtasks[i] if subtasks else None, f"g{i % 2}")
            for i, (p, r) in enumerate(texts)
        )
        return StandInDataset(
            id=dataset_id,
            name=name,
            rows=rows,
            raw=tuple(f'{{"n": {i}}}' for i in range(len(rows))),
            source_ids=tuple(None if i % 2 else f"id{i}" for i in range(len(rows))),
            sources=({"name": name, "sha256": sha256, "size": 10},),
            report=Report(len(rows), rejected, 1, ("one warning",)),
        )

    return make


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def selected_run(workspace: Workspace, make_dataset: Callable[..., StandInDataset]) -> Workspace:
    """A workspace with pool ``aaaa0001``, target ``bbbb0002``, project and run ``run-1``."""
    workspace.catalog.add_dataset(make_dataset("aaaa0001", count=8))
    workspace.catalog.add_dataset(make_dataset("bbbb0002", count=3, sha256="beef"))
    project = workspace.catalog.add_project("First", "aaaa0001", "bbbb0002")
    workspace.catalog.add_run("run-1", project.id, {"seed": 0})
    return workspace


@pytest.fixture
def spawn(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a Python script in a process of its own."""
    number = iter(range(1_000))

    def run(script: str, *arguments: object) -> subprocess.Popen[str]:
        path = tmp_path / f"script{next(number)}.py"
        path.write_text(f"import sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n{script}")
        return subprocess.Popen(
            [sys.executable, str(path), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture
def random_texts() -> Callable[[int, int], list[tuple[str, str]]]:
    """Prompts and responses with quotes, wildcards, repeats and letters beyond ASCII."""
    words = ["Alpha", "alpha", "ÉCLAIR", "éclair", "50%", "a_b", "O'Neil", "\\", '"q"', "ß", "日本"]

    def make(seed: int, count: int) -> list[tuple[str, str]]:
        draw = random.Random(seed)
        lengths = [draw.randint(1, 5) for _ in range(count)]
        return [
            (" ".join(draw.choices(words, k=3)), " ".join(draw.choices(words, k=length)))
            for length in lengths
        ]

    return make
