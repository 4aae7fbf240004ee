"""What every reader yields: a record with its place and its text, or a row that is broken.

Knows nothing of formats or columns. Also the one way in which this package writes a record
as one line of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple


class Record(NamedTuple):
    """One row as the file gives it.

    Attributes:
        line: Where it begins, counted from 1.
        value: Its columns.
        raw: The same as one line of JSON, content and key order unchanged.
    """

    line: int
    value: dict[str, Any]
    raw: str


class Broken(NamedTuple):
    """A place in the file that gives no record."""

    line: int
    reason: str
    excerpt: str


class RowProblem(ValueError):
    """A row that is not usable; the text is its reason."""


def type_name(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    words = {str: "text", list: "a list", dict: "an object"}
    return next((word for kind, word in words.items() if isinstance(value, kind)), "another type")


def to_json(value: Any) -> str:
    """One line of JSON: key order kept, non-ASCII characters as they are.

    Raises:
        ValueError: A number is not finite.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def text_characters(value: Any) -> int:
    """Characters of all text in a value, keys not counted."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(text_characters(item) for item in value.values())
    if isinstance(value, list):
        return sum(text_characters(item) for item in value)
    return 0


def unique_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Column names made distinct by ``name (2)``, and those that occurred twice."""
    taken = set(names)
    seen: set[str] = set()
    result, repeated = [], []
    for name in names:
        if name in seen:
            repeated.append(name)
            number = 2
            while f"{name} ({number})" in taken:
                number += 1
            name = f"{name} ({number})"
            taken.add(name)
        seen.add(name)
        result.append(name)
    return result, repeated
