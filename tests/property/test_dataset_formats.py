"""Whatever text a row holds, writing it in a format and reading it back loses nothing."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nncift_core.datasets import assign_ids, content_hash, load_files
from nncift_core.datasets.identity import normalised
from nncift_core.datasets.json_decoder import one_line
from nncift_core.datasets.records import unique_names
from nncift_core.errors import DataError

# Surrogates are no text; csv cannot hold a NUL on every platform.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
filled = texts.filter(lambda text: bool(text.strip()))
rows = st.lists(
    st.fixed_dictionaries({"prompt": filled, "note": texts, "response": filled}),
    min_size=2,
    max_size=6,
)
Rows = list[dict[str, str]]


def _table(rows: Rows, delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(rows: Rows) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    "json": lambda rows: json.dumps(rows, ensure_ascii=False, indent=1).encode(),
    "jsonl": lambda rows: "\r\n".join(json.dumps(row) for row in rows).encode(),
    "csv": lambda rows: _table(rows, ","),
    "tsv": lambda rows: _table(rows, "\t"),
    "parquet": _parquet,
}


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("suffix", WRITERS)
@given(rows=rows)
@example(rows=[{"prompt": "\x85a", "note": "\r", "response": "\x1c\ufeff."}] * 2)
@example(rows=[{"prompt": '"', "note": '""\r\n,', "response": "\\"}] * 2)
@settings(max_examples=40, deadline=None)
def test_round_trip(suffix: str, compressed: bool, rows: Rows) -> None:
    if not suffix.startswith("json"):
        # A table has one order of columns; JSON keeps each row's own.
        rows = [{key: row[key] for key in rows[0]} for row in rows]
    data = WRITERS[suffix](rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{suffix}"
        path.write_bytes(gzip.compress(data) if compressed else data)
        dataset = load_files([path])
    assert [row.prompt for row in dataset.rows] == [row["prompt"] for row in rows]
    assert [row.response for row in dataset.rows] == [row["response"] for row in rows]
    assert [list(json.loads(raw).items()) for raw in dataset.raw] == [
        list(row.items()) for row in rows
    ]
    assert dataset.report.rejected == ()


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("suffix", WRITERS)
@given(rows=rows, data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_files_give_rows_or_a_sentence(
    suffix: str, compressed: bool, rows: Rows, data: st.DataObject
) -> None:
    content = bytearray(WRITERS[suffix](rows))
    if compressed:
        content = bytearray(gzip.compress(content))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{suffix}"
        path.write_bytes(content)
        try:
            dataset = load_files([path])
        except DataError as error:
            assert error.message and error.hint
            return
    assert len(dataset.rows) == len(dataset.raw) == dataset.report.accepted >= 2
    for raw in dataset.raw:
        raw.encode("utf-8")
        assert "\n" not in raw and isinstance(json.loads(raw), dict)
    for rejection in dataset.report.rejected:
        rejection.excerpt.encode("utf-8")
        rejection.reason.encode("utf-8")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(value=values, indent=st.none() | st.integers(0, 4), ascii=st.booleans())
@settings(deadline=None)
def test_one_line_changes_white_space_only(value: Any, indent: int | None, ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    line = one_line(text)
    assert "\n" not in line
    # Numbers and strings keep their spelling: only the white space between them may differ.
    assert json.loads(line, parse_float=str) == json.loads(text, parse_float=str)
    assert "".join(line.split()) == "".join(text.split())


@given(text=texts | st.text("a \n\t\x1f\x7fé", max_size=12))
def test_normalising_against_the_plain_way(text: str) -> None:
    assert normalised(text) == " ".join(unicodedata.normalize("NFC", text).split())


@given(rows=rows)
def test_ids_are_unique_and_keep_their_prefix(rows: Rows) -> None:
    pairs = [(row["prompt"], row["response"]) for row in [*rows, *rows]]
    ids = assign_ids(pairs)
    assert len(set(ids)) == len(ids)
    seen: list[str] = []
    for (prompt, response), row_id in zip(pairs, ids, strict=True):
        digest = content_hash(prompt, response)
        assert row_id == f"{digest}-{seen.count(digest)}"
        seen.append(digest)


@given(names=st.lists(st.sampled_from(["a", "b", "a (2)", "a (3)", ""]), max_size=8))
def test_unique_names(names: list[str]) -> None:
    unique, repeated = unique_names(names)
    assert len(set(unique)) == len(unique) == len(names)
    assert len(repeated) == len(names) - len(set(names))
    for name in set(names):
        assert unique[names.index(name)] == name, "the first of a name keeps it"
