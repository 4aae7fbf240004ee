"""Hidden states of rows against their definition: one row at a time, all layers, in float64."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from nncift_core.config import LanguageModelConfig
from nncift_core.errors import Cancelled, ModelError
from nncift_core.influence import delift
from nncift_core.lm import states
from nncift_core.lm.loading import LanguageModel, open_model
from nncift_core.lm.scoring import ScoringEngine, Target
from nncift_core.lm.states import StateReader, as_example, plan_batches, row_states
from nncift_core.progress import SilentProgress
from nncift_core.types import Row
from tests.tiny_lm import (
    FAMILIES,
    make_config,
    make_tiny_model,
    make_tokenizer,
    rare_tokens,
    scale_weights,
)

CLOSE = 1e-5
"""Allowed difference of a number of a state, which has length 1."""

WRONG = 0.01
"""Every planted fault moves some number by more."""

LAYERS = 4


def row(number: int, prompt: str, response: str) -> Row:
    return Row(f"{number:016x}-0", prompt, response)


ROWS = [
    row(0, "What is the sum of 3 and 4 ?", "seven"),
    row(1, "Translate the word colour", "The answer is one word : colour , and a list of it ."),
    row(2, "a", "b"),
    row(3, "Is Paris the capital of France ? Answer in one word .", "yes"),
    row(4, "the list", "add the number to the list and rate it from one digit to a score " * 2),
    row(5, "Prompt", ""),
]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LanguageModel]:
    """``opened(family, layers=4)``: a tiny model, made once and opened once."""
    root = tmp_path_factory.mktemp("models")

    @functools.cache
    def open_it(family: str, layers: int = LAYERS) -> LanguageModel:
        # Gemma 3 has a layer without a window in every six.
        layers = 6 if family == "gemma3_text" else layers
        folder = make_tiny_model(root / f"{family}-{layers}", family, layers=layers)
        return open_model(LanguageModelConfig(model=str(folder)))

    return open_it


@functools.cache
def slow_model(folder: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()


def middle_states(model: LanguageModel, ids: Sequence[int]) -> np.ndarray:
    """``(tokens, hidden)`` of one prompt that is read alone and whole."""
    with torch.no_grad():
        every = slow_model(model.settings.model)(
            torch.tensor([list(ids)]), output_hidden_states=True, use_cache=False
        ).hidden_states
    return every[(len(every) - 1) // 2][0].double().numpy()  # type: ignore[no-any-return]


def slow_states(
    model: LanguageModel, rows: Sequence[Row], projection: np.ndarray | None = None
) -> np.ndarray:
    """From the definition."""
    found = []
    for each in rows:
        segments = model.prompter.example_prefix([(each.prompt, each.response)])
        ids = [token for segment in segments for token in segment.ids]
        hidden = middle_states(model, ids)
        response = len(model.prompter.text_ids(each.response))
        mean = hidden[len(ids) - response :].mean(0) if response else hidden[-1]
        pair = [mean, hidden[-1]]
        if projection is not None:
            pair = [state @ projection for state in pair]
        found.append(np.concatenate([state / np.linalg.norm(state) for state in pair]))
    return np.array(found)


def error(reader: StateReader, model: LanguageModel, rows: Sequence[Row] = ROWS) -> float:
    return float(np.abs(reader.states(rows) - slow_states(model, rows)).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_the_definition(family: str, opened: Callable[..., LanguageModel]) -> None:
    model = opened(family)
    reader = StateReader(model)
    assert reader.stops and reader.width == 32
    found = reader.states(ROWS)
    assert found.shape == (len(ROWS), 64) and found.dtype == np.float32
    np.testing.assert_allclose(found, slow_states(model, ROWS), atol=CLOSE, rtol=0)
    np.testing.assert_allclose(np.linalg.norm(found[:, :32], axis=1), 1, atol=1e-6)
    # Rows differ, and so do the two states of a row that has a response, or little is compared.
    assert np.abs(found[0] - found[1]).max() > WRONG
    assert np.abs(found[1, :32] - found[1, 32:]).max() > WRONG
    np.testing.assert_array_equal(found[5, :32], found[5, 32:])


@pytest.mark.parametrize("tokens", [1, 90, 170, 10_000])
def test_do_not_depend_on_the_rows_beside(
    tokens: int, opened: Callable[..., LanguageModel]
) -> None:
    model = opened("gpt2")
    reader = StateReader(model)
    reader._tokens = tokens
    assert error(reader, model) <= CLOSE
    assert error(reader, model, ROWS[::-1]) <= CLOSE


def test_rows_go_together_by_length() -> None:
    lengths = [5, 30, 6, 29, 5, 100]
    assert list(plan_batches(lengths, 60)) == [[5], [1, 3], [2, 0, 4]]
    assert list(plan_batches(lengths, 10)) == [[5], [1], [3], [2], [0, 4]]
    assert list(plan_batches([], 10)) == []


# Planted faults


def test_the_comparison_sees_left_padding(
    monkeypatch: pytest.MonkeyPatch, opened: Callable[..., LanguageModel]
) -> None:
    model = opened("gpt2")
    reader = StateReader(model)
    plain = reader._hidden

    def left(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """The same tokens behind the padding, and their states where they would be."""
        lengths = inputs["attention_mask"].sum(1).tolist()
        width = inputs["input_ids"].shape[1]
        shifts = [width - length for length in lengths]
        moved = {
            name: torch.stack([part.roll(by) for part, by in zip(some, shifts, strict=True)])
            for name, some in inputs.items()
        }
        hidden = plain(moved)
        return torch.stack(
            [part.roll(-by, dims=0) for part, by in zip(hidden, shifts, strict=True)]
        )

    monkeypatch.setattr(reader, "_hidden", left)
    assert error(reader, model) > WRONG


@pytest.mark.parametrize(
    "fault",
    [
        lambda example: example._replace(ids=example.ids[:-1]),
        lambda example: example._replace(n_response=example.n_response + 3),
        lambda example: example._replace(n_response=len(example.ids)),
        lambda example: example._replace(n_response=max(1, example.n_response - 1)),
    ],
    ids=["last token lost", "template averaged", "prompt averaged", "first token lost"],
)
def test_the_comparison_sees_wrong_tokens(
    fault: Any, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., LanguageModel]
) -> None:
    model = opened("llama")
    monkeypatch.setattr(states, "as_example", lambda *given: fault(as_example(*given)))
    assert error(StateReader(model), model) > WRONG


def test_the_comparison_sees_another_layer(opened: Callable[..., LanguageModel]) -> None:
    model = opened("llama")
    reader = StateReader(model)
    layers = model.model.model.layers
    assert reader._stop is layers[LAYERS // 2 - 1]
    for other in (layers[LAYERS // 2 - 2], layers[LAYERS // 2]):
        reader._stop = other
        assert error(reader, model) > WRONG


# Where a pass ends


@pytest.mark.parametrize("family", ["qwen2", "gpt2"])
def test_layers_behind_do_not_run(family: str, opened: Callable[..., LanguageModel]) -> None:
    model = opened(family)
    reader = StateReader(model)
    stack = next(states._stacks(model.model, LAYERS))
    ran: list[int] = []
    hooks = [
        layer.register_forward_hook(lambda *_, number=number: ran.append(number))
        for number, layer in enumerate(stack)
    ]
    try:
        reader.states(ROWS[:1])
    finally:
        for hook in hooks:
            hook.remove()
    assert ran == [0, 1]


@pytest.mark.parametrize("family", ["llama", "gemma2", "bloom"])
def test_a_model_without_a_known_stack_runs_whole(
    family: str, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., LanguageModel]
) -> None:
    model = opened(family)
    monkeypatch.setattr(states, "_stacks", lambda *_: iter(()))
    reader = StateReader(model)
    assert not reader.stops
    assert error(reader, model) <= CLOSE


def test_a_stack_that_gives_something_else_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, opened: Callable[..., LanguageModel]
) -> None:
    model = opened("llama")
    right = list(model.model.model.layers)
    monkeypatch.setattr(states, "_stacks", lambda *_: iter([right[1:] + right[:1], right]))
    reader = StateReader(model)
    assert reader._stop is right[1]


def test_a_model_of_one_layer(opened: Callable[..., LanguageModel]) -> None:
    model = opened("llama", 1)
    reader = StateReader(model)
    # What it calls its last hidden states is normalised, which its layer does not do.
    assert reader.layer == 1 and not reader.stops
    hidden = slow_model(model.settings.model)(
        torch.tensor([as_example(model.prompter, ROWS[2], model.context).ids]),
        output_hidden_states=True,
    ).hidden_states[1][0, -1]
    want = (hidden / hidden.norm()).detach().numpy()
    np.testing.assert_allclose(reader.states(ROWS[2:3])[0, 32:], want, atol=CLOSE)


# Wide models, long rows


def test_wide_states_are_projected(
    monkeypatch: pytest.MonkeyPatch, opened: Callable[..., LanguageModel]
) -> None:
    model = opened("llama")
    monkeypatch.setattr(states, "MOST_DIMENSIONS", 24)
    reader = StateReader(model)
    assert reader.width == 24
    matrix = reader._projection
    assert matrix is not None and matrix.shape == (32, 24)
    found = reader.states(ROWS)
    np.testing.assert_allclose(found, slow_states(model, ROWS, matrix), atol=CLOSE, rtol=0)
    np.testing.assert_array_equal(matrix, StateReader(model)._projection)


def test_a_projection_keeps_angles() -> None:
    matrix = states._projection(2048)
    assert matrix.shape == (2048, 512)
    vectors = np.random.default_rng(0).standard_normal((20, 2048))
    vectors[10:] += vectors[:10]
    smaller = vectors @ matrix
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    unit_smaller = smaller / np.linalg.norm(smaller, axis=1, keepdims=True)
    assert np.abs(unit @ unit.T - unit_smaller @ unit_smaller.T).max() < 0.2
    np.testing.assert_allclose((smaller**2).sum(1) / (vectors**2).sum(1), 1, atol=0.3)


def test_long_rows_are_cut_as_examples_are(opened: Callable[..., LanguageModel]) -> None:
    model = opened("llama")
    whole = as_example(model.prompter, ROWS[4], 1000)
    segments = model.prompter.example_prefix([(ROWS[4].prompt, ROWS[4].response)])
    template = sum(len(segment.ids) for segment in segments if segment.kind == "template")
    prompt = len(model.prompter.text_ids(ROWS[4].prompt))
    for room in (1000, len(whole.ids) - 7, template + prompt + 1, template + prompt, template):
        example = as_example(model.prompter, ROWS[4], room)
        assert example.ids == delift.cut(segments, room)
        assert example.n_response == max(0, len(example.ids) - template - prompt)
    # A template that is too long itself.
    assert as_example(model.prompter, ROWS[4], 9) == (whole.ids[:9], 0)
    for room in (template + prompt + 3, template, 9):
        short = dataclasses.replace(model, context=room)
        example = as_example(model.prompter, ROWS[4], room)
        hidden = middle_states(model, example.ids)
        want = hidden[-max(1, example.n_response) :].mean(0)
        found = row_states(short, ROWS[4:5])
        np.testing.assert_allclose(found[0, :32], want / np.linalg.norm(want), atol=CLOSE)


def test_rows_go_alone_where_positions_depend_on_the_longest(
    monkeypatch: pytest.MonkeyPatch, opened: Callable[..., LanguageModel]
) -> None:
    model = opened("phi3")
    reader = StateReader(model)
    counts: list[int] = []
    read = reader._read

    def spy(examples: Sequence[Any]) -> Any:
        counts.append(len(examples))
        return read(examples)

    monkeypatch.setattr(reader, "_read", spy)
    reader.states(ROWS)
    together = list(counts)
    monkeypatch.setattr(states, "fixed_positions", lambda *_: False)
    counts.clear()
    assert error(reader, model) <= CLOSE
    assert max(together) > 1 and counts == [1] * len(ROWS)


# Memory, cancelling, broken models


def test_memory_that_runs_out_halves_the_passes(
    monkeypatch: pytest.MonkeyPatch, opened: Callable[..., LanguageModel]
) -> None:
    model = opened("llama")
    reader = StateReader(model)
    assert reader._tokens == states.CPU_TOKENS
    read = reader._read
    done: list[tuple[int, ...]] = []

    def small(examples: Sequence[Any]) -> Any:
        if len(examples) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        done.extend(tuple(example.ids) for example in examples)
        return read(examples)

    monkeypatch.setattr(reader, "_read", small)
    assert error(reader, model) <= CLOSE
    assert len(done) == len(set(done)) == len(ROWS)
    assert reader._tokens < states.CPU_TOKENS

    def none(_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(reader, "_read", none)
    with pytest.raises(ModelError, match="smallest piece"):
        reader.states(ROWS)


def test_memory_sets_the_size_of_a_pass(opened: Callable[..., LanguageModel]) -> None:
    model = opened("llama")
    sizes = []
    for device in ("cpu", "meta"):
        reader = StateReader(model)
        reader._language_model = dataclasses.replace(model, device=torch.device(device))
        sizes += [reader._first_tokens(64), reader._first_tokens(1024)]
    assert sizes[0] == sizes[1] == states.CPU_TOKENS
    assert states.CPU_TOKENS < sizes[2] and sizes[3] == pytest.approx(16 * sizes[2], rel=0.01)


def test_can_be_cancelled_between_passes(opened: Callable[..., LanguageModel]) -> None:
    class Stop(SilentProgress):
        passes = 0

        def advance(self, count: int = 1) -> None:
            assert count == 0
            self.passes += 1
            if self.passes == 2:
                raise Cancelled

    reader = StateReader(opened("llama"))
    reader._tokens = 1
    progress = Stop()
    with pytest.raises(Cancelled):
        reader.states(ROWS, progress)
    assert progress.passes == 2


def test_a_broken_model_is_told(
    opened: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = StateReader(opened("llama"))
    plain = reader._hidden
    monkeypatch.setattr(reader, "_hidden", lambda inputs: plain(inputs) * float("inf"))
    with pytest.raises(ModelError, match="not numbers in float32"):
        reader.states(ROWS)


def test_a_model_without_hidden_states_is_told(opened: Callable[..., LanguageModel]) -> None:
    model = opened("llama")

    class Bare(torch.nn.Module):
        config = model.model.config
        base_model = staticmethod(lambda **_: object())

        def get_input_embeddings(self) -> Any:
            return model.model.get_input_embeddings()

    with pytest.raises(ModelError, match="does not show its hidden states"):
        StateReader(dataclasses.replace(model, model=Bare()))


# Quantised models and adapters


@pytest.fixture(scope="module")
def wide_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Llama wide enough for blocks of 64 weights."""
    folder = tmp_path_factory.mktemp("wide")
    tokenizer = make_tokenizer()
    config = make_config("llama", vocab=len(tokenizer) + 8, positions=256)
    config.hidden_size, config.intermediate_size, config.head_dim = 64, 128, 16
    with torch.random.fork_rng(devices=[]):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    scale_weights(model, 0, rare=rare_tokens(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_quantised_models_and_adapters(quantization: str, wide_folder: str, tmp_path: Path) -> None:
    folder = wide_folder
    plain = open_model(LanguageModelConfig(model=folder))
    wrapped = peft.get_peft_model(
        AutoModelForCausalLM.from_pretrained(folder),
        peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]),
    )
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(weight, 0.3)
    wrapped.save_pretrained(tmp_path)
    settings = LanguageModelConfig(model=folder, quantization=quantization, adapter=str(tmp_path))
    model = open_model(settings)
    reader = StateReader(model)
    assert reader.stops
    found = reader.states(ROWS)
    # Against the same weights, one row at a time through all layers.
    for each, state in zip(ROWS, found, strict=True):
        ids = torch.tensor([as_example(model.prompter, each, model.context).ids])
        with torch.no_grad():
            hidden = model.model(ids, output_hidden_states=True).hidden_states[1][0, -1].float()
        np.testing.assert_allclose(state[64:], hidden / hidden.norm(), atol=0.02)
    assert np.abs(found - StateReader(plain).states(ROWS)).max() > 0.05


# Beside scoring


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "bloom"])
def test_scoring_and_reading_leave_each_other_alone(
    family: str, opened: Callable[..., LanguageModel]
) -> None:
    model = opened(family)
    before = StateReader(model).states(ROWS)
    group = [([5, 9, 70, 31, 8], [Target((4, 7), (9, 30, 3)), Target((17,), (5,))])]
    engine = ScoringEngine(model)
    scored = engine.log_probs_of_groups(group)[0]
    after = StateReader(model).states(ROWS)
    np.testing.assert_array_equal(before, after)
    for one, two in zip(scored, engine.log_probs_of_groups(group)[0], strict=True):
        np.testing.assert_array_equal(one, two)
    fresh = ScoringEngine(model)
    assert fresh.way == engine.way
    for one, two in zip(scored, fresh.log_probs_of_groups(group)[0], strict=True):
        np.testing.assert_array_equal(one, two)
