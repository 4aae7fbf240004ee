"""How well selections cover the targets, all measured by one influence matrix in one pass.

Coverage of a selection is the mean over target rows of its best value there: the objective FL
(target) over the number of targets, on the scale of the matrix's labels. It is set beside that
of the whole pool, which no selection can exceed, and that of random draws of the same size: a
plain ratio flatters, since random rows alone reach most of it. Knows nothing of runs or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.progress import Progress, SilentProgress
from nncift_core.selection.comparison import RANDOM_DRAWS
from nncift_core.selection.matrices import scale
from nncift_core.types import FloatArray, IndexArray, InfluenceSource

_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True)
class Coverage:
    """How well one selection covers the targets.

    Attributes:
        mean_best: Mean over targets of the best influence of its rows; original units.
        value: The same on the scale of the labels, where nothing is below 0.
        share: ``value`` as a share of the whole pool's; None where that is 0.
        random_share: The mean share of random draws of the same size.
        random_spread: Standard deviation of that share between the draws.
        gap_closed: (value - random) / (pool - random): 0 for random rows, 1 for the whole pool;
            None where random rows reach what the pool does.
    """

    mean_best: float
    value: float
    share: float | None
    random_share: float | None
    random_spread: float | None
    gap_closed: float | None


def coverage(
    source: InfluenceSource,
    orders: Sequence[IndexArray],
    lo: float,
    hi: float,
    *,
    self_pairs: tuple[IndexArray, IndexArray] | None = None,
    draws: int = RANDOM_DRAWS,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Coverage]:
    """How well selections cover the targets, each with random draws of its size.

    Args:
        source: Influence ``(n_train, n_target)``, original units; at least one target.
        orders: ``(k,)`` positions in the pool of each selection, at least one row each.
        lo: What becomes 0 on the scale: the lowest training label.
        hi: What becomes 1: the highest.
        self_pairs: Pairs (pool positions, target positions) of equal content, left out.
        draws: Random draws for each size.
        seed: Of the draws.
        progress: Advanced by pairs.

    Raises:
        DataError: lo and hi are equal.
        Cancelled: Between blocks.
    """
    progress = progress or SilentProgress()
    sizes = sorted({len(order) for order in orders})
    n_train, n_target = source.n_train, source.n_target
    # Row i belongs to segment s of a draw if a draw of the s-th size holds it first: the draws
    # of several sizes are nested, so that each row is looked at once.
    generator = np.random.default_rng(seed)
    segment = np.full((draws, n_train), -1, dtype=np.int64)
    for holds in segment:
        drawn = generator.permutation(n_train)
        for place, (start, stop) in enumerate(zip([0, *sizes[:-1]], sizes, strict=True)):
            holds[drawn[start:stop]] = place
    chosen = np.full((len(orders), n_train), -1, dtype=np.int64)
    for holds, order in zip(chosen, orders, strict=True):
        holds[order] = 0
    everything = np.full(n_target, -np.inf, dtype=np.float32)
    best = np.full((len(orders), n_target), -np.inf, dtype=np.float32)
    random_best = np.full((draws, len(sizes), n_target), -np.inf, dtype=np.float32)
    helper, helped = _sorted_pairs(self_pairs)
    step = max(1, _BLOCK_VALUES // n_target)
    for start in range(0, n_train, step):
        stop = min(start + step, n_train)
        block = np.asarray(source.block(start, stop), dtype=np.float32)
        first, last = np.searchsorted(helper, [start, stop])
        if last > first:
            block = block.copy()
            block[helper[first:last] - start, helped[first:last]] = -np.inf
        np.maximum(everything, block.max(axis=0), out=everything)
        for row, held in zip(best, chosen, strict=True):
            _raise_to(row, block, held[start:stop] == 0)
        for draw, held in zip(random_best, segment, strict=True):
            for place in range(len(sizes)):
                _raise_to(draw[place], block, held[start:stop] == place)
        progress.advance(block.size)
    np.maximum.accumulate(random_best, axis=1, out=random_best)
    possible = _value(everything, lo, hi)
    found = []
    for row, order in zip(best, orders, strict=True):
        drawn_values = [_value(draw[sizes.index(len(order))], lo, hi) for draw in random_best]
        found.append(_coverage(row, _value(row, lo, hi), possible, np.array(drawn_values)))
    return found


def _coverage(
    best: FloatArray, value: float, possible: float, drawn: NDArray[np.float64]
) -> Coverage:
    known = best[np.isfinite(best)]
    gap = possible - float(drawn.mean())
    return Coverage(
        mean_best=float(known.mean(dtype=np.float64)) if len(known) else 0.0,
        value=value,
        share=value / possible if possible > 0 else None,
        random_share=float(drawn.mean() / possible) if possible > 0 else None,
        random_spread=float(drawn.std() / possible) if possible > 0 else None,
        # Below a billionth of the whole there is only rounding.
        gap_closed=(value - float(drawn.mean())) / gap if gap > 1e-9 * possible else None,
    )


def _value(best: FloatArray, lo: float, hi: float) -> float:
    """Mean over targets on the scale of the labels; a target that no row may help counts 0."""
    return float(scale(best, lo, hi).mean(dtype=np.float64))


def _raise_to(best: FloatArray, block: FloatArray, held: NDArray[np.bool_]) -> None:
    rows = np.flatnonzero(held)
    if len(rows):
        np.maximum(best, block[rows].max(axis=0), out=best)


def _sorted_pairs(
    pairs: tuple[IndexArray, IndexArray] | None,
) -> tuple[IndexArray, IndexArray]:
    if pairs is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.argsort(pairs[0], kind="stable")
    return pairs[0][order], pairs[1][order]
