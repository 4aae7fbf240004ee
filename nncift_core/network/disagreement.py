"""Where the members of an ensemble disagree: what a second round of labels is spent on.

A source of blocks like any other, so nothing of size ``n_train x n_target`` need exist. Knows
nothing of which pairs are labelled.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nncift_core.network.ensemble import MEMBERS
from nncift_core.network.estimators import Task
from nncift_core.network.learned import Ensemble
from nncift_core.network.scale import LabelScale
from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, Pairs


class Disagreement:
    """Standard deviation of the members' predictions of every pair, on the scale of the labels.

    Args:
        ensemble: Fitted to the labels at hand.
        helpers: ``(n_train, d)`` inputs of the pool.
        helped: ``(n_target, d)`` inputs of the target set.
    """

    def __init__(self, ensemble: Ensemble, helpers: FloatArray, helped: FloatArray) -> None:
        self._members = ensemble.member_predictions(helpers, helped)
        self.n_train, self.n_target = len(helpers), len(helped)

    @classmethod
    def of(
        cls,
        labelled: Pairs,
        helpers: FloatArray,
        helped: FloatArray,
        text: int,
        seed: int,
        progress: Progress | None = None,
    ) -> Disagreement:
        """Of an ensemble that is fitted now, to labels in original units.

        ``progress`` is told of stage ``ensemble``. Raises: Cancelled.
        """
        progress = progress or SilentProgress()
        progress.stage("ensemble", MEMBERS, "members")
        scaled = LabelScale.of(labelled).scaled(labelled)

        def tell(member: int, predict: Callable[[Pairs], FloatArray]) -> None:
            progress.advance(1 if member else 0)

        ensemble = Ensemble.fit(Task(helpers, helped, text, scaled, seed, tell=tell))
        assert isinstance(ensemble, Ensemble)
        return cls(ensemble, helpers, helped)

    def block(self, start: int, stop: int) -> FloatArray:
        """Rows ``start`` to ``stop``: ``(stop - start, n_target)`` float32."""
        predicted = [left[start:stop] @ right.T + bias for left, right, bias in self._members]
        spread: FloatArray = np.std(predicted, axis=0).astype(np.float32)
        return spread
