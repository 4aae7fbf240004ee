"""Writes rows to a file in one of several schemas, whole or not at all.

Knows rows in the order they are given, nothing of selections or stores.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.export.exportable import ExportRow, ExportRows
from nncift_core.files import replacing
from nncift_core.registry import Entry, Registry

SCHEMAS = Registry(
    "export schema",
    Entry(
        "raw",
        "nncift_core.export.json_lines:write_raw",
        "Raw JSON lines",
        "Each line is the original row, unchanged in content and key order.",
        needs=frozenset({"raw"}),
    ),
    Entry(
        "alpaca",
        "nncift_core.export.json_lines:write_alpaca",
        "Alpaca",
        "instruction, input (empty) and output, as text.",
        needs=frozenset({"rows"}),
    ),
    Entry(
        "messages",
        "nncift_core.export.json_lines:write_messages",
        "Chat messages",
        "A list of turns with role and content: user, assistant, system.",
        needs=frozenset({"rows", "turns"}),
    ),
    Entry(
        "sharegpt",
        "nncift_core.export.json_lines:write_sharegpt",
        "ShareGPT",
        "A list of turns with from and value: human, gpt, system.",
        needs=frozenset({"rows", "turns"}),
    ),
    Entry(
        "prompt-completion",
        "nncift_core.export.json_lines:write_prompt_completion",
        "Prompt and completion",
        "prompt and completion, as plain text without a chat template.",
        needs=frozenset({"rows"}),
    ),
    Entry(
        "parquet",
        "nncift_core.export.parquet:write_parquet",
        "Parquet",
        "The original row's fields as columns; fields of mixed types as JSON text.",
        needs=frozenset({"raw"}),
    ),
)
"""``raw``: writes the original row. ``rows``: writes prompt and response. ``turns``: keeps the
turns of a conversation apart."""

Writer = Callable[[IO[bytes], ExportRows], None]


@dataclass(frozen=True)
class ExportFile:
    """A finished export.

    Attributes:
        path: Where it lies.
        sha256: Hex digest of the file's bytes.
        bytes: Size of the file.
        rows: Rows in it.
    """

    path: Path
    sha256: str
    bytes: int
    rows: int


def write_rows(
    out_path: Path | str,
    schema: str,
    rows: ExportRows,
    *,
    inputs: Iterable[Path | str] = (),
    seen: Callable[[ExportRow], None] = lambda item: None,
) -> ExportFile:
    """Write rows in the order given; a name ending in ``.gz`` compresses JSON lines.

    Args:
        out_path: Where to write; an existing file is replaced.
        schema: A name of ``SCHEMAS``.
        rows: What to write; gone through once, or some times for Parquet.
        inputs: Files that must not be overwritten: what the rows were read from.
        seen: Told of each row as it is first read.

    Raises:
        ConfigError: Unknown schema, a gzip name for Parquet, ``out_path`` is one of ``inputs``.
        WorkspaceError: Nothing can be written there, or the disk is full.
    """
    entry = SCHEMAS[schema]
    path = Path(out_path)
    compressed = path.suffix.lower() == ".gz"
    if compressed and schema == "parquet":
        raise ConfigError(
            f"{path.name} names a gzip file, but Parquet is compressed in itself.",
            "End the name in .parquet.",
        )
    guard_inputs(path, inputs)
    if path.is_dir():
        raise WorkspaceError(f"{path} is a folder, not a file.", "Give a file name inside it.")
    if not path.parent.is_dir():
        raise WorkspaceError(
            f"{path} cannot be written: the folder {path.parent} does not exist.",
            "Create the folder, or choose another place.",
        )
    write = cast("Writer", entry.load())
    counted = _Counted(rows, seen)
    with replacing(path, make_folder=False) as handle:
        measured = _Measured(handle)
        if compressed:
            # No name and no time inside, so that the same rows give the same bytes.
            with gzip.GzipFile("", "wb", fileobj=cast("IO[bytes]", measured), mtime=0) as packed:
                write(cast("IO[bytes]", packed), counted)
        else:
            write(cast("IO[bytes]", measured), counted)
    return ExportFile(path, measured.sha256, measured.bytes, counted.count)


def suffix_for(schema: str) -> str:
    """The usual ending of a schema's file names. Raises: ConfigError."""
    return ".parquet" if SCHEMAS[schema].name == "parquet" else ".jsonl"


def guard_inputs(out_path: Path | str, inputs: Iterable[Path | str]) -> None:
    """Refuse to write over a file that was read, also through another name or a link.

    Raises:
        ConfigError: ``out_path`` is one of ``inputs``.
    """
    path = Path(out_path)
    for source in map(Path, inputs):
        same = path.resolve() == source.resolve()
        if not same and path.exists() and source.exists():
            same = path.samefile(source)
        if same:
            raise ConfigError(
                f"The output {path} is the input file {source}, which is never overwritten.",
                "Give another output name.",
            )


class _Counted:
    """Rows that are counted as they are gone through."""

    def __init__(self, rows: ExportRows, seen: Callable[[ExportRow], None]) -> None:
        self._rows, self._seen = rows, seen
        self.count = 0
        self._first = True

    def __iter__(self) -> Iterator[ExportRow]:
        self.count, first, self._first = 0, self._first, False
        for item in self._rows:
            self.count += 1
            if first:
                self._seen(item)
            yield item


class _Measured:
    """A write-only handle that hashes and counts what passes."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._hash = hashlib.sha256()
        self.bytes = 0
        self.closed = False

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, content: bytes) -> int:
        self._handle.write(content)
        self._hash.update(content)
        self.bytes += memoryview(content).nbytes
        return memoryview(content).nbytes

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        self._handle.flush()

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """The file belongs to the caller and stays open."""
