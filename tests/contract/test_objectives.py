"""What every registered objective promises; an entry is tested by being registered."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nncift_core.errors import Cancelled, ConfigError, DataError
from nncift_core.progress import SilentProgress
from nncift_core.selection import OBJECTIVES, Matrices, maximise, reasons, scale, value

N_TRAIN, N_TARGET = 130, 11
NEEDS = {
    "target-matrix": "target",
    "pool-matrix": "pool",
    "existing-matrix": "existing",
    "row-scores": "row_scores",
}
IDS = [f"{row * 37 % N_TRAIN:04x}-0" for row in range(N_TRAIN)]
TARGET_IDS = [f"t{column}" for column in range(N_TARGET)]


def full_matrices(seed=0):
    draw = np.random.default_rng(seed)
    target = draw.random((N_TRAIN, N_TARGET), dtype=np.float32)
    return Matrices(
        target.mean(axis=1),
        target,
        draw.random((N_TRAIN, N_TRAIN), dtype=np.float32),
        draw.random((4, N_TRAIN), dtype=np.float32),
        target.max(axis=1),
    )


def only(matrices, needs):
    """The matrices an objective says it reads, and no others."""
    kept = {NEEDS[need]: getattr(matrices, NEEDS[need]) for need in needs}
    return Matrices(matrices.row_mean, **kept)


every = pytest.mark.parametrize("entry", OBJECTIVES, ids=lambda entry: entry.name)


def test_the_names_of_the_command_line():
    assert OBJECTIVES.names == [
        "fl",
        "fl-pool",
        "flmi",
        "flmi-query",
        "flcg",
        "coverage",
        "mix",
        "topk",
        "round-robin",
    ]


@every
def test_an_entry_tells_what_it_is_and_needs(entry):
    assert entry.title and entry.summary.endswith(".")
    assert entry.needs and entry.needs <= NEEDS.keys()


@every
def test_it_needs_no_more_than_it_says(entry):
    matrices = full_matrices()
    whole = maximise(entry.name, matrices, 60, row_ids=IDS)
    enough = maximise(entry.name, only(matrices, entry.needs), 60, row_ids=IDS)
    assert whole.order.tolist() == enough.order.tolist()
    assert whole.value == enough.value


@every
def test_it_reads_what_it_says(entry):
    """Another matrix in the place of any it needs changes the result."""
    matrices, other = full_matrices(), full_matrices(seed=1)
    plain = maximise(entry.name, matrices, 60, row_ids=IDS)
    for need in entry.needs:
        kept = {NEEDS[n]: getattr(matrices, NEEDS[n]) for n in entry.needs}
        kept[NEEDS[need]] = getattr(other, NEEDS[need])
        changed = maximise(entry.name, Matrices(matrices.row_mean, **kept), 60, row_ids=IDS)
        assert changed.order.tolist() != plain.order.tolist(), need


@every
def test_a_missing_matrix_is_named_in_one_sentence(entry):
    matrices = full_matrices()
    for need in entry.needs - {"row-scores"}:
        with pytest.raises(ConfigError, match=repr(entry.name)):
            maximise(entry.name, only(matrices, entry.needs - {need}), 5, row_ids=IDS)


@every
def test_the_same_input_gives_the_same_bytes(entry):
    first, second = (maximise(entry.name, full_matrices(), 90, row_ids=IDS) for _ in range(2))
    for field in ("order", "gain", "round", "newly_best", "gains_most"):
        assert getattr(first, field).tobytes() == getattr(second, field).tobytes()
    assert first.value == second.value


@every
def test_the_result_has_its_shapes_and_types(entry):
    found = maximise(entry.name, full_matrices(), 25, row_ids=IDS)
    assert found.objective == entry.name and len(found) == 25 and found.exact
    assert found.order.dtype == np.int64 and found.gain.dtype == np.float64
    assert found.round.dtype == np.int32 and found.round.min() == 1
    for field in ("order", "gain", "round", "newly_best", "gains_most"):
        assert getattr(found, field).shape == (25,)


@every
def test_read_only_memory_maps_are_left_as_they_are(entry, tmp_path):
    matrices = full_matrices()
    mapped = {}
    for need in entry.needs:
        name = NEEDS[need]
        np.save(tmp_path / f"{name}.npy", getattr(matrices, name))
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    expected = maximise(entry.name, matrices, 60, row_ids=IDS)
    found = maximise(entry.name, Matrices(matrices.row_mean, **mapped), 60, row_ids=IDS)
    assert found.order.tolist() == expected.order.tolist()


@every
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_equal_entries_everywhere_end_in_tie_order(entry, level):
    """All zero or all alike: no endless loop; higher row mean first, then the smaller id."""
    same = np.full((N_TRAIN, N_TARGET), level, dtype=np.float32)
    wide = np.full((N_TRAIN, N_TRAIN), level, dtype=np.float32)
    mean = np.where(np.arange(N_TRAIN) % 2, 0.25, np.nan)
    matrices = Matrices(mean, same, wide, wide[:3] * 0, np.zeros(N_TRAIN))
    found = maximise(entry.name, matrices, N_TRAIN, row_ids=IDS)
    by_tie = sorted(range(N_TRAIN), key=lambda row: (row % 2 == 0, IDS[row]))
    assert found.order.tolist() == by_tie
    if level == 0.0 and found.saturated_at is not None:
        assert found.saturated_at == 0
        assert set(found.round.tolist()) == {2}
        assert set(found.gain.tolist()) == {0.0}


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(entry, bad):
    matrices = full_matrices()
    name = "row_scores" if entry.name == "topk" else "target"
    if entry.name in ("fl-pool", "flcg"):
        name = "pool"
    getattr(matrices, name)[3] = bad
    with pytest.raises(DataError, match="row 4"):
        maximise(entry.name, matrices, N_TRAIN, row_ids=IDS)


def test_an_existing_set_with_values_that_are_not_finite_is_refused():
    matrices = full_matrices()
    matrices.existing[1, 6] = np.nan
    with pytest.raises(DataError, match="row 7"):
        maximise("flcg", matrices, 5, row_ids=IDS)


class Counting(SilentProgress):
    def __init__(self, stop_after=None):
        self.done, self.calls, self.stop_after = 0, 0, stop_after

    def advance(self, count=1):
        self.done += count
        self.calls += 1
        if self.stop_after is not None and self.done >= self.stop_after:
            raise Cancelled()


@every
def test_progress_counts_every_pick_and_can_stop(entry):
    progress = Counting()
    maximise(entry.name, full_matrices(), 125, row_ids=IDS, progress=progress)
    assert progress.done == 125
    with pytest.raises(Cancelled):
        maximise(entry.name, full_matrices(), 125, row_ids=IDS, progress=Counting(1))


@every
@pytest.mark.parametrize("budget", [0, -1, N_TRAIN + 1])
def test_a_budget_outside_the_pool_is_refused(entry, budget):
    with pytest.raises(ConfigError, match=str(budget)):
        maximise(entry.name, full_matrices(), budget, row_ids=IDS)


@every
def test_each_pick_has_a_reason_in_words(entry):
    found = maximise(entry.name, full_matrices(), N_TRAIN, row_ids=IDS)
    words = reasons(found, row_ids=IDS, target_ids=TARGET_IDS)
    assert len(words) == N_TRAIN
    assert all(text and "nan" not in text and "-1" not in text.split() for text in words)
    if entry.name == "fl":
        assert words[0].startswith(f"covers {N_TARGET} targets best; most: t")


def test_reasons_count_what_the_pick_covers_best():
    target = np.array([[0.9, 0.1, 0.2], [0.2, 0.8, 0.3], [0.0, 0.1, 0.9]], dtype=np.float32)
    found = maximise("fl", Matrices(target.mean(axis=1), target), 3, row_ids=["a", "b", "c"])
    words = reasons(found, row_ids=["a", "b", "c"], target_ids=["x", "y", "z"])
    assert found.order.tolist() == [1, 0, 2]
    assert words == [
        "covers 3 targets best; most: y",
        "covers 1 target best; most: x",
        "covers 1 target best; most: z",
    ]


def test_round_robin_names_the_subtask():
    matrices = full_matrices()
    subtasks = ["sums" if column % 2 else "dates" for column in range(N_TARGET)]
    named = Matrices(matrices.row_mean, matrices.target, subtasks=subtasks)
    found = maximise("round-robin", named, 4, row_ids=IDS)
    words = reasons(found, row_ids=IDS, target_ids=TARGET_IDS, subtasks=subtasks)
    assert words[0].startswith("best remaining row for subtask dates: ")
    assert words[3].startswith("best remaining row for subtask sums: ")


def test_an_unknown_objective_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'flmi'"):
        maximise("flmy", full_matrices(), 5, row_ids=IDS)
    with pytest.raises(ConfigError, match="Unknown objective"):
        value("best", full_matrices(), [0])


def test_wrong_shapes_are_our_own_fault():
    matrices = full_matrices()
    with pytest.raises(ValueError, match="existing has shape"):
        Matrices(matrices.row_mean, matrices.target, matrices.pool, matrices.target)
    with pytest.raises(ValueError, match="3 row ids"):
        maximise("fl", matrices, 5, row_ids=["a", "b", "c"])


@pytest.mark.parametrize(("lo", "hi"), [(0.5, 0.5), (1.0, 0.0), (np.nan, 1.0)])
def test_a_scale_without_width_is_refused(lo, hi):
    with pytest.raises(DataError, match="cannot be scaled"):
        scale(np.zeros((2, 2), np.float32), lo, hi)


def test_listing_objectives_does_not_import_torch():
    code = "import sys, nncift_core.selection; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "False"
