"""Greedy with rounds and phases, for any coverage and any way of finding the next row.

Pins first, then what quotas demand at least, then everything else, the largest gain first. When
no open row gains enough, coverage begins anew: a round. Knows nothing of how gains are computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from nncift_core.errors import ConfigError
from nncift_core.progress import Progress
from nncift_core.selection import kernels
from nncift_core.selection.finders import Finder, Trail
from nncift_core.selection.matrices import Picks
from nncift_core.selection.openings import Openings
from nncift_core.types import IndexArray

SATURATION = 1e-6
"""A round ends when no row gains more than this share of the round's f(A)."""

ANY = -1.0
"""Share of f(A) that pins and owed rows must gain: none."""

CHUNK = 64
"""Picks between two looks at the clock."""

REPORT_SECONDS = 0.2


def greedy(
    finder: Finder,
    openings: Openings,
    by_rank: IndexArray,
    budget: int,
    progress: Progress,
) -> Picks:
    """At most ``budget`` picks of greedy with rounds.

    Args:
        finder: With an empty set.
        openings: The rows that may be chosen; shared with the finder.
        by_rank: ``(n_train,)`` positions, those that win ties first.
        budget: 1 to ``n_train``.
        progress: Advanced by picks.

    Raises:
        ConfigError: What quotas demand does not fit into the token budget.
        Cancelled: From ``progress``.
    """
    trail, report = Trail.of_length(budget), reporter(progress)
    round_ = np.ones(budget, dtype=np.int32)
    phases = np.full(budget, kernels.FREE, dtype=np.int8)
    made, value, ended = 0, 0.0, "budget"
    finder.restart()
    for phase in (kernels.PINNED, kernels.OWED):
        before, last = made, min(budget, made + len(openings.rows(phase)))
        finder.begin(phase)
        while made < last:
            made, value, why = finder.picks(trail, made, min(made + CHUNK, last), value, ANY)
            report(made)
            if why != kernels.FULL:
                break
        phases[before:made] = phase
    if openings.owing:
        raise ConfigError(
            "The quotas demand more rows than the other demands leave.",
            "Lower what they demand at least, or raise the budget.",
        )
    current, saturated_at = 1, None
    finder.begin(kernels.FREE)
    while made < budget:
        before = made
        stop = min(made + CHUNK, budget)
        made, value, why = finder.picks(trail, made, stop, value, SATURATION)
        round_[before:made] = current
        report(made)
        if why == kernels.TOKENS:
            ended = "tokens"
            break
        if why == kernels.FULL:
            continue
        if not len(openings.rows(kernels.FREE)):
            ended = "rows"
            break
        if current > 1 and value == 0.0:
            before = made
            made, ended = fill(openings, by_rank, trail, made, budget)
            round_[before:made] = current
            report(made)
            break
        saturated_at = made if saturated_at is None else saturated_at
        current, value = current + 1, 0.0
        finder.restart()
        finder.begin(kernels.FREE)
    report(made, force=True)
    return Picks(
        order=trail.order[:made],
        gain=trail.gain[:made],
        round=round_[:made],
        saturated_at=saturated_at,
        newly_best=trail.newly_best[:made],
        gains_most=trail.gains_most[:made],
        phase=phases[:made],
        ended=ended,
    )


def fill(
    openings: Openings,
    by_rank: IndexArray,
    trail: Trail,
    made: int,
    budget: int,
) -> tuple[int, str]:
    """The rows that gain nothing even alone, in tie order; returns picks made and why it ended."""
    for row in by_rank:
        if made == budget:
            return made, "budget"
        if not openings.is_open(int(row), kernels.FREE):
            continue
        if not openings.fits(int(row)):
            return made, "tokens"
        openings.take(int(row))
        trail.order[made], trail.newly_best[made] = row, 0
        made += 1
    return made, "budget" if made == budget else "rows"


def reporter(progress: Progress) -> Callable[..., None]:
    """Reports picks in batches, so that progress costs nothing beside them."""
    reported, last = 0, time.monotonic()

    def report(made: int, force: bool = False) -> None:
        nonlocal reported, last
        now = time.monotonic()
        if made > reported and (force or now - last > REPORT_SECONDS):
            reported, last, advance = made, now, made - reported
            progress.advance(advance)

    return report
