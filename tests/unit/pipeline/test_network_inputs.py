"""What estimators see: when hidden states are used, where they stand; no row is read twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core import pipeline
from nncift_core.config import LanguageModelConfig, RunConfig
from nncift_core.errors import Cancelled, ConfigError
from nncift_core.influence import METHODS
from nncift_core.lm.loading import open_model
from nncift_core.lm.states import StateReader
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.embedding import Vectors, embed_rows
from nncift_core.pipeline.inputs import network_inputs, state_rows, uses_states
from nncift_core.progress import SilentProgress
from nncift_core.store import Workspace
from nncift_core.types import Row
from tests.fake_encoder import DIMENSION
from tests.tiny_lm import make_tiny_model

WIDTH = 2 * 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_model(tmp_path_factory.mktemp("inputs"), "llama", positions=512))


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


@pytest.fixture
def inputs_of(
    workspace: Workspace, new_run: Callable[..., str], folder: str
) -> Callable[..., tuple[Any, Vectors, Vectors]]:
    """``inputs_of(progress, **settings)``: rows of a new run, their embeddings, the inputs."""

    def make(progress: Any = None, **settings: Any) -> tuple[Any, Vectors, Vectors]:
        settings = {"method": "delift", "lm": LanguageModelConfig(model=folder)} | settings
        run_id = new_run(workspace, **settings)
        spec = pipeline.RunSpec.read(RunFiles(workspace.run_dir(run_id)).config)
        roles = pipeline.read_roles(workspace, spec)
        vectors = embed_rows(workspace, spec, roles, SilentProgress())
        progress = progress or SilentProgress()
        return roles, vectors, network_inputs(workspace, spec, roles, vectors, progress)

    return make


# When


@pytest.mark.parametrize("method", METHODS.names)
def test_auto_reads_where_a_language_model_labels(method: str) -> None:
    with_model = method != "delift-se"
    # A single row costs little more to rate than to read.
    assert uses_states(RunConfig(method=method)) is (method in ("delift", "less"))
    assert not uses_states(RunConfig(method=method, network="paper"))
    assert not uses_states(RunConfig(method=method, inputs="text"))
    assert not uses_states(RunConfig(method=method, exact=True))
    if with_model:
        assert uses_states(RunConfig(method=method, inputs="states", network="ridge"))
        # What sees embeddings only has nothing read for it.
        assert not uses_states(RunConfig(method=method, inputs="states", network="paper"))
        assert not uses_states(RunConfig(method=method, inputs="states", exact=True))


def test_states_without_a_language_model_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"DELIFT \(SE\) has no language model") as caught:
        uses_states(RunConfig(method="delift-se", inputs="states"))
    assert "text or auto" in (caught.value.hint or "")
    with pytest.raises(ConfigError, match="inputs is 'hidden'"):
        RunConfig(inputs="hidden")


def test_rows_that_are_read() -> None:
    assert state_rows(RunConfig(method="delift"), 600, 200, 40) == 840
    assert state_rows(RunConfig(method="less"), 600, 200) == 800
    assert state_rows(RunConfig(method="selectit"), 600, 200, 40) == 0
    assert state_rows(RunConfig(method="selectit", inputs="states"), 600, 200, 40) == 600
    assert state_rows(RunConfig(method="delift", network="paper"), 600, 200) == 0
    assert state_rows(RunConfig(), 600, 200) == 0


# What


def test_states_stand_behind_the_embeddings(
    inputs_of: Callable[..., Any], tmp_path: Path, demo_lines: Any, folder: str
) -> None:
    existing = tmp_path / "existing.jsonl"
    existing.write_text("\n".join(demo_lines[0][150:160]) + "\n", "utf-8")
    roles, vectors, inputs = inputs_of(existing=existing, objective="flcg")
    reader = StateReader(open_model(LanguageModelConfig(model=folder)))
    for name in ("pool", "target", "existing"):
        text, both, rows = (getattr(part, name) for part in (vectors, inputs, roles))
        assert both.shape == (len(rows), DIMENSION + WIDTH) and both.dtype == np.float32
        np.testing.assert_array_equal(both[:, :DIMENSION], text)
        places = [0, 3, len(rows) - 1]
        want = reader.states([rows[place] for place in places])
        np.testing.assert_allclose(both[places, DIMENSION:], want, atol=1e-5, rtol=0)


def test_a_side_without_rows_has_the_width(inputs_of: Callable[..., Any]) -> None:
    _, _, inputs = inputs_of()
    assert inputs.existing.shape == (0, DIMENSION + WIDTH)


def test_a_pointwise_method_reads_the_pool_only(
    inputs_of: Callable[..., Any], read: list[str]
) -> None:
    roles, vectors, inputs = inputs_of(method="selectit", inputs="states")
    assert inputs.pool.shape == (120, DIMENSION + WIDTH)
    assert inputs.target is vectors.target and inputs.existing is vectors.existing
    assert sorted(read) == sorted(row.id for row in roles.pool)


def test_without_states_nothing_changes(inputs_of: Callable[..., Any], read: list[str]) -> None:
    for settings in ({"inputs": "text"}, {"network": "paper"}, {"method": "delift-se"},
                     {"method": "selectit"}):  # fmt: skip
        _, vectors, inputs = inputs_of(**settings)
        assert inputs is vectors
    assert read == []


# Once


def test_runs_share_states(
    inputs_of: Callable[..., Any], read: list[str], recording: Callable[..., Any], folder: str
) -> None:
    first = recording()
    _, _, one = inputs_of(first)
    assert first.stages == [("read", len(set(read)), "rows")]
    assert len(read) == len(set(read)) == first.done["read"]
    read.clear()
    second = recording()
    _, _, two = inputs_of(second, seed=9, label_fraction=0.3)
    assert read == [] and second.stages == [("read", 0, "rows")]
    np.testing.assert_array_equal(one.pool, two.pool)
    # Those of another model are others.
    inputs_of(lm=LanguageModelConfig(model=folder, context=300))
    assert len(read) == first.done["read"]


def test_a_sampled_target_is_the_same_rows_for_any_seed(
    inputs_of: Callable[..., Any], read: list[str]
) -> None:
    roles, _, one = inputs_of(sample=30, seed=1)
    read.clear()
    others, _, two = inputs_of(sample=30, seed=2)
    assert read == []
    states = {row.id: vector for row, vector in zip(roles.pool, one.pool, strict=True)}
    (place,) = [n for n, row in enumerate(others.pool) if row.id in states][:1]
    np.testing.assert_array_equal(two.pool[place], states[others.pool[place].id])


def test_only_added_rows_are_read(
    workspace: Workspace, new_run: Callable[..., str], read: list[str], folder: str
) -> None:
    settings = {"method": "delift", "lm": LanguageModelConfig(model=folder)}
    run_id = new_run(workspace, **settings)
    spec = pipeline.RunSpec.read(RunFiles(workspace.run_dir(run_id)).config)
    whole = pipeline.read_roles(workspace, spec)
    short = dataclasses.replace(whole, pool=whole.pool[:100])
    longer = dataclasses.replace(whole, n_original=100, n_before=100)
    found = []
    for roles in (short, longer):
        read.clear()
        vectors = embed_rows(workspace, spec, roles, SilentProgress())
        found.append(network_inputs(workspace, spec, roles, vectors, SilentProgress()))
    assert 0 < len(read) <= 20
    assert set(read) <= {row.id for row in longer.added}
    # What was predicted before is predicted again, from the same bytes.
    np.testing.assert_array_equal(found[1].pool[:100], found[0].pool)
    np.testing.assert_array_equal(found[1].target, found[0].target)


def test_cancelled_reading_goes_on(
    inputs_of: Callable[..., Any], read: list[str], recording: Callable[..., Any]
) -> None:
    with pytest.raises(Cancelled):
        inputs_of(recording(cancel_in="read", cancel_after=2))
    some = list(read)
    assert 0 < len(some) < 120
    roles, _, _ = inputs_of()
    assert set(read) >= {row.id for row in roles.pool}
    # At most the shard in work is read again.
    assert len(read) - len(set(read)) <= 64
