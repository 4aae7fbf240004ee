"""Estimators with the interface of ``network.fitting`` that learn in a moment, honest and not.

``honest`` is ridge regression on both embeddings and their product. The others are the faults
that an audit must find.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nncift_core.network.scale import LabelScale
from nncift_core.types import FloatArray, Pairs

RIDGE = 0.3


def features(helper: FloatArray, helped: FloatArray) -> np.ndarray:
    """``(n, k)`` of pairs, a constant last."""
    parts = [helper, np.ones((len(helper), 1))]
    if helped.shape[1]:
        parts = [helper, helped, helper * helped, np.ones((len(helper), 1))]
    return np.concatenate(parts, axis=1).astype(np.float64)


@dataclass
class StandIn:
    """A fitted estimator; ``twist`` changes predictions of pairs by their positions."""

    name: str
    scale: LabelScale
    weights: np.ndarray
    twist: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None

    def predict(self, helpers: FloatArray, helped: FloatArray, pairs: Pairs) -> FloatArray:
        scaled = features(helpers[pairs.helper], helped[pairs.helped]) @ self.weights
        if self.twist is not None:
            scaled = self.twist(scaled, pairs.helper, pairs.helped)
        return scaled.astype(np.float32)

    def scores(self, helpers: FloatArray, helped: FloatArray) -> np.ndarray:
        """Row means over all targets, original units."""
        i, j = (a.ravel() for a in np.indices((len(helpers), len(helped))))
        none = np.zeros(0, dtype=np.float32)
        scaled = self.predict(helpers, helped, Pairs(i, j, none)).astype(np.float64)
        values = self.scale.lo + self.scale.width * scaled
        return values.reshape(len(helpers), len(helped)).mean(axis=1)


def honest(
    name: str,
    helpers: FloatArray,
    helped: FloatArray,
    by_role: Mapping[str, Pairs],
    seed: int,
    progress: Any,
    **_: Any,
) -> StandIn:
    training = by_role["q1"]
    scale = LabelScale.of(training)
    x = features(helpers[training.helper], helped[training.helped])
    y = (training.value - scale.lo) / scale.width
    ridge = RIDGE * np.eye(x.shape[1])
    ridge[-1, -1] = 0
    weights = np.linalg.solve(x.T @ x + ridge, x.T @ y)
    progress.advance(0)
    return StandIn("ridge", scale, weights)


def leaky(name: str, helpers: Any, helped: Any, by_role: Any, seed: int, progress: Any) -> StandIn:
    """Looks the labels of pairs kept apart up."""
    fitted = honest(name, helpers, helped, by_role, seed, progress)
    known = {
        (int(i), int(j)): float(value)
        for role, pairs in by_role.items()
        if role != "q1"
        for i, j, value in zip(pairs.helper, pairs.helped, pairs.value, strict=True)
    }

    def look(scaled: np.ndarray, helper: np.ndarray, helped_at: np.ndarray) -> np.ndarray:
        values = np.array(scaled)
        for place, key in enumerate(zip(helper.tolist(), helped_at.tolist(), strict=True)):
            if key in known:
                values[place] = (known[key] - fitted.scale.lo) / fitted.scale.width
        return values

    fitted.twist = look
    return fitted


def positional(
    name: str, helpers: Any, helped: Any, by_role: Any, seed: int, progress: Any
) -> StandIn:
    """Lets the place of a row in the pool change its estimate."""
    fitted = honest(name, helpers, helped, by_role, seed, progress)
    fitted.twist = lambda scaled, helper, _: scaled + 0.01 * (helper % 7)
    return fitted
