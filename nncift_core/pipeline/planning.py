"""What a run labels and how much that is: matrices, plan, units. Knows counts, no rows.

Costs no import of torch and touches no file, so pages may ask it at every change of a setting.
"""

from __future__ import annotations

import numpy as np

from nncift_core.config import LessConfig, RunConfig
from nncift_core.influence import METHODS
from nncift_core.influence.label_plan import LabelPlan, plan_labels, plan_rows
from nncift_core.selection import OBJECTIVES


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


def label_plan(config: RunConfig, n_train: int, n_target: int, n_existing: int = 0) -> LabelPlan:
    """What a run labels.

    Raises:
        ConfigError: Too little would be trained on.
    """
    if METHODS[config.method].pointwise:
        return plan_rows(n_train, config.label_fraction, config.seed)
    return plan_labels(
        n_train,
        n_target,
        config.label_fraction,
        config.seed,
        matrices=labelled_matrices(config),
        n_existing=n_existing,
    )


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
    """Units of labelling what a run plans to label."""
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
