"""The options of each command. Help texts of settings are those of their fields."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NoReturn

from nncift_core import __version__
from nncift_core.config import RunConfig, field_texts
from nncift_core.datasets import FIELDS
from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from nncift_core.network import NETWORKS
from nncift_core.registry import Registry
from nncift_core.selection import OBJECTIVES

DEFAULT_WORKSPACE = "workspace"


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
    _add_resume(commands)
    _add_demo(commands)
    runs = commands.add_parser("runs", help="list the runs of a workspace")
    _add_workspace(runs)
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
    _add_workspace(export)
    return parser


def _add_workspace(parser: Any) -> None:
    parser.add_argument(
        "--workspace",
        action=Once,
        default=os.environ.get("NNCIFT_WORKSPACE", DEFAULT_WORKSPACE),
        metavar="DIR",
        help="folder of datasets, runs and caches (default: %(default)s, or $NNCIFT_WORKSPACE)",
    )


def _add_run(commands: Any) -> None:
    run = commands.add_parser("run", help="label, train, predict, select and export")
    data = run.add_argument_group("data")
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
        help="target set, or sample:N to take N rows out of the pool",
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
    settings = run.add_argument_group("settings")
    _add_settings(settings)
    settings.add_argument(
        "--model",
        action=Once,
        metavar="ID_OR_PATH",
        help="language model, for methods that use one; delift-se does not",
    )
    out = run.add_argument_group("results")
    out.add_argument("--output", action=Once, metavar="FILE", help="the subset as JSON lines")
    out.add_argument(
        "--predictions",
        action=Once,
        metavar="FILE.npy",
        help="write predicted influence, (n_train, n_target) float32",
    )
    out.add_argument(
        "--config", action=Once, metavar="FILE", help="replay a run from its config.json"
    )
    out.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    _add_workspace(out)


_CHOICES: dict[str, Registry[Any]] = {
    "method": METHODS,
    "objective": OBJECTIVES,
    "network": NETWORKS,
}


def _add_settings(group: Any) -> None:
    texts = field_texts(RunConfig)
    for field in fields(RunConfig):
        option = f"--{field.name.replace('_', '-')}"
        help_text = texts[field.name].replace("%", "%%")
        if field.name in _CHOICES:
            help_text += f" One of: {', '.join(_CHOICES[field.name].names)}."
        if isinstance(field.default, bool):
            group.add_argument(option, action="store_true", default=None, help=help_text)
            continue
        if field.default != "":
            help_text += f" Default: {field.default}."
        group.add_argument(
            option,
            action=Once,
            type={"int": int, "float": float}.get(str(field.type), str),
            metavar=field.name.split("_")[-1].upper(),
            help=help_text,
        )


def _add_resume(commands: Any) -> None:
    resume = commands.add_parser("resume", help="go on with a cancelled or interrupted run")
    resume.add_argument("run", metavar="RUN", help="run id")
    resume.add_argument("--output", action=Once, metavar="FILE", help="the subset as JSON lines")
    resume.add_argument("--json", action="store_true", help="print one JSON object")
    _add_workspace(resume)


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser("demo", help="run on the bundled demo data")
    demo.add_argument("--output", action=Once, metavar="FILE", help="the subset as JSON lines")
    demo.add_argument(
        "--prepare", action="store_true", help="only make sure that the demo project exists"
    )
    demo.add_argument("--json", action="store_true", help="print one JSON object")
    _add_workspace(demo)
