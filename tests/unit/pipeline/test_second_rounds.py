"""A run with a second round: what it labels, that it can be resumed, that it gives the same again.

Labels come from a stand-in of known values; the ensemble that disagrees is a real one.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core import pipeline
from nncift_core.config import RunConfig
from nncift_core.errors import Cancelled, ConfigError
from nncift_core.influence.label import Labels
from nncift_core.influence.label_plan import LabelPlan
from nncift_core.network.disagreement import Disagreement
from nncift_core.pipeline import labelling
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.clusters import cluster_rows
from nncift_core.pipeline.embedding import embed_rows
from nncift_core.progress import SilentProgress
from nncift_core.store import Workspace
from nncift_core.types import Pairs
from tests.unit.pipeline.test_language_model_runs import Pairwise, opened, worth

SETTINGS: dict[str, Any] = {
    "method": "delift", "second_round": 0.3, "label_fraction": 0.3, "network": "ridge",
    "inputs": "text",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quick(short_training: None) -> None:
    """The ensemble learns for a few epochs."""


@pytest.fixture(name="made")
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> list[Pairwise]:
    made: list[Pairwise] = []

    def create(name: str, **options: Any) -> Pairwise:
        made.append(Pairwise(**options))
        return made[-1]

    monkeypatch.setattr(labelling.influence, "create", create)
    return made


def planned(workspace: Workspace, run_id: str, **changes: Any) -> LabelPlan:
    """The first round of a run, with other settings if wanted."""
    _, spec, roles = opened(workspace, run_id)
    spec = dataclasses.replace(spec, config=dataclasses.replace(spec.config, **changes))
    clusters = cluster_rows(embed_rows(workspace, spec, roles, SilentProgress()))
    return labelling.plan_run(spec, roles, clusters)


def first_and_second(labels: Labels, plan: LabelPlan) -> tuple[Pairs, Pairs]:
    count, both = plan.training_pairs, labels.training
    parts = (slice(None, count), slice(count, None))
    first, second = (Pairs(both.helper[p], both.helped[p], both.value[p]) for p in parts)
    return first, second


def places(pairs: Pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.helper.tolist(), pairs.helped.tolist(), strict=True))


def test_a_second_round_labels_more_where_estimates_differ(
    workspace: Any, new_run: Any, made: list[Pairwise], recording: Any
) -> None:
    progress, run_id = recording(), new_run(workspace, **SETTINGS)
    summary = pipeline.execute(workspace, run_id, progress).summary
    files, spec, roles = opened(workspace, run_id)
    assert [name for name, _, _ in progress.stages] == [
        "embed", "label", "ensemble", "label", "train", "predict", "select",
    ]  # fmt: skip
    labels, plan = Labels.load(files.labels), planned(workspace, run_id)
    first, second = first_and_second(labels, plan)
    # More than the first round, and no more than one round with all of the labels.
    assert len(second) > 0.1 * len(first)
    assert len(labels.training) <= planned(workspace, run_id, second_round=0.0).training_pairs
    assert summary["labelled_pairs"] == len(labels.training) == len(places(labels.training))
    stored = {part.role: len(part.value) for part in workspace.catalog.labels(run_id)}
    assert stored["q1"] == len(labels.training)
    for i, j, value in zip(second.helper, second.helped, second.value, strict=True):
        assert value == pytest.approx(worth(roles.pool[i], roles.target[j]), abs=1e-6)
    # The first ones are those of the plan, and what measures is what it was.
    block = plan.block("q1")
    assert block is not None and block.columns is not None
    assert places(first) == {
        (int(i), int(j)) for row, i in enumerate(block.helpers)
        for j in block.helped[block.columns[row]]
    }  # fmt: skip
    # Reserved rows and targets and pairs that only measure stay what they are for.
    by_role = labels.by_role
    assert not set(second.helper) & {*by_role["q2"].helper, *by_role["q4"].helper}
    assert not set(second.helped) & {*by_role["q3"].helped, *by_role["q4"].helped}
    assert len(by_role["q1u"]) and not places(second) & places(by_role["q1u"])
    assert not places(second) & places(first)
    # They lie where an ensemble that knows the first round disagrees more than elsewhere.
    vectors = embed_rows(workspace, spec, roles, SilentProgress())
    doubt = Disagreement.of(
        first, vectors.pool, vectors.target, vectors.pool.shape[1], spec.config.seed
    ).block(0, 120)
    chosen = doubt[second.helper, second.helped]
    assert chosen.mean() > 1.2 * doubt.mean()
    untouched = sorted(set(range(120)) - {*second.helper, *by_role["q2"].helper})
    rows = np.unique(second.helper)
    assert doubt[rows].mean() > doubt[untouched].mean()


def test_the_same_again(
    workspace: Any, new_run: Any, made: list[Pairwise], tmp_path: Path, chosen: Any
) -> None:
    """In the same workspace it labels nothing; elsewhere it labels the same."""
    once = new_run(workspace, **SETTINGS)
    pipeline.execute(workspace, once, SilentProgress())
    asked = len(made)
    again = new_run(workspace, **SETTINGS)
    pipeline.execute(workspace, again, SilentProgress())
    assert not any(method.asked for method in made[asked:])
    elsewhere = Workspace.open(tmp_path / "elsewhere")
    other = new_run(elsewhere, **SETTINGS)
    pipeline.execute(elsewhere, other, SilentProgress())
    for place, run_id in ((workspace, again), (elsewhere, other)):
        for name in ("labels.npy", "network.safetensors"):
            assert (place.run_dir(run_id) / name).read_bytes() == (
                workspace.run_dir(once) / name
            ).read_bytes()
        assert chosen(place, run_id) == chosen(workspace, once)
    # Without a second round the labels are others.
    plain = new_run(workspace, **{**SETTINGS, "second_round": 0.0})
    pipeline.execute(workspace, plain, SilentProgress())
    assert places(Labels.load(RunFiles(workspace.run_dir(plain)).labels).training) != places(
        Labels.load(RunFiles(workspace.run_dir(once)).labels).training
    )


def test_stopped_in_the_second_round_and_resumed(
    workspace: Any, new_run: Any, made: list[Pairwise], recording: Any, tmp_path: Path
) -> None:
    undisturbed = Workspace.open(tmp_path / "undisturbed")
    whole = new_run(undisturbed, **SETTINGS)
    pipeline.execute(undisturbed, whole, SilentProgress())

    class InTheSecond(recording):  # type: ignore[misc]
        def advance(self, count: int = 1) -> None:
            super().advance(count)
            if [name for name, _, _ in self.stages].count("label") == 2 and self._calls == 2:
                raise Cancelled

    run_id, start = new_run(workspace, **SETTINGS), len(made)
    with pytest.raises(Cancelled):
        pipeline.execute(workspace, run_id, InTheSecond())
    files = RunFiles(workspace.run_dir(run_id))
    assert not files.labels.exists()
    done = {pair for method in made[start:] for pair in method.asked}
    middle = len(made)
    pipeline.execute(workspace, run_id, SilentProgress())
    rest = [pair for method in made[middle:] for pair in method.asked]
    assert rest and not done & set(rest)
    for name in ("labels.npy", "network.safetensors", "quadrants.json"):
        assert (files.folder / name).read_bytes() == (
            undisturbed.run_dir(whole) / name
        ).read_bytes()


@pytest.mark.parametrize("method", ["less", "selectit"])
def test_labels_that_cost_by_the_row_have_no_second_round(
    workspace: Any, new_run: Any, made: list[Pairwise], fake_encoder: Any, method: str
) -> None:
    with pytest.raises(ConfigError, match="labels cost by the row"):
        new_run(workspace, method=method, second_round=0.3)
    assert workspace.catalog.runs() == []
    assert not made and fake_encoder.encoded == []


def test_what_is_planned_counts_both_rounds(workspace: Any, new_run: Any) -> None:
    """The cost that is shown before is that of the run; an embedding costs no prefix."""
    settings = {"second_round": 0.5, "label_fraction": 0.3, "network": "ridge"}
    run_id = new_run(workspace, **settings)
    summary = pipeline.execute(workspace, run_id, SilentProgress()).summary
    config: RunConfig = opened(workspace, run_id)[1].config
    cost = pipeline.estimate_cost(workspace, config, 120, 60)
    assert cost.training_pairs == summary["labelled_pairs"]
    assert cost.evaluation_pairs == summary["evaluation_pairs"]
    without = pipeline.estimate_cost(
        workspace, dataclasses.replace(config, second_round=0.0), 120, 60
    )
    assert 0.9 * without.training_pairs < cost.training_pairs <= without.training_pairs
