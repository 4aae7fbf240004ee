"""Duplicates of a run's pool: found once, kept whole, by the run's embeddings where it has any."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nncift_core import pipeline
from nncift_core.datasets.identity import assign_ids
from nncift_core.errors import Cancelled, ConfigError, EncoderError
from nncift_core.files import load_array
from nncift_core.pipeline import duplicates as module
from nncift_core.pipeline.duplicates import run_duplicates
from nncift_core.progress import SilentProgress
from nncift_core.selection.duplicates import DuplicateGroups, duplicate_groups
from nncift_core.types import Row
from tests.conftest import RecordingProgress
from tests.unit.pipeline.finished_runs import Finished, opened

pytestmark = pytest.mark.usefixtures("open_databases")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Any]]:
    """Rows and vectors of every search for near duplicates in this test."""
    calls: list[tuple[int, Any]] = []

    def record(rows: Any, vectors: Any, *, level: str, progress: Any = None) -> DuplicateGroups:
        if level == "near":
            calls.append((len(rows), vectors))
        return duplicate_groups(rows, vectors, level=level, progress=progress)

    monkeypatch.setattr(module, "duplicate_groups", record)
    return calls


def find(finished: Finished, name: str, level: str = "near", progress: Any = None) -> Any:
    files, spec, roles = opened(finished.workspace, finished.ids[name])
    return run_duplicates(finished.workspace, spec, roles, files, level, progress)


def test_near_duplicates_are_found_once(finished: Finished, asked: list[Any]) -> None:
    files, _, roles = opened(finished.workspace, finished.ids["cosine"])
    first = find(finished, "cosine")
    assert load_array(files.duplicates).tolist() == first.group.tolist()
    progress = RecordingProgress()
    again = find(finished, "cosine", progress=progress)
    assert progress.stages == []
    assert len(asked) == 1
    assert again.group.tolist() == first.group.tolist()
    assert again.exact.tolist() == first.exact.tolist()
    assert first.n_groups == duplicate_groups(roles.pool, None).n_groups > 0


@pytest.mark.parametrize("name", ["cosine", "sampled", "exact", "delift", "selectit"])
def test_it_goes_by_the_embeddings_of_the_run(
    finished: Finished, asked: list[Any], name: str
) -> None:
    _, _, roles = opened(finished.workspace, finished.ids[name])
    progress = RecordingProgress()
    groups = find(finished, name, progress=progress)
    ((count, vectors),) = asked
    assert count == len(groups.group) == len(roles.pool)
    assert vectors.shape == (len(roles.pool), 16)
    # All of them were kept: nothing is embedded again, and no stage says so.
    assert finished.encoder.encoded == []
    assert progress.stages == [("duplicates", len(roles.pool), "rows")]


def test_an_exact_run_of_a_language_model_is_not_embedded_for_it(
    finished: Finished, asked: list[Any]
) -> None:
    files, spec, roles = opened(finished.workspace, finished.ids["delift"])
    exact = pipeline.RunSpec(
        type(spec.config)(method="delift", exact=True), spec.train, spec.target, None
    )
    run_duplicates(finished.workspace, exact, roles, files, "near")
    assert asked == [(len(roles.pool), None)]
    assert finished.encoder.encoded == []


def test_an_extended_run_has_groups_of_its_own(
    finished: Finished, extend: Any, asked: list[Any]
) -> None:
    before = find(finished, "cosine")
    finished.ids["longer"] = extend(finished.ids["cosine"])
    embedded = len(finished.encoder.encoded)
    after = find(finished, "longer")
    assert len(after.group) > len(before.group)
    assert len(finished.encoder.encoded) == embedded
    # The added rows repeat known ones.
    assert after.exact[len(before.group) :].any()
    assert after.n_groups > before.n_groups


def test_other_levels_are_not_kept(finished: Finished, asked: list[Any]) -> None:
    files, _, roles = opened(finished.workspace, finished.ids["cosine"])
    exact = find(finished, "cosine", "exact")
    keep = find(finished, "cosine", "keep")
    assert not files.duplicates.exists() and not asked
    near = find(finished, "cosine")
    assert keep.group.tolist() == [-1] * len(roles.pool)
    assert exact.n_groups < near.n_groups
    # What is kept is the near level's, and does not answer for the others.
    assert find(finished, "cosine", "exact").group.tolist() == exact.group.tolist()


def test_a_level_that_does_not_exist(finished: Finished) -> None:
    with pytest.raises(ConfigError, match="'all'"):
        find(finished, "cosine", "all")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY torn", np.zeros(3, np.int64), np.zeros(120)])
def test_a_file_that_does_not_fit_is_made_anew(
    finished: Finished, content: bytes | np.ndarray
) -> None:
    files, _, _ = opened(finished.workspace, finished.ids["cosine"])
    right = find(finished, "cosine")
    if isinstance(content, bytes):
        files.duplicates.write_bytes(content)
    else:
        np.save(files.duplicates, content)
    assert find(finished, "cosine").group.tolist() == right.group.tolist()
    assert load_array(files.duplicates).tolist() == right.group.tolist()


def test_a_cancelled_search_leaves_nothing(finished: Finished) -> None:
    class Impatient(SilentProgress):
        def advance(self, count: int = 1) -> None:
            raise Cancelled

    files, _, _ = opened(finished.workspace, finished.ids["cosine"])
    with pytest.raises(Cancelled):
        find(finished, "cosine", progress=Impatient())
    assert not list(files.folder.glob("duplicates*"))


def test_without_its_encoder_a_run_goes_by_texts_and_says_so(
    finished: Finished, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> Any:
        raise EncoderError("The encoder folder 'gone' does not exist.")

    monkeypatch.setattr(module, "embed_rows", gone)
    progress = RecordingProgress()
    find(finished, "cosine", progress=progress)
    assert asked[0][1] is None
    assert progress.warnings == [
        "Near duplicates were told by the texts alone: The encoder folder 'gone' does not exist."
    ]


def test_ids_of_equal_rows_share_their_hash() -> None:
    # What level exact rests on.
    ids = assign_ids([("a", "b"), ("a ", "b\n"), ("a", "c")])
    assert [Row(id, "", "").content_hash for id in ids][:2] == [ids[0].split("-")[0]] * 2
