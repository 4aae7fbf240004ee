"""The scoring engine: log-probabilities of answers after shared prefixes, as fast as they come.

A prefix is encoded once and its keys and values serve all targets that follow it; targets are
packed into one sequence without padding; the output head sees answers only. Whether a model
can do that is tried out when the engine is built, against the model's plain forward pass; one
that cannot is scored a whole prompt at a time, with the same values. Knows nothing of
rows, templates and influence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from nncift_core.lm.heads import LOGIT_BYTES
from nncift_core.lm.memory import LEAST_TOKENS, halving, tokens_per_pass
from nncift_core.lm.packing import Group, Place, Target, plan_waves
from nncift_core.lm.passes import Choices, Passes
from nncift_core.lm.quantization import is_quantized
from nncift_core.lm.ways import WAYS, Way, agree, may_pack, trial_group
from nncift_core.types import FloatArray

if TYPE_CHECKING:
    from nncift_core.lm.loading import LanguageModel

__all__ = ["Group", "ScoringEngine", "Target"]

CPU_TOKENS = 2048
"""Most tokens of a pass on a CPU; more are not faster."""

OnDone = Callable[[int], None]


class ScoringEngine:
    """Scores targets after prefixes with one language model.

    In float32 the values of a target do not depend on what is scored beside it but for
    rounding.

    Attributes:
        language_model: The model.
        way: How prompts go through it.

    Args:
        language_model: The model.
        memory_mb: Memory in MB for one pass; by default what the model was opened with.

    Raises:
        ModelError: The model gives numbers that are not finite, or memory holds no pass.
    """

    def __init__(self, language_model: LanguageModel, *, memory_mb: int | None = None) -> None:
        self.language_model = language_model
        self._model = language_model.model
        self._passes = Passes(language_model)
        budget = language_model.settings.memory_mb if memory_mb is None else memory_mb
        self._tokens = self._first_tokens(budget)
        self._windows: dict[int, int] = {}
        self.way: Way = WAYS[-1]
        self.way = self._best_way()
        if self.way.head != "pieces":
            logits = LOGIT_BYTES // (4 * self._vocabulary)
            self._tokens = max(LEAST_TOKENS, min(self._tokens, logits))

    @property
    def packs(self) -> bool:
        """Whether prefixes are shared and targets packed; else prompts go one at a time."""
        return self.way.packs

    def log_probs(self, prefix: Sequence[int], targets: Sequence[Target]) -> list[FloatArray]:
        """Log-probabilities of the answers' tokens after one prefix.

        Args:
            prefix: Tokens, at least one.
            targets: What follows it, each on its own.

        Returns:
            ``(response tokens,)`` float32 for each target.

        Raises:
            ModelError: See :meth:`log_probs_of_groups`.
        """
        return self.log_probs_of_groups([(prefix, targets)])[0]

    def log_probs_of_groups(
        self, groups: Sequence[Group], on_done: OnDone | None = None
    ) -> list[list[FloatArray]]:
        """Log-probabilities of the answers' tokens, for many prefixes.

        Args:
            groups: Prefixes with the targets that follow each.
            on_done: Told after each pass how many targets it finished; may raise to stop.

        Returns:
            For each group and target ``(response tokens,)`` float32, in the order given.

        Raises:
            ModelError: Memory does not hold the smallest pass, or values are not finite.
        """
        found = self._score(groups, None, on_done)
        return [[values[:, 0] for values in group] for group in found]

    def choice_log_probs(
        self,
        groups: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]],
        choices: Sequence[int],
        on_done: OnDone | None = None,
    ) -> list[FloatArray]:
        """How likely each of some tokens comes next.

        Args:
            groups: Prefixes with the suffixes that follow each; at least one token each.
            choices: Tokens to choose from.
            on_done: See :meth:`log_probs_of_groups`.

        Returns:
            For each group ``(n_suffixes, n_choices)`` float32 log-probabilities, of the whole
            vocabulary's, at the position after prefix and suffix.

        Raises:
            ModelError: See :meth:`log_probs_of_groups`.
        """
        # A response of one token is read at one position; which token it is does not matter.
        asked = [
            (prefix, [Target(tuple(suffix), (0,)) for suffix in suffixes])
            for prefix, suffixes in groups
        ]
        found = self._score(asked, tuple(choices), on_done)
        return [
            np.concatenate(group) if group else np.empty((0, len(choices)), np.float32)
            for group in found
        ]

    def probe(self, prefix_tokens: int, target_tokens: int, response_tokens: int) -> None:
        """Try one pass as large as the largest to come, so that memory runs out now or never.

        Args:
            prefix_tokens: Tokens of the longest prefix.
            target_tokens: Tokens of the longest query with its response.
            response_tokens: Tokens of the longest response.

        Raises:
            ModelError: Even the smallest pass does not fit.
        """
        response = max(1, response_tokens)
        query = max(1, target_tokens - response)
        count = max(1, self._tokens // (query + response)) if self.packs else 1
        prefix = max(1, min(prefix_tokens, self.language_model.context - query - response))
        ids = [number % self._vocabulary for number in range(prefix)]
        target = Target((0,) * query, (0,) * response)
        self.log_probs(ids, [target] * count)

    def _rounding(self) -> float:
        """Relative error of one number that the model computes; 0 for float32."""
        if is_quantized(self._model):
            return float(torch.finfo(torch.bfloat16).eps)
        dtype = self.language_model.dtype
        return 0.0 if dtype == torch.float32 else float(torch.finfo(dtype).eps)

    @property
    def _vocabulary(self) -> int:
        return int(self._model.get_input_embeddings().num_embeddings)

    def _first_tokens(self, memory_mb: int) -> int:
        try:
            tokens = tokens_per_pass(self._model.config, self.language_model.dtype, memory_mb)
        except (AttributeError, TypeError):  # A configuration that names its sizes otherwise.
            tokens = LEAST_TOKENS * 4
        return min(tokens, CPU_TOKENS) if self.language_model.device.type == "cpu" else tokens

    def _score(
        self,
        groups: Sequence[Group],
        choices: Choices,
        on_done: OnDone | None,
    ) -> list[list[FloatArray]]:
        """``(response tokens, 1)`` of each target, or ``(1, n_choices)``."""
        from nncift_core.lm.loading import quiet

        context = self.language_model.context
        for prefix, targets in groups:
            if not prefix or not all(target.query and target.response for target in targets):
                raise ValueError("a prefix, a query and a response have at least one token")
            if any(len(prefix) + len(target.tokens) > context for target in targets):
                raise ValueError(f"a prompt has more than {context} tokens")
        done: dict[Place, FloatArray] = {}
        places = [
            Place(group, number)
            for group, (_, targets) in enumerate(groups)
            for number in range(len(targets))
        ]
        run = self._packed_passes if self.packs else self._plain_passes

        def attempt(tokens: int) -> None:
            left = [place for place in places if place not in done]
            run(groups, left, choices, tokens, keep)

        def keep(finished: Sequence[Place], values: Sequence[FloatArray]) -> None:
            done.update(zip(finished, values, strict=True))
            if on_done is not None:
                on_done(len(finished))

        with torch.inference_mode(), quiet():
            _, self._tokens = halving(
                attempt,
                self._tokens,
                LEAST_TOKENS,
                advice="Choose a smaller model, a quantization, or a shorter context.",
            )
        return [
            [done[Place(group, number)] for number in range(len(targets))]
            for group, (_, targets) in enumerate(groups)
        ]

    def _packed_passes(
        self,
        groups: Sequence[Group],
        places: Sequence[Place],
        choices: Choices,
        tokens: int,
        keep: Callable[[Sequence[Place], Sequence[FloatArray]], None],
    ) -> None:
        lengths = {place: len(groups[place.group][1][place.target].tokens) for place in places}
        prefixes = [len(prefix) for prefix, _ in groups]
        for wave in plan_waves(prefixes, lengths, tokens):
            heads = [groups[group][0] for group in wave.rooms]
            made, self._windows = self._passes.encode(heads, list(wave.rooms.values()))
            stores = dict(zip(wave.rooms, made, strict=True))
            for chosen in wave.passes:
                targets = [groups[place.group][1][place.target] for place in chosen]
                following = [stores[place.group] for place in chosen]
                keep(chosen, self._passes.follow(targets, following, choices, self.way.head))
            # The next wave is encoded when this one's keys and values are gone.
            del made, stores, following

    def _plain_passes(
        self,
        groups: Sequence[Group],
        places: Sequence[Place],
        choices: Choices,
        tokens: int,
        keep: Callable[[Sequence[Place], Sequence[FloatArray]], None],
    ) -> None:
        for place in places:
            prefix, targets = groups[place.group]
            target = targets[place.target]
            keep([place], [self._passes.whole(prefix, target, choices, self.way.head)])

    def _best_way(self) -> Way:
        """The first way whose values are those of the model's plain forward pass."""
        prefix, targets = trial_group(self._vocabulary, self.language_model.context)
        # The last way is the plain forward pass of whole prompts; so these values are right.
        reference = np.concatenate(self.log_probs(prefix, targets))
        bare = np.concatenate(self.log_probs(prefix[-1:], targets))
        for way in WAYS[:-1]:
            self.way, self._windows = way, {}
            try:
                found = np.concatenate(self.log_probs(prefix, targets))
            except Exception:
                continue  # Whatever it was, this is not a way for this model.
            if way.packs and not may_pack(
                self._model.config, self._windows, self.language_model.context
            ):
                continue
            if agree(found, reference, bare, self._rounding()):
                return way
        return WAYS[-1]
