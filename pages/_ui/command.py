"""The command line that does what a page does. Knows options and stored files, runs nothing."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nncift_core.cli.settings import SETTINGS, uses
from nncift_core.config import RunConfig
from nncift_core.datasets import FIELDS, ColumnMapping, demo_paths, preview_file
from nncift_core.errors import NNCIFTError
from nncift_core.influence import METHODS
from nncift_core.store import DatasetRecord, Workspace

PROGRAM = ("python", "-m", "nncift_core")
_UNSTORED = "WHERE-IT-IS/"


def run_command(
    workspace: Workspace,
    config: RunConfig,
    pool: DatasetRecord,
    target: DatasetRecord | None,
    sample: int | None,
    existing: DatasetRecord | None = None,
) -> str:
    """The ``run`` command of these settings on stored data, one option a line.

    Settings at their default are left out, and those that the method does not read; so is the
    mapping where it would be guessed alike. A method that scores single rows needs neither
    target nor sample.
    """
    options: list[tuple[str, ...]] = [("--train", path) for path in _files(workspace, pool)]
    if target is not None:
        options += [("--target", path) for path in _files(workspace, target)]
    elif sample is not None:
        options.append(("--target", f"sample:{sample}"))
    if existing is not None:
        options += [("--existing", path) for path in _files(workspace, existing)]
    given = [dataset for dataset in (pool, target, existing) if dataset is not None]
    mapped = _overrides(workspace, given)
    options += [("--map", f"{field}={column}") for field, column in mapped.items()]
    options.append(("--method", config.method))
    method = METHODS[config.method]
    for setting in SETTINGS:
        if setting.name != "method" and uses(method, setting.group):
            options.append(setting.arguments(config))
    options.append(("--workspace", str(workspace.path)))
    options.append(("--output", "subset.jsonl"))
    return _lines([*PROGRAM, "run"], [option for option in options if option])


def replay_command(workspace: Workspace, run_id: str) -> str:
    """The command that does a run again, with the identical subset."""
    config = workspace.run_dir(run_id) / "config.json"
    options = [("--config", str(config)), ("--workspace", str(workspace.path))]
    return _lines([*PROGRAM, "run"], [*options, ("--output", "subset.jsonl")])


def _lines(start: Sequence[str], options: Sequence[Sequence[str]]) -> str:
    return " \\\n    ".join([shlex.join(start), *(shlex.join(option) for option in options)])


def _files(workspace: Workspace, dataset: DatasetRecord) -> list[str]:
    return [str(_file(workspace, source)) for source in dataset.sources]


def _file(workspace: Workspace, source: Mapping[str, Any]) -> Path | str:
    """Where a source of a dataset lies, as well as that can be known."""
    name, digest = str(source["name"]), str(source["sha256"])
    if source["format"] == "hf":
        return name
    stored = sorted(workspace.uploads_dir.glob(f"{digest}*")) if digest.isalnum() else []
    if stored:
        return stored[0]
    try:
        for path in demo_paths():
            if path.name == name and path.stat().st_size == source["size"]:
                return path
    except (NNCIFTError, OSError):
        pass
    return _UNSTORED + name


def _overrides(workspace: Workspace, datasets: Sequence[DatasetRecord]) -> dict[str, str]:
    """Fields whose column the command must name, because the guess would be another."""
    overrides: dict[str, str] = {}
    for dataset in datasets:
        for source in dataset.sources:
            path = _file(workspace, source)
            if not isinstance(path, Path):
                continue
            guess = _guess(path)
            for field in FIELDS:
                column = source["mapping"][field]
                if column and (guess is None or getattr(guess, field) != column):
                    overrides.setdefault(field, column)
    return overrides


@functools.lru_cache(maxsize=64)
def _guess(path: Path) -> ColumnMapping | None:
    """The mapping that the command line would guess; stored files never change."""
    try:
        return preview_file(path, limit=1).mapping
    except NNCIFTError:
        return None
