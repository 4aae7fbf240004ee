"""``nncift select``: another selection from a finished run, or one of a manifest again.

Knows options, requests and how a selection is shown; rows are chosen by ``pipeline``.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nncift_core import pipeline
from nncift_core.cli.output import checked_output, say, show
from nncift_core.cli.parsing import Once, add_workspace
from nncift_core.cli.settings import SETTINGS, add_settings, read_selection
from nncift_core.cli.terminal import TerminalProgress
from nncift_core.config import RunConfig, field_texts
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.export import guard_inputs, manifest_path
from nncift_core.files import json_text, read_json
from nncift_core.selection import OBJECTIVES
from nncift_core.selection.curve import gain_curve
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import SelectionRecord, Workspace

_CHOICE = ("objective", "budget")


@dataclass(frozen=True)
class Request:
    """What is to be selected: the part of a manifest that replays it."""

    objective: str
    budget: str
    settings: SelectionConfig
    seed: int | None = None


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    select = commands.add_parser("select", help="choose other rows from a finished run")
    select.add_argument("run", metavar="RUN", help="run id")
    texts = field_texts(RunConfig)
    what = select.add_argument_group("what to choose")
    what.add_argument(
        "--objective",
        action=Once,
        metavar="OBJECTIVE",
        help=f"{texts['objective']} One of: {', '.join(OBJECTIVES.names)}. By default what the use "
        "case means, and without one what the run used.",
    )
    what.add_argument(
        "--budget",
        action=Once,
        metavar="BUDGET",
        help=f"{texts['budget'].replace('%', '%%')} By default as in the run.",
    )
    what.add_argument(
        "--name", action=Once, metavar="NAME", help="what to call it, so that you know it again"
    )
    what.add_argument(
        "--curated",
        action="store_true",
        help="obey the pins, bans, rules and quotas of nncift curate too",
    )
    what.add_argument(
        "--from",
        action=Once,
        dest="manifest",
        metavar="MANIFEST",
        help="choose the rows of an exported subset again, from its manifest",
    )
    add_settings(select, Once, ("selection",))
    out = select.add_argument_group("results")
    out.add_argument("--output", action=Once, metavar="FILE", help="the subset as JSON lines")
    out.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    add_workspace(out)


def select(options: argparse.Namespace) -> None:
    """``nncift select``."""
    if options.manifest is not None:
        _refuse_others(options)
    workspace = Workspace.open(options.workspace)
    record = workspace.catalog.run(options.run)
    spec = pipeline.RunSpec.read(workspace.run_dir(record.run_id) / "config.json")
    manifest = None if options.manifest is None else _read_manifest(options.manifest)
    if manifest is None:
        request = _request(options, workspace, spec)
        name = options.name or "Command line"
    else:
        request = _replayed(options.manifest, manifest, spec)
        name = options.name or f"Again: {Path(options.manifest).name}"
    output = checked_output(options.output)
    if output is not None:
        inputs = [path for source in _sources(spec) for path in source.files]
        for path in (output, manifest_path(output)):
            guard_inputs(path, inputs)
    start = time.monotonic()
    made = _select(workspace, record.run_id, request, name)
    seconds = time.monotonic() - start
    if manifest is not None:
        _compare(workspace, made, manifest)
    file = None
    if output is not None:
        file = str(pipeline.export_selection(workspace, made.id, output).file.path)
    found = summary(workspace, made, seconds, file)
    show(json_text(found) if options.json else _table(found))


def summary(
    workspace: Workspace, record: SelectionRecord, seconds: float, output: str | None
) -> dict[str, Any]:
    """A selection as the one JSON object of ``--json``: a stable interface."""
    rows = workspace.catalog.selection_rows(record.id)
    curve = gain_curve([row.gain for row in rows], [row.round for row in rows])
    meta = record.meta
    return {
        "selection_id": record.id,
        "objective": record.objective,
        "optimizer": meta["optimizer"],
        "exact": meta["exact"],
        "ratio": meta["ratio"],
        "selected": record.row_count,
        "saturated_at": meta["saturated_at"],
        "knee": curve.knee if OBJECTIVES[record.objective].rounds else None,
        "value": meta["value"],
        "ended": meta["ended"],
        "tokens": meta["tokens"],
        "duplicates_left_out": meta["left_out"].get("duplicates", 0),
        "seconds": round(seconds, 3),
        "output": output,
    }


def _request(options: argparse.Namespace, workspace: Workspace, spec: pipeline.RunSpec) -> Request:
    settings = read_selection(options, spec.config.selection)
    if options.curated:
        from nncift_core.selection.actions import curation

        settings = curation(workspace.catalog.actions(options.run)).settings(settings)
    objective = options.objective
    if objective is None:
        objective = spec.config.objective if options.use_case is None else ""
    budget = spec.config.budget if options.budget is None else options.budget
    return Request(objective, budget, settings)


def _refuse_others(options: argparse.Namespace) -> None:
    names = [*_CHOICE, *(setting.name for setting in SETTINGS if setting.group == "selection")]
    given = [name for name in names if getattr(options, name) is not None]
    if options.curated:
        given.append("curated")
    if given:
        raise ConfigError(
            f"The option --{given[0].replace('_', '-')} does not go with --from.",
            "A replay takes only --name, --output, --json and --workspace.",
        )


def _read_manifest(text: str) -> Mapping[str, Any]:
    path = Path(text)
    if not path.is_file():
        raise ConfigError(f"The manifest {text[:200]!r} does not exist.")
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("selection"), dict):
        raise ConfigError(
            f"{text[:200]!r} is no manifest of a subset.",
            "Give the file that an export wrote beside its rows, such as subset.manifest.json.",
        )
    return content


def _replayed(text: str, manifest: Mapping[str, Any], spec: pipeline.RunSpec) -> Request:
    """The request of a manifest for a run on the same pool. Raises: ConfigError."""
    asked = manifest["selection"].get("request")
    if not isinstance(asked, dict):
        raise ConfigError(
            f"The manifest {text[:200]!r} says nothing of how its rows were chosen.",
            "It is of an older version; use nncift run --config with the run's config.json.",
        )
    pools = [
        dataset.get("id")
        for dataset in manifest.get("datasets") or ()
        if isinstance(dataset, dict) and dataset.get("role") == "train"
    ]
    if pools != [spec.train.id]:
        raise ConfigError(
            f"The manifest {text[:200]!r} is of another pool than this run's.",
            "Give a run on the same rows.",
        )
    own = {setting.name for setting in fields(SelectionConfig)}
    unknown = sorted(set(asked) - own - {*_CHOICE, "seed"})
    if unknown:
        raise ConfigError(
            f"The manifest {text[:200]!r} has an unknown setting {unknown[0]!r}.",
            "It was written by another version of this software.",
        )
    objective, budget, seed = asked.get("objective"), asked.get("budget"), asked.get("seed")
    named = isinstance(objective, str) and isinstance(budget, str)
    # True is an int too.
    if not named or not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(
            f"The request in the manifest {text[:200]!r} names no objective, budget or seed.",
            "Give the manifest as it was written.",
        )
    settings = SelectionConfig(**{name: value for name, value in asked.items() if name in own})
    return Request(str(objective), str(budget), settings, seed)


def _select(workspace: Workspace, run_id: str, request: Request, name: str) -> SelectionRecord:
    selection_id = pipeline.create_selection(
        workspace,
        run_id,
        request.objective,
        request.budget,
        name,
        request.settings,
        seed=request.seed,
    )
    progress = TerminalProgress()
    try:
        made = pipeline.work(workspace.selection_dir(run_id, selection_id), echo=progress)
    except BaseException:
        # It would wait for somebody to go on with it, and nobody knows its name.
        with contextlib.suppress(NNCIFTError):
            pipeline.discard_selection(workspace, run_id, selection_id)
        raise
    finally:
        progress.close()
    assert isinstance(made, SelectionRecord)
    return made


def _compare(workspace: Workspace, record: SelectionRecord, manifest: Mapping[str, Any]) -> None:
    """Say whether the rows are those of the manifest."""
    ids = [row.row_id for row in workspace.catalog.selection_rows(record.id)]
    before = [row.get("id") for row in manifest.get("rows") or () if isinstance(row, dict)]
    if ids == before:
        say(f"The same {len(ids):,} rows in the same order as in the manifest.")
    else:
        differ = len(set(ids) ^ set(before))
        say(
            f"Warning: {differ:,} rows differ from those of the manifest; the run or this software "
            "is another."
            if differ
            else "Warning: the rows are those of the manifest in another order."
        )


def _sources(spec: pipeline.RunSpec) -> Sequence[pipeline.DataSource]:
    return [source for source in (spec.train, spec.target, spec.existing) if source]


def _table(found: Mapping[str, Any]) -> str:
    exact = "exact"
    if not found["exact"]:
        ratio = found["ratio"]
        exact = "approximate" + (f", at least {ratio:.1%} of the best" if ratio else "")
    lines = [
        f"selection  {found['selection_id']}",
        f"objective  {found['objective']}, {found['optimizer']} ({exact})",
        f"selected   {found['selected']:,} rows in {found['seconds']:.1f} s",
    ]
    if found["saturated_at"] is not None:
        lines.append(
            f"           no target gained more after {found['saturated_at']:,}; new rounds began"
        )
    if found["knee"] is not None:
        lines.append(f"knee       {found['knee']:,} rows reach nine tenths of the first round")
    if found["tokens"] is not None:
        lines.append(f"tokens     {found['tokens']:,}")
    if found["duplicates_left_out"]:
        lines.append(f"left out   {found['duplicates_left_out']:,} duplicates of chosen rows")
    if found["output"]:
        lines.append(f"output     {found['output']}")
    return "\n".join(lines)
