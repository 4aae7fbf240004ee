"""What the command line writes: results to standard output, remarks to standard error, files."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.influence import MethodEntry

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

MATRICES: Mapping[str, str] = {
    "": "",
    "pool-": "   (pool rows on pool rows)",
    "existing-": "   (existing rows on pool rows)",
}
"""The matrices whose quadrants may be stored, by what their names begin with."""

NEEDS: Mapping[str, str] = {
    "encoder": "a sentence encoder (--encoder)",
    "language-model": "a language model (--model)",
    "gradients": "gradients of LoRA weights",
    "uses-chat-template": "its chat template where it has one (--template)",
}
"""What a method may ask for, in words."""


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


def table(
    summary: Mapping[str, Any],
    quadrants: Mapping[str, Mapping[str, Any] | None],
    *,
    pointwise: bool,
) -> str:
    """The result for people.

    Args:
        summary: The run's summary.
        quadrants: Its stored quadrant tables: ``q1`` to ``q4``, and those of other matrices
            under names such as ``pool-q1``.
        pointwise: Whether single rows were scored, not pairs.
    """
    unit = "rows" if pointwise else "pairs"
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in summary["seconds"].items())
    rows = f"{summary['n_train']:,} pool"
    if summary["n_target"]:
        rows += f" x {summary['n_target']:,} target"
    lines = [
        f"run        {summary['run_id']}",
        f"rows       {rows}{', each scored by itself' if pointwise else ''}",
        f"labels     {summary['labelled_pairs']:,} {unit}, "
        f"{summary['evaluation_pairs']:,} more to measure",
        f"seconds    {seconds}",
    ]
    for matrix, title in MATRICES.items():
        lines += _quadrant_lines(quadrants, matrix, title, unit)
    first_round = summary["saturated_at"]
    lines.append(f"selected   {summary['selected']:,} rows")
    if first_round is not None:
        lines.append(f"           no target gained more after {first_round:,}; new rounds began")
    if extension := summary.get("extension"):
        lines += extension_lines(extension)
    if summary["output"]:
        lines.append(f"output     {summary['output']}")
    return "\n".join(lines)


def extension_lines(extension: Mapping[str, Any]) -> list[str]:
    """What added rows changed, of a run that extends another."""
    left_out = extension["left_out"]
    known = f"; {left_out:,} left out, which the pool held already" if left_out else ""
    lines = [
        f"extends    {extension['run_id']}",
        f"added      {extension['added']:,} rows{known}",
        f"changed    {extension['kept']:,} selected rows stay, {extension['came_in']:,} added rows "
        f"and {extension['moved_up']:,} others come in, {extension['displaced']:,} go",
    ]
    if extension["drift"] is not None:
        lines.append(f"drift      {extension['drift']['sentence']}")
    return lines


def _quadrant_lines(
    quadrants: Mapping[str, Mapping[str, Any] | None], matrix: str, title: str, unit: str
) -> list[str]:
    """The table of one matrix, empty where nothing was measured."""
    names = [f"{matrix}{quadrant}" for quadrant in ("q1", "q1u", "q2", "q3", "q4")]
    measured = [(name, row) for name in names if (row := quadrants.get(name))]
    if not measured:
        return []
    lines = [f"quadrant       MSE  mean's MSE      R2  rank corr. {unit:>7}{title}"]
    for name, row in measured:
        lines.append(
            f"{name.removeprefix(matrix).upper():8} {row['mse']:9.4f} {row['mse_mean']:11.4f} "
            f"{_number(row['r2'])} {_number(row['spearman'], 11)} {row['n']:7,}"
        )
    return lines


def method_list(methods: Iterable[MethodEntry]) -> str:
    """The influence functions for people, what each needs and costs."""
    blocks, indent = [], " " * 11
    for method in methods:
        kind = "scores single rows" if method.pointwise else "scores pairs"
        needs = [words for need, words in NEEDS.items() if need in method.needs]
        blocks.append(
            "\n".join(
                [
                    f"{method.name:10} {method.title}, {kind}",
                    textwrap.fill(
                        method.summary, 95, initial_indent=indent, subsequent_indent=indent
                    ),
                    f"  needs    {', '.join(needs) or 'nothing besides the rows'}",
                    f"  cost     {method.cost}",
                    f"  default  --objective {method.default_objective}",
                    f"  paper    {method.citation}",
                ]
            )
        )
    return "\n\n".join(blocks)


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
