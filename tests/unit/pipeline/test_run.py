"""A whole run: summary, artifacts, orientation, labels in the selection, exact values."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nncift_core import pipeline
from nncift_core.errors import ConfigError
from nncift_core.files import load_array, read_json
from nncift_core.influence.base import PairwiseInfluence
from nncift_core.influence.delift_se import CosineSource
from nncift_core.influence.label import Labels
from nncift_core.network import learned
from nncift_core.network.fitting import Fitted
from nncift_core.network.learned import Learned
from nncift_core.network.training import TrainingSettings
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.estimates import read_estimates
from nncift_core.progress import SilentProgress
from nncift_core.types import Row
from tests.fake_encoder import fake_vector

pytestmark = pytest.mark.usefixtures("open_databases")

SECONDS = ["embed", "label", "train", "predict", "select"]
SUMMARY = [
    "run_id", "n_train", "n_target", "labelled_pairs", "evaluation_pairs", "seconds", "quadrants",
    "selected", "saturated_at", "output",
]  # fmt: skip
QUADRANT = {
    "mse", "r2", "spearman", "mse_ci", "r2_ci", "mse_mean", "mse_zero", "mse_random",
    "mse_additive", "mse_cosine", "n",
}  # fmt: skip


def vectors(rows: Sequence[Row]) -> np.ndarray:
    return np.stack([fake_vector(row.text) for row in rows])


def opened(workspace: Any, run_id: str) -> tuple[RunFiles, Any, Any]:
    files = RunFiles(workspace.run_dir(run_id))
    spec = pipeline.RunSpec.read(files.config)
    return files, spec, pipeline.read_roles(workspace, spec)


def naive_fl(matrix: np.ndarray, lo: float, hi: float, ids: list[str], budget: int) -> list[int]:
    """FL over targets by its definition: rounds, ties by row mean, then id."""
    scaled = np.maximum(0, (matrix.astype(np.float64) - lo) / (hi - lo))
    means = matrix.astype(np.float64).mean(axis=1)
    covered, value = np.zeros(matrix.shape[1]), 0.0
    order: list[int] = []
    while len(order) < budget:
        gains = {
            row: float(np.maximum(scaled[row] - covered, 0).sum())
            for row in range(len(matrix))
            if row not in order
        }
        best = max(gains.values())
        if value > 0 and best <= 1e-6 * value:
            covered, value = np.zeros(matrix.shape[1]), 0.0
            continue
        tied = [row for row, gain in gains.items() if gain >= best * (1 - 1e-6)]
        row = min(tied, key=lambda row: (-means[row], ids[row]))
        order.append(row)
        covered, value = np.maximum(covered, scaled[row]), value + best
    return order


def test_summary_artifacts_and_records(workspace: Any, new_run: Any, recording: Any) -> None:
    run_id, progress = new_run(workspace, network="paper"), recording()
    outcome = pipeline.execute(workspace, run_id, progress)
    summary = dict(outcome.summary)
    assert list(summary) == SUMMARY
    assert list(summary["seconds"]) == SECONDS
    assert list(summary["quadrants"]) == ["q1", "q2", "q3", "q4", "q1u"]
    for metrics in summary["quadrants"].values():
        assert set(metrics) >= QUADRANT
    # As many pairs as 24 x 12; 8 reserved of each side; one target row is in the pool, or none.
    files, _, roles = opened(workspace, run_id)
    labels = Labels.load(files.labels)
    assert summary["run_id"] == run_id
    assert (summary["n_train"], summary["n_target"]) == (120, 60)
    assert summary["labelled_pairs"] == len(labels.training) == 24 * 12
    # Beside them 16 unlabelled targets of 8 labelled rows.
    assert summary["evaluation_pairs"] == 8 * 12 + 24 * 8 + 8 * 8 + 8 * 16
    assert summary["selected"] == 36
    assert summary["output"] is None
    json.dumps(summary, allow_nan=False)
    assert read_json(files.result) == summary
    record = workspace.catalog.run(run_id)
    assert (record.status, record.result) == ("done", summary)

    assert [name for name, _, _ in progress.stages] == SECONDS
    assert {name: total for name, total, _ in progress.stages} == progress.done
    assert [kind for kind, _ in progress.points] == ["baselines"] + ["epoch"] * 21
    assert (progress.stages[2], progress.stages[3][1]) == (("train", 1, "fits"), 7200)
    assert list(workspace.catalog.quadrant_metrics(run_id)) == ["q1", "q2", "q3", "q4", "q1u"]
    for role, stored in workspace.catalog.quadrant_metrics(run_id).items():
        assert stored is not None
        assert {key: stored[key] for key in QUADRANT} == {
            key: summary["quadrants"][role][key] for key in QUADRANT
        }
    pool_ids, target_ids = [r.id for r in roles.pool], [r.id for r in roles.target]
    for stored in workspace.catalog.labels(run_id):
        pairs = labels.by_role[stored.role]
        assert list(stored.helper) == [pool_ids[i] for i in pairs.helper]
        assert list(stored.helped) == [target_ids[j] for j in pairs.helped]
        np.testing.assert_array_equal(stored.value, pairs.value)
    assert not list(workspace.path.rglob("*.partial"))
    meta = outcome.selection.meta
    picked = {row.row_id for row in workspace.catalog.selection_rows(outcome.selection.id)}
    with_label = {pool_ids[i] for i in labels.everything.helper}
    assert meta["labelled_share_pool"] == pytest.approx(len(with_label) / 120)
    assert meta["labelled_share_chosen"] == pytest.approx(len(with_label & picked) / 36)


def test_labels_are_the_cosines_of_their_rows(workspace: Any, new_run: Any) -> None:
    run_id = new_run(workspace)
    pipeline.execute(workspace, run_id, SilentProgress())
    files, _, roles = opened(workspace, run_id)
    truth = vectors(roles.pool) @ vectors(roles.target).T
    pairs = Labels.load(files.labels).everything
    np.testing.assert_allclose(pairs.value, truth[pairs.helper, pairs.helped], atol=1e-6)


def test_predictions_file(workspace: Any, new_run: Any, tmp_path: Path) -> None:
    """(n_train, n_target) float32, input order, original units, labels not standing in."""
    run_id = new_run(workspace, network="paper")
    pipeline.execute(workspace, run_id, SilentProgress())
    path = tmp_path / "predictions.npy"
    pipeline.write_predictions(workspace, run_id, path, SilentProgress())
    written = np.load(path)
    assert written.shape == (120, 60)
    assert written.dtype == np.float32
    assert written.flags.c_contiguous
    files, _, roles = opened(workspace, run_id)
    model = Fitted.load(files.network).model
    assert isinstance(model, Learned)
    labels = Labels.load(files.labels).training
    lo, hi = float(labels.value.min()), float(labels.value.max())
    helpers = torch.from_numpy(vectors(roles.pool))
    helped = torch.from_numpy(vectors(roles.target))
    slow = np.empty((120, 60))
    with torch.no_grad():
        for i in range(120):
            for j in range(60):
                slow[i, j] = float(model.network(helpers[i : i + 1], helped[j : j + 1])[0])
    np.testing.assert_allclose(written, lo + (hi - lo) * slow, atol=1e-5)
    assert not np.allclose(written[labels.helper, labels.helped], labels.value, atol=1e-3)


class Asymmetric(PairwiseInfluence):
    """A strong part of the helper and a weak, different part of the helped row."""

    def matrix(
        self, helpers: Sequence[Row], helped: Sequence[Row], progress: Any = None
    ) -> np.ndarray:
        left, right = vectors(helpers), vectors(helped)
        found = 100 + 30 * left[:, :1] + 20 * left[:, 1:2] + (8 * right[:, 2:3]).T
        return found.astype(np.float32)


@pytest.fixture
def asymmetric(monkeypatch: pytest.MonkeyPatch) -> Asymmetric:
    method = Asymmetric()
    for place in ("labelling", "estimates", "scaled_matrices"):
        monkeypatch.setattr(
            f"nncift_core.pipeline.{place}.make_method", lambda workspace, spec, roles: method
        )
    longer = TrainingSettings(epochs=120, learning_rate=3e-3)
    monkeypatch.setattr(learned, "PAPER", longer)
    return method


def test_orientation_from_labels_to_selection(
    workspace: Any, new_run: Any, asymmetric: Asymmetric, tmp_path: Path
) -> None:
    run_id = new_run(workspace, objective="topk", label_fraction=0.4, network="paper")
    outcome = pipeline.execute(workspace, run_id, SilentProgress())
    files, spec, roles = opened(workspace, run_id)
    truth = asymmetric.matrix(roles.pool, roles.target)
    pairs = Labels.load(files.labels).everything
    np.testing.assert_allclose(pairs.value, truth[pairs.helper, pairs.helped], rtol=1e-6)
    assert outcome.summary["quadrants"]["q4"]["r2"] > 0.8
    pipeline.write_predictions(workspace, run_id, tmp_path / "p.npy", SilentProgress())
    predicted = np.load(tmp_path / "p.npy")
    assert np.corrcoef(predicted.ravel(), truth.ravel())[0, 1] > 0.9
    square = predicted[:60, :60]
    assert np.corrcoef(square.T.ravel(), truth[:60, :60].ravel())[0, 1] < 0.3
    # Row scores belong to rows: the best rows by truth are the ones chosen, best first.
    assert np.corrcoef(load_array(files.row_mean), truth.mean(1))[0, 1] > 0.9
    assert np.corrcoef(load_array(files.column_mean), truth.mean(0))[0, 1] > 0.7
    rows = workspace.catalog.selection_rows(outcome.selection.id)
    place = {row.id: i for i, row in enumerate(roles.pool)}
    means = truth.mean(1)[[place[row.row_id] for row in rows]]
    assert means.mean() > truth.mean(1).mean() + truth.mean(1).std() * 0.8
    gains = [row.gain for row in rows]
    assert gains == sorted(gains, reverse=True)
    # The page's view of single pairs agrees.
    view = pipeline.RunView(workspace, run_id)
    for i, j in ((0, 59), (119, 3)):
        assert view.pair(i, j).predicted == pytest.approx(float(predicted[i, j]), rel=1e-5)
    heatmap = view.heatmap()
    best = read_estimates(workspace, spec, roles, files).best.block(0, 120)
    np.testing.assert_allclose(heatmap.values, best.T, rtol=1e-5)


@pytest.mark.parametrize("objective", ["fl", "topk"])
def test_labels_stand_in_for_predictions_in_the_selection(
    workspace: Any, new_run: Any, objective: str
) -> None:
    run_id = new_run(workspace, objective=objective, network="paper")
    outcome = pipeline.execute(workspace, run_id, SilentProgress())
    files, spec, roles = opened(workspace, run_id)
    estimates = read_estimates(workspace, spec, roles, files)
    labels = Labels.load(files.labels)
    raw = estimates.raw.block(0, 120)
    expected = raw.copy()
    for pairs in labels.by_role.values():
        for i, j, value in zip(pairs.helper, pairs.helped, pairs.value, strict=True):
            expected[i, j] = value
    assert (expected != raw).sum() == len(labels.everything)
    np.testing.assert_array_equal(estimates.best.block(0, 120), expected)
    np.testing.assert_array_equal(estimates.best.block(31, 77), expected[31:77])
    rows, columns = np.array([100, 3, 50]), np.array([7, 7, 0, 59])[[0, 2, 3]]
    np.testing.assert_array_equal(
        estimates.subset(rows, columns).block(0, 3), expected[rows][:, columns]
    )
    ids = [row.id for row in roles.pool]
    picked = [row.row_id for row in workspace.catalog.selection_rows(outcome.selection.id)]
    if objective == "fl":
        lo, hi = labels.training.value.min(), labels.training.value.max()
        order = naive_fl(expected, float(lo), float(hi), ids, 36)
    else:
        order = sorted(range(120), key=lambda i: (-expected[i].astype(float).mean(), ids[i]))[:36]
    assert picked == [ids[i] for i in order]


def test_exact_is_the_cosine_and_its_selection_is_greedy_on_it(
    workspace: Any, new_run: Any, recording: Any, tmp_path: Path
) -> None:
    run_id, progress = new_run(workspace, exact=True), recording()
    outcome = pipeline.execute(workspace, run_id, progress)
    assert [name for name, _, _ in progress.stages] == ["embed", "predict", "select"]
    assert not any("--exact" in warning for warning in progress.warnings)
    summary = outcome.summary
    assert summary["labelled_pairs"] == 120 * 60
    assert summary["evaluation_pairs"] == 0
    assert summary["quadrants"] == dict.fromkeys(("q1", "q2", "q3", "q4"))
    _, _, roles = opened(workspace, run_id)
    direct = CosineSource(vectors(roles.pool), vectors(roles.target)).block(0, 120)
    pipeline.write_predictions(workspace, run_id, tmp_path / "exact.npy", SilentProgress())
    np.testing.assert_array_equal(np.load(tmp_path / "exact.npy"), direct)
    ids = [row.id for row in roles.pool]
    order = naive_fl(direct, float(direct.min()), float(direct.max()), ids, 36)
    rows = workspace.catalog.selection_rows(outcome.selection.id)
    assert [row.row_id for row in rows] == [ids[i] for i in order]
    first_round = [row for row in rows if row.round == 1]
    assert summary["saturated_at"] == (len(first_round) if len(first_round) < 36 else None)


def test_target_sample_leaves_the_pool(workspace: Any, new_run: Any, tmp_path: Path) -> None:
    run_id = new_run(workspace, sample=30, budget="1.0")
    outcome = pipeline.execute(workspace, run_id, SilentProgress())
    assert (outcome.summary["n_train"], outcome.summary["n_target"]) == (90, 30)
    assert outcome.summary["selected"] == 90
    _, spec, roles = opened(workspace, run_id)
    assert {r.id for r in roles.pool}.isdisjoint(r.id for r in roles.target)
    assert sorted([*roles.pool_positions, *roles.target_positions]) == list(range(120))
    raws = workspace.catalog.dataset_raw(spec.train.id)
    out = tmp_path / "subset.jsonl"
    pipeline.export_selection(workspace, outcome.selection.id, out)
    assert sorted(out.read_text("utf-8").splitlines()) == sorted(
        raws[i] for i in roles.pool_positions
    )
    # Another seed draws another target.
    other = opened(workspace, new_run(workspace, sample=30, seed=4))[2]
    assert [r.id for r in other.target] != [r.id for r in roles.target]


def test_self_pairs_are_left_out_of_means(
    workspace: Any, new_run: Any, demo_lines: Any, tmp_path: Path
) -> None:
    """A target that is part of the pool: equal rows do not praise each other."""
    pool, target = tmp_path / "p.jsonl", tmp_path / "t.jsonl"
    pool.write_text("\n".join(demo_lines[0][:100]), "utf-8")
    target.write_text("\n".join(demo_lines[0][20:60]), "utf-8")
    run_id = new_run(workspace, files=(pool, target), exact=True, objective="topk")
    pipeline.execute(workspace, run_id, SilentProgress())
    files, _, roles = opened(workspace, run_id)
    truth = (vectors(roles.pool) @ vectors(roles.target).T).astype(np.float64)
    same = np.array([[a.content_hash == b.content_hash for b in roles.target] for a in roles.pool])
    assert same.sum() >= 40
    masked = np.where(same, np.nan, truth)
    np.testing.assert_allclose(load_array(files.row_mean), np.nanmean(masked, 1), atol=1e-6)
    np.testing.assert_allclose(load_array(files.column_mean), np.nanmean(masked, 0), atol=1e-6)


def test_same_seed_same_subset_and_other_seed_another(
    workspace: Any, new_run: Any, chosen: Any
) -> None:
    runs = [new_run(workspace), new_run(workspace), new_run(workspace, seed=4)]
    for run_id in runs:
        pipeline.execute(workspace, run_id, SilentProgress())
    first, second, third = (chosen(workspace, run_id) for run_id in runs)
    assert first == second
    assert first != third
    networks = [(workspace.run_dir(r) / "network.safetensors").read_bytes() for r in runs]
    assert networks[0] == networks[1] != networks[2]


def test_flcg_embeds_the_existing_rows_with_the_others(
    workspace: Any, new_run: Any, recording: Any, demo_lines: Any, tmp_path: Path
) -> None:
    existing = tmp_path / "existing.jsonl"
    existing.write_text("\n".join(demo_lines[0][200:230]), "utf-8")
    run_id = new_run(workspace, existing=existing, objective="flcg")
    progress = recording()
    outcome = pipeline.execute(workspace, run_id, progress)
    assert progress.stages[0] == (
        "embed",
        len({*demo_lines[0][:120], *demo_lines[0][200:230], *demo_lines[1][:60]}),
        "rows",
    )
    assert outcome.summary["selected"] == 36


def test_fail_early(workspace: Any, new_run: Any, fake_encoder: Any) -> None:
    for settings, sentence in (
        ({"budget": "121"}, "larger than the pool"),
        ({"label_fraction": 0.01}, "at least 16"),
        ({"sample": 119}, "cannot be drawn"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            pipeline.execute(workspace, new_run(workspace, **settings), SilentProgress())
    assert fake_encoder.encoded == []


def test_warns_that_exact_is_cheaper(workspace: Any, new_run: Any, recording: Any) -> None:
    progress = recording()
    pipeline.execute(workspace, new_run(workspace), progress)
    assert any("--exact" in warning for warning in progress.warnings)


def test_later_selection_from_a_finished_run(workspace: Any, new_run: Any) -> None:
    run_id = new_run(workspace)
    with pytest.raises(ConfigError, match="has not finished"):
        pipeline.create_selection(workspace, run_id, "topk", "10", "Second")
    pipeline.work(workspace.run_dir(run_id))
    selection_id = pipeline.create_selection(workspace, run_id, "topk", "10", "Second")
    record: Any = pipeline.work(workspace.selection_dir(run_id, selection_id))
    assert (record.id, record.objective, record.row_count) == (selection_id, "topk", 10)
    files, _, roles = opened(workspace, run_id)
    row_mean = load_array(files.row_mean)
    rows = workspace.catalog.selection_rows(selection_id)
    ids = [row.id for row in roles.pool]
    assert [row.row_id for row in rows] == [
        ids[i] for i in np.argsort(-row_mean, kind="stable")[:10]
    ]
    with pytest.raises(ConfigError, match="existing set"):
        pipeline.work(
            workspace.selection_dir(
                run_id, pipeline.create_selection(workspace, run_id, "flcg", "10", "Third")
            )
        )


def test_estimate_counts_what_the_run_does(workspace: Any, new_run: Any) -> None:
    run_id = new_run(workspace)
    outcome = pipeline.execute(workspace, run_id, SilentProgress())
    _, spec, roles = opened(workspace, run_id)
    cost = pipeline.estimate_cost(workspace, spec.config, len(roles.pool), len(roles.target))
    assert cost.training_pairs == outcome.summary["labelled_pairs"]
    assert cost.evaluation_pairs == outcome.summary["evaluation_pairs"]
    assert cost.all_pairs == 7200
    assert math.isfinite(cost.seconds)
    assert not cost.measured_here
    again = pipeline.estimate_cost(
        workspace, spec.config, len(roles.pool), len(roles.target), embedded=True
    )
    assert again.rows_to_embed == 0
    assert again.seconds < cost.seconds


def test_one_project_for_the_same_data_and_a_free_name_for_other_data(
    workspace: Any, demo_lines: Any, tmp_path: Path
) -> None:
    path = tmp_path / "pool.jsonl"
    ids = []
    for start in (0, 5, 10):
        path.write_text("\n".join(demo_lines[0][start : start + 5]), "utf-8")
        pool = pipeline.import_files(workspace, [path]).record.id
        first = pipeline.ensure_project(workspace, "pool for pool.jsonl", pool, pool, None)
        assert pipeline.ensure_project(workspace, "Other", pool, pool, None) == first
        ids.append(first.id)
    names = [project.name for project in workspace.catalog.projects()]
    assert sorted(names) == ["pool for pool.jsonl", "pool for pool.jsonl (2)",
                             "pool for pool.jsonl (3)"]  # fmt: skip
    long = pipeline.ensure_project(workspace, "n" * 300 + "\x07", pool, None, 2)
    assert long.name == "n" * 100
