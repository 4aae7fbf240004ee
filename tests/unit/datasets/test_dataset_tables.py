"""CSV, TSV and Parquet: fields stay text, bad rows are rejected where they begin."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nncift_core.datasets import Dataset, load_files
from nncift_core.errors import DataError


def load(tmp_path: Path, text: str | bytes, name: str = "rows.csv", **options) -> Dataset:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_files([path], **options)


def found(dataset: Dataset) -> list[tuple[int, str]]:
    return [(one.line, one.kind) for one in dataset.report.rejected]


def test_line_numbers_count_lines_inside_quotes(tmp_path: Path) -> None:
    text = (
        "prompt,response\r\n"  # 1
        '"a\r\nb\n\nc",r1\r\n'  # 2-5
        "\r\n"  # 6
        "x\r\n"  # 7
        'p2,"r\n2"\r\n'  # 8-9
        "p3,r3,extra\r\n"  # 10
        "p4,r4"  # 11, no line end
    )
    dataset = load(tmp_path, text)
    assert [row.prompt for row in dataset.rows] == ["a\r\nb\n\nc", "p2", "p4"]
    assert dataset.rows[1].response == "r\n2"
    assert found(dataset) == [(7, "ragged row"), (10, "ragged row")]
    assert dataset.report.rejected[0].reason == "ragged row: 1 field, the header has 2"
    assert dataset.report.rejected[1].excerpt == "p3,r3,extra"
    assert "2 ragged rows were rejected (lines 7, 10)." in dataset.report.warnings


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    dataset = load(tmp_path, end.join(["prompt,response", "a,b", "c", "d,e", ""]))
    assert len(dataset) == 2
    assert found(dataset) == [(3, "ragged row")]


def test_a_stray_quote_costs_one_row(tmp_path: Path) -> None:
    text = 'prompt,response\np1,r1\np2,"never closed\np3,r3\n"p4","r4"\n"p5"x,r5\np6,"r""6"\n'
    dataset = load(tmp_path, text)
    assert [row.prompt for row in dataset.rows] == ["p1", "p3", "p4", "p6"]
    assert dataset.rows[3].response == 'r"6'
    assert found(dataset) == [(3, "broken CSV"), (6, "broken CSV")]
    assert dataset.report.rejected[0].excerpt == 'p2,"never closed'


def test_a_quote_open_to_the_end_swallows_nothing(tmp_path: Path) -> None:
    rows = "".join(f"p{i},r{i}\n" for i in range(500))
    dataset = load(tmp_path, f'prompt,response\na,"open\n{rows}')
    assert len(dataset) == 500
    assert found(dataset) == [(2, "broken CSV")]
    assert "never closed" in dataset.report.rejected[0].reason


def test_bytes_that_are_not_utf8_reject_their_row(tmp_path: Path) -> None:
    dataset = load(tmp_path, b'prompt,response\na,b\n"x\n\xe9",r\nc,d\n')
    assert found(dataset) == [(3, "bad encoding")]
    assert dataset.report.rejected[0].excerpt == '"x\n\\xe9",r'
    with pytest.raises(DataError, match=r"The header of rows.csv is not UTF-8") as caught:
        load(tmp_path, b"prompt,response,caf\xe9\na,b,c\nd,e,f\n")
    assert "iconv -f WINDOWS-1252" in caught.value.hint


def test_fields_stay_text_and_in_order(tmp_path: Path) -> None:
    text = "\ufeffid,when,response,prompt,empty\n007,2024-01-02,1.50,TRUE,\n8,x,NA,null,\n"
    dataset = load(tmp_path, text)
    assert list(json.loads(dataset.raw[0]).items()) == [
        ("id", "007"),
        ("when", "2024-01-02"),
        ("response", "1.50"),
        ("prompt", "TRUE"),
        ("empty", ""),
    ]
    assert [row.response for row in dataset.rows] == ["1.50", "NA"]
    assert dataset.source_ids == ("007", "8")
    assert any("byte order mark" in text for text in dataset.report.warnings)


def test_columns_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    dataset = load(tmp_path, "prompt,response,note,note\na,b,c,d\ne,f,g,h\n")
    assert json.loads(dataset.raw[0])["note (2)"] == "d"
    assert any("several columns named 'note'" in text for text in dataset.report.warnings)


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows.csv holds no rows"):
        load(tmp_path, "prompt,response\n")


def test_conversations_in_a_csv_field(tmp_path: Path) -> None:
    turns = json.dumps([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])
    field = '"' + turns.replace('"', '""') + '"'
    dataset = load(tmp_path, f"n,messages\n1,{field}\n2,{field}\n3,[oops\n")
    assert (dataset.rows[0].prompt, dataset.rows[0].response) == ("q", "a")
    assert found(dataset) == [(4, "wrong type")]


def parquet(table: pa.Table, **options) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def test_parquet_keeps_values_and_says_what_json_lacks(tmp_path: Path) -> None:
    table = pa.table(
        {
            "prompt": pa.array(["p1", "p2", None]).dictionary_encode(),
            "response": pa.array(["r1", "r2", "r3"], pa.large_string()),
            "n": [1, 2**60, None],
            "score": [0.5, float("nan"), None],
            "day": [datetime.date(2024, 1, 2), None, None],
            "price": [decimal.Decimal("1.10"), None, None],
            "blob": [b"\x00\xff", None, None],
            "nested": [{"a": [1, None]}, None, {"a": []}],
        }
    )
    dataset = load(tmp_path, parquet(table), "rows.parquet")
    assert [json.loads(raw) for raw in dataset.raw] == [
        {
            "prompt": "p1",
            "response": "r1",
            "n": 1,
            "score": 0.5,
            "day": "2024-01-02",
            "price": "1.10",
            "blob": "AP8=",
            "nested": {"a": [1, None]},
        },
        {
            "prompt": "p2",
            "response": "r2",
            "n": 2**60,
            "score": None,
            "day": None,
            "price": None,
            "blob": None,
            "nested": None,
        },
    ]
    assert found(dataset) == [(3, "no prompt")]
    said = " ".join(dataset.report.warnings)
    for column in ("'score'", "'day'", "'price'", "'blob'"):
        assert column in said


def test_parquet_rows_with_bad_text_are_rejected_by_number(tmp_path: Path) -> None:
    raw = pa.array([b"ok", b"\xff\xfe", b"fine"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    table = pa.table({"prompt": text, "response": ["a", "b", "c"]})
    dataset = load(tmp_path, parquet(table), "rows.parquet")
    assert found(dataset) == [(2, "bad encoding")]
    assert len(dataset) == 2


def test_parquet_values_out_of_range_cost_their_row(tmp_path: Path) -> None:
    day = pa.array([0, 2**31 - 1, 1], pa.int32()).cast(pa.date32())
    table = pa.table({"prompt": ["a", "b", "c"], "response": ["a", "b", "c"], "day": day})
    dataset = load(tmp_path, parquet(table), "rows.parquet")
    assert found(dataset) == [(2, "wrong type")]


@pytest.mark.parametrize("compressed", [False, True])
def test_corrupt_parquet_is_refused(tmp_path: Path, compressed: bool) -> None:
    whole = parquet(pa.table({"prompt": ["a"] * 99, "response": ["b"] * 99}))
    middle = whole[:8] + b"\xff" * 40 + whole[48:]
    for data in (whole[:-20], whole[:100], middle, b"PAR1" + b"x" * 50):
        stored = gzip.compress(data) if compressed else data
        with pytest.raises(DataError, match=r"rows.parquet is not a readable Parquet file"):
            load(tmp_path, stored, "rows.parquet")
    with pytest.raises(DataError, match="does not begin as a Parquet file"):
        load(tmp_path, b"prompt,response\n", "rows.parquet")


def test_parquet_without_text_columns_says_what_they_hold(tmp_path: Path) -> None:
    table = pa.table({"question": ["a", "b"], "answer": [1, 2]})
    with pytest.raises(DataError, match=r"0 accepted rows of 2 \(2 wrong type\)") as caught:
        load(tmp_path, parquet(table), "rows.parquet")
    assert "'answer' holds a number, not text" in caught.value.hint
