"""Use cases: the objective that follows, the one that is named, and what a use case needs."""

from __future__ import annotations

import pytest

from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from nncift_core.selection.objectives import OBJECTIVES
from nncift_core.selection.use_cases import (
    GENERAL,
    METHOD,
    USE_CASES,
    check_use_case,
    objective_for,
)

PAIRWISE = [entry.name for entry in METHODS if not entry.pointwise]
POINTWISE = [entry.name for entry in METHODS if entry.pointwise]
EXPECTED = {"target": "flmi-query", "continual": "flcg", "subtasks": "round-robin"}


@pytest.mark.parametrize("method", METHODS.names)
def test_as_published_and_general(method: str) -> None:
    """The published choices are a stable default; the general one is what the results favour."""
    published = {"delift": "fl", "delift-se": "fl", "less": "topk", "selectit": "topk"}
    assert objective_for(METHOD, METHODS[method]) == published[method]
    expected = "topk" if METHODS[method].pointwise else "fl"
    assert objective_for(GENERAL, METHODS[method]) == expected


@pytest.mark.parametrize("method", PAIRWISE)
@pytest.mark.parametrize("use_case", EXPECTED)
def test_each_means_an_objective_and_a_named_one_wins(method: str, use_case: str) -> None:
    assert objective_for(use_case, METHODS[method]) == EXPECTED[use_case]
    assert objective_for(use_case, METHODS[method], "coverage") == "coverage"
    assert USE_CASES[use_case].needs == OBJECTIVES[EXPECTED[use_case]].needs


@pytest.mark.parametrize("method", POINTWISE)
def test_single_rows_serve_only_the_general_one(method: str) -> None:
    assert objective_for(GENERAL, METHODS[method], "topk") == "topk"
    for use_case in EXPECTED:
        for named in ("", "topk"):
            with pytest.raises(ConfigError, match="scores single rows") as caught:
                objective_for(use_case, METHODS[method], named)
            assert "--use-case general" in caught.value.hint
    for objective in OBJECTIVES:
        if objective.needs != {"row-scores"}:
            with pytest.raises(ConfigError, match="Use --objective topk"):
                objective_for(GENERAL, METHODS[method], objective.name)


def test_names_that_do_not_exist() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'target'"):
        objective_for("targets", METHODS["delift-se"])
    with pytest.raises(ConfigError, match="Unknown objective 'f1'"):
        objective_for(GENERAL, METHODS["delift-se"], "f1")


def test_continual_needs_rows_to_continue_from() -> None:
    with pytest.raises(ConfigError, match="--existing FILE"):
        check_use_case("continual", "flcg", existing=False)
    check_use_case("continual", "flcg", existing=True)
    # An objective that was named wins, and needs what it needs.
    check_use_case("continual", "fl", existing=False)
    for use_case in (GENERAL, "target", "subtasks"):
        check_use_case(use_case, "flcg", existing=False)
