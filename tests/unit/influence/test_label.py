"""Labels: every planned pair in its place, self pairs left out, saved and read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.errors import Cancelled, ConfigError, DataError, WorkspaceError
from nncift_core.influence import label as label_module
from nncift_core.influence.base import MatrixBlocks, PairwiseInfluence
from nncift_core.influence.label import Labels, label
from nncift_core.influence.label_plan import LabelBlock, LabelPlan, plan_block
from nncift_core.types import Pairs, Row


def rows(prefix: str, count: int) -> list[Row]:
    return [Row(f"{prefix}{i:015d}-0", f"{prefix} prompt {i}", str(i)) for i in range(count)]


class Asymmetric(PairwiseInfluence):
    """influence[i, j] = 1000 i + j by the numbers in the responses: no two pairs are equal."""

    def __init__(self, value: Callable[[int, int], float] = lambda i, j: 1000.0 * i + j) -> None:
        self.value = value

    def matrix(self, helpers: Sequence[Row], helped: Sequence[Row]) -> np.ndarray:
        return np.array(
            [[self.value(int(a.response), int(b.response)) for b in helped] for a in helpers],
            dtype=np.float32,
        )


POOL, TARGET = rows("a", 90), rows("b", 50)


def test_every_pair_is_where_it_belongs(recording: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_module, "SHARD_PAIRS", 64)
    plan = plan_block(90, 50, 0.2, seed=5)
    progress = recording()
    labels = label(Asymmetric(), plan, POOL, TARGET, progress)
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


def test_self_pairs_are_never_labelled(recording: Any) -> None:
    # Every target row has the content of a pool row; ordinals differ.
    target = [Row(row.id.replace("-0", "-7"), row.prompt, row.response) for row in POOL[:50]]
    labels = label(Asymmetric(), plan_block(90, 50, 0.4, 1), POOL, target, recording())
    everything = labels.everything
    same = [
        POOL[i].content_hash == target[j].content_hash
        for i, j in zip(everything.helper, everything.helped, strict=True)
    ]
    assert not any(same)
    planned = plan_block(90, 50, 0.4, 1)
    assert len(everything) < planned.training_pairs + planned.evaluation_pairs


def test_too_few_pairs_are_left_without_self_pairs(recording: Any) -> None:
    block = LabelBlock("q1", np.arange(4), np.arange(4))
    target = [Row(row.id.replace("-0", "-1"), row.prompt, row.response) for row in POOL[:4]]
    with pytest.raises(ConfigError, match="Of 16 planned training pairs 12 are left"):
        label(Asymmetric(), LabelPlan((block,)), POOL, target, recording())


def test_constant_labels_are_refused(recording: Any) -> None:
    with pytest.raises(DataError, match="All training labels have the same value"):
        label(Asymmetric(lambda i, j: 0.5), plan_block(90, 50, 0.2, 0), POOL, TARGET, recording())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(recording: Any, value: float) -> None:
    plan = plan_block(90, 50, 0.2, 0)
    q4 = plan.block("q4")
    assert q4 is not None
    bad = int(q4.helpers[3]), int(q4.helped[2])
    method = Asymmetric(lambda i, j: value if (i, j) == bad else float(i))
    with pytest.raises(DataError) as caught:
        label(method, plan, POOL, TARGET, recording())
    assert POOL[bad[0]].id in caught.value.message
    assert TARGET[bad[1]].id in caught.value.message


def test_cancel_between_shards(recording: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_module, "SHARD_PAIRS", 32)
    with pytest.raises(Cancelled):
        label(Asymmetric(), plan_block(90, 50, 0.2, 0), POOL, TARGET, recording("label", 2))


def test_round_trip(tmp_path: Path, recording: Any) -> None:
    labels = label(Asymmetric(), plan_block(90, 50, 0.2, 5), POOL, TARGET, recording())
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
