"""Predict every pair from rows projected once, a block of rows at a time.

A pair costs ``hidden`` additions instead of ``2 d x hidden`` multiplications, and nothing of
size ``n_train x n_target`` need exist: one pass hands blocks to reducers. Two paths give the
same numbers: plain PyTorch, and a compiled kernel where a C++ compiler works and the number
of pairs repays it (``kernels.py``). Knows nothing of training, labels or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch

from nncift_core.network.paper import PaperNetwork
from nncift_core.network.reducers import Reducer
from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray

Compile = Literal["auto", "always", "never"]

BLOCK_BYTES = 16 * 2**20
"""Bytes of one block of predictions: large enough that a reducer's fixed cost per block does
not show, small enough that a block and what reducers derive from it stay far below 256 MB."""

PROJECTION_ROWS = 4096
"""Rows projected at a time, so that a memory-mapped embedding file is never read whole."""


@dataclass(frozen=True)
class Projected:
    """Both sides projected by the network's first layer, and its output layer.

    ``influence[i, j] = offset + scale * (relu(helpers[i] + helped[j]) @ output_weight +
    output_bias)``, in the influence function's own units, higher is more helpful.

    Attributes:
        helpers: ``(n_train, hidden)`` float32.
        helped: ``(n_target, hidden)`` float32, the first layer's bias included.
        output_weight: ``(hidden,)`` float32.
        output_bias: Of the output layer, on the training scale.
        scale: Original units per unit of the training scale.
        offset: Original units at zero of the training scale.
    """

    helpers: FloatArray
    helped: FloatArray
    output_weight: FloatArray
    output_bias: float
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        hidden = self.output_weight.shape
        if self.helpers.shape[1:] != hidden or self.helped.shape[1:] != hidden:
            raise ValueError(
                f"helpers {self.helpers.shape} and helped {self.helped.shape} do not both end "
                f"in the {hidden} of output_weight"
            )


def project(
    network: PaperNetwork,
    helper_embeddings: FloatArray,
    helped_embeddings: FloatArray,
    *,
    scale: float = 1.0,
    offset: float = 0.0,
) -> Projected:
    """Project each row of both sides once.

    Args:
        network: A trained network, on the scale that ``scale`` and ``offset`` undo.
        helper_embeddings: ``(n_train, d)``, an array or a memory map.
        helped_embeddings: ``(n_target, d)``.
        scale: Original units per unit of the training scale.
        offset: Original units at zero of the training scale.
    """
    head = network.head()

    def rows(embeddings: FloatArray, half: str) -> FloatArray:
        projected = np.empty((len(embeddings), network.hidden), np.float32)
        for start in range(0, len(embeddings), PROJECTION_ROWS):
            chunk = np.array(embeddings[start : start + PROJECTION_ROWS], np.float32)
            with torch.no_grad():
                part = getattr(network, half)(torch.from_numpy(chunk))
            projected[start : start + len(chunk)] = part.numpy()
        return projected

    return Projected(
        helpers=rows(helper_embeddings, "project_helpers"),
        helped=rows(helped_embeddings, "project_helped"),
        output_weight=head.output_weight.numpy().astype(np.float32),
        output_bias=head.output_bias,
        scale=scale,
        offset=offset,
    )


class InfluenceSource(Protocol):
    """A matrix ``(n_train, n_target)`` that comes by blocks: predictions or exact values."""

    @property
    def n_train(self) -> int:
        """Rows: the training pool."""

    @property
    def n_target(self) -> int:
        """Columns: the target set."""

    def block(self, start: int, stop: int, columns: slice = ...) -> FloatArray:
        """Rows ``start`` to ``stop`` and ``columns``, ``(rows, columns)`` float32."""


def stream(
    source: InfluenceSource,
    reducers: Sequence[Reducer],
    progress: Progress | None = None,
    block_rows: int | None = None,
) -> None:
    """One pass over all rows of a source: every block goes to every reducer.

    Announces no stage; advances ``progress`` by the pairs of each block.

    Raises:
        Cancelled: Through ``progress``; the reducers are aborted and leave no half file.
    """
    progress = progress or SilentProgress()
    rows = block_rows or max(1, BLOCK_BYTES // (4 * max(1, source.n_target)))
    try:
        for reducer in reducers:
            reducer.begin(source.n_train, source.n_target)
        for start in range(0, source.n_train, rows):
            block = source.block(start, min(start + rows, source.n_train))
            for reducer in reducers:
                reducer.update(start, block)
            progress.advance(block.size)
        for reducer in reducers:
            reducer.finish()
    except BaseException:
        for reducer in reducers:
            reducer.abort()
        raise


class Predictor:
    """Predicted influence in original units, by block, by pair or as one stream.

    Args:
        projected: Both sides, projected.
        compile: ``auto`` compiles when the pairs of one call repay it; ``always`` whatever
            the size; ``never`` stays in plain PyTorch.
    """

    def __init__(self, projected: Projected, *, compile: Compile = "auto") -> None:
        self.projected = projected
        self.compile = compile
        self.warning: str | None = None
        """Why the slower path is used although the compiled one was wanted; None otherwise."""

    @property
    def n_train(self) -> int:
        """Rows of the training pool."""
        return len(self.projected.helpers)

    @property
    def n_target(self) -> int:
        """Rows of the target set."""
        return len(self.projected.helped)
