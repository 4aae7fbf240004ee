"""``nncift explain``: why rows are in a selection or out of it, and how well targets are covered.

Knows how to show explanations, nothing of how they are found.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nncift_core.cli.output import show
from nncift_core.cli.parsing import Once, add_workspace
from nncift_core.cli.terminal import TerminalProgress
from nncift_core.errors import ConfigError
from nncift_core.files import json_text
from nncift_core.selection.left_out import KINDS
from nncift_core.store import SelectionRecord, Workspace

if TYPE_CHECKING:
    from nncift_core.pipeline.explained import CoverageReport, RowExplanation, WorstLine
    from nncift_core.selection.explanations import GroupCoverage

WIDTH = 95
_MOST_GROUPS = 12
"""Groups listed, those of the lowest share; all of them are in ``--json``."""
_MOST_NAMED = 6
"""Selections of a run that a sentence names."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    explain = commands.add_parser(
        "explain", help="say why rows are in a selection or out, and what it covers how well"
    )
    explain.add_argument("selection", metavar="SELECTION", help="selection id")
    explain.add_argument(
        "--row",
        action=Once,
        metavar="ID",
        help="explain one pool row; without it: coverage of targets, and why rows were left out",
    )
    explain.add_argument(
        "--json", action="store_true", help="print one JSON object to standard output"
    )
    add_workspace(explain)


def explain(options: argparse.Namespace) -> None:
    """``nncift explain``."""
    workspace = Workspace.open(options.workspace)
    record = _record(workspace, options.selection)
    # Late, since it brings torch in: refusals need none.
    from nncift_core.pipeline.explaining import explain_selection

    progress = TerminalProgress()
    try:
        explanation = explain_selection(workspace, record.id, progress)
        found = head(record, len(explanation.roles.pool))
        if options.row is not None:
            row = explanation.row(explanation.position_of(options.row))
            found["row"] = asdict(row)
            text = row_text(row)
        else:
            coverage = None
            if not explanation.pointwise:
                coverage = explanation.coverage(progress=progress)
            counts = explanation.left_out_counts()
            found["coverage"] = None if coverage is None else asdict(coverage)
            found["left_out"] = counts
            text = overview_text(coverage, counts)
    finally:
        progress.close()
    show(json_text(found) if options.json else "\n".join([*head_lines(found), text]))


def head(record: SelectionRecord, n_train: int) -> dict[str, Any]:
    """What ``--json`` says of the selection itself."""
    return {
        "selection": record.id,
        "name": record.name,
        "run_id": record.run_id,
        "objective": record.objective,
        "rows": record.row_count,
        "n_train": n_train,
    }


def head_lines(found: Mapping[str, Any]) -> list[str]:
    """The same for people."""
    return [
        f"selection  {found['selection']}, {one_line(found['name'])!r} of run {found['run_id']}",
        f"chosen     {found['rows']:,} of {found['n_train']:,} rows by {found['objective']}",
    ]


def row_text(row: RowExplanation) -> str:
    """Why one row is in or out."""
    lines = [f"row        {row.row_id}, input row {row.input_row:,}", _filled(row.sentence)]
    if row.targets:
        what = "It covers best" if row.best_of else "Its best targets"
        lines += [
            f"{what} (0 is the lowest training label, 1 the highest; own units in brackets):",
            f"   {'target':22}{'this row':>16}{'best other chosen row':>40}",
        ]
    for line in row.targets:
        own = f"{line.value:.3f} ({_number(line.value_original)})"
        other = "none"
        if line.other is not None:
            other = f"{line.other_row_id}  {line.other:.3f} ({_number(line.other_original)})"
        mark = "*" if line.best else " "
        lines.append(
            f" {mark} {line.target_id:22}{own:>16}{other:>40}  {one_line(line.prompt, 40)}"
        )
    if any(line.best for line in row.targets):
        lines.append(" * better than every other chosen row")
    several = [f"{row_id} ({number})" for row_id, number in row.covered_by if number > 1]
    if several:
        lines.append(
            _filled(f"Chosen rows that cover several of these targets: {', '.join(several)}.")
        )
    return "\n".join(lines)


def overview_text(coverage: CoverageReport | None, counts: Mapping[str, int]) -> str:
    """Coverage and the reasons of the rows left out."""
    lines = []
    if coverage is None:
        lines.append(_filled("This influence function scores rows alone: no targets are covered."))
    else:
        lines += coverage_lines(coverage)
    lines.append(f"left out   {sum(counts.values()):,} rows" if counts else "left out   none")
    lines += [f"{number:10,} {KINDS[kind]}" for kind, number in counts.items()]
    return "\n".join(lines)


def coverage_lines(coverage: CoverageReport) -> list[str]:
    """How well the targets are covered: all, by subtask, by cluster, and the worst."""
    whole = coverage.everything
    lines = [
        f"coverage   {_number(whole.mean_best)} of {_number(whole.mean_possible)} that the whole "
        f"pool reaches ({_percent(whole.share)})",
        f"           {_percent(whole.reached)} of {whole.n_target:,} targets reach "
        f"{_percent(coverage.reached)} of their best possible value",
    ]
    for title, groups in (("subtask", coverage.subtasks), ("cluster", coverage.clusters)):
        lines += _group_lines(title, groups, coverage)
    if coverage.worst:
        lines.append("covered worst, by the share of the best value in the pool:")
        lines += [_worst_line(line) for line in coverage.worst]
    return lines


def _group_lines(
    title: str, groups: Sequence[GroupCoverage], coverage: CoverageReport
) -> Iterable[str]:
    if not groups:
        return
    ordered = sorted(groups, key=lambda group: (group.share is None, group.share or 0.0))
    yield f"{title:30}targets   chosen  possible   share  reached"
    for group in ordered[:_MOST_GROUPS]:
        example = coverage.examples.get(group.name)
        more = f"  such as {one_line(example, 40)}" if example else ""
        yield (
            f"{one_line(group.name, 28):30}{group.n_target:7,}{group.mean_best:9.3f}"
            f"{group.mean_possible:10.3f}{_percent(group.share):>8}{_percent(group.reached):>9}{more}"
        )
    if len(ordered) > _MOST_GROUPS:
        yield f"{len(ordered) - _MOST_GROUPS:,} more are covered better (all: --json)."


def _worst_line(line: WorstLine) -> str:
    by = "" if line.best_row_id is None else f" by {line.best_row_id}"
    return (
        f"{_percent(line.share):>8}  {_number(line.best)} of {_number(line.possible)}{by}  "
        f"target {line.target_id}: {one_line(line.prompt, 50)}"
    )


def _record(workspace: Workspace, selection_id: str) -> SelectionRecord:
    """The selection, or one sentence that helps. Raises: ConfigError."""
    try:
        return workspace.catalog.selection(selection_id)
    except ConfigError as error:
        mine = [one for one in workspace.catalog.selections() if one.run_id == selection_id]
        if not mine:
            raise
        shown = ", ".join(one.id for one in mine[-_MOST_NAMED:])
        raise ConfigError(
            f"{selection_id!r} is a run, not a selection.",
            f"Its selections: {shown}."
            if len(mine) <= _MOST_NAMED
            else f"The last of its {len(mine):,} selections: {shown}.",
        ) from error


def one_line(text: str, length: int = 60) -> str:
    """The beginning of a user's text on one line, nothing in it that a terminal would obey."""
    cleaned = "".join(sign if sign.isprintable() else " " for sign in text[: 4 * length])
    joined = " ".join(cleaned.split())
    cut = len(joined) > length or len(text) > 4 * length
    return f"{joined[: length - 3].rstrip()}..." if cut else joined


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.3g} %"
