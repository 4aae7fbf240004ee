"""The objectives by name, with the matrices each reads and whom it serves. Imports none of them."""

from __future__ import annotations

from dataclasses import dataclass

from nncift_core.registry import Entry, Registry

_FORMULAS = "nncift_core.selection.formulas"
_DELIFT = "Agarwal et al., DELIFT, ICLR 2025"
_MUTUAL_INFORMATION = "Iyer et al., Submodular combinatorial information measures, ALT 2021"


@dataclass(frozen=True)
class Settings:
    """The numbers of the formulas.

    Attributes:
        eta: η of FLMI: how far a pool row is covered for the targets' sake.
        nu: ν of FLCG: how much of what existing rows cover is taken as covered.
        quality_weight: Weight of a row's own quality in ``mix``, 0 to 1.
    """

    eta: float = 1.0
    nu: float = 1.0
    quality_weight: float = 0.5


@dataclass(frozen=True)
class ObjectiveEntry(Entry):
    """An objective, with what pages need to know of it."""

    rounds: bool = True
    """Whether picks share coverage, so that gains shrink and rounds begin.

    ``load`` then gives a function ``(matrices, settings) -> ColumnCoverage``. Otherwise every row
    has a score of its own, and ``load`` gives a function like ``modular.top_k``.
    """


OBJECTIVES = Registry(
    "objective",
    ObjectiveEntry(
        "fl",
        f"{_FORMULAS}:target",
        "FL (target)",
        "General, towards a target set: every target row is covered by its best chosen row.",
        _DELIFT,
        frozenset({"target-matrix"}),
    ),
    ObjectiveEntry(
        "fl-pool",
        f"{_FORMULAS}:pool",
        "FL (pool)",
        "General, the pool itself: every pool row is covered by its best chosen row.",
        _DELIFT,
        frozenset({"pool-matrix"}),
    ),
    ObjectiveEntry(
        "flmi",
        f"{_FORMULAS}:mutual_information",
        "FLMI",
        "Fit a target task: covers pool rows, each only as far as it helps the targets.",
        _MUTUAL_INFORMATION,
        frozenset({"target-matrix", "pool-matrix"}),
    ),
    ObjectiveEntry(
        "flmi-query",
        f"{_FORMULAS}:mutual_information_query",
        "FLMI, query variant",
        "Fit a target task without a pool matrix: covers the targets and favours rows that help "
        "some target much.",
        _MUTUAL_INFORMATION,
        frozenset({"target-matrix"}),
    ),
    ObjectiveEntry(
        "flcg",
        f"{_FORMULAS}:conditional_gain",
        "FLCG",
        "Continual learning: covers what the existing rows do not cover yet.",
        _MUTUAL_INFORMATION,
        frozenset({"pool-matrix", "existing-matrix"}),
    ),
    ObjectiveEntry(
        "coverage",
        f"{_FORMULAS}:saturated",
        "Saturated coverage",
        "General, many picks per target: each further pick for a target counts less.",
        "Lin and Bilmes, A class of submodular functions for document summarization, ACL 2011",
        frozenset({"target-matrix"}),
    ),
    ObjectiveEntry(
        "mix",
        f"{_FORMULAS}:mix",
        "Quality and coverage",
        "General: covers the target rows and prefers rows of high quality, as weighted.",
        "",
        frozenset({"target-matrix", "row-scores"}),
    ),
    ObjectiveEntry(
        "topk",
        "nncift_core.selection.modular:top_k",
        "Top-k",
        "SelectIT and LESS: the rows of the highest score.",
        "Xia et al., LESS, ICML 2024; Liu et al., SelectIT, NeurIPS 2024",
        frozenset({"row-scores"}),
        rounds=False,
    ),
    ObjectiveEntry(
        "round-robin",
        "nncift_core.selection.modular:round_robin",
        "Round robin",
        "Several subtasks or target rows: each takes its best remaining row, in turn.",
        "",
        frozenset({"target-matrix"}),
        rounds=False,
    ),
)
