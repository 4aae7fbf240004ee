"""How long work reports what it does. Knows nothing of terminals, files or web pages.

A stage is announced with its total, advanced as units finish, and may send points (one
epoch's metrics, for instance) that a page draws live. ``advance`` is also where work learns
that it was cancelled: it raises ``Cancelled``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


class Progress(Protocol):
    """What long work talks to."""

    def stage(self, name: str, total: int, unit: str) -> None:
        """Begin a stage of ``total`` units (``rows``, ``pairs``, ``epochs``, ...)."""

    def advance(self, count: int = 1) -> None:
        """``count`` more units are done. Raises: Cancelled."""

    def point(self, kind: str, values: Mapping[str, Any]) -> None:
        """One finished measurement, to be drawn while the work goes on."""

    def warn(self, message: str) -> None:
        """Something the user should know and need not act on at once."""


@runtime_checkable
class Skips(Protocol):
    """A progress that tells units that an earlier attempt did from those of this one."""

    def skip(self, count: int) -> None:
        """``count`` more units are done and took no time now. Raises: Cancelled."""


def skip(progress: Progress, count: int) -> None:
    """Tell that ``count`` units were done before, where ``progress`` makes that difference.

    Raises:
        Cancelled: As ``advance``.
    """
    if isinstance(progress, Skips):
        progress.skip(count)
    else:
        progress.advance(count)


class WhereWork:
    """A progress that is told of a stage only where it has work, so that none shows twice."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def stage(self, name: str, total: int, unit: str) -> None:
        """Begin a stage that has something to do."""
        if total:
            self._progress.stage(name, total, unit)

    def advance(self, count: int = 1) -> None:
        """Pass on. Raises: Cancelled."""
        self._progress.advance(count)

    def point(self, kind: str, values: Mapping[str, Any]) -> None:
        """Pass on."""
        self._progress.point(kind, values)

    def warn(self, message: str) -> None:
        """Pass on."""
        self._progress.warn(message)


class SilentProgress:
    """Reports to nobody."""

    def stage(self, name: str, total: int, unit: str) -> None:
        """Ignored."""

    def advance(self, count: int = 1) -> None:
        """Ignored."""

    def point(self, kind: str, values: Mapping[str, Any]) -> None:
        """Ignored."""

    def warn(self, message: str) -> None:
        """Ignored."""


class StageClock:
    """Rate and time left of one stage, from what has been computed since it began."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._skipped = 0
        self._start = time.monotonic()

    def advance(self, count: int) -> None:
        """``count`` more units are done."""
        self.done += count

    def skip(self, count: int) -> None:
        """``count`` more units are done, and were before; they say nothing of the rate."""
        self.done += count
        self._skipped += count

    @property
    def seconds(self) -> float:
        """Seconds since the stage began."""
        return time.monotonic() - self._start

    @property
    def rate(self) -> float | None:
        """Units per second so far, None before the first unit that is computed."""
        computed = self.done - self._skipped
        return computed / self.seconds if computed and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds to go at the rate so far, None before the first unit that is computed."""
        rate = self.rate
        return max(0.0, (self.total - self.done) / rate) if rate else None
