"""Packing by lengths, and what a trial is too short to show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncift_core.lm.packing import Place, Target, plan_waves
from nncift_core.lm.ways import agree, may_pack, trial_group


def test_a_target_reads_all_but_its_last_token() -> None:
    assert Target((1, 2), (3, 4, 5)).tokens == (1, 2, 3, 4)
    assert Target((1,), (9,)).tokens == (1,)


@given(
    st.lists(st.tuples(st.integers(1, 60), st.lists(st.integers(1, 60), max_size=8)), max_size=8),
    st.integers(1, 200),
)
def test_everything_is_packed_once_and_fits(
    shapes: list[tuple[int, list[int]]], tokens: int
) -> None:
    prefixes = [prefix for prefix, _ in shapes]
    targets = {
        Place(group, number): length
        for group, (_, lengths) in enumerate(shapes)
        for number, length in enumerate(lengths)
    }
    waves = list(plan_waves(prefixes, targets, tokens))
    packed = [place for wave in waves for chosen in wave.passes for place in chosen]
    assert sorted(packed) == sorted(targets)
    for wave in waves:
        stored = sum(prefixes[group] + room for group, room in wave.rooms.items())
        assert stored <= tokens or len(wave.rooms) == 1
        for chosen in wave.passes:
            assert chosen
            assert sum(targets[place] for place in chosen) <= tokens or len(chosen) == 1
            assert {place.group for place in chosen} <= set(wave.rooms)
            assert all(targets[place] <= wave.rooms[place.group] for place in chosen)


def test_passes_are_full() -> None:
    targets = {Place(group, number): 10 for group in range(4) for number in range(25)}
    waves = list(plan_waves([15] * 4, targets, 100))
    assert [set(wave.rooms) for wave in waves] == [{0, 1, 2, 3}]
    assert [len(chosen) for chosen in waves[0].passes] == [10] * 10


def config(**more: Any) -> SimpleNamespace:
    made = SimpleNamespace(num_hidden_layers=2, max_position_embeddings=64, **more)
    made.get_text_config = lambda: made
    return made


SLIDING, FULL = "sliding_attention", "full_attention"


@pytest.mark.parametrize(
    ("settings", "windows", "expected"),
    [
        ({}, {0: 0, 1: 0}, True),
        ({}, {0: 0}, False),  # A layer without attention.
        ({}, {}, False),
        ({"sliding_window": 16}, {0: 16, 1: 16}, True),
        ({"sliding_window": 16}, {0: 0, 1: 0}, False),  # The window is in a mask only.
        ({"sliding_window": 64}, {0: 0, 1: 0}, True),  # No prompt is longer.
        ({"sliding_window": 16, "use_sliding_window": False}, {0: 0, 1: 0}, True),
        ({"sliding_window": 16, "layer_types": [SLIDING, FULL]}, {0: 16, 1: 0}, True),
        ({"sliding_window": 16, "layer_types": [SLIDING, FULL]}, {0: 16, 1: 16}, False),
        ({"sliding_window": 16, "layer_types": [FULL, SLIDING]}, {0: 16, 1: 0}, False),
        ({"layer_types": ["chunked_attention", FULL]}, {0: 0, 1: 0}, True),
        (
            {"layer_types": ["chunked_attention", FULL], "attention_chunk_size": 32},
            {0: 0, 1: 0},
            False,
        ),
        ({"rope_parameters": {"rope_type": "llama3"}}, {0: 0, 1: 0}, True),
        ({"rope_parameters": {"rope_type": "dynamic"}}, {0: 0, 1: 0}, True),
        (
            {"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 32}},
            {0: 0, 1: 0},
            False,
        ),
        (
            {"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 64},
            {0: 0, 1: 0},
            True,
        ),
        (
            {"rope_parameters": {SLIDING: {"rope_type": "longrope"}, FULL: None}},
            {0: 0, 1: 0},
            False,
        ),
    ],
)
def test_what_a_trial_is_too_short_to_show(
    settings: dict[str, Any], windows: dict[int, int], expected: bool
) -> None:
    assert may_pack(config(**settings), windows, 64) is expected


@pytest.mark.parametrize("context", [4, 16, 59, 2048])
def test_a_trial_fits_the_context(context: int) -> None:
    prefix, targets = trial_group(500, context)
    assert prefix and all(target.query and target.response for target in targets)
    assert all(len(prefix) + len(t.query) + len(t.response) <= context for t in targets)


def test_agreement() -> None:
    reference = np.array([-1.0, -5.0, -9.0], np.float32)
    bare = reference - 1
    assert agree(reference + 5e-5, reference, bare, 0.0)
    assert not agree(reference + 3e-4, reference, bare, 0.0)
    # Half precision is coarse, but not so coarse that the prefix could be lost.
    assert agree(reference + 0.1, reference, bare, 0.008)
    assert not agree(bare, reference, bare, 0.008)
