"""The published training: reproducible, on its labels' scale, the right way round, saved whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nncift_core.errors import Cancelled, NNCIFTError, WorkspaceError
from nncift_core.network import learned
from nncift_core.network import training as training_module
from nncift_core.network.fitting import Fitted, fit
from nncift_core.network.learned import Learned
from nncift_core.network.paper import PaperNetwork
from nncift_core.network.predict import Predictor
from nncift_core.network.quadrants import measure_quadrants, r_squared
from nncift_core.network.scale import LabelScale
from nncift_core.network.training import (
    LONGER,
    PAPER,
    TrainingSettings,
    one_thread,
    predict_pairs,
    settings_for,
    train,
)
from nncift_core.types import Pairs

N_TRAIN, N_TARGET, D = 50, 30, 12
PATIENT = TrainingSettings(epochs=150, learning_rate=3e-3)


def block(rows: range, columns: range, truth: np.ndarray) -> Pairs:
    i, j = (part.ravel() for part in np.meshgrid(list(rows), list(columns), indexing="ij"))
    return Pairs(i.astype(np.int64), j.astype(np.int64), truth[i, j].astype(np.float32))


def four_blocks(truth: np.ndarray) -> dict[str, Pairs]:
    return {
        "q1": block(range(30), range(20), truth),
        "q2": block(range(30, 50), range(20), truth),
        "q3": block(range(30), range(20, 30), truth),
        "q4": block(range(30, 50), range(20, 30), truth),
    }


@pytest.fixture
def sides(unit_vectors: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return unit_vectors(N_TRAIN, D, 1), unit_vectors(N_TARGET, D, 2)


@pytest.fixture
def additive(sides: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Learnable, asymmetric, in units of its own: a strong helper part, a weak helped part."""
    rng = np.random.default_rng(3)
    helpers, helped = sides
    return (
        200
        + 30 * (helpers @ rng.standard_normal(D))[:, None]
        + 5 * (helped @ rng.standard_normal(D))
    )


def network_of(trained: Fitted) -> Any:
    assert isinstance(trained.model, Learned)
    return trained.model.network


def weights_of(trained: Fitted) -> dict[str, bytes]:
    return {name: w.numpy().tobytes() for name, w in network_of(trained).state_dict().items()}


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fitted]:
    """Fit ``paper``, with other settings where they are given last."""

    def run(
        sides: Any, by_role: Any, seed: int, progress: Any, settings: TrainingSettings = PAPER
    ) -> Fitted:
        monkeypatch.setattr(learned, "PAPER", settings)
        return fit("paper", *sides, by_role, seed, progress)

    return run


def test_same_seed_same_bytes(
    sides: Any, additive: np.ndarray, recording: Any, tmp_path: Path, publish: Any
) -> None:
    def once(name: str, seed: int) -> tuple[dict[str, bytes], bytes, Any]:
        torch.manual_seed(np.random.default_rng().integers(1000))
        trained = publish(sides, four_blocks(additive), seed, recording())
        trained.save(tmp_path / name)
        return weights_of(trained), (tmp_path / name).read_bytes(), trained.history

    first = once("a", 5)
    assert once("b", 5) == first
    assert once("c", 6)[0] != first[0]


def test_training_leaves_the_global_generator_and_threads_alone(
    sides: Any, additive: np.ndarray, recording: Any, publish: Any
) -> None:
    torch.manual_seed(0)
    expected, threads = torch.rand(1), torch.get_num_threads()
    torch.manual_seed(0)
    publish(sides, four_blocks(additive), 5, recording(), TrainingSettings(epochs=1))
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads


def test_history_is_the_error_on_the_label_scale(
    sides: Any, additive: np.ndarray, recording: Any, publish: Any
) -> None:
    progress, by_role = recording(), four_blocks(additive)
    trained = publish(sides, by_role, 5, progress)
    assert progress.stages == [("train", 1, "fits")]
    assert progress.done == {"train": 1}
    assert [point["epoch"] for point in trained.history] == list(range(21))
    assert progress.points == [("epoch", dict(point)) for point in trained.history]
    assert trained.history[-1]["q1"] < 0.5 * trained.history[0]["q1"]
    lo, hi = by_role["q1"].value.min(), by_role["q1"].value.max()
    helpers, helped = (torch.from_numpy(side) for side in sides)
    predicted = {}
    for role, pairs in by_role.items():
        with torch.no_grad():
            forward = network_of(trained)(helpers[pairs.helper], helped[pairs.helped]).numpy()
        truth = (pairs.value.astype(float) - float(lo)) / (float(hi) - float(lo))
        assert trained.history[-1][role] == pytest.approx(np.mean((forward - truth) ** 2), rel=1e-4)
        predicted[role] = predict_pairs(network_of(trained), helpers, helped, pairs)
        np.testing.assert_allclose(predicted[role], forward, atol=1e-6)
    table = measure_quadrants(by_role, predicted, *sides, trained.scale, 0)
    for role in by_role:
        metrics = table[role]
        assert metrics is not None
        assert metrics.mse == pytest.approx(trained.history[-1][role], rel=1e-5)


def test_only_training_labels_set_the_scale_and_the_weights(
    sides: Any, additive: np.ndarray, recording: Any, publish: Any
) -> None:
    by_role = four_blocks(additive)
    trained = publish(sides, by_role, 5, recording())
    assert trained.scale == LabelScale(
        float(by_role["q1"].value.min()), float(by_role["q1"].value.max())
    )
    wild = {
        role: pairs if role == "q1" else Pairs(pairs.helper, pairs.helped, pairs.value * -1000)
        for role, pairs in by_role.items()
    }
    again = publish(sides, wild, 5, recording())
    assert again.scale == trained.scale
    assert weights_of(again) == weights_of(trained)
    assert again.history[-1]["q4"] > 1000 * trained.history[-1]["q4"]


def test_affine_units_change_nothing_but_the_units(
    sides: Any, additive: np.ndarray, recording: Any, publish: Any
) -> None:
    # Powers of two, so that scaling is exact.
    plain = publish(sides, four_blocks(np.round(additive)), 5, recording())
    other = publish(sides, four_blocks(np.round(additive) * 0.25 + 64), 5, recording())
    assert weights_of(plain) == weights_of(other)
    before = Predictor(plain.project(*sides), compile="never").block(0, N_TRAIN)
    after = Predictor(other.project(*sides), compile="never").block(0, N_TRAIN)
    np.testing.assert_allclose(after, before * 0.25 + 64, rtol=1e-5)


def test_a_learnable_target_is_learnt_and_the_right_way_round(
    sides: Any, additive: np.ndarray, recording: Any, publish: Any
) -> None:
    by_role = four_blocks(additive)
    trained = publish(sides, by_role, 5, recording(), PATIENT)
    matrix = Predictor(trained.project(*sides), compile="never").block(0, N_TRAIN)
    assert matrix.shape == (N_TRAIN, N_TARGET)
    for role in ("q1", "q2", "q3", "q4"):
        pairs = by_role[role]
        predicted = matrix[pairs.helper, pairs.helped].astype(float)
        found = r_squared(pairs.value.astype(float), predicted)
        assert found is not None
        assert found > 0.9, role
    # Helper and helped differ in effect: a swap would be caught.
    square = min(N_TRAIN, N_TARGET)
    swapped = r_squared(
        additive[:square, :square].ravel(), matrix[:square, :square].T.astype(float).ravel()
    )
    assert swapped is not None
    assert swapped < 0
    # Row means vary as the labels say, in the labels' own units.
    assert np.corrcoef(matrix.mean(1), additive.mean(1))[0, 1] > 0.95
    assert abs(matrix.mean() - additive.mean()) < 5


def test_loss_is_a_plain_mean(
    sides: Any, additive: np.ndarray, recording: Any, monkeypatch: pytest.MonkeyPatch, publish: Any
) -> None:
    """One step of one epoch equals the gradient of the mean squared error by hand."""
    pairs = block(range(4), range(4), additive)
    settings = TrainingSettings(epochs=1, batch_pairs=16)
    seen: list[dict[str, torch.Tensor]] = []
    step = torch.optim.Adam.step

    def spy(self: Any, *arguments: Any) -> Any:
        seen.append({str(n): p.grad.clone() for n, p in enumerate(self.param_groups[0]["params"])})
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    publish(sides, {"q1": pairs}, 9, recording(), settings)
    torch.manual_seed(9)
    network = PaperNetwork(D)
    helpers, helped = (torch.from_numpy(side) for side in sides)
    lo, hi = pairs.value.min(), pairs.value.max()
    loss = torch.zeros(())
    for i, j, value in zip(pairs.helper, pairs.helped, pairs.value, strict=True):
        guess = network(helpers[i : i + 1], helped[j : j + 1])[0]
        loss = loss + (guess - (float(value) - float(lo)) / (float(hi) - float(lo))) ** 2 / 16
    loss.backward()
    assert len(seen) == 1
    for (name, parameter), gradient in zip(
        network.named_parameters(), seen[0].values(), strict=True
    ):
        assert parameter.grad is not None
        np.testing.assert_allclose(gradient, parameter.grad, atol=1e-6, err_msg=name)


def test_every_pair_is_visited_once_an_epoch(
    sides: Any, additive: np.ndarray, recording: Any, monkeypatch: pytest.MonkeyPatch, publish: Any
) -> None:
    batches: list[int] = []
    forward = PaperNetwork.forward

    def spy(self: Any, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        batches.append(len(first))
        return forward(self, first, second)

    monkeypatch.setattr(PaperNetwork, "forward", spy)
    publish(sides, four_blocks(additive), 5, recording(), TrainingSettings(epochs=2))
    assert batches == [64] * 9 + [24] + [64] * 9 + [24]


def test_settings_are_those_of_the_paper() -> None:
    assert TrainingSettings() == TrainingSettings(epochs=20, learning_rate=1e-4, batch_pairs=64)
    assert sum(p.numel() for p in PaperNetwork(1024).parameters()) == 205_001


def test_cancel_between_epochs(
    sides: Any, additive: np.ndarray, recording: Any, publish: Any
) -> None:
    threads = torch.get_num_threads()
    with pytest.raises(Cancelled):
        publish(sides, four_blocks(additive), 5, recording("train", 3))
    assert torch.get_num_threads() == threads


def test_unknown_network(sides: Any, additive: np.ndarray, recording: Any) -> None:
    with pytest.raises(NNCIFTError, match="Did you mean 'paper'"):
        fit("papr", *sides, four_blocks(additive), 5, recording())


def test_save_and_load_give_the_same_predictions(
    sides: Any, additive: np.ndarray, recording: Any, tmp_path: Path, publish: Any
) -> None:
    trained = publish(sides, four_blocks(additive), 5, recording())
    trained.save(tmp_path / "network.safetensors")
    read = Fitted.load(tmp_path / "network.safetensors")
    assert (read.name, read.scale) == (trained.name, trained.scale)
    assert [dict(point) for point in read.history] == [dict(point) for point in trained.history]
    before = Predictor(trained.project(*sides), compile="never").block(0, N_TRAIN)
    after = Predictor(read.project(*sides), compile="never").block(0, N_TRAIN)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "no header", "other metadata"])
def test_damaged_files_are_one_sentence(
    sides: Any, additive: np.ndarray, recording: Any, tmp_path: Path, damage: str, publish: Any
) -> None:
    path = tmp_path / "network.safetensors"
    trained = publish(sides, four_blocks(additive), 5, recording(), TrainingSettings(epochs=1))
    trained.save(path)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "half":
        path.write_bytes(content[: len(content) * 2 // 3])
    elif damage == "no header":
        path.write_bytes(b"\x08" + b"\x00" * 7 + b"not json")
    else:
        header = json.dumps({"__metadata__": {"a": "b"}}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(WorkspaceError, match=r"network\.safetensors cannot be read"):
        Fitted.load(path)


def test_predicting_pairs_in_chunks(
    sides: Any, additive: np.ndarray, recording: Any, publish: Any
) -> None:
    trained = publish(sides, four_blocks(additive), 5, recording())
    pairs = four_blocks(additive)["q4"]
    order = np.random.default_rng(0).permutation(len(pairs))
    shuffled = Pairs(pairs.helper[order], pairs.helped[order], pairs.value[order])
    tensors = tuple(torch.from_numpy(side) for side in sides)
    whole = training_module.predict_pairs(network_of(trained), *tensors, pairs)
    parts = training_module.predict_pairs(network_of(trained), *tensors, shuffled, chunk=7)
    np.testing.assert_allclose(parts, whole[order], atol=1e-6)


def test_trained_exactly_as_published(
    sides: Any, additive: np.ndarray, recording: Any, publish: Any
) -> None:
    """Against a plain loop on concatenated pairs: Adam, 1e-4, batches of 64, 20 epochs."""
    by_role = four_blocks(additive)
    trained = publish(sides, by_role, 5, recording())
    pairs = by_role["q1"]
    both = np.concatenate([sides[0][pairs.helper], sides[1][pairs.helped]], axis=1)
    inputs = torch.from_numpy(both)
    lo, hi = float(pairs.value.min()), float(pairs.value.max())
    target = torch.from_numpy(((pairs.value.astype(np.float64) - lo) / (hi - lo)).astype("f4"))
    torch.manual_seed(5)
    layers = torch.nn.Sequential(
        torch.nn.Linear(2 * D, 100), torch.nn.ReLU(), torch.nn.Linear(100, 1)
    )
    optimizer = torch.optim.Adam(layers.parameters(), lr=1e-4)
    order = torch.Generator().manual_seed(5)
    for _ in range(20):
        for batch in torch.randperm(len(target), generator=order).split(64):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(layers(inputs[batch])[:, 0], target[batch]).backward()
            optimizer.step()
    network = network_of(trained)
    halves = torch.cat([network.helper_weight, network.helped_weight], dim=1)
    torch.testing.assert_close(halves, layers[0].weight, rtol=0, atol=2e-6)
    torch.testing.assert_close(network.output_weight, layers[2].weight[0], rtol=0, atol=2e-6)
    with torch.no_grad():
        np.testing.assert_allclose(
            trained.predict(*sides, pairs), layers(inputs)[:, 0].numpy(), rtol=0, atol=5e-6
        )


@pytest.fixture
def small(sides: Any, additive: np.ndarray) -> tuple[PaperNetwork, Any, Pairs]:
    torch.manual_seed(0)
    pairs = block(range(20), range(10), additive)
    scaled = LabelScale.of(pairs).scaled(pairs)
    return PaperNetwork(D), tuple(torch.from_numpy(side) for side in sides), scaled


def test_the_weights_of_the_best_epoch_are_kept(small: Any) -> None:
    network, tensors, pairs = small
    given = iter([0.5, 0.2, 0.3, 0.2, 0.4])
    seen: list[torch.Tensor] = []

    def error() -> float:
        assert not network.training
        seen.append(network.output_weight.detach().clone())
        return next(given)

    settings = TrainingSettings(epochs=5, learning_rate=1e-2, weight_decay=0.1, anneal=True)
    assert train(network, *tensors, pairs, 0, settings, error=error) == 2
    assert torch.equal(network.output_weight, seen[1])
    assert not torch.equal(seen[1], seen[4])


def test_an_error_that_is_no_number_keeps_the_last_weights(small: Any) -> None:
    network, tensors, pairs = small
    settings = TrainingSettings(epochs=2)
    assert train(network, *tensors, pairs, 0, settings, error=lambda: float("nan")) == 2


@pytest.mark.parametrize("rounds", [None, 3, 9])
def test_step_sizes_fall_in_a_line_and_never_below_0(
    small: Any, rounds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9 rounds of 6 epochs: what another number of labels chose must not turn steps around."""
    network, tensors, pairs = small
    rates: list[float] = []
    step = torch.optim.AdamW.step

    def spy(self: Any, *arguments: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    settings = TrainingSettings(6, 1e-3, batch_pairs=10, weight_decay=0.1, anneal=True)
    taken = train(network, *tensors, pairs, 0, settings, rounds=rounds)
    assert taken == min(rounds or 6, 6)
    assert len(rates) == 20 * taken
    expected = [1e-3 * min(1, (n + 1) / 50) * (1 - n / 120) for n in range(20 * taken)]
    np.testing.assert_allclose(rates, expected, rtol=1e-9)
    assert min(rates) > 0
    if taken == 6:
        assert rates[-1] == pytest.approx(1e-3 / 120)


def test_steps_have_a_limit() -> None:
    assert settings_for(PAPER, 10**7) is PAPER
    for labels in (1, 500, 20_000, 60_000, 190_000, 400_000):
        found = settings_for(LONGER, labels)
        steps = found.epochs * -(-labels // found.batch_pairs)
        assert steps <= training_module.MOST_STEPS * 1.01 + found.epochs
        assert (found.learning_rate, found.weight_decay, found.anneal) == (1e-3, 0.1, True)
        assert 5 <= found.epochs <= LONGER.epochs and found.batch_pairs <= 512
    assert settings_for(LONGER, 500) == LONGER


def test_one_core_and_the_number_before_comes_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), one_thread():
        assert torch.get_num_threads() == 1
        raise RuntimeError
    assert torch.get_num_threads() == before


def test_inputs_that_cannot_be_written_to_are_read(
    sides: Any, additive: np.ndarray, recording: Any, publish: Any, recwarn: Any
) -> None:
    """A memory map of a file; PyTorch would warn."""
    for side in sides:
        side.flags.writeable = False
    trained = publish(sides, four_blocks(additive), 5, recording(), TrainingSettings(epochs=1))
    trained.predict(*sides, four_blocks(additive)["q4"])
    assert not [one for one in recwarn if "writ" in str(one.message)]
