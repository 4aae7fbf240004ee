"""Gradient features: a row's gradient at a checkpoint, sketched and of length 1.

Joins a language model, its LoRA weights, Adam's state and the sketch. Knows nothing of pairs, of
shards and of which rows are wanted.

Xia et al., "LESS", ICML 2024, sections 4.1 and 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from nncift_core.config import LessConfig
from nncift_core.errors import ModelError
from nncift_core.lm.gradients import AdamDirection, RowGradients, RowTokens, room_for, tokenize
from nncift_core.lm.loading import LanguageModel
from nncift_core.lm.lora import Adapter
from nncift_core.lm.sketch import Sketch
from nncift_core.lm.warmup import Checkpoint, train_epoch
from nncift_core.types import FloatArray, Row

Side = Literal["helper", "helped"]


class GradientFeatures:
    """Features of rows at one checkpoint at a time.

    Args:
        language_model: In ``gradient_mode``; the adapter is on it.
        adapter: Its LoRA weights.
        settings: Of the warm-up and of the sketch.
        seed: Of order, dropout and sketch.
    """

    def __init__(
        self, language_model: LanguageModel, adapter: Adapter, settings: LessConfig, seed: int
    ) -> None:
        self._language_model, self._adapter = language_model, adapter
        self._settings, self._seed = settings, seed
        self.gradients = RowGradients(language_model, adapter.parameters)
        sizes = {name: weight.numel() for name, weight in adapter.parameters.items()}
        with room_for("the signs of the projection"):
            self.sketch = Sketch(sizes, settings.dimensions, seed, language_model.device)
        self._number = -1
        self._direction: AdamDirection | None = None

    def tokens(self, row: Row) -> RowTokens | None:
        """A row's tokens; None where it is longer than the model's context."""
        tokens = tokenize(self._language_model.prompter, row)
        return tokens if self.gradients.fits(tokens) else None

    def probe(self, rows: Sequence[Row]) -> None:
        """Try the longest row that fits, so that memory runs out early or not at all.

        Raises:
            ModelError: It does not hold that row's gradient.
        """
        for row in sorted(rows, key=lambda row: -len(row.prompt) - len(row.response)):
            if (tokens := self.tokens(row)) is not None:
                self.gradients(tokens)
                return

    def train(
        self, rows: Sequence[Row], epoch: int, before: Checkpoint | None, look: Callable[[], None]
    ) -> tuple[Checkpoint, FloatArray]:
        """One epoch of the warm-up, without the rows that do not fit; see ``train_epoch``.

        Raises:
            ModelError: No row fits, memory ran out, or the loss is not a number.
        """
        fitting = [tokens for row in rows if (tokens := self.tokens(row)) is not None]
        if not fitting:
            raise ModelError(
                f"None of the {len(rows):,} warm-up rows fits the context of "
                f"{self._language_model.context:,} tokens.",
                "Choose a model that reads more, or set a longer context.",
            )
        self._number = -1
        with room_for("the LoRA weights and their optimizer"):
            return train_epoch(
                self.gradients,
                self._adapter,
                fitting,
                epoch,
                before,
                self._settings,
                self._seed,
                look,
            )

    def use(self, number: int, load: Callable[[], Checkpoint]) -> None:
        """Go to a checkpoint; nothing happens where it is in use already.

        Args:
            number: Of the checkpoint.
            load: Gives it.
        """
        if number == self._number:
            return
        checkpoint = load()
        with room_for("the LoRA weights and Adam's state"):
            self._adapter.load(checkpoint.weights)
            self._direction = AdamDirection(
                checkpoint.exp_avg, checkpoint.exp_avg_sq, self._language_model.device
            )
        self._number = number

    def feature(self, row: Row, side: Side) -> FloatArray:
        """``(dimensions,)`` float32 of length 1.

        Zeros where the gradient is exactly 0, NaN where the row does not fit the context.

        Args:
            row: A row.
            side: ``helper``: Adam's step along the gradient; ``helped``: the plain gradient.

        Raises:
            ModelError: Memory ran out, or the gradient is not finite.
        """
        tokens = self.tokens(row)
        if tokens is None:
            return np.full(self._settings.dimensions, np.nan, dtype=np.float32)
        _, gradient = self.gradients(tokens)
        if side == "helper":
            assert self._direction is not None, "use() comes first"
            gradient = self._direction(gradient)
        sketched = self.sketch.project(gradient).cpu().numpy().astype(np.float64)
        length = float(np.linalg.norm(sketched))
        if not np.isfinite(length):
            raise ModelError(
                f"The model {self._language_model.settings.model!r} gives a gradient that is not "
                f"finite (row {row.id}).",
                "Choose the number format float32 or bfloat16.",
            )
        return (sketched / (length or 1.0)).astype(np.float32)
