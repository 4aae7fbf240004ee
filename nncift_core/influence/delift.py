"""DELIFT: influence as what an in-context example does for a language model.

How far is the model from the target row's response, alone and after it was shown the pool row?
d(j) = ‖p - 1‖₂ / √T over the T tokens of response j, its closing token included, where p_t is the
model's probability of token t; influence[i, j] = d(j) - d(j with row i as the one example).

Source: Agarwal et al., "DELIFT: Data Efficient Language model Instruction Fine-Tuning",
ICLR 2025, section 3. Knows nothing of how tokens are scored, nor of which pairs are wanted.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncift_core.config import DEFAULT_MODEL, LanguageModelConfig
from nncift_core.influence.base import Blocks, PairwiseInfluence, RowBlock
from nncift_core.influence.model_access import ModelAccess
from nncift_core.influence.shards import Shards, digest
from nncift_core.lm.loading import LanguageModel
from nncift_core.lm.prompts import Segment, cut_example, flatten
from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, IndexArray, Row

if TYPE_CHECKING:
    from nncift_core.lm.scoring import Group, Target

SHARD_PAIRS = 512
"""Pairs of one shard: some seconds to a minute of work, and enough to fill the model's passes."""

MOST_KEPT = 16_384
"""Targets whose tokens are kept between calls."""

NAMED_ROWS = 5
"""Rows that a note names by id."""


class Delift(PairwiseInfluence):
    """How much nearer an example brings the model to a response, -1 to 1.

    A target that is longer than the model's context, alone or behind an empty example, is never
    cut: its column is NaN. A longer pair keeps the target and loses the end of the example. A
    target with an empty response is scored by its closing token alone. A row as the example of
    its own copy has a value like any other pair; self pairs are left out elsewhere.

    Args:
        model: A name (``demo``, a hub id or a folder), settings, or an opened model.
    """

    unit = "pairs"

    def __init__(
        self,
        model: str | Path | LanguageModelConfig | LanguageModel = DEFAULT_MODEL,
    ) -> None:
        self._access = ModelAccess(model)
        self._targets: dict[tuple[str, str], Target] = {}
        self._alone: dict[tuple[str, str], float] = {}
        self._planned = False
        self._pairs = self._cut_pairs = 0
        self._misfits: dict[str, None] = {}

    @functools.cached_property
    def identity(self) -> str:
        """Changes with everything besides the rows that values depend on. Raises: ModelError."""
        return digest("delift", self._access.identity)

    def shard_rows(self, n_helped: int) -> int:
        """Helpers of one shard of a block with ``n_helped`` pairs a helper."""
        return max(1, SHARD_PAIRS // max(1, n_helped))

    def planned_units(self, blocks: Blocks) -> int:
        """Pairs of these blocks, and each helped row once without an example."""
        return len(_distinct(blocks)) + super().planned_units(blocks)

    def open(self, progress: Progress) -> None:
        """Open the model. Raises: ModelError, Cancelled."""
        self._access.open(progress)

    def prepare(self, blocks: Blocks, shards: Shards) -> None:
        """Try the longest pass, count what does not fit, and score each helped row alone.

        Raises:
            ModelError: The model cannot be opened, or memory does not hold one pass.
            Cancelled: Between shards.
        """
        rows = _distinct(blocks)
        if not rows:
            return
        with self._access.computing(shards.progress):
            self._plan(blocks, shards.progress)
            for start in range(0, len(rows), SHARD_PAIRS):
                part = rows[start : start + SHARD_PAIRS]
                texts = (text for row in part for text in (row.prompt, row.response))
                name = digest("alone", self.identity, texts)
                look = functools.partial(_look, shards.progress)
                compute = functools.partial(self._distances_alone, part, look)
                found = shards.get(name, compute, len(part))
                self._alone |= {
                    (row.prompt, row.response): float(distance)
                    for row, distance in zip(part, found, strict=True)
                }

    def matrix(
        self,
        helpers: Sequence[Row],
        helped: Sequence[Row],
        progress: Progress | None = None,
    ) -> FloatArray:
        """True influence, ``(len(helpers), len(helped))`` float32, higher is more helpful.

        A column is NaN where the target does not fit the context.

        Args:
            helpers: Rows shown as the example.
            helped: Target rows.
            progress: ``advance(0)`` is called after every pass, so that it can cancel the work.

        Raises:
            ModelError: The model cannot be opened, does not fit or gives no numbers.
            Cancelled: Between passes.
        """
        everything = np.arange(len(helped), dtype=np.int64)
        columns = np.broadcast_to(everything, (len(helpers), len(helped)))
        return self.values_at(helpers, helped, columns, progress)

    def values_at(
        self,
        helpers: Sequence[Row],
        helped: Sequence[Row],
        columns: IndexArray,
        progress: Progress | None = None,
    ) -> FloatArray:
        """True influence of each helper on targets of its own, ``(len(helpers), k)`` float32.

        A helper is read once, whatever the number of its targets.

        Args:
            helpers: Rows shown as the example.
            helped: Target rows.
            columns: ``(len(helpers), k)`` places in ``helped``, those of each helper.
            progress: As for ``matrix``.

        Raises:
            ModelError: As for ``matrix``.
            Cancelled: Between passes.
        """
        progress = progress or SilentProgress()
        values: FloatArray = np.full(columns.shape, np.nan, dtype=np.float32)
        if not values.size:
            return values
        look = functools.partial(_look, progress)
        with self._access.computing(progress):
            rows = [helped[j] for j in np.unique(columns)]
            fresh = [row for row in rows if (row.prompt, row.response) not in self._alone]
            unique = list({(row.prompt, row.response): row for row in fresh}.values())
            for row, distance in zip(unique, self._distances_alone(unique, look), strict=True):
                self._alone[row.prompt, row.response] = float(distance)
            step = self.shard_rows(columns.shape[1])
            for start in range(0, len(helpers), step):
                part = slice(start, start + step)
                values[part] = self._block(helpers[part], helped, columns[part], look)
        return values

    def notes(self) -> list[str]:
        """What a user should know about the labels so far: cut examples, targets without one."""
        notes = self._access.notes()
        if self._cut_pairs or self._misfits:
            context = f"the model's context of {self._access.language_model.context:,} tokens"
        if self._cut_pairs:
            notes.append(
                f"In {self._cut_pairs:,} of {self._pairs:,} pairs the example was cut to fit "
                f"{context}."
            )
        if self._misfits:
            named = list(self._misfits)[:NAMED_ROWS]
            more = len(self._misfits) - len(named)
            notes.append(
                f"Without a label, longer than {context}: target "
                f"{'rows' if len(self._misfits) > 1 else 'row'} {', '.join(named)}"
                f"{f' and {more:,} more' if more else ''}."
            )
        return notes

    def _target(self, row: Row) -> Target:
        # Here, since it needs torch.
        from nncift_core.lm.scoring import Target

        key = row.prompt, row.response
        if key not in self._targets:
            if len(self._targets) >= MOST_KEPT:
                self._targets.clear()
            prompter = self._access.language_model.prompter
            self._targets[key] = Target(
                tuple(flatten(prompter.query(row.prompt))), tuple(prompter.response(row.response))
            )
        return self._targets[key]

    def _room(self, row: Row) -> int:
        """Tokens that a target leaves for what stands before it; -1 where that is too few."""
        target = self._target(row)
        room = self._access.language_model.context - len(target.query) - len(target.response)
        if room >= self._least_room:
            return room
        self._misfits[row.id] = None
        return -1

    @functools.cached_property
    def _least_room(self) -> int:
        """Tokens of the longer one of: the prefix without example, and with an empty one."""
        prompter = self._access.language_model.prompter
        alone = prompter.example_prefix([])
        bare = [part for part in prompter.example_prefix([("", "")]) if part.kind == "template"]
        return max(len(flatten(alone)), len(flatten(bare)))

    def _plan(self, blocks: Blocks, progress: Progress) -> None:
        """Count the pairs of all blocks and probe the memory with the longest ones."""
        self._planned = True
        self._pairs = self._cut_pairs = longest = 0
        self._misfits.clear()
        prompter = self._access.language_model.prompter
        wanted = [RowBlock(*block) for block in blocks]
        for helpers, helped, columns in wanted:
            room_of = np.asarray([self._room(row) for row in helped])
            for place, row in enumerate(helpers):
                progress.advance(0)
                length = len(flatten(prompter.example_prefix([(row.prompt, row.response)])))
                rooms = room_of if columns is None else room_of[columns[place]]
                rooms = rooms[rooms >= 0]
                self._pairs += len(rooms)
                self._cut_pairs += int((rooms < length).sum())
                longest = max(longest, int(np.minimum(rooms, length).max(initial=0)))
        self._probe(longest, [row for block in wanted for row in block.helped])

    def _probe(self, prefix_tokens: int, helped: Sequence[Row]) -> None:
        targets = [self._target(row) for row in helped if row.id not in self._misfits]
        if not targets or not prefix_tokens:
            return
        length = max(len(target.query) + len(target.response) for target in targets)
        self._access.engine.probe(
            min(prefix_tokens, self._access.language_model.context - length),
            length,
            max(len(target.response) for target in targets),
        )

    def _distances_alone(self, rows: Sequence[Row], look: Callable[[int], None]) -> FloatArray:
        """``(len(rows),)`` d(j) without an example; NaN where a target does not fit."""
        distances: FloatArray = np.full(len(rows), np.nan, dtype=np.float32)
        fits = [number for number, row in enumerate(rows) if self._room(row) >= 0]
        if fits:
            prefix = flatten(self._access.language_model.prompter.example_prefix([]))
            group = prefix, [self._target(rows[number]) for number in fits]
            (found,) = self._access.engine.log_probs_of_groups([group], look)
            distances[fits] = [distance(log_probs) for log_probs in found]
        return distances

    def _block(
        self,
        helpers: Sequence[Row],
        helped: Sequence[Row],
        columns: IndexArray,
        look: Callable[[int], None],
    ) -> FloatArray:
        values: FloatArray = np.full(columns.shape, np.nan, dtype=np.float32)
        rooms = {int(j): self._room(helped[j]) for j in np.unique(columns)}
        prompter = self._access.language_model.prompter
        groups: list[Group] = []
        places: list[tuple[int, list[int]]] = []
        for i, row in enumerate(helpers):
            segments = prompter.example_prefix([(row.prompt, row.response)])
            whole = len(flatten(segments))
            # Pairs that keep as many tokens of the example share their prefix.
            alike: dict[int, list[int]] = defaultdict(list)
            for place, j in enumerate(columns[i]):
                if rooms[int(j)] >= 0:
                    alike[min(whole, rooms[int(j)])].append(place)
            for length, some in alike.items():
                targets = [self._target(helped[columns[i, place]]) for place in some]
                groups.append((cut(segments, length), targets))
                places.append((i, some))
                if not self._planned:
                    self._pairs += len(some)
                    self._cut_pairs += len(some) if length < whole else 0
        found = self._access.engine.log_probs_of_groups(groups, look) if groups else []
        for (i, some), parts in zip(places, found, strict=True):
            for place, log_probs in zip(some, parts, strict=True):
                row = helped[columns[i, place]]
                values[i, place] = self._alone[row.prompt, row.response] - distance(log_probs)
        return values


def distance(log_probs: FloatArray | NDArray[np.float64]) -> float:
    """‖p - 1‖₂ / √T: 0 when the model is certain of the response, 1 when it excludes it.

    Args:
        log_probs: ``(T,)`` natural logarithms of the probabilities of the response's tokens.
    """
    missing = np.expm1(log_probs.astype(np.float64))
    return float(np.sqrt(np.mean(missing * missing)))


def cut(segments: Sequence[Segment], room: int) -> list[int]:
    """Tokens of an example's prefix, at most ``room``; see ``cut_example``."""
    return flatten(cut_example(segments, room))


def _distinct(blocks: Blocks) -> list[Row]:
    """Helped rows of all blocks, rows of the same texts once."""
    rows = (row for block in blocks for row in RowBlock(*block).helped)
    return list({(row.prompt, row.response): row for row in rows}.values())


def _look(progress: Progress, done: int) -> None:
    """After a pass: shards advance the progress; here it only may cancel."""
    del done
    progress.advance(0)
