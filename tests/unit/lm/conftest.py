"""Tiny model folders that tests of loading spoil in many ways."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nncift_core.lm.devices import LOCKS_VARIABLE
from tests.tiny_lm import make_tiny_model

CopyOf = Callable[[str], Path]


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A Llama without a chat template and a Qwen with one; not to be changed."""
    folder = tmp_path_factory.mktemp("tiny")
    return {
        "llama": make_tiny_model(folder / "llama", "llama"),
        "qwen2": make_tiny_model(folder / "qwen2", "qwen2", chat_template="chatml"),
    }


@pytest.fixture
def copy_of(tmp_path: Path, tiny_models: dict[str, Path]) -> CopyOf:
    """``copy_of("llama")``: a copy of a model folder that may be changed."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(tiny_models[name], tmp_path / f"{name}-copy"))

    return copy


@pytest.fixture
def change_json() -> Callable[..., None]:
    """``change_json(path, key=value)`` changes a JSON file; None removes a key."""

    def change(path: Path, **values: Any) -> None:
        content = json.loads(path.read_text())
        content |= values
        path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))

    return change


@pytest.fixture(autouse=True)
def own_locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(LOCKS_VARIABLE, str(tmp_path / "locks"))
    return tmp_path / "locks"
