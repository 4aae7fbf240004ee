"""What was tried to predict with, and which of it was used, in words and as a table.

Knows the stored list of candidates, nothing of how they were fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nncift_core.network import NETWORKS, RIVALS
from pages._ui.format import count, number

LEAST_ERROR = 1e-6
"""Squared errors below this are rounding, on the scale of the labels."""

Candidates = Sequence[Mapping[str, Any]]


def title_of(name: str) -> str:
    """An estimator's title, or its name where it is not registered (any more)."""
    for registry in (NETWORKS, RIVALS):
        if name in registry.names:
            return registry[name].title
    return name


def picked_words(candidates: Candidates) -> str:
    """Which estimator was used and why; empty where that was not recorded."""
    ordered = _ordered(candidates)
    if not ordered:
        return ""
    if len(ordered) == 1:
        error = ordered[0].get("validation_mse")
        kept = "" if error is None else f", squared error on held-out labels {number(error)}"
        return f"Estimated with {title_of(ordered[0]['name'])}, as the settings ask{kept}."
    return f"Picked by error on held-out labels: {_errors(ordered)}."


def tried_words(candidates: Candidates) -> str:
    """What was tried so far, while it goes on; empty before the first one is done."""
    ordered = _ordered(candidates)
    return f"Error on held-out labels so far: {_errors(ordered)}." if ordered else ""


def rival_words(candidates: Candidates) -> str:
    """A sentence where something that is no network was used."""
    used = next((c for c in candidates if c.get("chosen")), None)
    if used is None or used["name"] not in RIVALS.names:
        return ""
    name = title_of(used["name"])
    if len(candidates) == 1:
        return f"{name} is no network."
    return (
        f"{name} is no network, and no network predicted the held-out labels better. "
        "So it makes the estimates of this run."
    )


def _kind(name: str) -> str:
    if name in RIVALS:
        return "rival, no network"
    solved = name in NETWORKS and "solved" in NETWORKS[name].needs
    return "solved, no network" if solved else "network"


def candidate_table(candidates: Candidates) -> dict[str, list[Any]]:
    """A line an estimator, the one that was used first, then by error."""
    ordered = _ordered(candidates)
    return {
        "Estimator": [title_of(c["name"]) for c in ordered],
        "Used": ["yes" if c.get("chosen") else "" for c in ordered],
        "Kind": [_kind(c["name"]) for c in ordered],
        "Error on held-out labels": [_error(c.get("validation_mse")) for c in ordered],
        "R²": [number(c.get("validation_r2")) for c in ordered],
        "Seconds": [number(c.get("seconds")) for c in ordered],
        "Parameters": [count(c.get("parameters")) for c in ordered],
        "Multiply-adds a pair": [count(c.get("pair_cost")) for c in ordered],
    }


def _errors(ordered: Candidates) -> str:
    return ", ".join(f"{title_of(c['name'])} {_error(c.get('validation_mse'))}" for c in ordered)


def _ordered(candidates: Candidates) -> list[Mapping[str, Any]]:
    def place(candidate: Mapping[str, Any]) -> tuple[bool, float]:
        error = candidate.get("validation_mse")
        return not candidate.get("chosen"), math.inf if error is None else float(error)

    return sorted(candidates, key=place)


def _error(value: float | None) -> str:
    """A squared error; one that is only rounding is not spelt out."""
    if value is not None and 0 <= value < LEAST_ERROR:
        return f"below {LEAST_ERROR:.6f}"
    return number(value)
