"""Single forward passes of a language model: prefixes, targets that follow them, whole prompts.

What is read is always a few tokens' log-probabilities at the positions where a response is
predicted: token t of a response at the position before it. Knows no memory budget and no order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nncift_core.errors import ModelError
from nncift_core.lm.attention import (
    Pass,
    PrefixStore,
    Segment,
    choose_kernel,
    model_configs,
    packed,
)
from nncift_core.lm.heads import Head, body, read_logits
from nncift_core.lm.packing import Target
from nncift_core.types import FloatArray

if TYPE_CHECKING:
    from nncift_core.lm.loading import LanguageModel

Choices = tuple[int, ...] | None
"""Tokens whose probability is read; none means the response's own."""


class Passes:
    """Sends tokens through a language model, one sequence at a time.

    Args:
        language_model: The model.
    """

    def __init__(self, language_model: LanguageModel) -> None:
        self._model = language_model.model
        self._name = language_model.settings.model
        self._dtype = language_model.dtype
        self._device = language_model.device
        self._kernel = choose_kernel(
            language_model.settings.attention, self._device, language_model.dtype
        )
        self._configs = model_configs(self._model)

    def encode(
        self, prefixes: Sequence[Sequence[int]], rooms: Sequence[int]
    ) -> tuple[list[PrefixStore], dict[int, int]]:
        """Keys and values of some prefixes, in one pass.

        Args:
            prefixes: Tokens of each.
            rooms: Most tokens of what follows each.

        Returns:
            A store for each prefix; the sliding window of each layer, 0 without.
        """
        stores = [PrefixStore(len(p), room) for p, room in zip(prefixes, rooms, strict=True)]
        ids, plan = self._pass(prefixes, stores, is_prefix=True)
        with packed(self._configs, plan):
            positions = self._positions(plan)
            body(self._model)(input_ids=ids, position_ids=positions, use_cache=False)
        return stores, plan.windows

    def follow(
        self,
        targets: Sequence[Target],
        stores: Sequence[PrefixStore],
        choices: Choices,
        head: Head,
    ) -> list[FloatArray]:
        """Log-probabilities in targets that follow encoded prefixes, in one pass.

        Args:
            targets: What is read.
            stores: The prefix of each target.
            choices: Tokens whose probabilities are read.
            head: How logits are made.

        Returns:
            For each target ``(response tokens, 1)`` float32, or ``(response tokens, n_choices)``.

        Raises:
            ModelError: They are not finite.
        """
        ids, plan = self._pass([target.tokens for target in targets], stores, is_prefix=False)
        ends = [segment.stop for segment in plan.segments]
        with packed(self._configs, plan):
            positions = self._positions(plan)
            return self._read(targets, ends, choices, head, ids, position_ids=positions)

    def whole(
        self, prefix: Sequence[int], target: Target, choices: Choices, head: Head
    ) -> FloatArray:
        """Log-probabilities in one whole prompt, with the model's own attention.

        Returns:
            As one of :meth:`follow`.

        Raises:
            ModelError: They are not finite.
        """
        ids = torch.tensor([[*prefix, *target.tokens]], device=self._device)
        return self._read([target], [ids.shape[1]], choices, head, ids)[0]

    def _pass(
        self, sequences: Sequence[Sequence[int]], stores: Sequence[PrefixStore], *, is_prefix: bool
    ) -> tuple[torch.Tensor, Pass]:
        """Sequences one after the other: ``(1, tokens)``, and who attends to what."""
        ends = list(itertools.accumulate(map(len, sequences)))
        segments = [
            Segment(start, end, store, is_prefix)
            for start, end, store in zip([0, *ends[:-1]], ends, stores, strict=True)
        ]
        ids = torch.tensor([list(itertools.chain.from_iterable(sequences))], device=self._device)
        return ids, Pass(segments, self._kernel)

    def _positions(self, plan: Pass) -> torch.Tensor:
        """``(1, tokens)``: every segment counts on from where its prefix ends."""
        places: list[int] = []
        for start, stop, store, is_prefix in plan.segments:
            first = 0 if is_prefix else store.length
            places.extend(range(first, first + stop - start))
        return torch.tensor([places], device=self._device)

    def _read(
        self,
        targets: Sequence[Target],
        ends: Sequence[int],
        choices: Choices,
        head: Head,
        ids: torch.Tensor,
        **inputs: Any,
    ) -> list[FloatArray]:
        """Log-probabilities in targets that end at some positions of a sequence."""
        counts = [len(target.response) for target in targets]
        places = [
            place
            for end, count in zip(ends, counts, strict=True)
            for place in range(end - count, end)
        ]
        positions = torch.tensor(places, device=self._device)
        if choices is None:
            true = list(itertools.chain.from_iterable(target.response for target in targets))
            columns = torch.tensor(true, device=self._device)[:, None]
        else:
            columns = torch.tensor(choices, device=self._device).expand(len(places), -1)
        found = read_logits(self._model, head, ids, positions, columns, **inputs)
        values: FloatArray = found.cpu().numpy()
        if not np.isfinite(values).all():
            raise ModelError(
                f"The model {self._name!r} gives probabilities that are not numbers in "
                f"{str(self._dtype).removeprefix('torch.')}.",
                "Use the number format float32; if that does not help, its weights are broken.",
            )
        return np.split(values, np.cumsum(counts)[:-1])
