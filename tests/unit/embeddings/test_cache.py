"""The embedding cache: order, duplicates, resume, damaged files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.embeddings import cache as cache_module
from nncift_core.embeddings import embed, embed_groups
from nncift_core.errors import Cancelled, EncoderError
from tests.fake_encoder import FakeEncoder, fake_vector


class BatchSensitive(FakeEncoder):
    """Like real encoders: the last bits depend on the batch a text is in."""

    def encode(self, texts: Any) -> np.ndarray:
        noise = np.float32(1e-7) * (hash(tuple(len(text) for text in texts)) % 97)
        return super().encode(texts) + noise


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "SHARD_TEXTS", 4)


def texts(count: int, offset: int = 0) -> list[str]:
    """Texts of varying length, shuffled."""
    order = np.random.default_rng(1).permutation(count) + offset
    return [" ".join([f"w{i}"] * (1 + i % 7)) for i in order]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_order_is_kept_and_duplicates_are_embedded_once(tmp_path: Path, recording: Any) -> None:
    encoder, progress = FakeEncoder(), recording()
    wanted = texts(30)
    wanted = wanted + wanted[5:9] + [wanted[0]]
    vectors = embed(encoder, wanted, tmp_path, progress)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.stack([fake_vector(text) for text in wanted]))
    assert sorted(encoder.encoded) == sorted(set(wanted))
    assert progress.stages == [("embed", 30, "rows")]
    assert progress.done == {"embed": 30}


def test_texts_are_sorted_by_length_into_batches(tmp_path: Path, recording: Any) -> None:
    encoder = FakeEncoder()
    embed(encoder, texts(30), tmp_path, recording())
    lengths = [len(text.split()) for text in encoder.encoded]
    assert lengths == sorted(lengths)


def test_nothing_is_embedded_twice(tmp_path: Path, recording: Any) -> None:
    first = embed(FakeEncoder(), texts(20), tmp_path, recording())
    encoder, progress = FakeEncoder(), recording()
    again = embed(encoder, texts(20), tmp_path, progress)
    assert encoder.encoded == []
    assert progress.stages == [("embed", 0, "rows")]
    np.testing.assert_array_equal(first, again)
    # Another encoder shares nothing.
    other = FakeEncoder(key="another")
    embed(other, texts(3), tmp_path, recording())
    assert len(other.encoded) == 3


@pytest.mark.parametrize("stop_after", [1, 3, 7])
def test_resume_gives_the_bytes_of_an_uninterrupted_run(
    tmp_path: Path, recording: Any, stop_after: int
) -> None:
    whole = embed(BatchSensitive(), texts(30), tmp_path / "whole", recording())
    with pytest.raises(Cancelled):
        embed(BatchSensitive(), texts(30), tmp_path / "torn", recording("embed", stop_after))
    encoder, progress = BatchSensitive(), recording()
    resumed = embed(encoder, texts(30), tmp_path / "torn", progress)
    assert resumed.tobytes() == whole.tobytes()
    assert len(encoder.encoded) == 30 - 4 * stop_after
    assert progress.done["embed"] == progress.stages[0][1] == 30 - 4 * stop_after
    key = BatchSensitive().key
    assert files_of(tmp_path / "torn" / key) == files_of(tmp_path / "whole" / key)


def test_a_pool_gets_the_same_bytes_with_any_target_and_in_any_order(
    tmp_path: Path, recording: Any
) -> None:
    pool, first, second = texts(30), texts(9, 100), texts(13, 200)
    a = embed_groups(BatchSensitive(), [pool, first], tmp_path / "a", recording())
    progress = recording()
    b = embed_groups(BatchSensitive(), [pool[::-1], second], tmp_path / "b", progress)
    assert progress.stages == [("embed", 43, "rows")]
    assert progress.done == {"embed": 43}
    assert a[0].tobytes() == b[0][::-1].tobytes()
    # With the pool in the cache the second target has the bytes of a fresh workspace.
    warm = embed_groups(BatchSensitive(), [pool, second], tmp_path / "a", recording())
    assert warm[1].tobytes() == b[1].tobytes()
    assert len(b[1]) == 13


def test_texts_that_the_cache_happens_to_hold_do_not_change_the_others(
    tmp_path: Path, recording: Any
) -> None:
    pool = texts(30)
    fresh = embed(BatchSensitive(), pool, tmp_path / "fresh", recording())
    known = [3, 8, 9, 20, 27]
    embed(BatchSensitive(), [pool[i] for i in known], tmp_path / "warm", recording())
    progress = recording()
    warm = embed(BatchSensitive(), pool, tmp_path / "warm", progress)
    assert progress.done == {"embed": 25}
    others = np.setdiff1d(np.arange(30), known)
    assert warm[others].tobytes() == fresh[others].tobytes()


def test_a_text_in_two_groups_is_embedded_once(tmp_path: Path, recording: Any) -> None:
    encoder, progress = FakeEncoder(), recording()
    pool = texts(10)
    vectors = embed_groups(encoder, [pool, pool[3:6]], tmp_path, progress)
    assert len(encoder.encoded) == 10
    assert progress.stages == [("embed", 10, "rows")]
    np.testing.assert_array_equal(vectors[0][3:6], vectors[1])


@pytest.mark.parametrize(
    "damage",
    [
        "vectors without keys",
        "keys without vectors",
        "truncated vectors",
        "truncated keys",
        "empty vectors",
        "keys of another length",
        "fewer vectors than keys",
        "one long vector",
        "pickled keys",
    ],
)
def test_a_damaged_shard_is_embedded_again(tmp_path: Path, recording: Any, damage: str) -> None:
    whole = embed(FakeEncoder(), texts(12), tmp_path, recording())
    folder = tmp_path / FakeEncoder().key
    before = files_of(folder)
    keys = sorted(folder.glob("*.keys.npy"))[1]
    vectors = keys.with_name(keys.name.replace(".keys.npy", ".npy"))
    if damage == "vectors without keys":
        keys.unlink()
    elif damage == "keys without vectors":
        vectors.unlink()
    elif damage == "truncated vectors":
        vectors.write_bytes(vectors.read_bytes()[:-8])
    elif damage == "truncated keys":
        keys.write_bytes(keys.read_bytes()[:-8])
    elif damage == "empty vectors":
        vectors.write_bytes(b"")
    elif damage == "keys of another length":
        np.save(keys, np.load(keys)[:-1])
    elif damage == "fewer vectors than keys":
        np.save(vectors, np.load(vectors)[:-1])
    elif damage == "one long vector":
        np.save(vectors, np.load(vectors)[:, 0])
    else:
        np.save(keys, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    encoder = FakeEncoder()
    again = embed(encoder, texts(12), tmp_path, recording())
    np.testing.assert_array_equal(again, whole)
    assert len(encoder.encoded) == 4
    assert files_of(folder) == before


def test_partial_files_are_no_shards(tmp_path: Path, recording: Any) -> None:
    folder = tmp_path / FakeEncoder().key
    folder.mkdir()
    (folder / "0123.keys.npy.abcd.partial").write_bytes(b"half")
    assert embed(FakeEncoder(), texts(3), tmp_path, recording()).shape == (3, 16)


def test_cut_texts_are_counted(tmp_path: Path, recording: Any) -> None:
    progress = recording()
    embed(FakeEncoder(max_tokens=5), texts(14), tmp_path, progress)
    assert progress.warnings == [
        "4 of 14 texts are longer than the encoder's 5 tokens; it sees their beginnings only."
    ]
    progress = recording()
    embed(FakeEncoder(max_tokens=7, key="longer"), texts(14), tmp_path, progress)
    assert progress.warnings == []


def _broken(change: Callable[[np.ndarray], np.ndarray]) -> FakeEncoder:
    encoder = FakeEncoder()
    sound = encoder.encode
    encoder.encode = lambda texts: change(sound(texts))  # type: ignore[method-assign]
    return encoder


def test_vectors_that_are_not_finite_are_refused(tmp_path: Path, recording: Any) -> None:
    for change in (lambda v: v * np.float32("nan"), lambda v: v[:, 0]):
        with pytest.raises(EncoderError):
            embed(_broken(change), texts(5), tmp_path, recording())
    assert not list(tmp_path.rglob("*.npy"))


def test_a_wrong_number_of_vectors_is_refused(tmp_path: Path, recording: Any) -> None:
    with pytest.raises(EncoderError):
        embed(_broken(lambda v: v[:-1]), texts(5), tmp_path, recording())
    assert not list(tmp_path.rglob("*.npy"))
