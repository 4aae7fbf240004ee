"""What every estimator offers, learned or not, and the task it is given.

An estimator turns rows into projections from which any pair costs a few hundred operations. It
works on the min-max scale of the training labels. Knows no units, files or hold-outs.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nncift_core.network.predict import Predictor, Projected
from nncift_core.types import FloatArray, Pairs

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Check:
    """Labels kept out of training, of one kind.

    Attributes:
        kind: ``q1u`` (row and column known), ``q2``, ``q3`` or ``q4`` (neither is).
        pairs: With values on the scale.
        weight: Share of the unlabelled pairs that are of this kind.
    """

    kind: str
    pairs: Pairs
    weight: float


@dataclass(frozen=True)
class Task:
    """What an estimator is fitted to.

    Attributes:
        helpers: ``(n, d)`` inputs of all rows that help.
        helped: ``(m, d)`` of all that are helped; ``(1, 0)`` for a pointwise function.
        text: Leading columns that are the sentence embedding, of length 1.
        pairs: Labels to learn from, on the scale.
        seed: Of everything drawn.
        checks: Labels kept out, to stop by; none where all labels are learned from.
        setting: What an earlier fit of this estimator chose by its checks (epochs, a penalty); None
            where there was none.
        tell: Told after every epoch: its number and what predicts then. May raise Cancelled.
    """

    helpers: FloatArray
    helped: FloatArray
    text: int
    pairs: Pairs
    seed: int
    checks: tuple[Check, ...] = ()
    setting: Any = None
    tell: Callable[[int, Callable[[Pairs], FloatArray]], None] = field(default=lambda *_: None)

    @property
    def pointwise(self) -> bool:
        """Whether rows are scored alone."""
        return bool(self.helped.shape[1] == 0)

    @property
    def sides(self) -> list[FloatArray]:
        """The inputs of both sides, of those that help alone for a pointwise function."""
        return [self.helpers] if self.pointwise else [self.helpers, self.helped]

    def with_all(self, everything: Pairs, setting: Any) -> Task:
        """The same task with all labels to learn from, and what was chosen by those kept out."""
        return replace(self, pairs=everything, checks=(), setting=setting)

    def error(self, predict: Callable[[Pairs], FloatArray]) -> float:
        """Squared error on the checks, weighted by the unlabelled pairs that they stand for."""
        total = weight = 0.0
        for check in self.checks:
            miss = predict(check.pairs).astype(np.float64) - check.pairs.value
            total += check.weight * float(np.mean(miss**2))
            weight += check.weight
        return total / weight


class Estimator(abc.ABC):
    """Fitted to a task; rows in, projections out.

    Attributes:
        setting: What it chose by its checks.
    """

    uses_states: ClassVar[bool] = True
    """Whether it looks at more of a row than its sentence embedding."""

    remembers_rows: ClassVar[bool] = False
    """Whether rows that it was fitted on are more to it than their inputs."""

    setting: Any = None

    keeps_setting: ClassVar[bool] = False
    """Whether what one fit chose is good enough for the next draw of the labels kept out."""

    @classmethod
    def agreed(cls, settings: Sequence[Any]) -> Any:
        """One setting for what several fits chose: the middle one of numbers."""
        known = sorted(setting for setting in settings if setting is not None)
        return known[len(known) // 2] if known else None

    @classmethod
    @abc.abstractmethod
    def fit(cls, task: Task) -> Estimator:
        """Learn from the task's labels. Raises: Cancelled, through ``task.tell``."""

    @abc.abstractmethod
    def project(self, helpers: FloatArray, helped: FloatArray, *, known: bool) -> Projected:
        """Both sides, on the scale.

        Args:
            helpers: ``(n, d)``.
            helped: ``(m, d)``.
            known: Whether the first rows are those it was fitted on, in that order.
        """

    @property
    @abc.abstractmethod
    def parameters(self) -> int:
        """Numbers that were fitted to labels."""

    @abc.abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything fitted, to store."""

    def about(self) -> dict[str, Any]:
        """What else ``restore`` needs, as JSON types."""
        return {}

    @classmethod
    @abc.abstractmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> Estimator:
        """The estimator that ``arrays`` and ``about`` came from."""

    def predict(self, helpers: FloatArray, helped: FloatArray, pairs: Pairs) -> FloatArray:
        """Values of some pairs, ``(len(pairs),)``, on the scale; each row is projected once."""
        i, j = pairs.helper, pairs.helped
        if not self.remembers_rows:
            # Rows in none of the pairs need no projection.
            rows, i = np.unique(i, return_inverse=True)
            columns, j = np.unique(j, return_inverse=True)
            helpers, helped = helpers[rows], helped[columns]
        projected = self.project(helpers, helped, known=self.remembers_rows)
        return Predictor(projected, compile="never").pairs(i, j)
