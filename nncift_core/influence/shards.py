"""Shards: parts of long labelling that are stored when they are done and skipped when present.

A shard's name says everything that its values depend on, so a stored one is never stale, and a
killed, cancelled or resumed run loses at most the shard in work. Knows nothing of what is in
them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from nncift_core.errors import WorkspaceError
from nncift_core.files import load_array, save_array
from nncift_core.progress import Progress, SilentProgress, skip
from nncift_core.types import FloatArray


class Shards(Protocol):
    """Where an influence function keeps finished parts, and whom it tells of them."""

    folder: Path | None
    progress: Progress

    def get(self, name: str, compute: Callable[[], FloatArray], units: int) -> FloatArray:
        """The array ``name``: the stored one, or what ``compute`` gives, stored at once.

        Args:
            name: Safe as a file name; see ``digest``.
            compute: Called only when the array is not stored.
            units: What ``progress`` is told, either way; of a stored one, that it was done before.

        Raises:
            Cancelled: The work was cancelled; arrays finished before are kept.
            WorkspaceError: It cannot be stored.
        """


class MemoryShards:
    """Stores nothing: each array is computed when it is asked for."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.folder: Path | None = None
        self.progress: Progress = progress or SilentProgress()

    def get(self, name: str, compute: Callable[[], FloatArray], units: int) -> FloatArray:
        """What ``compute`` gives."""
        array = compute()
        self.progress.advance(units)
        return array


class PilotDone(Exception):
    """Enough shards were computed to tell the rate."""


class FolderShards:
    """Keeps each array as a file.

    Args:
        folder: Where the files stand; made when needed.
        progress: Told of every unit, stored before or computed now.
        before: Called once, before the first array that is not stored is computed; its time does
            not count.
        pilot_seconds: Stop with ``PilotDone`` after the first shard that ends later than this
            many seconds of computing; None never stops.

    Attributes:
        computed_units: Units that were computed, not read.
        computed_seconds: Seconds that this took.
    """

    def __init__(
        self,
        folder: Path,
        progress: Progress,
        pilot_seconds: float | None = None,
        *,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.folder: Path | None = folder
        self.progress: Progress = progress
        self.computed_units = 0
        self.computed_seconds = 0.0
        self._pilot_seconds = pilot_seconds
        self._before = before

    def get(self, name: str, compute: Callable[[], FloatArray], units: int) -> FloatArray:
        """The stored array, or what ``compute`` gives, stored. Raises: PilotDone."""
        assert self.folder is not None
        path = self.folder / f"{name}.npy"
        array: FloatArray | None = None
        if path.is_file():
            try:
                array = load_array(path)
            except WorkspaceError:
                # A file that a broken disk or another program spoilt is computed again.
                path.unlink()
        if array is None:
            if self._before is not None:
                self._before()
                self._before = None
            start = time.monotonic()
            array = compute()
            self.computed_seconds += time.monotonic() - start
            self.computed_units += units
            save_array(path, array)
            self.progress.advance(units)
        else:
            # Whoever shows a rate must not take it for work.
            skip(self.progress, units)
        if self._pilot_seconds is not None and self.computed_seconds >= self._pilot_seconds:
            raise PilotDone
        return array


def digest(*parts: str | Iterable[str]) -> str:
    """16 hex digits of texts and lists of texts: for the name of a shard."""
    state = hashlib.sha256()
    for part in parts:
        for text in (part,) if isinstance(part, str) else part:
            data = text.encode()
            state.update(len(data).to_bytes(8, "little") + data)
        state.update(b"\xff")
    return state.hexdigest()[:16]
