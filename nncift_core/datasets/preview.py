"""A look at the first rows of a file before it is loaded: how they would be read, and which not.

Stores nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nncift_core.datasets.extract import Extracted, rows_of
from nncift_core.datasets.load import display_name
from nncift_core.datasets.mapping import ColumnMapping, columns_of, map_columns
from nncift_core.datasets.readers import read_file
from nncift_core.datasets.records import Broken, Record
from nncift_core.datasets.report import Limits
from nncift_core.errors import DataError

CHECKED_RECORDS = 1_000
"""Records whose columns are shown and whose names decide the guess, and that are checked."""


class PreviewRow(NamedTuple):
    """A row as it would be accepted, or the reason why not (then the rest is empty)."""

    line: int
    prompt: str
    response: str
    subtask: str | None
    reason: str
    group: str | None = None


@dataclass(frozen=True)
class Preview:
    """The beginning of a file.

    Attributes:
        format: As in ``Source``.
        columns: Of the first records.
        mapping: Guessed, or as overridden; None when nothing could be mapped.
        problem: Why nothing could be mapped, or empty.
        records: The first records as they are.
        rows: The same mapped, broken ones included.
        warnings: What is known of the file so far.
        checked: Rows of the beginning that were tried with the mapping.
        rejected: How many of them would be rejected, by kind of reason, the most frequent first.
        examples: The first full reason of each kind, with its line.
        whole: Whether these are all rows of the file.
    """

    format: str
    columns: tuple[str, ...]
    mapping: ColumnMapping | None
    problem: str
    records: tuple[dict[str, Any], ...]
    rows: tuple[PreviewRow, ...]
    warnings: tuple[str, ...]
    checked: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    whole: bool = False

    @property
    def usable(self) -> int:
        """How many of the rows that were tried would be accepted."""
        return self.checked - sum(self.rejected.values())


def preview_file(
    path: Path | str,
    *,
    name: str | None = None,
    limit: int = 10,
    overrides: Mapping[str, str] | None = None,
) -> Preview:
    """The first rows of a file, mapped as far as it can be guessed.

    Args:
        path: Where it is stored.
        name: What the user calls it; by default its file name.
        limit: Number of records to show.
        overrides: As for ``load_files``.

    Raises:
        DataError: The file cannot be read at all. That nothing is mapped is not an error.
        ConfigError: An override cannot be followed.
    """
    shown = name or display_name(path)
    limits = Limits()
    reading = read_file(Path(path), shown, limits)
    found: list[Record | Broken] = []
    records, whole = [], True
    for item in reading.rows:
        if len(found) >= max(limit, CHECKED_RECORDS):
            whole = False
            break
        found.append(item)
        if isinstance(item, Record):
            records.append(item.value)
    mapping, problem = None, ""
    try:
        mapping = map_columns(records, overrides, shown)
    except DataError as error:
        problem = str(error)
    rows = [row for item in found for row in _rows(item, mapping, limits)]
    reasons = [(row.reason.split(": ", 1)[0], row) for row in rows if row.reason]
    examples: dict[str, tuple[int, str]] = {}
    for kind, row in reasons:
        examples.setdefault(kind, (row.line, row.reason))
    return Preview(
        format=reading.format,
        columns=columns_of(records),
        mapping=mapping,
        problem=problem,
        records=tuple(records[:limit]),
        rows=tuple(rows[:limit]),
        warnings=tuple(reading.warnings),
        checked=len(rows),
        rejected=dict(Counter(kind for kind, _ in reasons).most_common()),
        examples=examples,
        whole=whole,
    )


def _rows(
    item: Record | Broken, mapping: ColumnMapping | None, limits: Limits
) -> Iterator[PreviewRow]:
    """The rows of one record, or why it has none; nothing of a record without a mapping."""
    if not isinstance(item, Record):
        yield PreviewRow(item.line, "", "", None, item.reason)
    elif mapping:
        for row in rows_of(item, mapping, limits):
            if isinstance(row, Extracted):
                texts = row.prompt, row.response
                yield PreviewRow(item.line, *texts, row.subtask, "", row.group)
            else:
                yield PreviewRow(item.line, "", "", None, row.reason)
