"""Opens a file as a stream of bytes and says what it is: compression, encoding, format.

Decides by content first and by the file name only where content is ambiguous. Knows nothing
of rows. Refuses, with the encoding or the format by name, what no reader can read.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from nncift_core.datasets.report import Limits
from nncift_core.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FORMATS = "JSON, JSON lines, CSV, TSV and Parquet, each also gzip-compressed"
HEAD_BYTES = 64 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"

_JSON_SUFFIXES = {".json", ".jsonl", ".ndjson", ".jsonlines"}
_TABLE_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}

_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "Unpack it, or save it as CSV."),
    (b"BZh", "compressed with bzip2", "Unpack it with bunzip2."),
    (b"\xfd7zXZ", "compressed with xz", "Unpack it with unxz."),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "Unpack it with unzstd."),
    (b"%PDF", "a PDF document", "Save its rows as JSON lines or CSV."),
    (b"ARROW1", "an Arrow file", "Save it as Parquet."),
    (b"SQLite format 3", "a SQLite database", "Save the table as CSV."),
)

_UNICODE_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


@dataclass(frozen=True)
class FileKind:
    """What a file is.

    Attributes:
        format: ``json`` (array, lines or objects), ``table`` or ``parquet``.
        gzip: Whether it is gzip-compressed.
        delimiter: The field separator of a table, empty otherwise.
        byte_order_mark: Whether the text begins with a UTF-8 byte order mark.
        size: Bytes on disk.
        sha256: Of the bytes on disk, as ``sha256sum`` prints it.
    """

    format: str
    gzip: bool
    delimiter: str
    byte_order_mark: bool
    size: int
    sha256: str


class _Bounded(io.RawIOBase):
    """A decompressed stream that stops at a size and speaks of its faults in one sentence."""

    def __init__(self, stream: IO[bytes], name: str, limit: int) -> None:
        self._stream = stream
        self._name = name
        self._left = limit
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._stream.read(len(view))
        except EOFError as error:
            raise DataError(
                f"{self._name} is cut off: its gzip data ends too early.",
                "Copy or download it again.",
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(
                f"{self._name} is not valid gzip ({error}).", "Copy or download it again."
            ) from error
        self._left -= len(data)
        if self._left < 0:
            raise DataError(
                f"{self._name} holds more than {self._limit:,} bytes.",
                "Split it into several files.",
            )
        view[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def open_bytes(path: Path, name: str, *, compressed: bool, limits: Limits) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed, as a buffered stream.

    Raises:
        DataError: The file is larger than the limit or its gzip data is broken (on reading).
    """
    with contextlib.ExitStack() as stack:
        stream: IO[bytes] = stack.enter_context(path.open("rb"))
        if compressed:
            stream = cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=stream)))
        bounded = _Bounded(stream, name, limits.file_bytes)
        yield stack.enter_context(io.BufferedReader(bounded, 1024 * 1024))


def suffix_of(name: str) -> str:
    """The suffix that tells the format: ``.jsonl`` for ``rows.JSONL.gz``."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    while suffixes and suffixes[-1] in (".gz", ".gzip"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def identify(path: Path, name: str, limits: Limits) -> FileKind:
    """Say what a file is, by its content first.

    Args:
        path: Where it is stored.
        name: What the user calls it: its suffix decides where content is ambiguous.
        limits: How large it may be.

    Raises:
        DataError: It is missing, a directory, empty, not UTF-8, or of no known format.
    """
    _check_readable(path, name)
    try:
        with path.open("rb") as stream:
            magic = stream.read(2)
            stream.seek(0)
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
    except OSError as error:
        raise DataError(
            f"{name} cannot be read: {error.strerror or error}.", "Check its permissions."
        ) from error
    compressed = magic == GZIP_MAGIC
    with open_bytes(path, name, compressed=compressed, limits=limits) as stream:
        head = stream.read(HEAD_BYTES)
    mark = head.startswith(BYTE_ORDER_MARK)
    text = head[len(BYTE_ORDER_MARK) :] if mark else head
    if not text.strip():
        raise DataError(f"{name} is empty.", "Choose a file that holds rows.")
    suffix = suffix_of(name)
    delimiter = ""
    if head.startswith(PARQUET_MAGIC):
        kind = "parquet"
    elif suffix in (".parquet", ".pq"):
        raise DataError(
            f"{name} is corrupt: it does not begin as a Parquet file does.",
            "Write it again, or give it the suffix of its real format.",
        )
    else:
        _check_text(head, name, compressed)
        kind, delimiter = _text_format(text, suffix, name)
    return FileKind(kind, compressed, delimiter, mark, size, sha256)


def _check_readable(path: Path, name: str) -> None:
    # The path as it was given: a name alone would not show where a slip is.
    if not path.exists():
        raise DataError(f"File {path} does not exist.", "Check the path.")
    if path.is_dir():
        raise DataError(f"{path} is a directory, not a file.", "Name one file in it.")
    if not path.is_file():
        raise DataError(f"{path} is not a regular file.", "Save the rows to a file first.")


def _check_text(head: bytes, name: str, compressed: bool) -> None:
    for magic, what, advice in _FOREIGN:
        if head.startswith(magic):
            raise DataError(f"{name} is {what}, not a file of rows.", advice)
    encoding = _wide_encoding(head)
    if encoding:
        # Display names may hold spaces: quote them, so that the command can be pasted.
        plain = name.removesuffix(".gz")
        source = f"gunzip -c '{name}' | iconv" if compressed else "iconv"
        command = f"{source} -f {encoding} -t UTF-8"
        argument = "" if compressed else f" '{name}'"
        target = PurePath(plain).with_suffix(".utf8" + PurePath(plain).suffix)
        raise DataError(
            f"{name} is encoded as {encoding}, not UTF-8.",
            f"Convert it: {command}{argument} > '{target}'.",
        )
    if b"\x00" in head or (_has_controls(head) and not _is_utf8(head)):
        raise DataError(f"{name} is a binary file, not text.", f"Rows can be read from {FORMATS}.")


def _has_controls(head: bytes) -> bool:
    """Whether over 2 % are control characters: 11 % of random bytes are, no text has any."""
    return sum(head.count(code) for code in (*range(9), *range(14, 32))) > len(head) / 50


def _is_utf8(head: bytes) -> bool:
    try:
        # A character may be cut at the end of the head.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _wide_encoding(head: bytes) -> str:
    for mark, encoding in _UNICODE_MARKS:
        if head.startswith(mark):
            return encoding
    # Without a mark: ASCII characters leave a zero in every second byte.
    sample = head[: len(head) // 2 * 2]
    even, odd = sample[0::2], sample[1::2]
    if len(sample) >= 4:
        if odd.count(0) > 0.7 * len(odd) and even.count(0) == 0:
            return "UTF-16LE"
        if even.count(0) > 0.7 * len(even) and odd.count(0) == 0:
            return "UTF-16BE"
    return ""


def _text_format(head: bytes, suffix: str, name: str) -> tuple[str, str]:
    """Format and delimiter of a text file, from its beginning and its suffix."""
    stripped = head.lstrip()
    first_line = stripped.split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r")
    if suffix in _JSON_SUFFIXES or _looks_like_json(stripped, first_line):
        return "json", ""
    delimiter = _delimiter(first_line, _TABLE_DELIMITERS.get(suffix, ","))
    if suffix in _TABLE_DELIMITERS or delimiter:
        return "table", delimiter or _TABLE_DELIMITERS[suffix]
    if stripped[:1] in (b"{", b"["):
        return "json", ""
    raise DataError(f"The format of {name} is not known.", f"Rows can be read from {FORMATS}.")


def _looks_like_json(stripped: bytes, first_line: str) -> bool:
    """Whether text is JSON beyond doubt; a CSV header may begin with a bracket too."""
    if stripped[:1] == b"[":
        return stripped[1:].lstrip()[:1] in (b"{", b"[", b"]")
    if stripped[:1] != b"{":
        return False
    if stripped[1:].lstrip()[:1] not in (b'"', b"}"):
        return False
    try:
        return isinstance(json.loads(first_line), dict)
    except (ValueError, RecursionError):
        # The first line may be cut or broken; a quoted key and a colon are enough.
        return b'":' in stripped[:1000].replace(b" ", b"")


def _delimiter(first_line: str, preferred: str) -> str:
    """The separator that gives the header at least two columns, or nothing."""
    for delimiter in dict.fromkeys((preferred, ",", "\t", ";")):
        try:
            if len(next(csv.reader([first_line], delimiter=delimiter), [])) > 1:
                return delimiter
        except csv.Error:
            continue
    return ""
