"""From files to stored datasets and projects. Knows nothing of runs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nncift_core.callers import require_change
from nncift_core.datasets import (
    ColumnMapping,
    Dataset,
    Report,
    Source,
    append,
    appended_id,
    demo_paths,
    is_hub_name,
    load_files,
    load_hub,
)
from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.pipeline.spec import DataSource
from nncift_core.store import DatasetRecord, ProjectRecord, Workspace

DEMO_PROJECT = "Demo"

LONGEST_NAME = 100
"""Characters of a project name that is made from file names; a number may follow."""

_RACES = 20

_PAGE = 10_000
"""Rows read from the catalog at a time."""


@dataclass(frozen=True)
class Imported:
    """A dataset in the store.

    Attributes:
        record: Its entry in the catalog.
        source: What a run's configuration says of it.
        already_there: Whether the same content with the same mapping was stored before.
    """

    record: DatasetRecord
    source: DataSource
    already_there: bool


def import_files(
    workspace: Workspace,
    paths: Sequence[str | Path],
    *,
    names: Sequence[str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Imported:
    """Read files (or one ``hf:owner/name:split``) as one dataset and store it.

    Args:
        workspace: Where to store it.
        paths: One or several files, in order.
        names: What to call them, where that is not their file name.
        overrides: Column of each field, instead of the guessed one.

    Raises:
        DataError: A file cannot be read or holds fewer than 2 usable rows.
        ConfigError: The mapping names a field or column that does not exist, or the caller may
            change nothing.
        WorkspaceError: It cannot be stored.
    """
    # Before anything is fetched from the hub.
    require_change()
    dataset: Dataset
    if len(paths) == 1 and is_hub_name(str(paths[0])):
        dataset = load_hub(str(paths[0]), overrides=overrides)
        files: tuple[str, ...] = (str(paths[0]),)
    else:
        dataset = load_files(paths, names=names, overrides=overrides)
        files = () if names else tuple(str(Path(path).resolve()) for path in paths)
    record, already_there = workspace.catalog.add_dataset(dataset)
    source = DataSource(record.id, record.name, files, dict(overrides) if overrides else None)
    return Imported(record, source, already_there)


def append_rows(workspace: Workspace, base: DataSource, added: DataSource) -> Imported:
    """A stored pool with the rows of another stored dataset behind its own, stored as a third.

    Rows whose content the pool holds are left out, which the new dataset's warnings say.

    Raises:
        DataError: Nothing is new.
        ConfigError: One of both is not stored.
        WorkspaceError: It cannot be stored.
    """
    grown_id = appended_id(base.id, added.id)
    files = (*base.files, *added.files) if base.files and added.files else ()
    for record in workspace.catalog.datasets():
        if record.id == grown_id:
            return Imported(record, DataSource(grown_id, record.name, files), True)
    grown = append(_stored(workspace, base.id), _stored(workspace, added.id))
    record, already_there = workspace.catalog.add_dataset(grown.dataset)
    return Imported(record, DataSource(grown_id, record.name, files), already_there)


def _stored(workspace: Workspace, dataset_id: str) -> Dataset:
    """A dataset as it was before it was stored. Raises: ConfigError."""
    catalog = workspace.catalog
    record = catalog.dataset(dataset_id)
    found = [
        row
        for start in range(0, record.accepted, _PAGE)
        for row in catalog.browse_rows(dataset_id, offset=start, limit=_PAGE)[0]
    ]
    sources = tuple(
        Source(**{**source, "mapping": ColumnMapping(**source["mapping"])})
        for source in record.sources
    )
    return Dataset(
        id=record.id,
        name=record.name,
        rows=tuple(one.row for one in found),
        raw=tuple(catalog.dataset_raw(dataset_id)),
        source_ids=tuple(one.source_id for one in found),
        sources=sources,
        report=Report(
            record.accepted,
            tuple(catalog.rejections(dataset_id)),
            record.exact_duplicates,
            record.warnings,
        ),
    )


def ensure_project(
    workspace: Workspace, name: str, pool_id: str, target_id: str | None, sample: int | None
) -> ProjectRecord:
    """The project of this pool and target, made if there is none.

    A name that another project has gets a number: files change and keep their names.
    """
    name = "".join(sign if sign.isprintable() else " " for sign in name)[:LONGEST_NAME].strip()
    for _ in range(_RACES):
        projects = workspace.catalog.projects()
        for project in projects:
            if (project.pool_id, project.target_id, project.target_sample) == (
                pool_id,
                target_id,
                sample,
            ):
                return project
        taken = {project.name.lower() for project in projects}
        numbered = itertools.chain([name], (f"{name} ({n})" for n in itertools.count(2)))
        free = next(candidate for candidate in numbered if candidate.lower() not in taken)
        try:
            return workspace.catalog.add_project(free, pool_id, target_id, sample)
        except ConfigError:
            # Another process may have made it, or taken the name, since the list was read.
            if not any(p.name.lower() == free.lower() for p in workspace.catalog.projects()):
                raise
    raise WorkspaceError(f"The project {name!r} could not be made.", "Try again.")


def ensure_demo(workspace: Workspace) -> ProjectRecord:
    """The demo project, imported from the bundled data on the first call."""
    paths = demo_paths()
    pool = import_files(workspace, [paths.pool], names=[paths.pool.name])
    target = import_files(workspace, [paths.target], names=[paths.target.name])
    return ensure_project(workspace, DEMO_PROJECT, pool.record.id, target.record.id, None)
