"""What a curator demands of a selection, as positions in the pool. Knows no ids and no texts.

Pins are always in and come first, bans never; then what quotas demand at least; then the rest.
The order stays nested: no demand depends on the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nncift_core.errors import ConfigError
from nncift_core.types import IndexArray


def _none() -> IndexArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Quota:
    """How many rows of a group may and must be chosen.

    Attributes:
        name: What people call the group, such as ``subtask = math``.
        members: Positions of its rows.
        least: Rows of it that must be in.
        most: Rows of it that may be in; None for any number.
    """

    name: str
    members: IndexArray
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, eq=False)
class Constraints:
    """Demands on a selection.

    Attributes:
        pinned: Positions that are always in, also where a group or a quota would be full.
        banned: Positions that are never in.
        duplicates: ``(n_train,)`` number of each row's duplicate group, -1 for rows that have no
            duplicate; at most one row of a group is chosen. None keeps all.
        quotas: Groups of rows with bounds; groups may overlap.
        tokens: ``(n_train,)`` length of each row in tokens, needed for a token budget.
        token_budget: Tokens that all chosen rows may have together; None for no such budget. Rows
            are then ordered by gain a token.
    """

    pinned: IndexArray = field(default_factory=_none)
    banned: IndexArray = field(default_factory=_none)
    duplicates: IndexArray | None = None
    quotas: Sequence[Quota] = ()
    tokens: IndexArray | None = None
    token_budget: int | None = None


def check(
    constraints: Constraints, n_train: int, budget: int, names: Sequence[str] | None = None
) -> None:
    """Refuse demands that cannot be met together.

    Args:
        constraints: The demands.
        n_train: Rows of the pool.
        budget: Rows to choose at most.
        names: What people call each row; its number from 1 if None.

    Raises:
        ConfigError: A row is pinned and banned, all rows are banned, there are more pins than the
            budget has rows or tokens, or quotas cannot be met.
    """
    pinned = np.unique(np.asarray(constraints.pinned, dtype=np.int64))
    banned = np.unique(np.asarray(constraints.banned, dtype=np.int64))
    both = np.intersect1d(pinned, banned)
    if len(both):
        name = names[both[0]] if names is not None else int(both[0]) + 1
        raise ConfigError(f"Row {name} is pinned and banned at once.", "Take back one of the two.")
    if len(banned) >= n_train:
        raise ConfigError(
            f"All {n_train:,} rows are banned, so nothing can be chosen.", "Take back some bans."
        )
    if len(pinned) > budget:
        raise ConfigError(
            # A budget has a row at least, so these are several.
            f"{len(pinned):,} rows are pinned, but the budget is {budget:,}.",
            "Raise the budget, or take back some pins.",
        )
    _check_tokens(constraints, pinned, banned, n_train)
    _check_quotas(constraints, pinned, banned, budget)


def _check_tokens(
    constraints: Constraints, pinned: IndexArray, banned: IndexArray, n_train: int
) -> None:
    if constraints.token_budget is None:
        return
    if constraints.tokens is None or len(constraints.tokens) != n_train:
        raise ValueError("a token budget needs the tokens of every row")
    if constraints.token_budget < 1:
        raise ConfigError("A token budget of 0 would select nothing.", "Give at least 1 token.")
    usable = np.delete(constraints.tokens, banned)
    if not len(pinned) and usable.min() > constraints.token_budget:
        raise ConfigError(
            f"No row fits into the token budget of {constraints.token_budget:,}: the shortest that "
            f"may be chosen has {int(usable.min()):,} tokens.",
            "Raise the token budget.",
        )
    needed = int(constraints.tokens[pinned].sum())
    if needed > constraints.token_budget:
        raise ConfigError(
            f"The pinned rows have {needed:,} tokens, but the token budget is "
            f"{constraints.token_budget:,}.",
            "Raise the token budget, or take back some pins.",
        )


def _check_quotas(
    constraints: Constraints, pinned: IndexArray, banned: IndexArray, budget: int
) -> None:
    for quota in constraints.quotas:
        most = budget if quota.most is None else quota.most
        if quota.least < 0 or most < 0 or quota.least > most:
            raise ConfigError(
                f"The quota of {quota.name} demands at least {quota.least:,} rows and at most "
                f"{most:,}.",
                "Give a least that is not above the most and not above the budget.",
            )
        pins = len(np.intersect1d(pinned, quota.members))
        if pins > most:
            raise ConfigError(
                f"{pins:,} {'row' if pins == 1 else 'rows'} of {quota.name} "
                f"{'is' if pins == 1 else 'are'} pinned, but its quota allows {most:,}.",
                "Raise the quota, or take back some pins.",
            )
        usable = _most_choosable(constraints, np.setdiff1d(quota.members, banned))
        if quota.least > usable:
            raise ConfigError(
                f"The quota of {quota.name} demands {quota.least:,} rows, but only {usable:,} can "
                "be chosen.",
                "Lower the quota, or take back bans.",
            )
    needed = _least_needed(constraints, pinned)
    if needed > budget:
        raise ConfigError(
            f"Pins and quotas demand {needed:,} rows, but the budget is {budget:,}.",
            "Raise the budget, or lower the quotas.",
        )


def _most_choosable(constraints: Constraints, members: IndexArray) -> int:
    """How many of these rows can be chosen together: one of each duplicate group."""
    members = np.asarray(members, dtype=np.int64)
    if constraints.duplicates is None:
        return len(members)
    group = constraints.duplicates[members]
    return int((group < 0).sum()) + len(np.unique(group[group >= 0]))


def _least_needed(constraints: Constraints, pinned: IndexArray) -> int:
    """Rows that pins and quotas demand together, where no row is in two groups."""
    needed = len(pinned)
    claimed = np.empty(0, dtype=np.int64)
    for quota in constraints.quotas:
        if quota.least and not len(np.intersect1d(claimed, quota.members)):
            needed += max(0, quota.least - len(np.intersect1d(pinned, quota.members)))
            claimed = np.union1d(claimed, quota.members)
    return needed
