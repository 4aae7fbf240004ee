"""The curator's log: actions that only ever join, and the demands they add up to.

Rows that were acted on together are one action, so one undo takes them back. An undo is an action
of its own, so nothing is ever lost from the log: it takes back the last
action in force, a redo brings back the last one taken back, and any other action ends what could
be brought back. Knows ids and texts only: whether a row is in the pool, and what rules and quotas
mean, is the business of callers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from nncift_core.errors import ConfigError
from nncift_core.selection.action_forms import (
    KINDS,
    ROW_KINDS,
    actions_of,
    check_rows,
    checked_value,
    quota_group,
)
from nncift_core.selection.rules import parse_quotas
from nncift_core.selection_config import SelectionConfig, join_ids

__all__ = ["KINDS", "Action", "ActionLog", "Curation", "actions_of", "check_rows", "curation"]

_WORDS: Mapping[str, str] = {
    "pin": "pin {}",
    "unpin": "unpin {}",
    "ban": "ban {}",
    "unban": "unban {}",
    "release": "release {}",
    "ban-where": "ban rows where {}",
    "drop-ban-where": "drop the rule {}",
    "quota": "quota {}",
    "drop-quota": "drop the quota {}",
    "undo": "undo",
    "redo": "redo",
}


@dataclass(frozen=True)
class Action:
    """One entry of the log.

    Attributes:
        ordinal: Its place in the log, from 1.
        kind: One of ``KINDS``.
        value: Row ids separated by commas, the text of a rule or of a quota; empty for undo and
            redo.
        at: When it was done, ISO-8601 text in UTC.
    """

    ordinal: int
    kind: str
    value: str
    at: str

    @property
    def row_ids(self) -> tuple[str, ...]:
        """The rows it is about; none for rules, quotas, undo and redo."""
        return tuple(self.value.split(",")) if self.kind in ROW_KINDS else ()

    @property
    def words(self) -> str:
        """What it does, as on a button: ``pin row 00ab...-0``, ``ban 12 rows``."""
        about = _rows_words(self.row_ids) if self.kind in ROW_KINDS else self.value
        return _WORDS[self.kind].format(about)


@dataclass(frozen=True)
class Curation:
    """What a log demands, and what an undo or redo would change.

    Attributes:
        pinned: Ids of rows that are always in, in the order of their pins.
        banned: Ids of rows that are never in, none of them pinned.
        rules: Rules whose rows are never in.
        quotas: Bounds of groups, one a group.
        can_undo: Whether an action is in force that an undo takes back.
        can_redo: Whether an action was taken back last that a redo brings back.
        undo_words: What an undo takes back, empty where there is nothing.
        redo_words: What a redo brings back, likewise.
    """

    pinned: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    quotas: tuple[str, ...] = ()
    can_undo: bool = False
    can_redo: bool = False
    undo_words: str = ""
    redo_words: str = ""

    def settings(self, base: SelectionConfig) -> SelectionConfig:
        """``base`` with these demands joined to its own; where they contradict, these win.

        A row banned here is no longer pinned, a row pinned here no longer banned, and a quota
        takes the place of the one that ``base`` has for the same group.

        Raises:
            ConfigError: A quota of ``base`` is none.
        """
        quotas = [] if base.quota == "" else [quota.text for quota in parse_quotas(base.quota)]
        mine = {quota_group(text) for text in self.quotas}
        kept = [text for text in quotas if quota_group(text) not in mine]
        rules = [base.ban_where.strip().rstrip("; "), *self.rules]
        return replace(
            base,
            pin=join_ids(_without((*base.pinned, *self.pinned), self.banned)),
            ban=join_ids(_without((*base.banned, *self.banned), self.pinned)),
            ban_where="; ".join(filter(None, rules)),
            quota="; ".join((*kept, *self.quotas)),
        )


class ActionLog:
    """A log as it grows: which actions are in force, and what may come next.

    Args:
        actions: What was done so far, in order.
    """

    def __init__(self, actions: Iterable[Action] = ()) -> None:
        self._done: list[Action] = []
        self._undone: list[Action] = []
        self._demands: _Demands | None = None
        for action in actions:
            self.append(action)

    def append(self, action: Action) -> None:
        """Add an action; an undo or redo that has nothing to change changes nothing."""
        if action.kind in ("undo", "redo"):
            source, sink = self._done, self._undone
            if action.kind == "redo":
                source, sink = sink, source
            if source:
                sink.append(source.pop())
                # Made anew when somebody asks: taking back one step by its opposite would lose
                # what a pin replaced.
                self._demands = None
            return
        self._done.append(action)
        self._undone.clear()
        if self._demands is not None:
            self._demands.apply(action)

    def check(self, kind: str, value: str = "") -> str:
        """The value as an action of this kind stores it: of several rows, those that it changes.

        Raises:
            ConfigError: There is no such kind, the value has the wrong form, or the action would
                change nothing.
        """
        value = checked_value(kind, value)
        if kind in ("undo", "redo"):
            if not (self._done if kind == "undo" else self._undone):
                raise _idle(kind)
            return value
        demands = self._current()
        if kind in ROW_KINDS:
            return _changed_rows(demands, kind, value.split(","))
        if kind == "drop-quota":
            # Kept as it was given once, so that the log says what was dropped.
            value = demands.quotas.get(quota_group(value), value)
        held: Mapping[str, Collection[str]] = {
            "ban-where": demands.rules,
            "quota": demands.quotas.values(),
        }
        if kind in held:
            if value in held[kind]:
                raise ConfigError(f"{_HELD[kind].format(value)} already, so nothing changes.")
        elif value not in held[_OPPOSITE[kind]]:
            raise ConfigError(
                f"{_MISSING[kind].format(value)} by the curator's log.",
                "What the run's own settings ask for stays with the run.",
            )
        return value

    def curation(self) -> Curation:
        """The demands in force."""
        demands = self._current()
        return Curation(
            tuple(demands.pinned),
            tuple(demands.banned),
            tuple(demands.rules),
            tuple(demands.quotas.values()),
            bool(self._done),
            bool(self._undone),
            self._done[-1].words if self._done else "",
            self._undone[-1].words if self._undone else "",
        )

    def in_force(self) -> tuple[Action, ...]:
        """The actions that were not taken back, in order."""
        return tuple(self._done)

    def _current(self) -> _Demands:
        if self._demands is None:
            self._demands = _Demands()
            for action in self._done:
                self._demands.apply(action)
        return self._demands


def curation(actions: Sequence[Action]) -> Curation:
    """What a log demands; linear in its length."""
    return ActionLog(actions).curation()


_HELD = {"ban-where": "The rule {} is in force", "quota": "The quota {} is in force"}
_MISSING = {
    "drop-ban-where": "The rule {} is not asked for",
    "drop-quota": "The quota {} is not asked for",
}
_OPPOSITE = {"drop-ban-where": "ban-where", "drop-quota": "quota"}
_NOT_HELD = {"unpin": "pinned", "unban": "banned", "release": "pinned or banned"}


class _Demands:
    """Demands that grow action by action. Dictionaries, as sets that keep their order."""

    def __init__(self) -> None:
        self.pinned: dict[str, None] = {}
        self.banned: dict[str, None] = {}
        self.rules: dict[str, None] = {}
        self.quotas: dict[str, str] = {}

    def apply(self, action: Action) -> None:
        """Change the demands by an action that is neither undo nor redo."""
        value = action.value
        if action.kind in ROW_KINDS:
            for row_id in action.row_ids:
                self._apply_to(row_id, action.kind)
        elif action.kind == "ban-where":
            self.rules.setdefault(value)
        elif action.kind == "drop-ban-where":
            self.rules.pop(value, None)
        elif action.kind == "quota":
            self.quotas[quota_group(value)] = value
        elif action.kind == "drop-quota":
            self.quotas.pop(quota_group(value), None)

    def _apply_to(self, row_id: str, kind: str) -> None:
        """Change what is asked of one row."""
        if kind in ("pin", "ban"):
            into, out_of = self.pinned, self.banned
            if kind == "ban":
                into, out_of = out_of, into
            out_of.pop(row_id, None)
            into.setdefault(row_id)
        if kind in ("unpin", "release"):
            self.pinned.pop(row_id, None)
        if kind in ("unban", "release"):
            self.banned.pop(row_id, None)


def _changed_rows(demands: _Demands, kind: str, ids: Sequence[str]) -> str:
    """Those of some rows that an action changes, as it stores them. Raises: ConfigError."""
    pinned, banned = demands.pinned, demands.banned
    changed = [
        row_id
        for row_id in ids
        if (kind == "pin" and row_id not in pinned)
        or (kind == "ban" and row_id not in banned)
        or (kind in ("unpin", "release") and row_id in pinned)
        or (kind in ("unban", "release") and row_id in banned)
    ]
    if changed:
        return join_ids(changed)
    who = _rows_words(ids)
    who, verb = who[0].upper() + who[1:], "is" if len(ids) == 1 else "are"
    if kind in _NOT_HELD:
        raise ConfigError(
            f"{who} {verb} not {_NOT_HELD[kind]} by the curator's log.",
            "What the run's own settings ask for stays with the run.",
        )
    past = "pinned" if kind == "pin" else "banned"
    raise ConfigError(f"{who} {verb} {past} already, so nothing changes.")


def _rows_words(ids: Sequence[str]) -> str:
    """``row 00ab...-0`` or ``12 rows``."""
    return f"row {ids[0]}" if len(ids) == 1 else f"{len(ids):,} rows"


def _idle(kind: str) -> ConfigError:
    if kind == "undo":
        return ConfigError("There is nothing to undo: no action of this run is in force.")
    return ConfigError(
        "There is nothing to redo.", "A redo brings back only what the last undo took back."
    )


def _without(ids: Sequence[str], unwanted: Sequence[str]) -> list[str]:
    gone = set(unwanted)
    return [row_id for row_id in ids if row_id not in gone]
