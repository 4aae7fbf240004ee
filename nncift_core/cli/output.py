"""What the command line writes: results to standard output, remarks to standard error, files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nncift_core.errors import ConfigError, WorkspaceError

QUADRANT_KEYS = (
    "mse",
    "r2",
    "spearman",
    "mse_ci",
    "r2_ci",
    "mse_mean",
    "mse_zero",
    "mse_random",
    "mse_additive",
    "mse_cosine",
    "n",
)
"""What ``--json`` says of a quadrant: a stable interface. The run's folder holds the rest."""


def checked_output(text: str | None) -> Path | None:
    """A file that can be written, checked before the work that would be lost otherwise."""
    if text is None:
        return None
    path = Path(text)
    try:
        if path.is_dir():
            raise ConfigError(f"The output {text!r} is a folder.", "Give a file name.")
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"The output {text[:200]!r} cannot be written: {error.strerror}.",
            "Give another place.",
        ) from error
    if not os.access(path.parent, os.W_OK):
        raise WorkspaceError(
            f"The output {text!r} cannot be written: its folder may not be changed.",
            "Give another place.",
        )
    return path


def stable_json(summary: Mapping[str, Any]) -> str:
    """A run's summary as the one JSON object of ``--json``."""
    quadrants = {
        name: row and {key: row[key] for key in QUADRANT_KEYS}
        for name, row in summary["quadrants"].items()
    }
    return json.dumps({**summary, "quadrants": quadrants}, ensure_ascii=False, allow_nan=False)


def table(summary: Mapping[str, Any]) -> str:
    """The result for people."""
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in summary["seconds"].items())
    lines = [
        f"run        {summary['run_id']}",
        f"rows       {summary['n_train']:,} pool x {summary['n_target']:,} target",
        f"labels     {summary['labelled_pairs']:,} pairs, "
        f"{summary['evaluation_pairs']:,} more to measure",
        f"seconds    {seconds}",
    ]
    measured = {name: row for name, row in summary["quadrants"].items() if row}
    if measured:
        lines.append("quadrant       MSE  mean's MSE      R2  rank corr.   pairs")
        for name, row in measured.items():
            lines.append(
                f"{name.upper():8} {row['mse']:9.4f} {row['mse_mean']:11.4f} "
                f"{_number(row['r2'])} {_number(row['spearman'], 11)} {row['n']:7,}"
            )
    first_round = summary["saturated_at"]
    lines.append(f"selected   {summary['selected']:,} rows")
    if first_round is not None:
        lines.append(f"           no target gained more after {first_round:,}; new rounds began")
    if summary["output"]:
        lines.append(f"output     {summary['output']}")
    return "\n".join(lines)


def _number(value: float | None, width: int = 7) -> str:
    return f"{value:{width}.3f}" if value is not None else f"{'-':>{width}}"


def show(text: str) -> None:
    """Write a result to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Write a remark to standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
