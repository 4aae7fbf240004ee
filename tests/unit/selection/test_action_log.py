"""The curator's log against a slow reference: the list of every state there was."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncift_core.errors import ConfigError
from nncift_core.selection.action_forms import checked_value, quota_group
from nncift_core.selection.actions import (
    KINDS,
    Action,
    ActionLog,
    Curation,
    actions_of,
    check_rows,
    curation,
)
from nncift_core.selection.row_facts import RowFacts
from nncift_core.selection.rules import parse_quotas, parse_rules
from nncift_core.selection_config import SelectionConfig
from nncift_core.types import Row

State: TypeAlias = tuple[tuple[str, ...], ...]
"""Pinned, banned, rules, quotas."""

ROWS = [f"{number:016x}-0" for number in range(3)]
RULES = ["tokens > 500", "response contains x"]
QUOTAS = ["subtask:math=10..", "subtask:math=..20", checked_value("quota", 'group:"a=b"=1..2')]
TOGETHER = [",".join(ROWS[:2]), ",".join([ROWS[2], ROWS[1]]), ",".join(ROWS)]
VALUES = {
    **dict.fromkeys(("pin", "unpin", "ban", "unban", "release"), ROWS + TOGETHER),
    **dict.fromkeys(("ban-where", "drop-ban-where"), RULES),
    **dict.fromkeys(("quota", "drop-quota"), QUOTAS),
    "undo": [""],
    "redo": [""],
}
ONE = st.sampled_from([(kind, value) for kind in KINDS for value in VALUES[kind]])
# Half of them undo and redo, as otherwise long undone tails are rare.
STEPS = st.lists(st.one_of(ONE, st.sampled_from([("undo", ""), ("redo", "")])), max_size=40)


def log_of(steps: list[tuple[str, str]]) -> list[Action]:
    return [Action(i, kind, value, f"t{i}") for i, (kind, value) in enumerate(steps, start=1)]


def after(state: State, kind: str, value: str) -> State:
    """The state that follows, by lists and loops."""
    pinned, banned, rules, quotas = (list(part) for part in state)
    ids = value.split(",")
    if kind == "pin":
        banned = [row for row in banned if row not in ids]
        pinned += [row for row in ids if row not in pinned]
    if kind == "ban":
        pinned = [row for row in pinned if row not in ids]
        banned += [row for row in ids if row not in banned]
    if kind in ("unpin", "release"):
        pinned = [row for row in pinned if row not in ids]
    if kind in ("unban", "release"):
        banned = [row for row in banned if row not in ids]
    if kind == "ban-where":
        rules += [] if value in rules else [value]
    if kind == "drop-ban-where":
        rules = [rule for rule in rules if rule != value]
    same = [text for text in quotas if text[: text.rindex("=")] == value[: value.rfind("=")]]
    if kind == "quota":
        quotas = [value if text in same else text for text in quotas]
        quotas += [] if same else [value]
    if kind == "drop-quota":
        quotas = [text for text in quotas if text not in same]
    return tuple(map(tuple, (pinned, banned, rules, quotas)))


def slow(steps: list[tuple[str, str]]) -> tuple[State, bool, bool]:
    """State, can undo, can redo: a list of snapshots and a place in it."""
    snapshots: list[State] = [((), (), (), ())]
    place = 0
    for kind, value in steps:
        if kind == "undo":
            place = max(0, place - 1)
        elif kind == "redo":
            place = min(len(snapshots) - 1, place + 1)
        else:
            snapshots = [*snapshots[: place + 1], after(snapshots[place], kind, value)]
            place += 1
    return snapshots[place], place > 0, place < len(snapshots) - 1


def state(found: Curation) -> State:
    return (found.pinned, found.banned, found.rules, found.quotas)


def fast(steps: list[tuple[str, str]]) -> tuple[State, bool, bool]:
    found = curation(log_of(steps))
    return state(found), found.can_undo, found.can_redo


@settings(deadline=None, max_examples=300)
@given(STEPS)
def test_any_log_folds_to_what_the_snapshots_say(steps: list[tuple[str, str]]) -> None:
    assert fast(steps) == slow(steps)
    # The same log read action by action, with the state asked for in between.
    log = ActionLog()
    for action in log_of(steps):
        log.append(action)
        log.curation()
    assert log.curation() == curation(log_of(steps))


@settings(deadline=None, max_examples=150)
@given(STEPS, st.lists(ONE.filter(lambda step: step[1] != ""), min_size=1, max_size=12))
def test_undo_restores_exactly_and_redo_brings_back(
    steps: list[tuple[str, str]], added: list[tuple[str, str]]
) -> None:
    before = curation(log_of(steps))
    states = [state(curation(log_of(steps + added[:n]))) for n in range(len(added) + 1)]
    full = steps + added
    for n in reversed(range(len(added))):
        full = [*full, ("undo", "")]
        assert state(curation(log_of(full))) == states[n]
    undone = curation(log_of(full))
    assert (undone.can_undo, undone.undo_words) == (before.can_undo, before.undo_words)
    for n in range(1, len(added) + 1):
        full = [*full, ("redo", "")]
        assert state(curation(log_of(full))) == states[n]
    assert curation(log_of(full)) == curation(log_of(steps + added))


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_no_row_is_pinned_and_banned_and_one_quota_holds_for_a_group(
    steps: list[tuple[str, str]],
) -> None:
    found = curation(log_of(steps))
    assert not set(found.pinned) & set(found.banned)
    assert len({quota_group(text) for text in found.quotas}) == len(found.quotas)
    assert (found.undo_words != "") == found.can_undo
    assert (found.redo_words != "") == found.can_redo


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_what_is_checked_always_changes_something(steps: list[tuple[str, str]]) -> None:
    log = ActionLog()
    for kind, value in steps:
        before = log.curation()
        try:
            kept = log.check(kind, value)
        except ConfigError:
            # Refused is what would change nothing, and only that.
            log_with = ActionLog([*log.in_force(), Action(0, kind, value, "")])
            if kind not in ("undo", "redo"):
                assert state(log_with.curation()) == state(before)
            else:
                assert not (before.can_undo if kind == "undo" else before.can_redo)
            continue
        # What is stored does the same as what was asked for.
        if kind not in ("undo", "redo"):
            asked = ActionLog([*log.in_force(), Action(0, kind, value, "")])
            stored = ActionLog([*log.in_force(), Action(0, kind, kept, "")])
            assert state(asked.curation()) == state(stored.curation())
        log.append(Action(0, kind, kept, ""))
        assert state(log.curation()) != state(before)


@settings(deadline=None, max_examples=150)
@given(STEPS, st.sampled_from(TOGETHER), st.sampled_from(["pin", "ban", "release"]))
def test_one_undo_takes_back_all_rows_that_were_given_together(
    steps: list[tuple[str, str]], value: str, kind: str
) -> None:
    log = ActionLog(log_of(steps))
    before = log.curation()
    try:
        kept = log.check(kind, value)
    except ConfigError:
        return
    log.append(Action(0, kind, kept, ""))
    assert state(log.curation()) != state(before)
    log.append(Action(0, "undo", "", ""))
    undone = log.curation()
    assert state(undone) == state(before)
    assert (undone.can_undo, undone.undo_words) == (before.can_undo, before.undo_words)
    assert undone.can_redo


def test_rows_that_are_acted_on_together_are_one_action() -> None:
    log = ActionLog(log_of([("pin", ROWS[0]), ("ban", ROWS[1])]))
    # Only what changes is stored, in the order given.
    assert log.check("pin", f"{ROWS[2]}, {ROWS[0]} ,{ROWS[1]}") == f"{ROWS[2]},{ROWS[1]}"
    assert log.check("release", ",".join(ROWS)) == f"{ROWS[0]},{ROWS[1]}"
    assert log.check("unpin", ",".join(ROWS)) == ROWS[0]
    action = Action(3, "ban", log.check("ban", ",".join(ROWS)), "")
    assert (action.row_ids, action.words) == ((ROWS[0], ROWS[2]), "ban 2 rows")
    assert Action(1, "quota", "subtask:a,b=1..2", "").row_ids == ()
    log.append(action)
    assert log.curation().banned == (ROWS[1], ROWS[0], ROWS[2])
    for kind, words in (
        ("ban", "3 rows are banned already, so nothing changes"),
        ("unpin", "3 rows are not pinned by the curator's log"),
    ):
        with pytest.raises(ConfigError, match=words):
            log.check(kind, ",".join(ROWS))
    with pytest.raises(ConfigError, match="is not pinned or banned by the curator's log"):
        ActionLog().check("release", ROWS[0])
    with pytest.raises(ConfigError, match="'x' is no row id, so no row can be released"):
        log.check("release", f"{ROWS[0]},x")


def test_a_new_action_ends_what_could_be_brought_back() -> None:
    steps = [("pin", ROWS[0]), ("undo", ""), ("pin", ROWS[1]), ("redo", ""), ("undo", "")]
    found = curation(log_of(steps))
    assert (found.pinned, found.can_undo, found.can_redo) == ((), False, True)
    assert found.redo_words == f"pin row {ROWS[1]}"

    class Forgetful(ActionLog):
        """The usual mistake: what was undone stays to be redone."""

        def append(self, action: Action) -> None:
            kept = list(self._undone)
            super().append(action)
            if action.kind not in ("undo", "redo"):
                self._undone[:] = kept

    wrong = Forgetful(log_of(steps[:4])).curation()
    assert state(wrong) != slow(steps[:4])[0]


def test_one_undo_takes_back_a_pin_with_the_ban_it_replaced() -> None:
    ban, pin = ("ban", ROWS[0]), ("pin", ROWS[0])
    found = curation(log_of([ban, pin]))
    assert (found.pinned, found.banned) == ((ROWS[0],), ())
    found = curation(log_of([ban, pin, ("undo", "")]))
    assert (found.pinned, found.banned) == ((), (ROWS[0],))
    assert found.undo_words == f"ban row {ROWS[0]}"
    # A quota takes the place of the one its group had, and gives it back.
    quotas = [("quota", QUOTAS[0]), ("quota", QUOTAS[1])]
    assert curation(log_of(quotas)).quotas == (QUOTAS[1],)
    assert curation(log_of([*quotas, ("undo", "")])).quotas == (QUOTAS[0],)
    # Any text of the group drops what it has.
    assert ActionLog(log_of(quotas)).check("drop-quota", "subtask:math=1..") == QUOTAS[1]


def test_settings_join_those_of_the_run_and_the_log_wins() -> None:
    base = SelectionConfig(
        use_case="target",
        pin=f"{ROWS[0]}, {ROWS[1]}",
        ban=ROWS[2],
        ban_where='response contains "a;b";',
        quota="subtask:math=1..; group:x=..5",
        token_budget=7,
    )
    steps = [
        ("ban", ROWS[0]),
        ("pin", ROWS[2]),
        ("pin", ROWS[1]),
        ("ban-where", "tokens > 500"),
        ("quota", "subtask:math=..20"),
    ]
    joined = curation(log_of(steps)).settings(base)
    assert (joined.pinned, joined.banned) == ((ROWS[1], ROWS[2]), (ROWS[0],))
    assert joined.ban_where == 'response contains "a;b"; tokens > 500'
    assert joined.quota == "group:x=..5; subtask:math=..20"
    same = replace(joined, pin=base.pin, ban=base.ban, ban_where=base.ban_where, quota=base.quota)
    assert same == base
    plain = SelectionConfig()
    assert Curation().settings(plain) == plain
    assert len(parse_rules(joined.ban_where)) == len(parse_quotas(joined.quota)) == 2
    with pytest.raises(ConfigError, match="no quota"):
        Curation().settings(replace(base, quota="math"))


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("pin", "", "'' is no row id, so no row can be pinned"),
        ("ban", "0123", "no row id"),
        ("unban", f"{ROWS[0]};", "no row id"),
        ("pin", "0" * 16 + "-٣", "no row id"),
        ("pinn", ROWS[0], "Did you mean 'pin'"),
        ("undo", "x", "takes no value"),
        ("ban-where", "  ", "no rule"),
        ("ban-where", "id = a\nid = b", "no rule"),
        ("ban-where", "id = \ud800", "no rule"),
        ("ban-where", "id = " + "a" * 1_000, "no rule"),
        ("ban-where", "tokens > 5; tokens < 3", "not one rule"),
        ("ban-where", ";", "not one rule"),
        ("ban-where", "tokens", "no rule of the form"),
        ("quota", "subtask:math", "no quota of the form"),
        ("unpin", ROWS[0], "is not pinned by the curator's log"),
        ("drop-ban-where", "tokens > 3", "is not asked for"),
        ("drop-quota", "subtask:math=1..", "is not asked for"),
        ("undo", "", "nothing to undo"),
        ("redo", "", "nothing to redo"),
    ],
)
def test_what_is_refused(kind: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        ActionLog().check(kind, value)
    assert "\n" not in str(caught.value)


def test_values_are_kept_in_their_plain_form() -> None:
    assert checked_value("pin", f" {ROWS[0]}\n") == ROWS[0]
    assert checked_value("ban-where", " tokens>500 ;") == "tokens > 500"
    assert checked_value("quota", "subtask: math = 1 .. 2") == "subtask:math=1..2"
    log = ActionLog(log_of([("ban-where", "tokens > 500")]))
    with pytest.raises(ConfigError, match="in force already"):
        log.check("ban-where", "tokens>500")
    assert log.check("drop-ban-where", "tokens   > 500") == "tokens > 500"


def test_the_first_unknown_row_is_named() -> None:
    check_rows([], [])
    check_rows(ROWS, iter(ROWS))
    with pytest.raises(ConfigError, match=f"There is no row '{ROWS[1]}' in the pool"):
        check_rows([ROWS[0], ROWS[1], ROWS[2]], [ROWS[0]])


def test_a_long_log_is_folded_in_linear_time() -> None:
    rows = [f"{number:016x}-0" for number in range(20_000)]
    steps = [("pin", row) for row in rows] + [("undo", "")] * 10_000 + [("redo", "")] * 5_000
    start = time.process_time()
    found = curation(log_of(steps))
    assert time.process_time() - start < 2.0
    assert found.pinned == tuple(rows[:15_000])


def test_one_input_may_ask_for_several_actions_that_fit_the_rows() -> None:
    facts = RowFacts([Row(row_id, "p", "r", subtask="math") for row_id in ROWS[:2]])
    assert actions_of("pin", f"{ROWS[0]}, {ROWS[1]},{ROWS[0]}", facts) == [
        ("pin", f"{ROWS[0]},{ROWS[1]}")
    ]
    assert actions_of("ban-where", 'id contains ";"; characters>5;', facts) == [
        ("ban-where", 'id contains ";"'),
        ("ban-where", "characters > 5"),
    ]
    assert actions_of("undo", "", facts) == [("undo", "")]
    # What is taken back may be gone from the rows.
    assert actions_of("unpin", ROWS[2], facts) == [("unpin", ROWS[2])]
    assert actions_of("drop-quota", "subtask:art=1..", facts) == [("drop-quota", "subtask:art=1..")]
    for kind, text, words in (
        ("pin", ROWS[2], "no row"),
        ("pin", " , ", "'' is no row id"),
        ("ban-where", "subtask = art", "There are: math"),
        ("ban-where", "tokens > 3", "which this run does not have"),
        ("ban-where", "", "'' is no rule"),
        ("quota", "subtask:art=1..", "There are: math"),
        ("quota", ";", "not one quota"),
        ("pins", "x", "Did you mean 'pin'"),
    ):
        with pytest.raises(ConfigError, match=words):
            actions_of(kind, text, facts)
