"""Runs whose estimators see hidden states: when rows are read, what is made of it, what is not.

A tiny model reads the rows; a stand-in of known values labels them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nncift_core import pipeline
from nncift_core.config import LanguageModelConfig
from nncift_core.errors import Cancelled, ConfigError
from nncift_core.files import read_json
from nncift_core.influence import row_states
from nncift_core.lm.states import StateReader
from nncift_core.network.fitting import Candidate, Fitted, fit
from nncift_core.pipeline import labelling, learning, stages
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.embedding import embed_rows
from nncift_core.pipeline.inputs import network_inputs
from nncift_core.progress import SilentProgress
from nncift_core.store import Workspace
from nncift_core.types import Row
from tests.fake_encoder import DIMENSION
from tests.tiny_lm import make_tiny_model
from tests.unit.pipeline.test_language_model_runs import Pairwise, Pointwise, opened

WIDTH = 2 * 32


@pytest.fixture(scope="module", name="lm")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModelConfig:
    folder = make_tiny_model(tmp_path_factory.mktemp("states"), "llama", positions=512)
    return LanguageModelConfig(model=str(folder))


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        labelling.influence,
        "create",
        lambda name, **options: (Pointwise if name == "selectit" else Pairwise)(**options),
    )


@pytest.fixture
def new_run(new_run: Callable[..., str], lm: LanguageModelConfig) -> Callable[..., str]:
    def make(workspace: Workspace, **settings: Any) -> str:
        return new_run(workspace, **{"method": "delift", "network": "ridge", "lm": lm, **settings})

    return make


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the rows that went through the model."""
    seen: list[str] = []
    plain = StateReader.states

    def spy(self: StateReader, rows: Sequence[Row], progress: Any = None) -> Any:
        seen.extend(row.id for row in rows)
        return plain(self, rows, progress)

    monkeypatch.setattr(StateReader, "states", spy)
    return seen


def names(progress: Any) -> list[str]:
    return [name for name, _, _ in progress.stages]


def test_rows_are_read_before_the_estimators_are_fitted(
    workspace: Any, new_run: Any, read: list[str], recording: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*arguments: Any) -> Any:
        time.sleep(0.4)
        return network_inputs(*arguments)

    monkeypatch.setattr(stages, "network_inputs", slowly)
    progress, run_id = recording(), new_run(workspace)
    summary = pipeline.execute(workspace, run_id, progress).summary
    assert names(progress) == ["embed", "label", "read", "train", "predict", "select"]
    assert progress.stages[2] == ("read", len(read), "rows") and progress.done["read"] == len(read)
    files, spec, roles = opened(workspace, run_id)
    assert set(read) == {row.id for row in [*roles.pool, *roles.target]}
    # States are embeddings of another kind: their time is counted there.
    assert list(summary["seconds"]) == ["embed", "label", "train", "predict", "select"]
    assert summary["seconds"]["embed"] >= 0.4
    # What was fitted saw them, and its predictions are made of them.
    fitted = Fitted.load(files.network)
    assert fitted.inputs == (DIMENSION + WIDTH,) * 2 and fitted.text == DIMENSION
    vectors = embed_rows(workspace, spec, roles, SilentProgress())
    inputs = network_inputs(workspace, spec, roles, vectors, SilentProgress())
    helpers, helped = fitted.project(inputs.pool, inputs.target).stored()
    np.testing.assert_allclose(np.load(files.projected_helpers), helpers, atol=1e-5)
    np.testing.assert_allclose(np.load(files.projected_helped), helped, atol=1e-5)
    # A run that is finished reads nothing.
    again = recording()
    pipeline.execute(workspace, run_id, again)
    assert names(again) == ["embed"]


def test_baselines_are_about_embeddings_whatever_else_is_seen(
    workspace: Any, new_run: Any, recording: Any
) -> None:
    found = []
    for settings in ({}, {"inputs": "text"}):
        progress, run_id = recording(), new_run(workspace, **settings)
        pipeline.execute(workspace, run_id, progress)
        files = RunFiles(workspace.run_dir(run_id))
        found.append((names(progress), dict(progress.points)["baselines"],
                      read_json(files.quadrants), Fitted.load(files.network).inputs))  # fmt: skip
    (with_states, one, seen, _), (without, other, plain, inputs) = found
    assert "read" in with_states and "read" not in without
    assert one == other and inputs == (DIMENSION, DIMENSION)
    for role in ("q1", "q2", "q3", "q4", "q1u"):
        assert seen[role]["mse_cosine"] == plain[role]["mse_cosine"]
        assert seen[role]["mse"] != plain[role]["mse"]


@pytest.mark.parametrize("stage", ["read", "train"])
def test_cancelled_and_resumed_it_is_the_same(
    workspace: Any, new_run: Any, read: list[str], recording: Any, tmp_path: Path, stage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(row_states, "SHARD_ROWS", 32)
    undisturbed = Workspace.open(tmp_path / "undisturbed")
    whole = new_run(undisturbed)
    pipeline.execute(undisturbed, whole, SilentProgress())
    every = len(read)
    read.clear()
    run_id = new_run(workspace)
    # Two shards are finished and the third is in work, or all is read.
    with pytest.raises(Cancelled):
        pipeline.execute(workspace, run_id, recording(stage, 65 if stage == "read" else 1))
    files = RunFiles(workspace.run_dir(run_id))
    assert files.labels.exists() and not files.network.exists()
    progress = recording()
    pipeline.execute(workspace, run_id, progress)
    assert names(progress) == ["embed", "read", "train", "predict", "select"]
    (total,) = [total for name, total, _ in progress.stages if name == "read"]
    assert (total == 0) is (stage == "train") and total < every
    assert len(read) - len(set(read)) <= (32 if stage == "read" else 0)
    for name in ("network.safetensors", "projected_helpers.npy", "quadrants.json"):
        assert (files.folder / name).read_bytes() == (
            undisturbed.run_dir(whole) / name
        ).read_bytes()


@pytest.mark.parametrize("settings", [{}, {"method": "selectit", "inputs": "states"}],
                         ids=["pairs", "rows"])  # fmt: skip
def test_an_extended_run_reads_added_rows_only(
    workspace: Any, new_run: Any, read: list[str], recording: Any, added_file: Any,
    tmp_path: Path, settings: dict[str, Any],
) -> None:  # fmt: skip
    run_id = new_run(workspace, **settings)
    pipeline.execute(workspace, run_id, SilentProgress())
    roles = opened(workspace, run_id)[2]
    sides = [roles.pool] if settings else [roles.pool, roles.target]
    assert set(read) == {row.id for side in sides for row in side}
    read.clear()
    source = pipeline.import_files(workspace, [added_file()]).source
    longer, progress = pipeline.extend_run(workspace, run_id, source), recording()
    pipeline.execute(workspace, longer, progress)
    added = opened(workspace, longer)[2].added
    # One of them is there twice, and one may be what a target row is: each content once.
    known = {row.content_hash for side in sides for row in side}
    new = {row.content_hash for row in added} - known
    assert new and {row.content_hash for row in added if row.id in read} == new
    assert len(read) == progress.done["read"] == len(new)
    assert names(progress)[:2] == ["embed", "read"] and "train" not in names(progress)
    values = []
    for name in (run_id, longer):
        path = tmp_path / f"{name}.npy"
        pipeline.write_predictions(workspace, name, path, SilentProgress())
        values.append(np.load(path))
    np.testing.assert_array_equal(values[1][: len(values[0])], values[0])


def test_a_second_round_and_the_estimators_read_rows_once(
    workspace: Any, new_run: Any, read: list[str], recording: Any, short_training: None
) -> None:
    progress = recording()
    run_id = new_run(workspace, second_round=0.3, label_fraction=0.3)
    pipeline.execute(workspace, run_id, progress)
    assert names(progress) == [
        "embed", "label", "read", "ensemble", "label", "read", "train", "predict", "select",
    ]  # fmt: skip
    assert [total for name, total, _ in progress.stages if name == "read"] == [len(read), 0]
    assert len(read) == len(set(read))


def test_states_without_a_model_are_refused_before_anything_is_done(
    workspace: Any, new_run: Any, fake_encoder: Any
) -> None:
    with pytest.raises(ConfigError, match="has no language model"):
        new_run(workspace, method="delift-se", inputs="states", lm=LanguageModelConfig())
    assert fake_encoder.encoded == []
    assert workspace.catalog.runs() == []


# What is said of the choice


@pytest.mark.parametrize(("r2", "said"), [(None, 0), (0.01, 0), (0.0, 1), (-0.3, 1)])
def test_estimators_that_are_no_better_than_the_mean(
    recording: Any, r2: float | None, said: int
) -> None:
    progress = recording()
    tried = (
        Candidate("ridge", 0.1, r2, 1.0, 5, 33, chosen=True),
        # Another one's number says nothing of what is used.
        Candidate("landmark", 0.2, -1.0, 1.0, 5, 33),
    )
    learning._say_choice(SimpleNamespace(candidates=tried), progress)  # type: ignore[arg-type]
    assert len(progress.warnings) == said
    assert all("no estimator is better than the mean" in text for text in progress.warnings)


@pytest.mark.parametrize("worse", [True, False])
def test_a_run_says_that_nothing_was_learned(
    workspace: Any, new_run: Any, recording: Any, worse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_bad_as_the_mean(*arguments: Any, **options: Any) -> Fitted:
        fitted = fit(*arguments, **options)
        tried = tuple(replace(candidate, validation_r2=-0.1) for candidate in fitted.candidates)
        return replace(fitted, candidates=tried)

    if worse:
        monkeypatch.setattr(learning, "fit", as_bad_as_the_mean)
    progress, run_id = recording(), new_run(workspace, inputs="text", network="auto")
    pipeline.execute(workspace, run_id, progress)
    said = any("no estimator is better than the mean" in text for text in progress.warnings)
    (used,) = [c for c in read_json(RunFiles(workspace.run_dir(run_id)).estimators) if c["chosen"]]
    assert said is worse is (used["validation_r2"] <= 0)
