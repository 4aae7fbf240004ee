"""Hidden states kept on disk: each row is read once, whoever asks, and named by its texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.config import LanguageModelConfig
from nncift_core.errors import Cancelled
from nncift_core.influence import model_access, row_states
from nncift_core.influence.row_states import RowStates, row_key
from nncift_core.influence.shards import FolderShards, MemoryShards
from nncift_core.lm import states
from nncift_core.lm.devices import LOCKS_VARIABLE
from nncift_core.lm.loading import LanguageModel, open_model
from nncift_core.lm.states import StateReader
from nncift_core.progress import SilentProgress
from nncift_core.types import Row
from tests.tiny_lm import make_rows, make_tiny_model

pytestmark = pytest.mark.usefixtures("small_shards")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("states"), "llama")


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    return open_model(LanguageModelConfig(model=str(folder)))


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[Row]:
    return make_rows(folder, 13, seed=5)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv(LOCKS_VARIABLE, str(tmp_path / "locks"))
    monkeypatch.setattr(row_states, "SHARD_ROWS", 4)
    yield


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the rows that went through a model, in order."""
    seen: list[str] = []
    plain = StateReader.states

    def spy(self: StateReader, rows: Sequence[Row], progress: Any = None) -> Any:
        seen.extend(row.id for row in rows)
        return plain(self, rows, progress)

    monkeypatch.setattr(StateReader, "states", spy)
    return seen


class Counting(SilentProgress):
    def __init__(self, most: int = 10**9) -> None:
        self.done, self.most = 0, most

    def advance(self, count: int = 1) -> None:
        self.done += count
        if self.done >= self.most:
            raise Cancelled


def shards(folder: Path, progress: Any = None) -> FolderShards:
    return FolderShards(folder / "kept", progress or SilentProgress())


def ids(rows: Sequence[Row]) -> list[str]:
    return sorted(row.id for row in rows)


def test_are_those_of_the_model_in_the_order_asked_for(
    model: LanguageModel, rows: list[Row], tmp_path: Path
) -> None:
    wanted = StateReader(model).states(rows)
    kept = RowStates(model).states(rows, shards(tmp_path))
    np.testing.assert_allclose(kept, wanted, atol=1e-5, rtol=0)
    assert np.abs(kept - kept[::-1]).max() > 0.1
    again = RowStates(model).states(rows[::-1], shards(tmp_path))
    np.testing.assert_array_equal(again, kept[::-1])
    np.testing.assert_array_equal(RowStates(model).states(rows, MemoryShards()), kept)
    assert RowStates(model).states([], shards(tmp_path)).shape == (0, 0)


def test_a_row_is_read_once(
    model: LanguageModel, rows: list[Row], read: list[str], tmp_path: Path
) -> None:
    progress = Counting()
    first = RowStates(model).states(rows[:6], shards(tmp_path, progress))
    assert sorted(read) == ids(rows[:6]) and progress.done == 6
    # Another run with other rows around them, and one of them twice.
    some = [*rows[4:13], rows[5]]
    assert RowStates(model).missing(some, tmp_path / "kept") == 7
    assert RowStates(model).missing(some, None) == 9
    read.clear()
    second = RowStates(model).states(some, shards(tmp_path, progress))
    assert sorted(read) == ids(rows[6:13]) and progress.done == 13
    np.testing.assert_array_equal(second[:2], first[4:6])
    np.testing.assert_array_equal(second[1], second[-1])
    read.clear()
    RowStates(model).states(rows, shards(tmp_path))
    assert read == [] and RowStates(model).missing(rows, tmp_path / "kept") == 0


def test_the_model_is_opened_only_when_a_row_is_missing(
    folder: Path, rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RowStates(str(folder)).states(rows, shards(tmp_path))
    opened: list[Any] = []

    def spy(settings: LanguageModelConfig) -> LanguageModel:
        opened.append(settings)
        return open_model(settings)

    monkeypatch.setattr(model_access, "open_model", spy)
    RowStates(str(folder)).states(rows, shards(tmp_path))
    assert opened == []
    RowStates(str(folder)).states([Row("new-0", "a", "b")], shards(tmp_path))
    assert len(opened) == 1


def test_cancelled_work_goes_on_where_it_stopped(
    model: LanguageModel, rows: list[Row], read: list[str], tmp_path: Path
) -> None:
    whole = RowStates(model).states(rows, shards(tmp_path / "whole"))
    read.clear()
    with pytest.raises(Cancelled):
        RowStates(model).states(rows, shards(tmp_path, Counting(8)))
    assert len(read) == 8
    resumed = RowStates(model).states(rows, shards(tmp_path))
    # Every row was computed once: the shard that was cancelled on its last call is stored.
    assert sorted(read) == ids(rows)
    np.testing.assert_array_equal(resumed, whole)


def test_spoilt_files_are_read_again(
    model: LanguageModel, rows: list[Row], read: list[str], tmp_path: Path
) -> None:
    want = RowStates(model).states(rows, shards(tmp_path))
    arrays = [path for path in (tmp_path / "kept").glob("*.npy") if ".keys" not in path.name]
    assert len(arrays) == 4
    arrays[0].write_bytes(b"spoilt")
    read.clear()
    found = RowStates(model).states(rows, shards(tmp_path))
    assert 0 < len(read) <= 4
    np.testing.assert_allclose(found, want, atol=1e-5, rtol=0)


def test_what_a_row_is_known_by() -> None:
    assert row_key(Row("a-0", "x", "y")) == row_key(Row("b-0", "x", "y", subtask="other"))
    texts = [("x\ny", "z"), ("x", "y\nz"), ("xy", "z"), ("z", "x\ny"), ("x y", "z")]
    assert len({row_key(Row("a-0", *some)) for some in texts}) == len(texts)


def test_identity_is_that_of_the_model_and_the_layout(
    folder: Path, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LanguageModelConfig(model=str(folder))
    same = RowStates(settings).identity
    assert same == RowStates(model).identity == RowStates(str(folder)).identity
    assert same == RowStates(dataclasses.replace(settings, memory_mb=64)).identity
    assert same != RowStates(dataclasses.replace(settings, context=99)).identity
    monkeypatch.setattr(states, "VERSION", "another")
    assert same != RowStates(settings).identity
