"""A run worked on in this process: its progress on the terminal, its subset, its summary."""

from __future__ import annotations

from pathlib import Path

from nncift_core import pipeline
from nncift_core.cli.output import say, show, stable_json, table
from nncift_core.cli.terminal import TerminalProgress
from nncift_core.influence import METHODS
from nncift_core.store import Workspace


def work_on_run(
    workspace: Workspace,
    run_id: str,
    output: Path | None,
    predictions: Path | None,
    as_json: bool,
) -> None:
    """Do a run or go on with it, then write and show what it gives.

    Args:
        workspace: Where the run is recorded.
        run_id: The run.
        output: Where the subset goes, None for nowhere.
        predictions: Where predicted influence goes, likewise.
        as_json: Show one JSON object instead of a table.

    Raises:
        NNCIFTError: The run failed for a reason the user can mend, or was cancelled.
    """
    # Known from the first second on, so that a run that is stopped can be resumed.
    say(f"Run {run_id} in {workspace.path}")
    progress = TerminalProgress()
    try:
        outcome = pipeline.work(workspace.run_dir(run_id), echo=progress)
        if predictions is not None:
            pipeline.write_predictions(workspace, run_id, predictions, progress)
    finally:
        progress.close()
    assert isinstance(outcome, pipeline.RunOutcome)
    summary = dict(outcome.summary)
    if output is not None:
        exported = pipeline.export_selection(workspace, outcome.selection.id, output)
        summary["output"] = str(exported.file.path)
    if as_json:
        show(stable_json(summary))
        return
    spec = pipeline.RunSpec.read(workspace.run_dir(run_id) / "config.json")
    pointwise = METHODS[spec.config.method].pointwise
    show(table(summary, workspace.catalog.quadrant_metrics(run_id), pointwise=pointwise))
