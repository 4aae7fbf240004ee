"""How far a single estimate may be off: split-conformal intervals, checked on what was kept apart.

Half of the rows and half of the columns of a quadrant calibrate: the interval around an estimate
is as wide as the residuals of their pairs ask for. The pairs of the other rows with the other
columns share nothing with them and check how often the interval holds. Coverage is marginal: it
holds on average over the pairs of a quadrant, not for each row or each kind of text.

Pairs share rows and columns, so their residuals are not independent, and the plain rank of split
conformal intervals holds less than it should where columns are few and differ. So the rank is the
smallest under which the pairs that calibrate would have been covered by those of them that share
neither their row nor their column, and never below the plain one. Mean coverage of all other pairs
of 200 synthetic matrices, the lowest and highest of eight structures of error
(``benchmarks/interval_coverage.py``):

    calibrating half   nominal   plain rank       leaving row and column out
    16 x 8             0.90      0.880 to 0.909   0.907 to 0.916
    16 x 8             0.80      0.781 to 0.807   0.797 to 0.814
    8 x 8              0.90      0.884 to 0.911   0.911 to 0.919
    8 x 8              0.80      0.785 to 0.804   0.816 to 0.825

Knows labels and predictions, nothing of networks, files or pages. Source: Lei et al.,
"Distribution-free predictive inference for regression", JASA 2018, section 2.2; the halves of rows
and columns and the choice of the rank are this project's way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.types import FloatArray, IndexArray, Pairs

LEVEL = 0.9
"""Share of the true values that the intervals are meant to hold."""

PAIR_ROLES = ("q1u", "q2", "q3", "q4")
"""Quadrants that get an interval; pairs that were trained on would promise too much."""

_FEWEST = 4
"""Distinct rows, and columns, that pairs must have to calibrate; with fewer, too little is apart
from a pair."""

_MOST_COMPARED = 4_000_000
"""Pairs of pairs that are compared at a time."""

_DoubleArray = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """An interval for one kind of pair, or for row scores.

    Attributes:
        level: Share of the true values that it is meant to hold.
        half_width: The true value is within this of the estimate, original units; None where
            there was too little to calibrate with.
        coverage: Share that it held on what was kept to check; None where that is nothing.
        n: Pairs, or rows, that calibrated.
        n_checked: Pairs, or rows, that checked.
    """

    level: float
    half_width: float | None
    coverage: float | None
    n: int
    n_checked: int


def calibrate(
    rows: IndexArray,
    columns: IndexArray | None,
    truth: FloatArray | _DoubleArray,
    predicted: FloatArray | _DoubleArray,
    seed: int,
    level: float = LEVEL,
) -> Calibration:
    """An interval from half of the rows and columns, checked on the other half of both.

    Args:
        rows: ``(n,)`` row of each value.
        columns: ``(n,)`` its column; None where there are rows only.
        truth: ``(n,)`` true values, never trained on.
        predicted: ``(n,)`` estimates in the same units.
        seed: Of the halves; the same seed draws the same.
        level: Share of the true values to hold, between 0 and 1.
    """
    rng = np.random.default_rng(seed)
    calibrates, checks = halves(rows, rng)
    if columns is not None:
        first, second = halves(columns, rng)
        calibrates, checks = calibrates & first, checks & second
    off = residuals(truth, predicted)
    width = None
    n = int(calibrates.sum())
    if _enough(rows[calibrates], None if columns is None else columns[calibrates], level):
        width = _half_width(
            rows[calibrates],
            None if columns is None else columns[calibrates],
            off[calibrates],
            level,
        )
    n_checked = int(checks.sum())
    held = None if width is None or not n_checked else float(np.mean(off[checks] <= width))
    return Calibration(level, width, held, n, n_checked)


def calibrate_run(
    by_role: Mapping[str, Pairs],
    predicted: Mapping[str, FloatArray],
    seed: int,
    *,
    pointwise: bool,
    level: float = LEVEL,
) -> dict[str, Any]:
    """The intervals of a run: for pairs by quadrant, and for row scores.

    A row score is a mean over targets, so its interval is calibrated on each row's mean residual
    over the columns that were labelled. The mean over all targets is steadier than that, so the
    interval of a row score rather holds too often than too seldom.

    Args:
        by_role: Labelled pairs, original units; ``q1`` is not looked at.
        predicted: ``(n,)`` estimates of the same pairs, original units.
        seed: Of the halves.
        pointwise: Whether rows were scored alone. Then there are no pairs, and the interval of
            unseen rows comes from ``q4``.
        level: Share of the true values to hold.

    Returns:
        ``level``; ``pairs``: by role a ``Calibration`` as JSON or None; ``rows``: likewise for
        ``seen`` rows (from ``q3``) and ``unseen`` rows (from ``q2`` and ``q4``).
    """
    pairs: dict[str, Any] = {}
    if not pointwise:
        for number, role in enumerate(PAIR_ROLES):
            part = by_role.get(role)
            pairs[role] = None
            if part is not None and len(part):
                found = calibrate(
                    part.helper, part.helped, part.value, predicted[role], seed + number, level
                )
                pairs[role] = asdict(found)
    sources = {
        "seen": () if pointwise else ("q3",),
        "unseen": ("q4",) if pointwise else ("q2", "q4"),
    }
    rows: dict[str, Any] = {}
    for number, (kind, roles) in enumerate(sources.items(), start=len(PAIR_ROLES)):
        known = [role for role in roles if len(by_role.get(role, ()))]
        rows[kind] = None
        if known:
            row, off = row_residuals(
                [by_role[role] for role in known], [predicted[role] for role in known]
            )
            rows[kind] = asdict(calibrate(row, None, off, np.zeros_like(off), seed + number, level))
    return {"level": level, "pairs": pairs, "rows": rows}


def row_residuals(
    pairs: Sequence[Pairs], predicted: Sequence[FloatArray]
) -> tuple[IndexArray, _DoubleArray]:
    """The mean of truth minus estimate over each row's pairs: how far its score is off.

    Returns:
        ``(rows,)`` positions, ascending, and ``(rows,)`` means, original units.
    """
    helper = np.concatenate([part.helper for part in pairs])
    off = np.concatenate(
        [
            part.value.astype(np.float64) - guess.astype(np.float64)
            for part, guess in zip(pairs, predicted, strict=True)
        ]
    )
    row, place = np.unique(helper, return_inverse=True)
    return row.astype(np.int64), np.bincount(place, weights=off) / np.bincount(place)


def halves(
    positions: IndexArray, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which values belong to the first and which to the second half of their distinct positions."""
    distinct = rng.permutation(np.unique(positions))
    first = np.isin(positions, distinct[: (len(distinct) + 1) // 2])
    return first, ~first


def residuals(
    truth: FloatArray | _DoubleArray, predicted: FloatArray | _DoubleArray
) -> _DoubleArray:
    """Distances between truth and estimate, whichever is larger."""
    return np.abs(truth.astype(np.float64) - predicted.astype(np.float64))


def _half_width(
    rows: IndexArray, columns: IndexArray | None, off: _DoubleArray, level: float
) -> float | None:
    """The distance that calibrates; None where the values are fewer than its rank."""
    # Of one more independent value, this rank of n holds the share ``level``.
    rank = _at_least(level, len(off) + 1)
    if rank > len(off):
        return None
    if columns is not None:
        rank = max(rank, _at_least(_covering_share(rows, columns, off, level), len(off) + 1))
    return float(np.sort(off)[min(rank, len(off)) - 1])


def _covering_share(
    rows: IndexArray, columns: IndexArray, off: _DoubleArray, level: float
) -> float:
    """The smallest rank, as a share, that covers ``level`` of the pairs by what is apart from them.

    A pair's share is the rank of its residual among those that share neither its row nor its
    column, itself included.
    """
    shares = np.empty(len(off))
    step = max(1, _MOST_COMPARED // len(off))
    for start in range(0, len(off), step):
        part = slice(start, start + step)
        apart = (rows[part, None] != rows) & (columns[part, None] != columns)
        below = apart & (off < off[part, None])
        shares[part] = (below.sum(axis=1) + 1) / (apart.sum(axis=1) + 1)
    return float(np.sort(shares)[_at_least(level, len(off)) - 1])


def _at_least(share: float, count: int) -> int:
    """The smallest whole number that is at least this share of a count."""
    # What is whole but for rounding must not count as one more.
    return math.ceil(round(share * count, 9))


def _enough(rows: IndexArray, columns: IndexArray | None, level: float) -> bool:
    """Whether so many rows and columns can show that a share ``level`` is held.

    That takes 1 / (1 - level) - 1 independent values. Rows are; of pairs count what rows and
    columns are free to do if the error of a pair is that of its row plus that of its column.
    """
    least = round(1 / (1 - level) - 1, 9)
    sides = [len(np.unique(side)) for side in (rows, columns) if side is not None]
    few = columns is not None and min(sides) < _FEWEST
    return not few and sum(sides) - (len(sides) - 1) >= least
