"""A workspace: the folder that holds the catalog, uploads, embeddings, labels, runs and exports.

Knows where things lie and how to remove them, nothing of what they mean. Ids become path
parts only after they were checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path, PurePath

from nncift_core.callers import require_change
from nncift_core.errors import WorkspaceError
from nncift_core.files import named_errors, remove_partials, size_of, write_bytes
from nncift_core.store.catalog import Catalog
from nncift_core.store.ids import checked_id, time_ordered_id
from nncift_core.store.records import DatasetRecord, Freed
from nncift_core.store.selection_tables import require_deletable
from nncift_core.store.trash import Trash, remove

CATALOG_FILE = "catalog.duckdb"

_DAY = 86_400.0
_SUFFIX = re.compile(r"(?:\.[a-z0-9]{1,10})?(?:\.gz)?")


@dataclass(frozen=True)
class Workspace(Trash):
    """An opened workspace; make one with :meth:`open`."""

    path: Path
    catalog: Catalog

    @classmethod
    def open(cls, path: Path | str) -> Workspace:
        """Create the folders where they are missing and check that they can be written.

        Raises:
            WorkspaceError: The folder cannot be created or written, or the disk is full.
        """
        if "\0" in str(path):
            raise WorkspaceError(f"{str(path)!r} is no folder name.")
        with named_errors(Path(path)):
            root = Path(path).expanduser().absolute()
        workspace = cls(root, Catalog(root / CATALOG_FILE))
        for folder in (
            root,
            workspace.runs_dir,
            workspace.uploads_dir,
            workspace.embeddings_dir,
            workspace.labels_dir,
            workspace.pilots_dir,
            workspace.studies_dir,
            workspace.plans_dir,
            workspace.exports_dir,
        ):
            with named_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
        probe = root / f".probe-{secrets.token_hex(4)}"
        try:
            with named_errors(root):
                probe.write_bytes(b"writable")
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
        # A writer that is alive finishes within a day.
        for folder in (workspace.uploads_dir, workspace.exports_dir):
            remove_partials(folder, older_than=_DAY)
        return workspace

    @property
    def runs_dir(self) -> Path:
        """One folder per run."""
        return self.path / "runs"

    @property
    def uploads_dir(self) -> Path:
        """Uploaded files under the hash of their content."""
        return self.path / "uploads"

    @property
    def embeddings_dir(self) -> Path:
        """The embedding cache."""
        return self.path / "embeddings"

    @property
    def labels_dir(self) -> Path:
        """Finished parts of labelling, one folder per influence function with its settings."""
        return self.path / "labels"

    @property
    def pilots_dir(self) -> Path:
        """One folder per pilot: a job that measures how fast labels come."""
        return self.path / "pilots"

    @property
    def studies_dir(self) -> Path:
        """One folder per study: how errors depend on labels or on the size of the network."""
        return self.path / "studies"

    @property
    def plans_dir(self) -> Path:
        """One folder per plan: a job that proposes how much to label."""
        return self.path / "plans"

    @property
    def maps_dir(self) -> Path:
        """One folder per map of embeddings."""
        return self.path / "maps"

    @property
    def statistics_dir(self) -> Path:
        """What is known of the texts of each dataset, one file a kind."""
        return self.path / "statistics"

    @property
    def exports_dir(self) -> Path:
        """Exported subsets."""
        return self.path / "exports"

    def new_run_id(self) -> str:
        """An id for a new run; ids sort by the second they were made in."""
        return time_ordered_id()

    def run_dir(self, run_id: str) -> Path:
        """The folder of a run, which need not exist. Raises: ConfigError for a malformed id."""
        return self.runs_dir / checked_id("run", run_id)

    def selection_dir(self, run_id: str, selection_id: str) -> Path:
        """The folder of a later selection from a run. Raises: ConfigError for a malformed id."""
        return self.run_dir(run_id) / "selections" / checked_id("selection", selection_id)

    def save_upload(self, name: str, data: bytes | memoryview) -> Path:
        """Keep an uploaded file as ``uploads/<sha256>.<suffix>``; the same content only once.

        Raises:
            ConfigError: The caller may change nothing.
            WorkspaceError: It cannot be written.
        """
        require_change()
        lower = PurePath(name).name.lower()
        suffix = "".join(PurePath(lower).suffixes[-2:] if lower.endswith(".gz") else [])
        suffix = suffix or PurePath(lower).suffix
        if not _SUFFIX.fullmatch(suffix):
            suffix = ".gz" if suffix.endswith(".gz") else ""
        path = self.uploads_dir / f"{hashlib.sha256(data).hexdigest()}{suffix}"
        with named_errors(path):
            # Whole or absent, so a file of that name is that file.
            if not path.is_file():
                write_bytes(path, data)
        return path

    def delete_run(self, run_id: str) -> Freed:
        """Delete a run for good: its folder, its exports inside the workspace, its records.

        The caller makes sure that no job works in it. Files go first: if this is interrupted,
        the record remains and deleting again finishes.

        Raises:
            ConfigError: There is no such run.
            WorkspaceError: A file cannot be deleted.
        """
        require_change()
        if run_id not in {run.run_id for run in self.catalog.trashed_runs()}:
            self.catalog.run(run_id)
        before = self.catalog.used_bytes()
        freed = self._remove_run_files(run_id)
        self.catalog.delete_run(run_id)
        return Freed(freed + max(0, before - self.catalog.used_bytes()), (run_id,))

    def delete_project(self, project_id: str) -> Freed:
        """Delete a project with its runs, and the datasets and uploads nobody else uses.

        Raises:
            ConfigError: There is no such project.
            WorkspaceError: A file cannot be deleted.
        """
        require_change()
        self.catalog.project(project_id)
        found = [*self.catalog.runs(project_id), *self.catalog.trashed_runs(project_id)]
        runs = tuple(run.run_id for run in found)
        before = self.catalog.used_bytes()
        freed = sum(self._remove_run_files(run_id) for run_id in runs)
        hashes = {record.id: _hashes(record) for record in self.catalog.datasets()}
        datasets = self.catalog.delete_project(project_id)
        kept = {digest for record in self.catalog.datasets() for digest in _hashes(record)}
        gone = {digest for dataset_id in datasets for digest in hashes[dataset_id]}
        for digest in gone - kept:
            for upload in self.uploads_dir.glob(f"{checked_id('upload', digest)}*"):
                freed += remove(upload)
        for dataset_id in datasets:
            for path in self.statistics_dir.glob(f"{checked_id('dataset', dataset_id)}-*.json"):
                freed += remove(path)
        return Freed(freed + max(0, before - self.catalog.used_bytes()), runs, datasets)

    def delete_selection(self, selection_id: str) -> Freed:
        """Delete a later selection of a run: the folder of its job, and its records.

        Raises:
            ConfigError: There is no such selection, it is the one its run made, or it was
                exported.
            WorkspaceError: A file cannot be deleted.
        """
        require_change()
        record = self.catalog.selection(selection_id)
        require_deletable(record)
        before = self.catalog.used_bytes()
        # As with runs: if this is interrupted, the record remains and deleting again finishes.
        freed = remove(self.selection_dir(record.run_id, selection_id))
        self.catalog.delete_selection(selection_id)
        return Freed(freed + max(0, before - self.catalog.used_bytes()))

    def disk_use(self) -> dict[str, int]:
        """Bytes by part: the catalog, and each folder of the workspace."""
        parts = (
            self.uploads_dir,
            self.embeddings_dir,
            self.labels_dir,
            self.runs_dir,
            self.pilots_dir,
            self.studies_dir,
            self.plans_dir,
            self.maps_dir,
            self.statistics_dir,
            self.exports_dir,
            self.trash_dir,
        )
        return {"catalog": size_of(self.catalog.path), **{p.name: size_of(p) for p in parts}}

    def _remove_run_files(self, run_id: str) -> int:
        freed = 0
        for export in self.catalog.exports(run_id=run_id):
            path = Path(export.path).absolute()
            # An export elsewhere belongs to the user.
            if path.parent.resolve() == self.exports_dir.resolve():
                stem = path.name.removesuffix(".gz")
                freed += remove(path)
                freed += remove(path.with_name(f"{PurePath(stem).stem}.manifest.json"))
        return freed + self._remove_folders(run_id)


def _hashes(record: DatasetRecord) -> set[str]:
    return {str(source["sha256"]) for source in record.sources if source.get("sha256")}
