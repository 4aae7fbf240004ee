"""LESS beside its values: shards, resume, cancel, counts, rows without a label."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nncift_core.config import LanguageModelConfig, LessConfig
from nncift_core.errors import Cancelled, ConfigError, ModelError
from nncift_core.influence import create, gradient_shards, less, model_access
from nncift_core.influence.less import Less
from nncift_core.influence.shards import FolderShards, MemoryShards, PilotDone
from nncift_core.lm.devices import LOCKS_VARIABLE
from nncift_core.lm.features import GradientFeatures
from nncift_core.lm.gradients import RowGradients, tokenize
from nncift_core.lm.loading import LanguageModel, open_model
from nncift_core.progress import SilentProgress
from nncift_core.types import Row
from tests.tiny_lm import make_rows, make_tiny_model

SETTINGS = LessConfig(epochs=2, learning_rate=1e-3, batch_rows=4, rank=4, alpha=16.0, dimensions=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    return open_model(LanguageModelConfig(model=str(folder), device="cpu"))


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[Row]:
    return make_rows(folder, 12)


@pytest.fixture(autouse=True)
def locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(LOCKS_VARIABLE, str(tmp_path / "locks"))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """One entry a gradient that is computed."""
    done: list[int] = []
    call = RowGradients.__call__

    def counting(self: Any, tokens: Any) -> Any:
        done.append(len(tokens.ids))
        return call(self, tokens)

    monkeypatch.setattr(RowGradients, "__call__", counting)
    yield done


def make(model: Any, rows: list[Row], **changes: Any) -> Less:
    settings = dataclasses.replace(SETTINGS, **changes)
    made = create("less", model=model, settings=settings, pool=rows)
    assert isinstance(made, Less)
    return made


@pytest.fixture(scope="module")
def expected(model: LanguageModel, rows: list[Row], tmp_path_factory: Any) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LOCKS_VARIABLE, str(tmp_path_factory.mktemp("locks")))
        return make(model, rows).matrix(rows[:5], rows[5:9])


# Identity and cost


def test_the_identity_names_what_values_depend_on(
    folder: Path, model: LanguageModel, rows: list[Row]
) -> None:
    identity = make(model, rows).identity
    assert make(str(folder), rows).identity == identity
    assert make(LanguageModelConfig(model=str(folder), memory_mb=100), rows).identity == identity
    others = [
        make(model, rows, rank=8).identity,
        make(model, rows, dimensions=128).identity,
        make(model, rows, learning_rate=2e-3).identity,
        make(model, rows[1:]).identity,
        create("less", model=model, settings=SETTINGS, pool=rows, seed=1).identity,
        make(LanguageModelConfig(model=str(folder), context=100), rows).identity,
    ]
    assert len({identity, *others}) == 7


def test_building_it_opens_and_reads_nothing(
    monkeypatch: pytest.MonkeyPatch, folder: Path, rows: list[Row]
) -> None:
    def never(settings: LanguageModelConfig) -> LanguageModel:
        raise AssertionError(settings)

    monkeypatch.setattr(model_access, "open_model", never)
    made = make(str(folder), rows)
    assert len(made.identity) == 16 and made.unit == "gradients"
    assert made.notes() == []
    assert make("/nowhere/at/all", rows).notes() == []
    with pytest.raises(ModelError, match=r"/nowhere/at/all"):
        _ = make("/nowhere/at/all", rows).identity


def test_it_needs_a_pool(model: LanguageModel, rows: list[Row]) -> None:
    with pytest.raises(ConfigError, match=r"training pool.*pool=rows"):
        make(model, []).matrix(rows[:2], rows[2:4])


def test_gradients_are_counted_by_row_side_and_checkpoint(
    model: LanguageModel, rows: list[Row], counted: list[int], recording: Any
) -> None:
    # Rows of equal texts are computed once, whatever their ids; row 4 is on both sides.
    twin = dataclasses.replace(rows[0], id="twin-1")
    blocks = [([*rows[:3], twin], rows[4:6]), (rows[4:5], rows[5:7])]
    made = make(model, rows)
    planned = made.planned_units(blocks)
    assert planned == 2 * (12 + 4 + 3)
    progress = recording()
    progress.stage("label", planned, "gradients")
    made.prepare(blocks, MemoryShards(progress))
    assert len(counted) == planned == progress.done["label"]
    # All pairs of rows that have gradients are free.
    made.matrix([*rows[:3], rows[4]], rows[4:7])
    assert len(counted) == planned
    assert made.planned_units([]) == 2 * 12


def test_a_shard_of_values_holds_many_pairs() -> None:
    made = Less()
    assert made.shard_rows(5000) == 838
    assert made.shard_rows(0) >= 1 and made.shard_rows(10**9) == 1


# Shards


def test_stored_parts_are_not_computed_again(
    folder: Path,
    model: LanguageModel,
    rows: list[Row],
    expected: np.ndarray,
    counted: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks = [(rows[:5], rows[5:9])]
    first = make(model, rows)
    first.prepare(blocks, FolderShards(tmp_path, SilentProgress()))
    assert np.array_equal(first.matrix(rows[:5], rows[5:9]), expected)
    assert len(counted) == 2 * (12 + 5 + 4)
    counted.clear()

    def never(settings: LanguageModelConfig) -> LanguageModel:
        raise AssertionError("the model was opened")

    monkeypatch.setattr(model_access, "open_model", never)
    second = make(str(folder), rows)
    second.prepare(blocks, FolderShards(tmp_path, SilentProgress()))
    assert np.array_equal(second.matrix(rows[:5], rows[5:9]), expected)
    assert not counted
    assert not list(tmp_path.glob("*.pt")) and not list(tmp_path.glob("*.pkl"))


def test_features_are_read_back_when_memory_is_short(
    model: LanguageModel,
    rows: list[Row],
    expected: np.ndarray,
    counted: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gradient_shards, "KEPT_BYTES", 1000)
    monkeypatch.setattr(gradient_shards, "CHUNK_ROWS", 2)
    monkeypatch.setattr(less, "BLOCK_ROWS", 3)
    made = make(model, rows)
    made.prepare([(rows[:5], rows[5:9])], FolderShards(tmp_path, SilentProgress()))
    done = len(counted)
    assert np.array_equal(made.matrix(rows[:5], rows[5:9]), expected)
    assert len(counted) == done
    assert len(made._gradients._kept) <= 2


@pytest.mark.parametrize("stop", [3, 13, 26, 30, 38])
def test_a_stop_anywhere_and_going_on_gives_the_same(
    model: LanguageModel,
    rows: list[Row],
    expected: np.ndarray,
    counted: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: int,
) -> None:
    """As after kill -9: whatever is in memory is gone, whatever is stored is whole."""
    monkeypatch.setattr(gradient_shards, "CHUNK_ROWS", 2)
    blocks = [(rows[:5], rows[5:9])]

    class Stops(SilentProgress):
        looks = 0

        def advance(self, count: int = 1) -> None:
            self.looks += count == 0
            if self.looks == stop:
                raise Cancelled

    with pytest.raises(Cancelled):
        make(model, rows).prepare(blocks, FolderShards(tmp_path, Stops()))
    done = len(counted)
    assert done == stop
    again = make(model, rows)
    again.prepare(blocks, FolderShards(tmp_path, SilentProgress()))
    assert np.array_equal(again.matrix(rows[:5], rows[5:9]), expected)
    # At most an epoch of the warm-up, or a shard of features, was lost.
    lost = len(counted) - 2 * (12 + 5 + 4)
    assert 0 <= lost <= (12 if stop < 24 else 2)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_spoilt_checkpoint_is_trained_again(
    model: LanguageModel,
    rows: list[Row],
    expected: np.ndarray,
    counted: list[int],
    tmp_path: Path,
    epoch: int,
) -> None:
    blocks = [(rows[:5], rows[5:9])]
    make(model, rows).prepare(blocks, FolderShards(tmp_path, SilentProgress()))
    (path,) = tmp_path.glob(f"less-checkpoint-{epoch}-*")
    whole = path.read_bytes()
    path.write_bytes(whole[:500])
    for feature in tmp_path.glob("less-help*"):
        feature.unlink()
    counted.clear()
    again = make(model, rows)
    again.prepare(blocks, FolderShards(tmp_path, SilentProgress()))
    assert path.read_bytes() == whole
    assert np.array_equal(again.matrix(rows[:5], rows[5:9]), expected)
    assert len(counted) == 12 + 2 * 9


def test_a_pilot_tells_the_rate_and_keeps_what_it_did(
    model: LanguageModel, rows: list[Row], counted: list[int], tmp_path: Path
) -> None:
    blocks = [(rows[:5], rows[5:9])]
    pilot = FolderShards(tmp_path, SilentProgress(), pilot_seconds=0.0)
    with pytest.raises(PilotDone):
        make(model, rows).prepare(blocks, pilot)
    assert pilot.computed_units == 12 == len(counted) and pilot.computed_seconds > 0
    make(model, rows).prepare(blocks, FolderShards(tmp_path, SilentProgress()))
    assert len(counted) == make(model, rows).planned_units(blocks)


def test_it_can_be_cancelled_among_pairs(
    model: LanguageModel, rows: list[Row], recording: Any
) -> None:
    made = make(model, rows)
    made.matrix(rows[:2], rows[2:4])
    progress = recording(cancel_in="pairs")
    progress.stage("pairs", 4, "pairs")
    with pytest.raises(Cancelled):
        made.matrix(rows[:2], rows[2:4], progress)


# Values


def test_a_value_does_not_depend_on_the_others(
    model: LanguageModel, rows: list[Row], expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(model, rows)
    assert np.array_equal(made.matrix(rows[3:4], rows[7:8]), expected[3:4, 2:3])
    monkeypatch.setattr(less, "BLOCK_ROWS", 2)
    assert np.array_equal(made.matrix(rows[:5], rows[5:9]), expected)
    source = made.source(rows[:5], rows[5:9])
    assert (source.n_train, source.n_target) == (5, 4)
    assert np.array_equal(source.block(1, 3), expected[1:3])
    assert made.matrix([], rows[:3]).shape == (0, 3)
    assert made.matrix(rows[:3], []).shape == (3, 0)
    assert np.abs(expected).max() <= 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same(folder: Path, rows: list[Row], expected: np.ndarray) -> None:
    """Order, dropout, first weights and sketch are the same; only rounding differs."""
    settings = LanguageModelConfig(model=str(folder), device="cuda", dtype="float32")
    found = make(settings, rows).matrix(rows[:5], rows[5:9])
    assert np.abs(found - expected).max() <= 1e-3


def test_rows_longer_than_the_context_have_no_label(model: LanguageModel, rows: list[Row]) -> None:
    shorter = dataclasses.replace(model, context=48)
    lengths = {row.id: len(tokenize(model.prompter, row).ids) for row in rows}
    assert min(lengths.values()) <= 48 < max(lengths.values())
    found = make(shorter, rows)
    values = found.matrix(rows, rows)
    misfit = np.array([lengths[row.id] > 48 for row in rows])
    assert (np.isnan(values) == (misfit[:, None] | misfit[None, :])).all()
    notes = found.notes()
    count = int(misfit.sum())
    assert any(f"warm-up left out {count} of its 12 rows" in note for note in notes)
    (without,) = [note for note in notes if note.startswith("Without a label, longer")]
    assert next(row.id for row, long in zip(rows, misfit, strict=True) if long) in without


def test_a_gradient_of_zero_has_no_direction(
    model: LanguageModel, rows: list[Row], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    call = RowGradients.__call__

    def flat(self: Any, tokens: Any) -> Any:
        loss, gradient = call(self, tokens)
        if tokens == tokenized:
            gradient = {name: torch.zeros_like(part) for name, part in gradient.items()}
        return loss, gradient

    tokenized = tokenize(model.prompter, rows[1])
    monkeypatch.setattr(RowGradients, "__call__", flat)
    for _ in range(2):  # computed, then stored
        made = make(model, rows)
        made.prepare([(rows[:3], rows[:3])], FolderShards(tmp_path, SilentProgress()))
        values = made.matrix(rows[:3], rows[:3])
        # As a helper it still has Adam's momentum.
        assert np.isnan(values).tolist() == [[False, True, False]] * 3
        assert made.notes()[-1] == (
            f"Without a label, since their gradient is exactly zero: row {rows[1].id}."
        )


def test_a_gradient_that_is_not_finite_stops_the_work(
    model: LanguageModel, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(model, rows)
    made.matrix(rows[:1], rows[1:2])
    call = RowGradients.__call__

    def broken(self: Any, tokens: Any) -> Any:
        loss, gradient = call(self, tokens)
        next(iter(gradient.values()))[0] = float("inf")
        return loss, gradient

    monkeypatch.setattr(RowGradients, "__call__", broken)
    with pytest.raises(ModelError, match=rf"not finite \(row {rows[2].id}\)"):
        made.matrix(rows[2:3], rows[1:2])


def test_the_model_is_given_back_as_it_was(model: LanguageModel, rows: list[Row]) -> None:
    ids = torch.tensor([[5, 9, 70]])
    with torch.no_grad():
        before = model.model(ids).logits
    made = make(model, rows)
    made.matrix(rows[:2], rows[2:4])
    with pytest.raises(ConfigError, match="no linear layer 'nothing'"):
        make(model, rows, modules="nothing").matrix(rows[:2], rows[2:4])
    with torch.no_grad():
        assert torch.equal(model.model(ids).logits, before)
    assert not any(weight.requires_grad for weight in model.model.parameters())
    assert not any("lora" in name for name, _ in model.model.named_modules())


def test_the_longest_row_is_tried_first_where_memory_is_told(
    model: LanguageModel, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    probed: list[int] = []
    monkeypatch.setattr(GradientFeatures, "probe", lambda self, rows: probed.append(len(rows)))
    make(model, rows).matrix(rows[:2], rows[2:5])
    assert not probed
    monkeypatch.setattr(less, "PROBED_DEVICES", ("cpu",))
    make(model, rows).matrix(rows[:2], rows[2:5])
    assert probed == [12 + 2 + 3]
