"""What a run labels: its design, its cost, a second round, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError
from nncift_core.influence.second_round import second_round_width
from nncift_core.pipeline.planning import (
    Clusters,
    PairCost,
    full_units,
    label_plan,
    pair_cost,
    planned_units,
    second_round_pairs,
)
from nncift_core.types import Row

DELIFT = RunConfig(method="delift", objective="fl", label_fraction=0.1)
POOL = [Row(f"{i}-0", "p" * 60, "r" * 60) for i in range(4)]
TARGET = [Row(f"{i}-0", "p" * 20, "r" * 20) for i in range(3)]


def test_each_method_has_its_design() -> None:
    spread = label_plan(DELIFT, 400, 120).block("q1")
    assert spread is not None and spread.columns is not None
    block = label_plan(replace(DELIFT, design="block"), 400, 120).block("q1")
    assert block is not None and block.columns is None
    less = label_plan(replace(DELIFT, method="less", objective="topk"), 400, 120).block("q1")
    assert less is not None and less.columns is None
    rows = label_plan(replace(DELIFT, method="selectit", objective="topk"), 400, 120)
    assert [block.role for block in rows.blocks] == ["q1", "q4"]
    for method in ("less", "selectit"):
        with pytest.raises(ConfigError):
            label_plan(replace(DELIFT, method=method, objective="topk", design="spread"), 400, 120)


def test_costs_come_from_the_texts_where_there_is_a_model() -> None:
    assert pair_cost(DELIFT, POOL, TARGET) == PairCost(3.0)
    assert pair_cost(replace(DELIFT, method="delift-se"), POOL, TARGET) == PairCost(0.0)
    assert pair_cost(DELIFT, POOL, []) == PairCost(1.0)
    usual = label_plan(DELIFT, 400, 120).block("q1")
    dear = label_plan(DELIFT, 400, 120, costs=PairCost(3.0)).block("q1")
    free = label_plan(replace(DELIFT, method="delift-se"), 400, 120).block("q1")
    assert usual is not None and dear is not None and free is not None
    # A longer prefix is shared by more targets.
    assert free.targets_of_each < usual.targets_of_each < dear.targets_of_each


def test_units_are_those_of_the_wanted_pairs() -> None:
    plan = label_plan(DELIFT, 400, 120)
    assert planned_units(DELIFT, plan, 400) == sum(block.n_pairs for block in plan.blocks)
    assert planned_units(DELIFT, plan, 400) < full_units(DELIFT, 400, 120) == 48_000


def test_clusters_change_the_rows_and_not_their_number() -> None:
    clusters = Clusters(np.arange(400) % 9, np.arange(120) % 4)
    for config in (DELIFT, replace(DELIFT, method="selectit", objective="topk")):
        plain, drawn = label_plan(config, 400, 120), label_plan(config, 400, 120, clusters=clusters)
        assert [b.n_pairs for b in plain.blocks] == [b.n_pairs for b in drawn.blocks]
        assert plain.blocks[0].helpers.tolist() != drawn.blocks[0].helpers.tolist()


@pytest.mark.parametrize("design", ["block", "spread"])
@pytest.mark.parametrize("method", ["delift", "delift-se"])
@pytest.mark.parametrize("ratio", [0.0, 1.0, 6.0])
def test_a_second_round_costs_what_the_first_left(method: str, design: str, ratio: float) -> None:
    config = replace(DELIFT, method=method, design=design, second_round=0.4)
    costs = PairCost(ratio)
    first = label_plan(config, 900, 300, costs=costs).block("q1")
    whole = label_plan(replace(config, second_round=0.0), 900, 300, costs=costs).block("q1")
    assert first is not None and whole is not None
    more = second_round_pairs(config, 900, 300, costs=costs)
    width = second_round_width(first)
    assert more > 0 and more % width == 0
    assert first.n_pairs + more <= whole.n_pairs
    assert first.cost(ratio) + more // width * (ratio + width) <= whole.cost(ratio) + 1e-9
    assert second_round_pairs(replace(config, second_round=0.0), 900, 300) == 0


@pytest.mark.parametrize("method", ["less", "selectit"])
def test_a_second_round_is_refused_where_labels_cost_by_the_row(method: str) -> None:
    config = replace(DELIFT, method=method, objective="topk", second_round=0.2)
    with pytest.raises(ConfigError, match="labels cost by the row"):
        label_plan(config, 400, 120)
