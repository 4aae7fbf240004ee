"""Reads CSV and TSV with Python's ``csv``, never guessing types: every field stays text.

A row that the grammar forbids is rejected at the line where it begins, and reading goes on
at the next line, so that one stray quote costs one row. Knows nothing of columns' meaning.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from nncift_core.datasets import report
from nncift_core.datasets.records import Broken, Record, to_json, unique_names
from nncift_core.errors import DataError


class _Lines:
    """Feeds ``csv.reader`` and remembers the lines of the row in progress."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self._again: deque[str] = deque()
        self.of_row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._stream)
        self.of_row.append(line)
        return line

    def read_again(self, lines: list[str]) -> None:
        """Give these lines once more, before any other."""
        self._again.extendleft(reversed(lines))


def read_table(
    stream: BinaryIO, name: str, delimiter: str, warnings: list[str]
) -> Iterator[Record | Broken]:
    """Every row of a table with a header line.

    Args:
        stream: The bytes of the file.
        name: Its display name.
        delimiter: Between two fields.
        warnings: Sentences about the file as a whole are appended here.

    Raises:
        DataError: The header cannot be read.
    """
    # The limit is one number for the whole process; rows are measured later.
    csv.field_size_limit(sys.maxsize)
    # Bytes that are not UTF-8 become lone surrogates, which valid UTF-8 never gives.
    text = io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    columns: list[str] = []
    next_line = 1
    while True:
        lines.of_row = []
        start = next_line
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if not columns:
                raise DataError(
                    f"The header of {name} cannot be read: {error}.",
                    "Close its quotes, or save the rows as JSON lines.",
                ) from error
            reason = f"{report.BROKEN_CSV}: {_in_words(str(error))}"
            yield Broken(start, reason, report.excerpt_of(lines.of_row[0]))
            lines.read_again(lines.of_row[1:])
            next_line += 1
            continue
        next_line += len(lines.of_row)
        if not fields:
            continue
        if not columns:
            columns = _header(fields, name, warnings)
            continue
        if len(fields) != len(columns):
            has = report.counted(len(fields), "field")
            reason = f"{report.RAGGED_ROW}: {has}, the header has {len(columns)}"
            yield Broken(start, reason, report.excerpt_of("".join(lines.of_row)))
            continue
        value = dict(zip(columns, fields, strict=True))
        raw = to_json(value)
        if not raw.isascii():
            try:
                raw.encode("utf-8")
            except UnicodeEncodeError:
                reason = f"{report.BAD_ENCODING}: not UTF-8"
                yield Broken(start, reason, report.excerpt_of("".join(lines.of_row)))
                continue
        yield Record(start, value, raw)
    # The stream belongs to whoever opened it.
    text.detach()


def _header(fields: list[str], name: str, warnings: list[str]) -> list[str]:
    try:
        "".join(fields).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"The header of {name} is not UTF-8.",
            f"Convert it, for instance: iconv -f WINDOWS-1252 -t UTF-8 '{name}' > 'utf8-{name}'.",
        ) from error
    columns, repeated = unique_names(fields)
    if repeated:
        names = ", ".join(map(repr, dict.fromkeys(repeated)))
        warnings.append(
            f"{name} has several columns named {names}; the later ones are called "
            f"{repeated[0] + ' (2)'!r} and so on."
        )
    return columns


def _in_words(message: str) -> str:
    if "unexpected end of data" in message:
        return "a quote is opened and never closed"
    if "expected after" in message:
        return "text after a closing quote"
    return message
