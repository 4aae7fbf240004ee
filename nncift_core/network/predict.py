"""Predict every pair from rows projected once, a block of rows at a time.

A pair costs ``hidden + factors`` steps instead of ``2 d x hidden``, and nothing of size
``n_train x n_target`` need exist: one pass hands blocks to reducers. Hidden units go through plain
PyTorch or a compiled kernel (``kernels.py``), which give the same numbers within 1e-6 of the
labels' range; factors are a matrix product in NumPy, which needs no PyTorch: a page that shows a
finished run need not wait for its import. Knows nothing of training, labels or files.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from nncift_core.network import native
from nncift_core.network.kernels import CompiledScorer, EagerScorer
from nncift_core.network.reducers import Reducer, stream
from nncift_core.progress import Progress
from nncift_core.types import FloatArray, IndexArray

if TYPE_CHECKING:
    from nncift_core.network.pair_network import PairNetwork

__all__ = ["Compile", "Predictor", "Projected", "project", "stream"]

Compile = Literal["auto", "always", "never"]

COMPILE_PAIRS = 3_000_000
"""Matrix size from which ``auto`` compiles. Compiling takes 0.4 s once in the life of a cache
folder and then milliseconds; so many pairs take plain PyTorch 0.15 s or more every time. Size
alone decides, never what lies in a cache: a run repeated must give the same bits."""

PROJECTION_ROWS = 4096
"""Rows projected at a time, so that a memory-mapped file of embeddings is never read whole."""

PAIR_ROWS = 65_536
"""Pairs gathered at a time: 26 MB of each side at 100 hidden units."""


@dataclass(frozen=True)
class Projected:
    """Both sides projected by an estimator, and what turns two projections into influence.

    A projection is ``[units, factors]``, the units ``len(output_weight)`` long.
    ``influence[i, j] = offset + scale * (relu(units_i + units_j) @ output_weight +
    factors_i @ factors_j + output_bias)``, in the influence function's own units, higher is more
    helpful. With ``mass`` the product is a weighted mean: divided by ``mass_i @ factors_j``.

    Attributes:
        helpers: ``(n_train, hidden + factors)`` float32.
        helped: ``(n_target, hidden + factors)`` float32, a first layer's bias included.
        output_weight: ``(hidden,)`` float32; may be empty.
        output_bias: Of the output layer, on the training scale.
        scale: Original units per unit of the training scale.
        offset: Original units at zero of the training scale.
        mass: ``(n_train, factors)`` float32, or None.

    Raises:
        ValueError: When the shapes do not fit together or a number is not finite.
    """

    helpers: FloatArray
    helped: FloatArray
    output_weight: FloatArray
    output_bias: float
    scale: float = 1.0
    offset: float = 0.0
    mass: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.helpers.shape[1:] != self.helped.shape[1:] or self.factors < 0:
            raise ValueError(
                f"helpers {self.helpers.shape} and helped {self.helped.shape} must both end in "
                f"the same width, at least {self.hidden}, the length of output_weight"
            )
        if self.mass is not None and self.mass.shape != (len(self.helpers), self.factors):
            raise ValueError(f"mass {self.mass.shape} must be one number a row and factor")
        if self.mass is not None and not np.isfinite(self.mass).all():
            raise ValueError("mass holds a number that is not finite")
        # The compiled kernel reckons with finite numbers only.
        for name in ("helpers", "helped", "output_weight", "output_bias", "scale", "offset"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} holds a number that is not finite")

    @property
    def hidden(self) -> int:
        """Additive hidden units."""
        return len(self.output_weight)

    @property
    def factors(self) -> int:
        """Length of the product."""
        return int(self.helped.shape[1]) - self.hidden

    def stored(self) -> tuple[FloatArray, FloatArray]:
        """Both sides as arrays to store; what ``mass`` adds stands behind the helpers."""
        helpers = self.helpers
        if self.mass is not None:
            helpers = np.concatenate([helpers, self.mass], axis=1)
        return helpers, self.helped

    def with_sides(self, helpers: FloatArray, helped: FloatArray) -> Projected:
        """The same estimator with other projections, as ``stored`` gave them."""
        width = helped.shape[1]
        mass = helpers[:, width:] if helpers.shape[1] > width else None
        return replace(self, helpers=helpers[:, :width], helped=helped, mass=mass)

    def rows(self, helpers: IndexArray | slice, helped: IndexArray | slice) -> Projected:
        """Some rows of both sides, in that order."""
        return replace(
            self,
            helpers=self.helpers[helpers],
            helped=self.helped[helped],
            mass=None if self.mass is None else self.mass[helpers],
        )


def project(
    network: PairNetwork,
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
    # Here, since it takes seconds to import and finished runs are projected already.
    import torch

    head = network.head()

    def rows(embeddings: FloatArray, helped: bool) -> FloatArray:
        half = network.project_helped if helped else network.project_helpers
        projected = np.empty((len(embeddings), network.hidden + network.factors), np.float32)
        for start in range(0, len(embeddings), PROJECTION_ROWS):
            chunk = np.ascontiguousarray(embeddings[start : start + PROJECTION_ROWS], np.float32)
            # PyTorch wants memory it could write to; a map of a file is often read-only.
            chunk = chunk if chunk.flags.writeable else chunk.copy()
            with torch.no_grad():
                projected[start : start + len(chunk)] = half(torch.from_numpy(chunk)).numpy()
        return projected

    return Projected(
        helpers=rows(helper_embeddings, helped=False),
        helped=rows(helped_embeddings, helped=True),
        output_weight=head.output_weight.numpy().astype(np.float32),
        output_bias=head.output_bias,
        scale=scale,
        offset=offset,
    )


class Predictor:
    """Predicted influence in original units: by block, by pair, or as one stream.

    A source of blocks like any other (``reducers.InfluenceSource``).

    Args:
        projected: Both sides, projected.
        compile: ``auto`` compiles where the size of the matrix repays it, ``always`` whatever
            the size, ``never`` stays in plain PyTorch. Without a working compiler all three
            stay in plain PyTorch.
    """

    def __init__(self, projected: Projected, *, compile: Compile = "auto") -> None:
        self.projected = projected
        self._wants_kernel = compile == "always" or (
            compile == "auto" and self.n_train * self.n_target >= COMPILE_PAIRS
        )
        self._weight = (projected.output_weight * np.float64(projected.scale)).astype(np.float32)
        self._constant = projected.offset + projected.scale * projected.output_bias
        self._scorer: EagerScorer | CompiledScorer | None = None
        self._warned = False
        self.warning: str | None = None
        """Why the slower path is taken although the compiled one was wanted, once prepared."""

    @property
    def n_train(self) -> int:
        """Rows of the training pool."""
        return len(self.projected.helpers)

    @property
    def n_target(self) -> int:
        """Rows of the target set."""
        return len(self.projected.helped)

    def prepare(self, progress: Progress | None = None) -> float:
        """Load the kernel, or compile it, now rather than with the first block.

        Says once through ``progress`` when there is no compiler and the slower path is taken.

        Returns:
            Seconds it took.
        """
        start = time.perf_counter()
        if self._scorer is None and self.projected.hidden:
            self._scorer = self._make_scorer(self.projected.helped)
        if progress and self.warning and not self._warned:
            progress.warn(self.warning)
            self._warned = True
        return time.perf_counter() - start

    @property
    def compiled(self) -> bool:
        """Whether blocks come from the compiled kernel."""
        self.prepare()
        return isinstance(self._scorer, CompiledScorer)

    def block(self, start: int, stop: int, columns: slice = slice(None)) -> FloatArray:
        """Predicted influence of rows ``start`` to ``stop``: ``(stop - start, columns)``."""
        self.prepare()
        whole, hidden = self.projected, self.projected.hidden
        # Positions of all columns in order are the common case and have their scorer ready.
        all_columns = columns.indices(self.n_target) == (0, self.n_target, 1)
        helped = whole.helped[columns]
        scores: FloatArray
        if hidden:
            scorer = self._scorer if all_columns else None
            scorer = scorer or self._make_scorer(helped)
            scores = scorer.scores(whole.helpers[start:stop, :hidden])
            if whole.factors:
                scores += self._products(start, stop, helped)
        elif whole.factors:
            scores = self._products(start, stop, helped)
            scores += np.float32(self._constant)
        else:
            scores = np.full((stop - start, len(helped)), self._constant, np.float32)
        return scores

    def _products(self, start: int, stop: int, helped: FloatArray) -> FloatArray:
        """``(stop - start, len(helped))``: what the factors add, in original units.

        In NumPy: as fast as PyTorch's product of 128 factors, twice as fast with 32.
        """
        whole, hidden = self.projected, self.projected.hidden
        right = np.ascontiguousarray(helped[:, hidden:], np.float32).T
        helpers = whole.helpers[start:stop, hidden:]
        if whole.mass is None:
            return np.asarray((helpers * np.float32(whole.scale)) @ right, np.float32)
        means = np.asarray(np.ascontiguousarray(helpers, np.float32) @ right, np.float32)
        means /= np.ascontiguousarray(whole.mass[start:stop], np.float32) @ right
        means *= np.float32(whole.scale)
        return means

    def subset(self, helper_positions: IndexArray, helped_positions: IndexArray) -> Predictor:
        """A predictor of these rows and columns, in this order.

        Hidden units give equal bits; a matrix product may round otherwise in its last bits.
        """
        part = self.projected.rows(helper_positions, helped_positions)
        return Predictor(part, compile="always" if self._wants_kernel else "never")

    def pairs(self, helper_positions: IndexArray, helped_positions: IndexArray) -> FloatArray:
        """Predicted influence of single pairs: two ``(n,)`` arrays of positions to ``(n,)``."""
        predicted = np.empty(len(helper_positions), np.float32)
        whole, hidden = self.projected, self.projected.hidden
        for start in range(0, len(predicted), PAIR_ROWS):
            part = slice(start, start + PAIR_ROWS)
            i, j = helper_positions[part], helped_positions[part]
            left, right = whole.helpers[i], whole.helped[j]
            units = np.maximum(left[:, :hidden] + right[:, :hidden], 0)
            predicted[part] = units @ self._weight + self._constant
            if whole.factors:
                product = np.einsum("nk,nk->n", left[:, hidden:], right[:, hidden:])
                if whole.mass is not None:
                    product /= np.einsum("nk,nk->n", whole.mass[i], right[:, hidden:])
                predicted[part] += whole.scale * product
        return predicted

    def stream(
        self,
        reducers: Sequence[Reducer],
        progress: Progress | None = None,
        block_rows: int | None = None,
    ) -> None:
        """One pass over all pairs, in blocks, to ``reducers``; see ``reducers.stream``.

        Says once through ``progress`` when a compiler is missing and the pass will be slower.

        Raises:
            Cancelled: By ``progress``.
        """
        self.prepare(progress)
        stream(self, reducers, progress, block_rows)

    def _make_scorer(self, helped: FloatArray) -> EagerScorer | CompiledScorer:
        helped = np.ascontiguousarray(helped[:, : self.projected.hidden])
        if self._wants_kernel and self.projected.hidden:
            kernel = native.load()
            if isinstance(kernel, native.Kernel):
                return CompiledScorer(kernel, helped, self._weight, self._constant)
            self.warning = (
                f"Prediction uses plain PyTorch, which is slower, because {kernel.reason}; "
                "the predicted values are the same."
            )
        return EagerScorer(helped, self._weight, self._constant)
