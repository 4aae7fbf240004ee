"""The original rows' fields as Parquet columns.

A field keeps its type (text, whole number, number, true/false, lists and objects of these) where
all rows agree on one that Parquet can hold; a missing field is null. A field whose values do not
share a type (a number here, text there) becomes a text column in which every value, texts too,
is written as JSON, and the column's metadata says so (``nncift.encoding`` = ``json``).
"""

from __future__ import annotations

import contextlib
import json
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

    array = None
    # The one conversion that Arrow makes in silence: after a fraction, true becomes 1.0.
    if len({isinstance(value, bool) for value in values if value is not None}) <= 1:
        # It refuses what else it cannot hold unchanged: unlike types at any depth, numbers
        # beyond 64 bits, whole numbers that a double would round, lone surrogates.
        with contextlib.suppress(pa.ArrowException, OverflowError, TypeError, ValueError):
            array = pa.array(values)
    # An object without fields has no Parquet form.
    if array is not None and not _holds_empty_struct(array.type):
        return array, None
    texts = [None if value is None else json_text(value) for value in values]
    return pa.array(texts, type=pa.string()), ENCODING


def _holds_empty_struct(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_holds_empty_struct(field.type) for field in kind)
    if pa.types.is_list(kind):
        return _holds_empty_struct(kind.value_type)
    return False
