"""What a plan starts from: labels that exist, or those of a pilot, their rate, and what runs cost.

Knows the workspace; what is concluded from labels and costs lies in ``plans`` and ``studies``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.influence import METHODS
from nncift_core.influence.designs import design_of
from nncift_core.influence.draws import Clusters
from nncift_core.influence.label import Labels, together
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.cost import estimate_cost
from nncift_core.pipeline.labelling import compute_labels, known_rate
from nncift_core.pipeline.planning import (
    label_plan,
    pair_cost,
    planned_units,
    second_round_pairs,
)
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.studies.curve_points import Shape
from nncift_core.studies.plan_costs import Work
from nncift_core.studies.planner import FRACTIONS
from nncift_core.types import Pairs

LEAST_LABELS = 400
"""Labels, those that measure included, that a curve should be made of."""


@dataclass(frozen=True)
class FoundLabels:
    """Labels that exist: of X, the label fraction that drew them, and where they come from."""

    pairs: Pairs
    fraction: float
    source: str


def labels_at_hand(workspace: Workspace, spec: RunSpec, roles: Roles) -> FoundLabels | None:
    """The most labels that a run of the same data, method and model left, if they are enough."""
    best: FoundLabels | None = None
    for record in workspace.catalog.runs():
        files = RunFiles(workspace.run_dir(record.run_id))
        if not (files.labels.is_file() and files.config.is_file()):
            continue
        try:
            other = RunSpec.read(files.config)
            if not _same_labels(spec, other):
                continue
            pairs = _finite(Labels.load(files.labels), roles)
        except NNCIFTError:
            # A run that cannot be read is no help; it must not stop a plan either.
            continue
        if len(pairs) >= LEAST_LABELS and (best is None or len(pairs) > len(best.pairs)):
            best = FoundLabels(pairs, other.config.label_fraction, f"run {record.run_id}")
    return best


def _same_labels(spec: RunSpec, other: RunSpec) -> bool:
    """Whether labels of one run are true influence for the other."""
    one, two = spec.config, other.config
    group = METHODS[one.method].settings
    same = (
        one.method == two.method
        and one.lm == two.lm
        and (not group or getattr(one, group) == getattr(two, group))
        and (spec.train.id, spec.target_sample) == (other.train.id, other.target_sample)
        and (spec.target and spec.target.id) == (other.target and other.target.id)
    )
    # The seed draws a target sample, and the warm-up rows of gradients.
    drawn = spec.target_sample is not None or "gradients" in METHODS[one.method].needs
    return same and (one.seed == two.seed or not drawn)


def _finite(labels: Labels, roles: Roles) -> Pairs:
    pairs = together(labels.by_role.values())
    n_target = max(1, len(roles.target))
    keep = np.isfinite(pairs.value) & (pairs.helper < len(roles.pool)) & (pairs.helped < n_target)
    return Pairs(pairs.helper[keep], pairs.helped[keep], pairs.value[keep])


def pilot_labels(
    workspace: Workspace,
    spec: RunSpec,
    roles: Roles,
    clusters: Clusters,
    clock: ClockedProgress,
    seconds: float,
    fraction: float | None = None,
) -> FoundLabels:
    """Labels of a small fraction: what the rate allows, or the least that makes a curve.

    Args:
        workspace: Where labels are kept.
        spec: The run that is planned.
        roles: Its rows.
        clusters: Rows are drawn in proportion to these.
        clock: Told of stage ``label``.
        seconds: About how long to label.
        fraction: That of an earlier pilot, whose labels are found again; None to choose one.

    Raises:
        ConfigError: The rows are too few.
        Cancelled: Finished shards are kept.
    """
    # X alone: further matrices of an objective cost labels that the curve does not read.
    objective = METHODS[spec.config.method].default_objective
    lean = replace(
        spec, config=replace(spec.config, objective=objective, second_round=0.0), existing=None
    )
    chosen = fraction or _pilot_fraction(workspace, lean, roles, seconds)
    if chosen is None:
        raise ConfigError(
            f"{len(roles.pool):,} x {len(roles.target):,} rows are too few to train on a share "
            "of them.",
            "Use --exact.",
        )
    lean = replace(lean, config=replace(lean.config, label_fraction=chosen))
    labels = compute_labels(workspace, lean, roles, clock, clusters=clusters)
    return FoundLabels(_finite(labels, roles), chosen, "pilot")


def _pilot_fraction(
    workspace: Workspace, lean: RunSpec, roles: Roles, seconds: float
) -> float | None:
    """The largest fraction that the rate allows, the smallest that makes a curve where unknown."""
    rate = known_rate(workspace, lean.config)
    desk = RunCosts(workspace, lean, roles)
    chosen: float | None = None
    for fraction in FRACTIONS:
        work = desk.work(fraction)
        if work is None:
            continue
        enough = work.training + work.evaluation >= LEAST_LABELS
        if chosen is not None and enough and (rate is None or work.units > seconds * rate):
            break
        chosen = fraction
        if enough and rate is None:
            break
    return chosen


def shape_of(config: RunConfig, roles: Roles, fraction: float) -> Shape:
    """How a run of this fraction spreads its labels. Raises: ConfigError if they are too few."""
    lean = replace(
        config, label_fraction=fraction, objective=METHODS[config.method].default_objective
    )
    costs = pair_cost(lean, roles.pool, roles.target)
    block = label_plan(lean, len(roles.pool), len(roles.target), costs=costs).block("q1")
    assert block is not None
    rows, columns = len(block.helpers), len(block.helped)
    return Shape(rows, columns, block.n_pairs / rows)


class RunCosts:
    """What label fractions cost, by what finished runs and pilots tell."""

    def __init__(self, workspace: Workspace, spec: RunSpec, roles: Roles) -> None:
        self._workspace, self._spec, self._roles = workspace, spec, roles
        self.unit = ""

    def work(self, fraction: float) -> Work | None:
        """The work of a run with this label fraction; None where it is too small."""
        try:
            return self._work(replace(self._spec.config, label_fraction=fraction))
        except ConfigError:
            return None

    def everything(self) -> Work:
        """The work of labelling everything."""
        return self._work(replace(self._spec.config, exact=True))

    @property
    def design(self) -> str:
        """``block`` or ``spread`` for pairs, ``rows`` for single rows."""
        return design_of(self._spec.config.design, METHODS[self._spec.config.method])

    def _work(self, config: RunConfig) -> Work:
        roles = self._roles
        sizes = len(roles.pool), len(roles.target), len(roles.existing)
        # The plan embeds all rows, so the run finds their vectors.
        cost = estimate_cost(self._workspace, config, *sizes, embedded=True)
        self.unit = cost.unit
        other = max(0.0, cost.seconds - (cost.label_seconds or 0.0))
        if config.exact:
            return Work(0, 0, cost.full_units, other)
        # What a pair costs here shapes the design, which the estimate without rows cannot know.
        costs = pair_cost(config, self._roles.pool, self._roles.target)
        plan = label_plan(config, *sizes, costs=costs)
        later = second_round_pairs(config, *sizes[:2], costs=costs)
        units = planned_units(config, plan, sizes[0]) + later
        return Work(plan.training_pairs + later, plan.evaluation_pairs, units, other)


class ClockedProgress:
    """Progress that notes how long each part of the labelling takes."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last: float | None = None
        self._labelling = False
        self._parts: list[tuple[float, float]] = []

    @property
    def chunks(self) -> list[tuple[float, float]]:
        """Units and seconds of the parts that were labelled now, without the first.

        What was labelled before takes no time; the first part waits for the model.
        """
        return [part for part in self._parts if part[1] > 0.01][1:]

    def stage(self, name: str, total: int, unit: str) -> None:
        """Passed on; labelling is timed."""
        self._labelling = name == "label"
        self._last = time.monotonic()
        self._progress.stage(name, total, unit)

    def advance(self, count: int = 1) -> None:
        """Passed on. Raises: Cancelled."""
        now = time.monotonic()
        if self._labelling and count and self._last is not None:
            self._parts.append((float(count), now - self._last))
            self._last = now
        self._progress.advance(count)

    def point(self, kind: str, values: Any) -> None:
        """Passed on."""
        self._progress.point(kind, values)

    def warn(self, message: str) -> None:
        """Passed on."""
        self._progress.warn(message)
