"""What a subset is for, and the objective that follows from it. Knows names, imports no objective.

A curator says the use case; objective and matrices follow, and an objective that is named wins.
"""

from __future__ import annotations

from dataclasses import dataclass

from nncift_core.errors import ConfigError
from nncift_core.influence import MethodEntry
from nncift_core.registry import Entry, Registry
from nncift_core.selection.objectives import OBJECTIVES

METHOD, GENERAL = "method", "general"


@dataclass(frozen=True)
class UseCase(Entry):
    """What a subset is for."""

    objective: str = ""
    """The objective that it means; empty for the method's own default."""


def _use_case(name: str, title: str, summary: str, objective: str = "") -> UseCase:
    needs = OBJECTIVES[objective].needs if objective else frozenset()
    return UseCase(
        name,
        f"{__name__}:objective_for",
        title,
        summary,
        OBJECTIVES[objective].citation if objective else "",
        needs,
        objective,
    )


USE_CASES = Registry(
    "use case",
    _use_case(METHOD, "As published", "What the method's own paper chooses by."),
    _use_case(GENERAL, "General", "Serves the whole target set: every target row is covered by its "
              "best chosen row. Methods that score single rows keep the best of them.", "fl"),
    _use_case("target", "Fit a target task", "Covers the targets, and favours rows that help some "
              "target much.", "flmi-query"),
    _use_case("continual", "Continual learning", "Covers what rows that the model was already "
              "tuned on do not cover yet.", "flcg"),
    _use_case("subtasks", "Several subtasks", "Each subtask, or each target row where there are "
              "none, takes its best remaining row in turn.", "round-robin"),
)  # fmt: skip
"""The use cases by name."""


def objective_for(use_case: str, method: MethodEntry, named: str = "") -> str:
    """The objective of a use case for an influence function.

    Args:
        use_case: A name of ``USE_CASES``.
        method: The influence function.
        named: An objective that is named, which wins; empty where none is.

    Raises:
        ConfigError: There is no such use case or objective, or the method scores single rows,
            which serve the whole target set at best.
    """
    entry = USE_CASES[use_case]
    if named and OBJECTIVES[named].needs - {"row-scores"} and "pairwise" not in method.needs:
        raise ConfigError(
            f"Objective {named!r} compares pairs, but {method.name!r} scores single rows.",
            "Use --objective topk.",
        )
    if entry.objective and method.pointwise and use_case != GENERAL:
        raise ConfigError(
            f"Use case {use_case!r} compares rows with targets, but {method.name!r} scores single "
            "rows.",
            f"Use --use-case {GENERAL}, or another method.",
        )
    meant = "" if method.pointwise else entry.objective
    return named or meant or method.default_objective


def check_use_case(use_case: str, objective: str, *, existing: bool) -> None:
    """Refuse a use case without what it is about.

    Args:
        use_case: Its name.
        objective: The objective that is used, named or following from it.
        existing: Whether there is an existing set.

    Raises:
        ConfigError: Continual learning without rows to continue from.
    """
    needs = USE_CASES[use_case].needs & OBJECTIVES[objective].needs
    if "existing-matrix" in needs and not existing:
        raise ConfigError(
            f"Use case {use_case!r} needs the rows that the model was already tuned on.",
            "Give them with --existing FILE.",
        )
