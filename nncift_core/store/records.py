"""What the catalog returns: frozen records, no behaviour. Times are ISO-8601 text in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nncift_core.types import FloatArray, Row


@dataclass(frozen=True)
class DatasetRecord:
    """A stored dataset; its rows are read separately."""

    id: str
    name: str
    created_at: str
    accepted: int
    rejected: int
    exact_duplicates: int
    warnings: tuple[str, ...]
    sources: tuple[Mapping[str, Any], ...]
    """Each source file: name, sha256, size, format, rows, mapping."""


@dataclass(frozen=True)
class RowRecord:
    """One row of a dataset with its place in the input."""

    position: int
    row: Row
    source_id: str | None


@dataclass(frozen=True)
class ProjectRecord:
    """A pool and its target: a second dataset or a sample of the pool."""

    id: str
    name: str
    pool_id: str
    target_id: str | None
    target_sample: int | None
    created_at: str


@dataclass(frozen=True)
class RunRecord:
    """One run of a project."""

    run_id: str
    project_id: str
    config: Mapping[str, Any]
    created_at: str
    status: str
    result: Mapping[str, Any] | None = None
    trashed_at: str | None = None
    """When it was thrown away; None for a run that is in use."""


@dataclass(frozen=True)
class TrashedRun:
    """A run in the trash, and what its folder takes."""

    run: RunRecord
    bytes: int


@dataclass(frozen=True)
class LabelSet:
    """True influence of pairs of one role (training, holdout, reserved, ...) by row ids.

    Attributes:
        role: What the labels are for.
        helper: ``(n,)`` ids of pool rows.
        helped: ``(n,)`` ids of target rows.
        value: ``(n,)`` true influence in the method's own units, higher is more helpful.
    """

    role: str
    helper: tuple[str, ...]
    helped: tuple[str, ...]
    value: FloatArray


@dataclass(frozen=True)
class SelectedRow:
    """One chosen row: rank from 1, gain when it was chosen, round, and why."""

    rank: int
    row_id: str
    gain: float | None
    round: int
    reason: str = ""


@dataclass(frozen=True)
class SelectionRecord:
    """A stored selection; its rows are read separately."""

    id: str
    run_id: str
    name: str
    objective: str
    budget: str
    row_count: int
    meta: Mapping[str, Any]
    created_at: str
    exported_at: str | None = None
    """When the oldest of its listed exports was written; from the first one on it is immutable."""

    @property
    def is_first(self) -> bool:
        """Whether it is the one that its run made, which stays as long as the run."""
        return self.id == f"{self.run_id}-s0"


@dataclass(frozen=True)
class ExportRecord:
    """A file that was written from a selection."""

    id: str
    selection_id: str
    schema: str
    path: str
    sha256: str
    rows: int
    created_at: str


@dataclass(frozen=True)
class Glance:
    """What every page needs of the catalog.

    Attributes:
        projects: All projects, the newest first.
        project: The one looked for; None where there is none with that id, and without one.
        runs: Its runs, the newest first, none of the trash.
        pool: Its dataset to choose from.
        target: Its dataset of target rows, if it has one.
    """

    projects: tuple[ProjectRecord, ...]
    project: ProjectRecord | None = None
    runs: tuple[RunRecord, ...] = ()
    pool: DatasetRecord | None = None
    target: DatasetRecord | None = None


@dataclass(frozen=True)
class Freed:
    """What a deletion removed."""

    bytes: int = 0
    """Of deleted files, and of the catalog's blocks that are free for other records now."""
    runs: tuple[str, ...] = field(default=())
    datasets: tuple[str, ...] = field(default=())
