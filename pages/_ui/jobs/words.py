"""Jobs in words: what each kind is called, what one is about, where it belongs. Draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncift_core.jobs import JobEntry, JobState
from nncift_core.pipeline.job_list import JobFacts
from pages._ui.format import duration, percent, plain
from pages._ui.runs import method_title, settings_text, stage_words

_KINDS = {
    "run": ("Run", "run"),
    "select": ("Selection", "select"),
    "pilot": ("Cost measurement", "run"),
    "plan": ("Plan", "run"),
    "study": ("Study", "studies"),
    "audit": ("Audit", "trust"),
    "spot-check": ("Spot check", "run"),
    "map": ("Map", "influence"),
    "push": ("Upload to the hub", "export"),
}
_ICONS = {
    "queued": "schedule",
    "running": "pending",
    "done": "check_circle",
    "failed": "error",
    "cancelled": "stop_circle",
    "interrupted": "power_off",
}


def kind_words(kind: str) -> str:
    """What a kind of job is called."""
    return _KINDS.get(kind, (kind.capitalize(), ""))[0]


def page_of(kind: str) -> str:
    """The page that shows a job of this kind."""
    return _KINDS.get(kind, ("", "run"))[1]


def job_icon(status: str) -> str:
    """A material icon for a job's status."""
    return f":material/{_ICONS.get(status, 'help')}:"


def job_title(facts: JobFacts) -> str:
    """``Run: DELIFT (SE), u = 5 %`` or ``Study: LESS``, safe for markdown."""
    kind = kind_words(facts.entry.kind)
    method = str(facts.settings.get("method") or "")
    if facts.entry.kind == "run" and facts.run is not None:
        return plain(f"{kind}: {settings_text(facts.run)}")
    return plain(f"{kind}: {method_title(method)}" if method else kind)


def project_words(facts: JobFacts) -> str:
    """The name of a job's project, safe for markdown."""
    return plain(facts.project.name) if facts.project is not None else "project deleted"


def live_words(state: JobState, place: int = 0) -> str:
    """``Label pairs 61 %, 8 min left``, or the place in the queue, counted from 1."""
    if state.status == "queued":
        return f"waits, number {place} in the queue" if place else "starting"
    stage = stage_words(state.stage, state.unit) if state.stage else "starting"
    if state.share is None:
        return stage
    words = f"{stage} {percent(round(state.share, 2))}"
    if state.seconds_left is not None:
        words += f", {duration(round(state.seconds_left))} left"
    return words


def spent_seconds(entry: JobEntry) -> float:
    """Seconds that the finished stages of a job took."""
    return sum(stage.seconds for stage in entry.state.stages)


def address(facts: JobFacts) -> Mapping[str, Any]:
    """The query of a link to what a job is about."""
    found = {}
    if facts.project is not None:
        found["project"] = facts.project.id
    if facts.run is not None:
        found["run"] = facts.run.run_id
    return found
