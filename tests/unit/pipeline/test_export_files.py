"""Exports of finished runs: which rows, their scores, the manifest, and pushes as jobs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core import callers, jobs, pipeline
from nncift_core.errors import ConfigError, WorkspaceError
from nncift_core.export import SCORE_COLUMNS, hub
from nncift_core.pipeline import RunView, export_rows, export_scores, pushing
from nncift_core.pipeline.explaining import explain_selection
from nncift_core.pipeline.export_rows import pool_positions
from nncift_core.pipeline.roles import read_roles
from nncift_core.pipeline.spec import RunSpec
from nncift_core.store import Workspace
from tests.unit.pipeline.finished_runs import RUNS, Finished

pytestmark = pytest.mark.usefixtures("open_databases")


def spec_of(workspace: Workspace, run_id: str) -> RunSpec:
    return RunSpec.read(workspace.run_dir(run_id) / "config.json")


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


@pytest.mark.parametrize("name", list(RUNS))
def test_the_pool_is_that_of_the_run(finished: Finished, name: str) -> None:
    workspace = finished.workspace
    spec = spec_of(workspace, finished.ids[name])
    roles = read_roles(workspace, spec)
    n_rows = workspace.catalog.dataset(spec.train.id).accepted
    assert pool_positions(spec, n_rows).tolist() == roles.pool_positions.tolist()


def test_the_pool_of_an_extended_run_with_a_sample(finished: Finished, extend: Any) -> None:
    run_id = extend(finished.ids["sampled"])
    spec = spec_of(finished.workspace, run_id)
    roles = read_roles(finished.workspace, spec)
    n_rows = finished.workspace.catalog.dataset(spec.train.id).accepted
    assert pool_positions(spec, n_rows).tolist() == roles.pool_positions.tolist()


@pytest.mark.parametrize("which", ["selected", "rest"])
@pytest.mark.parametrize("name", ["cosine", "sampled", "exact", "selectit"])
def test_scores_are_those_of_the_run(
    finished: Finished, tmp_path: Path, name: str, which: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several batches, so that rows and scores must keep step.
    monkeypatch.setattr(export_rows, "_FEWEST", 7)
    monkeypatch.setattr(export_rows, "_MOST", 7)
    workspace = finished.workspace
    (selection,) = workspace.catalog.selections(finished.ids[name])
    if which == "rest" and name == "sampled":
        pytest.skip("all of its rows are selected")
    path = tmp_path / "a.jsonl"
    exported = pipeline.export_selection(workspace, selection.id, path, which=which, scores=True)
    view = RunView(workspace, finished.ids[name])
    place = {row.id: position for position, row in enumerate(view.roles.pool)}
    chosen = workspace.catalog.selection_rows(selection.id)
    labels = view.estimates.labels
    labelled = set(range(len(place))) if labels is None else set(labels.everything.helper.tolist())
    lines = lines_of(path)
    if which == "selected":
        expected = [(row.row_id, row.rank, row.gain, row.reason) for row in chosen]
    else:
        taken = {row.row_id for row in chosen}
        rest = [position for row_id, position in place.items() if row_id not in taken]
        reasons = explain_selection(workspace, selection.id).left_out.reasons(rest)
        ids = [view.roles.pool[position].id for position in rest]
        expected = [(row_id, None, None, why) for row_id, why in zip(ids, reasons, strict=True)]
    assert len(lines) == len(expected) == exported.file.rows
    for line, (row_id, rank, gain, reason) in zip(lines, expected, strict=True):
        row = view.roles.pool[place[row_id]]
        assert (line["prompt"], line["response"]) == (row.prompt, row.response)
        assert line["nncift_id"] == row_id and line["nncift_rank"] == rank
        assert line["nncift_reason"] == reason
        assert line["nncift_score"] == pytest.approx(float(view.row_mean[place[row_id]]), rel=1e-6)
        assert (line["nncift_gain"] is None) == (gain is None)
        assert gain is None or line["nncift_gain"] == pytest.approx(gain, rel=1e-6)
        assert line["nncift_labelled"] == (place[row_id] in labelled)
    manifest = json.loads(exported.manifest.read_text("utf-8"))
    assert manifest["columns"] == dict(SCORE_COLUMNS) and manifest["which"] == which
    assert {row["id"] for row in manifest["rows"]} == {row.row_id for row in chosen}


def test_batches_do_not_change_the_bytes(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (selection,) = finished.workspace.catalog.selections(finished.ids["cosine"])
    for schema in ("raw", "messages", "parquet"):
        contents = []
        for most in (7, 5_000):
            monkeypatch.setattr(export_rows, "_FEWEST", most)
            monkeypatch.setattr(export_rows, "_MOST", most)
            path = tmp_path / f"{most}.{schema}"
            exported = pipeline.export_selection(
                finished.workspace, selection.id, path, schema=schema
            )
            contents.append(path.read_bytes())
            manifest = json.loads(exported.manifest.read_text("utf-8"))
            assert "columns" not in manifest
        assert contents[0] == contents[1]


def test_a_preview_of_a_large_pool_leaves_reasons_for_later(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    (selection,) = finished.workspace.catalog.selections(finished.ids["cosine"])
    call = {"which": "rest", "scores": True}
    small = pipeline.preview_selection(finished.workspace, selection.id, **call)  # type: ignore[arg-type]
    monkeypatch.setattr(export_scores, "MOST_PREVIEWED", 10)
    large = pipeline.preview_selection(finished.workspace, selection.id, **call)  # type: ignore[arg-type]
    for one, other in zip(small.lines, large.lines, strict=True):
        read = json.loads(one)
        assert read["nncift_reason"] != export_scores.LATER
        assert json.loads(other) == read | {"nncift_reason": export_scores.LATER}


def test_a_selection_of_rows_that_are_not_in_the_pool_is_refused(finished: Finished) -> None:
    catalog = finished.workspace.catalog
    run_id = finished.ids["cosine"]
    (selection,) = catalog.selections(run_id)
    rows = [*catalog.selection_rows(selection.id)]
    rows[0] = replace(rows[0], row_id="0" * 16 + "-7")
    meta = {"saturated_at": None, "value": 1.0}
    catalog.add_selection(run_id, "Odd", "fl", "3", rows, meta, selection_id="odd")
    with pytest.raises(WorkspaceError, match="not in the pool"):
        pipeline.preview_selection(finished.workspace, "odd")


def test_a_viewer_exports_and_pushes_nothing(finished: Finished, tmp_path: Path) -> None:
    workspace = finished.workspace
    (selection,) = workspace.catalog.selections(finished.ids["cosine"])
    before = list(callers._recognise)
    callers.recognise_by(lambda: callers.Caller("ann", "You may only look."))
    try:
        with pytest.raises(ConfigError, match="only look"):
            pipeline.export_selection(workspace, selection.id, tmp_path / "a.jsonl")
        with pytest.raises(ConfigError, match="only look"):
            pipeline.create_push(workspace, "x", "ann/x")
        assert pipeline.preview_selection(workspace, selection.id).lines
    finally:
        callers._recognise[:] = before
    assert not (tmp_path / "a.jsonl").exists()


class RecordingHub:
    """Takes everything."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def create_repo(self, repo_id: str, **more: Any) -> None:
        self.made = (repo_id, more["private"])

    def upload_file(self, *, path_or_fileobj: Any, path_in_repo: str, **more: Any) -> None:
        content = path_or_fileobj
        self.files[path_in_repo] = content if isinstance(content, bytes) else content.read_bytes()


@pytest.fixture
def exported(finished: Finished, tmp_path: Path) -> tuple[Workspace, str, Path]:
    workspace = finished.workspace
    (selection,) = workspace.catalog.selections(finished.ids["cosine"])
    path = workspace.exports_dir / "a.jsonl"
    pipeline.export_selection(workspace, selection.id, path)
    (record,) = workspace.catalog.exports()
    return workspace, record.id, path


def test_a_push_is_a_job_of_the_run(
    exported: tuple[Workspace, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, export_id, path = exported
    fake = RecordingHub()
    monkeypatch.setattr(pushing, "has_token", lambda: True)
    monkeypatch.setattr(hub, "has_token", lambda: True)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: fake)
    folder = pipeline.create_push(workspace, export_id, "ann/set")
    assert "token" not in (folder / "job.json").read_text()
    pipeline.work(folder)
    state = jobs.read_state(folder)
    assert state.status == "done" and state.stages[0].total == hub.FILES
    runs = [run.run_id for run in workspace.catalog.runs()]
    pushes = [push for run_id in runs for push in pipeline.list_pushes(workspace, run_id)]
    assert len(pushes) == 1
    assert pushes[0].address == "https://huggingface.co/datasets/ann/set"
    assert pushes[0].private and pushes[0].export_id == export_id
    assert fake.made == ("ann/set", True)
    assert fake.files["a.jsonl"] == path.read_bytes()
    assert set(fake.files) == {"a.jsonl", "a.manifest.json", "README.md"}
    assert b"rows chosen from a pool of 120" in fake.files["README.md"]


def test_a_push_that_the_hub_refuses_says_why(
    exported: tuple[Workspace, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, export_id, _ = exported

    class Closed:
        def create_repo(self, *given: Any, **more: Any) -> None:
            raise ConnectionError("no route")

    monkeypatch.setattr(pushing, "has_token", lambda: True)
    monkeypatch.setattr(hub, "has_token", lambda: True)
    monkeypatch.setattr("huggingface_hub.HfApi", Closed)
    folder = pipeline.create_push(workspace, export_id, "ann/set")
    with pytest.raises(WorkspaceError, match="cannot be reached"):
        pipeline.work(folder)
    state = jobs.read_state(folder)
    assert state.status == "failed" and state.error is not None
    assert "cannot be reached" in state.error.message


def test_nothing_that_a_job_leaves_behind_quotes_the_token(
    exported: tuple[Workspace, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, export_id, _ = exported

    class Broken:
        def create_repo(self, *given: Any, **more: Any) -> None:
            try:
                raise OSError("http://user:hf_secret@proxy")
            except OSError as error:
                # What network layers say of a token with a stray sign in it.
                raise ValueError("Illegal header value b'Bearer hf_secret'") from error

    monkeypatch.setattr(pushing, "has_token", lambda: True)
    monkeypatch.setattr(hub, "has_token", lambda: True)
    monkeypatch.setattr("huggingface_hub.HfApi", Broken)
    folder = pipeline.create_push(workspace, export_id, "ann/set")
    with pytest.raises(WorkspaceError, match="failed"):
        pipeline.work(folder)
    assert jobs.read_state(folder).status == "failed"
    for path in [*folder.rglob("*"), *workspace.exports_dir.rglob("*")]:
        assert not path.is_file() or b"hf_secret" not in path.read_bytes()


def test_a_file_that_was_written_again_is_not_pushed_under_the_old_name(
    exported: tuple[Workspace, str, Path],
) -> None:
    workspace, export_id, path = exported
    record = workspace.catalog.export(export_id)
    pipeline.export_selection(workspace, record.selection_id, path, schema="alpaca")
    fake = RecordingHub()
    with pytest.raises(WorkspaceError, match="written again"):
        pipeline.push_export(workspace, export_id, "ann/set", api=fake)
    assert fake.files == {}


def test_pushes_that_cannot_begin_leave_no_job(
    exported: tuple[Workspace, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, export_id, path = exported
    monkeypatch.setattr(pushing, "has_token", lambda: False)
    with pytest.raises(ConfigError, match="no token"):
        pipeline.create_push(workspace, export_id, "ann/set")
    monkeypatch.setattr(pushing, "has_token", lambda: True)
    with pytest.raises(ConfigError, match="not the name"):
        pipeline.create_push(workspace, export_id, "ann")
    with pytest.raises(ConfigError, match="export"):
        pipeline.create_push(workspace, "0" * 16, "ann/set")
    path.unlink()
    with pytest.raises(WorkspaceError, match="missing"):
        pipeline.create_push(workspace, export_id, "ann/set")
    assert not list(workspace.runs_dir.glob("*/pushes/*"))


def test_rows_are_read_in_the_order_asked_for(finished: Finished) -> None:
    catalog = finished.workspace.catalog
    dataset = max(catalog.datasets(), key=lambda record: record.accepted)
    rows, raws = catalog.dataset_rows(dataset.id), catalog.dataset_raw(dataset.id)
    wanted = np.random.default_rng(0).permutation(len(rows))[:40].tolist()
    assert catalog.stored_rows(dataset.id, wanted) == [(rows[i], raws[i]) for i in wanted]
    assert catalog.stored_rows(dataset.id, []) == []
    assert catalog.row_ids(dataset.id) == [row.id for row in rows]
    with pytest.raises(ValueError, match="outside"):
        catalog.stored_rows(dataset.id, [len(rows)])
