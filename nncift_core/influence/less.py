"""LESS: influence as the agreement of a tuning step on one row with the gradient of another.

influence[i, j] = Σ_c w_c ⟨Γ_c(i), g_c(j)⟩ over the checkpoints c of a short LoRA warm-up, where
g_c(j) is the gradient of row j's mean response loss for the LoRA weights, Γ_c(i) the step that
Adam would make on row i with that checkpoint's state, both projected by one sketch to length 1,
and w_c the checkpoint's mean learning rate over the sum of all.

The cost is one gradient a row, side and checkpoint; pairs of rows that have gradients are free.

Source: Xia et al., "LESS: Selecting Influential Data for Targeted Instruction Tuning", ICML 2024,
sections 3 and 4. Knows nothing of how gradients are computed, nor of which pairs are wanted.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nncift_core.config import DEFAULT_MODEL, LanguageModelConfig, LessConfig
from nncift_core.errors import ConfigError
from nncift_core.influence.base import Blocks, PairwiseInfluence, RowBlock, Rows
from nncift_core.influence.gradient_shards import GradientShards, Opened, row_key, row_texts
from nncift_core.influence.model_access import ModelAccess
from nncift_core.influence.shards import MemoryShards, Shards, digest
from nncift_core.lm.features import GradientFeatures, Side
from nncift_core.lm.loading import LanguageModel
from nncift_core.lm.lora import Adapter
from nncift_core.lm.quantization import gradient_mode, ready_for_training
from nncift_core.lm.warmup import draw_warmup_rows
from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, IndexArray, Row

BLOCK_ROWS = 1024
"""Rows of one side that are multiplied at once."""

SHARD_PAIRS = 4 * 1024 * 1024
"""Pairs of one shard of values; they are free."""


PROBED_DEVICES = ("cuda", "mps")
"""Where memory that runs out raises an error; on a CPU the system ends the process."""

NAMED_ROWS = 5
"""Rows that a note names by id."""


class Less(PairwiseInfluence):
    """How much a tuning step on a row lowers the loss on another, -1 to 1.

    A row that is longer than the model's context, or whose gradient is exactly 0, has no label:
    its row or column is NaN.

    Args:
        model: A name (``demo``, a hub id or a folder), settings, or an opened model, which is
            given back as it was.
        settings: Warm-up, LoRA and sketch.
        pool: The rows that the warm-up draws from.
        seed: Of the draw, the first LoRA weights, order, dropout and sketch.
    """

    unit = "gradients"

    def __init__(
        self,
        model: str | Path | LanguageModelConfig | LanguageModel = DEFAULT_MODEL,
        settings: LessConfig | None = None,
        pool: Rows = (),
        seed: int = 0,
    ) -> None:
        self._access = ModelAccess(model)
        self._settings = settings or LessConfig()
        self._pool, self._seed = pool, seed
        self._trainable: LanguageModel | None = None
        self._shards: Shards | None = None

    @functools.cached_property
    def identity(self) -> str:
        """Changes with everything besides the rows that values depend on.

        That is the model with tokenizer and template, the settings, seed and warm-up rows.

        Raises:
            ModelError: The model cannot be found.
            ConfigError: There is no pool.
        """
        settings = json.dumps(asdict(self._settings), sort_keys=True)
        texts = row_texts(self._warmup_rows)
        return digest("less", self._access.identity, settings, str(self._seed), texts)

    @functools.cached_property
    def _warmup_rows(self) -> list[Row]:
        if not self._pool:
            raise ConfigError(
                "LESS warms the model up on rows of a training pool, and there are none.",
                "Give it the pool: create('less', pool=rows).",
            )
        return draw_warmup_rows(self._pool, self._settings.warmup_share, self._seed)

    @functools.cached_property
    def _gradients(self) -> GradientShards:
        epochs, dimensions = self._settings.epochs, self._settings.dimensions
        return GradientShards(self.identity, self._warmup_rows, epochs, dimensions)

    def planned_units(self, blocks: Blocks) -> int:
        """Gradients: of the warm-up, and one a row, side and checkpoint."""
        rows = sum(len(side) for side in _wanted(blocks).values()) + len(self._warmup_rows)
        return rows * self._settings.epochs

    def shard_rows(self, n_helped: int) -> int:
        """Helpers of one shard of a block with ``n_helped`` pairs a helper."""
        return max(1, SHARD_PAIRS // max(1, n_helped))

    def open(self, progress: Progress) -> None:
        """Open the model, and import what puts an adapter on it. Raises: ModelError, Cancelled."""
        with self._access.computing(progress):
            import peft  # noqa: F401 - two seconds that are not the first gradient's

    def prepare(self, blocks: Blocks, shards: Shards) -> None:
        """Warm up, and compute the features of all rows of these blocks.

        Stored parts are not computed again, and the model is opened only where something is
        missing. Features are read back from the shards later, so they need not fit into memory.

        Raises:
            ModelError: The model cannot be opened, or memory does not hold a row's gradient.
            Cancelled: After any row.
        """
        self._shards = shards
        wanted = _wanted(blocks)
        if any(wanted.values()):
            with self._computing(shards.progress, wanted) as opened:
                self._gradients.compute(wanted, shards, opened)

    def matrix(self, helpers: Rows, helped: Rows, progress: Progress | None = None) -> FloatArray:
        """True influence, ``(len(helpers), len(helped))`` float32, higher is more helpful.

        Features of rows that were not prepared are computed now.

        Args:
            helpers: Rows that are tuned on.
            helped: Rows whose loss is looked at.
            progress: ``advance(0)`` is called now and then, so that it can cancel the work; rows
                that were not prepared are counted.

        Raises:
            ModelError: The model cannot be opened, or memory does not hold a row's gradient.
            Cancelled: After any row or block of pairs.
        """
        progress = progress or SilentProgress()
        shards = self._shards or MemoryShards(progress)
        total: NDArray[np.float64] = np.zeros((len(helpers), len(helped)))
        if not total.size:
            return total.astype(np.float32)
        wanted, gradients = _wanted([(helpers, helped)]), self._gradients
        with self._computing(progress, wanted) as opened:
            gradients.compute(wanted, shards, opened)
            for number, weight in enumerate(gradients.weights()):
                for top in range(0, len(helpers), BLOCK_ROWS):
                    block = helpers[top : top + BLOCK_ROWS]
                    steps = weight * gradients.rows("helper", block, number, shards, opened)
                    for left in range(0, len(helped), BLOCK_ROWS):
                        block = helped[left : left + BLOCK_ROWS]
                        plain = gradients.rows("helped", block, number, shards, opened)
                        # Summed in float64: a pair has one value, whatever block it is in.
                        total[top : top + BLOCK_ROWS, left : left + BLOCK_ROWS] += steps @ plain.T
                        progress.advance(0)
        return total.astype(np.float32)

    def values_at(
        self,
        helpers: Rows,
        helped: Rows,
        columns: IndexArray,
        progress: Progress | None = None,
    ) -> FloatArray:
        """``(len(helpers), k)`` float32; pairs of rows that have features are free, so from all.

        Args:
            helpers: Rows that are tuned on.
            helped: Rows whose loss is looked at.
            columns: ``(len(helpers), k)`` places in ``helped``, those of each helper.
            progress: As for ``matrix``.

        Raises:
            ModelError: As for ``matrix``.
            Cancelled: Likewise.
        """
        values: FloatArray = np.empty(columns.shape, dtype=np.float32)
        for top in range(0, len(helpers), BLOCK_ROWS):
            part = slice(top, top + BLOCK_ROWS)
            found = self.matrix(helpers[part], helped, progress)
            values[part] = np.take_along_axis(found, columns[part], axis=1)
        return values

    def notes(self) -> list[str]:
        """What a user should know about the labels so far: rows that have none, and why."""
        notes = self._access.notes()
        if "_gradients" not in self.__dict__:
            return notes
        gradients = self._gradients
        if gradients.left_out:
            notes.append(
                f"The warm-up left out {gradients.left_out:,} of its {len(self._warmup_rows):,} "
                "rows, which are longer than the model's context."
            )
        for ids, why in (
            (list(gradients.misfits), "longer than the model's context"),
            (list(gradients.flat), "since their gradient is exactly zero"),
        ):
            if ids:
                more = len(ids) - NAMED_ROWS
                notes.append(
                    f"Without a label, {why}: {'rows' if len(ids) > 1 else 'row'} "
                    f"{', '.join(ids[:NAMED_ROWS])}{f' and {more:,} more' if more > 0 else ''}."
                )
        return notes

    @contextlib.contextmanager
    def _computing(
        self, progress: Progress, wanted: Mapping[Side, Sequence[Row]]
    ) -> Iterator[Opened]:
        """What computes: opened, and alone on its device, from the first call on."""
        with contextlib.ExitStack() as stack:

            @functools.cache
            def opened() -> GradientFeatures:
                given = stack.enter_context(self._access.computing(progress))
                ready = self._trainable = ready_for_training(self._trainable or given)
                stack.enter_context(gradient_mode(ready.model))
                adapter = Adapter(ready.model, self._settings, self._seed)
                stack.callback(adapter.remove)
                features = GradientFeatures(ready, adapter, self._settings, self._seed)
                if ready.device.type in PROBED_DEVICES:
                    features.probe([*self._warmup_rows, *wanted["helper"], *wanted["helped"]])
                return features

            yield opened


def _wanted(blocks: Blocks) -> dict[Side, list[Row]]:
    """The rows of both sides of all blocks, rows of the same texts once."""
    wanted = [RowBlock(*block) for block in blocks]
    helpers = {row_key(row): row for block in wanted for row in block.helpers}
    helped = {row_key(row): row for block in wanted for row in block.helped}
    return {"helper": list(helpers.values()), "helped": list(helped.values())}
