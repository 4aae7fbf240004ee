"""Labels of blocks whose rows have targets of their own: values, shards, stored files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.errors import Cancelled, DataError
from nncift_core.files import save_array
from nncift_core.influence import values as values_module
from nncift_core.influence.base import PairwiseInfluence, RowBlock
from nncift_core.influence.label import Labels, label, label_block
from nncift_core.influence.label_plan import LabelPlan
from nncift_core.influence.shards import FolderShards, MemoryShards
from nncift_core.influence.spread import plan_spread, sparse_block
from nncift_core.types import Row


def rows(prefix: str, count: int) -> list[Row]:
    return [Row(f"{prefix}{i:015d}-0", f"{prefix} prompt {i}", str(i)) for i in range(count)]


POOL, TARGET = rows("a", 90), rows("b", 50)
SIDES = {"target": (POOL, TARGET)}
PLAN = plan_spread(90, 50, 0.3, 5)


class Asymmetric(PairwiseInfluence):
    """influence[i, j] = 1000 i + j by the numbers in the responses: no two pairs are equal."""

    identity = "asymmetric"

    def __init__(self, bad: tuple[int, int] | None = None) -> None:
        self.asked: list[tuple[int, int]] = []
        self.bad = bad

    def shard_rows(self, n_helped: int) -> int:
        return max(1, 40 // n_helped)

    def matrix(
        self, helpers: Sequence[Row], helped: Sequence[Row], progress: Any = None
    ) -> np.ndarray:
        found = np.empty((len(helpers), len(helped)), dtype=np.float32)
        for i, a in enumerate(helpers):
            for j, b in enumerate(helped):
                pair = int(a.response), int(b.response)
                self.asked.append(pair)
                found[i, j] = np.inf if pair == self.bad else 1000.0 * pair[0] + pair[1]
        return found


class OwnWay(Asymmetric):
    """Computes the pairs itself, as a real method does; ``fault`` says what it does wrong."""

    fault = ""

    def values_at(
        self,
        helpers: Sequence[Row],
        helped: Sequence[Row],
        columns: np.ndarray,
        progress: Any = None,
    ) -> np.ndarray:
        if self.fault == "transposed":
            columns = columns.T.reshape(columns.shape)
        if self.fault == "one row late":
            columns = np.roll(columns, 1, axis=0)
        if self.fault == "order of the targets":
            columns = columns[:, ::-1]
        if self.fault == "helper and helped swapped":
            found = [[self.matrix([helped[j]], [a])[0, 0] for j in some]
                     for a, some in zip(helpers, columns, strict=True)]  # fmt: skip
        else:
            found = [self.matrix([a], [helped[j] for j in some])[0]
                     for a, some in zip(helpers, columns, strict=True)]  # fmt: skip
        return np.array(found, dtype=np.float32)


def right(labels: Labels) -> bool:
    """Whether every label is that of its own pair."""
    return all(
        np.array_equal(pairs.value, (1000.0 * pairs.helper + pairs.helped).astype(np.float32))
        for pairs in labels.by_role.values()
    )


@pytest.mark.parametrize("method", [Asymmetric, OwnWay])
def test_every_pair_is_where_it_belongs(method: Any, recording: Any) -> None:
    progress, asked = recording(), method()
    labels = label(asked, PLAN, SIDES, MemoryShards(progress))
    assert list(labels.by_role) == ["q1", "q2", "q3", "q4", "q1u"]
    assert right(labels)
    for block in PLAN.blocks:
        pairs = labels.by_role[block.role]
        assert len(pairs) == block.n_pairs
        if block.columns is not None:
            places = block.helped[block.columns]
            wanted = {(i, j) for i, some in zip(block.helpers, places, strict=True) for j in some}
            assert set(zip(pairs.helper, pairs.helped, strict=True)) == wanted
        assert (pairs.helper.dtype, pairs.value.dtype) == (np.int64, np.float32)
    total = PLAN.training_pairs + PLAN.evaluation_pairs
    assert progress.done == {"label": total}
    assert labels.evaluation_pairs == PLAN.evaluation_pairs
    # Nothing is computed that is not wanted, and nothing twice.
    assert len(asked.asked) == len(set(asked.asked)) == total


@pytest.mark.parametrize(
    "fault", ["transposed", "one row late", "order of the targets", "helper and helped swapped"]
)
def test_a_planted_mistake_shows(fault: str) -> None:
    method = OwnWay()
    method.fault = fault
    assert not right(label(method, PLAN, SIDES, MemoryShards()))


def test_self_pairs_are_never_labelled() -> None:
    target = [Row(row.id.replace("-0", "-7"), row.prompt, row.response) for row in POOL[:50]]
    labels = label(Asymmetric(), PLAN, {"target": (POOL, target)}, MemoryShards())
    pairs = labels.everything
    assert right(labels)
    assert not (pairs.helper == pairs.helped).any()
    planned = PLAN.training_pairs + PLAN.evaluation_pairs
    assert 0 < planned - len(pairs) < 50


def test_helpers_with_the_same_targets_are_computed_together() -> None:
    calls: list[tuple[int, int]] = []

    class Watched(Asymmetric):
        def matrix(self, helpers: Any, helped: Any, progress: Any = None) -> np.ndarray:
            calls.append((len(helpers), len(helped)))
            return super().matrix(helpers, helped, progress)

    columns = np.array([[3, 1], [2, 2], [1, 3], [0, 4]])
    found = Watched().values_at(POOL[:4], TARGET[:5], columns)
    np.testing.assert_array_equal(found, 1000 * np.arange(4)[:, None] + columns)
    assert sorted(calls) == [(1, 1), (1, 2), (2, 2)]


def test_stored_shards_are_not_computed_again(tmp_path: Path, recording: Any) -> None:
    first, again = Asymmetric(), Asymmetric()
    one = label(first, PLAN, SIDES, FolderShards(tmp_path, recording()))
    shards = FolderShards(tmp_path, recording())
    two = label(again, PLAN, SIDES, shards)
    assert not again.asked
    assert shards.progress.done == {"label": len(first.asked)}  # type: ignore[attr-defined]
    np.testing.assert_array_equal(one.everything.value, two.everything.value)
    # Shards have about as many pairs as those of a block.
    q1 = PLAN.block("q1")
    assert q1 is not None
    assert len(list(tmp_path.glob("*.npy"))) >= q1.n_pairs / 40


def test_cancel_loses_at_most_the_shard_in_work(tmp_path: Path, recording: Any) -> None:
    first, again = Asymmetric(), Asymmetric()
    with pytest.raises(Cancelled):
        label(first, PLAN, SIDES, FolderShards(tmp_path, recording("label", 2)))
    label(again, PLAN, SIDES, FolderShards(tmp_path, recording()))
    assert 0 < len(first.asked) <= 80
    assert not set(first.asked) & set(again.asked)


def test_a_progress_is_told_what_was_stored(tmp_path: Path, recording: Any) -> None:
    class Telling(recording):  # type: ignore[misc]
        skipped = 0

        def skip(self, count: int) -> None:
            self.skipped += count

    label(Asymmetric(), PLAN, SIDES, FolderShards(tmp_path, recording()))
    some = sorted(tmp_path.glob("*.npy"))[:3]
    for path in some:
        path.unlink()
    progress, method = Telling(), Asymmetric()
    label(method, PLAN, SIDES, FolderShards(tmp_path, progress))
    assert progress.done == {"label": len(method.asked)}
    assert progress.skipped + len(method.asked) == PLAN.training_pairs + PLAN.evaluation_pairs


@pytest.mark.parametrize("change", ["one target of one row", "targets swapped", "text", "helper"])
def test_a_shard_belongs_to_each_rows_own_targets(
    tmp_path: Path, recording: Any, change: str
) -> None:
    """Also where all targets of the shard together stay the same."""
    helpers, targets = np.arange(8), np.array([[i, i + 8, i + 16] for i in range(8)])
    block, sides = sparse_block("q1", helpers, targets), dict(SIDES)
    label(Asymmetric(), LabelPlan((block,)), sides, FolderShards(tmp_path, recording()))
    if change == "one target of one row":
        targets[2, 1] = 40
    elif change == "targets swapped":
        targets[[2, 3]] = targets[[3, 2]]
    elif change == "text":
        other = Row(TARGET[10].id, "another prompt", "333")
        sides["target"] = POOL, [*TARGET[:10], other, *TARGET[11:]]
    else:
        helpers = np.array([0, 1, 20, 3, 4, 5, 6, 7])
    block, method = sparse_block("q1", helpers, targets), Asymmetric()
    found = label(method, LabelPlan((block,)), sides, FolderShards(tmp_path, recording()))
    assert method.asked
    values = dict(
        zip(
            zip(found.training.helper.tolist(), found.training.helped.tolist(), strict=True),
            found.training.value.tolist(),
            strict=True,
        )
    )
    pool, target = sides["target"]
    for (i, j), value in values.items():
        assert value == 1000 * int(pool[i].response) + int(target[j].response)


def test_a_name_without_the_rows_own_targets_would_be_stale(
    tmp_path: Path, recording: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: it does when a name holds the shard's targets as one set."""
    digest = values_module.digest

    def careless(*parts: Any) -> str:
        if len(parts) > 2 and parts[1] == "pairs":
            return digest(*parts[:2], sorted(text for part in parts[2:] for text in part))
        return digest(*parts)

    monkeypatch.setattr(values_module, "digest", careless)
    with pytest.raises(AssertionError):
        test_a_shard_belongs_to_each_rows_own_targets(tmp_path, recording, "targets swapped")


def test_an_infinite_value_is_refused() -> None:
    q1 = PLAN.block("q1")
    assert q1 is not None and q1.columns is not None
    bad = int(q1.helpers[4]), int(q1.helped[q1.columns[4, 1]])
    with pytest.raises(DataError) as caught:
        label(Asymmetric(bad), PLAN, SIDES, MemoryShards())
    assert POOL[bad[0]].id in caught.value.message
    assert TARGET[bad[1]].id in caught.value.message


def test_units_are_counted_by_pairs() -> None:
    block = RowBlock(POOL[:6], TARGET, np.zeros((6, 4), dtype=np.int64))
    assert block.n_pairs == 24
    assert Asymmetric().planned_units([block, (POOL[:2], TARGET[:3])]) == 30


def test_one_block_of_a_later_round(recording: Any) -> None:
    block = sparse_block("q1", np.array([7, 3]), np.array([[1, 2], [4, 0]]))
    progress = recording()
    pairs = label_block(Asymmetric(), block, SIDES, MemoryShards(progress))
    assert pairs.helper.tolist() == [3, 3, 7, 7]
    assert pairs.value.tolist() == [3000, 3004, 7001, 7002]
    assert progress.stages == [("label", 4, "pairs")]
    assert progress.done == {"label": 4}


def test_labels_of_spread_runs_are_stored_and_read(tmp_path: Path) -> None:
    labels = label(Asymmetric(), PLAN, SIDES, MemoryShards())
    labels.save(tmp_path / "labels.npy")
    read = Labels.load(tmp_path / "labels.npy")
    assert list(read.by_role) == ["q1", "q2", "q3", "q4", "q1u"]
    assert right(read)


def test_labels_of_older_runs_are_read(tmp_path: Path) -> None:
    """Written by versions that had four roles; the first had labels of X only."""
    kind = [("helper", "<i8"), ("helped", "<i8"), ("value", "<f4"), ("role", "<i1")]
    stored = [(4, 1, 0.5, 0), (5, 2, 0.75, 1), (6, 3, 1.0, 2), (7, 0, 1.5, 3)]
    save_array(tmp_path / "first.npy", np.array(stored, dtype=kind))
    matrix = [(*row, 0) for row in stored] + [(8, 9, 2.5, 0, 1)]
    save_array(tmp_path / "second.npy", np.array(matrix, dtype=[*kind, ("matrix", "<i1")]))
    for name in ("first", "second"):
        labels = Labels.load(tmp_path / f"{name}.npy")
        assert list(labels.by_role) == ["q1", "q2", "q3", "q4"]
        assert labels.by_role["q4"].helper.tolist() == [7]
        assert labels.everything.value.tolist() == [0.5, 0.75, 1.0, 1.5]
    assert labels.others["pool"]["q1"].value.tolist() == [2.5]
