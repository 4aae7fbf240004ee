"""The two small languages of a curator: rules that ban rows, quotas that bound groups of them.

    rules    FIELD OPERATOR VALUE; ...          response contains "I cannot"; tokens > 500
    quotas   FIELD:VALUE=LEAST..MOST; ...       subtask:math=10..; cluster:3=..0.2

Read by hand: no expression is evaluated. A value with a semicolon or spaces at its ends stands in
double quotes, where two of them mean one. Knows fields of rows, nothing of objectives.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

import numpy as np
from numpy.typing import NDArray

from nncift_core.errors import ConfigError
from nncift_core.selection.row_facts import FIELDS, NAMES, NUMBERS, TEXTS, RowFacts
from nncift_core.types import IndexArray

_COMPARE: dict[str, Callable[[NDArray[np.float64], float], NDArray[np.bool_]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OPERATORS = ("contains", *_COMPARE)
_RULE = re.compile(r"\s*([A-Za-z_]+)\s*(contains\b|!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?|[+-]?\.[0-9]{1,18}")
_BOUND = re.compile(r"[0-9]{1,9}|[0-9]{0,9}\.[0-9]{0,9}")
_RULE_FORM = 'Write it as in: tokens > 500, subtask = math, response contains "I cannot".'
_QUOTA_FORM = "Write it as in: subtask:math=10..50, group:forum=..0.2, cluster:3=5.. ."
_SHOWN = 8
"""Names listed in a sentence, at most."""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """One condition on a row.

    Attributes:
        field: A name of ``FIELDS``.
        operator: ``contains`` (whatever the case), or a comparison.
        value: As given, without quotes.
        text: The rule in its plain form, which reads back as the same rule.
    """

    field: str
    operator: str
    value: str

    @property
    def text(self) -> str:
        """The rule in its plain form."""
        return f"{self.field} {self.operator} {_quoted(self.value)}"

    def check(self, facts: RowFacts) -> None:
        """Refuse a field the rows do not have, or a name none of them has. Raises: ConfigError."""
        _check_field(self.field, f"The rule {self.text!r}", facts)
        if self.operator in ("=", "!=") and self.field in (*NAMES, "id"):
            _check_name(self.field, self.value, f"The rule {self.text!r}", facts)

    def matches(self, facts: RowFacts) -> BoolArray:
        """``(n_train,)`` whether each row meets the rule; one without a value meets only ``!=``.

        Raises:
            ConfigError: As ``check``.
        """
        self.check(facts)
        if self.field in NUMBERS:
            values = facts.numbers(self.field)
            found = _COMPARE[self.operator](values, float(self.value))
            return np.asarray(found & ~np.isnan(values))
        texts: Sequence[str | None] = (
            facts.texts(self.field) if self.field in TEXTS else facts.names(self.field)
        )
        if self.operator == "contains":
            part = self.value.casefold()
            hits = (text is not None and part in text.casefold() for text in texts)
        else:
            equal = self.operator == "="
            hits = ((text == self.value) == equal for text in texts)
        return np.fromiter(hits, dtype=np.bool_, count=len(facts))


@dataclass(frozen=True)
class QuotaRule:
    """Bounds on how many rows of a group are chosen.

    Attributes:
        field: ``subtask``, ``group`` or ``cluster``.
        value: The group's name, or the cluster's number.
        least: As given: a count, a share of the budget, or empty.
        most: Likewise.
    """

    field: str
    value: str
    least: str
    most: str

    @property
    def text(self) -> str:
        """The quota in its plain form, which reads back as the same quota."""
        return f"{self.field}:{_quoted(self.value)}={self.least}..{self.most}"

    @property
    def name(self) -> str:
        """What people call the group."""
        return f"{self.field} = {self.value}"

    @property
    def of_budget(self) -> bool:
        """Whether a bound is a share, and so depends on the budget."""
        return "." in self.least or "." in self.most

    def bounds(self, budget: int) -> tuple[int, int | None]:
        """Rows of the group that must and that may be in, for a budget in rows.

        A share is rounded down where it is a most, up where it is a least.
        """
        least = 0
        if self.least:
            exact = Decimal(self.least) * (budget if "." in self.least else 1)
            least = int(exact.to_integral_value(ROUND_CEILING))
        if not self.most:
            return least, None
        return least, int(Decimal(self.most) * (budget if "." in self.most else 1))

    def members(self, facts: RowFacts) -> IndexArray:
        """Positions of the group's rows. Raises: ConfigError where there are none."""
        where = f"The quota {self.text!r}"
        _check_field(self.field, where, facts)
        _check_name(self.field, self.value, where, facts)
        names = facts.names(self.field)
        return np.array([i for i, name in enumerate(names) if name == self.value], dtype=np.int64)


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules of a text, which separates them by semicolons; none where it is empty.

    Raises:
        ConfigError: One of them is no rule.
    """
    return tuple(_rule(part) for part in _parts(text, "rule"))


def parse_quotas(text: str) -> tuple[QuotaRule, ...]:
    """The quotas of a text, which separates them by semicolons; none where it is empty.

    Raises:
        ConfigError: One of them is no quota, or two bound the same group.
    """
    quotas = tuple(_quota(part) for part in _parts(text, "quota"))
    seen: set[str] = set()
    for quota in quotas:
        if quota.name in seen:
            raise ConfigError(f"Two quotas bound {quota.name}.", "Join them into one: LEAST..MOST.")
        seen.add(quota.name)
    return quotas


def _rule(text: str) -> Rule:
    shown = _shown(text)
    found = _RULE.fullmatch(text)
    if found is None:
        raise ConfigError(f"{shown} is no rule of the form FIELD OPERATOR VALUE.", _RULE_FORM)
    name, sign, value = found[1].lower(), found[2], _unquoted(found[3], f"The rule {shown}")
    if name not in FIELDS:
        raise ConfigError(
            f"The rule {shown} asks for field {name!r}.", f"Fields are: {', '.join(FIELDS)}."
        )
    if not value:
        raise ConfigError(f"The rule {shown} has no value.", _RULE_FORM)
    usable = _operators(name)
    if sign not in usable:
        raise ConfigError(
            f"The rule {shown} uses {sign!r}, which field {name} does not know.",
            f"Use one of: {', '.join(usable)}.",
        )
    if name in NUMBERS and not _NUMBER.fullmatch(value):
        raise ConfigError(f"The rule {shown} compares {name} with no number.", _RULE_FORM)
    return Rule(name, sign, value)


def _operators(name: str) -> tuple[str, ...]:
    if name in NUMBERS:
        return tuple(_COMPARE)
    return ("=", "!=") if name == "cluster" else ("contains", "=", "!=")


def _quota(text: str) -> QuotaRule:
    shown = _shown(text)
    where = f"The quota {shown}"
    head, equals, bounds = text.rpartition("=")
    name, colon, value = head.partition(":")
    least, dots, most = (part.strip() for part in _split_bounds(bounds))
    if not (equals and colon and dots):
        raise ConfigError(f"{shown} is no quota of the form FIELD:VALUE=LEAST..MOST.", _QUOTA_FORM)
    name, value = name.strip().lower(), _unquoted(value.strip(), where)
    if name not in NAMES:
        raise ConfigError(f"{where} asks for field {name!r}.", f"Fields are: {', '.join(NAMES)}.")
    if not value:
        raise ConfigError(f"{where} names no {name}.", _QUOTA_FORM)
    if not least and not most:
        raise ConfigError(f"{where} bounds nothing.", _QUOTA_FORM)
    for bound in filter(None, (least, most)):
        if not _BOUND.fullmatch(bound) or bound == "." or ("." in bound and Decimal(bound) > 1):
            raise ConfigError(
                f"{where} has the bound {bound!r}.",
                "Give a number of rows, or a share of the budget up to 1.0.",
            )
    same = ("." in least) == ("." in most)
    if least and most and same and Decimal(least) > Decimal(most):
        raise ConfigError(f"{where} asks for at least {least} and at most {most}.")
    return QuotaRule(name, value, least, most)


def _split_bounds(text: str) -> tuple[str, str, str]:
    """Least, dots and most. ``0.1..0.2`` and ``.1...2`` have more dots than two."""
    found = re.fullmatch(r"\s*([^\s]*?)\s*(\.\.)\s*(\.?[^.\s]*\.?[^.\s]*)\s*", text)
    return (found[1], found[2], found[3]) if found else ("", "", "")


_QUOTE = '"'


def _parts(text: str, what: str) -> Iterator[str]:
    """The parts between semicolons, those inside double quotes aside. Raises: ConfigError."""
    part, inside = "", False
    for character in text:
        if character == _QUOTE:
            inside = not inside
        if character == ";" and not inside:
            if part.strip():
                yield part.strip()
            part = ""
        else:
            part += character
    if inside:
        raise ConfigError(
            f"The {what} {_shown(part)} opens a double quote and does not close it.",
            "Close it; two double quotes mean one inside.",
        )
    if part.strip():
        yield part.strip()


def _unquoted(value: str, where: str) -> str:
    """A value without its quotes. Raises: ConfigError where they are not around all of it."""
    if _QUOTE not in value:
        return value
    inner = value[1:-1]
    whole = len(value) > 1 and value[0] == value[-1] == _QUOTE
    if not whole or _QUOTE in inner.replace(_QUOTE * 2, ""):
        raise ConfigError(
            f"{where} has a double quote inside its value.",
            "Put double quotes around the whole value and write an inner one twice.",
        )
    return inner.replace(_QUOTE * 2, _QUOTE)


def _quoted(value: str) -> str:
    plain = value == value.strip() and not set(value) & {_QUOTE, ";"}
    return value if plain else f'"{value.replace(_QUOTE, _QUOTE * 2)}"'


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _check_field(field: str, where: str, facts: RowFacts) -> None:
    if facts.has(field):
        return
    if field in ("subtask", "group"):
        raise ConfigError(
            f"{where} reads the field {field}, but no row of the pool has one.",
            f"Name its column with --map {field}=COLUMN when the rows are read.",
        )
    raise ConfigError(f"{where} reads the field {field}, which this run does not have.")


def _check_name(field: str, value: str, where: str, facts: RowFacts) -> None:
    if field == "id":
        if value not in facts.place:
            raise ConfigError(f"{where} names row {value!r}, which the pool does not have.")
        return
    names = facts.names(field)
    if value in names:
        return
    known = sorted({name for name in names if name is not None}, key=_natural)
    listed = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
    raise ConfigError(
        f"{where} names {field} {value!r}, which no row of the pool has.", f"There are: {listed}."
    )


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isascii() and name.isdigit() and len(name) < 18 else (-1, name)
