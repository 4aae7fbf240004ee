"""``nncift map``: lay the rows of a run out on a map, and write where they lie.

Knows how to show and write a map, nothing of how it is made.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nncift_core import pipeline
from nncift_core.cli.output import checked_output, say, show
from nncift_core.cli.parsing import Once, add_workspace
from nncift_core.cli.terminal import TerminalProgress
from nncift_core.errors import ConfigError
from nncift_core.files import json_text, read_json
from nncift_core.pipeline.map_points import write_points
from nncift_core.pipeline.maps import create_map
from nncift_core.store import Workspace

_SUFFIXES = (".csv", ".parquet")


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "map", help="lay the rows of a run out on a map: rows that say alike things lie close"
    )
    parser.add_argument("run", metavar="RUN", help="run id")
    parser.add_argument(
        "--output",
        action=Once,
        metavar="FILE",
        help="write a line a row, with its place on the map, to FILE.csv or FILE.parquet",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object to standard output"
    )
    add_workspace(parser)


def map_rows(options: argparse.Namespace) -> None:
    """``nncift map``."""
    output = _output(options.output)
    workspace = Workspace.open(options.workspace)
    folder = create_map(workspace, options.run)
    result = folder / "result.json"
    if result.is_file():
        found = read_json(result)
        say("The map was drawn before; rows and encoder are the same.")
    else:
        progress = TerminalProgress()
        try:
            found = pipeline.work(folder, echo=progress)
        finally:
            progress.close()
    written = None if output is None else write_points(workspace, options.run, output)
    if written is not None:
        say(f"Wrote {written:,} points to {output}.")
    show(json_text(found) if options.json else _text(options.run, found))


def _output(text: str | None) -> Path | None:
    if text is not None and not text.endswith(_SUFFIXES):
        raise ConfigError(
            f"The points file {text!r} ends neither in .csv nor in .parquet.",
            "Give a name such as points.csv.",
        )
    return checked_output(text)


def _text(run_id: str, found: dict[str, Any]) -> str:
    """A map for people."""
    lines = [
        f"run        {run_id}",
        f"points     {found['n_train']:,} pool rows and {found['n_target']:,} target rows",
        f"laid out   {found['fitted']:,} rows; {found['placed']:,} placed among them",
        f"seconds    {found['seconds']:.1f}",
    ]
    if found["kept"] is not None:
        lines.append(
            f"keeps      {100 * found['kept']:.0f} % of the 10 nearest neighbours (at random "
            f"{100 * found['by_chance']:.2g} %), measured on {found['measured_on']:,} rows"
        )
    return "\n".join(lines)
