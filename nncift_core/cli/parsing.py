"""What all commands are made of: the parser that speaks in sentences, and the shared options."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from nncift_core.datasets import FIELDS
from nncift_core.errors import ConfigError

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


def add_workspace(parser: Any) -> None:
    """Add ``--workspace`` to a command."""
    parser.add_argument(
        "--workspace",
        action=Once,
        default=os.environ.get("NNCIFT_WORKSPACE", DEFAULT_WORKSPACE),
        metavar="DIR",
        help="folder of datasets, runs and caches (default: %(default)s, or $NNCIFT_WORKSPACE)",
    )


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
