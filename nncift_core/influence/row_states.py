"""Hidden states of rows, kept on disk: what an estimator may see of a row besides its text.

A row's states are computed once for a language model, whatever run, role or pilot asks for them.
Knows nothing of estimators, and of a run's rows only their texts.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nncift_core.config import LanguageModelConfig
from nncift_core.embeddings import EmbeddingCache
from nncift_core.embeddings.cache import KEY_BYTES, text_key
from nncift_core.files import save_array
from nncift_core.influence.model_access import ModelAccess
from nncift_core.influence.shards import Shards, digest
from nncift_core.lm.loading import LanguageModel
from nncift_core.types import FloatArray, Row

if TYPE_CHECKING:
    from nncift_core.lm.states import StateReader

SHARD_ROWS = 64
"""Rows of one shard: a second of work with a small model, a minute with a large one."""


class RowStates:
    """A language model's hidden states of rows; see ``lm.states`` for what they are.

    Args:
        model: Its name (``demo``, a hub id or a folder), its settings, or an opened model. It is
            opened when states are asked for that are not stored.
    """

    def __init__(self, model: str | Path | LanguageModelConfig | LanguageModel) -> None:
        self._access = ModelAccess(model)

    @functools.cached_property
    def identity(self) -> str:
        """Changes with everything besides the rows that states depend on. Raises: ModelError."""
        from nncift_core.lm.states import VERSION

        return digest("states", VERSION, self._access.identity)

    def missing(self, rows: Sequence[Row], folder: Path | None) -> int:
        """How many different rows have no states in a folder of shards."""
        keys = {row_key(row) for row in rows}
        return len(keys) if folder is None else len(_not_in(EmbeddingCache(folder), keys))

    def states(self, rows: Sequence[Row], shards: Shards) -> FloatArray:
        """States of rows, ``(len(rows), d)`` float32; ``(0, 0)`` without rows.

        The last bits depend on the rows that are read with a row. So rows that are not stored are
        put in order and cut into shards before the first one is read: a resumed run reads the
        same shards, and gets the same bytes, as one that was never stopped.

        Args:
            rows: The rows.
            shards: Where states are kept; its progress is told of every row that is read now,
                and of none that was stored.

        Raises:
            ModelError: The model cannot be opened, does not fit or gives no numbers.
            Cancelled: Between passes; finished shards are kept.
            WorkspaceError: States cannot be stored.
        """
        if not rows:
            return np.empty((0, 0), dtype=np.float32)
        keys = [row_key(row) for row in rows]
        unique = dict(zip(keys, rows, strict=True))
        folder = shards.folder
        fresh = set(unique)
        if folder is not None:
            fresh = _not_in(EmbeddingCache(folder), fresh)
        read: dict[bytes, FloatArray] = {}
        if fresh:
            with self._access.computing(shards.progress):
                # Neighbours in length need little padding; ties go by what is in the rows.
                order = sorted(fresh, key=lambda key: (len(unique[key].text), key))
                for start in range(0, len(order), SHARD_ROWS):
                    part = {key: unique[key] for key in order[start : start + SHARD_ROWS]}
                    found = self._shard(part, shards)
                    if folder is None:
                        read |= zip(part, found, strict=True)
        if folder is None:
            return np.stack([read[key] for key in keys])
        return EmbeddingCache(folder).gather(keys)

    def _shard(self, part: Mapping[bytes, Row], shards: Shards) -> FloatArray:
        name = digest("states", self.identity, [key.hex() for key in part])
        rows = list(part.values())
        found = shards.get(name, lambda: self._reader.states(rows, shards.progress), len(part))
        if shards.folder is not None:
            # The file that says which rows these are comes last, so that it names whole shards.
            packed = np.frombuffer(b"".join(part), dtype=np.uint8).reshape(len(part), KEY_BYTES)
            save_array(shards.folder / f"{name}.keys.npy", packed)
        return found

    @functools.cached_property
    def _reader(self) -> StateReader:
        # Here, since it needs torch.
        from nncift_core.lm.states import StateReader

        return StateReader(self._access.language_model)


def row_key(row: Row) -> bytes:
    """Hash of what states depend on; a line break does not join prompt and response."""
    return text_key(json.dumps([row.prompt, row.response]))


def _not_in(cache: EmbeddingCache, keys: set[bytes]) -> set[bytes]:
    return {key for key in keys if key not in cache}
