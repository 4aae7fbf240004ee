"""Spot checks as jobs of a run: made here, listed here, worked on in ``spot_checks``.

Costs no import of torch, so pages may ask it whenever they are drawn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nncift_core import jobs
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.files import read_json
from nncift_core.pipeline.finished import checkable
from nncift_core.store import Workspace

RowsToCheck = Literal["added", "pool"]

PAIRS = 64
"""Pairs of a check unless others are wanted: 16 rows with 4 targets each."""

MOST_PAIRS = 4096
"""Pairs that one check may ask for."""
_FOLDER = "checks"
LABELS = "labels.npy"


@dataclass(frozen=True)
class SpotCheck:
    """A spot check of a run.

    Attributes:
        id: Its id.
        folder: Its job folder.
        rows: ``added`` or ``pool``.
        pairs: Pairs, or rows, that it was asked to label.
        state: How far it is.
        result: What it found, None before it is done.
    """

    id: str
    folder: Path
    rows: str
    pairs: int
    state: jobs.JobState
    result: Mapping[str, Any] | None


def create_spot_check(
    workspace: Workspace,
    run_id: str,
    *,
    pairs: int = PAIRS,
    rows: RowsToCheck | None = None,
) -> Path:
    """Record a spot check of a finished run; nothing is computed yet.

    Args:
        workspace: Where the run is.
        run_id: A finished run that has a network.
        pairs: How many pairs (rows, of a method that scores single rows) to label, about.
        rows: ``added`` or ``pool``; None for the added ones where the run has any.

    Returns:
        Its job folder.

    Raises:
        ConfigError: There is no such run, it has not finished, has no estimates, or no rows were
            added to it.
    """
    spec = checkable(workspace, run_id)
    rows = rows or ("added" if spec.extends is not None else "pool")
    if rows not in ("added", "pool"):
        raise ConfigError(f"There are no rows {rows!r} to check.", "Choose added or pool.")
    if rows == "added" and spec.extends is None:
        raise ConfigError(
            f"No rows were added to run {run_id}.", "Check its pool, or extend the run first."
        )
    if not 1 <= pairs <= MOST_PAIRS:
        raise ConfigError(
            f"A spot check of {pairs} pairs is not possible.", f"Give 1 to {MOST_PAIRS:,}."
        )
    check_id = workspace.new_run_id()
    folder = workspace.run_dir(run_id) / _FOLDER / check_id
    ordinal = len(list_spot_checks(workspace, run_id))
    job = {"kind": "spot-check", "run_id": run_id, "pairs": pairs, "rows": rows}
    jobs.create(folder, {**job, "ordinal": ordinal})
    return folder


def list_spot_checks(workspace: Workspace, run_id: str) -> list[SpotCheck]:
    """The spot checks of a run, the oldest first, also those that are not done."""
    parent = workspace.run_dir(run_id) / _FOLDER
    found = []
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        # A folder that is being made or removed at this moment is not there for anybody.
        with contextlib.suppress(NNCIFTError, KeyError):
            job = jobs.read_job(folder)
            path = folder / "result.json"
            check = SpotCheck(
                folder.name,
                folder,
                str(job["rows"]),
                int(job["pairs"]),
                jobs.read_state(folder),
                read_json(path) if path.is_file() else None,
            )
            # Ids of the same second do not say which came first.
            found.append((int(job["ordinal"]), folder.name, check))
    return [check for *_, check in sorted(found, key=lambda item: item[:2])]
