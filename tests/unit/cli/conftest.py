"""The command line in this process, with its output, and in one of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nncift_core.cli import main
from tests.fake_encoder import FakeEncoder
from tests.unit.cli.exact_run import copy_of_exact_run, make_exact_run  # noqa: F401


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The one JSON object on standard output; NaN and other constants are refused."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} in JSON")

        assert self.code == 0, self.err
        found: dict[str, Any] = json.loads(self.out, parse_constant=refuse)
        return found

    @property
    def sentence(self) -> str:
        """The one line that says what is wrong."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert self.out == ""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith("nncift: ")]
        assert len(lines) == 1, self.err
        assert self.err.rstrip().endswith(lines[0])
        return lines[0].removeprefix("nncift: ")


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fake_encoder: FakeEncoder,
    short_training: None,
) -> Callable[..., Done]:
    monkeypatch.setenv("NNCIFT_WORKSPACE", str(tmp_path / "workspace"))

    def call(*arguments: object) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def arguments(
    demo_files: Callable[[int, int], tuple[Path, Path]], tmp_path: Path
) -> Callable[..., list[str]]:
    """``arguments(label_fraction=0.3, ...)``: a small run on demo rows; None leaves one out."""
    pool, target = demo_files(120, 60)

    def make(**options: Any) -> list[str]:
        given: dict[str, Any] = {
            "train": pool,
            "target": target,
            "method": "delift-se",
            "label_fraction": 0.2,
            "output": tmp_path / "out" / "subset.jsonl",
        } | options
        parts = ["run"]
        for name, value in given.items():
            option = f"--{name.replace('_', '-')}"
            if value is True:
                parts.append(option)
            elif isinstance(value, list):
                for item in value:
                    parts += [option, str(item)]
            elif value is not None:
                parts += [option, str(value)]
        return parts

    return make


@pytest.fixture
def process(repository: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """The command line with the fake encoder in a process of its own, one thread each."""

    def start(*parts: object, **environment: str) -> subprocess.Popen[str]:
        import os

        return subprocess.Popen(
            [sys.executable, str(repository / "tests/fake_encoder.py"), *map(str, parts)],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(repository),
                "NNCIFT_WORKSPACE": str(tmp_path / "workspace"),
                "OMP_NUM_THREADS": "1",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
