"""Inputs as estimators like them: leading components, evened out, of length 1.

Embeddings and hidden states have a few strong directions that all rows share and many weak ones
that tell rows apart. The leading components are kept and scaled by the square root of the square
root of their variance, between raw and whitened. Knows nothing of what the columns mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.types import FloatArray

COMPONENTS = 64
POWER = 0.25
MOST_ROWS = 20_000
"""Rows that the components are computed from; more tell nothing new."""
CHUNK = 4096
"""Rows mapped at a time."""


@dataclass(frozen=True)
class Whitening:
    """A linear map that is fitted to all rows, labelled or not.

    Attributes:
        mean: ``(d,)``.
        weight: ``(d, k)``.
    """

    mean: NDArray[np.float64]
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, sides: Sequence[FloatArray], components: int = COMPONENTS) -> Whitening:
        """The map of rows to at most ``components`` numbers.

        Args:
            sides: Arrays ``(n, d)`` of rows, taken as one.
            components: At most so many, and no more than the rows have.
        """
        step = -(-sum(len(rows) for rows in sides) // MOST_ROWS)
        picked, before = [], 0
        for rows in sides:
            picked.append(rows[-before % step :: step])
            before += len(rows)
        some = np.concatenate(picked).astype(np.float64)
        mean = some.mean(axis=0)
        centred = some - mean
        variance, directions = np.linalg.eigh(centred.T @ centred / max(1, len(some) - 1))
        variance, directions = variance[::-1], directions[:, ::-1]
        kept = min(components, int(np.sum(variance > 1e-9 * max(variance[0], 1e-30))), len(some))
        kept = max(1, kept)
        # The sign of a direction is arbitrary: fixed here, so that platforms agree.
        directions = directions[:, :kept]
        strongest = np.argmax(np.abs(directions), axis=0)
        directions = directions * np.sign(directions[strongest, np.arange(kept)])
        scale = np.maximum(variance[:kept], 1e-12) ** POWER
        return cls(mean, directions / scale)

    def apply(self, rows: FloatArray) -> FloatArray:
        """``(n, d)`` to ``(n, k)`` float32 of length 1; a row at the mean stays 0."""
        result = np.empty((len(rows), self.weight.shape[1]), dtype=np.float32)
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            found = (rows[part].astype(np.float64) - self.mean) @ self.weight
            length = np.linalg.norm(found, axis=1, keepdims=True)
            result[part] = found / np.maximum(length, 1e-12)
        return result
