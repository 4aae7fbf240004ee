"""Orders that were kept read back exactly, and never for anything else."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from nncift_core.pipeline import kept_orders
from nncift_core.pipeline.kept_orders import KeptOrders
from nncift_core.selection import Matrices, SelectionResult, maximise
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
