"""What tests of several layers share: an encoder without a model, small data, a workspace."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from nncift_core.types import Row
from tests.fake_encoder import PLACES, FakeEncoder

REPOSITORY = Path(__file__).resolve().parents[1]

# The same examples every time, so that a check that passed passes again. Look for new ones with
# HYPOTHESIS_PROFILE=explore.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def demo_lines() -> tuple[list[str], list[str]]:
    """Lines of the demo pool and of the demo target."""
    pool, target = (
        (REPOSITORY / "data" / name).read_text("utf-8").splitlines()
        for name in ("demo_pool.jsonl", "demo_target.jsonl")
    )
    return pool, target


@pytest.fixture(scope="session")
def demo_rows(demo_lines: tuple[list[str], list[str]]) -> Callable[[int, int], Any]:
    """``demo_rows(n_train, n_target)``: rows of the demo, as the reader would give them."""
    from nncift_core.datasets import assign_ids

    def rows(lines: Sequence[str]) -> list[Row]:
        records = [json.loads(line) for line in lines]
        ids = assign_ids((record["prompt"], record["response"]) for record in records)
        return [
            Row(row_id, record["prompt"], record["response"], record.get("subtask"))
            for row_id, record in zip(ids, records, strict=True)
        ]

    return lambda n_train, n_target: (rows(demo_lines[0][:n_train]), rows(demo_lines[1][:n_target]))


@pytest.fixture
def demo_files(
    tmp_path: Path, demo_lines: tuple[list[str], list[str]]
) -> Callable[[int, int], tuple[Path, Path]]:
    """``demo_files(n_train, n_target)``: the first lines of the demo as two files."""

    def write(n_train: int, n_target: int) -> tuple[Path, Path]:
        paths = tmp_path / "pool.jsonl", tmp_path / "target.jsonl"
        for path, lines, count in zip(paths, demo_lines, (n_train, n_target), strict=True):
            path.write_text("\n".join(lines[:count]) + "\n", "utf-8")
        return paths

    return write


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    from nncift_core.store import Workspace

    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def open_databases() -> Iterator[None]:
    """Catalogs stay open between sessions, for tests that have one process; it saves time."""
    from tests.open_databases import databases_stay_open

    with databases_stay_open():
        yield


@pytest.fixture
def fake_encoder(monkeypatch: pytest.MonkeyPatch) -> FakeEncoder:
    """The fake encoder, in place of every encoder that a run would open."""
    encoder = FakeEncoder()
    for place in PLACES:
        monkeypatch.setattr(importlib.import_module(place), "open_encoder", lambda name: encoder)
    return encoder


@dataclass
class RecordingProgress:
    """Keeps what it is told; raises ``Cancelled`` in stage ``cancel_in`` after ``cancel_after``
    calls of ``advance`` there."""

    cancel_in: str = ""
    cancel_after: int = 1

    def __post_init__(self) -> None:
        self.stages: list[tuple[str, int, str]] = []
        self.done: dict[str, int] = {}
        self.points: list[tuple[str, dict[str, Any]]] = []
        self.warnings: list[str] = []
        self._calls = 0

    def stage(self, name: str, total: int, unit: str) -> None:
        self.stages.append((name, total, unit))
        self.done[name] = 0
        self._calls = 0

    def advance(self, count: int = 1) -> None:
        from nncift_core.errors import Cancelled

        name = self.stages[-1][0]
        self.done[name] += count
        self._calls += 1
        if name == self.cancel_in and self._calls >= self.cancel_after:
            raise Cancelled

    def point(self, kind: str, values: Any) -> None:
        self.points.append((kind, dict(values)))

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def recording() -> type[RecordingProgress]:
    return RecordingProgress


@pytest.fixture
def short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few epochs and resamples, for tests that are about something else."""
    from nncift_core.network import bootstrap, learned, training

    short = training.TrainingSettings(epochs=3)
    monkeypatch.setattr(learned.Learned, "settings", short)
    monkeypatch.setattr(learned, "PAPER", short)
    monkeypatch.setattr(bootstrap, "RESAMPLES", 20)


@pytest.fixture(autouse=True)
def few_estimators(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """``auto`` compares two quick estimators, unless a test asks for ``all_estimators``."""
    if "all_estimators" not in request.fixturenames:
        monkeypatch.setattr("nncift_core.network.fitting.PICKED_FROM", ("ridge", "neighbours"))


@pytest.fixture
def all_estimators() -> None:
    """``auto`` compares everything that it compares outside tests."""


@pytest.fixture
def unit_vectors() -> Callable[..., np.ndarray]:
    """``unit_vectors(n, d, seed)``: random float32 rows of length 1."""

    def make(n: int, d: int = 8, seed: int = 0) -> np.ndarray:
        vectors = np.random.default_rng(seed).standard_normal((n, d))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    return make
