"""How much a study labels and trains, before it is started. Knows counts and rates, no model.

Costs no import of torch, so pages may ask at every change of a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError
from nncift_core.influence import METHODS
from nncift_core.influence.designs import design_of
from nncift_core.influence.label_plan import (
    LabelPlan,
    check_training_pairs,
)
from nncift_core.influence.spread import spread_shape
from nncift_core.pipeline.label_shards import known_rate
from nncift_core.pipeline.planning import (
    PairCost,
    label_plan,
    label_unit,
    needs_model,
    planned_units,
)
from nncift_core.pipeline.spec import RunSpec
from nncift_core.pipeline.studies import points_folder, study_folder, study_spec
from nncift_core.pipeline.study_request import (
    LABEL_SIZE,
    StudyRequest,
    label_point,
    shape_point,
)
from nncift_core.store import Workspace
from nncift_core.studies.label_size import Design, Size, nested_plans
from nncift_core.studies.shapes import choose_shapes

USUAL_DIMENSION = 384
"""Length of the default encoder's embeddings, where shapes are counted before embedding."""


@dataclass(frozen=True)
class StudyCost:
    """What a study would do.

    Attributes:
        unit: What labels are counted in.
        label_units: Labels of all points, of all seeds, about; some may be there already.
        label_rate: Units a second, None where nothing measured it or labels cost no model.
        label_seconds: How long they take at that rate; 0 where they cost no model, None unknown.
        points: Trainings.
        finished: Of these, how many are there already.
        left_out: Fractions that label too little of these data.
    """

    unit: str
    label_units: int
    label_rate: float | None
    label_seconds: float | None
    points: int
    finished: int
    left_out: tuple[float, ...]


def study_cost(
    workspace: Workspace, spec: RunSpec, request: StudyRequest, n_train: int, n_target: int
) -> StudyCost:
    """The cost of a study of ``n_train`` x ``n_target`` rows.

    Raises:
        ConfigError: It would train on fewer than 16 labels at every fraction.
    """
    config = study_spec(spec, request).config
    left_out: list[float] = []
    seeds = range(config.seed, config.seed + request.seeds)
    if request.kind == LABEL_SIZE:
        sizes, left_out = label_sizes(config, request.fractions, n_train, n_target)
        # As many pairs, but for some that only measure, and drawn at once also for large data.
        design = plan_design(config).replace("spread", "block")
        nested = nested_plans(n_train, n_target, sizes, config.seed, cast(Design, design))
        largest = LabelPlan((nested.training(len(sizes) - 1), *nested.evaluation))
        units = request.seeds * planned_units(config, largest, n_train)
        names = [
            label_point(size.fraction, network, seed)
            for size in sizes
            for network in request.networks
            for seed in seeds
        ]
    else:
        plan = label_plan(config, n_train, n_target)
        units = planned_units(config, plan, n_train)
        helped = 0 if METHODS[config.method].pointwise else USUAL_DIMENSION
        small = request.shapes == "small"
        names = [
            shape_point(shape, training, seed)
            for shape in choose_shapes(USUAL_DIMENSION, helped, small=small, large=request.large)
            for training in request.trainings
            for seed in seeds
        ]
    folder = points_folder(study_folder(workspace, spec, request))
    rate = known_rate(workspace, config) if needs_model(config) else None
    seconds = units / rate if rate else None if needs_model(config) else 0.0
    return StudyCost(
        unit=label_unit(config),
        label_units=units,
        label_rate=rate,
        label_seconds=seconds,
        points=len(names),
        finished=sum((folder / f"{name}.json").is_file() for name in names),
        left_out=tuple(left_out),
    )


def plan_design(config: RunConfig) -> Design:
    """How the labels of a study are laid out."""
    name = design_of(config.design, METHODS[config.method])
    return "rows" if name == "rows" else "spread" if name == "spread" else "block"


def label_sizes(
    config: RunConfig,
    fractions: Sequence[float],
    n_train: int,
    n_target: int,
    costs: PairCost | None = None,
) -> tuple[list[Size], list[float]]:
    """What each fraction labels, and the fractions that would label too little to train on.

    Args:
        config: The study's settings.
        fractions: u of each.
        n_train: Rows of the pool.
        n_target: Rows of the target set.
        costs: What a pair costs, as for a run's plan.

    Raises:
        ConfigError: All of them would.
    """
    sizes, left_out = [], []
    problem: ConfigError | None = None
    for fraction in fractions:
        try:
            rows, targets = _shape(config, fraction, n_train, n_target, costs)
        except ConfigError as error:
            left_out.append(fraction)
            problem = error
            continue
        sizes.append(Size(fraction, rows, targets))
    if problem is not None and not sizes:
        raise problem
    return sizes, left_out


def _shape(
    config: RunConfig, fraction: float, n_train: int, n_target: int, costs: PairCost | None
) -> tuple[int, int]:
    """Rows and targets of each that a run with this fraction trains on.

    Raises:
        ConfigError: Too few for training.
    """
    if plan_design(config) == "spread":
        # A plan would deal out targets to rows, which takes seconds for large data.
        check_training_pairs(n_train, n_target, fraction)
        usual = PairCost(1.0 if needs_model(config) else 0.0)
        return spread_shape(n_train, n_target, fraction, costs or usual)
    own = replace(config, label_fraction=fraction)
    block = label_plan(own, n_train, n_target, costs=costs).block("q1")
    assert block is not None
    return len(block.helpers), block.targets_of_each
