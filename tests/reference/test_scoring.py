"""The scoring engine against its definition: one pair at a time, no cache, full logits, float64."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nncift_core.config import LanguageModelConfig
from nncift_core.errors import Cancelled, ModelError
from nncift_core.lm import attention, heads, passes, scoring
from nncift_core.lm.loading import LanguageModel, open_model
from nncift_core.lm.scoring import Group, ScoringEngine, Target
from nncift_core.lm.ways import WAYS, Way
from tests.tiny_lm import FAMILIES, make_tiny_model

CLOSE = 1e-4
"""Allowed difference of log-probabilities in float32."""

WRONG = 0.05
"""Every planted fault moves some log-probability by more."""

WINDOW = 24
"""The sliding window of the tiny models that have one."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LanguageModel]:
    """``opened(family, **settings)``: a tiny model, made once, opened once for each setting."""
    root = tmp_path_factory.mktemp("models")

    @functools.cache
    def folder(family: str) -> Path:
        # Six layers, so that Gemma 3 has layers with and without a window.
        layers = 6 if family == "gemma3_text" else 2
        return make_tiny_model(root / family, family, layers=layers)

    @functools.cache
    def open_it(family: str, **settings: Any) -> LanguageModel:
        return open_model(LanguageModelConfig(model=str(folder(family)), **settings))

    return open_it


@pytest.fixture(scope="module")
def reference(opened: Callable[..., LanguageModel]) -> Callable[[str], Any]:
    """``reference(family)``: the same weights in float64."""
    from transformers import AutoModelForCausalLM

    @functools.cache
    def load(family: str) -> Any:
        folder = opened(family).settings.model
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()

    return load


def slow_log_probs(model: Any, prefix: Sequence[int], target: Target) -> np.ndarray:
    """From the definition: token t of the response given everything before it."""
    ids = [*prefix, *target.query, *target.response]
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    start = len(prefix) + len(target.query)
    every = logits.double().log_softmax(-1)
    return np.array([float(every[place - 1, ids[place]]) for place in range(start, len(ids))])


def slow_choices(
    model: Any, prefix: Sequence[int], suffix: Sequence[int], choices: Sequence[int]
) -> np.ndarray:
    with torch.no_grad():
        logits = model(torch.tensor([[*prefix, *suffix]]), use_cache=False).logits[0, -1]
    return logits.double().log_softmax(-1)[list(choices)].numpy()


def some_groups(vocabulary: int = 400, seed: int = 0) -> list[Group]:
    """Prefixes shorter and longer than a window, targets of many lengths, the shortest too."""
    rng = np.random.default_rng(seed)

    def draw(count: int) -> tuple[int, ...]:
        return tuple(rng.integers(2, vocabulary, size=count).tolist())

    shapes = [(9, 8), (1, 5), (14, 1), (1, 1), (6, 20), (9, 8), (30, 3)]
    return [
        (draw(length), [Target(draw(q), draw(r)) for q, r in shapes[: 3 + number]])
        for number, length in enumerate((40, 1, 7, WINDOW, 70))
    ]


def worst(found: list[list[np.ndarray]], model: Any, groups: Sequence[Group]) -> float:
    """Largest difference to the definition."""
    errors = [0.0]
    for (prefix, targets), values in zip(groups, found, strict=True):
        for target, value in zip(targets, values, strict=True):
            assert value.dtype == np.float32 and value.shape == (len(target.response),)
            errors.append(np.abs(value - slow_log_probs(model, prefix, target)).max())
    return float(max(errors))


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_the_definition(
    family: str, opened: Callable[..., LanguageModel], reference: Callable[[str], Any]
) -> None:
    engine = ScoringEngine(opened(family))
    assert engine.packs == (family != "bloom")
    assert engine.way.head == "pieces"
    groups = some_groups()
    assert worst(engine.log_probs_of_groups(groups), reference(family), groups) <= CLOSE
    # The numbers depend on the prefix, or nothing would be compared.
    bare = [(prefix[-1:], targets) for prefix, targets in groups]
    assert worst(engine.log_probs_of_groups(bare), reference(family), groups) > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_every_way_gives_the_same_values(family: str, opened: Callable[..., LanguageModel]) -> None:
    engine = ScoringEngine(opened(family))
    groups = some_groups()
    ways = [way for way in WAYS if engine.packs or not way.packs]
    found = []
    for engine.way in ways:
        values = engine.log_probs_of_groups(groups)
        found.append(np.concatenate([each for group in values for each in group]))
    for each in found[1:]:
        np.testing.assert_allclose(each, found[0], atol=CLOSE, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_choices_equal_the_definition(
    family: str, opened: Callable[..., LanguageModel], reference: Callable[[str], Any]
) -> None:
    engine = ScoringEngine(opened(family))
    groups = [
        (prefix, [target.query for target in targets]) for prefix, targets in some_groups(seed=1)
    ]
    choices = (17, 30, 31, 5, 399)
    done: list[int] = []
    found = engine.choice_log_probs([*groups, ((3, 4), [])], choices, done.append)
    assert sum(done) == sum(len(suffixes) for _, suffixes in groups)
    assert found[-1].shape == (0, 5)
    for (prefix, suffixes), values in zip(groups, found[:-1], strict=True):
        want = [slow_choices(reference(family), prefix, suffix, choices) for suffix in suffixes]
        np.testing.assert_allclose(values, want, atol=CLOSE, rtol=0)


@pytest.mark.parametrize("settings", [{"attention": "eager"}, {"attention": "sdpa"}])
@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2"])
def test_attention_settings(
    family: str,
    settings: dict[str, str],
    opened: Callable[..., LanguageModel],
    reference: Callable[[str], Any],
) -> None:
    engine = ScoringEngine(opened(family, **settings))
    groups = some_groups(seed=2)
    assert engine.packs
    assert worst(engine.log_probs_of_groups(groups), reference(family), groups) <= CLOSE


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma2"])
def test_half_precision_packs_and_is_near(
    family: str, opened: Callable[..., LanguageModel], reference: Callable[[str], Any]
) -> None:
    engine = ScoringEngine(opened(family, dtype="bfloat16"))
    assert engine.packs
    groups = some_groups(seed=3)
    found = engine.log_probs_of_groups(groups)
    errors = [
        value - slow_log_probs(reference(family), prefix, target)
        for (prefix, targets), values in zip(groups, found, strict=True)
        for target, value in zip(targets, values, strict=True)
    ]
    assert np.median(np.abs(np.concatenate(errors))) < 0.2


def test_neighbours_in_a_pass_change_nothing(opened: Callable[..., LanguageModel]) -> None:
    engine = ScoringEngine(opened("llama"))
    groups = some_groups()
    together = engine.log_probs_of_groups(groups)
    for (prefix, targets), values in zip(groups, together, strict=True):
        for target, value in zip(targets, values, strict=True):
            alone = engine.log_probs(prefix, [target])[0]
            # Distances are differences of mean probabilities.
            assert abs(float(np.exp(alone).mean() - np.exp(value).mean())) <= 1e-5
            np.testing.assert_allclose(alone, value, atol=2e-5, rtol=0)


def test_results_come_in_the_order_given(opened: Callable[..., LanguageModel]) -> None:
    engine = ScoringEngine(opened("llama"))
    prefix, targets = some_groups()[4]
    forward = engine.log_probs(prefix, targets)
    backward = engine.log_probs(prefix, targets[::-1])
    for one, other in zip(forward, backward[::-1], strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5, rtol=0)
    groups = some_groups()
    found = engine.log_probs_of_groups([groups[1], groups[4], (prefix, []), groups[0]])
    assert [len(values) for values in found] == [4, 7, 0, 3]
    np.testing.assert_allclose(found[1][6], forward[6], atol=2e-5, rtol=0)
    assert engine.log_probs_of_groups([]) == []


def test_a_small_memory_budget_only_takes_more_passes(
    opened: Callable[..., LanguageModel],
) -> None:
    groups = some_groups()
    large, small = (ScoringEngine(opened("llama"), memory_mb=size) for size in (512, 0))
    done: dict[int, list[int]] = {0: [], 1: []}
    found = [
        engine.log_probs_of_groups(groups, done[number].append)
        for number, engine in enumerate((large, small))
    ]
    total = sum(len(targets) for _, targets in groups)
    assert sum(done[0]) == sum(done[1]) == total
    assert len(done[0]) == 1 and len(done[1]) > 3
    for one, other in zip(*found, strict=True):
        for here, there in zip(one, other, strict=True):
            np.testing.assert_allclose(here, there, atol=2e-5, rtol=0)


def test_memory_that_runs_out_halves_the_pass(
    opened: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = some_groups()
    engine = ScoringEngine(opened("llama"))
    expected = engine.log_probs_of_groups(groups)
    real = attention.packed_attention
    sizes: list[int] = []

    def scarce(module: Any, query: torch.Tensor, *rest: Any, **more: Any) -> Any:
        sizes.append(query.shape[2])
        if query.shape[2] > 150:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(module, query, *rest, **more)

    monkeypatch.setattr(attention, "packed_attention", scarce)
    done: list[int] = []
    found = engine.log_probs_of_groups(groups, done.append)
    assert max(sizes) > 150  # It did run out,
    assert sum(done) == sum(len(targets) for _, targets in groups)  # nothing was counted twice,
    for one, other in zip(expected, found, strict=True):
        for here, there in zip(one, other, strict=True):
            np.testing.assert_allclose(here, there, atol=2e-5, rtol=0)
    sizes.clear()
    engine.log_probs_of_groups(groups)
    assert max(sizes) <= 150  # and it is remembered.


def test_memory_for_nothing_is_an_error_with_advice(
    opened: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScoringEngine(opened("llama"))

    def none_left(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(attention, "packed_attention", none_left)
    for ask in (lambda: engine.log_probs_of_groups(some_groups()), lambda: engine.probe(9, 9, 3)):
        with pytest.raises(ModelError, match="smallest") as caught:
            ask()
        assert "smaller model" in caught.value.hint


def test_probe_is_as_large_as_the_largest_pass(
    opened: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScoringEngine(opened("llama"))
    sizes: list[int] = []
    real = attention.packed_attention

    def watched(module: Any, query: torch.Tensor, *rest: Any, **more: Any) -> Any:
        sizes.append(query.shape[2])
        return real(module, query, *rest, **more)

    monkeypatch.setattr(attention, "packed_attention", watched)
    engine.probe(100, 60, 20)
    assert engine._tokens - 60 <= max(sizes) <= engine._tokens
    engine.probe(10_000, 200, 10)  # Cut to what the model can read.


def test_broken_weights_are_named(opened: Callable[..., LanguageModel]) -> None:
    model = open_model(opened("llama").settings)
    engine = ScoringEngine(model)
    with torch.no_grad():
        model.model.lm_head.weight[7] = torch.nan
    for ask in (
        lambda: engine.log_probs_of_groups(some_groups()),
        lambda: ScoringEngine(model),
    ):
        with pytest.raises(ModelError, match="not numbers in float32") as caught:
            ask()
        assert model.settings.model in caught.value.message
        assert "float32" in caught.value.hint


def test_logits_are_made_in_pieces(
    opened: Callable[..., LanguageModel],
    reference: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = ScoringEngine(opened("gemma2"))
    head = engine.language_model.model.get_output_embeddings()
    sizes: list[int] = []
    hook = head.register_forward_hook(lambda _, __, out: sizes.append(4 * out.numel()))
    limit = 4 * 3 * head.weight.shape[0]
    monkeypatch.setattr(heads, "LOGIT_BYTES", limit)
    try:
        groups = some_groups()
        assert worst(engine.log_probs_of_groups(groups), reference("gemma2"), groups) <= CLOSE
    finally:
        hook.remove()
    assert max(sizes) == limit
    reads = sum(len(target.response) for _, targets in groups for target in targets)
    assert sum(sizes) == 4 * reads * head.weight.shape[0]  # Nothing but responses.


def test_the_model_is_left_as_it_was(
    opened: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened("llama").model
    before = model.config._attn_implementation
    engine = ScoringEngine(opened("llama"))
    ids = torch.arange(2, 60)[None]
    plain = model(ids).logits
    inside: list[str] = []
    real = attention.packed_attention

    def watched(module: Any, *rest: Any, **more: Any) -> Any:
        inside.append(module.config._attn_implementation)
        return real(module, *rest, **more)

    monkeypatch.setattr(attention, "packed_attention", watched)
    engine.log_probs_of_groups(some_groups())
    assert set(inside) == {attention.NAME}
    assert model.config._attn_implementation == before
    assert torch.equal(model(ids).logits, plain)

    def fails(*_: Any, **__: Any) -> None:
        raise ValueError("stop")

    monkeypatch.setattr(attention, "packed_attention", fails)
    with pytest.raises(ValueError, match="stop"):
        engine.log_probs_of_groups(some_groups())
    assert model.config._attn_implementation == before
    with pytest.raises(Cancelled):
        ScoringEngine(opened("bloom")).log_probs_of_groups(some_groups(), cancel)


def cancel(_: int) -> None:
    raise Cancelled


def test_impossible_calls(opened: Callable[..., LanguageModel]) -> None:
    engine = ScoringEngine(opened("llama"))
    for group in (
        ((), [Target((3,), (4,))]),
        ((5,), [Target((), (4,))]),
        ((5,), [Target((3,), ())]),
    ):
        with pytest.raises(ValueError, match="at least one token"):
            engine.log_probs_of_groups([group])
    with pytest.raises(ValueError, match="256 tokens"):
        engine.log_probs((5,) * 250, [Target((6,) * 4, (7,) * 4)])
    assert len(engine.log_probs((5,) * 250, [Target((6,) * 4, (7,) * 3)])[0]) == 3


# Faults, planted one by one: the comparison with the definition must see them. Those of packing
# must also be seen by the engine's own trial, which then takes a plain way.


def shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read where the token stands and not before it."""
    real = passes.read_logits

    def fault(model: Any, head: Any, ids: torch.Tensor, positions: torch.Tensor, *rest: Any,
              **more: Any) -> torch.Tensor:  # fmt: skip
        later = (positions + 1).clamp(max=ids.shape[1] - 1)
        return real(model, head, ids, later, *rest, **more)

    monkeypatch.setattr(passes, "read_logits", fault)


def positions_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole pass is counted through."""

    def fault(self: Any, plan: attention.Pass) -> torch.Tensor:
        return torch.arange(plan.segments[-1].stop).clamp(max=255)[None]

    monkeypatch.setattr(passes.Passes, "_positions", fault)


def targets_start_at_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(self: Any, plan: attention.Pass) -> torch.Tensor:
        return torch.cat([torch.arange(each.stop - each.start) for each in plan.segments])[None]

    monkeypatch.setattr(passes.Passes, "_positions", fault)


def extended(
    monkeypatch: pytest.MonkeyPatch, remember: Callable[[dict[Any, Any], Any, int, Any], Any]
) -> None:
    """Followers see more keys between their prefix and themselves."""
    real = attention._keys_and_values
    kept: dict[Any, Any] = {}

    def fault(
        segment: attention.Segment, layer: int, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = real(segment, layer, key, value)
        if segment.is_prefix:
            return keys, values
        more = remember(kept, segment, layer, (key, value))
        start = segment.store.length
        return tuple(
            torch.cat([whole[:, :start], extra, whole[:, start:]], 1)
            for whole, extra in zip((keys, values), more, strict=True)
        )

    monkeypatch.setattr(attention, "_keys_and_values", fault)


def neighbour_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The segment before in the pass is seen."""

    def remember(kept: dict[Any, Any], segment: Any, layer: int, now: Any) -> Any:
        before = kept.get(layer) if segment.start else None
        kept[layer] = now
        return before or tuple(each[:, :0] for each in now)

    extended(monkeypatch, remember)


def cache_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What followed a prefix once stays behind it, as in the model library's caches."""

    def remember(kept: dict[Any, Any], segment: Any, layer: int, now: Any) -> Any:
        before = kept.get((segment.store, layer), tuple(each[:, :0] for each in now))
        kept[segment.store, layer] = tuple(
            torch.cat(pair, 1) for pair in zip(before, now, strict=True)
        )
        return before

    extended(monkeypatch, remember)


def masked(monkeypatch: pytest.MonkeyPatch, change: Callable[[torch.Tensor, int], None]) -> None:
    real = attention._mask

    def fault(plan: Any, queries: int, keys: int, window: int, *rest: Any) -> torch.Tensor:
        mask = real(plan, queries, keys, window, *rest).clone()
        change(mask, keys - queries)
        return mask

    monkeypatch.setattr(attention, "_mask", fault)


def prefix_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(mask: torch.Tensor, prefix: int) -> None:
        mask[:, :prefix] = -torch.inf

    masked(monkeypatch, change)


def looks_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(mask: torch.Tensor, prefix: int) -> None:
        mask[:, prefix:] = 0

    masked(monkeypatch, change)


def window_too_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    real = attention._mask

    def fault(plan: Any, queries: int, keys: int, window: int, *rest: Any) -> torch.Tensor:
        return real(plan, queries, keys, window + 1 if window else 0, *rest)

    monkeypatch.setattr(attention, "_mask", fault)


def heads_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries meet the keys of another group of heads."""
    real = attention._keys_and_values

    def fault(*given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = real(*given)
        return keys.roll(1, 0), values

    monkeypatch.setattr(attention, "_keys_and_values", fault)


FAULTS = (
    (shifted, "llama", False),
    (positions_go_on, "llama", True),
    (positions_go_on, "gpt2", True),
    (targets_start_at_zero, "llama", True),
    (targets_start_at_zero, "gpt2", True),
    (neighbour_leaks, "llama", True),
    (cache_grows, "llama", True),
    (prefix_hidden, "llama", True),
    (looks_ahead, "llama", True),
    (window_too_wide, "mistral", True),
    (window_too_wide, "gemma3_text", True),
    (heads_mixed_up, "qwen2", True),
)


@pytest.mark.parametrize(
    ("plant", "family", "of_packing"), FAULTS, ids=lambda value: getattr(value, "__name__", value)
)
def test_faults_are_seen(
    plant: Callable[[pytest.MonkeyPatch], None],
    family: str,
    of_packing: bool,
    opened: Callable[..., LanguageModel],
    reference: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = some_groups()
    engine = ScoringEngine(opened(family))
    assert engine.packs
    assert worst(engine.log_probs_of_groups(groups), reference(family), groups) <= CLOSE
    plant(monkeypatch)
    assert worst(engine.log_probs_of_groups(groups), reference(family), groups) > WRONG
    if of_packing:
        careful = ScoringEngine(opened(family))
        assert not careful.packs
        assert worst(careful.log_probs_of_groups(groups), reference(family), groups) <= CLOSE


# Models that make their logits in a way of their own.


@pytest.fixture
def odd_model(opened: Callable[..., LanguageModel]) -> Iterator[LanguageModel]:
    yield open_model(opened("llama").settings)


@pytest.mark.parametrize(
    ("takes_positions", "expected"), [(True, Way(True, "kept")), (False, Way(False, "full"))]
)
def test_unknown_logit_scaling_is_noticed(
    takes_positions: bool,
    expected: Way,
    odd_model: LanguageModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = odd_model.model.forward

    def forward(input_ids: torch.Tensor, **options: Any) -> Any:
        if not takes_positions and "logits_to_keep" in options:
            raise TypeError("forward() got an unexpected keyword argument 'logits_to_keep'")
        out = real(input_ids=input_ids, **options)
        out.logits = out.logits * 0.5
        return out

    monkeypatch.setattr(odd_model.model, "forward", forward)
    engine = ScoringEngine(odd_model)
    assert engine.way == expected
    groups = some_groups()
    assert worst(engine.log_probs_of_groups(groups), odd_model.model, groups) <= CLOSE


def test_a_way_is_tried_before_it_is_gone(
    odd_model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "may_pack", lambda *_: False)
    assert ScoringEngine(odd_model).way == Way(False, "pieces")
