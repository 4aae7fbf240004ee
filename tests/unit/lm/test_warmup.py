"""The warm-up beside its values: which rows, which rates, checkpoints, going on after a stop."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nncift_core.config import LanguageModelConfig, LessConfig
from nncift_core.errors import Cancelled, ModelError, WorkspaceError
from nncift_core.lm.features import GradientFeatures
from nncift_core.lm.gradients import tokenize
from nncift_core.lm.loading import LanguageModel, open_model
from nncift_core.lm.lora import Adapter
from nncift_core.lm.warmup import Checkpoint, draw_warmup_rows, learning_rate
from nncift_core.types import Row
from tests.tiny_lm import make_rows

SETTINGS = LessConfig(
    epochs=3, learning_rate=1e-3, batch_rows=4, rank=4, alpha=16.0, dropout=0.2, dimensions=64
)


def nothing() -> None:
    """Looks at nobody."""


@pytest.fixture(scope="module")
def language_model(tiny_models: dict[str, Path]) -> LanguageModel:
    return open_model(LanguageModelConfig(model=str(tiny_models["llama"]), device="cpu"))


@pytest.fixture(scope="module")
def rows(tiny_models: dict[str, Path]) -> list[Row]:
    return make_rows(tiny_models["llama"], 10)


@pytest.fixture
def features(language_model: LanguageModel) -> Iterator[GradientFeatures]:
    adapter = Adapter(language_model.model, SETTINGS, 0)
    yield GradientFeatures(language_model, adapter, SETTINGS, 0)
    adapter.remove()


def same(left: Checkpoint, right: Checkpoint) -> bool:
    return left.steps == right.steps and all(
        torch.equal(getattr(left, part)[name], tensor)
        for part in ("weights", "exp_avg", "exp_avg_sq")
        for name, tensor in getattr(right, part).items()
    )


# Rows


def pool(count: int) -> list[Row]:
    return [Row(f"{number:016x}-0", f"p{number}", "r") for number in range(count)]


@pytest.mark.parametrize(
    ("n_train", "share", "expected"),
    [
        (10, 0.05, 10),
        (64, 0.05, 64),
        (100, 0.05, 64),
        (1279, 0.05, 64),
        (2000, 0.05, 100),
        (100, 1.0, 100),
        (100, 0.7, 70),
    ],
)
def test_the_share_is_drawn_but_at_least_64(n_train: int, share: float, expected: int) -> None:
    rows = pool(n_train)
    drawn = draw_warmup_rows(rows, share, seed=0)
    assert len(drawn) == len(set(drawn)) == expected
    assert drawn == draw_warmup_rows(rows, share, seed=0)
    # In pool order, but not the pool's beginning.
    assert drawn == [row for row in rows if row in set(drawn)]
    if expected < n_train:
        assert drawn != rows[:expected]
        assert drawn != draw_warmup_rows(rows, share, seed=1)


def test_every_row_is_drawn_as_often_as_any_other() -> None:
    rows = pool(128)
    counts = dict.fromkeys(rows, 0)
    for seed in range(200):
        for row in draw_warmup_rows(rows, 0.05, seed):
            counts[row] += 1
    assert 70 < min(counts.values()) and max(counts.values()) < 130


# Learning rate


def test_the_rate_falls_in_a_line_to_zero() -> None:
    rates = [learning_rate(2e-5, step, 8) for step in range(9)]
    assert rates[0] == 2e-5 and rates[-1] == 0
    steps = [before - after for before, after in itertools.pairwise(rates)]
    assert steps == pytest.approx([2e-5 / 8] * 8)


# Checkpoints


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    names = ("model.layers.0.q.lora_A", "model.layers.0.q.lora_B")
    parts = [{name: torch.randn(3, 4) for name in names} for _ in range(3)]
    checkpoint = Checkpoint(*parts, steps=17)
    path = tmp_path / "one.safetensors"
    assert not Checkpoint.is_stored(path)
    checkpoint.save(path)
    assert Checkpoint.is_stored(path)
    assert same(Checkpoint.load(path), checkpoint)
    # By name, in a file that anything can read and nothing can run.
    assert f"exp_avg_sq:{names[1]}" in load_file(path)
    assert [part.name for part in tmp_path.iterdir()] == ["one.safetensors"]


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_a_broken_checkpoint_is_told(tmp_path: Path, size: int) -> None:
    path = tmp_path / "one.safetensors"
    parts = [{"w": torch.randn(8, 8)} for _ in range(3)]
    Checkpoint(*parts, steps=1).save(path)
    path.write_bytes(path.read_bytes()[:size])
    assert not Checkpoint.is_stored(path)
    with pytest.raises(WorkspaceError, match="not a complete checkpoint"):
        Checkpoint.load(path)


# Training


def test_going_on_from_a_stored_checkpoint_gives_the_same_bits(
    features: GradientFeatures, rows: list[Row], tmp_path: Path
) -> None:
    unbroken: Checkpoint | None = None
    stored: list[Path] = []
    records = []
    for epoch in range(3):
        unbroken, record = features.train(rows, epoch, unbroken, nothing)
        records.append(record)
        stored.append(tmp_path / f"{epoch}.safetensors")
        unbroken.save(stored[-1])
    assert unbroken is not None
    # Random numbers of others and what the adapter holds meanwhile do not matter.
    torch.manual_seed(99)
    features.use(0, lambda: Checkpoint.load(stored[0]))
    features.feature(rows[0], "helper")
    again, record = features.train(rows, 2, Checkpoint.load(stored[1]), nothing)
    assert same(again, unbroken)
    assert (record == records[2]).all()
    first, _ = features.train(rows, 0, None, nothing)
    assert same(first, Checkpoint.load(stored[0]))
    # Learning rates fall, all rows count once an epoch, and the loss falls.
    assert [record.shape for record in records] == [(3, 3)] * 3
    assert all(record[:, 2].tolist() == [4, 4, 2] for record in records)
    rates = [rate for record in records for rate in record[:, 0].tolist()]
    assert rates == pytest.approx([1e-3 * (9 - step) / 9 for step in range(9)])
    losses = [float((record[:, 1] * record[:, 2]).sum() / 10) for record in records]
    assert losses[2] < losses[0]


def test_epochs_have_orders_and_dropout_of_their_own(
    features: GradientFeatures, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, float]] = []
    gradients = features.gradients.__class__.__call__

    def watched(self: Any, tokens: Any) -> Any:
        found = gradients(self, tokens)
        seen.append((tokens, found[0]))
        return found

    monkeypatch.setattr(features.gradients.__class__, "__call__", watched)
    before = None
    for epoch in range(2):
        before, _ = features.train(rows, epoch, before, nothing)
    first, second = ([tokens for tokens, _ in part] for part in (seen[:10], seen[10:]))
    assert sorted(first) == sorted(second) and first != second
    # The first batch of the first epoch sees fresh weights: B is 0, so dropout does nothing.
    without = features.gradients(seen[0][0])[1]
    assert any(gradient.any() for gradient in without.values())


def test_rows_that_do_not_fit_are_left_out(features: GradientFeatures, rows: list[Row]) -> None:
    long = Row("long-0", "a word " * 200, "yes")
    assert features.tokens(long) is None
    checkpoint, record = features.train([long, *rows[:5]], 0, None, nothing)
    expected, _ = features.train(rows[:5], 0, None, nothing)
    assert record[:, 2].sum() == 5
    assert same(checkpoint, expected)
    with pytest.raises(ModelError, match=r"None of the 1 warm-up rows fits.*256 tokens"):
        features.train([long], 0, None, nothing)


def test_a_batch_counts_rows_alike_however_long_they_are(
    language_model: LanguageModel, rows: list[Row]
) -> None:
    """Mean of row means: the moments after one step are those of the mean of row gradients."""
    still = dataclasses.replace(SETTINGS, dropout=0.0)
    adapter = Adapter(language_model.model, still, 0)
    features = GradientFeatures(language_model, adapter, still, 0)
    tokens = [tokenize(language_model.prompter, row) for row in rows[:3]]
    assert len({row.n_response for row in tokens}) > 1
    found = [features.gradients(row) for row in tokens]
    checkpoint, record = features.train(rows[:3], 0, None, nothing)
    adapter.remove()
    assert record[0] == pytest.approx([1e-3, sum(loss for loss, _ in found) / 3, 3], rel=1e-5)
    for name, moment in checkpoint.exp_avg.items():
        mean = sum((gradient[name] for _, gradient in found), torch.zeros(())) / 3
        torch.testing.assert_close(moment, 0.1 * mean, rtol=1e-4, atol=1e-7)


def test_it_can_be_cancelled_after_any_row(features: GradientFeatures, rows: list[Row]) -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 6:
            raise Cancelled

    with pytest.raises(Cancelled):
        features.train(rows, 0, None, look)
    assert looks == 6


def test_a_loss_that_is_no_number_is_named(
    features: GradientFeatures, rows: list[Row], language_model: LanguageModel
) -> None:
    weight = language_model.model.get_output_embeddings().weight
    kept = weight.data.clone()
    try:
        weight.data.fill_(float("nan"))
        with pytest.raises(ModelError, match="loss that is not a number"):
            features.train(rows[:2], 0, None, nothing)
    finally:
        weight.data.copy_(kept)


def test_memory_that_runs_out_is_told_with_advice(
    features: GradientFeatures, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(torch.autograd, "grad", full)
    with pytest.raises(ModelError, match=r"gradient of a row of \d+ tokens.*quantization nf4"):
        features.probe(rows)
    with pytest.raises(ModelError, match="gradient of a row"):
        features.feature(rows[0], "helped")


def test_the_probe_takes_the_longest_row_that_fits(
    features: GradientFeatures, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(features, "gradients", _Watching(features.gradients, seen))
    long = Row("long-0", "a word " * 200, "yes")
    features.probe([rows[0], long, *rows[1:]])
    (tokens,) = seen
    lengths = {len(row.prompt) + len(row.response): row for row in rows}
    assert tokens == features.tokens(lengths[max(lengths)])
    features.probe([long])
    assert len(seen) == 1


class _Watching:
    def __init__(self, gradients: Any, seen: list[Any]) -> None:
        self._gradients, self._seen = gradients, seen
        self.fits = gradients.fits

    def __call__(self, tokens: Any) -> Any:
        self._seen.append(tokens)
        return self._gradients(tokens)
