"""Memory that runs out: recognised, halved, planned for."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from nncift_core.errors import ModelError
from nncift_core.lm import memory
from nncift_core.lm.memory import (
    LEAST_TOKENS,
    check_room,
    free_bytes,
    halving,
    is_out_of_memory,
    tokens_per_pass,
)
from tests.tiny_lm import FAMILIES, make_config


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    ],
)
def test_memory_that_ran_out_is_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes cannot be multiplied"), ValueError("out of memory"), KeyError(1)]
)
def test_other_errors_are_not(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_a_real_allocation_that_fails_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_half_of_the_work_until_it_fits() -> None:
    tried: list[int] = []

    def run(size: int) -> str:
        tried.append(size)
        if size > 100:
            raise MemoryError
        return "done"

    assert halving(run, 700) == ("done", 87)
    assert tried == [700, 350, 175, 87]
    assert halving(run, 0, smallest=5) == ("done", 5)


def test_the_smallest_piece_that_does_not_fit_gives_advice() -> None:
    tried: list[int] = []

    def run(size: int) -> None:
        tried.append(size)
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ModelError, match=r"smallest piece of work.*Choose a smaller model"):
        halving(run, 40, 16)
    assert tried == [40, 20, 16]
    with pytest.raises(ModelError, match=r"Buy more\."):
        halving(run, 1, advice="Buy more.")


def test_other_errors_pass_through_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        halving(lambda size: 1 // 0, 8)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_planned_for(family: str) -> None:
    config = make_config(family, vocab=300, positions=128)
    few = tokens_per_pass(config, torch.float32, 64)
    assert few >= LEAST_TOKENS
    assert tokens_per_pass(config, torch.float32, 256) == pytest.approx(4 * few, rel=1e-3)
    assert few < tokens_per_pass(config, torch.bfloat16, 64) < 2 * few


def test_a_large_model_gets_small_passes_but_not_smaller_than_the_least() -> None:
    config = SimpleNamespace(
        hidden_size=8192,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        intermediate_size=28672,
    )
    assert 500 < tokens_per_pass(config, torch.bfloat16, 1024) < 4000
    assert tokens_per_pass(config, torch.float32, 64) == LEAST_TOKENS


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 4e9)
    check_room("small", 4e9, torch.device("cpu"))
    with pytest.raises(ModelError, match=r"'big' need 16\.0 GB and cpu has 4\.0 GB free.*nf4"):
        check_room("big", 16e9, torch.device("cpu"))


def test_free_memory_is_known_or_infinite() -> None:
    assert 0 < free_bytes(torch.device("cpu"))
    assert free_bytes(torch.device("mps")) == math.inf
