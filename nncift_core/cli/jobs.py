"""``nncift jobs``: what works, waits and was done in a workspace, and what may be done with it.

Knows options and how to show jobs, nothing of how they are done.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from nncift_core import jobs as job_control
from nncift_core.cli.output import say, show
from nncift_core.cli.parsing import Once, add_workspace
from nncift_core.files import size_of
from nncift_core.jobs.state import CANCEL_FILE
from nncift_core.pipeline.job_list import JobFacts, job_facts, take_back, throw_away
from nncift_core.store import Workspace

MOST_LISTED = 30


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "jobs", help="list the jobs of a workspace; cancel, resume, delete or restore one"
    )
    what = parser.add_mutually_exclusive_group()
    for option, words in (
        ("--cancel", "stop a job at its next step; given again, end it by force"),
        ("--resume", "go on with a job that failed or was stopped, in a process of its own"),
        ("--delete", "move a job that ended to the trash"),
        ("--restore", "take a job out of the trash"),
    ):
        what.add_argument(option, action=Once, metavar="ID", help=words)
    what.add_argument(
        "--empty-trash", action="store_true", help="delete what is in the trash for good"
    )
    parser.add_argument(
        "--all", action="store_true", help=f"list all ended jobs, not only the last {MOST_LISTED}"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON array to standard output"
    )
    add_workspace(parser)


def jobs(options: argparse.Namespace) -> None:
    """``nncift jobs``."""
    workspace = Workspace.open(options.workspace)
    if options.cancel is not None:
        _cancel(workspace, options.cancel)
    elif options.resume is not None:
        entry = job_control.job_at(workspace.path, options.resume)
        job_control.start(entry.folder)
        say(f"Started {_id(entry.name)}; see how far it is with nncift jobs.")
    elif options.delete is not None:
        entry = job_control.job_at(workspace.path, options.delete)
        throw_away(workspace, entry)
        say(f"Moved {_id(entry.name)} to the trash; nncift jobs --restore {_id(entry.name)}")
    elif options.restore is not None:
        take_back(workspace, options.restore)
        say(f"Restored {_id(options.restore)}.")
    elif options.empty_trash:
        say(f"Freed {_size(workspace.empty_trash().bytes)}.")
    else:
        _list(workspace, everything=options.all, as_json=options.json)


def _cancel(workspace: Workspace, name: str) -> None:
    entry = job_control.job_at(workspace.path, name)
    if not entry.state.live:
        say(f"{_id(entry.name)} does not work: it is {entry.state.status}.")
    elif (entry.folder / CANCEL_FILE).exists():
        ended = job_control.terminate(entry.folder)
        say(f"Ended {_id(entry.name)}." if ended else f"{_id(entry.name)} could not be ended.")
    else:
        job_control.request_cancel(entry.folder)
        say(f"{_id(entry.name)} stops at its next step; what is finished is kept.")


def _list(workspace: Workspace, *, everything: bool, as_json: bool) -> None:
    living, ended = job_control.living_jobs(workspace.path), job_control.ended_jobs(workspace.path)
    shown = ended if everything else ended[:MOST_LISTED]
    lines = [_line(facts) for facts in job_facts(workspace, [*living, *shown])]
    runs, folders = workspace.trashed_runs(), workspace.trashed_folders()
    thrown = [
        *(_thrown(one.run.run_id, "run", one.bytes) for one in runs),
        *(_thrown(name, name.split("/")[-2], size) for name, size in folders.items()),
    ]
    if as_json:
        show(json.dumps([*lines, *thrown], allow_nan=False))
        return
    if lines:
        show(_table(lines))
    else:
        show("No jobs yet.")
    if len(shown) < len(ended):
        say(f"{len(ended) - len(shown):,} older jobs are not listed; add --all.")
    if thrown:
        size = sum(line["bytes"] for line in thrown)
        say(f"Trash: {', '.join(line['id'] for line in thrown)}; {_size(size)}.")


def _line(facts: JobFacts) -> dict[str, Any]:
    entry, state = facts.entry, facts.entry.state
    return {
        "id": _id(entry.name),
        "kind": entry.kind,
        "project": None if facts.project is None else facts.project.name,
        "method": facts.settings.get("method"),
        "state": state.status,
        "ahead": state.ahead if state.status == "queued" else None,
        "stage": state.stage or None,
        "percent": None if state.share is None else round(100 * state.share),
        "seconds_left": state.seconds_left,
        "started_by": state.started_by or None,
        "bytes": size_of(entry.folder),
    }


def _thrown(name: str, kind: str, size: int) -> dict[str, Any]:
    return {"id": name, "kind": kind, "state": "trash", "bytes": size}


def _table(lines: Iterable[dict[str, Any]]) -> str:
    rows = [("id", "kind", "project", "state", "at", "size")]
    for line in lines:
        at = "" if line["percent"] is None else f"{line['stage']} {line['percent']} %"
        if line["ahead"]:
            at = f"behind {line['ahead']}"
        project = " ".join((line["project"] or "-").split())[:30]
        at = at if line["state"] in ("running", "queued") else ""
        rows.append((line["id"], line["kind"], project, line["state"], at, _size(line["bytes"])))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _id(name: str) -> str:
    """A run by its id alone, any other job by its place in the workspace."""
    parts = name.split("/")
    return parts[1] if len(parts) == 2 and parts[0] == "runs" else name


def _size(size: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
