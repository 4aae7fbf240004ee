"""Every format, plain and gzip-compressed, gives the same rows: one test for all of them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nncift_core.datasets import load_files, preview_file

# What real files hold: commas, quotes, tabs, line breaks of both kinds, empty text, code,
# other scripts, a line separator that is no line break in JSON, more text than csv's default.
ROWS = [
    {"zeta": "1", "instruction": "Add 2, 3", "input": "", "output": "5", "subtask": "sums"},
    {
        "zeta": "",
        "instruction": 'Say "hi"',
        "input": "a\tb\nc",
        "output": "hi;\r\nho",
        "subtask": "",
    },
    {"zeta": "é", "instruction": "翻译 😀", "input": "x\u2028y", "output": "тест", "subtask": "t"},
    {"zeta": "0012", "instruction": "{not json}", "input": "", "output": "['x']", "subtask": "t"},
    {
        "zeta": "2024-01-02",
        "instruction": "long",
        "input": "",
        "output": "w " * 80_000,
        "subtask": "",
    },
    {"zeta": "1", "instruction": "Add 2, 3", "input": "", "output": "5", "subtask": "sums"},
]


def _json(rows: list[dict[str, Any]], **options: Any) -> bytes:
    return json.dumps(rows, **options).encode()


def _lines(rows: list[dict[str, Any]], **options: Any) -> bytes:
    return "".join(json.dumps(row, **options) + "\n" for row in rows).encode()


def _table(rows: list[dict[str, Any]], **options: Any) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), **options)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream, row_group_size=2)
    return stream.getvalue()


FORMATS: dict[str, tuple[str, str, Callable[[list[dict[str, Any]]], bytes]]] = {
    "array": ("rows.json", "json", _json),
    "array-indented": ("rows.json", "json", lambda rows: _json(rows, indent=4, ensure_ascii=False)),
    "array-named-jsonl": ("rows.jsonl", "json", _json),
    "lines": ("rows.jsonl", "json", lambda rows: _lines(rows, ensure_ascii=False)),
    "lines-escaped": ("rows.ndjson", "json", _lines),
    "lines-named-json": ("rows.json", "json", _lines),
    "lines-without-suffix": ("rows", "json", _lines),
    "objects-indented": (
        "rows.json",
        "json",
        lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows).encode(),
    ),
    "wrapped": ("rows.json", "json", lambda rows: json.dumps({"v": 1, "data": rows}).encode()),
    "csv": ("rows.csv", "csv", _table),
    "csv-unix": ("rows.csv", "csv", lambda rows: _table(rows, lineterminator="\n")),
    "csv-quoted": ("rows.csv", "csv", lambda rows: _table(rows, quoting=csv.QUOTE_ALL)),
    "csv-semicolon": ("rows.csv", "csv", lambda rows: _table(rows, delimiter=";")),
    "csv-without-suffix": ("rows", "csv", _table),
    "tsv": ("rows.tsv", "tsv", lambda rows: _table(rows, delimiter="\t")),
    "tsv-named-csv": ("rows.csv", "tsv", lambda rows: _table(rows, delimiter="\t")),
    "parquet": ("rows.parquet", "parquet", _parquet),
    "parquet-named-csv": ("rows.csv", "parquet", _parquet),
}


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_rows(form: str, compressed: bool, tmp_path: Path) -> None:
    name, format_name, write = FORMATS[form]
    data = write(ROWS)
    if compressed:
        name, format_name, data = f"{name}.gz", f"{format_name}.gz", gzip.compress(data)
    path = tmp_path / name
    path.write_bytes(data)

    dataset = load_files([path])

    prompts = [
        f"{r['instruction']}\n{r['input']}" if r["input"] else r["instruction"] for r in ROWS
    ]
    assert [row.prompt for row in dataset.rows] == prompts
    assert [row.response for row in dataset.rows] == [row["output"] for row in ROWS]
    assert [row.subtask for row in dataset.rows] == [row["subtask"] or None for row in ROWS]
    raw = [json.loads(line) for line in dataset.raw]
    assert raw == ROWS
    assert [list(row) for row in raw] == [list(row) for row in ROWS], "key order"
    assert not any("\n" in line or "\r" in line for line in dataset.raw)
    assert dataset.sources[0].format == format_name
    assert dataset.sources[0].size == len(data)
    assert dataset.report.rejected == ()
    assert dataset.report.exact_duplicates == 1
    # Ids do not depend on the format.
    assert dataset.rows[0].content_hash == dataset.rows[5].content_hash
    assert dataset.rows[5].id.endswith("-1")
    assert dataset.rows[0].id == hashlib.sha256(b"Add 2, 3\n5").hexdigest()[:16] + "-0"

    preview = preview_file(path, limit=3)
    assert preview.columns == tuple(ROWS[0])
    assert preview.mapping == dataset.sources[0].mapping
    assert [row.prompt for row in preview.rows] == prompts[:3]


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_stored_upload_is_read_by_its_display_name(
    form: str, compressed: bool, tmp_path: Path
) -> None:
    """Uploads lie under a hash: the name the user gave decides where content does not."""
    name, _, write = FORMATS[form]
    path = tmp_path / "0123abcd"
    path.write_bytes(gzip.compress(write(ROWS)) if compressed else write(ROWS))
    dataset = load_files([path], names=[name])
    assert len(dataset) == len(ROWS)
    assert dataset.name == name
