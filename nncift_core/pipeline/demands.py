"""From a curator's settings to demands on positions: pins, bans, lengths, duplicates, quotas.

What can be refused without embeddings, lengths or scores is refused by ``check_demands`` before a
run's first second of work. Knows rows of a run, nothing of objectives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nncift_core.errors import ConfigError
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.roles import Roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.progress import Progress
from nncift_core.selection.constraints import Constraints, Quota, check
from nncift_core.selection.left_out import BY_HAND
from nncift_core.selection.row_facts import RowFacts
from nncift_core.selection.rules import QuotaRule, Rule, parse_quotas, parse_rules
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import Workspace
from nncift_core.types import IndexArray

if TYPE_CHECKING:
    from nncift_core.selection.duplicates import DuplicateGroups

_LATE = ("cluster", "tokens", "score")
"""Fields that are not known before the run has worked."""


@dataclass(frozen=True, eq=False)
class Demands:
    """What settings demand of a pool.

    Attributes:
        constraints: For ``maximise``.
        ban_reasons: Why each banned position is banned.
        groups: Duplicates, None where all are kept.
        tokens: ``(n_train,)`` lengths, None where no demand asks for them.
    """

    constraints: Constraints
    ban_reasons: Mapping[int, str]
    groups: DuplicateGroups | None = None
    tokens: IndexArray | None = None


def check_demands(spec: RunSpec, roles: Roles, budget: int) -> None:
    """Refuse what cannot be met whatever the run will find out.

    Raises:
        ConfigError: An id is not in the pool, a field or group does not exist, pins are more than
            the budget, a quota demands more than there is, or all rows are banned.
    """
    settings = spec.config.selection
    facts = RowFacts(roles.pool, cluster=_never, tokens=_never, score=np.empty(0, np.float32))
    pinned = positions_of(settings.pinned, facts, "pinned")
    banned = dict.fromkeys(positions_of(settings.banned, facts, "banned").tolist(), BY_HAND)
    for rule in parse_rules(settings.ban_where):
        if rule.field not in _LATE:
            _ban(banned, rule, facts)
    for position in pinned.tolist():
        banned.pop(position, None)
    known = [quota for quota in parse_quotas(settings.quota) if quota.field not in _LATE]
    _check(pinned, banned, _quotas(known, facts, budget), facts, budget)


def build_demands(
    workspace: Workspace,
    spec: RunSpec,
    roles: Roles,
    files: RunFiles,
    settings: SelectionConfig,
    budget: int,
    facts: RowFacts,
    progress: Progress,
) -> Demands:
    """What ``settings`` demand of a run's pool.

    A row that is pinned is in also where a rule or a length would leave it out: pins are single
    decisions, rules are general ones.

    Args:
        workspace: The run's workspace.
        spec: The run.
        roles: Its rows.
        files: Its artifacts; lengths, clusters and duplicates are kept there.
        settings: The demands.
        budget: Rows to choose, which shares in quotas refer to.
        facts: Fields of the pool rows.
        progress: Told of what is counted or compared for the first time.

    Raises:
        ConfigError: As ``check_demands``, also for what only the run could tell.
        Cancelled: From ``progress``.
    """
    pinned = positions_of(settings.pinned, facts, "pinned")
    banned = dict.fromkeys(positions_of(settings.banned, facts, "banned").tolist(), BY_HAND)
    rules = parse_rules(settings.ban_where)
    # Only where something asks: what is stored must not depend on what was counted before.
    counted = (
        settings.token_budget
        or settings.least_tokens
        or settings.most_tokens
        or any(rule.field == "tokens" for rule in rules)
    )
    tokens = facts.tokens if counted else None
    for rule in rules:
        _ban(banned, rule, facts)
    if tokens is not None:
        _ban_lengths(banned, settings, tokens)
    for position in pinned.tolist():
        banned.pop(position, None)
    quotas = _quotas(parse_quotas(settings.quota), facts, budget)
    _refuse_lengths(banned, len(facts))
    budgeted = tokens if settings.token_budget else None
    # Before rows are compared for the first time, which takes a while.
    _check(pinned, banned, quotas, facts, budget, budgeted, settings.token_budget or None)
    groups = None
    if settings.duplicates != "keep":
        from nncift_core.pipeline.duplicates import run_duplicates

        groups = run_duplicates(workspace, spec, roles, files, settings.duplicates, progress)
    constraints = Constraints(
        pinned=pinned,
        banned=np.array(sorted(banned), dtype=np.int64),
        duplicates=None if groups is None else groups.group,
        quotas=quotas,
        tokens=budgeted,
        token_budget=settings.token_budget or None,
    )
    return Demands(constraints, banned, groups, tokens)


def positions_of(ids: Sequence[str], facts: RowFacts, what: str) -> IndexArray:
    """Positions of rows by their ids. Raises: ConfigError for one that the pool does not have."""
    missing = [row_id for row_id in ids if row_id not in facts.place]
    if missing:
        more = f", and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise ConfigError(
            f"The {what} row {missing[0]!r}{more} is not in the pool.",
            "Give ids of pool rows; rows that serve as target are none.",
        )
    return np.array([facts.place[row_id] for row_id in ids], dtype=np.int64)


def left_out_counts(demands: Demands, order: IndexArray, n_train: int) -> dict[str, int]:
    """How many rows were left out for each reason; reasons that left none out are missing.

    A row counts once: by hand, by rule, by length, as a duplicate of a chosen row, for a quota
    that is full, or not reached: the budget ended before it.
    """
    constraints = demands.constraints
    chosen = np.zeros(n_train, dtype=np.bool_)
    chosen[order] = True
    banned = np.zeros(n_train, dtype=np.bool_)
    banned[constraints.banned] = True
    counts: Counter[str] = Counter(
        _kind(reason) for position, reason in demands.ban_reasons.items() if not chosen[position]
    )
    left = ~chosen & ~banned
    if constraints.duplicates is not None:
        group = constraints.duplicates
        taken = np.unique(group[chosen & (group >= 0)])
        duplicate = left & np.isin(group, taken)
        counts["duplicates"] = int(duplicate.sum())
        left &= ~duplicate
    for quota in constraints.quotas:
        if quota.most is not None and int(chosen[quota.members].sum()) >= quota.most:
            full = np.zeros(n_train, dtype=np.bool_)
            full[quota.members] = True
            counts["quota"] += int((left & full).sum())
            left &= ~full
    counts["not reached"] = int(left.sum())
    return {reason: count for reason, count in counts.items() if count}


def _kind(reason: str) -> str:
    if reason == BY_HAND:
        return "by hand"
    return "rule" if reason.startswith("banned by rule") else "length"


def _never() -> IndexArray:
    raise AssertionError("not known yet")


def _ban(banned: dict[int, str], rule: Rule, facts: RowFacts) -> None:
    for position in np.flatnonzero(rule.matches(facts)).tolist():
        banned.setdefault(position, f"banned by rule {rule.text}")


def _ban_lengths(banned: dict[int, str], settings: SelectionConfig, tokens: IndexArray) -> None:
    least, most = settings.least_tokens, settings.most_tokens
    for position in np.flatnonzero(tokens < least).tolist():
        banned.setdefault(position, f"{_tokens(tokens[position])}, fewer than {least:,}")
    if most:
        for position in np.flatnonzero(tokens > most).tolist():
            banned.setdefault(position, f"{_tokens(tokens[position])}, more than {most:,}")


def _refuse_lengths(banned: Mapping[int, str], n_train: int) -> None:
    """Where lengths leave no row, say so: nobody banned them. Raises: ConfigError."""
    lengths = sum(_kind(reason) == "length" for reason in banned.values())
    if not lengths or len(banned) < n_train:
        return
    most = "All" if lengths == n_train else f"{lengths:,} of"
    others = "" if lengths == n_train else ", and all others are banned"
    raise ConfigError(
        f"{most} {n_train:,} rows are too short or too long{others}, so nothing can be chosen.",
        "Change the least or the most tokens of a row.",
    )


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count:,} tokens"


def _quotas(quotas: Sequence[QuotaRule], facts: RowFacts, budget: int) -> list[Quota]:
    found = []
    for quota in quotas:
        least, most = quota.bounds(budget)
        members = quota.members(facts)
        if least > len(members):
            raise ConfigError(
                f"The quota {quota.text!r} asks for at least {least:,} rows, and the pool has "
                f"{len(members):,} of {quota.name}.",
                "Lower what it asks for at least.",
            )
        if most is not None and least > most:
            raise ConfigError(
                f"The quota {quota.text!r} means at least {least:,} and at most {most:,} of "
                f"{budget:,} rows.",
                "Give a most that is not below the least.",
            )
        found.append(Quota(quota.name, members, least, most))
    return found


def _check(
    pinned: IndexArray,
    banned: Mapping[int, str],
    quotas: Sequence[Quota],
    facts: RowFacts,
    budget: int,
    tokens: IndexArray | None = None,
    token_budget: int | None = None,
) -> None:
    positions = np.array(sorted(banned), dtype=np.int64)
    constraints = Constraints(
        pinned=pinned, banned=positions, quotas=quotas, tokens=tokens, token_budget=token_budget
    )
    check(constraints, len(facts), budget, list(facts.place))
