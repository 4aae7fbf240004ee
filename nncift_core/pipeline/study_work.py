"""What a study computes: estimators or shapes on its labels, and their errors.

What is drawn and measured is in ``studies``, what is labelled in ``study_labels``, how points are
kept in ``study_points``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core.errors import DataError
from nncift_core.files import plain, write_json
from nncift_core.influence.label_plan import SMALLEST_TRAINING
from nncift_core.network import AUTO, fitting, training
from nncift_core.pipeline import labelling
from nncift_core.pipeline.embedding import embed_rows
from nncift_core.pipeline.planning import pair_cost
from nncift_core.pipeline.roles import read_roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.pipeline.study_labels import Quiet, StudyLabels
from nncift_core.pipeline.study_points import StudyWork
from nncift_core.pipeline.study_request import (
    LABEL_SIZE,
    StudyRequest,
    label_point,
    shape_point,
)
from nncift_core.pipeline.study_sizes import label_sizes, plan_design
from nncift_core.progress import Progress
from nncift_core.store import Workspace
from nncift_core.studies.common_scale import common_scale, on_common_scale
from nncift_core.studies.deep_network import predict_deep, train_deep
from nncift_core.studies.label_size import NestedPlans, nested_plans
from nncift_core.studies.measured import measure_point
from nncift_core.studies.shapes import Shape, choose_shapes, count_parameters
from nncift_core.types import FloatArray, Pairs

LONGER_EPOCHS, LONGER_RATE = 60, 1e-3
"""The second training of a shape: three times as long, in steps ten times as large."""

_AUTO_WEIGHT = 20.0
"""Work of picking among estimators, in trainings of one network; for the time left only."""


def compute(
    workspace: Workspace, folder: Path, request: StudyRequest, progress: Progress
) -> dict[str, Any]:
    """Compute the points of a study that are missing, and write its result.

    Raises:
        NNCIFTError: Something the user can mend.
        Cancelled: Finished points are kept.
    """
    spec = RunSpec.read(folder / "config.json")
    roles = read_roles(workspace, spec)
    vectors = embed_rows(workspace, spec, roles, progress)
    study = _LabelSize if request.kind == LABEL_SIZE else _NetworkSize
    work = study(workspace, folder, request, spec, roles, vectors, progress)
    work.run()
    points = work.finished()
    result = {
        "study": folder.name,
        "kind": request.kind,
        "method": spec.config.method,
        "n_train": len(roles.pool),
        "n_target": len(roles.target),
        "design": work.design,
        "scale": common_scale(points),
        "points": on_common_scale(points),
    }
    write_json(folder / "result.json", result)
    return plain(result)  # type: ignore[no-any-return]


class _LabelSize(StudyWork):
    """Estimators against the number of labels."""

    def run(self) -> None:
        """Label fraction by fraction, and train on each."""
        config, request = self.spec.config, self.request
        counts = len(self.roles.pool), len(self.roles.target)
        costs = pair_cost(config, self.roles.pool, self.roles.target)
        sizes, left_out = label_sizes(config, request.fractions, *counts, costs)
        for fraction in left_out:
            self.progress.warn(
                f"A label fraction of {fraction:g} gives too few labels of these data to train "
                "on, and is left out."
            )
        seeds = range(config.seed, config.seed + request.seeds)
        plans = {
            seed: nested_plans(*counts, sizes, seed, plan_design(config), self.clusters)
            for seed in seeds
        }
        self.plan(
            {
                label_point(size.fraction, name, seed): size.pairs * _weight_of(name)
                for seed, nested in plans.items()
                for size in nested.sizes
                for name in request.networks
            }
        )
        # In one order always: parts of labelling are cut by what was labelled before them.
        steps = [(seed, step) for seed in seeds for step in range(len(sizes))]
        while steps and not self._missing(plans, *steps[-1]):
            steps.pop()
        source = StudyLabels(self.workspace, self.spec, self.roles, self.progress)
        with source:
            for seed, step in steps:
                by_role = source.add(plans[seed], seed, step)
                missing = self._missing(plans, seed, step)
                if missing and self._usable(by_role, plans[seed].sizes[step].fraction):
                    for network in missing:
                        self._point(network, plans[seed], step, seed, by_role)

    def _missing(self, plans: Mapping[int, NestedPlans], seed: int, step: int) -> list[str]:
        """The networks that a fraction still lacks."""
        fraction = plans[seed].sizes[step].fraction
        return [
            name
            for name in self.request.networks
            if self.is_missing(label_point(fraction, name, seed))
        ]

    def _usable(self, by_role: Mapping[str, Pairs], fraction: float) -> bool:
        labels = by_role.get("q1")
        enough = labels is not None and len(labels) >= SMALLEST_TRAINING
        if enough and labels is not None and np.ptp(labels.value) > 0:
            return True
        problem = "have all the same value" if enough else "are too few once self pairs are out"
        self.progress.warn(f"The labels of fraction {fraction:g} {problem}, so it is left out.")
        return False

    def _point(
        self, network: str, plans: NestedPlans, step: int, seed: int, by_role: Mapping[str, Pairs]
    ) -> None:
        size = plans.sizes[step]
        inputs = self.inputs(network)
        text = self.helpers.shape[1]
        quiet = Quiet(self.progress, stages=True)
        start = time.monotonic()
        try:
            fitted = fitting.fit(network, *inputs, by_role, seed, quiet, text=text)
        except DataError as error:
            self.progress.warn(f"Fraction {size.fraction:g}, {network}: {error.message}")
            return
        seconds = time.monotonic() - start
        predicted = {role: fitted.predict(*inputs, pairs) for role, pairs in by_role.items()}
        chosen = next((c.name for c in fitted.candidates if c.chosen), None)
        name = label_point(size.fraction, network, seed)
        self.keep(
            {
                **self.common(name, seed, size.fraction, by_role["q1"]),
                "network": network,
                "chosen": chosen if network == AUTO else network,
                "rows": size.rows,
                "targets": size.targets,
                "parameters": fitted.parameters,
                "seconds": seconds,
                "quadrants": measure_point(by_role, predicted, self.helpers, self.helped, seed),
            }
        )


class _NetworkSize(StudyWork):
    """Shapes against the number of their parameters, on one set of labels."""

    def run(self) -> None:
        """Label once, as a run with these settings would, and train each shape."""
        config, request = self.spec.config, self.request
        # What the published network would see.
        inputs = self.inputs("paper")
        sides = inputs[0].shape[1], inputs[1].shape[1]
        shapes = choose_shapes(*sides, small=request.shapes == "small", large=request.large)
        usual = training.PAPER
        longer = replace(usual, epochs=LONGER_EPOCHS, learning_rate=LONGER_RATE)
        settings = {"paper": usual, "longer": longer}
        planned = [
            (shape, manner, seed)
            for seed in range(config.seed, config.seed + request.seeds)
            for manner in request.trainings
            for shape in shapes
        ]
        self.plan(
            {
                shape_point(shape, manner, seed): float(
                    settings[manner].epochs * (50_000 + count_parameters(shape, *sides))
                )
                for shape, manner, seed in planned
            }
        )
        missing = [p for p in planned if self.is_missing(shape_point(*p))]
        if not missing:
            return
        labels = labelling.compute_labels(
            self.workspace, self.spec, self.roles, self.progress, clusters=self.clusters
        )
        for shape, manner, seed in missing:
            self._point(shape, manner, settings[manner], seed, inputs, labels.by_role)

    def _point(
        self,
        shape: Shape,
        manner: str,
        settings: training.TrainingSettings,
        seed: int,
        inputs: tuple[FloatArray, FloatArray],
        by_role: Mapping[str, Pairs],
    ) -> None:
        self.progress.stage("train", settings.epochs, "epochs")
        start = time.monotonic()
        network = train_deep(shape, *inputs, by_role["q1"], seed, self.progress, settings)
        seconds = time.monotonic() - start
        predicted = {role: predict_deep(network, *inputs, pairs) for role, pairs in by_role.items()}
        name = shape_point(shape, manner, seed)
        self.keep(
            {
                **self.common(name, seed, self.spec.config.label_fraction, by_role["q1"]),
                "shape": list(shape),
                "training": manner,
                "epochs": settings.epochs,
                "learning_rate": settings.learning_rate,
                "parameters": network.parameter_count,
                "seconds": seconds,
                "quadrants": measure_point(by_role, predicted, self.helpers, self.helped, seed),
            }
        )


def _weight_of(network: str) -> float:
    return _AUTO_WEIGHT if network == AUTO else 1.0
