"""How alike the two rows of a pair are, and what that alone tells of its influence.

A row mostly helps the few targets that are like it, and a smooth function of two rows blurs just
these. So the cosine of the embeddings and a Gaussian of the whitened inputs, ``exp(sharpness
(x . y - 1))``, are fitted to the labels by least squares before anything else learns what is left.
Both are products of a number for each row, so a pair stays cheap. Knows no units and no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.network.estimators import Task
from nncift_core.network.process import Features
from nncift_core.types import FloatArray

SHARPNESS = (2.0, 5.0, 10.0, 20.0)
FEATURES = 160
"""Numbers a row that the similarity is made of."""
LEAST_EXPLAINED = 0.02
"""Share of the labels' variance that must be explained for any of it to be used."""
LEAST_GAIN = 0.01
"""Share that cosine or similarity must add to the other, since it makes every pair dearer."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Likeness:
    """``intercept + cosine * (e_x . e_y) + similarity * s(x, y)``.

    Attributes:
        intercept: On the scale of the labels.
        cosine: Slope of the embeddings' cosine; 0 where it is not used.
        similarity: Slope of the similarity of whitened inputs; 0 where it is not used.
        features: The similarity as a product, None where it is not used.
        text: Leading columns of the inputs that are the embedding.
    """

    intercept: float
    cosine: float
    similarity: float
    features: Features | None
    text: int

    @classmethod
    def fit(cls, task: Task, helpers: FloatArray, helped: FloatArray) -> Likeness | None:
        """Least squares; None where likeness tells nothing of the labels.

        Args:
            task: The labels, and inputs with the embedding in front.
            helpers: ``(n, k)`` whitened inputs.
            helped: ``(m, k)`` whitened inputs.
        """
        i, j = task.pairs.helper, task.pairs.helped
        values = task.pairs.value.astype(np.float64)
        cosine = _products(task.helpers[:, : task.text], task.helped[:, : task.text], i, j)
        rows = np.concatenate([helpers, helped])
        best: tuple[float, Features | None, Array] = (-1.0, None, np.zeros(len(values)))
        for sharpness in SHARPNESS:
            features = Features.of(rows, sharpness, task.seed, FEATURES)
            similar = _products(features.apply(helpers), features.apply(helped), i, j)
            share = _explained([similar], values)
            if share > best[0]:
                best = share, features, similar
        alone, chosen, similar = best
        by_cosine, by_both = (_explained(terms, values) for terms in ([cosine], [cosine, similar]))
        # A slope explains about one label's share by chance.
        if by_both < LEAST_EXPLAINED + 4 / len(values):
            return None
        uses_similarity = by_both - by_cosine >= LEAST_GAIN
        uses_cosine = by_both - alone >= LEAST_GAIN or not uses_similarity
        terms = [*([cosine] if uses_cosine else []), *([similar] if uses_similarity else [])]
        intercept, *slopes = _line(terms, values)
        return cls(
            intercept,
            slopes[0] if uses_cosine else 0.0,
            slopes[-1] if uses_similarity else 0.0,
            chosen if uses_similarity else None,
            task.text,
        )

    def of_pairs(self, task: Task, helpers: FloatArray, helped: FloatArray) -> Array:
        """``(labels,)`` its values for the task's pairs; arguments as for ``fit``."""
        i, j = task.pairs.helper, task.pairs.helped
        left, right = (
            self.factors(task.helpers, helpers, helped=False),
            self.factors(task.helped, helped, helped=True),
        )
        return self.intercept + _products(left, right, i, j)

    def factors(self, rows: FloatArray, whitened: FloatArray, *, helped: bool) -> FloatArray:
        """``(n, width)`` one side's factors; the slopes stand on the helpers' side."""
        parts: list[Array] = []
        if self.cosine:
            slope = 1.0 if helped else self.cosine
            parts.append(slope * rows[:, : self.text].astype(np.float64))
        if self.features is not None:
            slope = 1.0 if helped else self.similarity
            parts.append(slope * self.features.apply(whitened))
        result: FloatArray = np.concatenate(parts, axis=1).astype(np.float32)
        return result

    @property
    def parameters(self) -> int:
        """Intercept and slopes."""
        return 1 + (self.cosine != 0) + (self.features is not None)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What ``restore`` needs."""
        numbers = [self.intercept, self.cosine, self.similarity, float(self.text)]
        found: dict[str, NDArray[Any]] = {"likeness": np.array(numbers)}
        if self.features is not None:
            found["likeness_landmarks"] = self.features.landmarks
            found["likeness_weight"] = self.features.weight
            found["likeness_sharpness"] = np.array(self.features.sharpness)
        return found

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Likeness | None:
        """What ``arrays`` came from, None where there was none."""
        if "likeness" not in arrays:
            return None
        intercept, cosine, similarity, text = arrays["likeness"].tolist()
        features = None
        if "likeness_landmarks" in arrays:
            features = Features(
                arrays["likeness_landmarks"],
                arrays["likeness_weight"],
                float(arrays["likeness_sharpness"]),
            )
        return cls(intercept, cosine, similarity, features, int(text))


def _products(
    left: NDArray[Any], right: NDArray[Any], i: NDArray[np.int64], j: NDArray[np.int64]
) -> Array:
    result = np.empty(len(i))
    for start in range(0, len(i), 16_384):
        part = slice(start, start + 16_384)
        rows = left[i[part]].astype(np.float64)
        result[part] = np.einsum("nd,nd->n", rows, right[j[part]].astype(np.float64))
    return result


def _line(terms: list[Array], values: Array) -> list[float]:
    matrix = np.stack([np.ones(len(values)), *terms], axis=1)
    found: list[float] = np.linalg.lstsq(matrix, values, rcond=None)[0].tolist()
    return found


def _explained(terms: list[Array], values: Array) -> float:
    """Share of the variance of the values that the terms explain by a line."""
    spread = float(values.var())
    if not spread:
        return 0.0
    intercept, *slopes = _line(terms, values)
    rest = values - intercept - sum(a * term for a, term in zip(slopes, terms, strict=True))
    return 1 - float(np.mean(rest**2)) / spread
