"""``nncift export``: a stored selection, or the rest, as a file, for a trainer, on the hub."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from nncift_core import pipeline
from nncift_core.cli.output import checked_output, say, show
from nncift_core.cli.parsing import Once, add_workspace
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.export import SCHEMAS
from nncift_core.export.hub import checked_repository, has_token, no_token
from nncift_core.export.snippets import TRAINERS
from nncift_core.store import SelectionRecord, Workspace


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("export", help="export a stored selection, or the rest")
    parser.add_argument("run", metavar="RUN", help="run id")
    parser.add_argument(
        "--output", action=Once, required=True, metavar="FILE", help="file to write"
    )
    parser.add_argument(
        "--schema",
        action=Once,
        default="raw",
        metavar="NAME",
        help=f"{', '.join(SCHEMAS.names[:-1])} or {SCHEMAS.names[-1]} (default: raw)",
    )
    parser.add_argument("--rest", action="store_true", help="the pool rows that were left out")
    parser.add_argument(
        "--selection",
        action=Once,
        metavar="ID",
        help="one of the run's later selections (default: the run's own)",
    )
    parser.add_argument(
        "--scores",
        action="store_true",
        help="add to each row its id, score, rank, gain, reason and whether it was labelled",
    )
    parser.add_argument(
        "--snippet",
        action=Once,
        metavar="TRAINER",
        help=f"print what loads the file: {', '.join(TRAINERS)}",
    )
    parser.add_argument(
        "--push",
        action=Once,
        metavar="OWNER/NAME",
        help="upload file, manifest and a card to a private dataset repository of the Hugging "
        "Face hub; needs HF_TOKEN or hf auth login",
    )
    parser.add_argument(
        "--public", action="store_true", help="with --push: everybody may see the repository"
    )
    add_workspace(parser)


def export(options: argparse.Namespace) -> None:
    """``nncift export``."""
    if options.public and options.push is None:
        raise ConfigError("--public is given without --push.", "Add --push OWNER/NAME.")
    output = checked_output(options.output)
    assert output is not None
    workspace = Workspace.open(options.workspace)
    selections = workspace.catalog.selections(workspace.catalog.run(options.run).run_id)
    if not selections:
        raise ConfigError(
            f"Run {options.run} has no selection yet.", f"Use: nncift resume {options.run}"
        )
    chosen = selections[0].id
    if options.selection is not None:
        chosen = _of_run(options.selection, options.run, selections)
    # What would fail at the end is refused before anything is written.
    parts = []
    if options.snippet is not None:
        parts = pipeline.export_snippet(workspace, chosen, options.snippet, output, options.schema)
    if options.push is not None:
        checked_repository(options.push)
        if not has_token():
            raise no_token()
    which: Any = "rest" if options.rest else "selected"
    exported = pipeline.export_selection(
        workspace, chosen, output, schema=options.schema, which=which, scores=options.scores
    )
    say(f"Wrote {exported.file.rows:,} rows to {exported.file.path}.")
    for note in exported.notes:
        say(note)
    for part in parts:
        show(f"# {part.name}\n{part.text}" if len(parts) > 1 else part.text.rstrip("\n"))
    if options.push is not None:
        _push(workspace, chosen, exported, options)


def _push(
    workspace: Workspace,
    selection_id: str,
    exported: pipeline.Exported,
    options: argparse.Namespace,
) -> None:
    written = str(exported.file.path)
    (record,) = (
        record
        for record in workspace.catalog.exports(selection_id=selection_id)
        if record.path == written and record.schema == options.schema
    )
    say(f"Uploading {exported.file.bytes:,} bytes to {options.push} ...")
    try:
        address = pipeline.push_export(
            workspace, record.id, options.push, private=not options.public
        )
    except NNCIFTError as error:
        kept = f"The file is complete in {written}. {error.hint}".strip()
        raise type(error)(error.message, kept) from error
    show(address)


def _of_run(selection_id: str, run_id: str, selections: Sequence[SelectionRecord]) -> str:
    """A selection's id, once it is one of the run's. Raises: ConfigError."""
    known = [record.id for record in selections]
    if selection_id not in known:
        raise ConfigError(
            f"Run {run_id} has no selection {selection_id!r}.", f"It has: {', '.join(known)}."
        )
    return selection_id
