"""What a job waits behind, in words, before it is started and while it waits."""

from __future__ import annotations

from pathlib import Path

from nncift_core.pipeline.waiting import Waiting, jobs_before
from nncift_core.store import Workspace
from pages._ui.format import about, counted


def queue_words(workspace: Workspace, own: Path | None = None) -> str:
    """``Waits behind 2 jobs (about 8 min).``; empty where nothing is before it.

    Args:
        workspace: Where jobs work.
        own: A job that waits already, None for one that would be started now.
    """
    return waiting_words(jobs_before(workspace, own))


def waiting_words(waiting: Waiting) -> str:
    """The same from numbers."""
    if not waiting.count:
        return ""
    text = f"Waits behind {counted(waiting.count, 'job')}"
    if not waiting.seconds:
        return f"{text}."
    how_long = about(waiting.seconds).removeprefix("~ ")
    return f"{text} (about {how_long}{'' if waiting.complete else ' or more'})."
