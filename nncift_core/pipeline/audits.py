"""Audits: a finished run is checked once more, by training, by copies of rows, by true influence.

An audit is a job below its run; its result is a list of checks. Each check is sent as a point when
it is done. Knows jobs and results; the checks themselves are ``audit_run``'s.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from nncift_core import jobs
from nncift_core.errors import ConfigError
from nncift_core.files import read_json, write_json
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.studies.plan_costs import AUDIT_SECONDS

_FOLDER = "audits"


def create_audit(workspace: Workspace, run_id: str, *, seconds: float = AUDIT_SECONDS) -> Path:
    """Record an audit of a finished run; nothing is computed yet.

    Args:
        workspace: Where the run is recorded.
        run_id: The run.
        seconds: About how long each comparison with true influence may take.

    Returns:
        Its job folder.

    Raises:
        ConfigError: The run has not finished, or computed every value.
    """
    workspace.catalog.run(run_id)
    files = RunFiles(workspace.run_dir(run_id))
    if not files.result.is_file():
        raise ConfigError(
            f"Run {run_id} has not finished, so there is nothing to check yet.",
            "Wait for it, or resume it.",
        )
    if RunSpec.read(files.config).config.exact:
        raise ConfigError(
            f"Run {run_id} computed every value, so there are no estimates to check.",
            "An audit is for runs without --exact.",
        )
    folder = files.folder / _FOLDER / workspace.new_run_id()
    jobs.create(folder, {"kind": "audit", "run_id": run_id, "seconds": seconds})
    return folder


def last_audit(workspace: Workspace, run_id: str) -> Path | None:
    """The folder of the newest audit of a run, None where there was none."""
    parent = workspace.run_dir(run_id) / _FOLDER
    if not parent.is_dir():
        return None
    made = [folder for folder in parent.iterdir() if (folder / "job.json").is_file()]
    return max(made, key=lambda folder: folder.name, default=None)


def read_audit(folder: Path) -> dict[str, Any] | None:
    """The result of an audit, None before it has one. Raises: WorkspaceError."""
    path = folder / "result.json"
    if not path.is_file():
        return None
    content: dict[str, Any] = read_json(path)
    return content


def work_on(
    workspace: Workspace, job_dir: Path, job: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Do the audit of a job folder; its result is what ``result.json`` holds.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: True values are kept.
    """
    # Late: it brings torch in, and pages only ask for results.
    from nncift_core.pipeline.audit_run import RunAudit

    run_id = str(job["run_id"])
    audit = RunAudit.open(workspace, run_id, float(job.get("seconds", AUDIT_SECONDS)), progress)
    checks = []
    for check in (audit.shuffled, audit.duplicates, audit.wrong_answers, audit.subsets):
        done = check().as_json()
        progress.point("check", done)
        checks.append(done)
    statuses = [check["status"] for check in checks]
    result = {
        "run_id": run_id,
        "method": audit.spec.config.method,
        "network": audit.name,
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "counts": {status: statuses.count(status) for status in dict.fromkeys(statuses)},
        "checks": checks,
    }
    write_json(job_dir / "result.json", result)
    return result
