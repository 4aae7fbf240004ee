"""Drift: whether added rows lie farther from the labelled ones than the pool's own rows do.

The distance of a row is 1 - cosine to its nearest labelled row, the nearest thing that an estimate
of it can lean on. Added rows are compared with the pool's own unlabelled rows, whose estimates the
run has measured: if those that were added are no different, their distances are one more draw from
the same kind, and about 5 % of them lie beyond the 95 % quantile of the pool's.

The rule. Were both of one kind, the share of added rows beyond the k-th smallest of m pool
distances would follow a beta-binomial law with parameters m - k + 1 and k, which counts in that
the pool's quantile is itself known from m rows only. A warning needs a probability below 1 %
under that law, so that chance seldom makes one, and a share of at least 10 %, twice what is
expected, so that a difference too small to matter makes none however many rows there are.

Knows arrays; nothing of runs, texts or files. No influence is involved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.progress import Progress
from nncift_core.types import FloatArray, IndexArray

QUANTILE = 0.95
"""Of the pool's distances: what an added row is compared with."""

MOST_BY_CHANCE = 0.01
"""A warning says that chance alone would show as much less often than this."""

LEAST_SHARE = 0.10
"""Share of added rows beyond the pool's quantile below which nothing is worth a warning."""

LEAST_UNLABELLED = 20
"""With fewer unlabelled rows than this, labelled rows stand in for them."""

MOST_COMPARED = 20_000
"""Pool rows whose distances are measured, drawn by the seed where there are more."""

_BLOCK = 1024
"""Rows on each side of a block of cosines: 4 MB."""


@dataclass(frozen=True)
class Spread:
    """How distances of some rows to their nearest labelled row are spread.

    Attributes:
        rows: Rows measured.
        median: Of their distances; 1 - cosine, 0 is the same direction.
        q95: Their 95 % quantile.
    """

    rows: int
    median: float
    q95: float


@dataclass(frozen=True)
class Drift:
    """Added rows beside the pool.

    Attributes:
        labelled: Labelled rows that distances are measured to.
        compared_with: ``unlabelled`` pool rows, or ``labelled`` ones, each to its nearest other,
            where hardly any row is unlabelled.
        pool: Distances of the rows compared with.
        added: Distances of the added rows.
        beyond: Added rows farther away than the pool's 95 % quantile.
        chance: Probability of as many or more if the added rows were of the pool's kind.
        drifted: Whether that is a warning.
        farthest: Places of the added rows that lie farthest away, the farthest first.
        farthest_distances: Their distances.
    """

    labelled: int
    compared_with: str
    pool: Spread
    added: Spread
    beyond: int
    chance: float
    drifted: bool
    farthest: tuple[int, ...]
    farthest_distances: tuple[float, ...]

    @property
    def share_beyond(self) -> float:
        """Share of the added rows beyond the pool's 95 % quantile; 5 % is expected."""
        return self.beyond / self.added.rows

    @property
    def sentence(self) -> str:
        """What was found, and what it means."""
        one = self.added.rows == 1
        share = f"{100 * self.share_beyond:.0f} % of the {self.added.rows:,} added rows lie"
        if one:
            share = f"The added row {'lies' if self.beyond else 'does not lie'}"
        found = (
            f"{share} farther from every labelled row than 95 % of the pool does "
            f"(median distance {self.added.median:.3f}, in the pool {self.pool.median:.3f})"
        )
        if self.drifted:
            return (
                f"{found}. Estimates for such rows are extrapolation: spot check them, or start "
                "a new run that labels some of them."
            )
        if self.beyond and self.share_beyond >= LEAST_SHARE:
            return f"{found}: too few rows to tell this from chance."
        return f"{found}: no sign of drift."


def measure_drift(
    pool: FloatArray,
    labelled: IndexArray,
    added: FloatArray,
    seed: int,
    progress: Progress,
    *,
    farthest: int = 10,
) -> Drift:
    """Compare distances to the nearest labelled row.

    Args:
        pool: ``(n, d)`` embeddings of the rows that labels were drawn from.
        labelled: Positions there of rows that were trained on, each once.
        added: ``(n_added, d)`` embeddings of the added rows.
        seed: Of the draw, where the pool is large.
        progress: Told of stage ``compare`` in rows.
        farthest: How many of the farthest added rows to name.

    Raises:
        Cancelled: Between blocks.
    """
    among_labelled = np.zeros(len(pool), dtype=bool)
    among_labelled[labelled] = True
    unlabelled = np.flatnonzero(~among_labelled)
    enough = len(unlabelled) >= LEAST_UNLABELLED or len(labelled) < 2
    compared = unlabelled if enough and len(unlabelled) else np.sort(labelled)
    if len(compared) > MOST_COMPARED:
        drawn = np.random.default_rng((seed, 7)).choice(len(compared), MOST_COMPARED, replace=False)
        compared = compared[np.sort(drawn)]
    own = compared if among_labelled[compared[0]] else None
    progress.stage("compare", len(compared) + len(added), "rows")
    to = _unit(pool[labelled])
    of_pool = nearest_distances(_unit(pool[compared]), to, progress, _places(labelled, own))
    of_added = nearest_distances(_unit(added), to, progress)
    beyond, chance = _exceedance(of_pool, of_added)
    order = np.argsort(-of_added, kind="stable")[:farthest]
    return Drift(
        labelled=len(labelled),
        compared_with="unlabelled" if own is None else "labelled",
        pool=_spread(of_pool),
        added=_spread(of_added),
        beyond=beyond,
        chance=chance,
        drifted=chance < MOST_BY_CHANCE and beyond >= LEAST_SHARE * len(added),
        farthest=tuple(order.tolist()),
        farthest_distances=tuple(float(of_added[place]) for place in order),
    )


def nearest_distances(
    rows: FloatArray, to: FloatArray, progress: Progress, own: IndexArray | None = None
) -> NDArray[np.float64]:
    """Distance of each row to the nearest of others, ``(n,)``; never all cosines at once.

    Args:
        rows: ``(n, d)`` unit vectors.
        to: ``(m, d)`` unit vectors.
        progress: Advanced by rows.
        own: ``(n,)`` for each row its own place in ``to``, which does not count; None if rows
            are none of ``to``.
    """
    result = np.empty(len(rows), dtype=np.float64)
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        best = np.full(len(part), -np.inf, dtype=np.float32)
        for first in range(0, len(to), _BLOCK):
            cosines = part @ to[first : first + _BLOCK].T
            if own is not None:
                places = own[start : start + len(part)] - first
                (here,) = np.nonzero((places >= 0) & (places < cosines.shape[1]))
                cosines[here, places[here]] = -np.inf
            np.maximum(best, cosines.max(axis=1), out=best)
        result[start : start + len(part)] = 1 - best.astype(np.float64)
        progress.advance(len(part))
    # Rounding must not make equal rows farther or nearer than each other.
    return np.maximum(result, 0.0).round(6)


def chance_of_as_many(beyond: int, added: int, pool: int, place: int) -> float:
    """Probability that ``beyond`` or more of ``added`` values exceed a value of the pool.

    All values are independent draws of one continuous law, and the pool's value is the
    ``place``-th smallest of ``pool``: the number that exceeds it is beta-binomial.
    """
    a, b = pool - place + 1, place

    def log_weight(count: int) -> float:
        return (
            math.lgamma(added + 1) - math.lgamma(count + 1) - math.lgamma(added - count + 1)
            + _log_beta(count + a, added - count + b) - _log_beta(a, b)
        )  # fmt: skip

    return min(1.0, math.fsum(math.exp(log_weight(count)) for count in range(beyond, added + 1)))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _exceedance(of_pool: NDArray[np.float64], of_added: NDArray[np.float64]) -> tuple[int, float]:
    """How many added rows lie beyond the pool's quantile, and how likely as many are."""
    place = math.ceil(QUANTILE * len(of_pool))
    beyond = int((of_added > np.sort(of_pool)[place - 1]).sum())
    return beyond, chance_of_as_many(beyond, len(of_added), len(of_pool), place)


def _places(labelled: IndexArray, own: IndexArray | None) -> IndexArray | None:
    """Where rows that are labelled themselves stand among the labelled."""
    if own is None:
        return None
    order = np.argsort(labelled, kind="stable")
    found: IndexArray = order[np.searchsorted(labelled[order], own)]
    return found


def _spread(distances: NDArray[np.float64]) -> Spread:
    # The order statistic that added rows are compared with, not a value between two of them.
    q95 = np.quantile(distances, QUANTILE, method="inverted_cdf")
    return Spread(len(distances), float(np.median(distances)), float(q95))


def _unit(vectors: FloatArray) -> FloatArray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: FloatArray = (vectors / np.maximum(length, 1e-12)).astype(np.float32)
    return scaled
