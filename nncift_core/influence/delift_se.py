"""DELIFT (SE): influence as the cosine of sentence embeddings of prompt and response.

Source: Agarwal et al., "DELIFT: Data Efficient Language model Instruction Fine-Tuning",
ICLR 2025, the sentence-embedding variant. When the network reads the same embeddings,
influence *is* the cosine of its inputs, and exact cosines are cheaper than any estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nncift_core.config import DEFAULT_ENCODER
from nncift_core.embeddings import Encoder, embed, open_encoder
from nncift_core.influence.base import PairSource, PairwiseInfluence
from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, IndexArray, InfluenceSource, Row

GATHERED_PAIRS = 4096
"""Pairs whose vectors are laid side by side at once: some 30 MB."""


class CosineSource:
    """Cosines of unit vectors, a block of helpers at a time.

    Products are summed in float64 and rounded once, so that a pair has the same value whatever
    block it is computed in.

    Args:
        helpers: ``(n_train, d)`` unit vectors.
        helped: ``(n_target, d)`` unit vectors.
    """

    def __init__(self, helpers: FloatArray, helped: FloatArray) -> None:
        self._helpers = helpers
        self._helped: NDArray[np.float64] = helped.astype(np.float64).T

    @property
    def n_train(self) -> int:
        """Number of helping rows."""
        return len(self._helpers)

    @property
    def n_target(self) -> int:
        """Number of helped rows."""
        return int(self._helped.shape[1])

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, n_target)`` cosines, float32."""
        product = self._helpers[start:stop].astype(np.float64) @ self._helped
        return product.astype(np.float32)

    def subset(self, rows: IndexArray, columns: IndexArray) -> CosineSource:
        """The same cosines for some rows and columns, in that order."""
        return CosineSource(self._helpers[rows], self._helped.T[columns].astype(np.float32))


class CosinePairs:
    """Cosines of some pairs of unit vectors, a block of helpers at a time; never all of them.

    Summed in float64 and rounded once, as by ``CosineSource``.

    Args:
        helpers: ``(a, d)`` unit vectors.
        helped: ``(b, d)`` unit vectors.
        columns: ``(a, k)`` for each helper the places in ``helped`` of its own.
    """

    def __init__(self, helpers: FloatArray, helped: FloatArray, columns: IndexArray) -> None:
        self._helpers = helpers
        self._helped = helped
        self._columns = columns

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, k)`` cosines, float32."""
        columns = self._columns[start:stop]
        values: FloatArray = np.empty(columns.shape, dtype=np.float32)
        step = max(1, GATHERED_PAIRS // max(1, columns.shape[1]))
        for first in range(0, len(columns), step):
            part = slice(first, first + step)
            left = self._helpers[start:stop][part].astype(np.float64)
            right = self._helped[columns[part]].astype(np.float64)
            values[part] = np.matmul(right, left[:, :, None])[:, :, 0]
        return values


class DeliftSE(PairwiseInfluence):
    """Cosine of normalised sentence embeddings, -1 to 1.

    Args:
        encoder: A sentence-transformers id or folder, or an Encoder.
        cache_root: Folder in which embeddings are kept; None embeds anew each time.
    """

    def __init__(
        self, encoder: str | Encoder = DEFAULT_ENCODER, cache_root: Path | None = None
    ) -> None:
        self._encoder = open_encoder(encoder) if isinstance(encoder, str) else encoder
        self._cache_root = cache_root

    def _vectors(self, rows: Sequence[Row]) -> FloatArray:
        texts = [row.text for row in rows]
        if self._cache_root is None:
            return self._encoder.encode(texts)
        return embed(self._encoder, texts, self._cache_root, SilentProgress())

    def source(
        self, helpers: Sequence[Row], helped: Sequence[Row], progress: Progress | None = None
    ) -> InfluenceSource:
        """Cosines a block at a time; each row is embedded once."""
        return CosineSource(self._vectors(helpers), self._vectors(helped))

    def matrix(
        self, helpers: Sequence[Row], helped: Sequence[Row], progress: Progress | None = None
    ) -> FloatArray:
        """``(len(helpers), len(helped))`` cosines, float32."""
        return self.source(helpers, helped).block(0, len(helpers))

    def pair_source(
        self,
        helpers: Sequence[Row],
        helped: Sequence[Row],
        columns: IndexArray,
        progress: Progress | None = None,
    ) -> PairSource:
        """Cosines of the wanted pairs a block at a time; each row is embedded once."""
        return CosinePairs(self._vectors(helpers), self._vectors(helped), columns)

    def values_at(
        self,
        helpers: Sequence[Row],
        helped: Sequence[Row],
        columns: IndexArray,
        progress: Progress | None = None,
    ) -> FloatArray:
        """``(len(helpers), k)`` cosines, float32."""
        return self.pair_source(helpers, helped, columns).block(0, len(helpers))
