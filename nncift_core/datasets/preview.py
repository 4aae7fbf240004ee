"""A look at the first rows of a file before it is loaded. Stores nothing, counts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from nncift_core.datasets.extract import Extracted, rows_of
from nncift_core.datasets.load import display_name
from nncift_core.datasets.mapping import ColumnMapping, columns_of, map_columns
from nncift_core.datasets.readers import read_file
from nncift_core.datasets.records import Record
from nncift_core.datasets.report import Limits
from nncift_core.errors import DataError

SAMPLE_RECORDS = 100
"""Records whose columns are shown and whose names decide the guess."""


class PreviewRow(NamedTuple):
    """A row as it would be accepted, or the reason why not (then the rest is empty)."""

    line: int
    prompt: str
    response: str
    subtask: str | None
    reason: str


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
    """

    format: str
    columns: tuple[str, ...]
    mapping: ColumnMapping | None
    problem: str
    records: tuple[dict[str, Any], ...]
    rows: tuple[PreviewRow, ...]
    warnings: tuple[str, ...]


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
    found, records = [], []
    for item in reading.rows:
        found.append(item)
        if isinstance(item, Record):
            records.append(item.value)
        if len(found) >= max(limit, SAMPLE_RECORDS):
            break
    mapping, problem = None, ""
    try:
        mapping = map_columns(records, overrides, shown)
    except DataError as error:
        problem = str(error)
    rows: list[PreviewRow] = []
    for item in found[:limit]:
        if not isinstance(item, Record):
            rows.append(PreviewRow(item.line, "", "", None, item.reason))
        elif mapping:
            for row in rows_of(item, mapping, limits):
                if isinstance(row, Extracted):
                    rows.append(PreviewRow(item.line, row.prompt, row.response, row.subtask, ""))
                else:
                    rows.append(PreviewRow(item.line, "", "", None, row.reason))
    return Preview(
        format=reading.format,
        columns=columns_of(records),
        mapping=mapping,
        problem=problem,
        records=tuple(records[:limit]),
        rows=tuple(rows[:limit]),
        warnings=tuple(reading.warnings),
    )
