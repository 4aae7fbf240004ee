"""The network, its quadrants and its prediction where rows are scored alone; LESS's row score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nncift_core.network.bootstrap import intervals
from nncift_core.network.fitting import Fitted, fit
from nncift_core.network.learned import Learned
from nncift_core.network.paper import PaperNetwork
from nncift_core.network.predict import Predictor
from nncift_core.network.quadrants import measure_quadrants
from nncift_core.network.reducers import stream
from nncift_core.network.summaries import BestGroupMean
from nncift_core.network.training import predict_pairs
from nncift_core.pipeline.estimates import ArraySource
from nncift_core.progress import SilentProgress
from nncift_core.types import Pairs

NO_SECOND_ROW = np.empty((1, 0), dtype=np.float32)


def pairs(rows: np.ndarray, values: np.ndarray) -> Pairs:
    return Pairs(rows, np.zeros(len(rows), np.int64), values[rows].astype(np.float32))


@pytest.fixture
def scored(unit_vectors: Any) -> tuple[np.ndarray, dict[str, Pairs]]:
    vectors = unit_vectors(120, 6)
    truth = 3.0 + np.maximum(vectors[:, 0], 0) - 0.5 * vectors[:, 1]
    return vectors, {"q1": pairs(np.arange(60), truth), "q4": pairs(np.arange(80, 110), truth)}


def test_it_is_a_network_of_one_embedding() -> None:
    torch.manual_seed(0)
    network = PaperNetwork(1024, helped_dimension=0)
    assert sum(weight.numel() for weight in network.parameters()) == 1024 * 100 + 201
    torch.manual_seed(0)
    first, last = torch.nn.Linear(1024, 100), torch.nn.Linear(100, 1)
    rows = torch.randn(5, 1024)
    expected = last(torch.relu(first(rows)))[:, 0]
    torch.testing.assert_close(network(rows, torch.empty(5, 0)), expected)


def network_of(trained: Fitted) -> Any:
    assert isinstance(trained.model, Learned)
    return trained.model.network


def test_it_learns_predicts_all_rows_and_is_read_back(scored: Any, tmp_path: Any) -> None:
    vectors, by_role = scored
    trained = fit("paper", vectors, NO_SECOND_ROW, by_role, 0, SilentProgress())
    assert trained.history[-1]["q1"] < trained.history[0]["q1"]
    trained.save(tmp_path / "network.safetensors")
    again = Fitted.load(tmp_path / "network.safetensors")
    predictor = Predictor(again.project(vectors, NO_SECOND_ROW))
    assert (predictor.n_train, predictor.n_target) == (120, 1)
    predicted = predictor.block(0, 120)
    with torch.no_grad():
        plain = network_of(trained)(torch.from_numpy(vectors), torch.empty(120, 0)).numpy()
    np.testing.assert_allclose(
        predicted[:, 0], trained.scale.lo + trained.scale.width * plain, atol=1e-5
    )


def test_quadrants_have_no_second_side(scored: Any) -> None:
    vectors, by_role = scored
    trained = fit("paper", vectors, NO_SECOND_ROW, by_role, 0, SilentProgress())
    rows, none = torch.from_numpy(vectors), torch.from_numpy(NO_SECOND_ROW)
    predicted = {
        role: predict_pairs(network_of(trained), rows, none, some) for role, some in by_role.items()
    }
    table = measure_quadrants(by_role, predicted, vectors, NO_SECOND_ROW, trained.scale, 0)
    assert table["q2"] is None and table["q3"] is None
    for role in ("q1", "q4"):
        metrics = table[role]
        assert metrics is not None
        truth = (by_role[role].value - trained.scale.lo) / trained.scale.width
        assert metrics.mse == pytest.approx(
            float(np.mean((truth - predicted[role]) ** 2)), rel=1e-5
        )
        assert metrics.mse_cosine is None and metrics.mse_additive is None
        assert metrics.mse_ci is not None and metrics.mse_ci[0] <= metrics.mse <= metrics.mse_ci[1]
        assert metrics.r2_ci is not None and metrics.spearman_ci is not None


def test_the_interval_resamples_rows() -> None:
    """Against a plain bootstrap of rows."""
    rng = np.random.default_rng(0)
    truth, guess = rng.normal(size=40), rng.normal(size=40)
    found = intervals(np.arange(40), None, truth, guess, 1).mse
    assert found is not None
    errors = (truth - guess) ** 2
    plain = [errors[rng.integers(0, 40, 40)].mean() for _ in range(4_000)]
    np.testing.assert_allclose(found, np.quantile(plain, [0.025, 0.975]), rtol=0.12)


def test_row_score_is_the_best_subtask_mean() -> None:
    """Against the definition, one row and one subtask at a time, self pairs left out."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(23, 11)).astype(np.float32)
    groups = np.array([0, 1, 2, 0, 1, 1, 1, 0, 2, 1, 0])
    left_out = np.array([4, 4, 7, 9, 9]), np.array([2, 8, 0, 2, 5])
    reducer = BestGroupMean(groups, *left_out)
    stream(ArraySource(values), [reducer], block_rows=5)
    skipped = set(zip(*(side.tolist() for side in left_out), strict=True))
    for row, score in enumerate(reducer.result()):
        means = []
        for group in range(3):
            members = [
                float(values[row, j])
                for j in range(11)
                if groups[j] == group and (row, j) not in skipped
            ]
            if members:
                means.append(sum(members) / len(members))
        assert score == pytest.approx(max(means), rel=1e-6)
    assert reducer.result()[4] != pytest.approx(values[4].mean())
