"""How diverse a selection is, by the embeddings of its rows. Knows nothing of influence.

Two measures, both larger for more diverse sets, and both lower for larger sets of the same kind:
compare selections of one size, or each with random draws of its own size.

- Mean distance to the nearest other row, as cosine distance.
- NovelSum (Yang et al., "Measuring Data Diversity for Instruction Tuning", arXiv 2502.17184,
  section 3; ACL 2025), as the authors' published code computes it: with cosine distances d[i, j]
  inside the selection, the row itself included, sorted per row so that the r-th nearest has rank
  r, and the density s[i] = (mean squared Euclidean distance to the 10 nearest other rows of a
  reference + 1e-9) ** -0.5, it is the mean over i of s[i] * sum_r d[i, (r)] / r over sum_r 1 / r.
  These are the exponents 1 of proximity and 0.5 of density. The reference is the pool, rows of
  equal embedding counted once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, IndexArray

NEIGHBOURS = 10
DENSITY_POWER = 0.5
PROXIMITY_POWER = 1.0
REGULARIZATION = 1e-9

MOST_ROWS = 1_000
"""Rows of a selection that are measured against all of it; of larger ones a random sample."""

_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True)
class Diversity:
    """How diverse a selection is.

    Attributes:
        nearest: Mean cosine distance to the nearest other row, 0 to 2; None for a single row.
        novelsum: NovelSum, 0 or more; None for a single row, or a pool of equal rows.
    """

    nearest: float | None
    novelsum: float | None


class DiversityMeter:
    """Measures selections of one pool.

    Args:
        vectors: ``(n_train, d)`` embeddings of the pool; they need not be unit vectors.
        most_rows: Rows measured in each selection at most.
        seed: Of the sample of larger selections.
        progress: Told of nothing but cancelled through it, block by block.
    """

    def __init__(
        self,
        vectors: FloatArray,
        *,
        most_rows: int = MOST_ROWS,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._unit = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
        self._distinct = _distinct(self._unit)
        self._density = np.full(len(vectors), np.nan)
        self._most_rows, self._seed = most_rows, seed
        self._progress = progress or SilentProgress()

    def measure(self, order: IndexArray) -> Diversity:
        """Diversity of the pool rows at these positions, none twice. Raises: Cancelled."""
        if len(order) < 2:
            return Diversity(None, None)
        # Sorted, so that the order of a selection changes nothing, the sample included.
        inside = np.sort(order)
        measured = inside
        if len(inside) > self._most_rows:
            generator = np.random.default_rng(self._seed)
            measured = np.sort(generator.choice(inside, self._most_rows, replace=False))
        densities = self._densities(measured)
        rank = np.arange(1, len(inside) + 1, dtype=np.float64)
        weight = rank**-PROXIMITY_POWER
        weight /= weight.sum()
        nearest, novel = 0.0, 0.0
        held = self._unit[inside]
        step = max(1, _BLOCK_VALUES // len(inside))
        for start in range(0, len(measured), step):
            part = measured[start : start + step]
            away = _cosine_distances(self._unit[part], held)
            # Rounding must not let a copy come before the row itself.
            away[np.arange(len(part)), np.searchsorted(inside, part)] = 0.0
            away.sort(axis=1)
            nearest += float(away[:, 1].sum())
            novel += float(densities[start : start + step] @ (away @ weight))
            self._progress.advance(0)
        known = bool(np.isfinite(densities).all())
        return Diversity(nearest / len(measured), novel / len(measured) if known else None)

    def _densities(self, positions: IndexArray) -> NDArray[np.float64]:
        """``(k,)`` density around pool rows, computed once for each row; NaN where unknown."""
        missing = positions[np.isnan(self._density[positions])]
        neighbours = min(NEIGHBOURS, len(self._distinct) - 1)
        if len(missing) and neighbours > 0:
            step = max(1, _BLOCK_VALUES // len(self._distinct))
            for start in range(0, len(missing), step):
                part = missing[start : start + step]
                # Of unit vectors the squared Euclidean distance is twice the cosine distance.
                away = 2 * _cosine_distances(self._unit[part], self._distinct)
                # The nearest is the row itself.
                closest = np.partition(away, neighbours, axis=1)[:, : neighbours + 1]
                closest.sort(axis=1)
                mean = closest[:, 1:].mean(axis=1)
                self._density[part] = (mean + REGULARIZATION) ** -DENSITY_POWER
                self._progress.advance(0)
        return self._density[positions]


def random_diversity(
    meter: DiversityMeter, n_train: int, size: int, *, draws: int = 3, seed: int = 0
) -> Diversity:
    """Mean diversity of random draws of ``size`` of the pool's rows. Raises: Cancelled."""
    generator = np.random.default_rng(seed)
    found = [
        meter.measure(generator.choice(n_train, size, replace=False).astype(np.int64))
        for _ in range(draws)
    ]
    return Diversity(_mean([one.nearest for one in found]), _mean([one.novelsum for one in found]))


def _cosine_distances(first: FloatArray, second: FloatArray) -> NDArray[np.float64]:
    """``(k, l)`` of unit vectors, not below 0 by rounding."""
    away = 1.0 - (first @ second.T).astype(np.float64)
    np.maximum(away, 0.0, out=away)
    return away


def _distinct(unit: FloatArray) -> FloatArray:
    """The different rows, in order of first appearance."""
    keys = np.ascontiguousarray(unit).view(np.dtype((np.void, unit.dtype.itemsize * unit.shape[1])))
    first = np.unique(keys.ravel(), return_index=True)[1]
    return unit[np.sort(first)]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
