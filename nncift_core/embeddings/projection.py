"""Embeddings as points on a map: rows that say alike things lie close together.

The layout is t-SNE of the library openTSNE, over each row's nearest neighbours by cosine. Of a
large pool a seeded sample is laid out, and every other row is placed among its nearest laid-out
neighbours. Knows vectors only: nothing of rows, runs or files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.embeddings.neighbours import nearest_rows
from nncift_core.progress import Progress
from nncift_core.types import FloatArray, IndexArray

MOST_FITTED = 20_000
"""Rows that are laid out; a minute of work on one core. More rows are placed among these."""

NEIGHBOURS = 15
"""Neighbours that a row is drawn towards in the layout."""

EARLY_ROUNDS, LATE_ROUNDS = 250, 500
"""Rounds of t-SNE: first with forces of attraction enlarged, so that groups find together."""

KEPT_OF = 10
"""The quality of a map is the share of so many nearest neighbours that stay so."""

MEASURED_ON = 500
"""Rows that the quality is measured on, at most."""

_EXAGGERATION = 12
_TARGET_SHARE = 0.25
_PLACED_BY = 5
_SHARPNESS = 30.0
"""Weight of a neighbour falls by e for every 1/30 of cosine: near ones decide."""
_ROUNDS_A_STEP = 10
_FEW = 30
"""Fewer rows than this have no neighbourhoods worth a layout; their main axes are drawn."""


@dataclass(frozen=True, eq=False)
class Projection:
    """Where rows lie on the map.

    Attributes:
        pool: ``(n_train, 2)`` float32 in [0, 1], both sides of the map scaled alike.
        target: ``(n_target, 2)`` likewise.
        fitted: Rows that were laid out, of pool and target together.
        placed: Rows that were placed among those.
        kept: Share of the 10 nearest neighbours by cosine, among pool rows, that are among the
            10 nearest on the map; None where there are too few rows to tell.
        by_chance: What a map at random would keep.
        measured_on: Pool rows that ``kept`` was measured on.
    """

    pool: FloatArray
    target: FloatArray
    fitted: int
    placed: int
    kept: float | None
    by_chance: float | None
    measured_on: int


def project(
    pool: FloatArray,
    target: FloatArray,
    progress: Progress,
    *,
    seed: int = 0,
    most_fitted: int = MOST_FITTED,
) -> Projection:
    """Lay embeddings out on a map.

    The same vectors and seed give the same bytes on one machine.

    Args:
        pool: ``(n_train, d)`` unit vectors, at least one.
        target: ``(n_target, d)`` unit vectors, maybe none.
        progress: Told of the stages ``find-neighbours``, ``arrange``, ``place-others`` and
            ``check-map``; also how the work is cancelled.
        seed: Of the samples.
        most_fitted: Rows to lay out at most.

    Raises:
        Cancelled: By ``progress``, at most some seconds after it was asked.
    """
    random = np.random.default_rng((seed, 2))
    vectors = np.concatenate([pool, target]).astype(np.float32, copy=False)
    n_train = len(pool)
    fitted = _drawn(n_train, len(target), most_fitted, random)
    places = np.zeros((len(vectors), 2), dtype=np.float64)
    places[fitted] = _layout(vectors[fitted], progress, random)
    others = np.setdiff1d(np.arange(len(vectors)), fitted)
    if len(others):
        places[others] = _placed(vectors, others, fitted, places, progress)
    scaled = _scaled(places)
    kept, measured_on = _kept(vectors[:n_train], scaled[:n_train], progress, random)
    chance = None if kept is None else KEPT_OF / (n_train - 1)
    return Projection(
        scaled[:n_train], scaled[n_train:], len(fitted), len(others), kept, chance, measured_on
    )


def _drawn(n_train: int, n_target: int, most: int, random: np.random.Generator) -> IndexArray:
    """Positions, in pool and target one after the other, of the rows to lay out."""
    if n_train + n_target <= most:
        return np.arange(n_train + n_target, dtype=np.int64)
    targets = min(n_target, max(int(_TARGET_SHARE * most), most - n_train))
    rows = random.choice(n_train, min(n_train, most - targets), replace=False)
    of_target = n_train + random.choice(n_target, targets, replace=False)
    return np.sort(np.concatenate([rows, of_target])).astype(np.int64)


def _layout(
    vectors: FloatArray, progress: Progress, random: np.random.Generator
) -> NDArray[np.float64]:
    """``(n, 2)`` places of vectors that are laid out together."""
    count = len(vectors)
    start = _main_axes(vectors)
    if count < _FEW:
        return start
    # Here, since they take seconds to import.
    import scipy.sparse
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PrecomputedAffinities

    near = min(NEIGHBOURS, count - 1)
    progress.stage("find-neighbours", count, "rows")
    every = np.arange(count, dtype=np.int64)
    found, _ = nearest_rows(vectors, vectors, near, progress, itself=every)
    edges = scipy.sparse.csr_matrix(
        (np.ones(count * near), (np.repeat(every, near), found.ravel())), shape=(count, count)
    )
    # Both ways alike: whoever is near draws and is drawn.
    attraction = PrecomputedAffinities(edges + edges.T)
    # A trace of chance parts equal rows; the axes say where groups begin.
    spread = max(float(start[:, 0].std()), 1e-12)
    begin = 1e-4 * (start / spread + 1e-2 * random.standard_normal(start.shape))
    progress.stage("arrange", EARLY_ROUNDS + LATE_ROUNDS, "rounds")

    def told(iteration: int, error: float, embedding: object) -> None:
        # What it raises ends the layout.
        progress.advance(_ROUNDS_A_STEP)

    layout = TSNEEmbedding(
        begin,
        attraction,
        negative_gradient_method="fft" if count > 2_000 else "bh",
        # Several threads add in an order of chance.
        n_jobs=1,
        random_state=int(random.integers(2**31)),
        learning_rate=max(200.0, count / _EXAGGERATION),
        callbacks=told,
        callbacks_every_iters=_ROUNDS_A_STEP,
    )
    layout = layout.optimize(n_iter=EARLY_ROUNDS, exaggeration=_EXAGGERATION, momentum=0.5)
    layout = layout.optimize(n_iter=LATE_ROUNDS, momentum=0.8)
    return np.asarray(layout, dtype=np.float64)


def _main_axes(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """``(n, 2)`` places on the two axes along which the vectors differ most."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    if centred.shape[1] < 2:
        return np.concatenate([centred, np.zeros_like(centred)], axis=1)[:, :2]
    _, axes = np.linalg.eigh(centred.T @ centred)
    two = axes[:, -2:][:, ::-1]
    # Of an axis and its mirror image always the same one.
    strongest = np.take_along_axis(two, np.abs(two).argmax(axis=0)[None], axis=0)
    flat: NDArray[np.float64] = centred @ (two * np.where(strongest < 0, -1.0, 1.0))
    return flat


def _placed(
    vectors: FloatArray,
    others: IndexArray,
    fitted: IndexArray,
    places: NDArray[np.float64],
    progress: Progress,
) -> NDArray[np.float64]:
    """``(m, 2)``: the weighted mean of the places of each row's nearest laid-out rows."""
    progress.stage("place-others", len(others), "rows")
    near = min(_PLACED_BY, len(fitted))
    found, likeness = nearest_rows(vectors[others], vectors[fitted], near, progress)
    weight = np.exp(_SHARPNESS * (likeness - likeness[:, :1]).astype(np.float64))
    weight /= weight.sum(axis=1, keepdims=True)
    mean: NDArray[np.float64] = np.einsum("nk,nkc->nc", weight, places[fitted][found])
    return mean


def _scaled(places: NDArray[np.float64]) -> FloatArray:
    """The places inside the unit square, as large as they fit, one scale for both sides.

    Turned so that the map is wider than high, as screens are.
    """
    places = _main_axes(places)
    low, high = places.min(axis=0), places.max(axis=0)
    size = float((high - low).max())
    if size <= 0:
        return np.full(places.shape, 0.5, dtype=np.float32)
    inside = (places - (low + high) / 2) / size + 0.5
    scaled: FloatArray = np.clip(inside, 0.0, 1.0).astype(np.float32)
    return scaled


def _kept(
    vectors: FloatArray, places: FloatArray, progress: Progress, random: np.random.Generator
) -> tuple[float | None, int]:
    """The share of nearest neighbours that the map keeps, and on how many rows it was measured."""
    if len(vectors) <= 2 * KEPT_OF:
        return None, 0
    rows = np.sort(random.choice(len(vectors), min(MEASURED_ON, len(vectors)), replace=False))
    progress.stage("check-map", len(rows), "rows")
    true, _ = nearest_rows(vectors[rows], vectors, KEPT_OF, progress, itself=rows)
    drawn = _nearest_places(places, rows)
    both = (true[:, :, None] == drawn[:, None, :]).any(axis=2)
    return float(both.mean()), len(rows)


def _nearest_places(places: FloatArray, rows: IndexArray) -> IndexArray:
    """``(m, 10)`` nearest rows on the map, without the rows themselves."""
    from scipy.spatial import cKDTree

    _, found = cKDTree(places).query(places[rows], k=KEPT_OF + 1)
    # A row among many in one place need not find itself; then the farthest is left out.
    itself = found == rows[:, None]
    itself[:, -1] |= ~itself.any(axis=1)
    nearest: IndexArray = found[~itself].reshape(len(rows), KEPT_OF).astype(np.int64)
    return nearest
