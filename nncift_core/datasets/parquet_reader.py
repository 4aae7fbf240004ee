"""Reads Parquet files, and Arrow batches in general, as records. Imports pyarrow on use.

Values that JSON lacks become text: dates and times in ISO form, decimals in digits, bytes
in base64. A number that is not finite becomes null. Both are said in a warning.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nncift_core.datasets import report
from nncift_core.datasets.records import Broken, Record, to_json, unique_names
from nncift_core.errors import DataError, NNCIFTError

if TYPE_CHECKING:
    import pyarrow

BATCH_ROWS = 4_096
"""Rows decoded at a time: a few MB of text, so that memory does not grow with the file."""


def read_parquet(
    source: Path | BinaryIO, name: str, warnings: list[str]
) -> Iterator[Record | Broken]:
    """Every row of a Parquet file.

    Args:
        source: Where it is stored, or its bytes.
        name: Its display name.
        warnings: Sentences about the file as a whole are appended here.

    Raises:
        DataError: The file is corrupt.
    """
    yield from read_batches(_batches(source, name), name, warnings)


def _batches(source: Path | BinaryIO, name: str) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow
    from pyarrow import parquet

    try:
        content = source if isinstance(source, Path) else pyarrow.BufferReader(source.read())
        yield from parquet.ParquetFile(content).iter_batches(BATCH_ROWS)
    except NNCIFTError:
        raise
    # Damaged files make pyarrow raise nearly anything, UnicodeDecodeError included.
    except Exception as error:
        detail = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise DataError(
            f"{name} is not a readable Parquet file ({detail[:200]}).",
            "It may be cut off or corrupt: write or download it again.",
        ) from error


def read_batches(
    batches: Iterable[pyarrow.RecordBatch], name: str, warnings: list[str]
) -> Iterator[Record | Broken]:
    """Every row of Arrow batches, numbered from 1.

    Args:
        batches: In order; all of one schema.
        name: Display name of where they are from.
        warnings: Sentences about all rows together are appended here.
    """
    changed: dict[str, str] = {}
    number = 0
    for batch in batches:
        columns, repeated = unique_names(batch.schema.names)
        if repeated:
            batch = batch.rename_columns(columns)
            changed[repeated[0]] = "a name that several columns had, made distinct"
        for row in _rows(batch):
            number += 1
            if isinstance(row, str):
                yield Broken(number, row, "")
                continue
            try:
                raw = to_json(row)
            except (TypeError, ValueError):
                row = {key: _plain(item, key, changed) for key, item in row.items()}
                raw = to_json(row)
            yield Record(number, row, raw)
    for column, what in changed.items():
        warnings.append(f"Column {column!r} of {name} holds {what}.")


def _rows(batch: pyarrow.RecordBatch) -> Iterator[dict[str, Any] | str]:
    """The rows of a batch, or the reason why one cannot be had."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):
        # One bad value hides its whole batch: take the rows one by one.
        for position in range(batch.num_rows):
            try:
                yield batch.slice(position, 1).to_pylist()[0]
            except UnicodeDecodeError:
                yield f"{report.BAD_ENCODING}: not UTF-8"
            except (ValueError, OverflowError) as error:
                yield f"{report.WRONG_TYPE}: {error}"


def _plain(value: Any, column: str, changed: dict[str, str]) -> Any:
    """A value as JSON can hold it; notes what had to change."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        changed[column] = "numbers that are not finite, read as null"
        return None
    if isinstance(value, dict):
        return {str(key): _plain(item, column, changed) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, column, changed) for item in value]
    if isinstance(value, bytes):
        changed[column] = "bytes, kept as base64 text"
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, decimal.Decimal):
        changed[column] = "decimal numbers, kept as text"
        return str(value)
    if isinstance(value, datetime.date | datetime.time):
        changed[column] = "dates or times, kept as ISO text"
        return value.isoformat()
    changed[column] = f"values of type {type(value).__name__}, kept as text"
    return str(value)
