"""Runs of methods that ask a language model, with stand-ins of known values for the model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core import pipeline
from nncift_core.errors import Cancelled, ConfigError
from nncift_core.files import load_array, read_json
from nncift_core.influence.base import PairwiseInfluence, PointwiseInfluence
from nncift_core.influence.label import Labels
from nncift_core.influence.label_plan import ROLES
from nncift_core.influence.second_round import second_round_plan
from nncift_core.pipeline import label_shards, labelling
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.clusters import cluster_rows
from nncift_core.pipeline.embedding import embed_rows
from nncift_core.pipeline.estimates import read_estimates
from nncift_core.pipeline.planning import label_plan, pair_cost, second_round_pairs
from nncift_core.progress import SilentProgress
from nncift_core.store import Workspace
from nncift_core.types import Row
from tests.fake_encoder import fake_vector

pytestmark = pytest.mark.usefixtures("open_databases")

GAP = "gap"


def worth(helper: Row, helped: Row) -> float:
    """Asymmetric, and learnable from the fake encoder's vectors."""
    if GAP in helped.prompt:
        return float("nan")
    a, b = fake_vector(helper.text), fake_vector(helped.text)
    return float(2 * a[0] - a[1] + 0.5 * b[2])


class Pairwise(PairwiseInfluence):
    """Remembers what it was asked for."""

    identity = "stand-in"

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.asked: list[tuple[str, str]] = []

    def shard_rows(self, n_helped: int) -> int:
        return 5

    def matrix(
        self, helpers: Sequence[Row], helped: Sequence[Row], progress: Any = None
    ) -> np.ndarray:
        self.asked += [(a.id, b.id) for a in helpers for b in helped]
        return np.array([[worth(a, b) for b in helped] for a in helpers], dtype=np.float32)

    def notes(self) -> list[str]:
        return ["A note of the method."]


class Pointwise(PointwiseInfluence):
    identity = "stand-in"

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.asked: list[str] = []

    def scores(self, rows: Sequence[Row], progress: Any = None) -> np.ndarray:
        self.asked += [row.id for row in rows]
        return np.array([fake_vector(row.text)[0] for row in rows], dtype=np.float32)


@pytest.fixture
def new_run(new_run: Callable[..., str]) -> Callable[..., str]:
    """With the paper's network: these tests are about labels, not about what learns from them."""

    def make(workspace: Workspace, **settings: Any) -> str:
        return new_run(workspace, **{"network": "paper", **settings})

    return make


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The stand-ins that were made, in order."""
    made: list[Any] = []

    def create(name: str, **options: Any) -> Any:
        made.append((Pointwise if name == "selectit" else Pairwise)(**options))
        return made[-1]

    monkeypatch.setattr(labelling.influence, "create", create)
    return made


def opened(workspace: Workspace, run_id: str) -> tuple[RunFiles, Any, Any]:
    files = RunFiles(workspace.run_dir(run_id))
    spec = pipeline.RunSpec.read(files.config)
    return files, spec, pipeline.read_roles(workspace, spec)


def test_a_method_gets_its_settings(workspace: Any, new_run: Any, methods: Any) -> None:
    for name, wanted in (
        ("delift", {"model"}),
        ("less", {"model", "settings", "pool", "seed"}),
        ("selectit", {"model", "settings"}),
    ):
        _, spec, roles = opened(workspace, new_run(workspace, method=name))
        labelling.make_method(workspace, spec, roles)
        assert set(methods[-1].options) == wanted
        assert methods[-1].options["model"] == spec.config.lm


def test_labels_are_the_methods_values_and_are_kept(
    workspace: Any, new_run: Any, methods: Any, recording: Any, short_training: None
) -> None:
    progress, run_id = recording(), new_run(workspace, method="delift")
    summary = pipeline.execute(workspace, run_id, progress).summary
    files, spec, roles = opened(workspace, run_id)
    labels = Labels.load(files.labels)
    pairs = labels.everything
    plan = labelling.plan_run(spec, roles)
    for i, j, value in zip(pairs.helper, pairs.helped, pairs.value, strict=True):
        assert value == pytest.approx(worth(roles.pool[i], roles.target[j]), abs=1e-6)
    assert summary["labelled_pairs"] == plan.training_pairs == len(labels.training)
    assert summary["evaluation_pairs"] == plan.evaluation_pairs
    # Many rows, a few targets each, drawn in proportion to what is alike.
    assert list(labels.by_role) == ["q1", "q2", "q3", "q4", "q1u"]
    assert len(np.unique(labels.training.helper)) > 24
    assert "A note of the method." in progress.warnings
    assert [name for name, _, _ in progress.stages] == [
        "embed", "label", "train", "predict", "select",
    ]  # fmt: skip
    assert progress.done["label"] == len(pairs)
    # Another run of the same rows and settings asks for nothing.
    pipeline.execute(workspace, new_run(workspace, method="delift"), SilentProgress())
    assert len(methods) == 2 and not methods[1].asked


def test_cancel_while_labelling_loses_one_shard(
    workspace: Any, new_run: Any, methods: Any, recording: Any, short_training: None
) -> None:
    run_id = new_run(workspace, method="delift")
    with pytest.raises(Cancelled):
        pipeline.execute(workspace, run_id, recording("label", 3))
    done = set(methods[0].asked)
    seen = labelling.plan_run(*opened(workspace, run_id)[1:]).block("q1")
    assert seen is not None
    assert len(done) == len(methods[0].asked) == 3 * 5 * seen.targets_of_each
    pipeline.execute(workspace, run_id, SilentProgress())
    assert not done & set(methods[1].asked)


def test_w_is_labelled_learnt_and_read(
    workspace: Any, new_run: Any, methods: Any, recording: Any
) -> None:
    run_id = new_run(workspace, method="delift", objective="fl-pool", budget="10", design="block")
    outcome = pipeline.execute(workspace, run_id, recording())
    files, spec, roles = opened(workspace, run_id)
    labels = Labels.load(files.labels)
    assert list(labels.others) == ["pool"]
    for pairs in labels.others["pool"].values():
        for i, j, value in zip(pairs.helper, pairs.helped, pairs.value, strict=True):
            assert value == pytest.approx(worth(roles.pool[i], roles.pool[j]), abs=1e-6)
    table = workspace.catalog.quadrant_metrics(run_id)
    assert list(table) == [*ROLES, *(f"pool-{role}" for role in ROLES)]
    assert [name for name, metrics in table.items() if metrics is None] == ["q1u", "pool-q1u"]
    assert list(outcome.summary["quadrants"]) == ["q1", "q2", "q3", "q4"]
    assert outcome.summary["labelled_pairs"] == labels.training_count == 288 + 24 * 24
    # The stored table of W is what its predictions say, pair by pair.
    estimates = read_estimates(workspace, spec, roles, files)
    block = estimates.others["pool"].block(0, 120)
    assert block.shape == (120, 120)
    pairs = labels.others["pool"]["q4"]
    scale = estimates.scale
    assert scale is not None
    errors = (block[pairs.helper, pairs.helped] - pairs.value) / scale.width
    assert table["pool-q4"]["mse"] == pytest.approx(float(np.mean(errors**2)), rel=1e-3)
    # It is W and not its transpose.
    transposed = (block[pairs.helped, pairs.helper] - pairs.value) / scale.width
    assert table["pool-q4"]["mse"] != pytest.approx(float(np.mean(transposed**2)), rel=1e-2)
    best = estimates.best_other("pool")
    assert best is not None
    whole = best.block(0, 120)
    everything = [p for p in labels.others["pool"].values()]
    for some in everything:
        np.testing.assert_array_equal(whole[some.helper, some.helped], some.value)


def test_e_is_labelled_and_flcg_reads_it(
    workspace: Any,
    new_run: Any,
    methods: Any,
    demo_lines: Any,
    tmp_path: Path,
    short_training: None,
) -> None:
    existing = tmp_path / "existing.jsonl"
    existing.write_text("\n".join(demo_lines[0][500:560]) + "\n", "utf-8")
    run_id = new_run(workspace, method="delift", objective="flcg", existing=existing, budget="9")
    outcome = pipeline.execute(workspace, run_id, SilentProgress())
    files, spec, roles = opened(workspace, run_id)
    labels = Labels.load(files.labels)
    assert list(labels.others) == ["pool", "existing"]
    for pairs in labels.others["existing"].values():
        for i, j, value in zip(pairs.helper, pairs.helped, pairs.value, strict=True):
            assert value == pytest.approx(worth(roles.existing[i], roles.pool[j]), abs=1e-6)
    estimates = read_estimates(workspace, spec, roles, files)
    assert estimates.others["existing"].block(0, 60).shape == (60, 120)
    assert outcome.selection.row_count == 9
    assert "existing-q4" in workspace.catalog.quadrant_metrics(run_id)


def test_a_later_selection_cannot_read_what_was_not_labelled(
    workspace: Any, new_run: Any, methods: Any, short_training: None
) -> None:
    run_id = new_run(workspace, method="delift")
    pipeline.execute(workspace, run_id, SilentProgress())
    _, spec, _ = opened(workspace, run_id)
    assert [entry.name for entry in spec.usable_objectives()] == [
        "fl", "flmi-query", "coverage", "mix", "topk", "round-robin",
    ]  # fmt: skip
    with_w = opened(workspace, new_run(workspace, method="delift", objective="fl-pool"))[1]
    assert "flmi" in [entry.name for entry in with_w.usable_objectives()]
    exact = new_run(workspace, method="delift", exact=True)
    pipeline.execute(workspace, exact, SilentProgress())
    for run in (run_id, exact):
        selection = pipeline.create_selection(workspace, run, "fl-pool", "5", "Pool")
        with pytest.raises(ConfigError, match="did not label what objective 'fl-pool' reads"):
            pipeline.work(workspace.selection_dir(run, selection))


def test_an_exact_run_gives_w_to_later_selections(
    workspace: Any, new_run: Any, methods: Any
) -> None:
    """Also to one of another objective than the run's own, and one that comes after such."""
    run_id = new_run(workspace, method="delift", exact=True, objective="fl-pool", budget="5")
    pipeline.execute(workspace, run_id, SilentProgress())
    for objective in ("fl", "flmi", "fl-pool"):
        selection = pipeline.create_selection(workspace, run_id, objective, "5", "Mine")
        assert pipeline.work(workspace.selection_dir(run_id, selection)).row_count == 5


def test_less_ranks_by_the_best_subtask(
    workspace: Any, new_run: Any, methods: Any, short_training: None
) -> None:
    run_id = new_run(workspace, method="less", budget="12")
    pipeline.execute(workspace, run_id, SilentProgress())
    files, spec, roles = opened(workspace, run_id)
    assert spec.config.objective == "topk"
    matrix = read_estimates(workspace, spec, roles, files).best.block(0, 120)
    names = sorted({row.subtask for row in roles.target})
    assert len(names) > 1
    scores = np.max(
        [matrix[:, [row.subtask == name for row in roles.target]].mean(axis=1) for name in names],
        axis=0,
    )
    np.testing.assert_allclose(load_array(files.row_scores), scores, rtol=1e-5)
    (record,) = workspace.catalog.selections(run_id)
    chosen = [row.row_id for row in workspace.catalog.selection_rows(record.id)]
    assert chosen == [roles.pool[i].id for i in np.argsort(-scores, kind="stable")[:12]]


def test_a_pointwise_run(workspace: Any, new_run: Any, methods: Any, tmp_path: Path) -> None:
    run_id = new_run(workspace, method="selectit", budget="15")
    summary = pipeline.execute(workspace, run_id, SilentProgress()).summary
    files, _, roles = opened(workspace, run_id)
    labels = Labels.load(files.labels)
    assert (summary["labelled_pairs"], summary["evaluation_pairs"]) == (24, 8)
    assert summary["quadrants"]["q2"] is None and summary["quadrants"]["q3"] is None
    assert summary["quadrants"]["q4"]["mse_cosine"] is None
    json.dumps(dict(summary), allow_nan=False)
    view = pipeline.RunView(workspace, run_id)
    assert view.pointwise
    known = np.isfinite(view.true_scores)
    assert set(np.flatnonzero(known)) == set(labels.everything.helper.tolist())
    expected = np.where(known, view.true_scores, view.predicted_scores)
    np.testing.assert_allclose(view.row_scores, expected, atol=1e-6)
    order = sorted(range(120), key=lambda i: (-view.row_scores[i], roles.pool[i].id))[:15]
    (record,) = workspace.catalog.selections(run_id)
    chosen = [row.row_id for row in workspace.catalog.selection_rows(record.id)]
    assert chosen == [roles.pool[i].id for i in order]
    for call in (lambda: view.heatmap(), lambda: view.pair(0, 0)):
        with pytest.raises(ConfigError, match="gives a value to single rows"):
            call()
    path = tmp_path / "predictions.npy"
    pipeline.write_predictions(workspace, run_id, path, SilentProgress())
    np.testing.assert_array_equal(load_array(path), view.predicted_scores)
    pipeline.export_selection(workspace, record.id, tmp_path / "subset.jsonl")
    assert len((tmp_path / "subset.jsonl").read_text("utf-8").splitlines()) == 15


def test_a_pointwise_run_needs_no_target(
    workspace: Any, new_run: Any, methods: Any, short_training: None
) -> None:
    _, spec, _ = opened(workspace, new_run(workspace, method="selectit"))
    alone = dataclasses.replace(spec, target=None)
    project = workspace.catalog.projects()[0]
    run_id = pipeline.create_run(workspace, project.id, alone)
    summary = pipeline.execute(workspace, run_id, SilentProgress()).summary
    assert (summary["n_target"], summary["selected"]) == (0, 36)
    pairwise = dataclasses.replace(spec.config, method="delift", objective="")
    with pytest.raises(ConfigError, match="needs a target set"):
        dataclasses.replace(spec, config=pairwise, target=None)


@pytest.mark.parametrize("method", ["delift", "selectit"])
def test_an_exact_run_computes_everything_and_says_the_cost_first(
    workspace: Any, new_run: Any, methods: Any, recording: Any, method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(label_shards, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(labelling, "PILOT_SECONDS", 0.0)
    run_id, progress = new_run(workspace, method=method, exact=True, budget="7"), recording()
    summary = pipeline.execute(workspace, run_id, progress).summary
    files, _, roles = opened(workspace, run_id)
    values = load_array(files.influence)
    if method == "delift":
        expected = [[worth(a, b) for b in roles.target] for a in roles.pool]
    else:
        expected = [[fake_vector(row.text)[0]] for row in roles.pool]
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert summary["labelled_pairs"] == values.size
    assert summary["quadrants"] == dict.fromkeys(("q1", "q2", "q3", "q4"))
    assert [name for name, _, _ in progress.stages] == ["label", "label", "predict", "select"]
    assert any("takes about" in warning for warning in progress.warnings)
    # What the pilot computed is not computed again.
    assert not set(methods[0].asked) & set(methods[1].asked)
    view = pipeline.RunView(workspace, run_id)
    np.testing.assert_allclose(view.row_mean, values.mean(axis=1), rtol=1e-4)


def test_gaps_of_an_exact_run_count_as_the_lowest(
    workspace: Any, new_run: Any, methods: Any, recording: Any, demo_files: Any, tmp_path: Path
) -> None:
    pool, target = demo_files(30, 10)
    lines = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    lines[3]["prompt"] += f" {GAP}"
    other = tmp_path / "gaps.jsonl"
    other.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    run_id = new_run(workspace, files=(pool, other), method="delift", exact=True, budget="3")
    progress = recording()
    pipeline.execute(workspace, run_id, progress)
    values = load_array(opened(workspace, run_id)[0].influence)
    assert (values[:, 3] == np.delete(values, 3, axis=1).min()).all()
    assert any("30 of 300 values could not be computed" in w for w in progress.warnings)


@pytest.mark.parametrize("design", ["spread", "block"])
def test_a_pilot_tells_the_rate_and_its_labels_are_kept(
    workspace: Any, new_run: Any, methods: Any, monkeypatch: pytest.MonkeyPatch,
    short_training: None, design: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(label_shards, "LEAST_SECONDS", 0.0)
    _, spec, opened_roles = opened(workspace, new_run(workspace, method="delift", design=design))
    before = pipeline.estimate_cost(workspace, spec.config, 120, 60)
    plan = label_plan(spec.config, 120, 60)
    units = plan.training_pairs + plan.evaluation_pairs
    assert (before.unit, before.label_units, before.full_units) == ("pairs", units, 7_200)
    assert before.training_pairs == plan.training_pairs
    assert before.label_rate is before.label_seconds is before.full_seconds is None
    pilot = pipeline.run_pilot(workspace, spec, SilentProgress(), seconds=0.0)
    seen = labelling.plan_run(spec, opened_roles).block("q1")
    assert seen is not None
    assert pilot.unit == "pairs" and pilot.units_done == 5 * seen.targets_of_each and pilot.rate
    after = pipeline.estimate_cost(workspace, spec.config, 120, 60)
    assert after.label_rate == pytest.approx(pilot.rate)
    assert after.label_seconds == pytest.approx(units / pilot.rate)
    assert after.full_seconds == pytest.approx(7_200 / pilot.rate)
    # The model's rate is not that of another model or of another method.
    other = dataclasses.replace(
        spec.config, lm=dataclasses.replace(spec.config.lm, model="another/model")
    )
    assert pipeline.estimate_cost(workspace, other, 120, 60).label_rate is None
    again = new_run(workspace, method="delift", design=design)
    pipeline.execute(workspace, again, SilentProgress())
    # The run draws what the pilot drew, so what it labelled is read and not computed.
    assert len(methods[0].asked) == pilot.units_done
    assert not set(methods[0].asked) & set(methods[1].asked)
    labels = Labels.load(RunFiles(workspace.run_dir(again)).labels)
    assert len(labels.everything) == len(methods[0].asked) + len(methods[1].asked)


def test_labels_of_a_second_round_stand_behind_those_of_the_first(
    workspace: Any, new_run: Any, methods: Any, recording: Any
) -> None:
    run_id = new_run(workspace, method="delift", second_round=0.3, label_fraction=0.3)
    _, spec, roles = opened(workspace, run_id)
    clusters = cluster_rows(embed_rows(workspace, spec, roles, SilentProgress()))
    first = labelling.compute_labels(workspace, spec, roles, recording(), clusters=clusters)
    plan = labelling.plan_run(spec, roles, clusters)
    costs = pair_cost(spec.config, roles.pool, roles.target)
    n_pairs = second_round_pairs(spec.config, 120, 60, costs=costs)
    unsure = np.random.default_rng(0).random((120, 60)).astype(np.float32)
    block = second_round_plan(plan, unsure, n_pairs, spec.config.seed)
    assert block is not None and block.n_pairs == n_pairs > 0
    progress = recording()
    both = labelling.compute_second_round(workspace, spec, roles, first, block, progress)
    assert progress.stages == [("label", n_pairs, "pairs")]
    count = len(first.training)
    assert len(both.training) == count + n_pairs
    np.testing.assert_array_equal(both.training.value[:count], first.training.value)
    for i, j, value in zip(
        both.training.helper, both.training.helped, both.training.value, strict=True
    ):
        assert value == pytest.approx(worth(roles.pool[i], roles.target[j]), abs=1e-6)
    pairs = both.everything
    assert len(set(zip(pairs.helper, pairs.helped, strict=True))) == len(pairs)
    # Both rounds together cost what one round would have cost.
    whole = dataclasses.replace(spec.config, second_round=0.0)
    one, block_of = plan.block("q1"), label_plan(whole, 120, 60, costs=costs).block("q1")
    assert one is not None and block_of is not None
    spent = one.cost(costs.ratio) + block.cost(costs.ratio)
    assert 0.9 * block_of.cost(costs.ratio) < spent <= block_of.cost(costs.ratio) + 1e-9
    # Resumed, the second round computes nothing.
    labelling.compute_second_round(workspace, spec, roles, first, block, recording())
    assert not methods[-1].asked


def test_a_pilot_is_a_job(workspace: Any, new_run: Any, methods: Any) -> None:
    _, spec, _ = opened(workspace, new_run(workspace, method="selectit"))
    folder = pipeline.create_pilot(workspace, spec)
    assert folder == pipeline.pilot_folder(workspace, spec)
    again = dataclasses.replace(spec, config=dataclasses.replace(spec.config, budget="9"))
    assert pipeline.pilot_folder(workspace, again) == folder
    more = dataclasses.replace(spec, config=dataclasses.replace(spec.config, label_fraction=0.3))
    assert pipeline.pilot_folder(workspace, more) != folder
    pipeline.work(folder)
    assert read_json(folder / "result.json")["unit"] == "rows"
    # A finished one is replaced by the next.
    assert pipeline.create_pilot(workspace, spec) == folder
    assert not (folder / "result.json").exists()
    cosine = opened(workspace, new_run(workspace))[1]
    with pytest.raises(ConfigError, match="no time worth measuring"):
        pipeline.create_pilot(workspace, cosine)


def test_settings_of_the_model_are_replayed(
    workspace: Any, new_run: Callable[..., str], methods: Any
) -> None:
    from nncift_core.config import LanguageModelConfig, LessConfig

    run_id = new_run(
        workspace,
        method="less",
        lm=LanguageModelConfig(template="plain", memory_mb=99),
        less=LessConfig(rank=3),
    )
    spec = opened(workspace, run_id)[1]
    assert (spec.config.lm.memory_mb, spec.config.less.rank) == (99, 3)
    content = read_json(RunFiles(workspace.run_dir(run_id)).config)
    del content["config"]["selectit"]
    assert type(spec.config).from_json(content["config"]) == spec.config
    content["config"]["lm"]["no_such_setting"] = 1
    with pytest.raises(ConfigError, match=r"lm\.no_such_setting"):
        type(spec.config).from_json(content["config"])
