"""LESS against the definition: float64, full logits, merged weights, no cache, no shards, no peft.

The model's output depends on its context (tests/tiny_lm.py), and each classic mistake is planted
once to see that the comparison notices it.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from nncift_core.config import LanguageModelConfig, LessConfig
from nncift_core.influence import create, gradient_shards
from nncift_core.influence.less import Less
from nncift_core.influence.shards import FolderShards
from nncift_core.lm import features, gradients
from nncift_core.lm.devices import LOCKS_VARIABLE
from nncift_core.lm.loading import LanguageModel, open_model
from nncift_core.lm.lora import Adapter
from nncift_core.lm.prompts import Prompter, flatten
from nncift_core.lm.seeds import generator
from nncift_core.lm.warmup import Checkpoint
from nncift_core.progress import SilentProgress
from nncift_core.types import Row
from tests.tiny_lm import make_rows, make_tiny_model

# Few parameters, high learning rates that differ by epoch, batches with a shorter last one.
SETTINGS = LessConfig(
    epochs=2,
    learning_rate=5e-3,
    batch_rows=8,
    rank=4,
    alpha=16.0,
    dropout=0.0,
    dimensions=256,
)
SEED = 3
LAYERS = {
    "llama": [
        f"model.layers.{n}.self_attn.{part}_proj" for n in range(2) for part in ("q", "k", "v", "o")
    ],
    "gpt2": [f"transformer.h.{n}.attn.{part}" for n in range(2) for part in ("c_attn", "c_proj")],
    "phi3": [f"model.layers.{n}.self_attn.{p}" for n in range(2) for p in ("qkv_proj", "o_proj")],
    "gpt_neox": [
        f"gpt_neox.layers.{n}.attention.{p}" for n in range(2) for p in ("query_key_value", "dense")
    ],
}
LAYERS["gemma2"] = LAYERS["qwen3"] = LAYERS["llama"]

Weights = Mapping[str, Tensor]


class Reference:
    """LESS from its definition, on a model in float64 whose weights include B A · alpha / rank."""

    def __init__(self, folder: Path, prompter: Prompter, layers: Sequence[str]) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float64, attn_implementation="eager"
        ).eval()
        self.prompter = prompter
        self.layers = list(layers)

    def loss(self, row: Row, lora: Weights) -> Tensor:
        prompt = flatten(self.prompter.example_prefix([])) + flatten(
            self.prompter.query(row.prompt)
        )
        response = self.prompter.response(row.response)
        base = dict(self.model.named_parameters())
        merged = {}
        for layer in self.layers:
            weight = base[f"{layer}.weight"]
            update = lora[f"{layer}.lora_B"] @ lora[f"{layer}.lora_A"]
            update = update * (SETTINGS.alpha / SETTINGS.rank)
            # GPT-2 keeps its weights the other way round.
            merged[f"{layer}.weight"] = weight + (update.T if ".c_" in layer else update)
        ids = prompt + response
        output = torch.func.functional_call(
            self.model, merged, (), {"input_ids": torch.tensor([ids]), "use_cache": False}
        )
        log_probs = output.logits[0].log_softmax(-1)
        total = torch.zeros((), dtype=torch.float64)
        for place, token in enumerate(response):
            total = total - log_probs[len(prompt) + place - 1, token]
        return total / len(response)

    def gradient(self, row: Row, weights: Weights) -> dict[str, Tensor]:
        lora = {name: w.double().clone().requires_grad_(True) for name, w in weights.items()}
        self.loss(row, lora).backward()
        return {name: weight.grad for name, weight in lora.items()}

    def step(self, row: Row, checkpoint: Checkpoint) -> dict[str, Tensor]:
        found = {}
        for name, g in self.gradient(row, checkpoint.weights).items():
            m = 0.9 * checkpoint.exp_avg[name].double() + 0.1 * g
            v = 0.999 * checkpoint.exp_avg_sq[name].double() + 0.001 * g**2
            found[name] = m / torch.sqrt(v + 1e-8)
        return found

    def influence(
        self,
        helpers: Sequence[Row],
        helped: Sequence[Row],
        checkpoints: Sequence[tuple[Checkpoint, float]],
        project: Callable[[Tensor], Tensor] = lambda flat: flat,
    ) -> np.ndarray:
        def unit(parts: Weights) -> Tensor:
            flat = project(torch.cat([parts[name].reshape(-1) for name in sorted(parts)]))
            return flat / flat.norm()

        total = np.zeros((len(helpers), len(helped)))
        whole = sum(rate for _, rate in checkpoints)
        for checkpoint, rate in checkpoints:
            steps = [unit(self.step(row, checkpoint)) for row in helpers]
            plain = [unit(self.gradient(row, checkpoint.weights)) for row in helped]
            for i, left in enumerate(steps):
                for j, right in enumerate(plain):
                    total[i, j] += rate / whole * float(left @ right)
        return total


def dense_projection(sketch: Any) -> Tensor:
    """The sketch's map as a (dimensions x parameters) matrix, written coordinate by coordinate."""
    columns = []
    for name in sorted(sketch.maps):
        signs, shifts = sketch.maps[name]
        for place, sign in enumerate(signs.tolist()):
            column = torch.zeros(sketch.dimensions, dtype=torch.float64)
            chunk, inside = divmod(place, sketch.dimensions)
            column[(inside + shifts[chunk]) % sketch.dimensions] = sign
            columns.append(column)
    return torch.stack(columns, dim=1)


@pytest.fixture(autouse=True, scope="module")
def own_locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LOCKS_VARIABLE, str(tmp_path_factory.mktemp("locks")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[Row]:
    return make_rows(folder, 20)


@pytest.fixture(scope="module")
def language_model(folder: Path) -> LanguageModel:
    return open_model(LanguageModelConfig(model=str(folder), device="cpu"))


@pytest.fixture(scope="module")
def reference(folder: Path, language_model: LanguageModel) -> Reference:
    return Reference(folder, language_model.prompter, LAYERS["llama"])


@pytest.fixture(scope="module")
def warmed_up(
    tmp_path_factory: pytest.TempPathFactory, language_model: LanguageModel, rows: list[Row]
) -> Path:
    """A folder of shards after the warm-up on all 20 rows, without any feature."""
    place = tmp_path_factory.mktemp("shards")
    less = make_less(language_model, rows)
    less.prepare([([rows[0]], [rows[0]])], FolderShards(place, SilentProgress()))
    for path in place.glob("less-help*"):
        path.unlink()
    return place


@pytest.fixture(scope="module")
def checkpoints(warmed_up: Path) -> list[tuple[Checkpoint, float]]:
    """Each with the mean learning rate of its epoch: 3 steps an epoch, falling to 0 after 6."""
    files = sorted(warmed_up.glob("less-checkpoint-*"))
    rates = [5e-3 * (6 + 5 + 4) / 18, 5e-3 * (3 + 2 + 1) / 18]
    return [(Checkpoint.load(path), rate) for path, rate in zip(files, rates, strict=True)]


def make_less(language_model: LanguageModel, rows: Sequence[Row]) -> Less:
    made = create("less", model=language_model, settings=SETTINGS, pool=rows, seed=SEED)
    assert isinstance(made, Less)
    return made


def computed(
    language_model: LanguageModel, rows: list[Row], warmed_up: Path, folder: Path
) -> np.ndarray:
    """Our influence of rows 0 to 3 on rows 4 to 7, with the warm-up done before."""
    shutil.copytree(warmed_up, folder)
    less = make_less(language_model, rows)
    less.prepare([(rows[:4], rows[4:8])], FolderShards(folder, SilentProgress()))
    return less.matrix(rows[:4], rows[4:8])


@pytest.fixture(scope="module")
def expected(
    reference: Reference, rows: list[Row], checkpoints: Any, language_model: LanguageModel
) -> np.ndarray:
    """The influence of the definition, under the dense matrix of our sketch."""
    adapter = Adapter(language_model.model, SETTINGS, SEED)
    sizes = {name: weight.numel() for name, weight in adapter.parameters.items()}
    adapter.remove()
    matrix = dense_projection(features.Sketch(sizes, SETTINGS.dimensions, SEED))
    return reference.influence(rows[:4], rows[4:8], checkpoints, lambda flat: matrix @ flat)


def gradient_error(
    language_model: LanguageModel, reference: Reference, rows: Sequence[Row]
) -> float:
    """Largest relative error of our gradients at random LoRA weights."""
    adapter = Adapter(language_model.model, SETTINGS, SEED)
    try:
        with torch.no_grad():
            for name, weight in adapter.parameters.items():
                noise = torch.randn(weight.shape, generator=generator("noise", name))
                weight.add_(0.1 * noise)
        ours = gradients.RowGradients(language_model, adapter.parameters)
        worst = 0.0
        for row in rows:
            _, found = ours(gradients.tokenize(language_model.prompter, row))
            wanted = reference.gradient(row, adapter.copy())
            assert list(found) == sorted(wanted)
            error = sum(float((found[name].double() - g).norm() ** 2) for name, g in wanted.items())
            size = sum(float(g.norm() ** 2) for g in wanted.values())
            worst = max(worst, math.sqrt(error / size))
        return worst
    finally:
        adapter.remove()


@pytest.mark.parametrize("family", LAYERS)
def test_gradients_are_those_of_the_definition(family: str, tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / family, family)
    language_model = open_model(LanguageModelConfig(model=str(folder), device="cpu"))
    reference = Reference(folder, language_model.prompter, LAYERS[family])
    rows = [*make_rows(folder, 2), Row("empty-0", "one digit", "")]
    assert gradient_error(language_model, reference, rows) <= 1e-5


def unshifted(self: Any, tokens: Any) -> Tensor:
    ids = torch.tensor([tokens.ids])
    logits = self._language_model.model(input_ids=ids, use_cache=False).logits
    response = slice(-tokens.n_response, None)
    return torch.nn.functional.cross_entropy(logits[0, response], ids[0, response])


def with_prompt(self: Any, tokens: Any) -> Tensor:
    ids = torch.tensor([tokens.ids])
    logits = self._language_model.model(input_ids=ids, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:])


def with_padding(self: Any, tokens: Any) -> Tensor:
    longer = tokens.ids + (tokens.ids[-1],) * 3
    ids = torch.tensor([longer])
    logits = self._language_model.model(input_ids=ids, use_cache=False).logits
    part = slice(-tokens.n_response - 4, -1)
    return torch.nn.functional.cross_entropy(logits[0, part], ids[0, -tokens.n_response - 3 :])


def summed(self: Any, tokens: Any) -> Tensor:
    ids = torch.tensor([tokens.ids])
    logits = self._language_model.model(input_ids=ids, use_cache=False).logits
    part = slice(-tokens.n_response - 1, -1)
    return torch.nn.functional.cross_entropy(
        logits[0, part], ids[0, -tokens.n_response :], reduction="sum"
    )


@pytest.mark.parametrize("fault", [unshifted, with_prompt, with_padding, summed])
def test_a_wrong_loss_is_noticed(
    fault: Any,
    monkeypatch: pytest.MonkeyPatch,
    language_model: LanguageModel,
    reference: Reference,
    rows: list[Row],
) -> None:
    monkeypatch.setattr(gradients.RowGradients, "loss", fault)
    assert gradient_error(language_model, reference, rows[:2]) > 1e-2


def test_models_that_give_all_logits_have_the_same_gradients(
    language_model: LanguageModel,
    reference: Reference,
    rows: list[Row],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forward = type(language_model.model).forward

    def all_logits(self: Any, input_ids: Tensor, use_cache: bool = False) -> Any:
        return forward(self, input_ids=input_ids, use_cache=use_cache)

    monkeypatch.setattr(type(language_model.model), "forward", all_logits)
    assert gradient_error(language_model, reference, rows[:2]) <= 1e-5


def test_the_warm_up_is_adam_on_mean_row_losses(
    reference: Reference,
    rows: list[Row],
    checkpoints: list[tuple[Checkpoint, float]],
    language_model: LanguageModel,
    warmed_up: Path,
) -> None:
    """A plain loop in float64 gives the same weights and moments after each epoch."""
    adapter = Adapter(language_model.model, SETTINGS, SEED)
    weights = {name: weight.double() for name, weight in adapter.copy().items()}
    adapter.remove()
    m = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    v = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    step = 0
    for epoch, (checkpoint, _) in enumerate(checkpoints):
        order = torch.randperm(20, generator=generator(SEED, "warm-up order", epoch)).tolist()
        record = np.load(next(warmed_up.glob(f"less-warmup-{epoch}-*.npy")))
        for number, batch in enumerate((order[:8], order[8:16], order[16:])):
            rate = 5e-3 * (6 - step) / 6
            found = [reference.gradient(rows[row], weights) for row in batch]
            with torch.no_grad():
                losses = [float(reference.loss(rows[row], weights)) for row in batch]
            step += 1
            for name in weights:
                g = sum(part[name] for part in found) / len(batch)
                m[name] = 0.9 * m[name] + 0.1 * g
                v[name] = 0.999 * v[name] + 0.001 * g**2
                first, second = m[name] / (1 - 0.9**step), v[name] / (1 - 0.999**step)
                weights[name] = weights[name] - rate * first / (torch.sqrt(second) + 1e-8)
            assert record[number] == pytest.approx([rate, np.mean(losses), len(batch)], rel=1e-4)
        for ours, wanted in (
            (checkpoint.weights, weights),
            (checkpoint.exp_avg, m),
            (checkpoint.exp_avg_sq, v),
        ):
            for name, value in wanted.items():
                error = float((ours[name].double() - value).norm() / value.norm())
                assert error < 1e-4, (epoch, name, error)


def test_influence_is_that_of_the_definition(
    language_model: LanguageModel,
    rows: list[Row],
    warmed_up: Path,
    expected: np.ndarray,
    tmp_path: Path,
) -> None:
    found = computed(language_model, rows, warmed_up, tmp_path / "shards")
    assert found.dtype == np.float32 and found.shape == (4, 4)
    assert np.abs(found - expected).max() <= 1e-5
    # Not symmetric: helping and being helped are different features.
    assert np.abs(found - found.T).max() > 0.05


def test_influence_without_projection_is_within_the_sketch_error(
    language_model: LanguageModel, reference: Reference, rows: list[Row], tmp_path: Path
) -> None:
    """Cosines of whole gradients, 7,168 numbers long, against ours from 1,024 dimensions."""
    wider = replace(SETTINGS, rank=16, alpha=64.0, dimensions=1024)
    less = create("less", model=language_model, settings=wider, pool=rows, seed=SEED)
    less.prepare([(rows[:4], rows[2:7])], FolderShards(tmp_path, SilentProgress()))
    found = less.matrix(rows[:4], rows[2:7])
    files = sorted(tmp_path.glob("less-checkpoint-*"))
    stored = [(Checkpoint.load(path), rate) for path, rate in zip(files, (15, 6), strict=True)]
    exact = reference.influence(rows[:4], rows[2:7], stored)
    error = np.sqrt(np.mean((found - exact) ** 2))
    assert error <= 1.3 / math.sqrt(wider.dimensions)
    # What is compared is larger than the error: rows 2 and 3 stand on both sides.
    assert exact.max() > 0.2 and exact.std() > 2 * error
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.9


def by_position(patch: pytest.MonkeyPatch) -> None:
    """Adam's state in the order the optimizer was given, names in another order."""
    begin = gradients.AdamDirection.__init__

    def mixed(self: Any, first: Weights, second: Weights, device: Any) -> None:
        names = sorted(first, key=lambda name: (tuple(first[name].shape), name))
        wrong = sorted(first, key=lambda name: (tuple(first[name].shape), name[::-1]))
        pairs = list(zip(names, wrong, strict=True))
        assert any(name != other for name, other in pairs)
        begin(
            self,
            {name: first[other] for name, other in pairs},
            {name: second[other] for name, other in pairs},
            device,
        )

    patch.setattr(gradients.AdamDirection, "__init__", mixed)


def bias_corrected(patch: pytest.MonkeyPatch) -> None:
    begin = gradients.AdamDirection.__init__

    def corrected(self: Any, first: Weights, second: Weights, device: Any) -> None:
        begin(
            self,
            {name: m / (1 - 0.9**3) for name, m in first.items()},
            {name: v / (1 - 0.999**3) for name, v in second.items()},
            device,
        )

    patch.setattr(gradients.AdamDirection, "__init__", corrected)


def without_adam(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gradients.AdamDirection, "__call__", lambda self, gradient: dict(gradient))


def adam_on_both_sides(patch: pytest.MonkeyPatch) -> None:
    feature = features.GradientFeatures.feature
    patch.setattr(
        features.GradientFeatures, "feature", lambda self, row, side: feature(self, row, "helper")
    )


def other_projection_for_helped(patch: pytest.MonkeyPatch) -> None:
    feature = features.GradientFeatures.feature

    def projected(self: Any, row: Row, side: Any) -> Any:
        before = self.sketch
        sizes = {name: len(places.signs) for name, places in before.maps.items()}
        if side == "helped":
            self.sketch = features.Sketch(sizes, before.dimensions, SEED + 1)
        try:
            return feature(self, row, side)
        finally:
            self.sketch = before

    patch.setattr(features.GradientFeatures, "feature", projected)


def not_normalised(patch: pytest.MonkeyPatch) -> None:
    # Lengths of 1 come from dividing by the norm.
    patch.setattr(features.np.linalg, "norm", lambda values: 1.0)


def rates_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gradient_shards.GradientShards, "weights", lambda self: [0.5, 0.5])


def only_the_last_checkpoint(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gradient_shards.GradientShards, "weights", lambda self: [0.0, 1.0])


def transposed(patch: pytest.MonkeyPatch) -> None:
    matrix = Less.matrix
    patch.setattr(Less, "matrix", lambda self, *rows: matrix(self, *rows).T)


def dropout_in_features(patch: pytest.MonkeyPatch) -> None:
    feature = features.GradientFeatures.feature

    def dropped(self: Any, row: Row, side: Any) -> Any:
        for module in self._language_model.model.modules():
            if hasattr(module, "_share"):
                module._share = 0.1
        with self._adapter.dropping(0):
            return feature(self, row, side)

    patch.setattr(features.GradientFeatures, "feature", dropped)


def weights_not_swapped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Adapter, "load", lambda self, weights: None)


@pytest.mark.parametrize(
    "plant",
    [
        by_position,
        bias_corrected,
        without_adam,
        adam_on_both_sides,
        other_projection_for_helped,
        not_normalised,
        rates_forgotten,
        only_the_last_checkpoint,
        transposed,
        dropout_in_features,
        weights_not_swapped,
    ],
)
def test_a_planted_mistake_is_noticed(
    plant: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    language_model: LanguageModel,
    rows: list[Row],
    warmed_up: Path,
    expected: np.ndarray,
    tmp_path: Path,
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        wrong = computed(language_model, rows, warmed_up, tmp_path / "shards")
    assert np.abs(wrong - expected).max() > 1e-3


def test_a_seed_changes_the_sketch_and_the_warm_up(
    language_model: LanguageModel, rows: list[Row], tmp_path: Path
) -> None:
    one = replace(SETTINGS, epochs=1)
    found = [
        create("less", model=language_model, settings=one, pool=rows, seed=seed).matrix(
            rows[:2], rows[2:4]
        )
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 1e-3
