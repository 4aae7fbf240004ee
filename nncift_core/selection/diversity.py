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

import functools
from collections.abc import Callable, Sequence
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
"""Rows of a selection that are measured; of larger ones a random sample."""

MOST_HELD = 2_000
"""Rows that a selection is represented by, and the pool as the reference of densities: of larger
ones a random sample, so that 250,000 rows take no longer than 2,000. The random draws that a
selection is set beside are of its size and sampled alike."""

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
        vectors: ``(n_train, d)`` embeddings of the pool, or what gives those of some positions;
            they need not be unit vectors.
        n_train: Rows of the pool; needed where embeddings are read as they are asked for.
        most_rows: Rows measured in each selection at most.
        most_held: Rows that a selection, and the pool, are represented by at most.
        seed: Of the sample of larger selections.
        progress: Told of nothing but cancelled through it, block by block.
    """

    def __init__(
        self,
        vectors: FloatArray | Callable[[IndexArray], FloatArray],
        *,
        n_train: int | None = None,
        most_rows: int = MOST_ROWS,
        most_held: int = MOST_HELD,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        self._read = vectors if callable(vectors) else vectors.__getitem__
        count = n_train if callable(vectors) else len(vectors)
        if count is None:
            raise ValueError("n_train must be given where embeddings are read")
        self._most_rows, self._most_held, self._seed = most_rows, most_held, seed
        self._count = count
        # Of a row that was read, its place among those read.
        self._place = np.full(count, -1, dtype=np.int64)
        self._units = np.empty((0, 0), dtype=np.float32)
        self._density = np.full(count, np.nan)
        self._progress = progress or SilentProgress()

    def look_at(self, orders: Sequence[IndexArray]) -> None:
        """Read the embeddings that measuring these selections takes, all at once."""
        held = [self._sample(np.sort(order), self._most_held) for order in orders]
        wanted = np.unique(np.concatenate([self._reference, *held]))
        vectors = self._read(wanted)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._units = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
        self._place[:] = -1
        self._place[wanted] = np.arange(len(wanted))

    @functools.cached_property
    def _reference(self) -> IndexArray:
        return self._sample(np.arange(self._count, dtype=np.int64), self._most_held)

    @functools.cached_property
    def _distinct(self) -> FloatArray:
        return _distinct(self._unit(self._reference))

    @functools.cached_property
    def _known(self) -> set[bytes]:
        return {row.tobytes() for row in self._distinct}

    def measure(self, order: IndexArray) -> Diversity:
        """Diversity of the pool rows at these positions, none twice. Raises: Cancelled."""
        if len(order) < 2:
            return Diversity(None, None)
        # Sorted, so that the order of a selection changes nothing, the sample included.
        inside = self._sample(np.sort(order), self._most_held)
        measured = self._sample(inside, self._most_rows)
        if (self._place[inside] < 0).any():
            self.look_at([inside])
        densities = self._densities(measured)
        rank = np.arange(1, len(inside) + 1, dtype=np.float64)
        weight = rank**-PROXIMITY_POWER
        weight /= weight.sum()
        nearest, novel = 0.0, 0.0
        held = self._unit(inside)
        step = max(1, _BLOCK_VALUES // len(inside))
        for start in range(0, len(measured), step):
            part = measured[start : start + step]
            away = _cosine_distances(self._unit(part), held)
            # Rounding must not let a copy come before the row itself.
            away[np.arange(len(part)), np.searchsorted(inside, part)] = 0.0
            away.sort(axis=1)
            nearest += float(away[:, 1].sum())
            novel += float(densities[start : start + step] @ (away @ weight))
            self._progress.advance(0)
        known = bool(np.isfinite(densities).all())
        return Diversity(nearest / len(measured), novel / len(measured) if known else None)

    def _unit(self, positions: IndexArray) -> FloatArray:
        """``(k, d)`` embeddings of pool rows, of length 1."""
        if (self._place[positions] < 0).any():
            self.look_at([positions])
        return self._units[self._place[positions]]

    def _sample(self, positions: IndexArray, most: int) -> IndexArray:
        """At most so many of ascending positions, always the same ones of the same."""
        if len(positions) <= most:
            return positions
        generator = np.random.default_rng(self._seed)
        return np.sort(generator.choice(positions, most, replace=False))

    def _densities(self, positions: IndexArray) -> NDArray[np.float64]:
        """``(k,)`` density around pool rows, computed once for each row; NaN where unknown."""
        missing = positions[np.isnan(self._density[positions])]
        neighbours = min(NEIGHBOURS, len(self._distinct) - 1)
        if len(missing) and neighbours > 0:
            step = max(1, _BLOCK_VALUES // len(self._distinct))
            for start in range(0, len(missing), step):
                part = missing[start : start + step]
                # Of unit vectors the squared Euclidean distance is twice the cosine distance.
                unit = self._unit(part)
                away = 2 * _cosine_distances(unit, self._distinct)
                # The nearest is the row itself, also where the reference is a sample without it.
                absent = np.array([row.tobytes() not in self._known for row in unit])
                if absent.any():
                    away = np.column_stack([away, np.where(absent, 0.0, np.inf)])
                closest = np.partition(away, neighbours, axis=1)[:, : neighbours + 1]
                closest.sort(axis=1)
                mean = closest[:, 1:].mean(axis=1)
                self._density[part] = (mean + REGULARIZATION) ** -DENSITY_POWER
                self._progress.advance(0)
        return self._density[positions]


def random_orders(n_train: int, size: int, *, draws: int = 3, seed: int = 0) -> list[IndexArray]:
    """``(size,)`` each: random draws of the pool's positions, none twice."""
    generator = np.random.default_rng(seed)
    return [generator.choice(n_train, size, replace=False).astype(np.int64) for _ in range(draws)]


def random_diversity(
    meter: DiversityMeter, n_train: int, size: int, *, draws: int = 3, seed: int = 0
) -> Diversity:
    """Mean diversity of random draws of ``size`` of the pool's rows. Raises: Cancelled."""
    found = [meter.measure(order) for order in random_orders(n_train, size, draws=draws, seed=seed)]
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
