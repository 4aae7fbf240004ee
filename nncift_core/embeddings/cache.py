"""Embeddings kept on disk by content, so that a text is embedded once per encoder.

One folder per encoder key holds shards: ``<name>.npy`` (vectors) beside ``<name>.keys.npy``
(content hashes), each written whole and renamed, keys last. A cancelled or killed run loses
at most the shard in work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nncift_core.embeddings.base import Encoder
from nncift_core.errors import EncoderError, WorkspaceError
from nncift_core.files import load_array, save_array
from nncift_core.progress import Progress
from nncift_core.types import FloatArray

KEY_BYTES = 16

# Texts of one shard: the unit of progress, cancel and resume. A few seconds of work on two
# cores, and 200,000 rows are still about 3,000 files.
SHARD_TEXTS = 128


def text_key(text: str) -> bytes:
    """Content hash of a text, 16 bytes."""
    return hashlib.sha256(text.encode("utf-8")).digest()[:KEY_BYTES]


class EmbeddingCache:
    """The vectors of one encoder on disk.

    Args:
        folder: Where shards lie; made when the first one is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._where: dict[bytes, tuple[Path, int]] = {}
        for keys_path in sorted(folder.glob("*.keys.npy")):
            vectors_path = keys_path.with_name(keys_path.name.replace(".keys.npy", ".npy"))
            for position, key in enumerate(_keys_of(keys_path, vectors_path)):
                self._where.setdefault(key.tobytes(), (vectors_path, position))

    def __contains__(self, key: bytes) -> bool:
        return key in self._where

    def add(self, keys: Sequence[bytes], vectors: FloatArray) -> None:
        """Write one shard: ``vectors`` is ``(len(keys), d)``."""
        name = hashlib.sha256(b"".join(keys)).hexdigest()[:24]
        vectors_path = self.folder / f"{name}.npy"
        save_array(vectors_path, np.asarray(vectors, dtype=np.float32))
        packed = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), KEY_BYTES)
        save_array(self.folder / f"{name}.keys.npy", packed)
        for position, key in enumerate(keys):
            self._where.setdefault(key, (vectors_path, position))

    def gather(self, keys: Sequence[bytes]) -> FloatArray:
        """``(len(keys), d)`` vectors in the order of ``keys``; each must be in the cache."""
        by_shard: dict[Path, list[tuple[int, int]]] = {}
        for index, key in enumerate(keys):
            path, position = self._where[key]
            by_shard.setdefault(path, []).append((index, position))
        result: FloatArray | None = None
        for path, places in by_shard.items():
            vectors = np.load(path, allow_pickle=False)
            if result is None:
                result = np.empty((len(keys), vectors.shape[1]), dtype=np.float32)
            indices, positions = np.array(places, dtype=np.int64).T
            result[indices] = vectors[positions]
        if result is None:
            raise ValueError("no keys to gather")
        return result


def _keys_of(keys_path: Path, vectors_path: Path) -> NDArray[np.uint8]:
    """``(n, 16)`` keys of a shard; none of a damaged one, which is then embedded again."""
    try:
        keys = load_array(keys_path)
        vectors = load_array(vectors_path, memmap=True)
    except WorkspaceError:
        keys = vectors = np.empty((0, 0))
    whole = (
        keys.dtype == np.uint8
        and vectors.dtype == np.float32
        and keys.shape == (len(vectors), KEY_BYTES)
        and vectors.ndim == 2
    )
    return keys if whole else np.empty((0, KEY_BYTES), dtype=np.uint8)


def embed(
    encoder: Encoder, texts: Sequence[str], cache_root: Path, progress: Progress
) -> FloatArray:
    """Unit vectors of all texts, ``(len(texts), d)`` float32: ``embed_groups`` of one group."""
    return embed_groups(encoder, [texts], cache_root, progress)[0]


def embed_groups(
    encoder: Encoder, groups: Sequence[Sequence[str]], cache_root: Path, progress: Progress
) -> list[FloatArray]:
    """Unit vectors of several groups of texts, from the cache where it has them.

    The last bits of a vector depend on the batch it was computed in (1.7e-7 at most, all-MiniLM
    on a CPU). So each group's texts are sorted by token length and cut into shards on their own,
    before the cache is asked: a resumed run embeds the same batches, and gets the same bytes, as
    one that was never stopped, and a pool gets the same bytes whatever target comes with it.

    Args:
        encoder: Gives the vectors that the cache does not hold.
        groups: The texts of each group (a pool, its target set), in the order wanted back.
        cache_root: Folder of all encoders' caches.
        progress: Told of stage ``embed`` in rows, and of texts that are cut.

    Returns:
        For each group ``(len(group), d)`` float32.

    Raises:
        EncoderError: The encoder gives something that is not a finite vector.
        Cancelled: Between shards.
    """
    cache = EmbeddingCache(cache_root / encoder.key)
    keys = [[text_key(text) for text in group] for group in groups]
    new: dict[bytes, str] = {}
    work: list[dict[bytes, str]] = []
    for group, group_keys in zip(groups, keys, strict=True):
        unique = dict(zip(group_keys, group, strict=True))
        missing = {key: text for key, text in unique.items() if key not in cache}
        work.append(unique if missing.keys() - new.keys() else {})
        new |= missing
    progress.stage("embed", len(new), "rows")
    _warn_of_cuts(encoder, list(new.values()), progress)
    for unique in work:
        _embed_missing(encoder, unique, cache, progress)
    return [cache.gather(group_keys) for group_keys in keys]


def _embed_missing(
    encoder: Encoder, unique: Mapping[bytes, str], cache: EmbeddingCache, progress: Progress
) -> None:
    """Embed every shard of a group that has a text the cache does not hold."""
    counts = encoder.token_counts(list(unique.values())) if unique else []
    # Ties go by key: the shards depend on which texts there are, not on their order.
    order = sorted(zip(counts, unique.items(), strict=True), key=lambda item: (item[0], item[1][0]))
    for start in range(0, len(order), SHARD_TEXTS):
        shard = [item for _, item in order[start : start + SHARD_TEXTS]]
        new = sum(1 for key, _ in shard if key not in cache)
        if not new:
            continue
        vectors = encoder.encode([text for _, text in shard])
        if vectors.ndim != 2 or len(vectors) != len(shard) or not np.isfinite(vectors).all():
            raise EncoderError(
                f"For {len(shard)} texts the encoder gave numbers of shape {vectors.shape} that "
                "are not one finite vector each.",
                "Check the model; its weights may be broken.",
            )
        cache.add([key for key, _ in shard], vectors)
        progress.advance(new)


def _warn_of_cuts(encoder: Encoder, texts: Sequence[str], progress: Progress) -> None:
    if not texts:
        return
    cut = sum(count > encoder.max_tokens for count in encoder.token_counts(texts))
    if cut:
        progress.warn(
            f"{cut:,} of {len(texts):,} texts are longer than the encoder's "
            f"{encoder.max_tokens} tokens; it sees their beginnings only."
        )
