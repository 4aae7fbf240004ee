"""Rate and time left of a stage."""

from __future__ import annotations

from typing import Any

import pytest

from nncift_core import progress
from nncift_core.progress import SilentProgress, StageClock, skip


def test_clock_before_and_after_units(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    clock = StageClock(10)
    assert clock.rate is None
    assert clock.seconds_left is None
    now[0] = 104.0
    assert clock.rate is None
    clock.advance(2)
    assert clock.seconds == 4.0
    assert clock.rate == 0.5
    assert clock.seconds_left == 16.0
    clock.advance(20)
    assert clock.seconds_left == 0.0


def test_units_of_an_earlier_attempt_say_nothing_of_the_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    clock = StageClock(100)
    clock.skip(80)
    now[0] = 102.0
    assert (clock.done, clock.rate, clock.seconds_left) == (80, None, None)
    clock.advance(4)
    assert (clock.done, clock.rate, clock.seconds_left) == (84, 2.0, 8.0)


def test_a_progress_that_makes_no_difference_is_advanced(recording: Any) -> None:
    told = recording()
    told.stage("label", 9, "pairs")
    skip(told, 5)
    assert told.done == {"label": 5}


def test_clock_without_elapsed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.time, "monotonic", lambda: 1.0)
    clock = StageClock(3)
    clock.advance(1)
    assert clock.rate is None
    assert clock.seconds_left is None


def test_silent_progress_takes_everything() -> None:
    silent = SilentProgress()
    silent.stage("embed", 0, "rows")
    silent.advance()
    silent.point("epoch", {"epoch": 1})
    silent.warn("something")
