"""Reads a JSON file of any shape, and tells the shape by its content. Knows no columns.

JSON lines are streamed; arrays and objects over several lines are read whole.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from nncift_core.datasets import report
from nncift_core.datasets.json_decoder import StrictDecoder, one_line, warn_of_repeated_keys
from nncift_core.datasets.json_elements import ElementReader
from nncift_core.datasets.opening import BYTE_ORDER_MARK
from nncift_core.datasets.records import Broken, Record, RowProblem


def read_json(stream: BinaryIO, name: str, warnings: list[str]) -> Iterator[Record | Broken]:
    """Every row of a JSON file of any shape.

    Args:
        stream: The bytes of the file.
        name: Its display name.
        warnings: Sentences about the file as a whole are appended here.

    Raises:
        DataError: It is broken in a way that leaves no sure way to go on.
    """
    beginning, lines = _beginning(stream)
    if lines:
        yield from _lines(itertools.chain(io.BytesIO(beginning), stream), warnings)
        return
    data = beginning + stream.read()
    try:
        text, intact = data.decode("utf-8"), True
    except UnicodeDecodeError:
        text, intact = data.decode("utf-8", "surrogateescape"), False
    del beginning, data
    yield from ElementReader(text, name, intact, warnings).read()


def _beginning(stream: BinaryIO) -> tuple[bytes, bool]:
    """What had to be read to tell, and whether the file holds one object a line."""
    read: list[bytes] = []

    def next_line() -> bytes:
        """The next line that is not blank, or nothing at the end."""
        while line := stream.readline():
            read.append(line.removeprefix(BYTE_ORDER_MARK) if not read else line)
            if bare := read[-1].strip():
                return bare
        return b""

    first = next_line()
    if first.startswith(b"["):
        return b"".join(read), False
    if not first.startswith(b"{"):
        return b"".join(read), True
    if _is_object(first):
        # Alone it may be an object that wraps the rows.
        several = bool(next_line())
        return b"".join(read), several
    # A broken first line, or an object over several lines, whose inner objects are indented.
    for _ in range(100):
        if not (line := next_line()):
            break
        if read[-1].startswith(b"{") and _is_object(line):
            return b"".join(read), True
    return b"".join(read), False


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _lines(lines: Iterable[bytes], warnings: list[str]) -> Iterator[Record | Broken]:
    """JSON lines: one object a line, blank lines skipped."""
    decoder = StrictDecoder()
    repeated: list[int] = []
    for number, line in enumerate(lines, 1):
        # Files that were joined with cat carry byte order marks in the middle.
        bare = line.removeprefix(BYTE_ORDER_MARK).strip(b" \t\r\n")
        if not bare:
            continue
        try:
            text = bare.decode("utf-8")
        except UnicodeDecodeError as error:
            text = bare.decode("utf-8", "surrogateescape")
            reason = f"{report.BAD_ENCODING}: not UTF-8 at byte {error.start + 1} of the line"
            yield Broken(number, reason, report.excerpt_of(text))
            continue
        try:
            value = decoder.row(text)
        except RowProblem as problem:
            yield Broken(number, str(problem), report.excerpt_of(text))
            continue
        if decoder.repeated:
            repeated.append(number)
        yield Record(number, value, one_line(text))
    warn_of_repeated_keys(repeated, warnings)
