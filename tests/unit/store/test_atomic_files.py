from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nncift_core.errors import WorkspaceError
from nncift_core.files import (
    load_array,
    read_json,
    remove_partials,
    replacing,
    save_array,
    size_of,
    write_bytes,
    write_json,
    write_text,
)


@dataclass(frozen=True)
class _Point:
    x: float
    where: Path


def test_json_round_trip_turns_what_is_not_finite_into_null(tmp_path):
    path = tmp_path / "a.json"
    content = {
        "nan": float("nan"),
        "array": np.array([[1.5, np.inf]]),
        "number": np.int64(3),
        "point": _Point(-0.5, Path("p")),
        "tuple": (True, None, "é日"),
        1: {"b", "a"},
        "file name": "x\udc80",
    }
    write_json(path, content)
    assert read_json(path) == {
        "nan": None,
        "array": [[1.5, None]],
        "number": 3,
        "point": {"x": -0.5, "where": "p"},
        "tuple": [True, None, "é日"],
        "1": ["a", "b"],
        "file name": "x\udc80",
    }
    assert "é日" in path.read_text(encoding="utf-8")


def test_unknown_types_are_not_guessed(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"x": object()})
    assert list(tmp_path.iterdir()) == []


def test_an_exception_in_the_block_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyError), replacing(path) as file:
        file.write(b"half")
        raise KeyError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_two_writers_of_one_path_do_not_mix(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as first:
        first.write(b"first")
        with replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"


def test_disk_full_at_sync_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, 1)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkspaceError, match=r"disk is full.*a\.json"):
        write_json(path, 2)
    assert read_json(path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("what", ["array", "bytes"])
def test_a_write_that_the_system_stops_halfway_leaves_nothing(tmp_path, spawn, what):
    """A limit on file size stops a large write in its middle, as a full disk does."""
    script = """
import resource
from pathlib import Path
import numpy as np
from nncift_core.errors import WorkspaceError
from nncift_core.files import save_array, write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
path = Path(sys.argv[1])
try:
    if sys.argv[2] == "array":
        save_array(path, np.ones((1000, 1000)))
    else:
        write_bytes(path, b"x" * 3_000_000)
except WorkspaceError as error:
    print(error.message)
"""
    folder = tmp_path / "folder"
    folder.mkdir()
    out, err = spawn(script, folder / "a", what).communicate(timeout=60)
    assert "disk is full" in out, err
    assert list(folder.iterdir()) == []


def test_errors_of_other_files_are_not_blamed_on_the_written_one(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a") as file:
        file.write((tmp_path / "missing").read_bytes())
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError, match="file"):
        write_bytes(tmp_path / "file" / "a", b"x")
    with pytest.raises(WorkspaceError):
        write_bytes("/proc/nowhere/a", b"x")


def test_a_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(WorkspaceError):
        write_bytes(tmp_path / "a", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_without_make_folder_nothing_is_made(tmp_path):
    with pytest.raises(WorkspaceError, match="does not exist"):
        write_json(tmp_path / "gone" / "a.json", 1, make_folder=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "array",
    [
        np.empty((0, 3), dtype=np.float32),
        np.array(2.5),
        np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4)),
        np.arange(20)[::3],
        np.array([True, False]),
        np.array(["a", "bé"]),
    ],
    ids=["empty", "scalar", "fortran", "strided", "bool", "text"],
)
def test_arrays_read_back_as_numpy_reads_them(tmp_path, array):
    save_array(tmp_path / "a.npy", array)
    for back in (np.load(tmp_path / "a.npy"), load_array(tmp_path / "a.npy")):
        assert back.dtype == array.dtype
        assert back.shape == array.shape
        assert np.array_equal(back, array)


def test_arrays_of_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match="objects"):
        save_array(tmp_path / "a.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(WorkspaceError):
        load_array(tmp_path / "b.npy")


@pytest.mark.parametrize("memmap", [False, True])
def test_a_cut_array_is_refused(tmp_path, memmap):
    path = tmp_path / "a.npy"
    save_array(path, np.arange(1000))
    assert load_array(path, memmap=memmap)[999] == 999
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(WorkspaceError, match="complete"):
        load_array(path, memmap=memmap)


def test_unreadable_json_is_one_sentence(tmp_path):
    with pytest.raises(WorkspaceError, match="missing"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b'{"a": \xff')
    with pytest.raises(WorkspaceError, match="not valid JSON"):
        read_json(tmp_path / "a.json")


def test_kill_9_never_leaves_a_torn_file(tmp_path, spawn):
    script = """
from pathlib import Path
from nncift_core.files import write_bytes
for number in range(10**9):
    write_bytes(Path(sys.argv[1]), bytes([97 + number % 26]) * 300_000)
"""
    path = tmp_path / "folder" / "a"
    for wait in (0.0, 0.011, 0.027):
        process = spawn(script, path)
        while not path.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        content = path.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1
    remove_partials(path.parent, older_than=3600)
    remove_partials(path.parent)
    assert [p.name for p in path.parent.iterdir()] == ["a"]


def test_remove_partials_spares_young_ones(tmp_path):
    young, old = tmp_path / "young.partial", tmp_path / "old.partial"
    for path in (young, old):
        path.write_text("x")
    os.utime(old, (time.time() - 100, time.time() - 100))
    remove_partials(tmp_path, older_than=50)
    assert young.exists()
    assert not old.exists()


def test_size_of_counts_files_below_and_follows_no_links(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x").write_bytes(b"12345")
    (tmp_path / "a" / "b" / "y").write_bytes(b"123")
    (tmp_path / "out").write_bytes(b"1" * 100_000)
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    assert 8 <= size_of(tmp_path / "a") < 8 + 4096
    assert size_of(tmp_path / "missing") == 0
