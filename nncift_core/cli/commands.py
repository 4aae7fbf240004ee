"""What each command does, on top of ``pipeline``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from nncift_core import pipeline
from nncift_core.cli.mapping import overrides_by_dataset, read_overrides
from nncift_core.cli.output import checked_output, say, show, stable_json, table
from nncift_core.cli.terminal import TerminalProgress
from nncift_core.config import MOST_DIGITS, RunConfig
from nncift_core.datasets import demo_paths
from nncift_core.errors import ConfigError
from nncift_core.export import guard_inputs, manifest_path
from nncift_core.influence import METHODS
from nncift_core.store import SelectionRecord, Workspace

_SETTINGS = [field.name for field in fields(RunConfig)]
_REPLAY_EXCLUDES = ("train", "target", "existing", "map", "subtask_column", "model", *_SETTINGS)


def run(options: argparse.Namespace) -> None:
    """``nncift run``."""
    if options.output is None:
        raise ConfigError("The option --output is missing.", "See nncift run --help.")
    if options.predictions is not None and not options.predictions.endswith(".npy"):
        raise ConfigError(
            f"The predictions file {options.predictions!r} does not end in .npy.",
            "Give a name such as predictions.npy.",
        )
    if options.config is not None:
        workspace, project_id, spec = _replayed(options)
    else:
        workspace, project_id, spec = _given(options)
    # Not earlier: a refused call leaves no folder.
    output, predictions = checked_output(options.output), checked_output(options.predictions)
    assert output is not None
    inputs = [path for source in _sources(spec) for path in source.files]
    for path in (output, manifest_path(output), predictions):
        if path is not None:
            guard_inputs(path, inputs)
    if predictions is not None and predictions.resolve() == output.resolve():
        raise ConfigError(
            f"The subset and the predictions would both be written to {options.output!r}.",
            "Give two names.",
        )
    run_id = pipeline.create_run(workspace, project_id, spec)
    _work(workspace, run_id, output, predictions, options.json)


def resume(options: argparse.Namespace) -> None:
    """``nncift resume``."""
    output = checked_output(options.output)
    workspace = Workspace.open(options.workspace)
    record = workspace.catalog.run(options.run)
    _work(workspace, record.run_id, output, None, options.json)


def demo(options: argparse.Namespace) -> None:
    """``nncift demo``."""
    workspace = Workspace.open(options.workspace)
    project = pipeline.ensure_demo(workspace)
    if options.prepare:
        say(f"The project {project.name!r} is ready in {workspace.path}.")
        return
    output = checked_output(options.output) or workspace.exports_dir / "demo_subset.jsonl"
    assert project.target_id is not None
    paths = demo_paths()
    spec = pipeline.RunSpec(
        config=RunConfig(),
        train=pipeline.DataSource(project.pool_id, paths.pool.name, (str(paths.pool),)),
        target=pipeline.DataSource(project.target_id, paths.target.name, (str(paths.target),)),
    )
    run_id = pipeline.create_run(workspace, project.id, spec)
    _work(workspace, run_id, output, None, options.json)


def runs(options: argparse.Namespace) -> None:
    """``nncift runs``."""
    workspace = Workspace.open(options.workspace)
    for record in workspace.catalog.runs():
        config = record.config.get("config", {})
        method, fraction = config.get("method"), config.get("label_fraction")
        show(f"{record.run_id}  {record.status:11}  {method}  u = {fraction}")


def export(options: argparse.Namespace) -> None:
    """``nncift export``."""
    output = checked_output(options.output)
    assert output is not None
    workspace = Workspace.open(options.workspace)
    selections = workspace.catalog.selections(workspace.catalog.run(options.run).run_id)
    if not selections:
        raise ConfigError(
            f"Run {options.run} has no selection yet.", f"Use: nncift resume {options.run}"
        )
    which: Any = "rest" if options.rest else "selected"
    exported = pipeline.export_selection(
        workspace, selections[0].id, output, schema=options.schema, which=which
    )
    say(f"Wrote {exported.file.rows:,} rows to {exported.file.path}.")


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "run": run,
    "resume": resume,
    "demo": demo,
    "runs": runs,
    "export": export,
}


def _given(options: argparse.Namespace) -> tuple[Workspace, str, pipeline.RunSpec]:
    """Data and settings as the options say."""
    for name in ("train", "target"):
        if getattr(options, name) is None:
            raise ConfigError(f"The option --{name} is missing.", "See nncift run --help.")
    values = {name: getattr(options, name) for name in _SETTINGS}
    folder = Path(options.encoder or "").expanduser()
    if options.encoder and folder.is_dir():
        # A replay may start in another folder.
        values["encoder"] = str(folder.resolve())
    config = pipeline.resolve(
        RunConfig(**{name: value for name, value in values.items() if value is not None})
    )
    if options.model is not None and "language-model" not in METHODS[config.method].needs:
        raise ConfigError(
            f"Method {config.method!r} uses no language model, so --model {options.model} "
            "would change nothing.",
            "Leave --model out.",
        )
    sample = _sample(options.target)
    files = {"train": options.train}
    if sample is None:
        files["target"] = [options.target]
    if options.existing is not None:
        files["existing"] = [options.existing]
    overrides = overrides_by_dataset(
        list(files.values()), read_overrides(options.map, options.subtask_column)
    )
    workspace = Workspace.open(options.workspace)
    imported = {
        role: pipeline.import_files(workspace, paths, overrides=mapped or None)
        for (role, paths), mapped in zip(files.items(), overrides, strict=True)
    }
    for dataset in imported.values():
        _report(dataset)
    train, target, existing = (imported.get(role) for role in ("train", "target", "existing"))
    assert train is not None
    spec = pipeline.RunSpec(
        config=config,
        train=train.source,
        target=target.source if target else None,
        target_sample=sample,
        existing=existing.source if existing else None,
    )
    stem = Path(options.train[0]).name.split(".")[0]
    against = f"sample of {sample}" if target is None else target.record.name
    project = pipeline.ensure_project(
        workspace,
        f"{stem} for {against}",
        train.record.id,
        target.record.id if target else None,
        sample,
    )
    return workspace, project.id, spec


def _replayed(options: argparse.Namespace) -> tuple[Workspace, str, pipeline.RunSpec]:
    """Data and settings of an earlier run."""
    given = [name for name in _REPLAY_EXCLUDES if getattr(options, name) is not None]
    if given:
        raise ConfigError(
            f"The option --{given[0].replace('_', '-')} does not go with --config.",
            "A replay takes only --output, --predictions, --json and --workspace.",
        )
    path = Path(options.config)
    if not path.is_file():
        raise ConfigError(f"The configuration {options.config!r} does not exist.")
    spec = pipeline.RunSpec.read(path)
    workspace = Workspace.open(options.workspace)
    pipeline.ensure_datasets(workspace, spec)
    project = pipeline.ensure_project(
        workspace,
        f"{spec.train.name} again",
        spec.train.id,
        spec.target.id if spec.target else None,
        spec.target_sample,
    )
    return workspace, project.id, spec


def _work(
    workspace: Workspace,
    run_id: str,
    output: Path | None,
    predictions: Path | None,
    as_json: bool,
) -> None:
    # Known from the first second on, so that a run that is stopped can be resumed.
    say(f"Run {run_id} in {workspace.path}")
    progress = TerminalProgress()
    try:
        outcome = pipeline.work(workspace.run_dir(run_id), echo=progress)
        if predictions is not None:
            pipeline.write_predictions(workspace, run_id, predictions, progress)
    finally:
        progress.close()
    assert not isinstance(outcome, SelectionRecord)
    summary = dict(outcome.summary)
    if output is not None:
        exported = pipeline.export_selection(workspace, outcome.selection.id, output)
        summary["output"] = str(exported.file.path)
    if as_json:
        show(stable_json(summary))
    else:
        show(table(summary))


def _sample(target: str) -> int | None:
    if not target.startswith("sample:"):
        return None
    count = target.removeprefix("sample:")
    if not (count.isascii() and count.isdigit() and len(count) <= MOST_DIGITS):
        raise ConfigError(
            f"The target {target[:40]!r} does not give a number of rows.", "Write it as sample:200."
        )
    return int(count)


def _sources(spec: pipeline.RunSpec) -> list[pipeline.DataSource]:
    return [source for source in (spec.train, spec.target, spec.existing) if source]


def _report(imported: pipeline.Imported) -> None:
    record = imported.record
    known = ", stored before" if imported.already_there else ""
    say(f"{record.name}: {record.accepted:,} rows, {record.rejected:,} rejected{known}.")
    for warning in record.warnings:
        say(f"Warning: {record.name}: {warning}")
