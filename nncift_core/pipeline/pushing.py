"""Pushes of exported files as jobs of their run: made, listed and worked on.

Costs no import of torch, so pages may ask it whenever they are drawn.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nncift_core import jobs
from nncift_core.callers import require_change
from nncift_core.errors import NNCIFTError, WorkspaceError
from nncift_core.export import manifest_path
from nncift_core.export.card import dataset_card
from nncift_core.export.hub import FILES, checked_repository, has_token, no_token, push_files
from nncift_core.files import read_json, write_json
from nncift_core.progress import Progress
from nncift_core.store import Workspace

KIND = "push"
_FOLDER = "pushes"


@dataclass(frozen=True)
class Push:
    """A push of an exported file.

    Attributes:
        id: Its id.
        folder: Its job folder.
        export_id: The export.
        repository: ``owner/name`` on the hub.
        private: Whether only its owner may see it.
        state: How far it is.
        address: Where the files are, None before it is done.
    """

    id: str
    folder: Path
    export_id: str
    repository: str
    private: bool
    state: jobs.JobState
    address: str | None


def create_push(
    workspace: Workspace, export_id: str, repository: str, *, private: bool = True
) -> Path:
    """Record a push of an exported file; nothing is uploaded yet.

    Returns:
        Its job folder.

    Raises:
        ConfigError: Unknown export, a bad name, no token, or the caller may change nothing.
        WorkspaceError: The file is gone.
    """
    require_change()
    repository = checked_repository(repository)
    export = workspace.catalog.export(export_id)
    if not Path(export.path).is_file():
        raise WorkspaceError(f"{export.path} is missing.", "Build the file again.")
    if not has_token():
        raise no_token()
    run_id = workspace.catalog.selection(export.selection_id).run_id
    folder = workspace.run_dir(run_id) / _FOLDER / workspace.new_run_id()
    job = {"kind": KIND, "run_id": run_id, "export_id": export_id, "repository": repository}
    # Ids of the same second do not say which came first.
    jobs.create(folder, {**job, "private": private, "asked_at": time.time()})
    return folder


def list_pushes(workspace: Workspace, run_id: str, export_id: str | None = None) -> list[Push]:
    """The pushes of a run, the oldest first, of one export if given."""
    parent = workspace.run_dir(run_id) / _FOLDER
    found = []
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        # A folder that is being made or removed at this moment is not there for anybody.
        with contextlib.suppress(NNCIFTError, KeyError):
            job = jobs.read_job(folder)
            if export_id not in (None, job["export_id"]):
                continue
            result = folder / "result.json"
            address = read_json(result)["address"] if result.is_file() else None
            push = Push(
                folder.name,
                folder,
                str(job["export_id"]),
                str(job["repository"]),
                bool(job["private"]),
                jobs.read_state(folder),
                address,
            )
            found.append((float(job["asked_at"]), folder.name, push))
    return [push for *_, push in sorted(found, key=lambda item: item[:2])]


def work_on(
    workspace: Workspace, job_dir: Path, job: Mapping[str, Any], progress: Progress
) -> dict[str, Any]:
    """Upload, and write ``result.json``.

    Raises:
        NNCIFTError: The hub refuses, or cannot be reached.
        Cancelled: By ``progress``, between two files.
    """
    export = workspace.catalog.export(str(job["export_id"]))
    progress.stage("upload", FILES, "files")
    address = push_export(
        workspace,
        export.id,
        str(job["repository"]),
        private=bool(job["private"]),
        progress=progress,
    )
    result = {"address": address, "export_id": export.id, "sha256": export.sha256}
    write_json(job_dir / "result.json", result)
    return result


def push_export(
    workspace: Workspace,
    export_id: str,
    repository: str,
    *,
    private: bool = True,
    progress: Progress | None = None,
    api: Any = None,
) -> str:
    """Upload an exported file with its manifest and a card, at once.

    Returns:
        The address of the repository.

    Raises:
        ConfigError: Unknown export, a bad name, no token, no right, or the repository is public
            although it was to be private.
        WorkspaceError: The hub cannot be reached, or the file is gone.
        Cancelled: From ``progress``.
    """
    require_change()
    export = workspace.catalog.export(export_id)
    file = Path(export.path)
    manifest = manifest_path(file)
    if not manifest.is_file():
        raise WorkspaceError(f"{manifest} is missing.", "Build the file again.")
    content = read_json(manifest)
    if content["output"]["sha256"] != export.sha256:
        raise WorkspaceError(
            f"{file} or its manifest was written again since this file was built.",
            "Build the file again.",
        )
    card = dataset_card(content, manifest.name)

    def done(files: int) -> None:
        del files
        if progress is not None:
            progress.advance(1)

    return push_files(repository, file, manifest, card, private=private, api=api, done=done)
