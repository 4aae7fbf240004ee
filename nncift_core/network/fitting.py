"""Fit an estimator to labels, or find the one that predicts labels kept out best.

``auto`` fits every network and every rival to nine tenths of the labelled rows and columns,
compares them on the rest, and fits the best one to all labels. A rival that wins is used. Whatever
leaves ``Fitted`` is in the labels' own units or says that it is scaled. Knows nothing of how labels
were made, of quadrant tables or of runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from nncift_core.errors import DataError, WorkspaceError
from nncift_core.files import replacing
from nncift_core.influence.label import together
from nncift_core.network import AUTO, NETWORKS, RIVALS, estimator
from nncift_core.network.estimators import Estimator, Task
from nncift_core.network.holdout import split, without_checked
from nncift_core.network.predict import Projected
from nncift_core.network.scale import LabelScale
from nncift_core.progress import Progress
from nncift_core.types import FloatArray, Pairs

FEW_LABELS = 20_000
DRAWS_OF_FEW = 3
"""With few labels one draw of what is kept out decides little: errors of several are averaged."""

WITHIN_REACH = 1.25
"""After the first draw only estimators whose error is within this factor of the best go on."""

PICKED_FROM = (*RIVALS.names, *(name for name in NETWORKS.names if name != "paper"))
"""What ``auto`` compares; the published network is there to be compared with."""

WITHOUT_CHECKS = "ridge"
"""What ``auto`` takes where there are too few labels to keep any out."""

_PAIRWISE_ONLY = ("cosine", "additive")


@dataclass(frozen=True)
class Candidate:
    """One estimator that was tried.

    Attributes:
        name: In the registries.
        validation_mse: Squared error on the labels kept out, on the scale of the labels, weighted
            by the unlabelled pairs that they stand for; None where nothing was kept out.
        validation_r2: Share of the kept labels' variance that is explained, weighted likewise.
        seconds: Of fitting it, all draws together.
        parameters: Numbers fitted to labels.
        pair_cost: Multiply-adds of a pair once rows are projected.
        chosen: Whether it is the one that is used.
    """

    name: str
    validation_mse: float | None
    validation_r2: float | None
    seconds: float
    parameters: int
    pair_cost: int
    chosen: bool = False


@dataclass(frozen=True)
class Fitted:
    """An estimator fitted to labels, with the scale that it works on.

    Attributes:
        name: In the registries.
        model: The estimator.
        scale: Its outputs are on this scale.
        text: Leading columns of inputs that are the sentence embedding.
        history: One mapping an epoch, epoch 0 before training: ``epoch`` and, by role, the
            scaled mean squared error.
        candidates: What was tried, the best first.
        inputs: Length of a row that helps, and of one that is helped.
    """

    name: str
    model: Estimator
    scale: LabelScale
    text: int
    history: tuple[Mapping[str, float], ...] = ()
    candidates: tuple[Candidate, ...] = ()
    inputs: tuple[int, int] = (0, 0)

    @property
    def parameters(self) -> int:
        """Numbers fitted to labels."""
        return self.model.parameters

    def project(self, helpers: FloatArray, helped: FloatArray, *, known: bool = True) -> Projected:
        """Both sides, for influence in original units.

        Args:
            helpers: ``(n, d)`` inputs.
            helped: ``(m, d)`` inputs.
            known: Whether the first rows are those it was fitted on, in that order; more may
                follow.
        """
        found = self.model.project(helpers, helped, known=known)
        return replace(found, scale=self.scale.width, offset=self.scale.lo)

    def projected(self, helpers: FloatArray, helped: FloatArray) -> Projected:
        """From the two arrays that ``Projected.stored`` gave."""
        one, other = (np.zeros((1, length), np.float32) for length in self.inputs)
        return self.project(one, other, known=False).with_sides(helpers, helped)

    def predict(self, helpers: FloatArray, helped: FloatArray, pairs: Pairs) -> FloatArray:
        """Values of some pairs on the scale, ``(len(pairs),)``."""
        return self.model.predict(helpers, helped, pairs)

    def save(self, path: Path) -> None:
        """Write everything as one safetensors file."""
        about = {
            "network": self.name,
            "text": self.text,
            "inputs": list(self.inputs),
            "lo": self.scale.lo,
            "hi": self.scale.hi,
            "history": [dict(point) for point in self.history],
            # Without the seconds: the same run gives the same bytes.
            "candidates": [asdict(replace(one, seconds=0.0)) for one in self.candidates],
            "model": self.model.about(),
        }
        # Not ascontiguousarray, which makes single numbers arrays of one.
        arrays = {name: np.asarray(value, order="C") for name, value in self.model.arrays().items()}
        with replacing(path) as file:
            file.write(save(arrays, metadata={"nncift": json.dumps(about)}))

    @classmethod
    def load(cls, path: Path) -> Fitted:
        """Read what ``save`` wrote. Raises: WorkspaceError."""
        try:
            data = path.read_bytes()
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            about = json.loads(header["__metadata__"]["nncift"])
            kind: type[Estimator] = estimator(about["network"]).load()
            model = kind.restore(load(data), about["model"])
            return cls(
                about["network"],
                model,
                LabelScale(about["lo"], about["hi"]),
                about["text"],
                tuple(about["history"]),
                tuple(Candidate(**candidate) for candidate in about["candidates"]),
                tuple(about["inputs"]),
            )
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise WorkspaceError(
                f"The network {path.name} cannot be read: {error}.", "Run it again."
            ) from error


def fit(
    name: str,
    helpers: FloatArray,
    helped: FloatArray,
    by_role: Mapping[str, Pairs],
    seed: int,
    progress: Progress,
    *,
    more: Pairs | None = None,
    shape: tuple[int, int] | None = None,
    text: int | None = None,
) -> Fitted:
    """Fit the estimator ``name`` to the pairs of role ``q1``; other roles are only measured.

    Args:
        name: One of ``ESTIMATORS``.
        helpers: ``(n_helpers, d)`` inputs of the rows that help: the pool, and after it whatever
            ``more`` speaks of.
        helped: ``(n_helped, d)`` inputs of the rows that are helped, likewise; ``(1, 0)`` for a
            pointwise function.
        by_role: Labelled pairs. The scale is that of ``q1``.
        seed: Of start weights, orders and what is kept out.
        progress: Told of stage ``train``, of a point ``candidate`` for each estimator that is
            tried, and of a point ``epoch`` after each epoch of the one that is used.
        more: Further pairs to learn from, of other matrices.
        shape: ``(n_train, n_target)`` of X where the arrays hold more rows.
        text: Leading columns that are the sentence embedding; all unless given.

    Raises:
        ConfigError: Nothing has this name.
        DataError: The labels are all equal, or a number is not finite.
        Cancelled: Between epochs.
    """
    names = _candidates(name, pointwise=helped.shape[1] == 0)
    _check(helpers, helped, by_role["q1"])
    scale = LabelScale.of(by_role["q1"])
    labelled = scale.scaled(by_role["q1"])
    further = None if more is None else scale.scaled(more)
    task = Task(helpers, helped, helpers.shape[1] if text is None else text, labelled, seed)
    shape = shape or (len(helpers), len(helped))
    trials = [] if name == "paper" else [_Trial(one) for one in names]
    draws = DRAWS_OF_FEW if len(labelled) < FEW_LABELS else 1
    progress.stage("train", len(trials) * draws + 1, "fits")
    for draw in range(draws if trials else 0):
        learned, checks = split(labelled, shape, seed + draw, pointwise=task.pointwise)
        if not checks:
            progress.advance(len(trials))
            continue
        if further is not None:
            learned = together([learned, without_checked(further, checks)])
        part = replace(
            task, pairs=learned, checks=checks, tell=lambda epoch, predict: progress.advance(0)
        )
        best = min(trial.error for trial in trials)
        for trial in trials:
            if trial.error <= WITHIN_REACH * best:
                trial.go(part)
                progress.point("candidate", asdict(trial.candidate))
            progress.advance()
    trials = [trial for trial in trials if trial.errors]
    trials.sort(key=lambda trial: (-len(trial.errors), trial.error, trial.name))
    tried = [trial.candidate for trial in trials]
    chosen = trials[0].name if trials else WITHOUT_CHECKS if name == AUTO else name
    history: list[Mapping[str, float]] = []
    scaled = {role: scale.scaled(pairs) for role, pairs in by_role.items() if len(pairs)}

    def tell(epoch: int, predict: Callable[[Pairs], FloatArray]) -> None:
        point = {"epoch": epoch} | {
            role: _error(predict(pairs), pairs) for role, pairs in scaled.items()
        }
        history.append(point)
        progress.point("epoch", point)
        progress.advance(0)

    everything = labelled if further is None else together([labelled, further])
    final = replace(task.with_all(everything, trials[0].setting if trials else None), tell=tell)
    start = time.perf_counter()
    model: Estimator = estimator(chosen).load().fit(final)
    seconds = time.perf_counter() - start
    if not history:
        mean = float(labelled.value.mean())
        tell(0, lambda pairs: np.full(len(pairs), mean, dtype=np.float32))
        tell(1, lambda pairs: model.predict(helpers, helped, pairs))
    progress.advance()
    if not tried:
        cost = _pair_cost(model, helpers, helped)
        tried = [Candidate(chosen, None, None, seconds, model.parameters, cost)]
    tried[0] = replace(tried[0], parameters=model.parameters, chosen=True)
    inputs = (helpers.shape[1], helped.shape[1])
    return Fitted(chosen, model, scale, task.text, tuple(history), tuple(tried), inputs)


def _candidates(name: str, *, pointwise: bool) -> list[str]:
    if name != AUTO:
        return [estimator(name).name]
    return [one for one in PICKED_FROM if not (pointwise and one in _PAIRWISE_ONLY)]


class _Trial:
    """One estimator, fitted to what is not kept out, draw by draw."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.errors: list[float] = []
        self._kind: type[Estimator] = estimator(name).load()
        self._spreads: list[float] = []
        self._settings: list[Any] = []
        self._seconds = 0.0
        self._size = (0, 0)

    def go(self, task: Task) -> None:
        """Fit once more."""
        start = time.perf_counter()
        if self._kind.keeps_setting and self._settings:
            task = replace(task, setting=self.setting)
        model = self._kind.fit(task)
        self.errors.append(
            task.error(lambda pairs: model.predict(task.helpers, task.helped, pairs))
        )
        self._seconds += time.perf_counter() - start
        mean = float(task.pairs.value.mean())
        self._spreads.append(task.error(lambda pairs: np.full(len(pairs), mean, np.float32)))
        self._settings.append(model.setting)
        self._size = (model.parameters, _pair_cost(model, task.helpers, task.helped))

    @property
    def error(self) -> float:
        """Mean over the draws, infinite before the first."""
        return float(np.mean(self.errors)) if self.errors else np.inf

    @property
    def setting(self) -> Any:
        """What the draws agree on."""
        return self._kind.agreed(self._settings)

    @property
    def candidate(self) -> Candidate:
        """How it did so far."""
        spread = float(np.mean(self._spreads))
        r2 = 1 - self.error / spread if spread > 0 else None
        return Candidate(self.name, self.error, r2, self._seconds, *self._size)


def _pair_cost(model: Estimator, helpers: FloatArray, helped: FloatArray) -> int:
    found = model.project(helpers[:1], helped[:1], known=False)
    return int(found.helpers.shape[1] * (1 if found.mass is None else 2))


def _check(helpers: FloatArray, helped: FloatArray, labels: Pairs) -> None:
    if not (np.isfinite(helpers).all() and np.isfinite(helped).all()):
        raise DataError(
            "The embeddings hold a number that is not finite.", "Choose another embedding model."
        )
    if not np.isfinite(labels.value).all():
        raise DataError("A label is not a finite number.", "Choose another method or model.")
    if not len(labels) or np.ptp(labels.value) == 0:
        raise DataError(
            f"The {len(labels)} labels have no two different values; there is nothing to learn.",
            "Label more pairs, or choose another method.",
        )


def _error(predicted: FloatArray, pairs: Pairs) -> float:
    return float(np.mean((predicted.astype(np.float64) - pairs.value) ** 2))


def chosen_of(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate that is used."""
    return next(candidate for candidate in candidates if candidate.chosen)
