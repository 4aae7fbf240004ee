"""Labels: every planned pair in its place, self pairs left out, saved and read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.errors import Cancelled, ConfigError, DataError, WorkspaceError
from nncift_core.influence.base import MatrixBlocks, PairwiseInfluence, PointwiseInfluence
from nncift_core.influence.label import Labels, label, label_rows
from nncift_core.influence.label_plan import (
    LabelBlock,
    LabelPlan,
    plan_block,
    plan_labels,
    plan_rows,
)
from nncift_core.influence.shards import FolderShards, MemoryShards
from nncift_core.types import Pairs, Row


def rows(prefix: str, count: int) -> list[Row]:
    return [Row(f"{prefix}{i:015d}-0", f"{prefix} prompt {i}", str(i)) for i in range(count)]


class Asymmetric(PairwiseInfluence):
    """influence[i, j] = 1000 i + j by the numbers in the responses: no two pairs are equal."""

    identity = "asymmetric"

    def __init__(
        self, value: Callable[[int, int], float] = lambda i, j: 1000.0 * i + j, step: int = 7
    ) -> None:
        self.value = value
        self.step = step
        self.computed = 0

    def shard_rows(self, n_helped: int) -> int:
        return self.step

    def matrix(
        self, helpers: Sequence[Row], helped: Sequence[Row], progress: Any = None
    ) -> np.ndarray:
        self.computed += len(helpers) * len(helped)
        return np.array(
            [[self.value(int(a.response), int(b.response)) for b in helped] for a in helpers],
            dtype=np.float32,
        )


POOL, TARGET, EXISTING = rows("a", 90), rows("b", 50), rows("e", 40)


def sides(target: Sequence[Row] = TARGET) -> dict[str, Any]:
    return {"target": (POOL, target), "pool": (POOL, POOL), "existing": (EXISTING, POOL)}


def test_every_pair_is_where_it_belongs(recording: Any) -> None:
    plan = plan_block(90, 50, 0.2, seed=5)
    progress = recording()
    labels = label(Asymmetric(), plan, sides(), MemoryShards(progress))
    assert list(labels.by_role) == ["q1", "q2", "q3", "q4"]
    for block in plan.blocks:
        pairs = labels.by_role[block.role]
        assert {(i, j) for i in block.helpers for j in block.helped} == set(
            zip(pairs.helper.tolist(), pairs.helped.tolist(), strict=True)
        )
        assert len(pairs) == block.n_pairs
        np.testing.assert_array_equal(pairs.value, 1000.0 * pairs.helper + pairs.helped)
        assert (pairs.helper.dtype, pairs.value.dtype) == (np.int64, np.float32)
    assert labels.training is labels.by_role["q1"]
    assert len(labels.everything) == plan.training_pairs + plan.evaluation_pairs
    assert labels.evaluation_pairs == plan.evaluation_pairs
    total = plan.training_pairs + plan.evaluation_pairs
    assert progress.stages == [("label", total, "pairs")]
    assert progress.done == {"label": total}


def test_self_pairs_are_never_labelled() -> None:
    # Every target row has the content of a pool row; ordinals differ.
    target = [Row(row.id.replace("-0", "-7"), row.prompt, row.response) for row in POOL[:50]]
    labels = label(Asymmetric(), plan_block(90, 50, 0.4, 1), sides(target), MemoryShards())
    everything = labels.everything
    same = [
        POOL[i].content_hash == target[j].content_hash
        for i, j in zip(everything.helper, everything.helped, strict=True)
    ]
    assert not any(same)
    planned = plan_block(90, 50, 0.4, 1)
    assert len(everything) < planned.training_pairs + planned.evaluation_pairs


def test_too_few_pairs_are_left_without_self_pairs() -> None:
    block = LabelBlock("q1", np.arange(4), np.arange(4))
    target = [Row(row.id.replace("-0", "-1"), row.prompt, row.response) for row in POOL[:4]]
    with pytest.raises(ConfigError, match="Of 16 planned training labels 12 are left"):
        label(Asymmetric(), LabelPlan((block,)), sides(target), MemoryShards())


def test_constant_labels_are_refused() -> None:
    with pytest.raises(DataError, match="All training labels have the same value"):
        label(Asymmetric(lambda i, j: 0.5), plan_block(90, 50, 0.2, 0), sides(), MemoryShards())


def test_an_infinite_value_is_refused() -> None:
    plan = plan_block(90, 50, 0.2, 0)
    q4 = plan.block("q4")
    assert q4 is not None
    bad = int(q4.helpers[3]), int(q4.helped[2])
    method = Asymmetric(lambda i, j: float("inf") if (i, j) == bad else float(i))
    with pytest.raises(DataError) as caught:
        label(method, plan, sides(), MemoryShards())
    assert POOL[bad[0]].id in caught.value.message
    assert TARGET[bad[1]].id in caught.value.message


def test_a_pair_without_a_value_has_no_label() -> None:
    """NaN says that the model cannot read the row; it is never a distance of 0."""
    plan = plan_block(90, 50, 0.2, 0)
    q1 = plan.block("q1")
    assert q1 is not None
    unreadable = int(q1.helped[2])
    method = Asymmetric(lambda i, j: float("nan") if j == unreadable else 1000.0 * i + j)
    labels = label(method, plan, sides(), MemoryShards())
    assert unreadable not in labels.everything.helped
    assert len(labels.training) == q1.n_pairs - len(q1.helpers)
    np.testing.assert_array_equal(
        labels.training.value, 1000.0 * labels.training.helper + labels.training.helped
    )


def test_w_and_e_are_labelled_beside_x(tmp_path: Path, recording: Any) -> None:
    plan = plan_labels(90, 50, 0.2, 4, matrices=("target", "pool", "existing"), n_existing=40)
    progress = recording()
    labels = label(Asymmetric(), plan, sides(), MemoryShards(progress))
    assert list(labels.others) == ["pool", "existing"]
    for matrix, by_role in labels.others.items():
        assert list(by_role) == ["q1", "q2", "q3", "q4"]
        for role, pairs in by_role.items():
            block = plan.block(role, matrix)
            assert block is not None
            assert len(pairs) == block.n_pairs
            np.testing.assert_array_equal(pairs.value, 1000.0 * pairs.helper + pairs.helped)
    assert labels.by_role.keys() == {"q1", "q2", "q3", "q4"}
    assert labels.training_count == plan.training_pairs
    assert labels.evaluation_pairs == plan.evaluation_pairs
    assert progress.done == {"label": plan.training_pairs + plan.evaluation_pairs}
    labels.save(tmp_path / "labels.npy")
    read = Labels.load(tmp_path / "labels.npy")
    assert list(read.by_role) == list(labels.by_role)
    for matrix, by_role in labels.others.items():
        for role, pairs in by_role.items():
            np.testing.assert_array_equal(read.others[matrix][role].value, pairs.value)


class Length(PointwiseInfluence):
    identity = "length"

    def __init__(self) -> None:
        self.scored: list[str] = []

    def scores(self, rows: Sequence[Row], progress: Any = None) -> np.ndarray:
        self.scored += [row.id for row in rows]
        return np.array([float(row.response) for row in rows], dtype=np.float32)


def test_rows_are_scored_alone(recording: Any) -> None:
    plan, progress, method = plan_rows(90, 0.3, 2), recording(), Length()
    labels = label_rows(method, plan, POOL, MemoryShards(progress))
    assert list(labels.by_role) == ["q1", "q4"]
    assert (len(labels.training), labels.evaluation_pairs) == (27, 8)
    for pairs in labels.by_role.values():
        np.testing.assert_array_equal(pairs.value, pairs.helper)
        assert not pairs.helped.any()
    assert progress.stages == [("label", 35, "rows")]
    assert progress.done == {"label": 35}
    assert len(method.scored) == len(set(method.scored)) == 35


def test_stored_shards_are_not_computed_again(tmp_path: Path, recording: Any) -> None:
    plan = plan_block(90, 50, 0.2, 5)
    first, again = Asymmetric(), Asymmetric()
    one = label(first, plan, sides(), FolderShards(tmp_path, recording()))
    assert first.computed == plan.training_pairs + plan.evaluation_pairs
    progress = recording()
    two = label(again, plan, sides(), FolderShards(tmp_path, progress))
    assert again.computed == 0
    assert progress.done == {"label": first.computed}
    np.testing.assert_array_equal(one.everything.value, two.everything.value)


def test_opening_does_not_count_as_labelling(tmp_path: Path, recording: Any) -> None:
    """It happens once, before the first shard that is computed, and not when all are stored."""
    plan = plan_block(90, 50, 0.2, 5)
    opened: list[float] = []

    def open_slowly() -> None:
        opened.append(0.2)
        time.sleep(0.2)

    shards = FolderShards(tmp_path, recording(), before=open_slowly)
    label(Asymmetric(), plan, sides(), shards)
    assert opened == [0.2]
    assert shards.computed_units == plan.training_pairs + plan.evaluation_pairs
    assert shards.computed_seconds < 0.2
    label(Asymmetric(), plan, sides(), FolderShards(tmp_path, recording(), before=open_slowly))
    assert opened == [0.2]


@pytest.mark.parametrize("what", ["identity", "prompt", "response", "order"])
def test_a_shard_belongs_to_its_method_and_rows(tmp_path: Path, recording: Any, what: str) -> None:
    plan = LabelPlan((LabelBlock("q1", np.arange(6), np.arange(6)),))
    label(Asymmetric(), plan, sides(), FolderShards(tmp_path, recording()))
    other, changed = Asymmetric(), sides()
    if what == "identity":
        other.identity = "another"
    elif what == "order":
        changed["target"] = POOL, TARGET[::-1]
    else:
        row = Row(POOL[2].id, POOL[2].prompt, "77")
        if what == "prompt":
            row = Row(POOL[2].id, "other", POOL[2].response)
        changed["target"] = [*POOL[:2], row, *POOL[3:]], TARGET
    label(other, plan, changed, FolderShards(tmp_path, recording()))
    assert other.computed > 0


def test_cancel_loses_at_most_the_shard_in_work(tmp_path: Path, recording: Any) -> None:
    plan = plan_block(90, 50, 0.2, 0)
    first, again = Asymmetric(), Asymmetric()
    with pytest.raises(Cancelled):
        label(first, plan, sides(), FolderShards(tmp_path, recording("label", 2)))
    label(again, plan, sides(), FolderShards(tmp_path, recording()))
    assert first.computed == 2 * 7 * 10
    assert first.computed + again.computed == plan.training_pairs + plan.evaluation_pairs


def test_round_trip(tmp_path: Path) -> None:
    labels = label(Asymmetric(), plan_block(90, 50, 0.2, 5), sides(), MemoryShards())
    labels.save(tmp_path / "labels.npy")
    read = Labels.load(tmp_path / "labels.npy")
    assert list(read.by_role) == list(labels.by_role)
    for role, pairs in labels.by_role.items():
        for name in ("helper", "helped", "value"):
            before, after = getattr(pairs, name), getattr(read.by_role[role], name)
            assert after.dtype == before.dtype
            np.testing.assert_array_equal(after, before)


def test_missing_quadrants_stay_missing(tmp_path: Path) -> None:
    pairs = Pairs(np.array([1, 2]), np.array([0, 0]), np.array([0.5, 1.5], np.float32))
    Labels({"q1": pairs, "q3": pairs}).save(tmp_path / "labels.npy")
    read = Labels.load(tmp_path / "labels.npy")
    assert list(read.by_role) == ["q1", "q3"]
    assert read.evaluation_pairs == 2


def test_a_torn_file_is_one_sentence(tmp_path: Path) -> None:
    pairs = Pairs(np.array([1, 2]), np.array([0, 0]), np.array([0.5, 1.5], np.float32))
    path = tmp_path / "labels.npy"
    Labels({"q1": pairs}).save(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(WorkspaceError, match="not a complete array"):
        Labels.load(path)


def test_blocks_of_a_method_are_its_matrix() -> None:
    source = Asymmetric().source(POOL, TARGET)
    assert isinstance(source, MatrixBlocks)
    whole = Asymmetric().matrix(POOL, TARGET)
    np.testing.assert_array_equal(source.block(10, 20), whole[10:20])
    chosen = source.subset(np.array([5, 2]), np.array([7, 1, 3]))
    assert (chosen.n_train, chosen.n_target) == (2, 3)
    np.testing.assert_array_equal(chosen.block(0, 2), whole[[5, 2]][:, [7, 1, 3]])
