"""What each command does, on top of ``pipeline``."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from nncift_core import pipeline
from nncift_core.cli.audit import audit
from nncift_core.cli.compare import compare
from nncift_core.cli.curate import curate
from nncift_core.cli.explain import explain
from nncift_core.cli.export import export
from nncift_core.cli.extend import extend
from nncift_core.cli.given import given_run, replayed_run
from nncift_core.cli.jobs import jobs
from nncift_core.cli.map import map_rows
from nncift_core.cli.output import checked_output, method_list, say, show
from nncift_core.cli.pilot import pilot
from nncift_core.cli.plan import plan
from nncift_core.cli.select import select
from nncift_core.cli.spot_check import spot_check
from nncift_core.cli.study import study
from nncift_core.cli.working import work_on_run
from nncift_core.config import RunConfig
from nncift_core.datasets import demo_paths
from nncift_core.errors import ConfigError
from nncift_core.export import guard_inputs, manifest_path
from nncift_core.influence import METHODS
from nncift_core.store import Workspace


def run(options: argparse.Namespace) -> None:
    """``nncift run``."""
    if options.output is None:
        raise ConfigError("The option --output is missing.", "See nncift run --help.")
    if options.predictions is not None and not options.predictions.endswith(".npy"):
        raise ConfigError(
            f"The predictions file {options.predictions!r} does not end in .npy.",
            "Give a name such as predictions.npy.",
        )
    given = given_run(options) if options.config is None else replayed_run(options)
    # Not earlier: a refused call leaves no folder.
    output, predictions = checked_output(options.output), checked_output(options.predictions)
    assert output is not None
    inputs = [path for source in _sources(given.spec) for path in source.files]
    for path in (output, manifest_path(output), predictions):
        if path is not None:
            guard_inputs(path, inputs)
    if predictions is not None and predictions.resolve() == output.resolve():
        raise ConfigError(
            f"The subset and the predictions would both be written to {options.output!r}.",
            "Give two names.",
        )
    run_id = pipeline.create_run(given.workspace, given.project_id(), given.spec)
    work_on_run(given.workspace, run_id, output, predictions, options.json)


def resume(options: argparse.Namespace) -> None:
    """``nncift resume``."""
    output = checked_output(options.output)
    workspace = Workspace.open(options.workspace)
    record = workspace.catalog.run(options.run)
    work_on_run(workspace, record.run_id, output, None, options.json)


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
    work_on_run(workspace, run_id, output, None, options.json)


def runs(options: argparse.Namespace) -> None:
    """``nncift runs``."""
    workspace = Workspace.open(options.workspace)
    for record in workspace.catalog.runs():
        config = record.config.get("config", {})
        method, fraction = config.get("method"), config.get("label_fraction")
        show(f"{record.run_id}  {record.status:11}  {method}  u = {fraction}")


def methods(options: argparse.Namespace) -> None:
    """``nncift methods``."""
    del options
    show(method_list(METHODS))


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "run": run,
    "pilot": pilot,
    "resume": resume,
    "demo": demo,
    "runs": runs,
    "methods": methods,
    "export": export,
    "select": select,
    "curate": curate,
    "explain": explain,
    "compare": compare,
    "extend": extend,
    "plan": plan,
    "audit": audit,
    "spot-check": spot_check,
    "study": study,
    "map": map_rows,
    "jobs": jobs,
}


def _sources(spec: pipeline.RunSpec) -> list[pipeline.DataSource]:
    return [source for source in (spec.train, spec.target, spec.existing) if source]
