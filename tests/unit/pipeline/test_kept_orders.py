"""Orders that were kept read back exactly, and never for anything else."""

from __future__ import annotations

import json
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.errors import WorkspaceError
from nncift_core.pipeline import kept_orders
from nncift_core.pipeline.kept_orders import KeptOrders
from nncift_core.selection import Matrices, SelectionResult, maximise
from nncift_core.selection.constraints import Constraints, Quota
from nncift_core.selection_config import SelectionConfig


@pytest.fixture(name="result")
def some_result() -> SelectionResult:
    influence = np.random.default_rng(0).random((30, 7), dtype=np.float32)
    ids = [f"row-{i}" for i in range(30)]
    matrices = Matrices(row_mean=influence.mean(axis=1), target=influence)
    return maximise("fl", matrices, 20, row_ids=ids)


def test_what_is_kept_reads_back_exactly(tmp_path: Path, result: SelectionResult) -> None:
    orders = KeptOrders(tmp_path, "state")
    path = orders.path("fl", SelectionConfig(), 20, 0)
    assert orders.read(path, 30) is None
    orders.keep(path, result)
    found = orders.read(path, 30)
    assert found is not None
    for field in fields(result):
        left, right = getattr(found, field.name), getattr(result, field.name)
        if isinstance(right, np.ndarray):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)
        else:
            assert left == right, field.name
    # Not for a pool in which its rows do not lie.
    assert orders.read(path, 5) is None


def test_anything_else_has_another_file(tmp_path: Path) -> None:
    orders, plain = KeptOrders(tmp_path, "state"), SelectionConfig()
    paths = [
        orders.path("fl", plain, 20, 0),
        orders.path("mix", plain, 20, 0),
        orders.path("fl", SelectionConfig(pin="0" * 16 + "-0"), 20, 0),
        orders.path("fl", plain, 21, 0),
        orders.path("fl", plain, 20, 1),
        KeptOrders(tmp_path, "other").path("fl", plain, 20, 0),
    ]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04 cut off", b"no arrays"])
def test_a_broken_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    orders = KeptOrders(tmp_path, "state")
    path = orders.path("fl", SelectionConfig(), 20, 0)
    path.write_bytes(content)
    assert orders.read(path, 30) is None


def test_the_oldest_files_go(
    tmp_path: Path, result: SelectionResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_orders, "MOST_FILES", 2)
    orders = KeptOrders(tmp_path, "state")
    paths = [orders.path("fl", SelectionConfig(), rows, 0) for rows in (10, 11, 12)]
    for age, path in zip((300, 200, 100), paths, strict=True):
        orders.keep(path, result)
        os.utime(path, (1_000_000_000 - age,) * 2)
    orders.keep(paths[0], result)
    assert sorted(tmp_path.iterdir()) == sorted([paths[2], paths[0]])


def test_what_takes_long_is_found_once(
    tmp_path: Path, result: SelectionResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def find() -> SelectionResult:
        asked.append(1)
        return result

    orders, plain = KeptOrders(tmp_path, "state"), SelectionConfig()
    for _ in range(2):
        orders.found("fl", plain, 20, 0, 30, find)
    # What is fast is found again.
    assert len(asked) == 2 and not list(tmp_path.iterdir())
    monkeypatch.setattr(kept_orders, "WORTH_KEEPING", 0.0)
    for _ in range(3):
        found = orders.found("fl", plain, 20, 0, 30, find)
    assert len(asked) == 3
    np.testing.assert_array_equal(found.order, result.order)


def test_the_page_begins_with_the_order_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncift_core import pipeline
    from nncift_core.config import RunConfig
    from nncift_core.pipeline import curation
    from nncift_core.store import Workspace
    from tests.fake_encoder import PLACES, FakeEncoder

    for module in PLACES:
        monkeypatch.setattr(f"{module}.open_encoder", lambda name: FakeEncoder())
    monkeypatch.setattr(kept_orders, "WORTH_KEEPING", 0.0)
    pool = tmp_path / "pool.jsonl"
    rows = [{"prompt": f"Say {i} in words", "response": f"number {i * i}"} for i in range(60)]
    pool.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    workspace = Workspace.open(tmp_path / "ws")
    train = pipeline.import_files(workspace, [pool]).source
    project = workspace.catalog.add_project("Mine", train.id, target_sample=10)
    config = RunConfig(exact=True, budget="1.0")
    spec = pipeline.RunSpec(config=config, train=train, target_sample=10)
    run_id = pipeline.create_run(workspace, project.id, spec)
    pipeline.work(workspace.run_dir(run_id))
    assert len(list(workspace.run_dir(run_id).glob("order-*.npz"))) == 1
    desk = curation.open_desk(workspace, run_id)
    settings = desk.spec.config.selection.settled(whole_pool=True)

    def never(*_: object, **__: object) -> SelectionResult:
        raise AssertionError("chosen again")

    monkeypatch.setattr(curation, "maximise", never)
    live = desk.select(desk.spec.config.objective, settings, 50)
    stored = workspace.catalog.selection_rows(f"{run_id}-s0")
    assert [desk.row_ids[place] for place in live.order] == [row.row_id for row in stored]


def test_demands_as_positions_decide_as_well(tmp_path: Path) -> None:
    def path(optimizer: str = "lazy", **demands: Any) -> Path:
        orders = KeptOrders(tmp_path, "state")
        return orders.path("fl", SelectionConfig(), 20, 0, optimizer, Constraints(**demands))

    none, one = np.full(30, -1), np.full(30, -1)
    one[[3, 4]] = 0
    lengths = np.arange(30)
    members = np.array([1, 2])
    paths = [
        path(),
        path("sparse"),
        path(duplicates=none),
        path(duplicates=one),
        path(pinned=members),
        path(banned=members),
        path(quotas=[Quota("a", members, 1, None)]),
        path(quotas=[Quota("a", members, 0, 1)]),
        path(quotas=[Quota("a", members + 1, 1, None)]),
        path(tokens=lengths, token_budget=50),
        path(tokens=lengths + 1, token_budget=50),
    ]
    assert len(set(paths)) == len(paths)
    assert path(duplicates=one.copy()) == path(duplicates=one)


def test_any_flipped_byte_counts_as_none_or_does_no_harm(
    tmp_path: Path, result: SelectionResult
) -> None:
    orders = KeptOrders(tmp_path, "state")
    path = orders.path("fl", SelectionConfig(), 20, 0)
    orders.keep(path, result)
    content = path.read_bytes()
    draw = np.random.default_rng(0)
    # The headers of the archive, where a byte says how the rest is to be read.
    heads = [at for at in range(len(content)) if content[at : at + 2] == b"PK"]
    for head in heads:
        for place in range(head + 2, min(head + 14, len(content))):
            broken = bytearray(content)
            broken[place] ^= int(draw.integers(1, 256))
            path.write_bytes(broken)
            found = orders.read(path, 30)
            assert found is None or np.array_equal(found.order, result.order)


@pytest.mark.parametrize("field, wrong", [("order", -1), ("order", 30), ("gain", None)])
def test_an_order_that_cannot_be_one_counts_as_none(
    tmp_path: Path, result: SelectionResult, field: str, wrong: int | None
) -> None:
    orders = KeptOrders(tmp_path, "state")
    path = orders.path("fl", SelectionConfig(), 20, 0)
    array = getattr(result, field).copy()
    if wrong is None:
        array = array[:-1]
    else:
        array[0] = wrong
    orders.keep(path, replace(result, **{field: array}))
    assert orders.read(path, 30) is None


def test_a_folder_that_is_gone_or_full_keeps_none_and_harms_nobody(
    tmp_path: Path, result: SelectionResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = KeptOrders(tmp_path / "gone", "state")
    gone.keep(gone.path("fl", SelectionConfig(), 20, 0), result)
    assert not (tmp_path / "gone").exists()

    def full(*_: object, **__: object) -> Any:
        raise WorkspaceError("The disk is full.")

    monkeypatch.setattr(kept_orders, "replacing", full)
    orders = KeptOrders(tmp_path, "state")
    orders.keep(orders.path("fl", SelectionConfig(), 20, 0), result)


def test_what_is_shown_is_what_choosing_anew_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncift_core import pipeline
    from nncift_core.config import RunConfig
    from nncift_core.errors import ConfigError
    from nncift_core.pipeline import curation
    from nncift_core.selection.actions import curation as demands_of
    from nncift_core.store import Workspace
    from tests.fake_encoder import PLACES, FakeEncoder

    for module in PLACES:
        monkeypatch.setattr(f"{module}.open_encoder", lambda name: FakeEncoder())
    pool = tmp_path / "pool.jsonl"
    rows = [
        {"prompt": f"Say {i % 37} in words", "response": f"it is {i % 41}", "subtask": "ab"[i % 2]}
        for i in range(60)
    ]
    pool.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    workspace = Workspace.open(tmp_path / "ws")
    train = pipeline.import_files(workspace, [pool]).source
    project = workspace.catalog.add_project("Mine", train.id, target_sample=10)
    spec = pipeline.RunSpec(config=RunConfig(exact=True, budget="9"), train=train, target_sample=10)
    run_id = pipeline.create_run(workspace, project.id, spec)
    pipeline.work(workspace.run_dir(run_id))
    draw = np.random.default_rng(4)
    # Remembers nothing but what lies in the folder.
    monkeypatch.setattr(curation, "MOST_KEPT", 0)
    seen = curation.open_desk(workspace, run_id)
    met = 0
    for _ in range(25):
        kinds = ["pin", "ban", "release", "undo", "redo", "quota", "ban-where"]
        kind = str(draw.choice(kinds))
        ids = draw.choice(seen.row_ids, size=int(draw.integers(1, 4)), replace=False)
        value = {
            "quota": f"subtask:{draw.choice(['a', 'b'])}={draw.integers(3)}..{draw.integers(3, 9)}",
            "ban-where": f"length > {draw.integers(5, 60)}",
            "undo": "",
            "redo": "",
        }.get(kind, ",".join(ids))
        try:
            workspace.catalog.add_action(run_id, kind, value)
        except ConfigError:
            continue
        base = replace(
            seen.spec.config.selection,
            duplicates=str(draw.choice(["near", "exact", "keep"])),
            quality_weight=float(draw.choice([0.2, 0.8])),
        )
        settings = demands_of(workspace.catalog.actions(run_id)).settings(base)
        objective, rows_asked = str(draw.choice(["fl", "topk", "mix"])), int(draw.integers(5, 30))
        try:
            monkeypatch.setattr(kept_orders, "WORTH_KEEPING", 1e9)
            monkeypatch.setattr(KeptOrders, "read", lambda *_: None)
            anew = curation.open_desk(workspace, run_id).select(objective, settings, rows_asked)
        except ConfigError:
            continue
        finally:
            monkeypatch.setattr(KeptOrders, "read", _READ)
        monkeypatch.setattr(kept_orders, "WORTH_KEEPING", 0.0)
        for _ in range(2):
            shown = seen.select(objective, settings, rows_asked)
            np.testing.assert_array_equal(shown.order, anew.order)
            np.testing.assert_array_equal(shown.gain, anew.gain)
            assert shown.value_at(3) == anew.value_at(3)
        met += 1
    assert met >= 5
    assert list(workspace.run_dir(run_id).glob("order-*.npz"))


_READ = KeptOrders.read
