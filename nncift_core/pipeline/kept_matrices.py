"""Scaled matrices of a finished run kept as files, so that selecting again reads memory maps.

A file's name holds a digest of what it was made from, so one that another state of the run left
is never read. Knows files and blocks, nothing of objectives.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nncift_core.errors import WorkspaceError
from nncift_core.files import load_array, replacing
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.progress import Progress, SilentProgress
from nncift_core.selection.scaled import ScaledSource
from nncift_core.types import FloatArray

FORMAT = "1"
"""Changes with what such a file holds."""


class KeptMatrices:
    """The scaled matrices in a run's folder.

    Args:
        files: The run's artifacts.
    """

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._digest = _state(files)
        self.progress: Progress = SilentProgress()
        """Told of stage ``scale`` in rows while a matrix is written for the first time."""

    @property
    def state(self) -> str:
        """Changes with everything that the run's influence and its scale follow from."""
        return self._digest

    def path(self, name: str) -> Path:
        """Where a matrix of the run as it is now lies; need not exist."""
        return self._files.folder / f"scaled-{name}-{self._digest}.npy"

    def make(self, name: str, source: ScaledSource) -> FloatArray:
        """A matrix as a read-only memory map; written at the first call, whole or not at all.

        Args:
            name: ``target``, ``pool`` or ``existing``.
            source: Its values.

        Raises:
            DataError: There is nothing to scale by.
            WorkspaceError: It cannot be written or read.
            Cancelled: From ``progress``.
        """
        path = self.path(name)
        found = _readable(path, source.shape)
        if found is not None:
            return found
        self._write(path, source)
        for other in self._files.folder.glob(f"scaled-{name}-*.npy"):
            if other != path:
                with contextlib.suppress(OSError):
                    other.unlink()
        kept: FloatArray = load_array(path, memmap=True)
        return kept

    def vector(self, name: str, length: int, find: Callable[[], FloatArray]) -> FloatArray:
        """A vector that follows from the matrices; found at the first call.

        Args:
            name: What it is.
            length: Of it.
            find: Gives it, float32.

        Raises:
            WorkspaceError: It cannot be written.
        """
        path = self.path(name)
        if path.is_file():
            with contextlib.suppress(WorkspaceError):
                kept: FloatArray = load_array(path)
                if kept.shape == (length,) and kept.dtype == np.float32:
                    return kept
        found = np.asarray(find(), dtype=np.float32)
        with replacing(path, durable=False) as file:
            np.save(file, found)
        return found

    def _write(self, path: Path, source: ScaledSource) -> None:
        self.progress.stage("scale", source.n_train, "rows")
        header = {"descr": "<f4", "fortran_order": False, "shape": source.shape}
        # Not flushed to the disk: a file that is lost is made again.
        with replacing(path, durable=False) as file:
            np.lib.format.write_array_header_2_0(file, header)
            for _, block in source.blocks():
                file.write(np.ascontiguousarray(block, dtype="<f4").reshape(-1).view(np.uint8).data)
                self.progress.advance(len(block))


def _readable(path: Path, shape: tuple[int, int]) -> FloatArray | None:
    """The matrix that lies there; None where there is none, or what a power cut left of one."""
    if not path.is_file():
        return None
    try:
        found: FloatArray = load_array(path, memmap=True)
    except WorkspaceError:
        return None
    return found if found.shape == shape and found.dtype == np.float32 else None


def _state(files: RunFiles) -> str:
    """Changes with everything that a run's influence and its scale follow from; 12 hex digits."""
    digest = hashlib.sha256(FORMAT.encode())
    for path in (files.config, files.overview, files.labels, files.network):
        digest.update(path.name.encode())
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
