"""Reads a JSON array, an object that wraps one, or objects one after another.

Elements are decoded where they stand in the text, so that each keeps its own text and line,
and a broken element costs one row where the next one begins on a line of its own. Knows
nothing of columns.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

from nncift_core.datasets import report
from nncift_core.datasets.json_decoder import (
    StrictDecoder,
    Undecodable,
    one_line,
    warn_of_repeated_keys,
)
from nncift_core.datasets.records import Broken, Record, RowProblem
from nncift_core.errors import DataError

ROW_LISTS = ("messages", "conversations", "instances")
"""Keys whose list belongs to one row: never taken for the list of rows."""

MAX_BROKEN_ELEMENTS = 1_000
"""Each fault in an array costs a pass over its text: more than this and the file is refused."""

_SPACE = re.compile(r"[ \t\r\n]*")


class ElementReader:
    """Walks over an array, or over objects one after another, element by element."""

    def __init__(self, text: str, name: str, intact: bool, warnings: list[str]) -> None:
        self._text = text
        self._name = name
        self._intact = intact
        self._warnings = warnings
        self._decoder = StrictDecoder()
        self._repeated: list[int] = []
        self._counted_to = 0
        self._line = 1
        self._indent: str | None = None

    def read(self) -> Iterator[Record | Broken]:
        """Every element in order. Raises: DataError where there is no sure way to go on."""
        start = self._skip(0)
        if self._text[start : start + 1] == "[":
            yield from self._array(start, alone=True)
        else:
            try:
                value, end = self._decoder.value_at(self._text, start)
            except RowProblem as problem:
                raise self._refusal(str(problem)) from problem
            if self._skip(end) < len(self._text):
                yield from self._elements(start, "")
            elif isinstance(value, dict) and (wrapped := self._row_list(value)):
                self._warnings.append(
                    f"{self._name} holds one object; its list {wrapped!r} was read as the rows."
                )
                yield from self._array(self._position_of(wrapped, start), alone=False)
            else:
                yield from self._elements(start, "")
        warn_of_repeated_keys(self._repeated, self._warnings)

    def _row_list(self, value: dict[str, Any]) -> str | None:
        lists = [
            key
            for key, item in value.items()
            if isinstance(item, list) and item and all(isinstance(one, dict) for one in item)
        ]
        if any(key in ROW_LISTS for key in lists):
            return None
        if len(lists) > 1:
            names = ", ".join(map(repr, lists))
            raise DataError(
                f"{self._name} holds several lists of rows: {names}.",
                "Save the list you mean to a file of its own.",
            )
        return lists[0] if lists else None

    def _position_of(self, key: str, start: int) -> int:
        """Where the value of a top-level key of the object at ``start`` begins."""
        position = self._skip(start + 1)
        found = -1
        while self._text[position] != "}":
            name, position = self._decoder.value_at(self._text, position)
            position = self._skip(self._skip(position) + 1)
            if name == key:
                found = position
            _, position = self._decoder.value_at(self._text, position)
            position = self._skip(position)
            if self._text[position] == ",":
                position = self._skip(position + 1)
        return found

    def _array(self, start: int, *, alone: bool) -> Iterator[Record | Broken]:
        position = yield from self._elements(self._skip(start + 1), "]")
        if position >= len(self._text):
            self._warnings.append(
                f"{self._name} ends before its array is closed: it may have been cut off."
            )
        elif alone and (after := self._skip(position + 1)) < len(self._text):
            yield Broken(
                self._line_of(after),
                f"{report.BROKEN_JSON}: text after the end of the array",
                report.excerpt_of(self._text[after : after + report.EXCERPT_CHARACTERS + 1]),
            )

    def _elements(self, position: int, closing: str) -> Generator[Record | Broken, None, int]:
        """The elements from ``position`` on; returns where the closing bracket stands."""
        text = self._text
        broken = 0
        lacking_commas: list[int] = []
        while position < len(text) and text[position] != closing:
            if text[position] == ",":
                # A comma too many loses nothing.
                position = self._skip(position + 1)
                continue
            line = self._line_of(position)
            try:
                value, end = self._decoder.value_at(text, position)
            except Undecodable as problem:
                broken += 1
                following = self._next_element(position)
                if broken > MAX_BROKEN_ELEMENTS or (following is None and self._indent is None):
                    raise self._refusal(str(problem), line) from problem
                end = self._end_of_elements(closing) if following is None else following
                reason = f"{report.BROKEN_JSON}: {problem}"
                yield Broken(line, reason, report.excerpt_of(text[position:end]))
                position = end
                continue
            self._note_indent(position)
            yield self._element(value, text[position:end], line)
            position = self._skip(end)
            if text[position : position + 1] == ",":
                position = self._skip(position + 1)
            elif closing and position < len(text) and text[position] != closing:
                lacking_commas.append(self._line_of(position))
        if lacking_commas:
            self._warnings.append(
                f"{self._name} lacks a comma between rows "
                f"{report.counted(len(lacking_commas), 'time')} (first before line "
                f"{lacking_commas[0]}); the rows were read all the same."
            )
        return position

    def _element(self, value: Any, text: str, line: int) -> Record | Broken:
        if not self._intact:
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                reason = f"{report.BAD_ENCODING}: not UTF-8"
                return Broken(line, reason, report.excerpt_of(text))
        try:
            row = self._decoder.checked(value, text)
        except RowProblem as problem:
            return Broken(line, str(problem), report.excerpt_of(text))
        if self._decoder.repeated:
            self._repeated.append(line)
        return Record(line, row, one_line(text))

    def _skip(self, position: int) -> int:
        match = _SPACE.match(self._text, position)
        return match.end() if match else position

    def _line_of(self, position: int) -> int:
        """The line of a position; positions are asked for in ascending order."""
        self._line += self._text.count("\n", self._counted_to, position)
        self._counted_to = position
        return self._line

    def _indent_at(self, position: int) -> str | None:
        start = self._text.rfind("\n", 0, position) + 1
        before = self._text[start:position]
        return before if not before.strip(" \t") and start else None

    def _note_indent(self, position: int) -> None:
        if self._indent is None:
            self._indent = self._indent_at(position)

    def _end_of_elements(self, closing: str) -> int:
        """Where the last closing bracket stands, or the end of a text that was cut off."""
        stripped = self._text.rstrip()
        if closing and stripped.endswith(closing):
            return len(stripped) - len(closing)
        return len(self._text)

    def _next_element(self, position: int) -> int | None:
        """Where the element after a broken one begins, if elements begin on their own lines.

        Inner objects stand deeper, so the same indentation marks the next element.
        """
        self._note_indent(position)
        indent = self._indent or ""
        found = self._text.find(f"\n{indent}{{", position)
        if found < 0:
            return None
        self._indent = indent
        return found + 1 + len(indent)

    def _refusal(self, problem: str, line: int | None = None) -> DataError:
        at = "" if line is None else f" in the element that begins at line {line}"
        return DataError(
            f"{self._name} is broken JSON{at}: {problem}.",
            "Repair it there, or save the rows as JSON lines, where one bad line costs one row.",
        )
