"""How good estimates are at several numbers of labels, from labels that exist already.

Each draw keeps a fifth of the labelled rows and of the labelled columns out, learns from parts of
the rest and is measured on what was kept out. The R² is that over all unlabelled pairs: errors on
pairs whose row, column, both or neither was seen, in the shares that the design leaves unlabelled.
Knows arrays and an estimator, nothing of runs or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import ConfigError
from nncift_core.influence.label_plan import SMALLEST_TRAINING
from nncift_core.network import AUTO
from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, IndexArray, Pairs

SIZES = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""Shares of the labels at hand that are learned from."""

DRAWS = 5
KEPT_OUT = 0.2
KEPT_PAIRS = 0.1
MOST_PAIRS = 4_000
"""Labels that are learned from at most: more only cost time, the law is known by then."""

SHARED = KEPT_OUT / (1 - KEPT_OUT)
"""Rows kept out over rows learned from: what ``fit_curve`` must know of draws from one set."""

Fit = Callable[..., Any]
"""``nncift_core.network.fitting.fit`` or what is called alike."""


@dataclass(frozen=True)
class Shape:
    """How a design spreads its labels.

    Attributes:
        rows: Rows with labels.
        columns: Columns with labels.
        per_row: Labels of each row.
    """

    rows: int
    columns: int
    per_row: float

    @property
    def is_block(self) -> bool:
        """Whether every pair of its rows and columns is labelled."""
        return self.per_row >= self.columns

    def unlabelled(self, n_train: int, n_target: int) -> dict[str, float]:
        """Shares of the unlabelled pairs by role: ``q1u``, ``q2``, ``q3``, ``q4``."""
        counts = {
            "q1u": self.rows * max(0.0, self.columns - self.per_row),
            "q2": (n_train - self.rows) * self.columns,
            "q3": self.rows * (n_target - self.columns),
            "q4": (n_train - self.rows) * (n_target - self.columns),
        }
        total = sum(counts.values())
        return {role: count / total for role, count in counts.items()} if total else {"q4": 1.0}


@dataclass(frozen=True)
class CurvePoints:
    """What was measured: ``fit_curve``'s arguments, and who was measured.

    Attributes:
        labels: ``(sizes,)`` labels learned from.
        r2: ``(draws, sizes)``.
        estimator: The network or rival, the one that was picked where that was left open.
    """

    labels: IndexArray
    r2: NDArray[np.float64]
    estimator: str


def measure_curve(
    name: str,
    helpers: FloatArray,
    helped: FloatArray,
    labels: Pairs,
    shapes: Mapping[float, Shape],
    *,
    seed: int,
    progress: Progress,
    draws: int = DRAWS,
    text: int | None = None,
    fit: Fit | None = None,
) -> CurvePoints:
    """Learn from parts of the labels and measure on what was kept out.

    Args:
        name: A network, a rival, or ``auto``, which picks once with all labels of a draw.
        helpers: ``(n_train, d)`` embeddings.
        helped: ``(n_target, d)`` embeddings; ``(1, 0)`` for a pointwise function.
        labels: All labelled pairs of X.
        shapes: By the shares of ``SIZES``, how the design would spread so many labels over the
            whole matrix.
        seed: Of the draws.
        progress: Told of stage ``curve`` in fits, and of a point ``curve`` after each one.
        draws: Draws of what is kept out.
        text: Leading columns of the inputs that are the sentence embedding; all unless given.
        fit: The estimators' ``fit`` unless given.

    Raises:
        ConfigError: Too few labels for three sizes.
        Cancelled: Between fits.
    """
    if fit is None:
        from nncift_core.network.fitting import fit as real_fit

        fit = real_fit
    pointwise = helped.shape[1] == 0
    splits = [_Split.of(labels, np.random.default_rng((seed, 11, n))) for n in range(draws)]
    at_hand = min(min(len(split.learn) for split in splits), MOST_PAIRS)
    sizes = [size for size in sorted(shapes) if size * at_hand >= SMALLEST_TRAINING]
    if len(sizes) < 3:
        raise ConfigError(
            f"{len(labels):,} labels are too few for a learning curve.",
            "Let the pilot label longer, or start a run with a larger label fraction.",
        )
    n_target = 1 if pointwise else len(helped)
    counts = np.zeros((draws, len(sizes)), dtype=np.int64)
    r2 = np.zeros((draws, len(sizes)))
    progress.stage("curve", draws * len(sizes), "fits")
    for draw, split in enumerate(splits):
        # The largest first: it tells which estimator the smaller ones are measured with.
        for place in reversed(range(len(sizes))):
            shape = shapes[sizes[place]]
            rng = np.random.default_rng((seed, 12, draw, place))
            part = split.part(shape, shapes[max(shapes)], sizes[place] * at_hand, rng)
            roles = {"q1": _take(labels, part)}
            fitted = fit(name, helpers, helped, roles, seed + draw, _Quiet(progress), text=text)
            name = chosen_name(fitted, name)
            shares = {"q4": 1.0} if pointwise else shape.unlabelled(len(helpers), n_target)
            counts[draw, place] = len(part)
            r2[draw, place] = _r2(fitted, helpers, helped, labels, part, split.test, shares)
            point = {"labels": len(part), "r2": float(r2[draw, place]), "draw": draw}
            progress.point("curve", point)
            progress.advance()
    return CurvePoints(np.round(counts.mean(axis=0)).astype(np.int64), r2, name)


def chosen_name(fitted: Any, name: str) -> str:
    """The estimator that ``auto`` picked; the name itself where it names one."""
    if name != AUTO:
        return name
    if getattr(fitted, "name", AUTO) != AUTO:
        return str(fitted.name)
    picked = [found.name for found in getattr(fitted, "candidates", ()) if found.chosen]
    return str(picked[0]) if picked else name


@dataclass(frozen=True)
class _Split:
    """Which labels of one draw may be learned from and which measure; positions among them."""

    pairs: Pairs
    learn: IndexArray
    test: IndexArray

    @classmethod
    def of(cls, pairs: Pairs, rng: np.random.Generator) -> _Split:
        """Keep a fifth of the rows and of the columns out, and a tenth of the pairs left."""
        kept = _draw_out(pairs.helper, rng)
        columns = np.unique(pairs.helped)
        if len(columns) > 1:
            kept |= _draw_out(pairs.helped, rng)
            kept |= rng.random(len(pairs)) < KEPT_PAIRS
        return cls(pairs, np.flatnonzero(~kept), np.flatnonzero(kept))

    def part(
        self, shape: Shape, whole: Shape, wanted: float, rng: np.random.Generator
    ) -> IndexArray:
        """About ``wanted`` of the labels to learn from, spread as a smaller design would be."""
        row, column = self.pairs.helper[self.learn], self.pairs.helped[self.learn]
        rows = _some(row, shape.rows / whole.rows, rng)
        columns = _some(column, shape.columns / whole.columns, rng)
        inside = np.flatnonzero(np.isin(row, rows) & np.isin(column, columns))
        order = rng.permutation(inside)
        if len(order) > wanted:
            # Rows keep equally many: the first label of each row, then the second, and so on.
            order = order[np.argsort(_turn(row[order]), kind="stable")][: max(1, round(wanted))]
        if len(order) < SMALLEST_TRAINING:
            order = rng.permutation(len(self.learn))[: max(SMALLEST_TRAINING, round(wanted))]
        return np.sort(self.learn[order])


def _draw_out(position: IndexArray, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which pairs lie in a fifth of the rows (or columns), at least one of them."""
    known = np.unique(position)
    out = rng.permutation(known)[: max(1, round(KEPT_OUT * len(known)))]
    kept: NDArray[np.bool_] = np.isin(position, out)
    return kept


def _some(position: IndexArray, share: float, rng: np.random.Generator) -> IndexArray:
    known = np.unique(position)
    count = min(len(known), max(1, round(share * len(known))))
    drawn: IndexArray = rng.permutation(known)[:count]
    return drawn


def _turn(row: IndexArray) -> IndexArray:
    """For each entry how many of its row came before it."""
    order = np.argsort(row, kind="stable")
    found = np.empty(len(row), dtype=np.int64)
    ordered = row[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    found[order] = np.arange(len(row)) - np.repeat(starts, np.diff(np.append(starts, len(row))))
    return found


def _take(pairs: Pairs, which: IndexArray) -> Pairs:
    return Pairs(pairs.helper[which], pairs.helped[which], pairs.value[which])


_NEXT: Mapping[str, Sequence[str]] = {
    "q1u": ("q2", "q3", "q4"),
    "q2": ("q4", "q3", "q1u"),
    "q3": ("q4", "q2", "q1u"),
    "q4": ("q2", "q3", "q1u"),
}
"""Where a kind of pair has no label to measure with, which stands in; a harder one first."""


def _r2(
    fitted: Any,
    helpers: FloatArray,
    helped: FloatArray,
    labels: Pairs,
    part: IndexArray,
    test: IndexArray,
    shares: Mapping[str, float],
) -> float:
    """R² over unlabelled pairs: errors by role, weighted by the role's share of them."""
    measured = _take(labels, test)
    # Known rows are those learned from here, as a run knows the rows it labelled.
    predicted = fitted.predict(helpers, helped, measured).astype(np.float64)
    predicted = fitted.scale.lo + fitted.scale.width * predicted
    squared = (predicted - measured.value) ** 2
    row_seen = np.isin(measured.helper, labels.helper[part])
    column_seen = np.isin(measured.helped, labels.helped[part])
    if helped.shape[1] == 0:
        column_seen = np.zeros_like(row_seen)
    role = np.select(
        [row_seen & column_seen, ~row_seen & column_seen, row_seen & ~column_seen],
        ["q1u", "q2", "q3"],
        "q4",
    )
    errors = {name: float(squared[role == name].mean()) for name in np.unique(role)}
    error = 0.0
    for name, share in shares.items():
        if share > 0:
            error += share * next(errors[n] for n in (name, *_NEXT[name]) if n in errors)
    variance = float(labels.value.astype(np.float64).var())
    return 1 - error / variance if variance > 0 else 0.0


class _Quiet(SilentProgress):
    """Lets a fit be cancelled without showing its epochs."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def advance(self, count: int = 1) -> None:
        """Raises: Cancelled."""
        del count
        self._progress.advance(0)
