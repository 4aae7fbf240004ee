"""The trash of a workspace: what was thrown away is out of sight and can be taken back.

Runs have records, which stay and are marked; other jobs are folders alone. Knows neither jobs at
work nor what a folder holds.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from nncift_core.callers import require_change
from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.files import named_errors, size_of
from nncift_core.store.ids import checked_id
from nncift_core.store.records import Freed, RunRecord, TrashedRun

if TYPE_CHECKING:
    from nncift_core.store.catalog import Catalog

_WHOLE = ("job.json", "config.json", "result.json")
"""Files of a job's folder; one without any of them holds nothing but leftovers."""


class Trash:
    """Throwing away and taking back: ``Workspace`` inherits these methods."""

    path: Path
    catalog: Catalog

    def run_dir(self, run_id: str) -> Path:
        """The folder of a run in use."""
        raise NotImplementedError

    @property
    def trash_dir(self) -> Path:
        """Folders of runs that were thrown away; there from the first one on."""
        return self.path / "trash"

    def trash_run(self, run_id: str) -> RunRecord:
        """Throw a run away so that it can be taken back; exported files stay where they are.

        The caller makes sure that no job works in it. The record goes first: wherever the
        folder is, restoring or deleting finds it.

        Raises:
            ConfigError: There is no such run.
            WorkspaceError: Its folder cannot be moved.
        """
        require_change()
        record = self.catalog.mark_trashed(run_id, trashed=True)
        self._move(self.run_dir(run_id), self.trash_dir / run_id)
        return record

    def restore_run(self, run_id: str) -> RunRecord:
        """Take a run out of the trash.

        Raises:
            ConfigError: There is no such run.
            WorkspaceError: Its folder cannot be moved.
        """
        require_change()
        self._move(self.trash_dir / checked_id("run", run_id), self.run_dir(run_id))
        return self.catalog.mark_trashed(run_id, trashed=False)

    def trashed_runs(self) -> tuple[TrashedRun, ...]:
        """The runs in the trash with the bytes of their folders, the last one first."""
        return tuple(
            TrashedRun(run, size_of(self.trash_dir / run.run_id))
            for run in self.catalog.trashed_runs()
        )

    def trash_folder(self, folder: Path) -> str:
        """Throw the folder of a job away that no record names.

        Returns:
            Its place in the workspace, with which it is taken back.

        Raises:
            WorkspaceError: It cannot be moved.
        """
        require_change()
        name = folder.relative_to(self.path).as_posix()
        self._move(folder, self._in_trash(name))
        return name

    def restore_folder(self, name: str) -> None:
        """Take such a folder out of the trash.

        Raises:
            ConfigError: It is not there, or what it belonged to is gone.
            WorkspaceError: It cannot be moved.
        """
        require_change()
        source = self._in_trash(name)
        destination = self.path / name
        if not source.is_dir() or destination.exists():
            raise ConfigError(f"{name!r} is not in the trash.")
        if not destination.parent.parent.is_dir():
            raise ConfigError(f"{name!r} belongs to a run that is not there.", "Restore it first.")
        self._move(source, destination)

    def trashed_folders(self) -> dict[str, int]:
        """The folders in the trash that no record names, by their former places, with bytes."""
        found = sorted(self.trash_dir.glob("*~*")) if self.trash_dir.is_dir() else []
        return {path.name.replace("~", "/"): size_of(path) for path in found}

    def empty_trash(self) -> Freed:
        """Delete everything in the trash for good; files exported from its runs stay.

        Raises:
            WorkspaceError: A file cannot be deleted.
        """
        require_change()
        before = self.catalog.used_bytes()
        runs = tuple(run.run_id for run in self.catalog.trashed_runs())
        freed = 0
        for run_id in runs:
            # Somebody may have taken it back while the others were removed.
            if run_id not in {run.run_id for run in self.catalog.trashed_runs()}:
                continue
            freed += self._remove_folders(run_id)
            self.catalog.delete_run(run_id)
        freed += sum(remove(self._in_trash(name)) for name in self.trashed_folders())
        return Freed(freed + max(0, before - self.catalog.used_bytes()), runs)

    def _remove_folders(self, run_id: str) -> int:
        """Delete a run's folder, wherever it is."""
        freed = 0
        for folder in (self.run_dir(run_id), self.trash_dir / run_id):
            # Without its result a half-deleted run no longer passes for a complete one.
            freed += remove(folder / "result.json") + remove(folder)
        return freed

    def _in_trash(self, name: str) -> Path:
        """Where a folder of a place in the workspace lies in the trash. Raises: ConfigError."""
        parts = name.split("/")
        return self.trash_dir / "~".join(checked_id("job", part) for part in parts)

    def _move(self, source: Path, destination: Path) -> None:
        """Move a folder within the workspace; one that is there already was moved before.

        Raises:
            WorkspaceError: It cannot be moved, or two whole folders claim one place.
        """
        with named_errors(destination):
            destination.parent.mkdir(exist_ok=True)
            if not source.is_dir():
                return
            whole = [any((at / name).is_file() for name in _WHOLE) for at in (source, destination)]
            if whole == [False, True]:
                # A page that was computing wrote what can be made again where the folder had been.
                remove(source)
                return
            if destination.is_dir():
                if whole == [True, True]:
                    raise WorkspaceError(
                        f"{source} and {destination} are both there.", "Move one of them away."
                    )
                remove(destination)
            source.rename(destination)


def remove(path: Path) -> int:
    """Delete a file or folder; the bytes it held, 0 if it does not exist."""
    size = size_of(path)
    with named_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return size
