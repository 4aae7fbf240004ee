"""What an action of the curator's log may hold: its kinds, and the form of each value.

Knows no log and no data: a row id of the right form may be in no pool.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nncift_core.errors import ConfigError, unknown_name
from nncift_core.selection.row_facts import RowFacts
from nncift_core.selection.rules import QuotaRule, Rule, parse_quotas, parse_rules
from nncift_core.selection_config import join_ids, split_ids

KINDS = (
    "pin",
    "unpin",
    "ban",
    "unban",
    "release",
    "ban-where",
    "drop-ban-where",
    "quota",
    "drop-quota",
    "undo",
    "redo",
)

ROW_KINDS = ("pin", "unpin", "ban", "unban", "release")
"""Kinds whose value is the id of a row, or those of several, separated by commas."""

MOST_CHARACTERS = 1_000
"""Of a rule or a quota."""

_ROW_ID = re.compile(r"[0-9a-f]{16}-[0-9]{1,18}")
_PAST = {
    "pin": "pinned",
    "unpin": "unpinned",
    "ban": "banned",
    "unban": "unbanned",
    "release": "released",
}


def checked_value(kind: str, value: str) -> str:
    """``value`` in its plain form, if an action of this kind can have it.

    Raises:
        ConfigError: There is no such kind, or the value is not of its form.
    """
    if kind not in KINDS:
        raise unknown_name("action", kind, KINDS)
    value = value.strip()
    if kind in ("undo", "redo"):
        if value:
            raise ConfigError(f"The action {kind} takes no value, but {value[:60]!r} was given.")
    elif kind in ROW_KINDS:
        value = join_ids(_row_ids(kind, value))
    else:
        value = _one_text("quota" if "quota" in kind else "rule", value)
    return value


def _row_ids(kind: str, value: str) -> list[str]:
    """The ids in the value of an action on rows. Raises: ConfigError."""
    ids = [part.strip() for part in value.split(",")]
    for row_id in ids:
        if not is_row_id(row_id):
            raise ConfigError(
                f"{row_id[:60]!r} is no row id, so no row can be {_PAST[kind]}.",
                "A row id is 16 hex digits, a hyphen and a number, such as 00112233aabbccdd-0.",
            )
    return ids


def is_row_id(text: str) -> bool:
    """Whether ``text`` has the form of a row id; it says nothing of any pool."""
    return _ROW_ID.fullmatch(text) is not None


def check_rows(ids: Iterable[str], pool_ids: Iterable[str]) -> None:
    """Whether every row can be chosen at all.

    Args:
        ids: Of the rows that an action names.
        pool_ids: Of the run's pool; rows taken out as target are not among them.

    Raises:
        ConfigError: A row is not in the pool; the first one is named.
    """
    known = set(pool_ids)
    for row_id in ids:
        if row_id not in known:
            raise ConfigError(
                f"There is no row {row_id[:60]!r} in the pool of this run.",
                "Copy an id from the app's tables, a manifest or nncift explain.",
            )


def actions_of(kind: str, text: str, facts: RowFacts) -> list[tuple[str, str]]:
    """The actions that one input of a person asks for, if they fit the rows of a run.

    Args:
        kind: One of ``KINDS``.
        text: Row ids separated by commas, or rules or quotas separated by semicolons.
        facts: Of the run's pool; fields that no rule or quota reads are not computed.

    Returns:
        Kind and value of each, in their plain form: one action for all rows together, so that one
        undo takes them back, and one for each rule or quota.

    Raises:
        ConfigError: The text holds none, one is not of its form, or (where something is added,
            not taken back) it names a row, field or group that the pool does not have.
    """
    if kind in ROW_KINDS:
        value = checked_value(kind, join_ids(split_ids(text)))
        if kind in ("pin", "ban"):
            check_rows(value.split(","), facts.place)
        return [(kind, value)]
    if kind not in KINDS or kind in ("undo", "redo"):
        return [(kind, checked_value(kind, text))]
    parsed: Sequence[Rule | QuotaRule]
    parsed = parse_quotas(text) if "quota" in kind else parse_rules(text)
    if not parsed:
        checked_value(kind, text)
    for item in parsed if kind in ("ban-where", "quota") else ():
        # Reading its members is how a quota is checked.
        item.check(facts) if isinstance(item, Rule) else item.members(facts)
    return [(kind, checked_value(kind, item.text)) for item in parsed]


def quota_group(text: str) -> str:
    """The group of a quota: ``subtask:math`` of ``subtask:math=10..20``, or the text itself."""
    group, _, bounds = text.rpartition("=")
    return group.strip() if group and ".." in bounds else text.strip()


def _one_text(what: str, value: str) -> str:
    """The plain form of one rule or quota. Raises: ConfigError."""
    if not value or not value.isprintable() or len(value) > MOST_CHARACTERS:
        raise ConfigError(
            f"{value[:60]!r} is no {what}.",
            f"Give it on one line, in at most {MOST_CHARACTERS:,} characters.",
        )
    parsed: Sequence[Rule | QuotaRule]
    parsed = parse_quotas(value) if what == "quota" else parse_rules(value)
    if len(parsed) != 1:
        raise ConfigError(
            f"{value[:60]!r} is not one {what}.", f"Add each {what} as an action of its own."
        )
    return parsed[0].text
