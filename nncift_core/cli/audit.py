"""``nncift audit``: check a finished run.

Knows how to show checks, nothing of how they are made.
"""

from __future__ import annotations

import argparse
import json
import math
import textwrap
from collections.abc import Mapping
from typing import Any

from nncift_core import pipeline
from nncift_core.cli.output import show
from nncift_core.cli.parsing import Once, add_workspace
from nncift_core.cli.terminal import TerminalProgress
from nncift_core.errors import ConfigError
from nncift_core.store import Workspace
from nncift_core.studies.plan_costs import AUDIT_SECONDS


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    audit = commands.add_parser(
        "audit", help="check a finished run: leaks, copies, wrong answers, subsets"
    )
    audit.add_argument("run", metavar="RUN", help="run id")
    audit.add_argument(
        "--seconds",
        action=Once,
        type=float,
        default=AUDIT_SECONDS,
        metavar="N",
        help="about how long each comparison with true influence may take (default: %(default)g)",
    )
    audit.add_argument(
        "--json", action="store_true", help="print one JSON object to standard output"
    )
    add_workspace(audit)


def audit(options: argparse.Namespace) -> None:
    """``nncift audit``."""
    if not 0 < options.seconds < math.inf:
        raise ConfigError(f"In {options.seconds:g} seconds nothing can be compared.", "Try 60.")
    workspace = Workspace.open(options.workspace)
    folder = pipeline.create_audit(workspace, options.run, seconds=options.seconds)
    progress = TerminalProgress()
    try:
        result = pipeline.work(folder, echo=progress)
    finally:
        progress.close()
    show(json.dumps(result, allow_nan=False) if options.json else audit_text(result))


def audit_text(result: Mapping[str, Any]) -> str:
    """The checklist for people."""
    lines = [f"run        {result['run_id']}, {result['method']}, estimator {result['network']}"]
    for check in result["checks"]:
        lines.append(f"{check['status']:10} {check['title']}")
        lines.append(
            textwrap.fill(
                check["sentence"], 95, initial_indent=" " * 11, subsequent_indent=" " * 11
            )
        )
    failed = result["counts"].get("failed", 0)
    lines.append(
        f"{failed} of {len(result['checks'])} checks failed." if failed else "No check failed."
    )
    return "\n".join(lines)
