"""The options of each command. Help texts of settings are those of their fields."""

from __future__ import annotations

import argparse
from typing import Any

from nncift_core import __version__
from nncift_core.cli import (
    audit,
    compare,
    curate,
    explain,
    export,
    extend,
    jobs,
    plan,
    select,
    spot_check,
    study,
)
from nncift_core.cli.map import add_parser as add_map
from nncift_core.cli.parsing import Once, Parser, add_data, add_workspace
from nncift_core.cli.settings import add_settings

PILOT_SECONDS = 20.0


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = Parser(
        prog="nncift",
        description="Choose the instruction rows that help your targets (NN-CIFT).",
    )
    parser.add_argument("--version", action="version", version=f"nncift {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_pilot(commands)
    _add_resume(commands)
    _add_demo(commands)
    runs = commands.add_parser("runs", help="list the runs of a workspace")
    add_workspace(runs)
    commands.add_parser("methods", help="list the influence functions and what each needs")
    export.add_parser(commands)
    select.add_parser(commands)
    curate.add_parser(commands)
    explain.add_parser(commands)
    compare.add_parser(commands)
    extend.add_parser(commands)
    plan.add_parser(commands)
    audit.add_parser(commands)
    spot_check.add_parser(commands)
    study.add_parser(commands)
    add_map(commands)
    jobs.add_parser(commands)
    return parser


def _add_run(commands: Any) -> None:
    run = commands.add_parser("run", help="label, train, predict, select and export")
    add_data(run)
    add_settings(run, Once)
    out = run.add_argument_group("results")
    out.add_argument("--output", action=Once, metavar="FILE", help="the subset as JSON lines")
    out.add_argument(
        "--predictions",
        action=Once,
        metavar="FILE.npy",
        help="write predicted influence, (n_train, n_target) float32; of a method that scores "
        "single rows (n_train,)",
    )
    out.add_argument(
        "--config", action=Once, metavar="FILE", help="replay a run from its config.json"
    )
    out.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    add_workspace(out)


def _add_pilot(commands: Any) -> None:
    pilot = commands.add_parser(
        "pilot", help="label for some seconds and say what a run would cost"
    )
    add_data(pilot)
    add_settings(pilot, Once)
    out = pilot.add_argument_group("measuring")
    out.add_argument(
        "--seconds",
        action=Once,
        type=float,
        default=PILOT_SECONDS,
        metavar="N",
        help="how long to label; the shard in work is finished (default: %(default)g)",
    )
    out.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    add_workspace(out)


def _add_resume(commands: Any) -> None:
    resume = commands.add_parser("resume", help="go on with a cancelled or interrupted run")
    resume.add_argument("run", metavar="RUN", help="run id")
    resume.add_argument("--output", action=Once, metavar="FILE", help="the subset as JSON lines")
    resume.add_argument("--json", action="store_true", help="print one JSON object")
    add_workspace(resume)


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser("demo", help="run on the bundled demo data")
    demo.add_argument("--output", action=Once, metavar="FILE", help="the subset as JSON lines")
    demo.add_argument(
        "--prepare", action="store_true", help="only make sure that the demo project exists"
    )
    demo.add_argument("--json", action="store_true", help="print one JSON object")
    add_workspace(demo)
