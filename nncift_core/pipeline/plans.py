"""Plans: a pilot, a learning curve of its labels, and how much to label for a goal.

A plan is a job of its own. Its labels are kept like a run's, so the same rows and settings cost
nothing a second time; labels of a finished run with the same data and method are used where there
are any. Knows where labels and rates come from; what follows from them is ``studies.planner``'s.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core import jobs
from nncift_core.callers import require_change
from nncift_core.errors import ConfigError
from nncift_core.files import json_text, named_errors, read_json, write_json
from nncift_core.influence import METHODS
from nncift_core.influence.shards import digest
from nncift_core.pipeline.clusters import cluster_rows
from nncift_core.pipeline.embedding import Vectors, embed_rows
from nncift_core.pipeline.inputs import network_inputs
from nncift_core.pipeline.labelling import known_rate
from nncift_core.pipeline.plan_labels import (
    ClockedProgress,
    FoundLabels,
    RunCosts,
    labels_at_hand,
    pilot_labels,
    shape_of,
)
from nncift_core.pipeline.planning import needs_model
from nncift_core.pipeline.roles import Roles, read_roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import Workspace
from nncift_core.studies.curve_points import SHARED, SIZES, Shape, measure_curve
from nncift_core.studies.learning_curve import LearningCurve, fit_curve
from nncift_core.studies.plan_costs import LEAST_MEASURED, PILOT_SECONDS, rates_of
from nncift_core.studies.planner import UNNEEDED, Goal, Plan, propose

PILOT_SHARE = 0.2
"""A plan for a time budget spends no more than this share of it, if so little is enough."""

_CURVE = "curve.json"


def plan_folder(workspace: Workspace, spec: RunSpec) -> Path:
    """The job folder of the plan for these data and settings; need not exist."""
    return workspace.plans_dir / digest(json_text(asdict(_neutral(spec))))


def create_plan(
    workspace: Workspace, spec: RunSpec, goal: Goal, *, pilot_seconds: float = PILOT_SECONDS
) -> Path:
    """Record a plan; nothing is computed yet.

    Args:
        workspace: Where labels are kept.
        spec: The run that is planned; its label fraction is what the plan proposes.
        goal: What is wanted.
        pilot_seconds: About how long to label where no labels exist.

    Returns:
        Its job folder. An earlier plan for the same data and settings is replaced unless it is
        at work; its curve is used again.
    """
    folder = plan_folder(workspace, spec)
    if folder.is_dir() and jobs.read_state(folder).live:
        return folder
    curve = read_json(folder / _CURVE) if (folder / _CURVE).is_file() else None
    if folder.is_dir():
        require_change()
        with named_errors(folder):
            shutil.rmtree(folder)
    job = {"kind": "plan", **asdict(goal), "pilot_seconds": pilot_seconds}
    jobs.create(folder, job)
    spec.write(folder, folder.name)
    if curve is not None:
        write_json(folder / _CURVE, curve)
    return folder


def work_on(
    workspace: Workspace, job_dir: Path, job: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Do the plan of a job folder; its result is what ``result.json`` holds.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: Labels are kept.
    """
    spec = RunSpec.read(job_dir / "config.json")
    goal = Goal(job.get("accuracy"), job.get("seconds"))
    seconds = float(job.get("pilot_seconds", PILOT_SECONDS))
    result = make_plan(workspace, spec, goal, progress, seconds, job_dir / _CURVE)
    write_json(job_dir / "result.json", result)
    return result


def make_plan(
    workspace: Workspace,
    spec: RunSpec,
    goal: Goal,
    progress: Progress,
    pilot_seconds: float = PILOT_SECONDS,
    curve_file: Path | None = None,
) -> dict[str, Any]:
    """The plan as JSON types: ``needed``, ``sentence``, and where it is needed the proposal.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: Labels are kept.
    """
    spec = _neutral(spec)
    entry = METHODS[spec.config.method]
    about = {"method": entry.name, "goal": asdict(goal)}
    if not needs_model(spec.config):
        sentence = UNNEEDED.format(title=entry.title)
        return {**about, "needed": False, "verdict": "exact", "sentence": sentence}
    roles = read_roles(workspace, spec)
    if roles.warning:
        progress.warn(roles.warning)
    stored = read_json(curve_file) if curve_file is not None and curve_file.is_file() else {}
    asked, fraction = pilot_seconds, None
    if stored.get("pilot") and stored["pilot"]["seconds"] >= asked:
        fraction = float(stored["pilot"]["fraction"])
    if goal.seconds is not None:
        pilot_seconds = min(pilot_seconds, max(1.0, PILOT_SHARE * goal.seconds))
    found = labels_at_hand(workspace, spec, roles)
    vectors = embed_rows(workspace, spec, roles, progress)
    clock = ClockedProgress(progress)
    if found is None:
        clusters = cluster_rows(vectors)
        found = pilot_labels(workspace, spec, roles, clusters, clock, pilot_seconds, fraction)
        stored["pilot"] = {"seconds": asked, "fraction": found.fraction}
    inputs = network_inputs(workspace, spec, roles, vectors, progress)
    # What was labelled too fast for a rate to be kept took less than this: a slow guess.
    rate = known_rate(workspace, spec.config) or len(found.pairs) / LEAST_MEASURED
    rates = rates_of(clock.chunks, rate)
    curve, estimator = _curve(spec, roles, inputs, vectors.pool.shape[1], found, progress, stored)
    if curve_file is not None:
        write_json(curve_file, stored)
    desk = RunCosts(workspace, spec, roles)
    plan = propose(goal, curve, desk.work, desk.everything(), rates)
    for warning in plan.warnings:
        progress.warn(warning)
    return {
        **about,
        "needed": True,
        **plan.as_json(),
        "design": desk.design,
        "unit": desk.unit,
        "rates": None if rates is None else asdict(rates),
        "labels": {"source": found.source, "count": len(found.pairs), "fraction": found.fraction},
        "estimator": estimator,
        "curve": {**curve.as_json(), "line": curve.line(_widest(plan))},
    }


def _widest(plan: Plan) -> float:
    """The most labels that the plan speaks of."""
    known = [option.training for option in plan.options]
    return float(max([*known, plan.proposal.training if plan.proposal else 0], default=0))


def _neutral(spec: RunSpec) -> RunSpec:
    """The run without what a plan proposes or does not depend on."""
    config = replace(
        spec.config, label_fraction=0.05, budget="0.3", exact=False, selection=SelectionConfig()
    )
    return replace(spec, config=config)


def _curve(
    spec: RunSpec,
    roles: Roles,
    inputs: Vectors,
    text: int,
    found: FoundLabels,
    progress: Progress,
    stored: dict[str, Any],
) -> tuple[LearningCurve, str]:
    """The curve of some labels, as it is stored or stored now, and who was measured."""
    config, pairs = spec.config, found.pairs
    key = digest(
        *(str(part) for part in (config.network, config.encoder, config.design, config.seed)),
        *(str(side.shape) for side in (inputs.pool, inputs.target)),
        pairs.helper.tobytes().hex(),
        pairs.helped.tobytes().hex(),
        pairs.value.tobytes().hex(),
    )
    if stored.get("key") != key:
        pointwise = METHODS[config.method].pointwise
        helped = np.empty((1, 0), dtype=np.float32) if pointwise else inputs.target
        measured = measure_curve(
            config.network,
            inputs.pool,
            helped,
            pairs,
            _shapes(spec, roles, found.fraction),
            seed=config.seed,
            progress=progress,
            text=text,
        )
        stored |= {
            "key": key,
            "labels": measured.labels.tolist(),
            "r2": measured.r2.tolist(),
            "estimator": measured.estimator,
        }
    labels: Any = np.array(stored["labels"], dtype=np.int64)
    curve = fit_curve(labels, np.array(stored["r2"]), seed=config.seed, shared=SHARED)
    return curve, str(stored["estimator"])


def _shapes(spec: RunSpec, roles: Roles, fraction: float) -> dict[float, Shape]:
    """How the design spreads an eighth, a quarter and half of the labels of a fraction."""
    pointwise = METHODS[spec.config.method].pointwise
    whole = shape_of(spec.config, roles, fraction)
    shapes = {}
    for size in SIZES:
        smaller = fraction * (size if pointwise else size**0.5)
        try:
            shapes[size] = shape_of(spec.config, roles, smaller)
        except ConfigError:
            # Too few to train on as a run, not as a part of one.
            side = size if pointwise else size**0.5
            rows, columns = max(1, round(whole.rows * side)), max(1, round(whole.columns * side))
            shapes[size] = Shape(rows, 1 if pointwise else columns, whole.per_row * side)
    return shapes
