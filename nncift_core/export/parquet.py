"""The original rows' fields as Parquet columns.

A field keeps its type (text, whole number, number, true/false, lists and objects of these) where
all rows agree on one that Parquet can hold; a missing field is null. A field whose values do not
share a type (a number here, text there) becomes a text column in which every value, texts too,
is written as JSON, and the column's metadata says so (``nncift.encoding`` = ``json``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import IO, Any

from nncift_core.files import json_text
from nncift_core.types import Row

ENCODING = {b"nncift.encoding": b"json"}


def write_parquet(handle: IO[bytes], raws: Sequence[str], rows: Sequence[Row]) -> None:
    """One column a field, in order of first appearance; rows that are not objects as ``value``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    del rows
    records = [_record(raw) for raw in raws]
    names = list(dict.fromkeys(name for record in records for name in record))
    columns, fields = [], []
    for name in names:
        array, metadata = _column([record.get(name) for record in records])
        columns.append(array)
        safe_name = name.encode("utf-8", "backslashreplace").decode()
        fields.append(pa.field(safe_name, array.type, metadata=metadata))
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields))
    pq.write_table(table, handle)


def _record(raw: str) -> dict[str, Any]:
    parsed = json.loads(raw)
    return parsed if isinstance(parsed, dict) else {"value": parsed}


def _column(values: list[Any]) -> tuple[Any, dict[bytes, bytes] | None]:
    """An Arrow array of the values and the column's metadata."""
    import pyarrow as pa

    if len({_kind(value) for value in values if value is not None}) <= 1:
        try:
            array = pa.array(values)
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            # Among them a lone surrogate, which JSON text can hold, escaped.
            array = None
        # An object without fields has no Parquet form, and what reads back otherwise is no copy.
        if array is not None and not _holds_empty_struct(array.type) and _same(array, values):
            return array, None
    texts = [None if value is None else json_text(value) for value in values]
    return pa.array(texts, type=pa.string()), ENCODING


def _kind(value: Any) -> str:
    """Types that may share a column; Arrow itself would turn some of these into one another."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def _holds_empty_struct(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_holds_empty_struct(field.type) for field in kind)
    if pa.types.is_list(kind):
        return _holds_empty_struct(kind.value_type)
    return False


def _same(array: Any, values: list[Any]) -> bool:
    """Whether the column gives the values back; objects may come back with missing keys as null."""
    return all(
        _filled(back) == _filled(value)
        for back, value in zip(array.to_pylist(), values, strict=True)
    )


def _filled(value: Any) -> Any:
    """Objects without their null fields, at any depth, which is how a column sees them."""
    if isinstance(value, dict):
        return {key: _filled(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_filled(inner) for inner in value]
    # NaN, which JSON of some writers holds, is not equal to itself.
    return "NaN" if isinstance(value, float) and math.isnan(value) else value
