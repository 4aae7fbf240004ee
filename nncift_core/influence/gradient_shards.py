"""The checkpoints and gradient features of LESS: computed once, kept through shards, read back.

Knows nothing of pairs and of models: what computes is handed in and called only for what is not
stored.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nncift_core.influence.base import Rows
from nncift_core.influence.shards import Shards, digest
from nncift_core.lm.features import GradientFeatures, Side
from nncift_core.lm.warmup import Checkpoint
from nncift_core.types import FloatArray, Row

CHUNK_ROWS = 16
"""Rows whose features are one shard: seconds of work, half a MB."""

KEPT_BYTES = 512 * 1024 * 1024
"""Features that are held in memory where they are stored as well."""

Opened = Callable[[], GradientFeatures]
"""Gives what computes; opens the model on the first call."""

Key = tuple[str, str]
"""What a row's feature depends on: prompt and response. Ids are of normalised texts."""


def row_key(row: Row) -> Key:
    """Prompt and response of a row."""
    return row.prompt, row.response


def row_texts(rows: Rows) -> list[str]:
    """Prompts and responses in turn."""
    return [text for row in rows for text in row_key(row)]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Rows whose features are computed and stored together."""

    side: Side
    rows: tuple[Row, ...]


class GradientShards:
    """Everything that LESS computes with the model.

    Args:
        identity: What all values depend on besides the rows; part of all names.
        warmup_rows: Rows of the warm-up.
        epochs: Of the warm-up; each leaves a checkpoint.
        dimensions: Of a feature.

    Attributes:
        misfits: Ids of rows seen that are longer than the context.
        flat: Ids of rows seen whose gradient was exactly 0.
    """

    def __init__(
        self, identity: str, warmup_rows: Sequence[Row], epochs: int, dimensions: int
    ) -> None:
        self._identity, self._warmup_rows = identity, warmup_rows
        self._epochs, self._dimensions = epochs, dimensions
        self._records: list[FloatArray] = []
        self._checkpoints: dict[int, Checkpoint] = {}
        self._places: dict[tuple[Side, Key], tuple[Chunk, int]] = {}
        self._kept: OrderedDict[tuple[Chunk, int], FloatArray] = OrderedDict()
        self.misfits: dict[str, None] = {}
        self.flat: dict[str, None] = {}

    @property
    def left_out(self) -> int:
        """Warm-up rows that are longer than the context, as far as known."""
        if not self._records:
            return 0
        return len(self._warmup_rows) - int(self._records[0][:, 2].sum())

    def weights(self) -> list[float]:
        """The checkpoints' mean learning rates over their sum."""
        rates = [float(record[:, 0].mean(dtype=np.float64)) for record in self._records]
        return [rate / sum(rates) for rate in rates]

    def compute(self, wanted: Mapping[Side, Sequence[Row]], shards: Shards, opened: Opened) -> None:
        """Warm up, and compute what is missing of these rows, checkpoint by checkpoint.

        Raises:
            ModelError: The model cannot be opened, or memory does not hold a row's gradient.
            Cancelled: After any row.
        """
        fresh = [chunk for side, rows in wanted.items() for chunk in self._cut(side, rows)]
        self._warm_up(shards, opened)
        for number in range(self._epochs):
            for chunk in fresh:
                self._features(chunk, number, shards, opened, units=len(chunk.rows))

    def rows(
        self, side: Side, rows: Rows, number: int, shards: Shards, opened: Opened
    ) -> NDArray[np.float64]:
        """``(len(rows), dimensions)`` features at a checkpoint, of rows given to ``compute``.

        NaN for rows that have none.
        """
        found: NDArray[np.float64] = np.empty((len(rows), self._dimensions))
        for place, row in enumerate(rows):
            chunk, inside = self._places[side, row_key(row)]
            found[place] = self._features(chunk, number, shards, opened)[inside]
        return found

    def _cut(self, side: Side, rows: Sequence[Row]) -> list[Chunk]:
        """Chunks of those rows that are in none yet."""
        fresh = [row for row in rows if (side, row_key(row)) not in self._places]
        chunks = []
        for start in range(0, len(fresh), CHUNK_ROWS):
            chunk = Chunk(side, tuple(fresh[start : start + CHUNK_ROWS]))
            chunks.append(chunk)
            for place, row in enumerate(chunk.rows):
                self._places[side, row_key(row)] = chunk, place
        return chunks

    def _warm_up(self, shards: Shards, opened: Opened) -> None:
        for epoch in range(len(self._records), self._epochs):
            train = functools.partial(self._train, epoch, shards, opened)
            name = f"less-warmup-{epoch}-{self._identity}"
            record = shards.get(name, train, len(self._warmup_rows))
            if shards.folder is not None and not Checkpoint.is_stored(self._file(epoch, shards)):
                train()
            self._records.append(record)

    def _train(self, epoch: int, shards: Shards, opened: Opened) -> FloatArray:
        """Train an epoch and keep its checkpoint; the checkpoint stands before its record does."""
        before = self._checkpoint(epoch - 1, shards) if epoch else None
        look = functools.partial(shards.progress.advance, 0)
        checkpoint, record = opened().train(self._warmup_rows, epoch, before, look)
        if shards.folder is None:
            self._checkpoints[epoch] = checkpoint
        else:
            checkpoint.save(self._file(epoch, shards))
        return record

    def _checkpoint(self, number: int, shards: Shards) -> Checkpoint:
        if number not in self._checkpoints:
            return Checkpoint.load(self._file(number, shards))
        return self._checkpoints[number]

    def _file(self, epoch: int, shards: Shards) -> Path:
        assert shards.folder is not None
        return shards.folder / f"less-checkpoint-{epoch}-{self._identity}.safetensors"

    def _features(
        self, chunk: Chunk, number: int, shards: Shards, opened: Opened, units: int = 0
    ) -> FloatArray:
        """``(len(chunk.rows), dimensions)`` at a checkpoint; NaN for rows without."""
        if (chunk, number) in self._kept:
            self._kept.move_to_end((chunk, number))
            return self._kept[chunk, number]

        def compute() -> FloatArray:
            features = opened()
            features.use(number, lambda: self._checkpoint(number, shards))
            found = []
            for row in chunk.rows:
                found.append(features.feature(row, chunk.side))
                shards.progress.advance(0)
            return np.stack(found)

        name = digest(self._identity, row_texts(chunk.rows))
        found = shards.get(f"less-{chunk.side}-{number}-{name}", compute, units)
        flat = np.asarray(np.count_nonzero(found, axis=1) == 0)
        for ids, places in ((self.misfits, np.isnan(found[:, 0])), (self.flat, flat)):
            ids |= dict.fromkeys(chunk.rows[place].id for place in np.flatnonzero(places))
        # No direction: a cosine with it does not exist.
        found = np.where(flat[:, None], np.float32(np.nan), found)
        self._keep((chunk, number), found, bounded=shards.folder is not None)
        return found

    def _keep(self, key: tuple[Chunk, int], found: FloatArray, *, bounded: bool) -> None:
        self._kept[key] = found
        while bounded and len(self._kept) > 1 and len(self._kept) * found.nbytes > KEPT_BYTES:
            self._kept.popitem(last=False)
