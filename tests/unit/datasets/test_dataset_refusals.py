"""Files that cannot be used at all: one clear sentence each, and what to do about it."""

from __future__ import annotations

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from nncift_core.datasets import Limits, load_files
from nncift_core.errors import ConfigError, DataError, NNCIFTError

ROWS = '{"prompt": "a é", "response": "b"}\n{"prompt": "c", "response": "d"}\n'


def refusal(path: Path, **options) -> NNCIFTError:
    with pytest.raises(NNCIFTError) as caught:
        load_files([path], **options)
    error = caught.value
    assert error.message.endswith(".") and "\n" not in error.message
    assert error.hint, "says what to do"
    return error


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", b"", "rows.jsonl is empty."),
        ("rows.jsonl", b" \n\r\n", "rows.jsonl is empty."),
        ("rows.jsonl", b"\xef\xbb\xbf", "rows.jsonl is empty."),
        ("rows.jsonl.gz", gzip.compress(b"", mtime=0), "rows.jsonl.gz is empty."),
        ("rows.json", b"[]", "rows.json holds no rows."),
        ("rows.json", b"{}", "column was found in rows.json, which has no columns."),
        ("rows.jsonl", ROWS.encode().splitlines()[0], "rows.jsonl holds one row only."),
        ("rows.jsonl", ROWS.encode("utf-16"), "is encoded as UTF-16, not UTF-8."),
        ("rows.jsonl", ROWS.encode("utf-16-le"), "is encoded as UTF-16LE, not UTF-8."),
        ("rows.csv", ROWS.encode("utf-16-be"), "is encoded as UTF-16BE, not UTF-8."),
        ("rows.json", ROWS.encode("utf-32"), "is encoded as UTF-32, not UTF-8."),
        ("rows.jsonl", bytes(range(256)) * 9, "rows.jsonl is a binary file, not text."),
        ("rows.jsonl", b"\x89PNG\r\n\x1a\n\x00\x00", "rows.jsonl is a binary file, not text."),
        ("rows.jsonl", pickle.dumps({"a": 1}), "rows.jsonl is a binary file, not text."),
        ("rows.xlsx", b"PK\x03\x04", "rows.xlsx is a ZIP archive or an Excel workbook"),
        ("rows.jsonl.zst", b"\x28\xb5\x2f\xfdxx", "is compressed with Zstandard"),
        ("rows.txt", b"just one paragraph", "The format of rows.txt is not known."),
        (
            "rows.jsonl.gz",
            gzip.compress(ROWS.encode(), mtime=0)[:-9],
            "is cut off: its gzip data ends",
        ),
        ("rows.jsonl.gz", b"\x1f\x8b" + b"x" * 60, "rows.jsonl.gz is not valid gzip"),
        ("rows.jsonl", b"oops\nno\n", "has 0 accepted rows of 2 (2 broken JSON); at least 2 are"),
    ],
)
def test_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = refusal(path)
    assert isinstance(error, DataError)
    assert message in error.message


def test_random_bytes_are_binary(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(os.urandom(5000).replace(b"\x00", b"\x01"))
    assert "binary file" in refusal(path).message


def test_text_in_another_encoding_is_not_called_binary(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    line = '{"prompt": "Привет, как дела", "response": "Хорошо"}\n'
    path.write_bytes(line.encode("cp1251") * 40)
    error = refusal(path)
    assert "0 accepted rows of 40 (40 bad encoding)" in error.message
    assert "iconv" in error.hint


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_command_that_converts_works(tmp_path: Path, encoding: str, compressed: bool) -> None:
    path = tmp_path / ("my rows.jsonl.gz" if compressed else "my rows.jsonl")
    data = ROWS.encode(encoding)
    path.write_bytes(gzip.compress(data, mtime=0) if compressed else data)
    command = refusal(path).hint.removeprefix("Convert it: ").removesuffix(".")
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert len(load_files([tmp_path / "my rows.utf8.jsonl"])) == 2


def test_missing_directory_unreadable_and_special(tmp_path: Path) -> None:
    assert "rows.json does not exist" in refusal(tmp_path / "rows.json").message
    assert "is a directory, not a file" in refusal(tmp_path).message
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert "is not a regular file" in refusal(tmp_path / "pipe.jsonl").message
    with pytest.raises(DataError, match="No file was given"):
        load_files([])
    with pytest.raises(ConfigError, match="1 files have 2 names"):
        load_files([tmp_path], names=["a", "b"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS)
    path.chmod(0)
    assert "cannot be read" in refusal(path).message


def test_all_responses_null(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "response": null}\n' * 3)
    assert refusal(path).message == "All 3 responses of rows.jsonl are null (column 'response')."
    path.write_text('{"prompt": "a", "response": ""}\n' * 3)
    assert refusal(path).message == "All 3 responses of rows.jsonl are empty (column 'response')."
    path.write_text('{"prompt": "a", "response": null}\n{"prompt": "a", "response": ""}\n')
    assert "are null or empty" in refusal(path).message


def test_too_few_says_the_counts_by_reason(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"prompt": "a", "response": "b"}\n' + '{"prompt": "a", "response": null}\n' * 2 + "{\n"
    )
    error = refusal(path)
    assert "1 accepted row of 4 (2 null response, 1 broken JSON)" in error.message
    assert "line 2" in error.hint


def test_nothing_mapped_lists_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"frage": "a", "antwort": "b"}\n' * 2)
    error = refusal(path)
    assert "'frage', 'antwort'" in error.message
    assert "--map prompt=COLUMN --map response=COLUMN" in error.hint


def test_a_small_gzip_of_much_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(ROWS.encode() * 10_000, mtime=0))
    error = refusal(path, limits=Limits(file_bytes=100_000))
    assert "holds more than 100,000 bytes" in error.message


def test_one_file_of_several_without_rows_is_refused(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text(ROWS)
    bad.write_text('{"prompt": "a", "response": null}\n')
    with pytest.raises(DataError, match=r"bad\.jsonl"):
        load_files([good, bad])


def test_importing_is_cheap() -> None:
    code = (
        "import sys, nncift_core.datasets\n"
        "heavy = {'pyarrow', 'pandas', 'datasets', 'torch', 'duckdb', 'streamlit'}\n"
        "sys.exit(str(found) if (found := heavy & set(sys.modules)) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
