"""Blocks of hidden units, factors and weighted means against a slow loop over pairs in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nncift_core.network import predict
from nncift_core.network.ensemble import EnsembleNetwork
from nncift_core.network.pair_network import PairNetwork
from nncift_core.network.predict import Predictor, Projected, project
from nncift_core.network.products import ProductNetwork
from nncift_core.network.towers import TowersNetwork

N, M, D = 17, 29, 6
SCALE, OFFSET = 0.7, -0.2
NETWORKS = {"product": ProductNetwork, "towers": TowersNetwork, "ensemble": EnsembleNetwork}


def make(name: str) -> PairNetwork:
    """A network none of whose parts is 0."""
    torch.manual_seed(1)
    network: PairNetwork = NETWORKS[name](D).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return network


def by_forward(network: PairNetwork, helpers: np.ndarray, helped: np.ndarray) -> np.ndarray:
    """Each pair alone through the network's own forward, in float64."""
    network = network.double()
    found = np.empty((len(helpers), len(helped)))
    with torch.no_grad():
        for i, x in enumerate(torch.from_numpy(helpers).double()):
            for j, y in enumerate(torch.from_numpy(helped).double()):
                found[i, j] = OFFSET + SCALE * float(network(x[None], y[None])[0])
    network.float()
    return found


@pytest.fixture
def rows(unit_vectors: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return unit_vectors(N, D, 1), unit_vectors(M, D, 2)


def of_network(name: str, rows: Any) -> tuple[PairNetwork, Projected]:
    network = make(name)
    return network, project(network, *rows, scale=SCALE, offset=OFFSET)


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_equal_the_forward_of_each_pair(name: str, rows: Any) -> None:
    network, projected = of_network(name, rows)
    truth = by_forward(network, *rows)
    assert truth.std() > 1e-2
    found = Predictor(projected, compile="never").block(0, N)
    assert (found.shape, found.dtype) == ((N, M), np.float32)
    np.testing.assert_allclose(found, truth, atol=1e-5)
    assert network.pair_cost == projected.helpers.shape[1]


def test_the_product_is_the_formula(rows: Any) -> None:
    """``relu(A x + B y) . w + (C x) . (D y) + s x . y + bias``, from the weights."""
    network = make("product")
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
    hidden = network.hidden
    expected = np.empty((N, M))
    for i, x in enumerate(rows[0].astype(float)):
        for j, y in enumerate(rows[1].astype(float)):
            one = weights["helper_half.weight"] @ x + weights["helper_half.bias"]
            other = weights["helped_half.weight"] @ y
            units = np.maximum(one[:hidden] + other[:hidden], 0)
            expected[i, j] = (
                units @ weights["output_weight"]
                + one[hidden:] @ other[hidden:]
                + weights["slope"][0] * (x @ y)
                + weights["output_bias"][0]
            )
    np.testing.assert_allclose(by_forward(network, *rows), OFFSET + SCALE * expected, atol=1e-9)


def test_an_ensemble_is_the_mean_of_its_members(rows: Any) -> None:
    network = make("ensemble")
    assert isinstance(network, EnsembleNetwork)
    members = [by_forward(member, *rows) for member in network.each()]
    assert len(members) == 4 and not np.allclose(members[0], members[1], atol=1e-3)
    np.testing.assert_allclose(by_forward(network, *rows), np.mean(members, axis=0), atol=1e-9)


@pytest.mark.parametrize(
    "mistake", ["factors of the wrong side", "no scale on products", "bias twice", "no offset"]
)
def test_the_classic_mistakes_would_be_seen(mistake: str, rows: Any) -> None:
    network, projected = of_network("product", rows)
    truth, hidden = by_forward(network, *rows), projected.hidden
    square = (slice(0, N), slice(0, N))
    helpers, helped = projected.helpers.copy(), projected.helped[:N].copy()
    if mistake == "factors of the wrong side":
        helpers[:, hidden:], helped[:, hidden:] = helped[:, hidden:], helpers[:, hidden:].copy()
    if mistake == "no scale on products":
        helpers[:, hidden:] /= SCALE
    wrong = replace(projected, helpers=helpers, helped=helped)
    if mistake == "bias twice":
        wrong = replace(wrong, output_bias=2 * projected.output_bias)
    if mistake == "no offset":
        wrong = replace(wrong, offset=0.0)
    found = Predictor(wrong, compile="never").block(0, N)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found, truth[square], atol=1e-5)


# Weighted means, with hidden units beside them


HIDDEN, FACTORS = 5, 4


@pytest.fixture
def weighted() -> tuple[Projected, np.ndarray]:
    """A projection with everything in it, and its matrix by the definition."""
    rng = np.random.default_rng(0)
    helpers, helped = (
        rng.standard_normal((count, HIDDEN + FACTORS)).astype(np.float32) for count in (N, M)
    )
    helped[:, HIDDEN:] = np.abs(helped[:, HIDDEN:]) + 0.1
    mass = (np.abs(rng.standard_normal((N, FACTORS))) + 0.1).astype(np.float32)
    output = rng.standard_normal(HIDDEN).astype(np.float32)
    projected = Projected(helpers, helped, output, 0.3, SCALE, OFFSET, mass)
    truth = np.empty((N, M))
    for i in range(N):
        for j in range(M):
            left, right = helpers[i].astype(float), helped[j].astype(float)
            units = np.maximum(left[:HIDDEN] + right[:HIDDEN], 0) @ output.astype(float)
            mean = left[HIDDEN:] @ right[HIDDEN:] / (mass[i].astype(float) @ right[HIDDEN:])
            truth[i, j] = OFFSET + SCALE * (units + mean + 0.3)
    return projected, truth


def without_mass(projected: Projected) -> Projected:
    return replace(projected, mass=None)


@pytest.mark.parametrize("compile", ["never", "always"])
def test_weighted_means(weighted: Any, compile: Any) -> None:
    projected, truth = weighted
    predictor = Predictor(projected, compile=compile)
    np.testing.assert_allclose(predictor.block(0, N), truth, atol=2e-6)
    parts = [predictor.block(start, min(start + 5, N)) for start in range(0, N, 5)]
    np.testing.assert_allclose(np.concatenate(parts), truth, atol=2e-6)
    np.testing.assert_allclose(predictor.block(3, 9, slice(4, 20)), truth[3:9, 4:20], atol=2e-6)
    assert not np.allclose(Predictor(without_mass(projected)).block(0, N), truth, atol=0.1)


@pytest.mark.parametrize("has_mass", [True, False])
def test_subsets_and_single_pairs_agree(
    has_mass: bool, weighted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "PAIR_ROWS", 13)
    projected = weighted[0] if has_mass else without_mass(weighted[0])
    predictor = Predictor(projected, compile="never")
    whole = predictor.block(0, N)
    rng = np.random.default_rng(4)
    rows, columns = rng.permutation(N)[:6], rng.integers(M, size=11)
    part = predictor.subset(rows, columns).block(0, 6)
    np.testing.assert_allclose(part, whole[np.ix_(rows, columns)], atol=1e-6)
    i, j = rng.integers(N, size=50), rng.integers(M, size=50)
    kept = projected.helpers.copy()
    np.testing.assert_allclose(predictor.pairs(i, j), whole[i, j], atol=2e-6)
    np.testing.assert_array_equal(projected.helpers, kept)


def test_hidden_units_alone_are_equal_bits(weighted: Any) -> None:
    projected = replace(
        without_mass(weighted[0]),
        helpers=weighted[0].helpers[:, :HIDDEN],
        helped=weighted[0].helped[:, :HIDDEN],
    )
    predictor = Predictor(projected, compile="never")
    rows, columns = np.array([9, 2, 14]), np.array([20, 0, 7, 7])
    np.testing.assert_array_equal(
        predictor.subset(rows, columns).block(0, 3), predictor.block(0, N)[np.ix_(rows, columns)]
    )


@pytest.mark.parametrize("has_mass", [True, False])
def test_stored_sides_come_back(has_mass: bool, weighted: Any) -> None:
    projected = weighted[0] if has_mass else without_mass(weighted[0])
    helpers, helped = projected.stored()
    assert helpers.shape == (N, HIDDEN + FACTORS + (FACTORS if has_mass else 0))
    empty = projected.rows(np.arange(0), np.arange(0))
    for side in (helpers, helped):
        side.flags.writeable = False  # as a memory map of a file
    back = empty.with_sides(helpers, helped)
    assert (back.mass is not None) == has_mass
    np.testing.assert_array_equal(
        Predictor(back, compile="never").block(0, N),
        Predictor(projected, compile="never").block(0, N),
    )


def test_maps_of_files_raise_no_warning(weighted: Any, recwarn: Any) -> None:
    projected = replace(
        weighted[0],
        helpers=np.ascontiguousarray(weighted[0].helpers[:, HIDDEN:]),
        helped=np.ascontiguousarray(weighted[0].helped[:, HIDDEN:]),
        output_weight=np.empty(0, np.float32),
    )
    helpers, helped = projected.stored()
    helpers.flags.writeable = helped.flags.writeable = False
    Predictor(projected.with_sides(helpers, helped)).block(0, N)
    Predictor(without_mass(projected).with_sides(projected.helpers, helped)).block(0, N)
    assert not [one for one in recwarn if "writ" in str(one.message)]


@pytest.mark.parametrize("mistake", ["transposed", "rows in another order", "not divided"])
def test_mistakes_with_the_mass_would_be_seen(weighted: Any, mistake: str) -> None:
    projected, truth = weighted
    assert projected.mass is not None
    helpers = projected.helpers[:FACTORS]
    square = projected.mass[:FACTORS]
    right = replace(projected, helpers=helpers, mass=square)
    np.testing.assert_allclose(Predictor(right).block(0, FACTORS), truth[:FACTORS], atol=2e-6)
    wrong = {
        "transposed": np.ascontiguousarray(square.T),
        "rows in another order": square[::-1],
        "not divided": None,
    }[mistake]
    found = Predictor(replace(right, mass=wrong)).block(0, FACTORS)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found, truth[:FACTORS], atol=1e-4)


@pytest.mark.parametrize("shape", [(N, FACTORS + 1), (N - 1, FACTORS)])
def test_a_mass_of_another_shape_is_refused(weighted: Any, shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="mass"):
        replace(weighted[0], mass=np.ones(shape, np.float32))


def test_a_mass_that_is_not_finite_is_refused(weighted: Any) -> None:
    with pytest.raises(ValueError, match="mass"):
        replace(weighted[0], mass=np.full((N, FACTORS), np.nan, np.float32))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("helped", [64, 0])
def test_sizes(name: str, helped: int) -> None:
    """As stated where each is described; below the published network's at its largest."""
    network = NETWORKS[name](64, helped_dimension=helped)
    size = sum(weight.numel() for weight in network.parameters())
    stated = {"product": 19_452, "towers": 66_691, "ensemble": 100_620}
    assert size == stated[name] if helped else size < stated[name]
    assert network.pair_cost == {
        ("product", 64): 214, ("product", 0): 100, ("towers", 64): 66, ("towers", 0): 2,
        ("ensemble", 64): 136, ("ensemble", 0): 8,
    }[name, helped]  # fmt: skip
