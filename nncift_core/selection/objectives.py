"""The objectives by name, with the matrices each reads and whom it serves. Imports none of them."""

from __future__ import annotations

from dataclasses import dataclass

from nncift_core.registry import Entry, Registry

_FACILITY_LOCATION = "nncift_core.selection.facility_location"
_DELIFT = "Agarwal et al., DELIFT, ICLR 2025"
_MUTUAL_INFORMATION = "Iyer et al., Submodular combinatorial information measures, ALT 2021"


@dataclass(frozen=True)
class ObjectiveEntry(Entry):
    """An objective, with what pages need to know of it."""

    rounds: bool = True
    """Whether picks share coverage, so that gains shrink and rounds begin; otherwise every row
    has a score of its own."""


OBJECTIVES = Registry(
    "objective",
    ObjectiveEntry(
        "fl",
        f"{_FACILITY_LOCATION}:FacilityLocationTarget",
        "FL (target)",
        "General, towards a target set: every target row is covered by its best chosen row.",
        _DELIFT,
        frozenset({"target-matrix"}),
    ),
    ObjectiveEntry(
        "fl-pool",
        f"{_FACILITY_LOCATION}:FacilityLocationPool",
        "FL (pool)",
        "General, the pool itself: every pool row is covered by its best chosen row.",
        _DELIFT,
        frozenset({"pool-matrix"}),
    ),
    ObjectiveEntry(
        "flmi",
        f"{_FACILITY_LOCATION}:MutualInformation",
        "FLMI",
        "Fit a target task: covers pool rows, each only as far as it helps the targets.",
        _MUTUAL_INFORMATION,
        frozenset({"target-matrix", "pool-matrix"}),
    ),
    ObjectiveEntry(
        "flmi-query",
        f"{_FACILITY_LOCATION}:MutualInformationQuery",
        "FLMI, query variant",
        "Fit a target task without a pool matrix: covers the targets and favours rows that help "
        "some target much.",
        _MUTUAL_INFORMATION,
        frozenset({"target-matrix"}),
    ),
    ObjectiveEntry(
        "flcg",
        f"{_FACILITY_LOCATION}:ConditionalGain",
        "FLCG",
        "Continual learning: covers what the existing rows do not cover yet.",
        _MUTUAL_INFORMATION,
        frozenset({"pool-matrix", "existing-matrix"}),
    ),
    ObjectiveEntry(
        "coverage",
        "nncift_core.selection.saturated_coverage:SaturatedCoverage",
        "Saturated coverage",
        "General, many picks per target: each further pick for a target counts less.",
        "Lin and Bilmes, A class of submodular functions for document summarization, ACL 2011",
        frozenset({"target-matrix"}),
    ),
    ObjectiveEntry(
        "topk",
        "nncift_core.selection.modular:TopK",
        "Top-k",
        "SelectIT and LESS: the rows of the highest score.",
        "Xia et al., LESS, ICML 2024; Liu et al., SelectIT, NeurIPS 2024",
        frozenset({"row-scores"}),
        rounds=False,
    ),
    ObjectiveEntry(
        "round-robin",
        "nncift_core.selection.modular:RoundRobin",
        "Round robin",
        "Several subtasks or target rows: each takes its best remaining row, in turn.",
        "",
        frozenset({"target-matrix"}),
        rounds=False,
    ),
)
