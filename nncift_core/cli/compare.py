"""``nncift compare``: two to four stored selections side by side.

Knows how to show a comparison, nothing of how it is made.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from nncift_core.cli.output import show
from nncift_core.cli.parsing import Once, add_workspace
from nncift_core.cli.terminal import TerminalProgress
from nncift_core.store import Workspace

WIDTH = 95


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "compare", help="compare two to four selections: overlap, order, coverage, diversity"
    )
    parser.add_argument(
        "selections", metavar="SELECTION", nargs="+", help="selection ids of one project"
    )
    parser.add_argument(
        "--by",
        action=Once,
        metavar="RUN",
        help="run whose influence measures coverage (default: an exact run of the project, "
        "else the run of the first selection)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object to standard output"
    )
    add_workspace(parser)


def compare(options: argparse.Namespace) -> None:
    """``nncift compare``."""
    # Late, since it brings torch in: help and refusals need none.
    from nncift_core.pipeline import comparing

    workspace = Workspace.open(options.workspace)
    progress = TerminalProgress()
    try:
        found = comparing.compare(workspace, options.selections, by=options.by, progress=progress)
    finally:
        progress.close()
    show(json.dumps(found, ensure_ascii=False, allow_nan=False) if options.json else words(found))


def words(found: Mapping[str, Any]) -> str:
    """A comparison for people."""
    from nncift_core.pipeline import comparison_words

    lines = []
    for one in found["selections"]:
        method = "exact" if one["exact"] else f"u = {one['label_fraction']}"
        lines.append(
            f"{one['letter']}  {one['id']}  {one['name']}: {one['method']}, {method}, "
            f"{one['objective']}, seed {one['seed']}, {one['rows']:,} rows"
        )
    lines.append("")
    for sentence in comparison_words.headline(found):
        lines += textwrap.wrap(sentence, WIDTH)
    lines += ["", *_pairs(found), "", *_each(found)]
    if found["planted"]:
        lines += ["", *_planted(found["planted"], comparison_words.letters(found))]
    for note in found["notes"]:
        lines += ["", *textwrap.wrap(note, WIDTH)]
    return "\n".join(lines)


def _pairs(found: Mapping[str, Any]) -> list[str]:
    """Overlap and order of each two selections."""
    overlap, names = found["overlap"], [one["letter"] for one in found["selections"]]
    lines = ["pair     shared   chance  Jaccard  Spearman  Kendall  mean overlap by depth (chance)"]
    for one in found["agreement"]:
        a, b = one["pair"]
        lines.append(
            f"{names[a]} {names[b]} {overlap['shared'][a][b]:11,} {overlap['chance'][a][b]:8,.0f} "
            f"{_number(overlap['jaccard'][a][b], 8)} {_number(one['spearman'], 9)} "
            f"{_number(one['kendall'], 8)} {_number(one['average_overlap'], 13)} "
            f"({_number(one['average_overlap_chance'], 5)})"
        )
    return lines


def _each(found: Mapping[str, Any]) -> list[str]:
    """One column for each selection."""
    names = [one["letter"] for one in found["selections"]]
    rows: list[tuple[str, Sequence[str]]] = []
    coverage, diversity = found["coverage"], found["diversity"]
    if coverage is not None:
        each = coverage["selections"]
        rows += [
            ("coverage, share of the pool's", [_number(one["share"]) for one in each]),
            ("  random rows", [_number(one["random_share"]) for one in each]),
            ("  share of the gap closed", [_number(one["gap_closed"]) for one in each]),
        ]
    if diversity is not None:
        each = diversity["selections"]
        rows += [
            ("nearest row, cosine distance", [_number(one["nearest"]) for one in each]),
            ("  random rows", [_number(one["nearest_random"]) for one in each]),
            ("NovelSum", [_number(one["novelsum"]) for one in each]),
            ("  random rows", [_number(one["novelsum_random"]) for one in each]),
        ]
    for part, content in found["lengths"].items():
        name = "tokens of a row" if part == "tokens" else f"{part}, {content['unit']}"
        rows.append(
            (
                f"{name}, median (pool {content['pool']['median']:,.0f})",
                [f"{one['median']:,.0f}" for one in content["selections"]],
            )
        )
        if part == "tokens":
            totals = [f"{one['total']:,}" for one in content["selections"]]
            rows.append(("tokens of all rows", totals))
    for field, content in found["composition"].items():
        each = content["selections"]
        rows.append(
            (
                f"{field}s reached of {content['families']:,}",
                [f"{one['families']:,}" for one in each],
            )
        )
        rows.append(("  distance from the pool", [_number(one["distance"]) for one in each]))
        rows.append(("  random rows", [_number(one["distance_random"]) for one in each]))
    rows.append(("rows in no other", [f"{one['rows']:,}" for one in found["only"]]))
    for kind, name in (("exact", "equal"), ("near", "equal or nearly equal")):
        surplus = [f"{one[kind]['surplus']:,}" for one in found["duplicates"]]
        rows.append((f"rows {name} to another one", surplus))
    return _columns(rows, names)


def _planted(planted: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """What the selections keep of what is planted in the demo."""
    from nncift_core.datasets.demo_kinds import KINDS

    each = [planted["pool"], *planted["selections"]]
    rows = [
        (kind.title, [f"{100 * one['shares'][name]:.1f} %" for one in each])
        for name, kind in KINDS.items()
    ]
    rows.append(("groups of duplicates kept twice", [f"{one['repeated_groups']}" for one in each]))
    rows.append(
        (
            f"target groups with a right row, of {each[0]['of_target_groups']}",
            [f"{one['target_groups']}" for one in each],
        )
    )
    return ["planted in the demo", *_columns(rows, ["pool", *names])]


def _columns(rows: Sequence[tuple[str, Sequence[str]]], names: Sequence[str]) -> list[str]:
    width = max(len(title) for title, _ in rows)
    lines = [" " * width + "".join(f"{name:>10}" for name in names)]
    lines += [
        f"{title:{width}}" + "".join(f"{value:>10}" for value in values) for title, values in rows
    ]
    return lines


def _number(value: float | None, width: int = 0) -> str:
    return f"{value:{width}.3f}" if value is not None else f"{'-':>{width}}"
