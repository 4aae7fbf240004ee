"""Progress on a terminal: one line a stage on standard error, rewritten where that is possible."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from nncift_core.progress import StageClock

REFRESH_SECONDS = 0.2
PLAIN_REFRESH_SECONDS = 10.0


class TerminalProgress:
    """Writes stages, rates and time left to a stream, standard error unless given."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._name = self._unit = ""
        self._clock: StageClock | None = None
        self._shown = 0.0
        self._warned: set[str] = set()

    def stage(self, name: str, total: int, unit: str) -> None:
        """Finish the line of the former stage and begin another."""
        self.close()
        self._name, self._unit, self._clock = name, unit, StageClock(total)
        self._shown = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Show how far the stage is, now and then."""
        if self._clock is not None:
            self._clock.advance(count)
            self._show(self._clock)

    def skip(self, count: int) -> None:
        """Likewise for units that were done before."""
        if self._clock is not None:
            self._clock.skip(count)
            self._show(self._clock)

    def _show(self, clock: StageClock) -> None:
        wait = REFRESH_SECONDS if self._live else PLAIN_REFRESH_SECONDS
        if time.monotonic() - self._shown >= wait:
            self._shown = time.monotonic()
            self._write(_line(self._name, self._unit, clock), end="" if self._live else "\n")

    def point(self, kind: str, values: Mapping[str, Any]) -> None:
        """Measurements are for charts."""

    def warn(self, message: str) -> None:
        """Write a warning on a line of its own, once."""
        if message in self._warned:
            return
        self._warned.add(message)
        self._write(f"Warning: {message}", end="\n")

    def close(self) -> None:
        """Write the last line of the stage at work, if there is one."""
        if self._clock is not None:
            done, seconds = self._clock.done, self._clock.seconds
            self._write(f"{self._name:8} {done:,} {self._unit} in {seconds:.1f} s", end="\n")
            self._clock = None

    def _write(self, text: str, end: str) -> None:
        clear = "\r\x1b[K" if self._live else ""
        self._stream.write(f"{clear}{text}{end}")
        self._stream.flush()


def _line(name: str, unit: str, clock: StageClock) -> str:
    parts = [f"{name:8} {clock.done:,} of {clock.total:,} {unit}"]
    if clock.rate is not None:
        parts.append(f"{clock.rate:,.3g}/s")
    if clock.seconds_left is not None:
        parts.append(f"{duration(clock.seconds_left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as people say them: ``8 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
