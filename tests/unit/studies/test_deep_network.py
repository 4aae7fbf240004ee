"""Networks of several layers against plain concatenation, and the published network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nncift_core.errors import Cancelled
from nncift_core.network.estimators import Task
from nncift_core.network.learned import Paper
from nncift_core.network.scale import LabelScale
from nncift_core.network.training import TrainingSettings
from nncift_core.progress import SilentProgress
from nncift_core.studies import deep_network
from nncift_core.studies.deep_network import DeepNetwork, predict_deep, train_deep
from nncift_core.types import FloatArray, IndexArray, Pairs

D, N_TRAIN, N_TARGET = 6, 30, 20
SHORT = TrainingSettings(epochs=3, learning_rate=1e-3, batch_pairs=16)


@pytest.fixture
def sides(unit_vectors: Any) -> tuple[FloatArray, FloatArray]:
    return unit_vectors(N_TRAIN, D, 1), unit_vectors(N_TARGET, D, 2)


def some_pairs(count: int, seed: int = 0) -> Pairs:
    rng = np.random.default_rng(seed)
    i: IndexArray = rng.integers(N_TRAIN, size=count)
    j: IndexArray = rng.integers(N_TARGET, size=count)
    return Pairs(i, j, rng.standard_normal(count).astype(np.float32))


def concatenated(shape: tuple[int, ...], sides: tuple[int, int], seed: int) -> torch.nn.Sequential:
    """The same network as it is described: layers of PyTorch on concatenated pairs."""
    torch.manual_seed(seed)
    widths = (sum(sides), *shape)
    layers: list[torch.nn.Module] = []
    for inputs, outputs in zip(widths, shape, strict=False):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(shape[-1], 1))


def slow_predictions(network: torch.nn.Module, sides: Any, pairs: Pairs) -> FloatArray:
    both = np.concatenate([sides[0][pairs.helper], sides[1][pairs.helped]], axis=1)
    with torch.no_grad():
        found: FloatArray = network(torch.from_numpy(both)).squeeze(1).numpy()
    return found


@pytest.mark.parametrize("shape", [(7,), (9, 4), (40, 30, 20, 15, 12)])
@pytest.mark.parametrize("chunk", [1 << 24, 40])
def test_halves_equal_concatenation(
    shape: tuple[int, ...], chunk: int, sides: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep_network, "PREDICTED_NUMBERS", chunk)  # 40: a pair at a time
    slow = concatenated(shape, (D, D), 3)
    torch.manual_seed(3)
    network = DeepNetwork(shape, D, D).eval()
    pairs = some_pairs(50)
    expected = slow_predictions(slow, sides, pairs)
    np.testing.assert_allclose(predict_deep(network, *sides, pairs), expected, atol=1e-6)
    # The classic mistake: halves the wrong way round.
    swapped = slow_predictions(slow, sides[::-1], Pairs(pairs.helped, pairs.helper, pairs.value))
    assert np.abs(swapped - expected).max() > 1e-4
    helpers, helped = (torch.from_numpy(side) for side in sides)
    with torch.no_grad():
        forward = network(
            helpers, helped, torch.from_numpy(pairs.helper), torch.from_numpy(pairs.helped)
        )
    np.testing.assert_allclose(forward.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(9, 4), (7,)])
def test_training_equals_plain_training_of_the_concatenation(
    shape: tuple[int, ...], sides: Any
) -> None:
    training = some_pairs(70)
    network = train_deep(shape, *sides, training, 5, SilentProgress(), SHORT)
    slow = concatenated(shape, (D, D), 5)
    lo, hi = training.value.min(), training.value.max()
    target = torch.from_numpy((training.value - lo) / (hi - lo))
    both = torch.from_numpy(
        np.concatenate([sides[0][training.helper], sides[1][training.helped]], axis=1)
    )
    order = torch.Generator().manual_seed(5)
    optimizer = torch.optim.Adam(slow.parameters(), lr=SHORT.learning_rate)
    for _ in range(SHORT.epochs):
        for batch in torch.randperm(70, generator=order).split(SHORT.batch_pairs):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(slow(both[batch]).squeeze(1), target[batch]).backward()
            optimizer.step()
    pairs = some_pairs(40, 9)
    expected = slow_predictions(slow, sides, pairs)
    np.testing.assert_allclose(predict_deep(network, *sides, pairs), expected, atol=2e-5)


def test_one_layer_of_100_is_the_published_network(sides: Any) -> None:
    training = some_pairs(64)
    ours = train_deep((100,), *sides, training, 5, SilentProgress())
    task = Task(*sides, D, LabelScale.of(training).scaled(training), 5)
    theirs = Paper.fit(task)
    pairs = some_pairs(40, 9)
    expected = theirs.predict(*sides, pairs)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(predict_deep(ours, *sides, pairs), expected, atol=1e-5)
    assert ours.parameter_count == theirs.parameters


def test_same_seed_same_bytes_and_nothing_outside_changes(sides: Any) -> None:
    def once(seed: int) -> list[bytes]:
        torch.manual_seed(np.random.default_rng().integers(1000))
        network = train_deep((9, 4), *sides, some_pairs(40), seed, SilentProgress(), SHORT)
        return [parameter.detach().numpy().tobytes() for parameter in network.parameters()]

    threads = torch.get_num_threads()
    torch.manual_seed(0)
    expected = torch.rand(1)
    assert once(1) == once(1) != once(2)
    torch.manual_seed(0)
    train_deep((9, 4), *sides, some_pairs(40), 1, SilentProgress(), SHORT)
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads


def test_single_rows_have_no_second_side(unit_vectors: Any) -> None:
    rows, none = unit_vectors(N_TRAIN, D, 1), np.empty((1, 0), dtype=np.float32)
    positions = np.arange(20, dtype=np.int64)
    values = rows[:20, 0].copy()
    training = Pairs(positions, np.zeros(20, dtype=np.int64), values)
    settings = TrainingSettings(epochs=200, learning_rate=1e-2, batch_pairs=8)
    network = train_deep((20, 10), rows, none, training, 0, SilentProgress(), settings)
    scaled = (values - values.min()) / (values.max() - values.min())
    assert np.mean((predict_deep(network, rows, none, training) - scaled) ** 2) < 0.01


def test_a_cancel_ends_training_within_an_epoch(sides: Any, recording: Any) -> None:
    progress = recording(cancel_in="train", cancel_after=2)
    progress.stage("train", SHORT.epochs, "epochs")
    with pytest.raises(Cancelled):
        train_deep((9, 4), *sides, some_pairs(64), 1, progress, SHORT)
    assert progress.done["train"] == 0


def test_small_networks_get_one_thread_and_large_ones_all(
    sides: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    monkeypatch.setattr(deep_network, "_cores", lambda: 7)
    train_deep((5,), *sides, some_pairs(16), 1, SilentProgress(), SHORT)
    assert seen[0] == 1
    seen.clear()
    monkeypatch.setattr(deep_network, "ONE_THREAD_PARAMETERS", 10)
    train_deep((5,), *sides, some_pairs(16), 1, SilentProgress(), SHORT)
    assert seen[0] == 7
