"""Labels are counted without drawing them: as many as the drawn plan has."""

from __future__ import annotations

import time

import pytest

from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from nncift_core.influence.designs import DESIGNS, design_of
from nncift_core.pipeline.label_counts import LabelCounts, count_labels
from nncift_core.pipeline.planning import label_plan, planned_units, second_round_pairs


def drawn(config: RunConfig, *sizes: int) -> LabelCounts:
    """The slow, obvious way."""
    plan = label_plan(config, *sizes)
    more = second_round_pairs(config, *sizes[:2])
    units = planned_units(config, plan, sizes[0]) + more
    return LabelCounts(plan.training_pairs + more, plan.evaluation_pairs, units)


def outcome(function, *values):
    try:
        return function(*values)
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("sizes", [(30, 9), (120, 60), (200, 17), (500, 3)])
@pytest.mark.parametrize("method", METHODS.names)
def test_as_many_as_are_drawn(method: str, sizes: tuple[int, int]) -> None:
    designs = [name for name in ("auto", *DESIGNS.names) if suits(name, method)]
    objectives = ["topk"] if METHODS[method].pointwise else ["fl", "fl-pool", "flcg"]
    for design in designs:
        for objective in objectives:
            for share in (0.05, 0.2, 0.5, 1.0):
                for second in (0.0, 0.3):
                    config = RunConfig(
                        method=method, design=design, objective=objective,
                        label_fraction=share, second_round=second,
                    )  # fmt: skip
                    expected = outcome(drawn, config, *sizes, 40)
                    assert outcome(count_labels, config, *sizes, 40) == expected, config


def suits(design: str, method: str) -> bool:
    try:
        design_of(design, METHODS[method])
    except ConfigError:
        return False
    return True


def test_a_large_pool_takes_no_time() -> None:
    start = time.perf_counter()
    found = count_labels(
        RunConfig(method="delift", objective="fl", label_fraction=0.5), 250_000, 5_000
    )
    assert time.perf_counter() - start < 0.2
    assert found.training > 100_000_000
