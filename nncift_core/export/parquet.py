"""The original rows' fields as Parquet columns, some thousand rows in memory at a time.

A field keeps its type (text, whole number, number, true/false, lists and objects of these) where
all rows agree on one that Parquet can hold; a missing field is null. A field whose values do not
share a type (a number here, text there) becomes a text column in which every value, texts too,
is written as JSON, and the column's metadata says so (``nncift.encoding`` = ``json``).

Rows are gone through twice: for the types of all columns, then to write them. Where types had to
be joined (whole numbers here, fractions there) they are tried in between, since not every value
survives that.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from nncift_core.export.exportable import ExportRow, ExportRows
from nncift_core.files import json_text

ENCODING = {b"nncift.encoding": b"json"}
BATCH_ROWS = 5_000
BATCH_CHARACTERS = 32_000_000
"""A batch ends at whichever comes first."""


@dataclass
class _Column:
    """What is known of a column after the batches so far."""

    kind: Any = None
    """Arrow type, None before any value."""
    as_json: bool = False
    joined: bool = False
    """Whether batches had different types, so that each must be tried against the last."""
    truth: bool = False
    other: bool = False
    """Whether there were true/false values, and others. Arrow would make 1.0 of true."""


def write_parquet(handle: IO[bytes], rows: ExportRows) -> None:
    """One column a field, in order of first appearance; rows that are not objects as ``value``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _columns(rows)
    schema = pa.schema(
        pa.field(
            name.encode("utf-8", "backslashreplace").decode(),
            pa.string() if column.as_json else column.kind,
            metadata=ENCODING if column.as_json else None,
        )
        for name, column in columns.items()
    )
    with pq.ParquetWriter(handle, schema) as writer:
        for records in _batches(rows):
            arrays = []
            for name, column in columns.items():
                values = [record.get(name) for record in records]
                if column.as_json:
                    values = [None if value is None else json_text(value) for value in values]
                    arrays.append(pa.array(values, type=pa.string()))
                else:
                    arrays.append(pa.array(values, type=column.kind))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _columns(rows: ExportRows) -> Mapping[str, _Column]:
    """The columns of all rows with their final types."""
    import pyarrow as pa

    columns: dict[str, _Column] = {}
    for records in _batches(rows):
        for name in dict.fromkeys(name for record in records for name in record):
            _see(columns.setdefault(name, _Column()), [record.get(name) for record in records])
    for column in columns.values():
        if column.kind is None:
            column.kind = pa.null()
        if (column.truth and column.other) or _holds_empty_struct(column.kind):
            column.as_json = True
    if any(column.joined and not column.as_json for column in columns.values()):
        for records in _batches(rows):
            for name, column in columns.items():
                if column.joined and not column.as_json:
                    values = [record.get(name) for record in records]
                    column.as_json = _array(values, column.kind) is None
    return columns


def _see(column: _Column, values: list[Any]) -> None:
    """Learn from a batch."""
    present = [value for value in values if value is not None]
    if column.as_json or not present:
        return
    column.truth |= any(isinstance(value, bool) for value in present)
    column.other |= any(not isinstance(value, bool) for value in present)
    array = None if column.truth and column.other else _array(values, None)
    kind = None if array is None else array.type
    if kind is not None and column.kind is not None and kind != column.kind:
        kind = _common(column.kind, kind)
        column.joined = True
    column.kind = kind if kind is not None else column.kind
    column.as_json = kind is None


def _array(values: list[Any], kind: Any) -> Any:
    """An Arrow array of the values, None where it cannot hold them unchanged.

    That is: unlike types at any depth, numbers beyond 64 bits, whole numbers that a double would
    round, lone surrogates.
    """
    import pyarrow as pa

    with contextlib.suppress(pa.ArrowException, OverflowError, TypeError, ValueError):
        return pa.array(values, type=kind)
    return None


def _common(one: Any, other: Any) -> Any:
    """The type that Arrow would have found for values of both, None where it would refuse."""
    import pyarrow as pa

    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    numbers = [pa.int64(), pa.uint64(), pa.float64()]
    if one in numbers and other in numbers:
        return numbers[max(numbers.index(one), numbers.index(other))]
    if pa.types.is_list(one) and pa.types.is_list(other):
        inner = _common(one.value_type, other.value_type)
        return None if inner is None else pa.list_(inner)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        fields: dict[str, Any] = {field.name: field.type for field in one}
        for field in other:
            known = fields.get(field.name)
            fields[field.name] = field.type if known is None else _common(known, field.type)
        if None not in fields.values():
            return pa.struct(list(fields.items()))
    return None


def _batches(rows: ExportRows) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    characters = 0
    for item in rows:
        batch.append(_record(item))
        characters += len(item.raw)
        if len(batch) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _record(item: ExportRow) -> dict[str, Any]:
    parsed = json.loads(item.raw)
    record = parsed if isinstance(parsed, dict) else {"value": parsed}
    return {**record, **(item.scores or {})}


def _holds_empty_struct(kind: Any) -> bool:
    """Whether it has an object without fields, for which there is no Parquet form."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_holds_empty_struct(field.type) for field in kind)
    if pa.types.is_list(kind):
        return _holds_empty_struct(kind.value_type)
    return False
