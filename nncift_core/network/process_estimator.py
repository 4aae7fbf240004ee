"""The Gaussian process of ``process.py`` as an estimator: inputs whitened, labels centred.

What the likeness of the two rows alone tells of a label (``likeness.py``) is taken off first, and
the process learns what is left. Knows no units and no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.network.estimators import Estimator, Task
from nncift_core.network.likeness import Likeness
from nncift_core.network.predict import Projected
from nncift_core.network.process import Features, Posterior, fit_posterior
from nncift_core.network.strengths import Side, Strengths, fit_strengths
from nncift_core.network.whitening import Whitening
from nncift_core.types import FloatArray

LEAST_DEVIATION = 1e-5
"""Deviation of the labels, on their scale, below which they count as constant."""

SHARPER = 2.0
"""Factor of the sharpness that is tried beside what the likelihood says."""


class Process(Estimator):
    """A Gaussian process over pairs.

    A pair costs at most 322 multiply-adds, as one matrix product, at most 160 more where the
    similarity of its rows is used, and the length of an embedding more where their cosine is. One
    weight a label, nine strengths and a line are fitted.

    Attributes:
        likeness: What is taken off first, None where it tells nothing.
        posterior: Of labels of mean 0 and variance 1.
        whitening: Of the inputs.
        mean: Of the labels.
        deviation: Of the labels.
    """

    def __init__(
        self,
        posterior: Posterior,
        whitening: Whitening,
        mean: float,
        deviation: float,
        labels: int,
        likeness: Likeness | None,
    ) -> None:
        self.likeness = likeness
        self.posterior = posterior
        self.whitening = whitening
        self.mean, self.deviation, self.labels = mean, deviation, labels
        self.setting: Strengths = posterior.strengths

    keeps_setting = True
    remembers_rows = True

    @classmethod
    def agreed(cls, settings: Sequence[Any]) -> Any:
        """The first: strengths hardly differ between draws of the labels."""
        return settings[0]

    @classmethod
    def fit(cls, task: Task) -> Process:
        """Strengths by likelihood, then the linear system."""
        whitening = Whitening.of(task.sides)
        helpers = whitening.apply(task.helpers)
        helped = None if task.pointwise else whitening.apply(task.helped)
        i, j = task.pairs.helper, task.pairs.helped
        values = task.pairs.value.astype(np.float64)
        likeness = None if helped is None else Likeness.fit(task, helpers, helped)
        if likeness is not None and helped is not None:
            values = values - likeness.of_pairs(task, helpers, helped)
        mean, deviation = float(values.mean()), float(values.std()) or 1.0
        values = (values - mean) / deviation
        if deviation < LEAST_DEVIATION:
            # What likeness leaves is rounding: there is nothing to explain.
            values[:] = 0

        def solved(strengths: Strengths) -> Process:
            posterior = fit_posterior(
                helpers, helped, len(task.helped), i, j, values, strengths, task.seed
            )
            return cls(posterior, whitening, mean, deviation, len(values), likeness)

        if task.setting is not None:
            return solved(task.setting)
        strengths = fit_strengths(helpers, helped, i, j, values, task.seed)
        if not task.checks:
            return solved(strengths)
        # The likelihood of a sample of the labels leans towards smooth functions.
        tried = [solved(strengths), solved(strengths.sharper(SHARPER))]
        errors = [task.error(partial(one.predict, task.helpers, task.helped)) for one in tried]
        return tried[int(errors[1] < errors[0])]

    def project(self, helpers: FloatArray, helped: FloatArray, *, known: bool) -> Projected:
        """What alike rows teach, and what known rows have of their own."""
        whitened = [
            self.whitening.apply(side) if side.shape[1] else side for side in (helpers, helped)
        ]
        left = self.posterior.project_helpers(whitened[0], known=known)
        left *= np.float32(self.deviation)
        sides = [left, self.posterior.project_helped(whitened[1], known=known)]
        bias = self.mean
        if self.likeness is not None:
            bias += self.likeness.intercept
            alike = (
                self.likeness.factors(helpers, whitened[0], helped=False),
                self.likeness.factors(helped, whitened[1], helped=True),
            )
            sides = [np.concatenate(pair, axis=1) for pair in zip(sides, alike, strict=True)]
        return Projected(sides[0], sides[1], np.empty(0, dtype=np.float32), bias)

    @property
    def parameters(self) -> int:
        """One a label, the strengths, and the line through likeness."""
        strengths = 5 if self.posterior.helped_features is None else 9
        return self.labels + strengths + (0 if self.likeness is None else self.likeness.parameters)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Features, sums and whitening."""
        found: dict[str, NDArray[Any]] = {
            "core": self.posterior.core,
            "helper_own": self.posterior.helper_own,
            "helped_own": self.posterior.helped_own,
            "centre": self.whitening.mean,
            "directions": self.whitening.weight,
        }
        if self.likeness is not None:
            found |= self.likeness.arrays()
        for name, features in (
            ("helper", self.posterior.helper_features),
            ("helped", self.posterior.helped_features),
        ):
            if features is not None:
                found[f"{name}_landmarks"] = features.landmarks
                found[f"{name}_weight"] = features.weight
        return found

    def about(self) -> dict[str, Any]:
        """Strengths and the scale of the labels."""
        return {
            "strengths": asdict(self.posterior.strengths),
            "mean": self.mean,
            "deviation": self.deviation,
            "labels": self.labels,
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> Process:
        """The fitted process."""
        given = about["strengths"]
        strengths = Strengths(Side(**given["helpers"]), Side(**given["helped"]), given["noise"])

        def features(name: str, side: Side) -> Features | None:
            if f"{name}_landmarks" not in arrays:
                return None
            return Features(arrays[f"{name}_landmarks"], arrays[f"{name}_weight"], side.sharpness)

        helper_features = features("helper", strengths.helpers)
        assert helper_features is not None
        posterior = Posterior(
            helper_features,
            features("helped", strengths.helped),
            strengths,
            arrays["core"],
            arrays["helper_own"],
            arrays["helped_own"],
        )
        whitening = Whitening(arrays["centre"], arrays["directions"])
        return cls(
            posterior,
            whitening,
            about["mean"],
            about["deviation"],
            about["labels"],
            Likeness.restore(arrays),
        )
