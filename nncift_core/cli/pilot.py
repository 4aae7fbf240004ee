"""``nncift pilot``: label for a few seconds, and say what the whole labelling would take.

What is labelled is kept, so that a run with the same data and settings goes on from it. Knows how
to show costs, nothing of how they are measured.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from nncift_core import pipeline
from nncift_core.cli.given import given_run
from nncift_core.cli.output import say, show
from nncift_core.cli.settings import chosen_method
from nncift_core.cli.terminal import TerminalProgress, duration
from nncift_core.errors import ConfigError


def pilot(options: argparse.Namespace) -> None:
    """``nncift pilot``."""
    if not 0 < options.seconds < math.inf:
        raise ConfigError(f"A pilot of {options.seconds:g} seconds measures nothing.", "Try 20.")
    method = chosen_method(options)
    if "language-model" not in method.needs:
        raise ConfigError(
            f"Method {method.name!r} asks no language model, so there is no labelling to measure.",
            "Use nncift run.",
        )
    given = given_run(options)
    workspace, spec = given.workspace, given.spec
    roles = pipeline.read_roles(workspace, spec)
    progress = TerminalProgress()
    try:
        measured = pipeline.run_pilot(workspace, spec, progress, seconds=options.seconds)
    finally:
        progress.close()
    cost = pipeline.estimate_cost(
        workspace,
        spec.config,
        len(roles.pool),
        len(roles.target),
        n_existing=len(roles.existing),
    )
    rate = cost.label_rate
    if rate is None and measured.units_done and measured.seconds:
        # All was labelled in less time than a rate that is kept is measured in.
        rate = measured.units_done / measured.seconds
    costs = {
        "unit": cost.unit,
        "rate": rate,
        "label_units": cost.label_units,
        "label_seconds": _seconds(cost.label_seconds, cost.label_units, rate),
        "full_units": cost.full_units,
        "full_seconds": _seconds(cost.full_seconds, cost.full_units, rate),
    }
    say("What was labelled is kept: a run with the same data and settings goes on from it.")
    if options.json:
        show(json.dumps(costs, allow_nan=False))
    else:
        show(cost_table(costs, method.title, measured))


def _seconds(estimated: float | None, units: int, rate: float | None) -> float | None:
    return estimated if estimated is not None or not rate else units / rate


def cost_table(costs: dict[str, Any], title: str, measured: pipeline.Pilot) -> str:
    """The costs for people: this run beside labelling everything, and what is saved."""
    unit, rate = costs["unit"], costs["rate"]
    speed = "not known yet" if rate is None else f"{rate:,.3g} {unit}/s"
    if measured.units_done:
        speed += f", from {measured.units_done:,} {unit} in {duration(measured.seconds)}"
    else:
        speed += ", all was labelled before"
    lines = [
        f"method       {title}",
        f"rate         {speed}",
        f"labelling    {unit:>16} {'time':>10}",
        _line("this run", costs["label_units"], costs["label_seconds"]),
        _line("everything", costs["full_units"], costs["full_seconds"]),
    ]
    if costs["label_units"] >= costs["full_units"]:
        return "\n".join([*lines, "saving       none: this run labels everything"])
    factor = costs["full_units"] / max(1, costs["label_units"])
    saved = f"saving       {factor:,.3g} times fewer {unit}"
    if costs["full_seconds"] is not None and costs["label_seconds"] is not None:
        saved += f", {duration(costs['full_seconds'] - costs['label_seconds'])} less"
    return "\n".join([*lines, saved])


def _line(name: str, units: int, seconds: float | None) -> str:
    time = "-" if seconds is None else duration(seconds)
    return f"{name:12} {units:16,} {time:>10}"
