"""``nncift spot-check``: label a few new pairs of a finished run, and say how far it is off there.

Knows how to show a check, nothing of how it is done.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from nncift_core import pipeline
from nncift_core.cli.output import say, show
from nncift_core.cli.parsing import Once, add_workspace
from nncift_core.cli.terminal import TerminalProgress
from nncift_core.files import json_text
from nncift_core.store import Workspace


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    check = commands.add_parser(
        "spot-check", help="label a few new pairs of a finished run and report the error on them"
    )
    check.add_argument("run", metavar="RUN", help="run id")
    check.add_argument(
        "--pairs",
        action=Once,
        type=int,
        default=64,
        metavar="N",
        help="pairs to label, about; rows of a method that scores single rows "
        "(default: %(default)s)",
    )
    check.add_argument(
        "--rows",
        action=Once,
        metavar="added|pool",
        help="whose pairs: of the rows that were added to the run, or of its whole pool; by "
        "default the added rows where there are any",
    )
    check.add_argument(
        "--json", action="store_true", help="print one JSON object to standard output"
    )
    add_workspace(check)


def spot_check(options: argparse.Namespace) -> None:
    """``nncift spot-check``."""
    workspace = Workspace.open(options.workspace)
    folder = pipeline.create_spot_check(
        workspace, options.run, pairs=options.pairs, rows=options.rows
    )
    progress = TerminalProgress()
    try:
        found = pipeline.work(folder, echo=progress)
    finally:
        progress.close()
    say("The new labels are kept with the check; the run itself stays as it was.")
    show(json_text(found) if options.json else check_table(found))


def check_table(found: Mapping[str, Any]) -> str:
    """A spot check for people."""
    noun = "rows" if found["unit"] == "rows" else "pairs"
    interval = found["mse_ci"]
    between = f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""
    lines = [
        f"run        {found['run_id']}",
        f"checked    {found['n']:,} {noun} of the {_ROWS[found['rows']]}",
        f"cost       {found['units']:,} {found['unit']} in {found['seconds']:.1f} s",
        f"R2         {_number(found['r2'])}",
        f"rank corr. {_number(found['spearman'])}",
        f"MSE        {found['mse']:.3g}{between}; of the mean label {found['mse_mean']:.3g}, "
        f"measured by the run {_number(found['mse_expected'])}",
        f"bias       {found['bias']:+.3g}, estimate minus true value",
    ]
    if found["with_interval"]:
        lines.append(
            f"intervals  {found['inside']:,} of {found['with_interval']:,} hold the true value, "
            f"{100 * found['level']:.0f} % should"
        )
    return "\n".join([*lines, found["sentence"]])


_ROWS = {"added": "added rows", "pool": "pool"}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
