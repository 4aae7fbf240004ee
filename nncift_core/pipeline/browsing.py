"""A live selection as the app shows it: the first rows of one nested order, and what changed.

Nothing here chooses rows. Knows nothing of pages.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nncift_core.pipeline.groups_covered import GroupsCovered, groups_covered
from nncift_core.pipeline.pick_words import PHASES, PickWords
from nncift_core.pipeline.row_pages import RowPages
from nncift_core.pipeline.selecting import fewer_words
from nncift_core.selection import OBJECTIVES
from nncift_core.selection.curve import GainCurve, gain_curve
from nncift_core.selection.rules import parse_quotas, parse_rules
from nncift_core.selection_config import SelectionConfig
from nncift_core.types import IndexArray

if TYPE_CHECKING:
    from nncift_core.pipeline.curation import Desk, LiveSelection
    from nncift_core.pipeline.explanation import Explanation

WHOLE_POOL_UP_TO = 2_000
"""Pools of at most so many rows are ordered whole at once."""

_STEPS = (0.1, 0.3)


@dataclass(frozen=True)
class Change:
    """How many rows went and how many came between two selections."""

    left: int
    came: int

    @property
    def any(self) -> bool:
        """Whether the two differ."""
        return bool(self.left or self.came)


@dataclass(frozen=True, eq=False)
class Shown(RowPages):
    """The first rows of a live selection, and everything that a page says of them.

    Attributes:
        desk: Where the run's rows and influence lie.
        live: The nested order.
        n_rows: How many rows of it are chosen; no more than there are.
    """

    desk: Desk
    live: LiveSelection
    n_rows: int

    @property
    def order(self) -> IndexArray:
        """The nested order."""
        return self.live.order

    @functools.cached_property
    def why(self) -> Sequence[str]:
        """Why each row of the order is in."""
        return PickWords(self.live.result, self.desk.roles, self.live.row_ids)

    @property
    def chosen(self) -> IndexArray:
        """``(n_rows,)`` positions of the chosen rows, in their order."""
        return self.live.order[: self.n_rows]

    @functools.cached_property
    def chosen_ids(self) -> list[str]:
        """Ids of the chosen rows, in their order."""
        return [self.live.row_ids[position] for position in self.chosen.tolist()]

    @property
    def has_rounds(self) -> bool:
        """Whether picks share coverage; otherwise every row has a score of its own."""
        return OBJECTIVES[self.live.objective].rounds

    @property
    def rounds(self) -> int:
        """Rounds that the chosen rows took."""
        return int(self.live.round[self.n_rows - 1]) if self.n_rows else 0

    @property
    def demanded(self) -> int:
        """Rows of the whole order that are pinned or that a quota asks for."""
        return int(np.isin(self.live.phase, list(PHASES)).sum())

    @property
    def score_range(self) -> tuple[float, float] | None:
        """Lowest and highest gain of the chosen rows; None where there are none."""
        gains = self.live.gain[: self.n_rows]
        return (float(gains.min()), float(gains.max())) if len(gains) else None

    @functools.cached_property
    def tokens(self) -> int | None:
        """Tokens of all chosen rows together; None where nobody counted them yet."""
        known = self.live.tokens_at(self.n_rows)
        if known is not None or not self.desk.view.files.row_tokens.is_file():
            return known
        lengths = self.desk.facts.tokens
        return None if lengths is None else int(lengths[self.chosen].sum())

    @functools.cached_property
    def labelled_shares(self) -> tuple[float | None, float]:
        """Share of the chosen rows and of the pool whose influence was measured."""
        labels = self.desk.view.estimates.labels
        if labels is None:
            return (1.0 if self.n_rows else None), 1.0
        labelled = np.zeros(len(self.desk.roles.pool), dtype=bool)
        labelled[labels.everything.helper] = True
        share = float(labelled[self.chosen].mean()) if self.n_rows else None
        return share, float(labelled.mean())

    def fewer_words(self, wanted: int) -> str:
        """Why fewer rows are chosen than were asked for; empty where that is not so."""
        if self.n_rows >= wanted:
            return ""
        n_train = len(self.desk.roles.pool)
        return fewer_words(self.live.result, self.live.demands, wanted, n_train)

    def gain_of(self, rank: int) -> float:
        """What a pick added, ranks from 0."""
        return float(self.live.gain[rank])

    def round_of(self, rank: int) -> int:
        """The round of a pick, ranks from 0."""
        return int(self.live.round[rank])

    @functools.cached_property
    def explanation(self) -> Explanation:
        """Why rows are in or out, and how well targets are covered."""
        from nncift_core.pipeline.explaining import explain_live

        return explain_live(self.desk, self.live, self.n_rows, self.live.ban_reasons)

    @functools.cached_property
    def groups_covered(self) -> GroupsCovered:
        """How well groups of targets are covered; of a pairwise run."""
        return groups_covered(self.explanation)


@functools.lru_cache(maxsize=8)
def shown(desk: Desk, live: LiveSelection, n_rows: int) -> Shown:
    """The first ``n_rows`` of an order; the last few stay at hand with what was computed."""
    return Shown(desk, live, min(n_rows, len(live.order)))


@functools.lru_cache(maxsize=8)
def curve_of(live: LiveSelection) -> GainCurve:
    """How the value of the whole order grows."""
    return gain_curve(live.gain.tolist(), live.round.tolist())


def rows_to_order(n_train: int, wanted: int, settings: SelectionConfig) -> int:
    """How many rows the nested order should have, so that the budget can move without work.

    Small pools are ordered whole. Of large ones the first 10 or 30 %, whichever holds the budget,
    since an action makes all of the order anew; the whole pool only for more. Where a quota is a
    share of the budget the order depends on the budget, so it has just as many rows.
    """
    if any(quota.of_budget for quota in parse_quotas(settings.quota)):
        return wanted
    if n_train <= WHOLE_POOL_UP_TO:
        return n_train
    steps = (int(share * n_train) for share in _STEPS)
    return next((step for step in steps if wanted <= step), n_train)


def change(before: IndexArray, after: IndexArray) -> Change:
    """What lies between two sets of positions, each without repetitions."""
    shared = len(np.intersect1d(before, after, assume_unique=True))
    return Change(left=len(before) - shared, came=len(after) - shared)


def banned_rows(desk: Desk, text: str) -> int:
    """How many rows of the pool the rules of a text ban. Raises: ConfigError."""
    banned = np.zeros(len(desk.roles.pool), dtype=bool)
    for rule in parse_rules(text):
        banned |= rule.matches(desk.facts)
    return int(banned.sum())


def quota_rows(desk: Desk, text: str) -> int:
    """How many rows of the pool the quotas of a text are about. Raises: ConfigError."""
    return len({row for quota in parse_quotas(text) for row in quota.members(desk.facts).tolist()})
