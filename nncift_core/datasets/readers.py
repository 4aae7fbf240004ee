"""From a file to its records: says what the file is and hands it to the right reader.

Adding a format means one module with a generator of ``Record`` and ``Broken``, a name here
and a line in ``opening.identify``. Knows nothing of columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nncift_core.datasets.json_reader import read_json
from nncift_core.datasets.opening import FileKind, identify, open_bytes
from nncift_core.datasets.parquet_reader import read_parquet
from nncift_core.datasets.records import Broken, Record
from nncift_core.datasets.report import Limits
from nncift_core.datasets.table_reader import read_table


@dataclass
class Reading:
    """A file that is being read.

    Attributes:
        kind: What the file is.
        rows: Its records and broken places, in order; read once.
        warnings: Sentences about the file; complete when ``rows`` is exhausted.
    """

    kind: FileKind
    rows: Iterator[Record | Broken]
    warnings: list[str]

    @property
    def format(self) -> str:
        """``json``, ``csv``, ``tsv`` or ``parquet``, with ``.gz`` when compressed."""
        name = self.kind.format
        if name == "table":
            name = "tsv" if self.kind.delimiter == "\t" else "csv"
        return f"{name}.gz" if self.kind.gzip else name


def read_file(path: Path, name: str, limits: Limits) -> Reading:
    """Open a file by its content and read its rows as they are asked for.

    Args:
        path: Where it is stored.
        name: What the user calls it.
        limits: How large it may be.

    Raises:
        DataError: It cannot be read at all. Reading the rows may raise it too.
    """
    kind = identify(path, name, limits)
    warnings = []
    if kind.byte_order_mark:
        warnings.append(f"{name} begins with a byte order mark, which was left out.")
    return Reading(kind, _rows(path, name, kind, limits, warnings), warnings)


def _rows(
    path: Path, name: str, kind: FileKind, limits: Limits, warnings: list[str]
) -> Iterator[Record | Broken]:
    if kind.format == "parquet" and not kind.gzip:
        yield from read_parquet(path, name, warnings)
        return
    with open_bytes(path, name, compressed=kind.gzip, limits=limits) as stream:
        if kind.format == "parquet":
            yield from read_parquet(stream, name, warnings)
        elif kind.format == "table":
            yield from read_table(stream, name, kind.delimiter, warnings)
        else:
            yield from read_json(stream, name, warnings)
