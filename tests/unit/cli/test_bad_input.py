"""Bad input: each with one clear sentence, exit code 2, and nothing left behind; and what is
accepted with a warning."""

from __future__ import annotations

import errno
import gzip
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nncift_core import files as files_module
from nncift_core.network import reducers
from nncift_core.store import Workspace


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out" / "subset.jsonl"


@pytest.fixture
def refused(cli: Any, arguments: Any, out: Path) -> Callable[..., str]:
    """The sentence with which a run is refused; nothing is left where the output would be."""

    def run(*, words: str, **options: Any) -> str:
        sentence: str = cli(*arguments(json=True, **options)).sentence
        assert words.lower() in sentence.lower(), sentence
        assert len(sentence) < 700
        assert not out.exists()
        assert not out.parent.exists() or not list(out.parent.iterdir())
        return sentence

    return run


def alpaca(count: int, response: Any = "an answer") -> list[dict[str, Any]]:
    return [{"instruction": f"ask {i}", "input": "", "output": response} for i in range(count)]


FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("pool.jsonl", b"", "empty"),
    "only white space": ("pool.jsonl", b" \n\n", "pool.jsonl"),
    "empty list": ("pool.json", b"[]", "at least 2"),
    "one row": ("pool.json", json.dumps(alpaca(1)).encode(), "at least 2"),
    "binary": ("pool.jsonl", struct.pack("<256H", *range(0, 65536, 256)) * 20, "pool.jsonl"),
    "a PNG": ("pool.jsonl", b"\x89PNG\r\n\x1a\n" + b"\x00\xff\xfe" * 400, "pool.jsonl"),
    "UTF-16": ("pool.json", json.dumps(alpaca(5)).encode("utf-16"), "utf-16"),
    "UTF-16 without a mark": ("pool.json", json.dumps(alpaca(5)).encode("utf-16-le"), "utf-16"),
    "all responses null": ("pool.json", json.dumps(alpaca(5, None)).encode(), "null"),
    "all responses empty": ("pool.json", json.dumps(alpaca(5, "  ")).encode(), "empty"),
    "nothing mapped": ("pool.json", json.dumps([{"x": 1, "y": 2}] * 4).encode(), "--map"),
    "a number": ("pool.json", b"42", "pool.json"),
    "broken JSON only": ("pool.jsonl", b'{"prompt": \n{"prompt" \n', "pool.jsonl"),
    "not gzip": ("pool.jsonl.gz", b"no gzip at all", "gz"),
    "torn gzip": ("pool.json.gz", gzip.compress(json.dumps(alpaca(50)).encode())[:60], ".gz"),
    "not parquet": ("pool.parquet", b"PAR1 not really", "parquet"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "role"),
    [*((name, "train") for name in FILES), ("empty", "target"), ("all responses null", "target")],
)
def test_files(refused: Any, tmp_path: Path, name: str, role: str) -> None:
    file_name, content, words = FILES[name]
    path = tmp_path / "bad" / file_name
    path.parent.mkdir()
    path.write_bytes(content)
    refused(words=words, **{role: path})


def test_utf16_says_how_to_convert(refused: Any, tmp_path: Path) -> None:
    path = tmp_path / "utf16.json"
    path.write_bytes(json.dumps(alpaca(5)).encode("utf-16"))
    assert "iconv" in refused(words="UTF-16", train=path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"train": "/no/such/pool.jsonl"}, "/no/such/pool.jsonl"),
        ({"target": "no_such.jsonl"}, "no_such.jsonl"),
        ({"train": "."}, ". is a directory"),
        ({"budget": "0"}, "Budget 0"),
        ({"budget": "0.0"}, "Budget '0.0'"),
        ({"budget": "-1"}, "Budget '-1'"),
        ({"budget": "1.5"}, "Budget '1.5'"),
        ({"budget": "1e-1"}, "Budget '1e-1'"),
        ({"budget": "nan"}, "Budget 'nan'"),
        ({"budget": "121"}, "larger than the pool of 120"),
        ({"budget": "5000"}, "larger than the pool of 120"),
        ({"label_fraction": "0.01"}, "at least 16 are needed"),
        ({"label_fraction": "0"}, "Label fraction"),
        ({"label_fraction": "1.2"}, "Label fraction"),
        ({"label_fraction": "nan"}, "label_fraction is nan"),
        ({"label_fraction": "a fifth"}, "a fifth"),
        ({"seed": "-1"}, "Seed -1"),
        ({"seed": "1.5"}, "1.5"),
        ({"method": "delift_se"}, "Did you mean 'delift-se'"),
        ({"method": "magic"}, "Unknown method 'magic'"),
        ({"network": "papr"}, "Did you mean 'paper'"),
        ({"objective": "fl-pol"}, "Did you mean 'fl-pool'"),
        ({"objective": "flcg"}, "--existing"),
        ({"model": "gpt2"}, "uses no language model"),
        ({"target": "sample:0"}, "sample of 0"),
        ({"target": "sample:119"}, "119"),
        ({"target": "sample:all"}, "sample:all"),
        ({"target": "sample:" + "9" * 5000}, "number of rows"),
        ({"map": ["prompt"]}, "FIELD=COLUMN"),
        ({"map": ["=x"]}, "FIELD=COLUMN"),
        ({"map": ["promt=prompt"]}, "Did you mean 'prompt'"),
        ({"map": ["prompt=promt"]}, "Did you mean 'prompt'"),
        ({"map": ["prompt=prompt", "prompt=response"]}, "mapped twice"),
        ({"map": ["subtask=subtask"], "subtask_column": "subtask"}, "given twice"),
        ({"subtask_column": "no_such_column"}, "no_such_column"),
        ({"predictions": "predictions.txt"}, ".npy"),
        ({"train": None}, "--train is missing"),
        ({"target": None}, "--target is missing"),
        ({"output": None}, "--output is missing"),
        ({"config": "no_such.json", "train": None, "target": None, "method": None,
          "label_fraction": None}, "no_such.json"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value[:30],
)  # fmt: skip
def test_options(refused: Any, options: dict[str, Any], words: str) -> None:
    refused(words=words, **options)


def test_command_line_that_cannot_be_read(cli: Any) -> None:
    for parts in ([], ["rnu"], ["run", "--no-such-option"], ["run", "--budget"], ["export"]):
        assert cli(*parts).sentence


def test_encoder_that_does_not_exist(
    arguments: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With the real way of opening encoders."""
    from nncift_core.cli import main

    parts = arguments(encoder="/no/such/model", workspace=tmp_path / "w")
    assert main(parts) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nncift: The encoder folder '/no/such/model' does not exist." in captured.err


def test_workspace_that_cannot_be_written(refused: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("here")
    refused(words=str(file), workspace=file)
    refused(words=str(file), workspace=file / "below")
    refused(words="/proc/nncift", workspace="/proc/nncift")
    assert file.read_text() == "here"


def test_output_that_cannot_be_written(refused: Any, tmp_path: Path, fake_encoder: Any) -> None:
    file = tmp_path / "file"
    file.write_text("here")
    refused(words="cannot be written", output=file / "subset.jsonl")
    refused(words="folder", output=tmp_path)
    refused(words="cannot be written", output=tmp_path / ("n" * 300 + "/subset.jsonl"))
    # Seen before any work is done.
    assert fake_encoder.encoded == []


def test_same_name_for_two_outputs(refused: Any, out: Path) -> None:
    path = out.with_name("subset.npy")
    refused(words="both", output=path, predictions=path)


# Disk full ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "victim",
    ["config.json", "labels.npy", "network.safetensors", "result.json", "subset.jsonl",
     "subset.manifest.json"],
)  # fmt: skip
def test_disk_full(
    cli: Any, arguments: Any, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    victim: str,
) -> None:  # fmt: skip
    """The disk fills up while ``victim`` is written: half of it reaches the disk."""
    sync = os.fsync

    def full(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        if name.startswith(victim):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(files_module.os, "fsync", full)
        done = cli(*arguments(json=True))
    assert "The disk is full" in done.sentence
    assert victim in done.sentence
    assert not list(tmp_path.rglob("*.partial"))
    for path in tmp_path.rglob(f"{victim}*"):
        raise AssertionError(f"half a file was left: {path}")
    if victim != "subset.manifest.json":
        assert not out.exists()
    # With space again the run goes on to the end.
    catalog = Workspace.open(tmp_path / "workspace").catalog
    if catalog.runs():
        summary = cli("resume", catalog.runs()[0].run_id, "--output", out, "--json").summary
        assert summary["selected"] == 36
        assert len(out.read_bytes().splitlines()) == 36


def test_disk_full_under_the_predictions(
    cli: Any, arguments: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullFile:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, content: Any) -> int:
            if len(content) > 1000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(self.file.write(content))

        def close(self) -> None:
            # What is buffered cannot be written either.
            self.file.close()
            raise OSError(errno.ENOSPC, "No space left on device")

    begin = reducers.MemmapWriter.begin

    def begin_full(self: Any, n_train: int, n_target: int) -> None:
        begin(self, n_train, n_target)
        self._file = FullFile(self._file)

    monkeypatch.setattr(reducers.MemmapWriter, "begin", begin_full)
    target = tmp_path / "p" / "predictions.npy"
    assert "No space left" in cli(*arguments(json=True, predictions=target)).sentence
    assert list(target.parent.iterdir()) == []


def test_a_fault_of_ours_is_exit_1(
    cli: Any, arguments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **options: Any) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("nncift_core.pipeline.stages.label_plan", broken)
    done = cli(*arguments())
    assert done.code == 1
    assert done.out == ""
    assert "KeyError" in done.err
    assert "nncift: This is a fault of this software" in done.err


def test_memory_that_ran_out_is_exit_2(
    cli: Any, arguments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*arguments: Any, **options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("nncift_core.pipeline.embedding.embed_groups", out_of_memory)
    assert "Memory ran out" in cli(*arguments()).sentence


# Accepted with a warning ----------------------------------------------------------------------

EXACT = {"exact": True, "label_fraction": None, "json": True}


def test_byte_order_mark(cli: Any, arguments: Any, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    done = cli(*arguments(**EXACT))
    assert done.summary["n_train"] == 120
    assert "Warning: pool.jsonl" in done.err
    assert "byte order mark" in done.err.lower()


def test_broken_line_in_the_middle(cli: Any, arguments: Any, out: Path, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    lines = path.read_bytes().splitlines()
    lines[41] = lines[41][:-3]
    path.write_bytes(b"\n".join(lines))
    done = cli(*arguments(budget="1.0", **EXACT))
    assert done.summary["n_train"] == 119
    assert "119 rows, 1 rejected" in done.err
    assert "(line 42)" in done.err
    assert set(out.read_bytes().splitlines()) == set(lines[:41] + lines[42:])


def test_ragged_csv(cli: Any, arguments: Any, tmp_path: Path) -> None:
    path = tmp_path / "pool.csv"
    rows = [f"ask {i},answer {i}" for i in range(60)]
    rows[9] += ",too,many"
    rows[19] = "too few"
    path.write_text("\n".join(["prompt,response", *rows]))
    done = cli(*arguments(train=path, **EXACT))
    assert done.summary["n_train"] == 58
    assert "lines 11, 21" in done.err


def test_the_same_dataset_twice(cli: Any, arguments: Any, tmp_path: Path) -> None:
    done = cli(*arguments(target=tmp_path / "pool.jsonl", json=True))
    assert done.summary["n_target"] == 120
    assert "stored before" in done.err
    assert len(Workspace.open(tmp_path / "workspace").catalog.datasets()) == 1


def test_pool_and_target_in_different_languages(cli: Any, arguments: Any, tmp_path: Path) -> None:
    path = tmp_path / "german.jsonl"
    german = "Bitte erkläre mir in einem kurzen Satz, warum der Himmel am Tag blau ist und nicht"
    rows = [
        {"prompt": f"{german} {i}.", "response": f"Weil das Licht der Sonne gestreut wird, {i}."}
        for i in range(60)
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    done = cli(*arguments(target=path, **EXACT))
    assert done.summary["n_target"] == 60
    assert "language" in done.err


def test_a_row_of_a_megabyte(cli: Any, arguments: Any, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"prompt": "long", "response": "x" * 1_000_000}) + "\n")
    done = cli(*arguments(**EXACT))
    assert done.summary["n_train"] == 120
    assert "over the length limit" in done.err
