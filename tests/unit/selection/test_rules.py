"""The languages of bans and quotas: what they mean, and one sentence for everything else."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncift_core.errors import ConfigError
from nncift_core.selection.row_facts import FIELDS, NAMES, NUMBERS, RowFacts
from nncift_core.selection.rules import (
    OPERATORS,
    QuotaRule,
    Rule,
    parse_quotas,
    parse_rules,
)
from nncift_core.types import Row

ROWS = [
    Row("a" * 16 + "-0", "Add 2 and 3.", "As I said before, 5", "math", "forum"),
    Row("a" * 16 + "-1", "Add 2 and 3.", "5", "math", None),
    Row("b" * 16 + "-0", "Greet; politely", 'Say "hello"', "chat", "forum"),
    Row("c" * 16 + "-0", "Long", "x" * 100, None, "wiki"),
]
SCORES = np.array([0.5, np.nan, -1.0, 2.0], dtype=np.float32)


def facts(**changes: Any) -> RowFacts:
    given = {
        "score": SCORES,
        "cluster": lambda: np.array([0, 0, 12, 3]),
        "tokens": lambda: np.array([10, 4, 6, 30]),
    } | changes
    return RowFacts(ROWS, **given)


def matched(text: str) -> list[int]:
    (rule,) = parse_rules(text)
    return np.flatnonzero(rule.matches(facts())).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("tokens > 6", [0, 3]),
        ("tokens>=6", [0, 2, 3]),
        ("tokens<6", [1]),
        ("tokens <= 6", [1, 2]),
        ("tokens = 6", [2]),
        ("tokens != 6", [0, 1, 3]),
        ("tokens > 5.5", [0, 2, 3]),
        ("score < 0", [2]),
        ("score >= -.5", [0, 3]),
        # A score that is not known meets nothing, not even !=.
        ("score != 2", [0, 2]),
        ("characters > 50", [3]),
        ("response contains as i said", [0]),
        ('response contains "AS I SAID"', [0]),
        ('prompt contains ";"', [2]),
        ('response = "Say ""hello"""', [2]),
        ("prompt = Add 2 and 3.", [0, 1]),
        ("prompt != Add 2 and 3.", [2, 3]),
        ("prompt = add 2 and 3.", []),
        ("subtask = math", [0, 1]),
        # A row without a subtask is not of subtask math.
        ("subtask != math", [2, 3]),
        ("SubTask contains AT", [0, 1, 2]),
        ("group = wiki", [3]),
        ("cluster = 12", [2]),
        ("cluster != 0", [2, 3]),
        (f"id = {'a' * 16}-1", [1]),
        (f"id contains {'a' * 16}", [0, 1]),
    ],
)
def test_what_rules_match(text: str, rows: list[int]) -> None:
    assert matched(text) == rows


def test_many_rules_and_none() -> None:
    rules = parse_rules(' ; tokens > 6;subtask = math ;; prompt contains "a;b" ')
    assert [rule.text for rule in rules] == [
        "tokens > 6",
        "subtask = math",
        'prompt contains "a;b"',
    ]
    assert parse_rules("") == parse_rules(" ; ") == ()


REFUSED = [
    ("tokens", "is no rule of the form"),
    ("tokens 5", "is no rule of the form"),
    ("> 5", "is no rule of the form"),
    ("length > 5", "asks for field 'length'"),
    ("tokens > many", "compares tokens with no number"),
    ("tokens > nan", "compares tokens with no number"),
    ("tokens > 1e9", "compares tokens with no number"),
    ("tokens > inf", "compares tokens with no number"),
    ("tokens >", "has no value"),
    ('subtask = ""', "has no value"),
    ("tokens contains 5", "uses 'contains', which field tokens does not know"),
    ("prompt > a", "uses '>', which field prompt does not know"),
    ("cluster < 4", "uses '<', which field cluster does not know"),
    ('prompt contains "a', "opens a double quote"),
    ('prompt contains a"b"', "double quote inside its value"),
    ('prompt contains "a" b', "double quote inside its value"),
    ("__import__('os') = 1", "is no rule"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_what_is_no_rule(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules(text)
    assert words in caught.value.message
    assert caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subtask = maths", "There are: chat, math."),
        ("cluster = 4", "There are: 0, 3, 12."),
        ("group != news", "There are: forum, wiki."),
        ("id = ffff-0", "which the pool does not have"),
    ],
)
def test_names_that_no_row_has(text: str, words: str) -> None:
    (rule,) = parse_rules(text)
    with pytest.raises(ConfigError) as caught:
        rule.matches(facts())
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("field", "rule"),
    [("group", "group = x"), ("cluster", "cluster = 1"), ("tokens", "tokens > 1"),
     ("score", "score > 1")],
)  # fmt: skip
def test_fields_that_the_rows_do_not_have(field: str, rule: str) -> None:
    plain = [Row(row.id, row.prompt, row.response) for row in ROWS]
    (parsed,) = parse_rules(rule)
    with pytest.raises(ConfigError, match=f"reads the field {field}"):
        parsed.matches(RowFacts(plain))


def test_costly_fields_are_read_only_where_a_rule_asks() -> None:
    def never() -> Any:
        raise AssertionError

    lazy = facts(cluster=never, tokens=never)
    (rule,) = parse_rules("subtask = math")
    assert rule.matches(lazy).tolist() == [True, True, False, False]


VALUES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)


@given(st.sampled_from(["prompt", "response", "subtask", "group", "id"]),
       st.sampled_from(["contains", "=", "!="]), VALUES)  # fmt: skip
def test_a_rule_reads_back(field: str, sign: str, value: str) -> None:
    rule = Rule(field, sign, value)
    assert parse_rules(f"tokens > 1;{rule.text} ; tokens > 2")[1] == rule


@given(st.sampled_from(NAMES), VALUES, st.sampled_from(["", "0", "5", "0.1", ".5"]),
       st.sampled_from(["", "5", "9", "0.5", "1.0"]))  # fmt: skip
def test_a_quota_reads_back(field: str, value: str, least: str, most: str) -> None:
    quota = QuotaRule(field, value, least, most)
    if not least and not most:
        return
    assert parse_quotas(f"{quota.text};") == (quota,)


@given(st.text(st.sampled_from('abctokens prompt"=<>!;:.0123456789'), max_size=40))
def test_any_text_is_rules_or_one_sentence(text: str) -> None:
    for parse in (parse_rules, parse_quotas):
        try:
            parsed: Any = parse(text)
        except ConfigError as error:
            assert "\n" not in error.message
            continue
        again: Any = parse("; ".join(part.text for part in parsed))
        assert again == parsed


@given(st.sampled_from(NUMBERS), st.sampled_from(OPERATORS[1:]), st.integers(-50, 50))
def test_numbers_match_as_python_compares(field: str, sign: str, value: int) -> None:
    (rule,) = parse_rules(f"{field} {sign} {value}")
    values = facts().numbers(field)
    expected = [
        not np.isnan(v) and eval(f"{float(v)!r} {'==' if sign == '=' else sign} {value}")
        for v in values
    ]
    assert rule.matches(facts()).tolist() == expected


@pytest.mark.parametrize(
    ("text", "budget", "bounds"),
    [
        ("subtask:math=1..2", 10, (1, 2)),
        ("subtask:math=1..", 10, (1, None)),
        ("subtask:math=..2", 10, (0, 2)),
        ("subtask:math=..0", 10, (0, 0)),
        ("subtask:math=0.25..0.5", 10, (3, 5)),
        ("subtask:math=..0.29", 100, (0, 29)),
        ("subtask:math=.1..1.0", 30, (3, 30)),
        ("subtask:math=1...5", 30, (1, 15)),
        ("subtask : math = 1 .. 2", 10, (1, 2)),
    ],
)
def test_bounds_of_quotas(text: str, budget: int, bounds: tuple[int, int | None]) -> None:
    (quota,) = parse_quotas(text)
    assert quota.bounds(budget) == bounds
    assert quota.of_budget == ("." in quota.least + quota.most)
    assert quota.members(facts()).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subtask:math", "is no quota of the form"),
        ("subtask=1..2", "is no quota of the form"),
        ("subtask:math=5", "is no quota of the form"),
        ("subtask:math=..", "bounds nothing"),
        ("subtask:=1..2", "names no subtask"),
        ("tokens:5=1..2", "asks for field 'tokens'"),
        ("subtask:math=-1..2", "has the bound '-1'"),
        ("subtask:math=1.5..", "has the bound '1.5'"),
        ("subtask:math=5..3", "at least 5 and at most 3"),
        ("subtask:math=0.5..0.3", "at least 0.5 and at most 0.3"),
        ("subtask:math=1..; subtask:math=..5", "Two quotas bound subtask = math"),
    ],
)
def test_what_is_no_quota(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_quotas(text)
    assert words in str(caught.value)


def test_quotas_of_groups_that_do_not_exist() -> None:
    (quota,) = parse_quotas("cluster:4=1..")
    with pytest.raises(ConfigError, match="which no row of the pool has"):
        quota.members(facts())
    (quota,) = parse_quotas("group:x=1..")
    with pytest.raises(ConfigError, match="no row of the pool has one"):
        quota.members(RowFacts([Row("0-0", "p", "r")]))


def test_a_long_rule_is_shown_short() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules("nonsense " * 50)
    assert len(caught.value.message) < 130


def test_every_field_is_of_one_kind() -> None:
    kinds = [set(NAMES), set(NUMBERS), {"prompt", "response", "id"}]
    assert set().union(*kinds) == set(FIELDS)
    assert sum(len(kind) for kind in kinds) == len(FIELDS)
    assert not [field for field in FIELDS if not re.fullmatch("[a-z]+", field)]
