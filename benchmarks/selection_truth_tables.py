"""The tables of ``selection_truth.py`` in Markdown, from its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLES = {
    "delift-se": "DELIFT (SE)",
    "delift": "DELIFT",
    "less": "LESS",
    "selectit": "SelectIT",
}
KINDS = {
    "useful_once": "useful",
    "off_target": "off target",
    "off_style": "off style",
    "wrong_value": "other value",
    "other_answer": "another row's answer",
    "wrong_format": "other form",
    "truncated": "truncated",
    "near_duplicate": "near duplicates",
}
"""Counts that the detailed table shows as shares of the chosen rows."""

GROUPS = {
    "target_groups": "groups with a right row",
    "groups_with_any_row": "groups with a row",
    "repeated_groups": "duplicate groups twice",
}
"""Counts that it shows as they are."""

WANTED_USEFUL, WANTED_OFF_TARGET = 1.5, 0.5


def markdown(result: Mapping[str, Any]) -> list[str]:
    """All tables, line by line."""
    return [
        *_overview(result),
        "",
        *_details(result),
        "",
        *_wanted(result),
        "",
        *_duplicates(result),
    ]


def _overview(result: Mapping[str, Any]) -> list[str]:
    """Every objective: useful and off-target rows as multiples of random's, houses covered."""
    budgets = result["budgets"]
    head = ["influence", "objective"]
    for budget in budgets:
        share = f"{budget / result['pool']['rows']:.0%}".replace("%", " %")
        head += [f"useful, {share}", f"off target, {share}", f"groups, {share}"]
    rows = [_line(head), "|" + "---|" * len(head)]
    cells = ["random", ""]
    for budget in budgets:
        random = result["random"][str(budget)]["mean"]
        cells += ["1.00", "1.00", _count(random["target_groups"])]
    rows.append(_line(cells))
    for entry in result["entries"]:
        by_name = _by_objective(entry, "near")
        for name, by_budget in by_name.items():
            mark = "**" if name == entry["default_objective"] else ""
            cells = [f"{TITLES[entry['method']]}, {entry['influence']}", f"{mark}{name}{mark}"]
            for budget in budgets:
                line = by_budget[budget]
                of = line["of_random"]
                cells += [f"{of['useful_once']:.2f}", f"{of['off_target']:.2f}"]
                cells.append(_count(line["target_groups"]))
            rows.append(_line(cells))
    return rows


def _details(result: Mapping[str, Any]) -> list[str]:
    """The default of each function by kind, as shares of the chosen rows."""
    head = ["rows", "chosen by", *KINDS.values(), *GROUPS.values()]
    rows = [_line(head), "|" + "---|" * len(head)]
    rows.append(_line([f"{result['pool']['rows']:,}", "the whole pool", *_shares(result["pool"])]))
    for budget in result["budgets"]:
        random = result["random"][str(budget)]["mean"]
        rows.append(_line([f"{budget}", "random, mean of 5", *_shares(random)]))
        for entry in result["entries"]:
            line = _by_objective(entry, "near")[entry["default_objective"]][budget]
            title = f"{TITLES[entry['method']]}, {entry['influence']}, {line['objective']}"
            rows.append(_line([f"{budget}", title, *_shares(line)]))
    return rows


def _wanted(result: Mapping[str, Any]) -> list[str]:
    """Which of the wanted figures each default reaches with its worst seed."""
    groups = result["target_groups"]
    head = ["influence", "default", "rows", "useful ≥ 1.5", "off target ≤ 0.5", "no group twice"]
    head += ["a row of all groups", "a right row of all groups", "most useful rows by", "these"]
    rows = [_line(head), "|" + "---|" * len(head)]
    for entry in result["entries"]:
        by_name = _by_objective(entry, "near")
        for budget in result["budgets"]:
            line = by_name[entry["default_objective"]][budget]
            seeds, random = line["by_seed"], result["random"][str(budget)]["mean"]
            useful = min(seeds["useful_once"]) / random["useful_once"]
            off_target = max(seeds["off_target"]) / random["off_target"]
            twice = max(seeds["repeated_groups"])
            reached = [min(seeds[name]) for name in ("groups_with_any_row", "target_groups")]
            best = max(by_name, key=lambda name: by_name[name][budget]["useful_once"])
            cells = [f"{TITLES[entry['method']]}, {entry['influence']}", line["objective"]]
            cells += [
                f"{budget}",
                _yes(useful >= WANTED_USEFUL, f"{useful:.2f}"),
                _yes(off_target <= WANTED_OFF_TARGET, f"{off_target:.2f}"),
                _yes(twice == 0, f"{twice}"),
                *(_yes(count >= groups, f"{count} of {groups}") for count in reached),
                best,
                f"{by_name[best][budget]['of_random']['useful_once']:.2f}",
            ]
            rows.append(_line(cells))
    return rows


def _duplicates(result: Mapping[str, Any]) -> list[str]:
    """The defaults with duplicates kept beside those with duplicates removed."""
    head = ["influence", "rows", "useful, removed", "useful, kept", "groups twice, removed"]
    head.append("groups twice, kept")
    rows = [_line(head), "|" + "---|" * len(head)]
    for entry in result["entries"]:
        name = entry["default_objective"]
        for budget in result["budgets"]:
            without, kept = (_by_objective(entry, how)[name][budget] for how in ("near", "keep"))
            cells = [f"{TITLES[entry['method']]}, {entry['influence']}", f"{budget}"]
            cells += [f"{line['of_random']['useful_once']:.2f}" for line in (without, kept)]
            cells += [_count(line["repeated_groups"]) for line in (without, kept)]
            rows.append(_line(cells))
    return rows


def _by_objective(entry: Mapping[str, Any], duplicates: str) -> dict[str, dict[int, Any]]:
    found: dict[str, dict[int, Any]] = {}
    for line in entry["lines"]:
        if line["duplicates"] == duplicates:
            found.setdefault(line["objective"], {})[int(line["budget"])] = line
    return found


def _shares(line: Mapping[str, Any]) -> list[str]:
    cells = [f"{100 * line[name] / line['rows']:.1f} %" for name in KINDS]
    return [*cells, *(_count(line[name]) for name in GROUPS)]


def _count(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _yes(reached: bool, text: str) -> str:
    return text if reached else f"no: {text}"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
