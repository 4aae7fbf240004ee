"""What every registered part must offer; a new entry is tested by being registered."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.config import LessConfig, RunConfig
from nncift_core.export.rows import SCHEMAS
from nncift_core.influence import METHODS, MethodEntry, create
from nncift_core.influence.designs import DESIGNS
from nncift_core.network import NETWORKS, RIVALS
from nncift_core.network.fitting import Fitted, fit
from nncift_core.network.paper import PaperNetwork
from nncift_core.network.predict import Predictor
from nncift_core.progress import SilentProgress
from nncift_core.registry import Entry
from nncift_core.selection import OBJECTIVES
from nncift_core.selection.optimizers import OPTIMIZERS
from nncift_core.selection.use_cases import USE_CASES
from nncift_core.types import Pairs
from tests.fake_encoder import FakeEncoder

ENTRIES = [
    pytest.param(registry, entry, id=f"{registry.kind}: {entry.name}")
    for registry in (METHODS, DESIGNS, NETWORKS, RIVALS, OBJECTIVES, OPTIMIZERS, USE_CASES, SCHEMAS)
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
    "design": set(),
    "network": {"text-only", "solved"},
    "rival": {"text-only"},
    "objective": {"target-matrix", "pool-matrix", "existing-matrix", "row-scores"},
    "optimizer": {"matrix", "blocks"},
    "use case": {"target-matrix", "pool-matrix", "existing-matrix"},
    "export schema": {"raw", "rows", "turns"},
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


@pytest.fixture
def learnable(unit_vectors: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """``learnable(pointwise)``: 40 rows that help, 24 that are helped, 240 labels of them."""

    def make(pointwise: bool = False) -> tuple[np.ndarray, np.ndarray, Pairs]:
        helpers, helped = unit_vectors(40, 12, 1), unit_vectors(24, 12, 2)
        # The cosine counts, and so does which side a row is on.
        truth = 5 + 3 * helpers @ helped.T + 2 * helpers[:, :1] + (helped[:, 1:2]).T
        if pointwise:
            helped, truth = np.empty((1, 0), np.float32), truth[:, :1]
        places = np.random.default_rng(3).permutation(truth.size)[: 30 if pointwise else 240]
        i, j = np.unravel_index(places, truth.shape)
        return helpers, helped, Pairs(i, j, truth[i, j].astype(np.float32))

    return make


@pytest.fixture
def one_draw(short_training: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are kept out once, and networks learn for a few epochs."""
    monkeypatch.setattr("nncift_core.network.fitting.DRAWS_OF_FEW", 1)


@pytest.mark.parametrize("name", [*NETWORKS.names, *RIVALS.names])
def test_estimator(
    name: str, learnable: Callable[..., Any], unit_vectors: Callable[..., np.ndarray],
    one_draw: None, tmp_path: Path,
) -> None:  # fmt: skip
    helpers, helped, pairs = learnable()
    fitted = fit(name, helpers, helped, {"q1": pairs}, 4, SilentProgress())
    assert (fitted.name, fitted.candidates[0].name) == (name, name)
    assert fitted.history[-1]["q1"] < fitted.history[0]["q1"]
    assert fitted.parameters > 0
    # A pair alone, in a list and in a block of all pairs is the same number.
    values = fitted.predict(helpers, helped, pairs)
    assert (values.shape, values.dtype) == ((240,), np.float32)
    projected = fitted.project(helpers, helped)
    whole = Predictor(projected, compile="never").block(0, 40)
    in_units = fitted.scale.lo + fitted.scale.width * values
    np.testing.assert_allclose(whole[pairs.helper, pairs.helped], in_units, atol=1e-4)
    alone = projected.rows(np.array([7]), np.array([5]))
    one = Predictor(alone, compile="never").block(0, 1)
    np.testing.assert_allclose(one, whole[7:8, 5:6], atol=1e-5)
    assert np.ptp(whole) > 0
    # Rows that come later change nothing of those before them.
    more = np.concatenate([helpers, unit_vectors(6, 12, 5)])
    longer = Predictor(fitted.project(more, helped), compile="never").block(0, 46)
    np.testing.assert_allclose(longer[:40], whole, atol=1e-5)
    assert np.isfinite(longer).all()
    # Rows that nobody has labelled stand for themselves, in whatever order.
    new = unit_vectors(9, 12, 6), unit_vectors(9, 12, 7)
    strange = Predictor(fitted.project(*new, known=False), compile="never").block(0, 9)
    back = fitted.project(new[0][::-1], new[1], known=False)
    np.testing.assert_allclose(Predictor(back, compile="never").block(0, 9)[::-1], strange,
                               atol=1e-4)  # fmt: skip
    # Helper and helped are not the same input. A cosine, and means of rows that nobody has
    # labelled, cannot tell.
    swapped = Predictor(fitted.project(*new[::-1], known=False), compile="never").block(0, 9)
    assert np.allclose(swapped.T, strange, atol=1e-4) is (name in ("cosine", "additive"))
    # Stored and read it is the same; fitted again it is the same bytes.
    paths = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    fitted.save(paths[0])
    fit(name, helpers, helped, {"q1": pairs}, 4, SilentProgress()).save(paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    stored = Fitted.load(paths[0])
    np.testing.assert_array_equal(stored.predict(helpers, helped, pairs), values)
    read = stored.projected(*projected.stored())
    np.testing.assert_array_equal(Predictor(read, compile="never").block(0, 40), whole)


@pytest.mark.parametrize("name", [*NETWORKS.names, *RIVALS.names])
def test_estimator_of_single_rows(name: str, learnable: Callable[..., Any], one_draw: None) -> None:
    """``auto`` gives each of these single rows, but for those that are about pairs."""
    helpers, helped, pairs = learnable(pointwise=True)
    if name in ("cosine", "additive"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nncift_core.network.fitting.PICKED_FROM", (name, "ridge"))
            fitted = fit("auto", helpers, helped, {"q1": pairs}, 4, SilentProgress())
        assert [candidate.name for candidate in fitted.candidates] == ["ridge"]
        return
    fitted = fit(name, helpers, helped, {"q1": pairs}, 4, SilentProgress())
    assert fitted.history[-1]["q1"] < fitted.history[0]["q1"]
    scores = Predictor(fitted.project(helpers, helped), compile="never").block(0, 40)
    assert scores.shape == (40, 1)
    in_units = fitted.scale.lo + fitted.scale.width * fitted.predict(helpers, helped, pairs)
    np.testing.assert_allclose(scores[pairs.helper, 0], in_units, atol=1e-4)


def test_the_published_network_has_the_published_size() -> None:
    assert sum(p.numel() for p in PaperNetwork(1024).parameters()) == 205_001
