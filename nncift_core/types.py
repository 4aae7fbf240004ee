"""The value types that every layer shares. Knows nothing of files, models or storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """One accepted instruction row.

    The id is content-addressed: 16 hex digits of the hash of the normalised prompt and
    response, ``-``, and an ordinal among equal rows in input order.
    """

    id: str
    prompt: str
    response: str
    subtask: str | None = None
    group: str | None = None

    @property
    def content_hash(self) -> str:
        """The part of the id that equal rows share."""
        return self.id.rsplit("-", 1)[0]

    @property
    def text(self) -> str:
        """Prompt and response as one text: what sentence encoders see."""
        return f"{self.prompt}\n{self.response}"


@dataclass(frozen=True)
class Pairs:
    """Positions of (helper, helped) pairs and their values.

    Attributes:
        helper: ``(n,)`` positions in the training pool.
        helped: ``(n,)`` positions in the target set.
        value: ``(n,)`` true influence in the method's own units, higher is more helpful;
            empty while the pairs are only planned.
    """

    helper: IndexArray
    helped: IndexArray
    value: FloatArray

    def __len__(self) -> int:
        return len(self.helper)


class InfluenceSource(Protocol):
    """Influence of every pool row on every target row, a block of pool rows at a time."""

    @property
    def n_train(self) -> int:
        """Number of helping rows."""

    @property
    def n_target(self) -> int:
        """Number of helped rows."""

    def block(self, start: int, stop: int) -> FloatArray:
        """``(stop - start, n_target)`` float32, original units, higher is more helpful."""
