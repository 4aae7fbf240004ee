from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.store import SelectedRow, Workspace


def test_opening_makes_the_folders_and_nothing_else(tmp_path):
    workspace = Workspace.open(tmp_path / "a" / "b")
    assert {p.name for p in workspace.path.iterdir()} == {
        "runs",
        "uploads",
        "embeddings",
        "labels",
        "pilots",
        "exports",
        "studies",
        "plans",
    }
    workspace.catalog.check()
    assert Workspace.open(str(workspace.path)).path == workspace.path


def test_a_relative_path_does_not_depend_on_the_folder_later(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workspace = Workspace.open("w")
    monkeypatch.chdir("/")
    assert workspace.run_dir("run-1") == tmp_path / "w" / "runs" / "run-1"


def test_places_that_cannot_be_a_workspace(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "w", "/proc/w", "a\0b"):
        with pytest.raises(WorkspaceError) as caught:
            Workspace.open(path)
        assert str(path) in caught.value.message or "\0" in str(path)
        assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EROFS, "may not be written"),
        (errno.EACCES, "may not"),
    ],
)
def test_a_workspace_that_refuses_to_be_written(tmp_path, monkeypatch, number, words):
    Workspace.open(tmp_path / "w")

    def refuse(path, data):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(WorkspaceError, match=words):
        Workspace.open(tmp_path / "w")


def test_uploads_are_stored_once_under_their_hash(workspace):
    data = b'{"prompt": 1}\n'
    digest = hashlib.sha256(data).hexdigest()
    path = workspace.save_upload("My File.JSONL", data)
    assert path == workspace.uploads_dir / f"{digest}.jsonl"
    before = path.stat().st_mtime_ns
    assert workspace.save_upload("other.jsonl", memoryview(data)) == path
    assert path.stat().st_mtime_ns == before
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.jsonl.gz", ".jsonl.gz"),
        ("a.GZ", ".gz"),
        ("archive.v2.csv", ".csv"),
        ("noname", ""),
        ("../../etc/passwd", ""),
        ("x.json/../../y", ""),
        ("a.p q", ""),
        ("a.$(x).gz", ".gz"),
        ("a." + "x" * 50, ""),
        (".jsonl", ""),
        ("", ""),
        ("a.\0", ""),
    ],
)
def test_upload_names_decide_a_safe_suffix_alone(workspace, name, suffix):
    path = workspace.save_upload(name, b"x")
    assert path.parent == workspace.uploads_dir
    assert path.name == hashlib.sha256(b"x").hexdigest() + suffix


def test_a_full_disk_leaves_no_half_upload(workspace, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkspaceError, match="disk is full"):
        workspace.save_upload("a.csv", b"x" * 1000)
    assert list(workspace.uploads_dir.iterdir()) == []


def test_new_run_ids_are_valid_and_differ(workspace):
    ids = {workspace.new_run_id() for _ in range(50)}
    assert len(ids) == 50
    assert {workspace.run_dir(run_id).parent for run_id in ids} == {workspace.runs_dir}


def test_ids_never_leave_their_folder(workspace):
    for bad in ("..", ".", "a/b", "/etc", "", "a\\b", "run 1", "é"):
        with pytest.raises(ConfigError):
            workspace.run_dir(bad)
        with pytest.raises(ConfigError):
            workspace.selection_dir("run-1", bad)
        with pytest.raises(ConfigError):
            workspace.delete_run(bad)


def _write(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def _export(workspace, run_id, path):
    record = workspace.catalog.add_selection(
        run_id, "x", "fl", "1", [SelectedRow(1, "0000000000000001-0", 1.0, 1)]
    )
    workspace.catalog.add_export(record.id, "raw", str(path), "00", 1)


def test_deleting_a_run_frees_its_files_and_no_others(selected_run, tmp_path):
    workspace = selected_run
    _write(workspace.run_dir("run-1") / "a.npy", 50_000)
    _write(workspace.run_dir("run-1") / "selections" / "s1" / "result.json", 10_000)
    neighbour = _write(workspace.run_dir("run-10") / "a.npy", 10)
    inside = _write(workspace.exports_dir / "mine.jsonl", 5_000)
    manifest = _write(workspace.exports_dir / "mine.manifest.json", 1_000)
    outside = _write(tmp_path / "elsewhere" / "theirs.jsonl", 10)
    escaping = _write(tmp_path / "victim.jsonl", 10)
    _export(workspace, "run-1", inside)
    _export(workspace, "run-1", outside)
    _export(workspace, "run-1", workspace.exports_dir / ".." / ".." / "victim.jsonl")
    freed = workspace.delete_run("run-1")
    # A table that lost its last record frees a block of 256 KiB.
    assert 66_000 <= freed.bytes < 66_000 + 10 * 262_144
    assert freed.runs == ("run-1",)
    assert not workspace.run_dir("run-1").exists()
    assert not inside.exists()
    assert not manifest.exists()
    assert neighbour.exists()
    assert outside.exists()
    assert escaping.exists()
    with pytest.raises(ConfigError, match="no run"):
        workspace.catalog.run("run-1")


def test_deleting_a_run_twice_finishes_what_was_interrupted(selected_run, monkeypatch):
    workspace = selected_run
    _write(workspace.run_dir("run-1") / "a.npy", 10)
    with monkeypatch.context() as patch:
        patch.setattr(
            type(workspace.catalog), "delete_run", lambda *_: (_ for _ in ()).throw(KeyError())
        )
        with pytest.raises(KeyError):
            workspace.delete_run("run-1")
    assert workspace.catalog.run("run-1")
    workspace.delete_run("run-1")
    assert workspace.catalog.runs() == []


def test_deleting_a_project_keeps_what_others_use(selected_run, make_dataset):
    """``dddd0004`` lies in the same upload as the pool; the target's upload is nobody else's."""
    workspace = selected_run
    shared = _write(workspace.uploads_dir / "f00d.jsonl", 100)
    own = _write(workspace.uploads_dir / "beef.jsonl", 30_000)
    workspace.catalog.add_dataset(make_dataset("dddd0004", sha256="f00d"))
    workspace.catalog.add_project("Other", "dddd0004", target_sample=2)
    known = [_write(workspace.statistics_dir / f"{name}-texts.json", 10) for name in
             ("aaaa0001", "bbbb0002", "dddd0004")]  # fmt: skip
    _write(workspace.run_dir("run-1") / "a.npy", 1_000)
    (project,) = (p for p in workspace.catalog.projects() if p.name == "First")
    freed = workspace.delete_project(project.id)
    assert freed.runs == ("run-1",)
    assert freed.datasets == ("aaaa0001", "bbbb0002")
    assert freed.bytes >= 31_000
    assert shared.exists()
    assert not own.exists()
    assert [path.exists() for path in known] == [False, False, True]
    assert not workspace.run_dir("run-1").exists()
    assert [d.id for d in workspace.catalog.datasets()] == ["dddd0004"]


def test_deleted_rows_count_as_freed(workspace, make_dataset):
    texts = [(os.urandom(300).hex(), os.urandom(300).hex()) for _ in range(4000)]
    workspace.catalog.add_dataset(make_dataset(texts=texts))
    project = workspace.catalog.add_project("Big", "aaaa0001", target_sample=5)
    before = workspace.catalog.used_bytes()
    assert before > 2_000_000
    freed = workspace.delete_project(project.id)
    assert freed.bytes > 1_000_000
    assert workspace.catalog.used_bytes() == before - freed.bytes


def test_disk_use_by_part(workspace):
    _write(workspace.uploads_dir / "a", 1000)
    _write(workspace.run_dir("r1") / "x" / "y", 500)
    use = workspace.disk_use()
    assert list(use) == [
        "catalog", "uploads", "embeddings", "labels", "runs", "pilots", "studies", "plans",
        "maps", "statistics", "exports", "trash",
    ]  # fmt: skip
    assert (use["uploads"], use["runs"], use["catalog"]) == (1000, 500, 0)


def test_old_leftovers_of_killed_writers_are_removed(workspace):
    young = _write(workspace.uploads_dir / "a.csv.1234.partial", 1)
    old = _write(workspace.uploads_dir / "b.csv.1234.partial", 1)
    os.utime(old, (1, 1))
    Workspace.open(workspace.path)
    assert young.exists()
    assert not old.exists()
