"""Hostile rows leave in every schema as they came in, and come back through the reader."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from nncift_core.datasets import Limits, load_files
from nncift_core.export import SCHEMAS, ExportRow, write_rows
from nncift_core.export.score_columns import SCORE_COLUMNS, score_values
from nncift_core.types import Row

TEXTS = {
    "html": "<script>alert('x')</script><b>&amp;",
    "markdown": "![x](http://example.com/a.png) [a](javascript:x) $a$ :red[x] **",
    "ansi": "\x1b[31mred\x1b[0m\x07\x00\x08",
    "megabyte": "a0 " * 350_000,
    "right-to-left": "\u202eabc\u202c שלום مرحبا",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈 \U0001f9ea",
    "separators": "a\u2028b\u2029c\u0085d\x0be\x1cf",
    "breaks": "one\r\ntwo\rthree\nfour\ttab",
    "formulas": "=1+1",
    "plus": "+1",
    "minus": "-cmd|' /C calc'!A0",
    "at": "@SUM(1)",
    "quotes": '"\\"\\\\ \' ` {"a": 1} }',
    "combining": "e\u0301 vs é \ufeff",
}


def rows_of(texts):
    rows = []
    for place, text in enumerate(texts):
        raw = json.dumps({"prompt": f"{text}?", "response": text}, ensure_ascii=False)
        rows.append(ExportRow(raw, Row(f"{place:016x}-0", f"{text}?", text)))
    return rows


def pairs_in(path, schema):
    """Prompt and response of each row of a file, read without our own reader."""
    if schema == "parquet":
        return [(row["prompt"], row["response"]) for row in pq.read_table(path).to_pylist()]
    read = {
        "raw": lambda row: (row["prompt"], row["response"]),
        "alpaca": lambda row: (row["instruction"] + row["input"], row["output"]),
        "messages": lambda row: tuple(turn["content"] for turn in row["messages"]),
        "sharegpt": lambda row: tuple(turn["value"] for turn in row["conversations"]),
        "prompt-completion": lambda row: (row["prompt"], row["completion"]),
    }[schema]
    content = path.read_bytes()
    assert content.endswith(b"\n")
    return [read(json.loads(line)) for line in content[:-1].split(b"\n")]


@pytest.mark.parametrize("scores", [False, True], ids=["plain", "with-scores"])
@pytest.mark.parametrize("schema", SCHEMAS.names)
def test_every_text_is_there_to_the_character_and_read_again(tmp_path, schema, scores):
    rows = rows_of(TEXTS.values())
    expected = [(item.row.prompt, item.row.response) for item in rows]
    if scores:
        rows = [
            ExportRow(
                item.raw,
                item.row,
                score_values(item.row.id, 0.25, place, None, item.row.prompt, labelled=True),
            )
            for place, item in enumerate(rows, 1)
        ]
    path = tmp_path / ("a.parquet" if schema == "parquet" else "a.jsonl")
    write_rows(path, schema, rows)
    assert pairs_in(path, schema) == expected
    again = load_files([path], limits=Limits(row_characters=10_000_000))
    assert [(row.prompt, row.response) for row in again.rows] == expected
    assert not again.report.rejected


def test_raw_bytes_are_those_of_the_input(tmp_path):
    rows = rows_of(TEXTS.values())
    write_rows(tmp_path / "a.jsonl", "raw", rows)
    wanted = b"".join(item.raw.encode() + b"\n" for item in rows)
    assert (tmp_path / "a.jsonl").read_bytes() == wanted


@pytest.mark.parametrize("schema", [name for name in SCHEMAS.names if name != "raw"])
def test_lone_surrogates_leave_as_escapes(tmp_path, schema):
    text = "half \ud83d and \udc00 done"
    raw = json.dumps({"prompt": text, "response": text})
    write_rows(tmp_path / "a", schema, [ExportRow(raw, Row("0-0", text, text))])
    if schema == "parquet":
        (row,) = pq.read_table(tmp_path / "a").to_pylist()
        assert json.loads(row["prompt"]) == text
    else:
        assert pairs_in(tmp_path / "a", schema) == [(text, text)]


def test_scores_stand_behind_the_untouched_original(tmp_path):
    raws = ['{ "b": 1.50, "a": "x}" }', '{"a":"\\u00e9",  "c": {"}": [1e3]}}  ']
    scores = [
        score_values("0-0", 0.1, 1, float("nan"), 'why "x"\n', labelled=False),
        score_values("1-0", None, None, None, "", labelled=True),
    ]
    rows = [
        ExportRow(raw, Row(f"{place}-0", "", ""), extra)
        for place, (raw, extra) in enumerate(zip(raws, scores, strict=True))
    ]
    write_rows(tmp_path / "a.jsonl", "raw", rows)
    lines = (tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    for line, raw, extra in zip(lines, raws, scores, strict=True):
        assert line.startswith(raw.rstrip()[:-1].rstrip())
        assert json.loads(line) == {**json.loads(raw), **extra}
        assert list(json.loads(line))[-len(SCORE_COLUMNS) :] == list(SCORE_COLUMNS)
    assert scores[0]["nncift_gain"] is None and scores[0]["nncift_score"] == 0.1


def test_an_export_that_is_exported_again_has_each_column_once(tmp_path):
    old = score_values("old-0", 1.0, 9, 1.0, "old", labelled=False)
    raw = json.dumps({"prompt": "p", "response": "r", **old})
    new = score_values("new-0", 2.0, 1, 0.5, "new", labelled=True)
    for schema in ("raw", "parquet"):
        path = tmp_path / f"a.{schema}"
        write_rows(path, schema, [ExportRow(raw, Row("new-0", "p", "r"), new)])
        if schema == "raw":
            assert path.read_text().count("nncift_rank") == 1
            row = json.loads(path.read_text())
        else:
            (row,) = pq.read_table(path).to_pylist()
        assert row == {"prompt": "p", "response": "r", **new}
