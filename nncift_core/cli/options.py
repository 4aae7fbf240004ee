"""The options of each command. Help texts of settings are those of their fields."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from nncift_core import __version__
from nncift_core.cli.settings import add_settings
from nncift_core.datasets import FIELDS
from nncift_core.errors import ConfigError

DEFAULT_WORKSPACE = "workspace"
PILOT_SECONDS = 20.0


class Parser(argparse.ArgumentParser):
    """A parser that raises its one sentence instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong. Raises: ConfigError."""
        raise ConfigError(f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.")


class Once(argparse.Action):
    """An option that may stand only once: the last one winning would be a silent guess."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Store the value. Raises: ConfigError when the option stood before."""
        seen = namespace.__dict__.setdefault("_seen", set())
        if self.dest in seen:
            raise ConfigError(f"The option {option_string} is given twice.", "Give it once.")
        seen.add(self.dest)
        setattr(namespace, self.dest, values)


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
    export = commands.add_parser("export", help="export a stored selection, or the rest")
    export.add_argument("run", metavar="RUN", help="run id")
    export.add_argument(
        "--output", action=Once, required=True, metavar="FILE", help="file to write"
    )
    export.add_argument(
        "--schema",
        action=Once,
        default="raw",
        metavar="NAME",
        help="raw, alpaca, messages or parquet",
    )
    export.add_argument("--rest", action="store_true", help="the pool rows that were left out")
    export.add_argument(
        "--selection",
        action=Once,
        metavar="ID",
        help="one of the run's later selections (default: the run's own)",
    )
    add_workspace(export)
    # Late, since these commands are made of the actions of this module.
    from nncift_core.cli import (
        audit,
        compare,
        curate,
        explain,
        extend,
        plan,
        select,
        spot_check,
        study,
    )

    select.add_parser(commands)
    curate.add_parser(commands)
    explain.add_parser(commands)
    compare.add_parser(commands)
    extend.add_parser(commands)
    plan.add_parser(commands)
    audit.add_parser(commands)
    spot_check.add_parser(commands)
    study.add_parser(commands)
    return parser


def add_workspace(parser: Any) -> None:
    """Add ``--workspace`` to a command."""
    parser.add_argument(
        "--workspace",
        action=Once,
        default=os.environ.get("NNCIFT_WORKSPACE", DEFAULT_WORKSPACE),
        metavar="DIR",
        help="folder of datasets, runs and caches (default: %(default)s, or $NNCIFT_WORKSPACE)",
    )


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


def add_data(parser: Any) -> None:
    """Add the options that name datasets to a command."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--train",
        action="append",
        metavar="FILE",
        help="training pool: JSON, JSON lines, CSV, TSV or Parquet, also .gz, "
        "or hf:owner/name:split; repeat it to join files",
    )
    data.add_argument(
        "--target",
        action=Once,
        metavar="FILE",
        help="target set, or sample:N to take N rows out of the pool; selectit needs none",
    )
    data.add_argument(
        "--existing", action=Once, metavar="FILE", help="rows already tuned on, for flcg"
    )
    data.add_argument(
        "--map",
        action="append",
        default=None,
        metavar="FIELD=COLUMN",
        help=f"column of a field ({', '.join(FIELDS)}); repeatable",
    )
    data.add_argument(
        "--subtask-column", action=Once, metavar="NAME", help="column that names the subtask"
    )


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
