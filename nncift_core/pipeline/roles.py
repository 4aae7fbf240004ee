"""The rows of a run by role: pool, target, existing. Knows the store and nothing of models."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nncift_core.datasets import language_warning, sample_target
from nncift_core.datasets.lazy_rows import LazyRows
from nncift_core.errors import DataError
from nncift_core.pipeline.importing import append_rows, import_files
from nncift_core.pipeline.spec import DataSource, RunSpec
from nncift_core.store import Catalog, Workspace
from nncift_core.types import IndexArray, Row


@dataclass(frozen=True)
class Roles:
    """The accepted rows of a run, in input order.

    Attributes:
        pool: ``n_train`` rows to choose from, without a target sample.
        pool_positions: ``(n_train,)`` their positions in the stored dataset.
        target: ``n_target`` rows; none where a pointwise method was given none.
        target_dataset: The dataset that the target rows are stored in.
        target_positions: ``(n_target,)`` their positions there.
        existing: Rows the model was already tuned on; may be empty.
        warning: A sentence when pool and target look like different languages, else None.
        n_original: Rows of the pool that labels were drawn from; None is all of them, as in
            every run that extends no other.
        n_before: Rows of the pool of the run that this one extends; None is all, likewise.
    """

    pool: Sequence[Row]
    pool_positions: IndexArray
    target: Sequence[Row]
    target_dataset: str
    target_positions: IndexArray
    existing: Sequence[Row]
    warning: str | None
    n_original: int | None = None
    n_before: int | None = None

    @property
    def original_pool(self) -> Sequence[Row]:
        """The pool as it was when labels were drawn from it."""
        return self.pool[: self.n_original]

    @property
    def added(self) -> Sequence[Row]:
        """The rows that this run added to the pool of the run it extends, at the pool's end."""
        return self.pool[len(self.pool) if self.n_before is None else self.n_before :]


def read_roles(workspace: Workspace, spec: RunSpec, *, lazily: bool = False) -> Roles:
    """The rows of a run.

    Args:
        workspace: Where they are stored.
        spec: The run.
        lazily: Read rows as they are asked for, to look at a run: then nothing is said of the
            languages either.

    Raises:
        DataError: A dataset is not in the workspace, or too few rows remain.
        ConfigError: The target sample does not fit the pool.
    """
    read = functools.partial(_rows, workspace.catalog, lazily=lazily)
    train = read(spec.train.id)
    existing = read(spec.existing.id) if spec.existing else []
    # A target sample is drawn from the rows that were there before any were added.
    taken = spec.target_sample or 0
    original = spec.grown_from[0] if spec.grown_from else len(train)
    grown = (
        original - taken if spec.grown_from else None,
        spec.grown_from[-1] - taken if spec.grown_from else None,
    )
    if spec.target is not None:
        target = read(spec.target.id)
        return Roles(
            train,
            np.arange(len(train), dtype=np.int64),
            target,
            spec.target.id,
            np.arange(len(target), dtype=np.int64),
            existing,
            None if lazily else language_warning(train, target),
            *grown,
        )
    if spec.target_sample is None:
        everything = np.arange(len(train), dtype=np.int64)
        none = np.empty(0, dtype=np.int64)
        return Roles(train, everything, [], spec.train.id, none, existing, None, *grown)
    stay, leave = sample_target(range(original), spec.target_sample, spec.config.seed)
    stay = np.concatenate([stay, np.arange(original, len(train), dtype=np.int64)])
    return Roles(
        _some(train, stay),
        stay,
        _some(train, leave),
        spec.train.id,
        leave,
        existing,
        None,
        *grown,
    )


def _rows(catalog: Catalog, dataset_id: str, *, lazily: bool) -> Sequence[Row]:
    if not lazily:
        return catalog.dataset_rows(dataset_id)
    count = catalog.dataset(dataset_id).accepted
    everything = np.arange(count, dtype=np.int64)
    return LazyRows(_Stored(catalog, dataset_id), everything, count)


def _some(rows: Sequence[Row], positions: IndexArray) -> Sequence[Row]:
    if isinstance(rows, LazyRows):
        return rows.part(positions)
    return [rows[i] for i in positions]


@dataclass(frozen=True)
class _Stored:
    """Reads the rows of a dataset from the catalog."""

    catalog: Catalog
    dataset_id: str

    def rows(self, positions: IndexArray) -> list[Row]:
        return [record.row for record in self.catalog.rows_at(self.dataset_id, positions)]

    def everything(self) -> list[Row]:
        return self.catalog.dataset_rows(self.dataset_id)

    def column(self, name: str) -> list[str | None]:
        return self.catalog.row_column(self.dataset_id, name)

    def lengths(self) -> tuple[IndexArray, IndexArray]:
        return self.catalog.text_lengths(self.dataset_id)


def ensure_datasets(workspace: Workspace, spec: RunSpec) -> None:
    """Make sure that every dataset of a replayed run is stored here.

    Raises:
        DataError: A dataset is neither stored nor to be read again from its files, or its
            files have changed since.
    """
    known = {record.id for record in workspace.catalog.datasets()}
    # What an extended run chooses from is put together, not read.
    read = spec.added if spec.extends is not None else spec.train
    for source in (read, spec.target, spec.existing):
        if source is not None and source.id not in known:
            _import_again(workspace, source)
    if spec.extends is not None and spec.train.id not in known:
        _append_again(workspace, spec)


def _import_again(workspace: Workspace, source: DataSource) -> None:
    if not source.files:
        raise DataError(
            f"The dataset {source.name!r} ({source.id[:12]}) is not in this workspace.",
            "Use --workspace with the workspace that the run was made in.",
        )
    imported = import_files(workspace, source.files, overrides=source.overrides)
    if imported.record.id != source.id:
        raise DataError(
            f"The files of {source.name!r} have changed since the run was made.",
            "Bring back the files as they were, or start a new run.",
        )


def _append_again(workspace: Workspace, spec: RunSpec) -> None:
    """Put the pool of an extended run together as it was. Raises: DataError, ConfigError."""
    assert spec.extends is not None and spec.added is not None
    workspace.catalog.run(spec.extends)
    before = RunSpec.read(workspace.run_dir(spec.extends) / "config.json")
    if append_rows(workspace, before.train, spec.added).source.id != spec.train.id:
        raise DataError(
            f"The pool of run {spec.extends} is not the one that this run added rows to.",
            "Use --workspace with the workspace that the run was made in.",
        )
