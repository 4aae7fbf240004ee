"""From files to a dataset: accepted rows with ids, raw rows, a report, a content address.

Several files form one dataset, in order. Stores nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nncift_core.datasets import report as reports
from nncift_core.datasets.extract import Extracted, rows_of
from nncift_core.datasets.identity import assign_ids
from nncift_core.datasets.mapping import ColumnMapping, map_columns
from nncift_core.datasets.readers import read_file
from nncift_core.datasets.records import Broken, Record
from nncift_core.datasets.report import Limits, Rejection, Report
from nncift_core.errors import ConfigError, DataError
from nncift_core.types import Row

SAMPLE_RECORDS = 1_000
"""Records whose columns decide the mapping; rare columns need not be in the first row."""

MINIMUM_ROWS = 2

_RULES = "1"
"""Part of the content address: raised when the same bytes would give other rows."""


@dataclass(frozen=True)
class Source:
    """One file or remote split that a dataset was read from.

    Attributes:
        name: Display name.
        sha256: Of its bytes as stored (of its rows for a Hugging Face dataset).
        size: In bytes.
        format: ``json``, ``csv``, ``tsv``, ``parquet``, each with ``.gz``, or ``hf``.
        rows: Accepted rows.
        mapping: Where prompt and response were found.
    """

    name: str
    sha256: str
    size: int
    format: str
    rows: int
    mapping: ColumnMapping


@dataclass(frozen=True)
class Dataset:
    """Accepted rows in input order, with everything needed to export and to explain them.

    Attributes:
        id: 16 hex digits: the content address of source bytes, mapping and limits.
        name: Display names of the sources.
        rows: The accepted rows.
        raw: One line of JSON for each of them, content and key order as in the source.
        source_ids: Their values in the id column, None where there is none.
        sources: Where they are from, in order.
        report: What was rejected, and why.
    """

    id: str
    name: str
    rows: tuple[Row, ...]
    raw: tuple[str, ...]
    source_ids: tuple[str | None, ...]
    sources: tuple[Source, ...]
    report: Report

    def __len__(self) -> int:
        return len(self.rows)


@dataclass
class Collected:
    """What one source gave."""

    mapping: ColumnMapping
    accepted: list[Extracted] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


def display_name(path: Path | str) -> str:
    """The file's name, writable as UTF-8 whatever bytes it holds."""
    return Path(path).name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def load_files(
    paths: Sequence[Path | str],
    *,
    names: Sequence[str] | None = None,
    overrides: Mapping[str, str] | None = None,
    limits: Limits | None = None,
) -> Dataset:
    """Read one or several files as one dataset.

    Args:
        paths: The files, in order.
        names: What the user calls them; by default their file names.
        overrides: Column by field (prompt, input, response, subtask, group, id), where the
            guess is wrong; the same for all files.
        limits: How large rows and files may be.

    Raises:
        DataError: A file cannot be used, or fewer than 2 rows were accepted.
        ConfigError: An override cannot be followed.
    """
    limits = limits or Limits()
    if not paths:
        raise DataError("No file was given.", "Name at least one file.")
    shown = list(names) if names is not None else [display_name(path) for path in paths]
    if len(shown) != len(paths):
        raise ConfigError(f"{len(paths)} files have {len(shown)} names.", "Give one name a file.")
    sources, parts, warnings = [], [], []
    for path, name in zip(paths, shown, strict=True):
        reading = read_file(Path(path), name, limits)
        part = collect(reading.rows, name, overrides, limits)
        warnings += reading.warnings
        parts.append(part)
        kind = reading.kind
        sources.append(
            Source(name, kind.sha256, kind.size, reading.format, len(part.accepted), part.mapping)
        )
    return assemble(sources, parts, warnings, limits)


def collect(
    found: Iterable[Record | Broken],
    name: str,
    overrides: Mapping[str, str] | None,
    limits: Limits,
) -> Collected:
    """Map one source's records and take the rows out of them.

    Raises:
        DataError: It has no usable row.
        ConfigError: An override cannot be followed.
    """
    rest = iter(found)
    start: list[Record | Broken] = []
    sample = []
    for item in rest:
        start.append(item)
        if isinstance(item, Record):
            sample.append(item.value)
            if len(sample) >= SAMPLE_RECORDS:
                break
    if not sample:
        broken = [_rejection(name, item) for item in start if isinstance(item, Broken)]
        raise _too_few(name, 0, broken, None)
    part = Collected(map_columns(sample, overrides, name))
    for item in itertools.chain(start, rest):
        if isinstance(item, Broken):
            part.rejected.append(_rejection(name, item))
            continue
        for row in rows_of(item, part.mapping, limits):
            if isinstance(row, Extracted):
                part.accepted.append(row)
            else:
                excerpt = reports.excerpt_of(row.raw)
                part.rejected.append(Rejection(name, item.line, row.reason, excerpt))
    if not part.accepted:
        raise _too_few(name, 0, part.rejected, part.mapping)
    return part


def assemble(
    sources: Sequence[Source], parts: Sequence[Collected], warnings: Sequence[str], limits: Limits
) -> Dataset:
    """One dataset of what the sources gave.

    Raises:
        DataError: Fewer than 2 rows were accepted in all.
    """
    name = " + ".join(source.name for source in sources)
    accepted = [row for part in parts for row in part.accepted]
    rejected = tuple(rejection for part in parts for rejection in part.rejected)
    if len(accepted) < MINIMUM_ROWS:
        raise _too_few(name, len(accepted), rejected, parts[0].mapping)
    ids = assign_ids((row.prompt, row.response) for row in accepted)
    rows = tuple(
        Row(row_id, row.prompt, row.response, row.subtask, row.group)
        for row_id, row in zip(ids, accepted, strict=True)
    )
    duplicates = len(ids) - len({row.content_hash for row in rows})
    counted = reports.warnings_of(len(rows), rejected, duplicates, len(sources) > 1)
    return Dataset(
        id=_address(sources, limits),
        name=name,
        rows=rows,
        raw=tuple(row.raw for row in accepted),
        source_ids=tuple(row.source_id for row in accepted),
        sources=tuple(sources),
        report=Report(len(rows), rejected, duplicates, (*warnings, *counted)),
    )


def _address(sources: Sequence[Source], limits: Limits) -> str:
    described = {
        "rules": _RULES,
        "sources": [[source.sha256, asdict(source.mapping)] for source in sources],
        "row_characters": limits.row_characters,
    }
    text = json.dumps(described, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _rejection(name: str, broken: Broken) -> Rejection:
    return Rejection(name, broken.line, broken.reason, broken.excerpt)


def _too_few(
    name: str, accepted: int, rejected: Sequence[Rejection], mapping: ColumnMapping | None
) -> DataError:
    kinds = {rejection.kind for rejection in rejected}
    if not rejected:
        holds = "no rows" if accepted == 0 else "one row only"
        return DataError(f"{name} holds {holds}.", f"At least {MINIMUM_ROWS} rows are needed.")
    if accepted == 0 and mapping and kinds <= {reports.NULL_RESPONSE, reports.EMPTY_RESPONSE}:
        what = "null" if kinds == {reports.NULL_RESPONSE} else "null or empty"
        if kinds == {reports.EMPTY_RESPONSE}:
            what = "empty"
        return DataError(
            f"All {len(rejected):,} responses of {name} are {what} (column {mapping.response!r}).",
            "Choose a file with responses, or another column: --map response=COLUMN.",
        )
    total = accepted + len(rejected)
    first = rejected[0]
    return DataError(
        f"{name} has {reports.counted(accepted, 'accepted row')} of {total:,} "
        f"({reports.reasons_in_words(rejected)}); at least {MINIMUM_ROWS} are needed.",
        f"First rejected: line {first.line}, {first.reason}.{_advice(kinds, mapping)}",
    )


def _advice(kinds: set[str], mapping: ColumnMapping | None) -> str:
    if kinds == {reports.BAD_ENCODING}:
        return " Convert the file to UTF-8, for instance with iconv -f WINDOWS-1252 -t UTF-8."
    if mapping and kinds <= {reports.NO_PROMPT, reports.WRONG_TYPE, reports.NULL_RESPONSE}:
        return f" The mapping was: {mapping.describe()}; change it with --map FIELD=COLUMN."
    return ""
