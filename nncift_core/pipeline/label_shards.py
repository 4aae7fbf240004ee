"""Where the finished parts of a run's labels are kept, and how fast they came.

Parts stand in the workspace under everything that they depend on, the rate under the settings
alone. Knows no rows and no plans.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from nncift_core.config import RunConfig
from nncift_core.files import json_text, read_json, write_json
from nncift_core.influence import METHODS
from nncift_core.influence.shards import FolderShards, MemoryShards, Shards, digest
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace

LEAST_SECONDS = 0.5
"""A rate from less than this much work is not kept."""


def open_shards(
    workspace: Workspace,
    spec: RunSpec,
    method: Any,
    progress: Progress,
    pilot_seconds: float | None = None,
) -> Shards:
    """Files for what a language model computes, memory for what takes no time."""
    if not needs_model(spec.config):
        return MemoryShards(progress)
    folder = workspace.labels_dir / f"{spec.config.method}-{digest(method.identity)}"
    return FolderShards(folder, progress, pilot_seconds, before=lambda: method.open(progress))


def finish(
    workspace: Workspace, spec: RunSpec, method: Any, shards: Shards, progress: Progress
) -> None:
    """Keep the rate, and tell the user what the method has to say."""
    for note in method.notes():
        progress.warn(note)
    units, seconds = computed(shards)
    if seconds >= LEAST_SECONDS and units:
        write_json(
            _rate_file(workspace, spec.config), {"unit": method.unit, "rate": units / seconds}
        )


def computed(shards: Shards) -> tuple[int, float]:
    """Units that were computed and not read, and the seconds that they took."""
    if isinstance(shards, FolderShards):
        return shards.computed_units, shards.computed_seconds
    return 0, 0.0


def known_rate(workspace: Workspace, config: RunConfig) -> float | None:
    """Units a second that labelling with this model and these settings did last, or None."""
    path = _rate_file(workspace, config)
    return float(read_json(path)["rate"]) if path.is_file() else None


def _rate_file(workspace: Workspace, config: RunConfig) -> Path:
    """Settings alone name it, so that a page can ask without loading a model."""
    settings = METHODS[config.method].settings
    group = asdict(getattr(config, settings)) if settings else {}
    key = digest(config.method, json_text(asdict(config.lm)), json_text(group))
    return workspace.labels_dir / f"rate-{key}.json"
