"""Studies as jobs: points as files, nothing computed twice, one evaluation set, no leak."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from nncift_core import jobs, pipeline
from nncift_core.config import RunConfig
from nncift_core.errors import Cancelled, ConfigError
from nncift_core.files import write_json
from nncift_core.influence.base import PairwiseInfluence
from nncift_core.network import fitting
from nncift_core.pipeline import StudyRequest
from nncift_core.pipeline.planning import PairCost, label_plan
from nncift_core.pipeline.study_sizes import label_sizes
from nncift_core.progress import SilentProgress
from nncift_core.store import Workspace
from nncift_core.types import Pairs
from tests.fake_encoder import fake_vector

POOL, TARGET = 120, 60
FRACTIONS = (0.1, 0.2, 0.4)


@dataclass
class MeanFit:
    """A stand-in for a trained estimator: row means, else the mean."""

    by_role: Any
    name: str = "paper"
    parameters: int = 7

    @property
    def candidates(self) -> tuple[Any, ...]:
        return (
            SimpleNamespace(name="ridge", chosen=False),
            SimpleNamespace(name="paper", chosen=True),
        )

    def predict(self, helpers: Any, helped: Any, pairs: Pairs) -> Any:
        training = self.by_role["q1"]
        values = (training.value - training.value.min()) / np.ptp(training.value)
        means = {i: values[training.helper == i].mean() for i in set(training.helper.tolist())}
        found = [means.get(i, values.mean()) for i in pairs.helper.tolist()]
        return np.asarray(found, dtype=np.float32)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, dict[str, Pairs]]]:
    """Calls of the estimators' ``fit``: name, seed and labels; trained in an instant."""
    calls: list[tuple[str, int, dict[str, Pairs]]] = []

    def fit(
        name: str,
        helpers: Any,
        helped: Any,
        by_role: Any,
        seed: int,
        progress: Any,
        *,
        text: int,
    ) -> MeanFit:
        assert text == 16
        calls.append((name, seed, dict(by_role)))
        progress.stage("train", 1, "epochs")
        progress.point("epoch", {"epoch": 0})
        progress.advance()
        return MeanFit(by_role)

    monkeypatch.setattr(fitting, "fit", fit)
    return calls


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    from nncift_core.network import bootstrap

    monkeypatch.setattr(bootstrap, "RESAMPLES", 20)


@pytest.fixture
def spec(
    workspace: Workspace, demo_files: Any, fake_encoder: Any, few_resamples: None
) -> Callable[..., Any]:
    """``spec(design="block", ...)``: a run of small demo data with these settings."""
    pool, target = (pipeline.import_files(workspace, [path]) for path in demo_files(POOL, TARGET))

    def make(**settings: Any) -> Any:
        return pipeline.RunSpec(RunConfig(**settings), pool.source, target.source)

    return make


def request(**values: Any) -> StudyRequest:
    asked: dict[str, Any] = {"kind": "label-size", "fractions": FRACTIONS, "networks": ("paper",)}
    return StudyRequest(**(asked | values))


def by_fraction(calls: Any) -> dict[float, dict[str, set[tuple[int, int]]]]:
    """The pairs of each call by role, in the order of the calls."""
    return {
        number: {
            role: set(zip(pairs.helper.tolist(), pairs.helped.tolist(), strict=True))
            for role, pairs in by_role.items()
        }
        for number, (_, _, by_role) in enumerate(calls)
    }


@pytest.mark.parametrize("design", ["block", "spread"])
def test_label_size_study(design: str, workspace: Workspace, spec: Any, fits: Any) -> None:
    folder = pipeline.create_study(workspace, spec(design=design), request())
    result = pipeline.work(folder)
    assert [name for name, _, _ in fits] == ["paper"] * 3
    # Nested, with one evaluation set that nothing is trained on.
    pairs = by_fraction(fits)
    assert pairs[0]["q1"] < pairs[1]["q1"] < pairs[2]["q1"]
    measured = ["q2", "q3", "q4"] + (["q1u"] if design == "spread" else [])
    for role in measured:
        assert pairs[0][role] == pairs[1][role] == pairs[2][role]
        assert not pairs[2]["q1"] & pairs[0][role]
    trained_rows = {i for i, _ in pairs[2]["q1"]}
    trained_targets = {j for _, j in pairs[2]["q1"]}
    assert not trained_rows & {i for i, _ in pairs[0]["q4"]}
    assert not trained_targets & {j for _, j in pairs[0]["q4"]}
    # Labels are true influence, whatever tile they came in.
    truth = json.loads((folder / "result.json").read_text())
    assert truth == json.loads(json.dumps(result))
    assert [point["fraction"] for point in result["points"]] == list(FRACTIONS)
    assert result["design"] == design
    largest = fits[-1][2]["q1"].value
    assert result["scale"] == {"lo": float(largest.min()), "hi": float(largest.max())}
    for point in result["points"]:
        q4 = point["quadrants"]["q4"]
        assert q4["n"] == len(pairs[0]["q4"])
        assert q4["mse_ci"][0] <= q4["mse"] <= q4["mse_ci"][1]
        assert q4["mse_additive"] is None is q4["r2_additive"]
        assert "variance" not in q4
    assert jobs.read_state(folder).status == "done"
    sent = jobs.read_points(folder, "study")
    assert [point["name"] for point in sent] == [f"u{u:g}-paper-s0" for u in FRACTIONS]
    assert jobs.read_points(folder, "epoch") == []


def test_labels_are_those_of_the_method(workspace: Workspace, spec: Any, fits: Any) -> None:
    from nncift_core.influence.delift_se import DeliftSE
    from nncift_core.pipeline.roles import read_roles
    from tests.fake_encoder import FakeEncoder

    spec = spec(design="spread")
    pipeline.work(pipeline.create_study(workspace, spec, request()))
    roles = read_roles(workspace, spec)
    truth = DeliftSE(FakeEncoder()).matrix(roles.pool, roles.target)
    for _, _, by_role in fits:
        for pairs in by_role.values():
            np.testing.assert_allclose(pairs.value, truth[pairs.helper, pairs.helped], atol=1e-6)


def test_errors_are_on_one_scale_and_r2_on_each_points_own(
    workspace: Workspace, spec: Any, fits: Any
) -> None:
    """The slow reference: errors by hand from the labels, on the scale of the largest plan."""
    result = pipeline.work(pipeline.create_study(workspace, spec(), request()))
    width = result["scale"]["hi"] - result["scale"]["lo"]
    for point, (_, _, by_role) in zip(result["points"], fits, strict=True):
        training, pairs = by_role["q1"].value.astype(float), by_role["q4"]
        own = training.max() - training.min()
        guess = MeanFit(by_role).predict(None, None, pairs) * own + training.min()
        truth = pairs.value.astype(float)
        error = np.mean((guess - truth) ** 2)
        q4 = point["quadrants"]["q4"]
        assert q4["mse"] == pytest.approx(error / width**2, rel=1e-4)
        assert q4["r2"] == pytest.approx(1 - error / truth.var(), rel=1e-4)
        mean_error = np.mean((truth - training.mean()) ** 2)
        assert q4["mse_mean"] == pytest.approx(mean_error / width**2, rel=1e-4)
        assert q4["r2_mean"] == pytest.approx(1 - mean_error / truth.var(), rel=1e-4)


def test_a_leak_is_refused_before_anything_is_trained(
    workspace: Workspace, spec: Any, fits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncift_core.pipeline import study_work

    def leaky(*arguments: Any) -> Any:
        nested = study_work_plans(*arguments)
        rows = nested.rows.copy()
        rows[0] = next(b for b in nested.evaluation if b.role == "q4").helpers[0]
        return replace(nested, rows=rows)

    study_work_plans = study_work.nested_plans
    monkeypatch.setattr(study_work, "nested_plans", leaky)
    with pytest.raises(ValueError, match="trained on"):
        pipeline.work(pipeline.create_study(workspace, spec(), request()))
    assert fits == []


def test_only_missing_points_are_computed(workspace: Workspace, spec: Any, fits: Any) -> None:
    folder = pipeline.create_study(workspace, spec(), request(networks=("paper", "auto")))
    whole = pipeline.work(folder)
    assert len(fits) == 6
    fits.clear()
    # Asked again: the same folder, its result, and nothing to do.
    assert pipeline.create_study(workspace, spec(), request(networks=("paper", "auto"))) == folder
    assert jobs.read_state(folder).status == "done"
    # As after a kill: the result and one point are gone, another one is torn.
    (folder / "result.json").unlink()
    (folder / "points" / "u0.2-paper-s0.json").unlink()
    (folder / "points" / "u0.1-auto-s0.json").write_text('{"name": "u0.1-au')
    again = pipeline.work(folder)
    assert [(name, len(by_role["q1"])) for name, _, by_role in fits] == [
        ("auto", whole["points"][1]["labels"]),
        ("paper", whole["points"][2]["labels"]),
    ]
    for point in (*again["points"], *whole["points"]):
        point.pop("seconds")
    assert again == whole
    names = {point["name"] for point in jobs.read_points(folder, "study")}
    assert names == {point["name"] for point in whole["points"]}


def test_a_cancel_keeps_finished_points(
    workspace: Workspace, spec: Any, fits: Any, recording: Any
) -> None:
    folder = pipeline.create_study(workspace, spec(), request())
    progress = recording()
    stage = progress.stage

    def cancel_second(name: str, total: int, unit: str) -> None:
        stage(name, total, unit)
        trainings = [one for one in progress.stages if one[0] == "train"]
        progress.cancel_in = "train" if len(trainings) == 2 else ""

    progress.stage = cancel_second
    with pytest.raises(Cancelled):
        pipeline.work(folder, echo=progress)
    assert jobs.read_state(folder).status == "cancelled"
    study = pipeline.read_study(folder)
    assert [point["fraction"] for point in study.points] == [0.1]
    assert len(study.planned) == 3
    assert study.seconds_left is not None
    fits.clear()
    pipeline.work(folder)
    assert len(fits) == 2
    assert jobs.read_state(folder).status == "done"


def test_more_can_be_asked_of_a_study(workspace: Workspace, spec: Any, fits: Any) -> None:
    folder = pipeline.create_study(workspace, spec(), request())
    pipeline.work(folder)
    fits.clear()
    more = request(networks=("auto", "paper"), seeds=2)
    assert pipeline.create_study(workspace, spec(), more) == folder
    assert jobs.read_state(folder).status == "interrupted"
    assert not (folder / "result.json").exists()
    # Until it is started what is there is shown.
    assert len(pipeline.read_study(folder).points) == 3
    result = pipeline.work(folder)
    assert len(result["points"]) == 12
    assert [(name, seed) for name, seed, _ in fits].count(("paper", 0)) == 0
    assert len(fits) == 9
    # Another seed draws other labels, and less asked for shows less.
    first = next(by_role for _, seed, by_role in fits if seed == 1)["q1"]
    assert set(first.helper) != set(fits[0][2]["q1"].helper)
    pipeline.create_study(workspace, spec(), request())
    assert len(pipeline.work(folder)["points"]) == 3
    assert len(fits) == 9


@pytest.mark.parametrize("method", ["delift", "delift-se", "less", "selectit"])
def test_sizes_are_those_of_the_plans_of_runs(method: str) -> None:
    for n_train, n_target in ((150, 60), (400, 90)):
        config = pipeline.resolve(RunConfig(method=method))
        for costs in (None, PairCost(3.0)):
            wanted = (0.02, 0.1, 0.2, 0.4)
            sizes, left_out = label_sizes(config, wanted, n_train, n_target, costs)
            assert sorted([size.fraction for size in sizes] + left_out) == list(wanted)
            for fraction in left_out:
                with pytest.raises(ConfigError, match="at least 16"):
                    label_plan(replace(config, label_fraction=fraction), n_train, n_target)
            for size in sizes:
                own = replace(config, label_fraction=size.fraction)
                block = label_plan(own, n_train, n_target, costs=costs).block("q1")
                assert block is not None
                assert (size.rows, size.targets) == (len(block.helpers), block.targets_of_each)


def test_what_names_a_study(workspace: Workspace, spec: Any) -> None:
    def folder(asked: StudyRequest | None = None, **settings: Any) -> str:
        return pipeline.study_folder(workspace, spec(**settings), asked or request()).name

    same = folder()
    # What changes no label and no estimate.
    assert folder(budget="7", network="ridge", label_fraction=0.3, objective="fl-pool") == same
    assert folder(request(networks=("auto",), seeds=4)) == same
    assert folder(design="spread") == same
    different = {
        folder(seed=1), folder(design="block"), folder(encoder="x"),
        folder(request(fractions=(0.1,))), folder(StudyRequest("network-size")),
        folder(StudyRequest("network-size"), label_fraction=0.3), same,
    }  # fmt: skip
    assert len(different) == 7


def test_fractions_that_label_too_little_are_left_out(
    workspace: Workspace, spec: Any, fits: Any, recording: Any
) -> None:
    asked, progress = request(fractions=(0.01, 0.2)), recording()
    cost = pipeline.study_cost(workspace, spec(), asked, POOL, TARGET)
    assert (cost.points, cost.finished, cost.left_out) == (1, 0, (0.01,))
    assert (cost.unit, cost.label_seconds) == ("pairs", 0.0)
    result = pipeline.work(pipeline.create_study(workspace, spec(), asked), echo=progress)
    assert [point["fraction"] for point in result["points"]] == [0.2]
    assert any("0.01" in warning for warning in progress.warnings)
    assert pipeline.study_cost(workspace, spec(), asked, POOL, TARGET).finished == 1
    nothing = pipeline.create_study(workspace, spec(), request(fractions=(0.01,)))
    with pytest.raises(ConfigError, match="at least 16"):
        pipeline.work(nothing)
    assert jobs.read_state(nothing).status == "failed"


def test_the_cost_counts_every_label_once(workspace: Workspace, spec: Any, fits: Any) -> None:
    cost = pipeline.study_cost(workspace, spec(design="block"), request(seeds=2), POOL, TARGET)
    pipeline.work(pipeline.create_study(workspace, spec(design="block"), request()))
    labelled = {
        (role, pair)
        for by_role in by_fraction(fits).values()
        for role, pairs in by_role.items()
        for pair in pairs
    }
    assert cost.label_units == pytest.approx(2 * len(labelled), abs=20)
    assert cost.points == 6


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "row-size"}, "row-size"),
        ({"fractions": ()}, "nothing"),
        ({"networks": ()}, "nothing"),
        ({"fractions": (0.1, 1.5)}, "1.5"),
        ({"networks": ("papre",)}, "papre"),
        ({"seeds": 0}, "0 seeds"),
        ({"kind": "network-size", "shapes": "big"}, "big"),
    ],
)
def test_what_cannot_be_asked(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        request(**values)


def test_network_size_study(
    workspace: Workspace, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncift_core.network import training
    from nncift_core.pipeline import study_work
    from nncift_core.pipeline.clusters import cluster_rows
    from nncift_core.pipeline.embedding import embed_rows
    from nncift_core.pipeline.labelling import compute_labels
    from nncift_core.pipeline.roles import read_roles
    from nncift_core.studies import shapes

    monkeypatch.setattr(shapes, "SHAPES", ((5,), (100,), (20, 10), (1000,)))
    monkeypatch.setattr(shapes, "SMALL_PARAMETERS", 10_000)
    monkeypatch.setattr(training, "PAPER", training.TrainingSettings(epochs=2))
    monkeypatch.setattr(study_work, "LONGER_EPOCHS", 4)
    monkeypatch.setattr(study_work, "LONGER_RATE", 1e-2)
    trained: list[tuple[int, ...]] = []
    labels: list[Pairs] = []
    train = study_work.train_deep

    def counting(shape: Any, *arguments: Any) -> Any:
        trained.append(shape)
        labels.append(arguments[2])
        return train(shape, *arguments)

    monkeypatch.setattr(study_work, "train_deep", counting)
    asked = StudyRequest("network-size", shapes="small", longer=True)
    config = {"label_fraction": 0.2, "design": "block"}
    folder = pipeline.create_study(workspace, spec(**config), asked)
    result = pipeline.work(folder)
    assert trained == [(5,), (20, 10), (100,)] * 2
    assert [point["training"] for point in result["points"]] == ["paper"] * 3 + ["longer"] * 3
    assert [point["parameters"] for point in result["points"][:3]] == [171, 881, 3401]
    # The labels of a run with these settings, and the published network among the shapes.
    assert all(np.array_equal(pairs.value, labels[0].value) for pairs in labels)
    run_spec = spec(**config, network="paper")
    roles = read_roles(workspace, run_spec)
    clusters = cluster_rows(embed_rows(workspace, run_spec, roles, SilentProgress()))
    of_run = compute_labels(workspace, run_spec, roles, SilentProgress(), clusters=clusters)
    assert np.array_equal(of_run.training.value, labels[0].value)
    assert np.array_equal(of_run.training.helper, labels[0].helper)
    published = result["points"][2]
    assert published["shape"] == [100]
    assert set(published["quadrants"]) >= {"q1", "q2", "q3", "q4"}
    first = published["quadrants"]["q1"]["mse"]
    assert result["points"][5]["quadrants"]["q1"]["mse"] < first
    # A point that is there is not trained again; the rest is, with the same outcome.
    trained.clear()
    (folder / "result.json").unlink()
    (folder / "points" / "20-10-paper-s0.json").unlink()
    again = pipeline.work(folder)
    assert trained == [(20, 10)]
    for point in (*again["points"], *result["points"]):
        point.pop("seconds")
    assert again == result
    assert again["scale"]["lo"] < again["scale"]["hi"]


def test_single_rows(
    workspace: Workspace, spec: Any, fits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncift_core.influence.base import PointwiseInfluence
    from nncift_core.pipeline import label_shards, labelling

    class Lengths(PointwiseInfluence):
        def scores(self, rows: Any, progress: Any = None) -> Any:
            return np.asarray([len(row.prompt) for row in rows], dtype=np.float32)

    monkeypatch.setattr(labelling, "make_method", lambda *arguments: Lengths())
    monkeypatch.setattr(label_shards, "needs_model", lambda config: False)
    spec = spec(method="selectit", inputs="text")
    result = pipeline.work(pipeline.create_study(workspace, spec, request(fractions=(0.2, 0.4))))
    assert result["design"] == "rows"
    pairs = by_fraction(fits)
    assert pairs[0]["q1"] < pairs[1]["q1"]
    assert set(pairs[0]) == {"q1", "q4"}
    assert not pairs[0]["q4"] & pairs[1]["q1"]
    quadrants = result["points"][0]["quadrants"]
    assert quadrants["q2"] is None is quadrants["q3"]
    assert quadrants["q4"]["mse_cosine"] is None


class Asked(PairwiseInfluence):
    """A language model's stand-in: counts the pairs it is asked for."""

    identity = "asked"
    pairs: ClassVar[list[tuple[str, str]]] = []

    def shard_rows(self, n_helped: int) -> int:
        return 5

    def matrix(self, helpers: Any, helped: Any, progress: Any = None) -> Any:
        self.pairs.extend((a.id, b.id) for a in helpers for b in helped)
        vectors = [np.stack([fake_vector(row.text) for row in side]) for side in (helpers, helped)]
        return (vectors[0] @ vectors[1].T).astype(np.float32)

    def notes(self) -> list[str]:
        return ["A note."]


@pytest.mark.parametrize("design", ["block", "spread"])
def test_labels_of_a_model_are_computed_once_for_all_fractions_and_kept(
    design: str,
    workspace: Workspace,
    spec: Any,
    fits: Any,
    recording: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nncift_core.pipeline import labelling

    monkeypatch.setattr(labelling, "make_method", lambda *arguments: Asked())
    monkeypatch.setattr(Asked, "pairs", [])
    spec, progress = spec(method="delift", design=design, inputs="text"), recording()
    folder = pipeline.create_study(workspace, spec, request())
    whole = pipeline.work(folder, echo=progress)
    assert len(set(Asked.pairs)) == len(Asked.pairs)
    largest = set().union(*by_fraction(fits)[2].values())
    assert len(Asked.pairs) == len(largest)
    # Each fraction is one stage, of what is new in it, that is complete at its end.
    stages = [total for name, total, _ in progress.stages if name == "label"]
    assert len(stages) == 3
    assert sum(stages) == len(Asked.pairs)
    assert progress.done["label"] == stages[-1]
    assert progress.warnings == ["A note."]
    # All points again: no label again.
    Asked.pairs.clear()
    for path in (folder / "points").iterdir():
        path.unlink()
    again = pipeline.work(folder)
    assert Asked.pairs == []
    for point in (*again["points"], *whole["points"]):
        point.pop("seconds")
    assert again == whole


def test_studies_of_a_project(workspace: Workspace, spec: Any, fits: Any) -> None:
    first = pipeline.create_study(workspace, spec(), request())
    second = pipeline.create_study(workspace, spec(), StudyRequest("network-size"))
    (workspace.studies_dir / "broken").mkdir()
    (workspace.studies_dir / "broken" / "job.json").write_text("{")
    ids = (spec().train.id, spec().target.id, None)
    found = pipeline.studies_of(workspace, *ids)
    assert {study.folder for study in found} == {first, second}
    assert found[0].planned == ()
    assert pipeline.studies_of(workspace, ids[0], None, 20) == []
    assert pipeline.find_study(workspace, first.name).request == request()
    for wrong in ("../runs", "label-size-0000"):
        with pytest.raises(ConfigError):
            pipeline.find_study(workspace, wrong)


def test_the_time_left_goes_by_the_pace_of_each_network(workspace: Workspace, spec: Any) -> None:
    folder = pipeline.create_study(workspace, spec(), request(networks=("paper", "auto")))
    assert pipeline.read_study(folder).seconds_left is None
    weights = {"u0.1-paper-s0": 1.0, "u0.1-auto-s0": 10.0, "u0.2-paper-s0": 4.0}
    write_json(folder / "planned.json", weights | {"u0.2-auto-s0": 40.0, "u0.2-ridge-s0": 2.0})

    def finish(name: str, seconds: float) -> None:
        write_json(folder / "points" / f"{name}.json", {"name": name, "seconds": seconds})

    finish("u0.1-paper-s0", 2.0)
    # All at its pace, 2 s a unit, for want of others.
    assert pipeline.read_study(folder).seconds_left == pytest.approx(2 * (10 + 4 + 40 + 2))
    finish("u0.1-auto-s0", 50.0)
    usual = (2 + 50) / 11
    assert pipeline.read_study(folder).seconds_left == pytest.approx(2 * 4 + 5 * 40 + usual * 2)


def test_gradients_are_counted_once_for_all_fractions(
    workspace: Workspace,
    spec: Any,
    fits: Any,
    recording: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A method that costs by the row: stages count each row of each side once, and a warm-up."""
    from nncift_core.pipeline import labelling

    class ByRow(Asked):
        unit = "gradients"

        def __init__(self) -> None:
            self.known: set[tuple[str, str]] = set()

        def planned_units(self, blocks: Any) -> int:
            return 7 + len({one for block in blocks for one in self.rows_of(block)})

        def rows_of(self, block: Any) -> list[tuple[str, str]]:
            sides = {"helper": block[0], "helped": block[1]}
            return [(side, row.id) for side, rows in sides.items() for row in rows]

        def prepare(self, blocks: Any, shards: Any) -> None:
            fresh = {one for block in blocks for one in self.rows_of(block)} - self.known
            shards.progress.advance(len(fresh) + (0 if self.known else 7))
            self.known |= fresh

    monkeypatch.setattr(labelling, "make_method", lambda *arguments: ByRow())
    progress, counted = recording(), []
    stage = progress.stage

    def stage_after(name: str, total: int, unit: str) -> None:
        if progress.stages and progress.stages[-1][0] == "label":
            counted.append((progress.stages[-1][1], progress.done["label"]))
        stage(name, total, unit)

    progress.stage = stage_after
    spec = spec(method="less", inputs="text")
    pipeline.work(pipeline.create_study(workspace, spec, request()), echo=progress)
    assert len(counted) == 3
    assert all(planned == done > 0 for planned, done in counted)
