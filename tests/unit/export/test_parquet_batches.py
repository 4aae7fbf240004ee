"""Parquet in several batches holds what it would hold in one."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nncift_core.export import ExportRow, parquet, write_rows
from nncift_core.types import Row


def table_of(tmp_path, monkeypatch, values, batch):
    monkeypatch.setattr(parquet, "BATCH_ROWS", batch)
    rows = [
        ExportRow(json.dumps({"place": place, "value": value}), Row("0-0", "", ""))
        for place, value in enumerate(values)
    ]
    path = tmp_path / f"{batch}.parquet"
    assert write_rows(path, "parquet", rows).rows == len(values)
    return pq.read_table(path)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3],
        [None, None, 1],
        [None, "x", None],
        [None, None, None],
        [1, 0.5, 2],
        [0.5, 1, None],
        [1, "1", 2],
        [True, None, 1],
        [1, 2, True],
        [2**60 + 1, 0.5, 1],
        [0.5, 1, 2**60 + 1],
        [2**63, 1, 2],
        [2**70, 1, 1],
        [[], [1], [0.5]],
        [[], ["a"], None],
        [[1], ["a"], [2]],
        [{"a": 1}, {"b": "x"}, {"a": None}],
        [{"a": 1}, {"a": 0.5}, {"a": 2}],
        [{"a": 1}, {"a": "x"}, {"a": 2}],
        [{"a": [1]}, {"a": [True]}, {"a": []}],
        [{}, {}, {}],
        [{"a": {}}, {"a": {"b": 1}}, {"a": None}],
        ["\ud800", "b", "c"],
        ["a", "b", "\ud800"],
    ],
    ids=str,
)
def test_batches_change_nothing(tmp_path, monkeypatch, values):
    whole = table_of(tmp_path, monkeypatch, values, 100)
    for batch in (1, 2):
        parts = table_of(tmp_path, monkeypatch, values, batch)
        assert parts.schema.equals(whole.schema, check_metadata=True)
        assert parts.to_pylist() == whole.to_pylist()


def test_negative_numbers_beside_huge_ones_are_kept(tmp_path, monkeypatch):
    values = [2**63, -1]
    for batch in (1, 100):
        table = table_of(tmp_path, monkeypatch, values, batch)
        assert [json.loads(str(value)) for value in table["value"].to_pylist()] == values


def test_a_column_that_appears_late_is_there_from_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_ROWS", 1)
    rows = [ExportRow(raw, Row("0-0", "", "")) for raw in ('{"a": 1}', '{"b": "x"}')]
    write_rows(tmp_path / "a.parquet", "parquet", rows)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.to_pylist() == [{"a": 1, "b": None}, {"a": None, "b": "x"}]
    assert table.schema.types == [pa.int64(), pa.string()]


def test_long_rows_end_a_batch_early(monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_CHARACTERS", 30)
    rows = [ExportRow(json.dumps({"a": "x" * 20}), Row("0-0", "", ""))] * 4
    assert [len(batch) for batch in parquet._batches(rows)] == [2, 2] or all(
        len(batch) <= 2 for batch in parquet._batches(rows)
    )
