"""What every registered part must offer; a new entry is tested by being registered."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nncift_core.config import LessConfig, RunConfig
from nncift_core.export.rows import SCHEMAS
from nncift_core.influence import METHODS, MethodEntry, create
from nncift_core.network import NETWORKS
from nncift_core.registry import Entry
from nncift_core.selection import OBJECTIVES
from tests.fake_encoder import FakeEncoder

ENTRIES = [
    pytest.param(registry, entry, id=f"{registry.kind}: {entry.name}")
    for registry in (METHODS, NETWORKS, OBJECTIVES, SCHEMAS)
    for entry in registry
]
ROUNDING = 1e-5
"""What the shape of a batch may change in float32."""

NEEDS = {
    "method": {
        "pairwise",
        "pointwise",
        "encoder",
        "cosine-of-inputs",
        "language-model",
        "gradients",
        "uses-chat-template",
        "subtask-scores",
    },
    "network": set(),
    "objective": {"target-matrix", "pool-matrix", "existing-matrix", "row-scores"},
    "export schema": {"raw", "rows"},
}
SMALL_LESS = LessConfig(epochs=1, rank=2, dimensions=256, warmup_share=0.1)


def make(name: str, pool: Any) -> Any:
    """A method as the pipeline builds it; language-model methods with the demo model."""
    entry = METHODS[name]
    options: dict[str, Any] = {"encoder": FakeEncoder()} if "encoder" in entry.needs else {}
    if "gradients" in entry.needs:
        options |= {"settings": SMALL_LESS, "pool": pool}
    return create(name, **options)


@pytest.mark.parametrize(("registry", "entry"), ENTRIES)
def test_entry(registry: Any, entry: Entry) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", entry.name)
    assert entry.title
    assert entry.summary.endswith(".")
    assert "\n" not in entry.summary
    assert entry.needs <= NEEDS[registry.kind]
    assert callable(entry.load())


@pytest.fixture(params=[entry.name for entry in METHODS if "pairwise" in entry.needs])
def pairwise(request: pytest.FixtureRequest, demo_rows: Callable[[int, int], Any]) -> Any:
    return make(request.param, demo_rows(9, 6)[0])


def test_methods_name_an_objective_and_a_cost() -> None:
    for entry in METHODS:
        assert isinstance(entry, MethodEntry)
        assert entry.default_objective in OBJECTIVES
        assert entry.cost
        assert entry.pointwise != ("pairwise" in entry.needs)
        assert not entry.settings or hasattr(RunConfig(), entry.settings)


@pytest.mark.parametrize("name", [entry.name for entry in METHODS if entry.pointwise])
def test_pointwise_scores(name: str, demo_rows: Callable[[int, int], Any]) -> None:
    pool, _ = demo_rows(9, 6)
    method = make(name, pool)
    scores = method.scores(pool)
    assert scores.shape == (9,)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert np.ptp(scores) > 0
    np.testing.assert_allclose(method.scores(pool[::-1])[::-1], scores, atol=ROUNDING)
    np.testing.assert_allclose(method.scores(pool[4:5]), scores[4:5], atol=ROUNDING)
    np.testing.assert_array_equal(method.scores(pool), scores)


def test_pairwise_matrix(pairwise: Any, demo_rows: Callable[[int, int], Any]) -> None:
    pool, target = demo_rows(9, 6)
    matrix = pairwise.matrix(pool, target)
    assert matrix.shape == (9, 6)
    assert matrix.dtype == np.float32
    assert np.isfinite(matrix).all()
    assert np.ptp(matrix) > 0
    # In the order of the rows, whatever the order; no pair depends on the others.
    np.testing.assert_allclose(pairwise.matrix(pool[::-1], target)[::-1], matrix, atol=ROUNDING)
    np.testing.assert_allclose(pairwise.matrix(pool, target[::-1])[:, ::-1], matrix, atol=ROUNDING)
    np.testing.assert_allclose(
        pairwise.matrix(pool[4:5], target[2:3]), matrix[4:5, 2:3], atol=ROUNDING
    )
    np.testing.assert_array_equal(pairwise.matrix(pool, target), matrix)


def test_pairwise_source(pairwise: Any, demo_rows: Callable[[int, int], Any]) -> None:
    pool, target = demo_rows(9, 6)
    source = pairwise.source(pool, target)
    assert (source.n_train, source.n_target) == (9, 6)
    matrix = pairwise.matrix(pool, target)
    np.testing.assert_allclose(source.block(2, 7), matrix[2:7], atol=ROUNDING)
    part = source.subset(np.array([8, 0]), np.array([5, 5, 1]))
    np.testing.assert_allclose(part.block(0, 2), matrix[[8, 0]][:, [5, 5, 1]], atol=ROUNDING)


def test_pairwise_values_of_chosen_pairs(
    pairwise: Any, demo_rows: Callable[[int, int], Any]
) -> None:
    pool, target = demo_rows(9, 6)
    columns = np.random.default_rng(1).permuted(np.tile(np.arange(6), (9, 1)), axis=1)[:, :3]
    expected = np.take_along_axis(pairwise.matrix(pool, target), columns, axis=1)
    found = pairwise.values_at(pool, target, columns)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=ROUNDING)
    source = pairwise.pair_source(pool, target, columns)
    np.testing.assert_allclose(source.block(2, 7), expected[2:7], atol=ROUNDING)


@pytest.mark.parametrize("name", NETWORKS.names)
def test_network(name: str, unit_vectors: Callable[..., np.ndarray]) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name].load()(12)
    helpers = torch.from_numpy(unit_vectors(7, 12, 1))
    helped = torch.from_numpy(unit_vectors(7, 12, 2))
    with torch.no_grad():
        scores = network(helpers, helped)
        parts = network.combine(network.project_helpers(helpers), network.project_helped(helped))
        swapped = network(helped, helpers)
    assert scores.shape == (7,)
    np.testing.assert_allclose(scores, parts, atol=1e-6)
    assert not np.allclose(scores, swapped), "helper and helped are not the same input"
    same_size = NETWORKS[name].load()(network.dimension, network.hidden)
    same_size.load_state_dict(network.state_dict())
    with torch.no_grad():
        np.testing.assert_array_equal(same_size(helpers, helped), scores)
    at_bge = sum(p.numel() for p in NETWORKS[name].load()(1024).parameters())
    assert at_bge <= 205_001
