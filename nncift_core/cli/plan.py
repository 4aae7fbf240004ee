"""``nncift plan``: how much to label for a wanted accuracy or a time budget.

Knows options and how to show a plan, nothing of how it is made.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
from collections.abc import Mapping
from typing import Any

from nncift_core import pipeline
from nncift_core.cli.given import given_run
from nncift_core.cli.output import say, show
from nncift_core.cli.parsing import Once, add_data, add_workspace
from nncift_core.cli.settings import SETTINGS, add_settings, chosen_method
from nncift_core.cli.terminal import TerminalProgress, duration
from nncift_core.errors import ConfigError
from nncift_core.studies.plan_costs import PILOT_SECONDS
from nncift_core.studies.planner import UNNEEDED, Goal

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    plan = commands.add_parser(
        "plan", help="propose how much to label, for a wanted accuracy or a time budget"
    )
    add_data(plan)
    add_settings(plan, Once)
    goal = plan.add_argument_group("goal, one of the two")
    goal.add_argument(
        "--time", action=Once, metavar="TIME", help="time that the run may take: 90s, 30m, 2h"
    )
    goal.add_argument(
        "--accuracy",
        action=Once,
        type=float,
        metavar="R2",
        help="wanted R2 over unlabelled pairs: 0 is predicting the mean, 1 is exact",
    )
    out = plan.add_argument_group("measuring")
    out.add_argument(
        "--pilot-seconds",
        action=Once,
        type=float,
        default=PILOT_SECONDS,
        metavar="N",
        help="about how long to label where no labels exist (default: %(default)g)",
    )
    out.add_argument("--json", action="store_true", help="print one JSON object to standard output")
    add_workspace(out)


def plan(options: argparse.Namespace) -> None:
    """``nncift plan``."""
    goal = Goal(options.accuracy, None if options.time is None else read_time(options.time))
    if not 0 < options.pilot_seconds < math.inf:
        raise ConfigError(
            f"A pilot of {options.pilot_seconds:g} seconds measures nothing.", "Try 60."
        )
    for name in ("label_fraction", "exact"):
        if getattr(options, name) is not None:
            raise ConfigError(
                f"A plan proposes --{name.replace('_', '-')}.", "Leave it out, or use nncift run."
            )
    method = chosen_method(options)
    if "language-model" not in method.needs:
        sentence = UNNEEDED.format(title=method.title)
        command = run_line(options, exact=True)
        known = {"method": method.name, "needed": False, "verdict": "exact", "sentence": sentence}
        show(json.dumps({**known, "command": command}) if options.json else sentence)
        return
    given = given_run(options)
    folder = pipeline.create_plan(
        given.workspace, given.spec, goal, pilot_seconds=options.pilot_seconds
    )
    progress = TerminalProgress()
    try:
        result = dict(pipeline.work(folder, echo=progress))
    finally:
        progress.close()
    say("What was labelled is kept: a later plan with the same data and settings goes on from it.")
    proposal = result["proposal"]
    result["command"] = None
    if proposal is not None:
        result["command"] = run_line(options, fraction=proposal["fraction"])
    elif result["verdict"] == "exact":
        result["command"] = run_line(options, exact=True)
    show(json.dumps(result, allow_nan=False) if options.json else plan_text(result))


def read_time(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``30m``, ``1.5h`` or ``2d``. Raises: ConfigError."""
    stripped = text.strip().lower()
    digits = stripped.rstrip("smindh")
    factor = _UNITS.get(stripped[len(digits) :])
    try:
        value = float(digits)
    except ValueError:
        value = math.nan
    if factor is None or not 0 < value < math.inf:
        raise ConfigError(
            f"The time {text[:40]!r} is not a time.", "Write it as 90s, 30m, 1.5h or 2d."
        )
    return value * factor


def run_line(
    options: argparse.Namespace, *, fraction: float | None = None, exact: bool = False
) -> str:
    """The ``nncift run`` that does what a plan proposes, as one line for a shell."""
    parts = ["nncift", "run"]
    for name in ("train", "target", "existing", "map", "subtask_column"):
        value = getattr(options, name)
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                parts += [f"--{name.replace('_', '-')}", str(item)]
    for setting in SETTINGS:
        value = getattr(options, setting.name)
        if value is True:
            parts.append(setting.option)
        elif value is not None:
            parts += [setting.option, str(value)]
    parts += ["--exact"] if exact else ["--label-fraction", f"{fraction:g}"]
    parts += ["--workspace", str(options.workspace), "--output", "subset.jsonl"]
    return shlex.join(parts)


def plan_text(result: Mapping[str, Any]) -> str:
    """The plan for people: the sentence, warnings, other fractions, the curve, the command."""
    lines = [result["sentence"]]
    lines += [f"Warning: {warning}" for warning in result["warnings"]]
    curve, labels, rates = result["curve"], result["labels"], result["rates"]
    source = "a pilot" if labels["source"] == "pilot" else labels["source"]
    lines += ["", f"labels       {labels['count']:,} of {source}"]
    if rates is not None:
        lines.append(
            f"rate         {rates['rate']:,.3g} {result['unit']}/s "
            f"({rates['low']:,.3g} to {rates['high']:,.3g}), {rates['source']}"
        )
    lines.append(f"estimator    {result['estimator']}, labels by {result['design']}")
    lines += ["", "learned from    R2 of rows kept out"]
    lines += [f"{point['labels']:12,}    {point['r2']:.3f}" for point in curve["points"]]
    lines += ["", f"fraction {result['unit']:>12} {'time':>8}  expected R2 (95 % interval)"]
    for option in [*result["options"], result["exact"]]:
        lines.append(_option_line(option, result["proposal"]))
    if result["command"]:
        lines += ["", result["command"]]
    return "\n".join(lines)


def _option_line(option: Mapping[str, Any], proposal: Mapping[str, Any] | None) -> str:
    whole = option["r2"] is None
    name = "exact" if whole else f"{option['fraction']:g}"
    line = f"{name:8} {option['units']:12,} {duration(option['seconds']):>8}  "
    if whole:
        return line + "no error"
    low, high = option["r2_ci"]
    line += f"{option['r2']:.2f} ({low:.2f} to {high:.2f})"
    if option["far"]:
        line += ", a guess"
    chosen = proposal is not None and option["fraction"] == proposal["fraction"]
    return f"{line}  <- proposed" if chosen else line
