"""The trash of runs: out of sight, back unharmed, or gone for good; in every order of failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.store import SelectedRow, Workspace

RUN, OTHER = "20260101-000000-aaaaaa", "20260102-000000-bbbbbb"


@pytest.fixture
def filled(tmp_path: Path, make_dataset) -> Workspace:
    """Two runs of one project with folders, one of them exported."""
    workspace = Workspace.open(tmp_path / "ws")
    workspace.catalog.add_dataset(make_dataset("aaaa0001"))
    project = workspace.catalog.add_project("P", "aaaa0001", target_sample=2)
    for run_id in (RUN, OTHER):
        workspace.catalog.add_run(run_id, project.id, {"config": {"method": "x"}}, status="done")
        folder = workspace.run_dir(run_id)
        folder.mkdir()
        (folder / "result.json").write_text("{}")
        (folder / "matrix.npy").write_bytes(bytes(10_000))
    workspace.catalog.add_selection(
        RUN, "first", "fl", "2", [SelectedRow(1, "row-0", 1.0, 1)], selection_id=f"{RUN}-s0"
    )
    file = workspace.exports_dir / "subset.jsonl"
    file.write_text("{}\n")
    workspace.catalog.add_export(f"{RUN}-s0", "raw", str(file), "0" * 64, 1)
    return workspace


def project_of(workspace: Workspace) -> str:
    return workspace.catalog.projects()[0].id


def ids(workspace: Workspace) -> list[str]:
    return [run.run_id for run in workspace.catalog.runs()]


def test_a_trashed_run_is_out_of_sight(filled) -> None:
    assert ids(filled) == [OTHER, RUN]
    filled.trash_run(RUN)
    assert ids(filled) == [OTHER]
    assert [run.run_id for run in filled.catalog.runs(project_of(filled))] == [OTHER]
    with pytest.raises(ConfigError, match="in the trash") as caught:
        filled.catalog.run(RUN)
    assert RUN in caught.value.hint
    with pytest.raises(ConfigError, match="in the trash"):
        filled.catalog.update_run(RUN, status="running")
    assert not filled.run_dir(RUN).exists()
    (kept,) = filled.trashed_runs()
    assert kept.run.run_id == RUN
    assert kept.run.trashed_at
    assert kept.bytes >= 10_000
    assert filled.disk_use()["trash"] == kept.bytes
    # A file that somebody trains on is no part of what is thrown away.
    assert (filled.exports_dir / "subset.jsonl").is_file()
    assert len(filled.catalog.exports(project_id=project_of(filled))) == 1


def test_restoring_brings_everything_back(filled) -> None:
    before = filled.catalog.run(RUN), filled.catalog.selections(RUN)
    filled.trash_run(RUN)
    filled.restore_run(RUN)
    assert (filled.catalog.run(RUN), filled.catalog.selections(RUN)) == before
    assert (filled.run_dir(RUN) / "matrix.npy").stat().st_size == 10_000
    assert filled.trashed_runs() == ()
    assert ids(filled) == [OTHER, RUN]


def test_both_can_be_done_twice(filled) -> None:
    first = filled.trash_run(RUN)
    assert filled.trash_run(RUN) == first
    filled.restore_run(RUN)
    filled.restore_run(RUN)
    assert (filled.run_dir(RUN) / "result.json").is_file()


def test_the_last_one_thrown_away_comes_first(filled) -> None:
    filled.trash_run(OTHER)
    filled.trash_run(RUN)
    assert [one.run.run_id for one in filled.trashed_runs()] == [RUN, OTHER]


def test_emptying_frees_the_space_and_keeps_what_was_exported(filled) -> None:
    filled.trash_run(RUN)
    freed = filled.empty_trash()
    assert freed.runs == (RUN,)
    assert freed.bytes >= 10_000
    assert filled.trashed_runs() == ()
    assert list(filled.trash_dir.iterdir()) == []
    assert ids(filled) == [OTHER]
    assert filled.catalog.selections(RUN) == []
    assert (filled.exports_dir / "subset.jsonl").is_file()
    with pytest.raises(ConfigError):
        filled.restore_run(RUN)
    assert filled.empty_trash().runs == ()


@pytest.mark.parametrize("bad", ["../x", "nobody", ""])
def test_unknown_runs_are_refused(filled, bad) -> None:
    for action in (filled.trash_run, filled.restore_run):
        with pytest.raises(ConfigError):
            action(bad)
    assert ids(filled) == [OTHER, RUN]


def test_a_move_that_failed_is_finished_by_doing_it_again(filled, monkeypatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(WorkspaceError):
            filled.trash_run(RUN)
    # Thrown away already, though its folder still stands where it was.
    assert ids(filled) == [OTHER]
    filled.restore_run(RUN)
    assert ids(filled) == [OTHER, RUN]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(WorkspaceError):
            filled.trash_run(RUN)
    filled.empty_trash()
    assert not filled.run_dir(RUN).exists()


def test_deleting_a_project_takes_its_trash_along(filled) -> None:
    filled.trash_run(RUN)
    freed = filled.delete_project(project_of(filled))
    assert set(freed.runs) == {RUN, OTHER}
    assert list(filled.trash_dir.iterdir()) == []
    assert list(filled.runs_dir.iterdir()) == []


def test_a_run_is_deleted_for_good_from_the_trash_too(filled) -> None:
    filled.trash_run(RUN)
    filled.delete_run(RUN)
    assert not (filled.trash_dir / RUN).exists()
    assert filled.trashed_runs() == ()


def test_what_a_page_wrote_late_does_not_bar_the_way_back(filled) -> None:
    filled.trash_run(RUN)
    # A page that was choosing rows when the run was thrown away keeps what it found.
    filled.run_dir(RUN).mkdir()
    (filled.run_dir(RUN) / "order-0.npz").write_bytes(b"x")
    # Thrown away again, as after a crash: what is in the trash stays whole.
    filled.trash_run(RUN)
    assert (filled.trash_dir / RUN / "matrix.npy").is_file()
    filled.run_dir(RUN).mkdir()
    (filled.run_dir(RUN) / "order-0.npz").write_bytes(b"x")
    filled.restore_run(RUN)
    assert (filled.run_dir(RUN) / "matrix.npy").stat().st_size == 10_000
    assert not (filled.trash_dir / RUN).exists()


def test_two_whole_folders_of_one_run_are_one_sentence(filled) -> None:
    filled.trash_run(RUN)
    filled.run_dir(RUN).mkdir()
    (filled.run_dir(RUN) / "result.json").write_text("{}")
    with pytest.raises(WorkspaceError, match="both there"):
        filled.restore_run(RUN)
    assert (filled.trash_dir / RUN / "matrix.npy").is_file()
    assert (filled.run_dir(RUN) / "result.json").is_file()


def test_a_run_that_is_taken_back_meanwhile_is_not_deleted(filled, monkeypatch) -> None:
    filled.trash_run(RUN)
    filled.trash_run(OTHER)
    delete = type(filled.catalog).delete_run

    def slow(catalog, run_id: str) -> None:
        delete(catalog, run_id)
        for left in {RUN, OTHER} - {run_id}:
            if left in {run.run_id for run in catalog.trashed_runs()}:
                filled.restore_run(left)

    monkeypatch.setattr(type(filled.catalog), "delete_run", slow)
    filled.empty_trash()
    assert len(ids(filled)) == 1
    assert (filled.run_dir(ids(filled)[0]) / "matrix.npy").is_file()


@pytest.mark.parametrize(
    "name", ["../..", "runs/../..", "/etc", "runs/x/../../..", "a~b", "runs/a\0b", "studies/", ".."]
)
def test_no_name_leads_out_of_the_trash(filled, name: str) -> None:
    from nncift_core import jobs
    from nncift_core.pipeline.job_list import take_back

    before = sorted(filled.path.parent.rglob("*"))
    with pytest.raises(ConfigError):
        jobs.job_at(filled.path, name)
    with pytest.raises(ConfigError):
        take_back(filled, name)
    assert sorted(filled.path.parent.rglob("*")) == before
