"""Exports: content, order, bytes, and what happens when a file cannot be written."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import resource
import subprocess
import sys
import textwrap

import pyarrow.parquet as pq
import pytest

from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.export import SCHEMAS, ExportRow, guard_inputs, suffix_for, write_rows
from nncift_core.types import Row

RAWS = [
    '{"instruction": "Übersetze: 你好", "output": "hello", "meta": {"z": 1, "a": [1.50, 2e3]}}',
    '{ "output":"b\\u00e9", "instruction":"\\"quoted\\"\\n\\tline \\u2028 end" }',
    '{"instruction": "third", "output": "", "extra": null}',
]
ROWS = [
    Row("00-0", "Übersetze: 你好", "hello"),
    Row("01-0", '"quoted"\n\tline \u2028 end', "bé"),
    Row("02-0", "third", "x", subtask="s"),
]


def originals(raws):
    """Rows of which only the original text matters."""
    return [ExportRow(raw, Row("00-0", "", "")) for raw in raws]


def both(raws, rows):
    return [ExportRow(raw, row) for raw, row in zip(raws, rows, strict=True)]


def read_lines(path):
    content = path.read_bytes()
    assert content.endswith(b"\n") and b"\r" not in content
    return content.decode("utf-8").split("\n")[:-1]


def only_file(folder, name):
    assert [entry.name for entry in folder.iterdir()] == [name]


def test_raw_rows_are_unchanged_to_the_byte_and_in_order(tmp_path):
    path = tmp_path / "subset.jsonl"
    written = write_rows(path, "raw", originals([RAWS[2], RAWS[0], RAWS[1]]))
    assert read_lines(path) == [RAWS[2], RAWS[0], RAWS[1]]
    content = path.read_bytes()
    assert written.path == path and written.rows == 3
    assert written.bytes == len(content)
    assert written.sha256 == hashlib.sha256(content).hexdigest()
    only_file(tmp_path, "subset.jsonl")


def test_a_raw_row_of_several_lines_is_our_own_fault_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="several lines"):
        write_rows(tmp_path / "a.jsonl", "raw", originals([RAWS[0], '{"a":\n1}']))
    assert not list(tmp_path.iterdir())


def test_alpaca_holds_the_whole_prompt(tmp_path):
    write_rows(tmp_path / "a.jsonl", "alpaca", both(RAWS, ROWS))
    assert [json.loads(line) for line in read_lines(tmp_path / "a.jsonl")] == [
        {"instruction": row.prompt, "input": "", "output": row.response} for row in ROWS
    ]
    assert "你好" in (tmp_path / "a.jsonl").read_text("utf-8")


def test_messages_hold_one_turn_each(tmp_path):
    write_rows(tmp_path / "m.jsonl", "messages", both(RAWS, ROWS))
    for line, row in zip(read_lines(tmp_path / "m.jsonl"), ROWS, strict=True):
        assert json.loads(line) == {
            "messages": [
                {"role": "user", "content": row.prompt},
                {"role": "assistant", "content": row.response},
            ]
        }


def test_gzip_by_name_holds_the_same_lines_and_the_same_bytes_twice(tmp_path):
    first = write_rows(tmp_path / "a.jsonl.gz", "raw", originals(RAWS))
    second = write_rows(tmp_path / "b.jsonl.gz", "raw", originals(RAWS))
    content = (tmp_path / "a.jsonl.gz").read_bytes()
    assert gzip.decompress(content).decode() == "".join(raw + "\n" for raw in RAWS)
    assert first.sha256 == second.sha256 == hashlib.sha256(content).hexdigest()
    assert first.bytes == len(content)
    assert content[3:8] == bytes(5), "neither a name nor a time in the gzip header"
    with pytest.raises(ConfigError, match="Parquet"):
        write_rows(tmp_path / "a.parquet.gz", "parquet", originals(RAWS))


def parquet_of(tmp_path, objects):
    path = tmp_path / "rows.parquet"
    written = write_rows(path, "parquet", originals(json.dumps(item) for item in objects))
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    return pq.read_table(path)


def test_parquet_keeps_types_that_all_rows_share(tmp_path):
    rows = [
        {"text": "a", "count": 1, "share": 0.5, "flag": True, "list": [1, 2], "turn": {"r": "u"}},
        {"text": "b", "count": None, "share": 2, "flag": False, "list": [], "turn": {"r": "v"}},
    ]
    table = parquet_of(tmp_path, rows)
    assert table.column_names == list(rows[0])
    assert table.to_pylist() == rows
    assert [str(kind) for kind in table.schema.types[:4]] == ["string", "int64", "double", "bool"]
    assert all(field.metadata is None for field in table.schema)


@pytest.mark.parametrize(
    "values",
    [
        [1, "1"],
        [True, 1],
        [1, True],
        [0.5, True],
        [{"a": [1]}, {"a": [True]}],
        [{"a": []}, {"a": {}}],
        ["a", ["a"]],
        [{"a": 1}, {"a": "x"}],
        [[1], ["x"]],
        [{}, {}],
        [2**70, 1],
        [2**60 + 1, 0.5],
        ["\ud800", "b"],
    ],
    ids=str,
)
def test_parquet_writes_mixed_values_as_json(tmp_path, values):
    table = parquet_of(tmp_path, [{"id": "x", "value": value} for value in values])
    assert table.schema.field("value").metadata == {b"nncift.encoding": b"json"}
    assert [json.loads(text) for text in table["value"].to_pylist()] == values
    assert table["id"].to_pylist() == ["x"] * len(values)


def test_parquet_fills_missing_fields_with_null(tmp_path):
    table = parquet_of(tmp_path, [{"a": 1}, {"b": "x", "a": 2}])
    assert table.to_pylist() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]


@pytest.mark.parametrize("schema", SCHEMAS.names)
def test_every_schema_writes_every_row_and_names_its_ending(tmp_path, schema):
    path = tmp_path / f"subset{suffix_for(schema)}"
    assert write_rows(path, schema, both(RAWS, ROWS)).rows == 3
    count = pq.read_table(path).num_rows if schema == "parquet" else len(read_lines(path))
    assert count == 3
    empty = write_rows(path, schema, [])
    assert empty.rows == 0


def test_an_unknown_schema_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'alpaca'"):
        write_rows(tmp_path / "a", "alpacca", both(RAWS, ROWS))


def test_the_input_is_never_overwritten(tmp_path):
    source = tmp_path / "pool.jsonl"
    source.write_text("original")
    (tmp_path / "link.jsonl").symlink_to(source)
    os.link(source, tmp_path / "hard.jsonl")
    (tmp_path / "sub").mkdir()
    same = [source, tmp_path / "link.jsonl", tmp_path / "hard.jsonl"]
    same += [tmp_path / "sub" / ".." / "pool.jsonl"]
    for path in same:
        with pytest.raises(ConfigError, match="never overwritten"):
            write_rows(path, "raw", originals(RAWS), inputs=[source])
    guard_inputs(tmp_path / "other.jsonl", [source, tmp_path / "missing.jsonl"])
    assert source.read_text() == "original"


def test_an_existing_file_is_replaced_only_by_a_whole_one(tmp_path):
    path = tmp_path / "subset.jsonl"
    path.write_text("old")
    with pytest.raises(ValueError):
        write_rows(path, "raw", originals([*RAWS, "{\n}"]))
    assert path.read_text() == "old"
    write_rows(path, "raw", originals(RAWS[:1]))
    assert read_lines(path) == RAWS[:1]
    only_file(tmp_path, "subset.jsonl")


def test_a_folder_or_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(WorkspaceError, match="is a folder") as caught:
        write_rows(tmp_path, "raw", originals(RAWS))
    assert caught.value.message.count(".") == 1 + str(tmp_path).count(".")
    missing = tmp_path / "nowhere" / "a.jsonl"
    with pytest.raises(WorkspaceError, match="nowhere does not exist"):
        write_rows(missing, "raw", originals(RAWS))
    assert not list(tmp_path.iterdir())


class FullDisk:
    """A file on a disk that fills up after some bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, content):
        self.room -= len(content)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(content)

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("schema", SCHEMAS.names)
def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch, schema):
    from contextlib import contextmanager

    from nncift_core.export import rows as module

    real = module.replacing

    @contextmanager
    def small(path, **options):
        with real(path, **options) as handle:
            yield FullDisk(handle, 40)

    monkeypatch.setattr(module, "replacing", small)
    with pytest.raises(WorkspaceError, match="full"):
        write_rows(tmp_path / "a.out", schema, both(RAWS, ROWS))
    assert not list(tmp_path.iterdir())


def test_a_real_size_limit_leaves_no_half_file(tmp_path):
    """The operating system's own refusal, in a process of its own."""
    code = textwrap.dedent(
        f"""
        import resource, signal
        from nncift_core.errors import WorkspaceError
        from nncift_core.export import ExportRow, write_rows
        from nncift_core.types import Row
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            row = ExportRow('{{"a": 1}}', Row("0-0", "", ""))
            write_rows({str(tmp_path / "a.jsonl")!r}, "raw", [row] * 5000)
        except WorkspaceError as error:
            print(error.message)
        """
    )
    assert resource.RLIMIT_FSIZE
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert "a.jsonl" in done.stdout and done.stdout.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_sentence(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(WorkspaceError, match="may not be written"):
            write_rows(tmp_path / "a.jsonl", "raw", originals(RAWS))
    finally:
        tmp_path.chmod(0o700)
