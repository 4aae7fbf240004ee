"""How the value of a selection grows with its picks, for charts and sentences.

Knows gains and rounds in selection order, nothing of matrices or of how a chart looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

KNEE_SHARE = 0.9
"""The knee is where this share of a round's value is reached."""


@dataclass(frozen=True)
class GainCurve:
    """Value by pick. Coverage is reset at each round, so the value starts anew there.

    Attributes:
        pick: Ranks that are drawn, from 1; every pick, or evenly thinned with the knee and the
            first and last pick of each of the first rounds kept.
        value: Value of the pick's own round after this pick.
        gain: What the pick added; a pick without a gain counts 0.
        round: Round of each drawn pick.
        round_starts: First pick of each round.
        knee: Picks that reach nine tenths of the first round's value; None where no pick adds
            anything.
    """

    pick: tuple[int, ...]
    value: tuple[float, ...]
    gain: tuple[float, ...]
    round: tuple[int, ...]
    round_starts: tuple[int, ...]
    knee: int | None


def gain_curve(
    gains: Sequence[float | None], rounds: Sequence[int], *, most_points: int = 800
) -> GainCurve:
    """The curve of a selection.

    Args:
        gains: ``(k,)`` gain of each pick, in selection order.
        rounds: ``(k,)`` round of each pick, from 1, never decreasing.
        most_points: Picks drawn, about.
    """
    gain = np.array([0.0 if value is None else value for value in gains], dtype=np.float64)
    number = np.asarray(rounds, dtype=np.int64)
    if not len(gain):
        return GainCurve((), (), (), (), (), None)
    starts = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
    total = np.cumsum(gain)
    before = np.concatenate([[0.0], total])[starts]
    value = total - np.repeat(before, np.diff(np.append(starts, len(gain))))
    step = max(1, -(-len(gain) // most_points))
    ends = np.append(starts[1:], len(gain)) - 1
    shown = min(len(starts), most_points // 4)
    first = value[: ends[0] + 1]
    reached = np.flatnonzero(first >= KNEE_SHARE * first[-1])[: int(first[-1] > 0)]
    kept = np.unique(
        np.concatenate(
            [np.arange(0, len(gain), step), starts[:shown], ends[:shown], ends[-1:], reached]
        )
    )
    return GainCurve(
        pick=tuple((kept + 1).tolist()),
        value=tuple(value[kept].tolist()),
        gain=tuple(gain[kept].tolist()),
        round=tuple(number[kept].tolist()),
        round_starts=tuple((starts + 1).tolist()),
        knee=int(reached[0]) + 1 if len(reached) else None,
    )
