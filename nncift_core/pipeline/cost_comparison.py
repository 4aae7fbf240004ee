"""What a finished run cost beside computing everything: measured where an exact run did that.

Knows the catalog's records and rates, no model and no arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from nncift_core.config import RunConfig
from nncift_core.influence import METHODS
from nncift_core.pipeline.cost import estimate_cost
from nncift_core.pipeline.planning import needs_model
from nncift_core.store import RunRecord, Workspace

STAGES = ("embed", "label", "train", "predict", "select")
"""What seconds are recorded of, in the order of the work."""


@dataclass(frozen=True)
class CostBar:
    """Seconds by stage of one way to get the influence.

    Attributes:
        name: ``full-measured``, ``full-estimated`` or ``run``.
        seconds: By stage, those that took no time left out.
        run_id: The run that was measured, empty for an estimate.
    """

    name: str
    seconds: Mapping[str, float]
    run_id: str = ""

    @property
    def total(self) -> float:
        """All stages together."""
        return sum(self.seconds.values())


@dataclass(frozen=True)
class CostComparison:
    """A run beside computing everything.

    Attributes:
        run: The run itself.
        measured: An exact run of the same method on the same rows, None where there is none.
        estimated: What one would take at the known rate, None where no rate is known.
        unit: What labels are counted in.
        units: Labels of this run in that unit.
        full_units: Those of computing everything.
        rate: Units a second, None where unknown or where labels cost no model.
    """

    run: CostBar
    measured: CostBar | None
    estimated: CostBar | None
    unit: str
    units: int
    full_units: int
    rate: float | None

    @property
    def full(self) -> CostBar | None:
        """What the run is compared with: the measured one where there is one."""
        return self.measured or self.estimated

    @property
    def saved(self) -> float | None:
        """Share of the time that the run saved; negative where it took longer."""
        if self.full is None or self.full.total <= 0:
            return None
        return 1 - self.run.total / self.full.total


def compare_costs(
    workspace: Workspace, run: RunRecord, others: Sequence[RunRecord], n_existing: int = 0
) -> CostComparison | None:
    """What a finished run with estimates cost beside computing everything; None for others.

    Args:
        workspace: Whose rates count.
        run: The run.
        others: Runs of its project, the newest first.
        n_existing: Rows of its existing set.

    Raises:
        ConfigError: Its settings are not those of any run that could be made now.
    """
    if run.result is None:
        return None
    config = RunConfig.from_json(run.config["config"])
    if config.exact:
        return None
    if not config.objective:
        config = replace(config, objective=METHODS[config.method].default_objective)
    n_train, n_target = int(run.result["n_train"]), int(run.result["n_target"])
    own = CostBar("run", _spent(run.result["seconds"]), run.run_id)
    same = _identity(config)
    measured = None
    for other in others:
        result = other.result
        if result is None or (result["n_train"], result["n_target"]) != (n_train, n_target):
            continue
        theirs = RunConfig.from_json(other.config["config"])
        if theirs.exact and _identity(theirs) == same and other.config.get("extends") is None:
            measured = CostBar("full-measured", _spent(result["seconds"]), other.run_id)
            break
    here = estimate_cost(workspace, config, n_train, n_target, n_existing, embedded=True)
    whole = replace(config, exact=True, second_round=0.0)
    full = estimate_cost(workspace, whole, n_train, n_target, n_existing, embedded=True)
    estimated = None
    if full.label_seconds is not None:
        spent = {"label": full.label_seconds, "predict": full.seconds - full.label_seconds}
        spent["select"] = own.seconds.get("select", 0.0)
        if not needs_model(config):
            # The same rows would be embedded.
            spent["embed"] = own.seconds.get("embed", 0.0)
        estimated = CostBar("full-estimated", _spent(spent))
    return CostComparison(
        own,
        measured,
        estimated,
        here.unit,
        here.label_units,
        here.full_units,
        here.label_rate,
    )


def _spent(seconds: Mapping[str, Any]) -> dict[str, float]:
    return {stage: float(seconds[stage]) for stage in STAGES if seconds.get(stage)}


def _identity(config: RunConfig) -> tuple[Any, ...]:
    """What decides how long computing everything takes."""
    settings = METHODS[config.method].settings
    own = asdict(getattr(config, settings)) if settings else {}
    asked = asdict(config.lm) if needs_model(config) else config.encoder
    return config.method, str(asked), str(own)
