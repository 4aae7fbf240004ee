"""What a run labels and how much that is: matrices, plan, units. Knows counts, no rows.

Costs no import of torch and touches no file, so pages may ask it at every change of a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nncift_core.config import LessConfig, RunConfig
from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from nncift_core.influence.designs import ROWS, design_of
from nncift_core.influence.draws import Clusters
from nncift_core.influence.label_plan import LabelPlan, PairCost, plan_labels, plan_rows
from nncift_core.influence.second_round import second_round_width
from nncift_core.selection import OBJECTIVES
from nncift_core.types import Row

__all__ = [
    "Clusters",
    "PairCost",
    "full_units",
    "label_plan",
    "label_unit",
    "labelled_matrices",
    "needs_model",
    "pair_cost",
    "planned_units",
    "second_round_pairs",
]


def needs_model(config: RunConfig) -> bool:
    """Whether labels cost passes of a language model and are kept in parts."""
    return "language-model" in METHODS[config.method].needs


def labelled_matrices(config: RunConfig) -> tuple[str, ...]:
    """The matrices that a run labels: X, and W or E where its objective reads them.

    Where influence costs no language model, W and E are computed whole when they are needed.
    """
    needs = OBJECTIVES[config.objective].needs if needs_model(config) else frozenset()
    return (
        "target",
        *(["pool"] if "pool-matrix" in needs else []),
        *(["existing"] if "existing-matrix" in needs else []),
    )


def pair_cost(config: RunConfig, pool: Sequence[Row], target: Sequence[Row]) -> PairCost:
    """What a pair of these rows costs, from the lengths of their texts; opens no tokenizer.

    Args:
        config: The run's settings.
        pool: Rows that are shown as prefix.
        target: Rows whose query and response follow.
    """
    if not needs_model(config) or not pool or not target:
        return usual_cost(config)
    return PairCost.of(pool, target)


def usual_cost(config: RunConfig) -> PairCost:
    """What a pair costs where no texts are at hand."""
    return PairCost(1.0 if needs_model(config) else 0.0)


def check_labelling(config: RunConfig) -> str:
    """The design of a run, once what its method has no use for was refused.

    Raises:
        ConfigError: The method has no use for the design, for a second round or for states.
    """
    method = METHODS[config.method]
    design = design_of(config.design, method)
    if config.second_round and (design == ROWS or "gradients" in method.needs):
        raise ConfigError(
            f"A second round labels single pairs, and with {method.title} labels cost by the row.",
            "Set the second round to 0.",
        )
    if config.inputs == "states" and not needs_model(config):
        raise ConfigError(
            f"The inputs are states, and {method.title} has no language model that could read the "
            "rows.",
            "Set the inputs to text or auto, or choose a method with a language model.",
        )
    return design


def label_plan(
    config: RunConfig,
    n_train: int,
    n_target: int,
    n_existing: int = 0,
    *,
    costs: PairCost | None = None,
    clusters: Clusters | None = None,
) -> LabelPlan:
    """What a run labels before a second round, if it has one.

    Args:
        config: The run's settings, its objective filled in.
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        n_existing: Rows of the existing set.
        costs: What a pair costs, see ``pair_cost``; by default what is usual.
        clusters: Rows are drawn in proportion to these; None for plain draws. How many are drawn
            does not depend on them.

    Raises:
        ConfigError: Too little would be trained on, or the method has no use for the design or
            for a second round.
    """
    design = check_labelling(config)
    if design == ROWS:
        return plan_rows(n_train, config.label_fraction, config.seed, clusters=clusters)
    return plan_labels(
        n_train,
        n_target,
        config.label_fraction,
        config.seed,
        matrices=labelled_matrices(config),
        n_existing=n_existing,
        design=design,
        clusters=clusters,
        costs=costs or usual_cost(config),
        second_round=config.second_round,
    )


def second_round_pairs(
    config: RunConfig, n_train: int, n_target: int, *, costs: PairCost | None = None
) -> int:
    """How many pairs of X the second round of a run labels; 0 where it has none.

    Together with the first round they are no more, and cost no more, than what the design has
    without a second one.

    Args:
        config: The run's settings.
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        costs: As for ``label_plan``.

    Raises:
        ConfigError: As ``label_plan``.
    """
    if not config.second_round:
        return 0
    ratio = (costs or usual_cost(config)).ratio
    # The objective only adds other matrices.
    alone = replace(config, objective="fl")
    first, whole = (
        label_plan(some, n_train, n_target, costs=costs).block("q1")
        for some in (alone, replace(alone, second_round=0.0))
    )
    assert first is not None and whole is not None
    width = second_round_width(first)
    left = whole.cost(ratio) - first.cost(ratio)
    rows = min(left / (ratio + width), (whole.n_pairs - first.n_pairs) / width)
    return max(0, int(rows + 1e-9)) * width


def label_unit(config: RunConfig) -> str:
    """What labels of a method are counted in."""
    entry = METHODS[config.method]
    if entry.pointwise:
        return "rows"
    return "gradients" if "gradients" in entry.needs else "pairs"


def full_units(config: RunConfig, n_train: int, n_target: int, n_existing: int = 0) -> int:
    """Units of labelling everything that the objective reads, without NN-CIFT."""
    unit = label_unit(config)
    if unit == "rows":
        return n_train
    # Who helps and who is helped, matrix by matrix.
    sides = {
        "target": (n_train, n_target),
        "pool": (n_train, n_train),
        "existing": (n_existing, n_train),
    }
    wanted = labelled_matrices(config)
    if unit == "pairs":
        return sum(sides[name][0] * sides[name][1] for name in wanted)
    helpers = n_train + (n_existing if "existing" in wanted else 0)
    helped = n_target + (n_train if len(wanted) > 1 else 0)
    return _gradients(config.less, n_train, helpers + helped)


def planned_units(config: RunConfig, plan: LabelPlan, n_train: int) -> int:
    """Units of labelling what a plan holds."""
    unit = label_unit(config)
    if unit != "gradients":
        return plan.training_pairs + plan.evaluation_pairs
    features: set[tuple[str, str, int]] = set()
    for block in plan.blocks:
        helper_rows = "existing" if block.matrix == "existing" else "pool"
        helped_rows = "target" if block.matrix == "target" else "pool"
        features |= {("helper", helper_rows, int(i)) for i in np.unique(block.helpers)}
        features |= {("helped", helped_rows, int(j)) for j in np.unique(block.helped)}
    return _gradients(config.less, n_train, len(features))


def _gradients(less: LessConfig, n_train: int, features: int) -> int:
    """Gradients of features at every checkpoint, and those of the warm-up."""
    warm_up = min(n_train, max(64, round(less.warmup_share * n_train)))
    return less.epochs * (features + warm_up)
