"""How many labels a run will ask for, counted without drawing them.

A page asks again at every move of a slider. Drawing the plan of spread labels takes a second for a
pool of 250,000 rows and a minute for a large share of it, and the numbers follow from the sizes
alone. Knows sizes, no rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from nncift_core.config import RunConfig
from nncift_core.influence import METHODS
from nncift_core.influence.designs import design_of
from nncift_core.pipeline.planning import (
    check_labelling,
    label_plan,
    labelled_matrices,
    planned_units,
    second_round_pairs,
    usual_cost,
)

SPREAD = "spread"


@dataclass(frozen=True)
class LabelCounts:
    """What a run labels, its second round included.

    Attributes:
        training: Pairs that are trained on, rows for a pointwise method.
        evaluation: Pairs that only measure, likewise.
        units: What labelling them costs, in the method's unit.
    """

    training: int
    evaluation: int
    units: int


def count_labels(
    config: RunConfig, n_train: int, n_target: int, n_existing: int = 0
) -> LabelCounts:
    """As many as ``label_plan`` and ``second_round_pairs`` give.

    Args:
        config: The run's settings, its objective filled in.
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        n_existing: Rows of the existing set.

    Raises:
        ConfigError: As ``label_plan``.
    """
    if design_of(config.design, METHODS[config.method]) != SPREAD:
        plan = label_plan(config, n_train, n_target, n_existing)
        more = second_round_pairs(config, n_train, n_target)
        units = planned_units(config, plan, n_train) + more
        return LabelCounts(plan.training_pairs + more, plan.evaluation_pairs, units)
    check_labelling(config)
    training, evaluation = _spread(config, n_train, n_target)
    if set(labelled_matrices(config)) != {"target"}:
        # Blocks of further matrices are drawn fast.
        block = replace(config, design="block", second_round=0.0)
        others = [
            one
            for one in label_plan(block, n_train, n_target, n_existing).blocks
            if one.matrix != "target"
        ]
        training += sum(one.n_pairs for one in others if one.role == "q1")
        evaluation += sum(one.n_pairs for one in others if one.role != "q1")
    return LabelCounts(training, evaluation, training + evaluation)


def _spread(config: RunConfig, n_train: int, n_target: int) -> tuple[int, int]:
    """Pairs of X to train on and to measure with, both rounds."""
    from nncift_core.influence.label_plan import (
        RESERVED_HELPED,
        RESERVED_HELPERS,
        RESERVED_PAIRS,
        check_training_pairs,
        side_sizes,
    )
    from nncift_core.influence.spread import MEASURED_TARGETS, spread_shape

    costs = usual_cost(config)
    first = config.label_fraction * math.sqrt(1.0 - config.second_round)
    check_training_pairs(n_train, n_target, first)
    rows, targets = spread_shape(n_train, n_target, first, costs)
    block_rows, kept_rows = side_sizes(n_train, first, RESERVED_HELPERS)
    block_targets, kept_targets = side_sizes(n_target, first, RESERVED_HELPED)
    # Targets are dealt from a whole deck before one comes a second time.
    labelled_targets = min(n_target - kept_targets, rows * targets)
    evaluation = kept_rows * kept_targets
    if kept_rows:
        partners = min(labelled_targets, block_targets, RESERVED_PAIRS // kept_rows)
        evaluation += kept_rows * partners
    if kept_targets:
        evaluation += kept_targets * min(rows, block_rows, RESERVED_PAIRS // kept_targets)
    others = min(MEASURED_TARGETS, labelled_targets - targets)
    if others > 0:
        evaluation += min(rows, kept_rows, RESERVED_PAIRS // others) * others
    if not config.second_round:
        return rows * targets, evaluation
    whole = spread_shape(n_train, n_target, config.label_fraction, costs)
    left = whole[0] * (costs.ratio + whole[1]) - rows * (costs.ratio + targets)
    more = min(left / (costs.ratio + targets), (whole[0] * whole[1] - rows * targets) / targets)
    return rows * targets + max(0, int(more + 1e-9)) * targets, evaluation
