"""Decodes JSON as the standard has it, and keeps its text. Knows nothing of files.

No NaN, no Infinity, no number out of range, no lone surrogate: what is accepted here can be
written again as UTF-8 that every JSON parser reads.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from nncift_core.datasets import report
from nncift_core.datasets.records import RowProblem, type_name

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class StrictDecoder:
    """Decodes JSON as the standard has it: no NaN, no Infinity, no number out of range.

    Attributes:
        repeated: Whether the value decoded last names a key twice; the last one counts.
        fault: Why the value decoded last is not JSON though it could be parsed, or empty.
    """

    def __init__(self) -> None:
        self.repeated = False
        self.fault = ""
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_constant=self._constant,
            parse_float=self._float,
        )

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            self.repeated = True
        return value

    def _constant(self, name: str) -> None:
        self.fault = f"{report.BROKEN_JSON}: {name} is not JSON"

    def _float(self, literal: str) -> float:
        number = float(literal)
        if math.isinf(number):
            self.fault = f"{report.BROKEN_JSON}: number {literal[:40]} is out of range"
        return number

    def value_at(self, text: str, position: int) -> tuple[Any, int]:
        """The value that begins at ``position`` and where it ends.

        Raises:
            RowProblem: Nothing can be decoded there.
        """
        self.repeated, self.fault = False, ""
        try:
            return self._decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno} column {error.colno}"
            raise Undecodable(f"{error.msg} at {where}", error) from error
        except RecursionError as error:
            raise Undecodable("nested too deeply") from error
        except ValueError as error:  # an integer of thousands of digits
            raise Undecodable("a number has too many digits") from error

    def row(self, text: str) -> dict[str, Any]:
        """The object that is all of ``text``.

        Raises:
            RowProblem: It is not one.
        """
        try:
            value, end = self.value_at(text, 0)
        except Undecodable as problem:
            raise RowProblem(f"{report.BROKEN_JSON}: {problem.in_line()}") from problem
        if end != len(text):
            raise RowProblem(f"{report.BROKEN_JSON}: more text after column {end}")
        return self.checked(value, text)

    def checked(self, value: Any, text: str) -> dict[str, Any]:
        """A value decoded last, once it is known to be a usable object.

        Raises:
            RowProblem: It is not.
        """
        if self.fault:
            raise RowProblem(self.fault)
        if not isinstance(value, dict):
            raise RowProblem(f"{report.WRONG_TYPE}: {type_name(value)}, not an object")
        if _SURROGATE_ESCAPE.search(text):
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                code = ord(error.object[error.start])
                raise RowProblem(f"{report.LONE_SURROGATE}: \\u{code:04x}") from error
        return value


class Undecodable(RowProblem):
    """Nothing can be decoded at a place."""

    def __init__(self, text: str, error: json.JSONDecodeError | None = None) -> None:
        super().__init__(text)
        self.error = error

    def in_line(self) -> str:
        """The problem when the text is one line, whose number stands beside it anyway."""
        return f"{self.error.msg} at column {self.error.colno}" if self.error else str(self)


def one_line(text: str) -> str:
    """JSON text without line breaks; only white space between its tokens changes.

    Inside a string JSON writes a line break as an escape, so every real one, with the
    indentation around it, stands between tokens.
    """
    if "\n" not in text and "\r" not in text:
        return text
    joined = ""
    for line in text.replace("\r", "\n").split("\n"):
        if piece := line.strip(" \t"):
            tight = not joined or joined[-1] in "{[" or piece[0] in "}]"
            joined += piece if tight else f" {piece}"
    return joined


def warn_of_repeated_keys(lines: list[int], warnings: list[str]) -> None:
    """Add the sentence about rows that name a key twice, if there are any."""
    if lines:
        places = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
        warnings.append(
            f"{report.counted(len(lines), 'row')} with the same key twice: the last value counts "
            f"(line {places})."
        )
