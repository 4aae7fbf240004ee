"""SelectIT: the worth of a row as a language model rates it itself, and how sure it is.

Five rating prompts ask for a digit from 1 to 5; the model is not made to answer, its next-token
probabilities of the five digits are read. A row that is rated high, and clearly, by all prompts
and models is worth most.

Source: Liu et al., "SelectIT: Selective Instruction Tuning for Large Language Models via
Uncertainty-Aware Self-Reflection", NeurIPS 2024, section 3 (token, sentence and model level);
variant ``code`` follows the code published with it. Knows nothing of how tokens are scored.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.config import DEFAULT_MODEL, LanguageModelConfig, SelectITConfig
from nncift_core.errors import ModelError
from nncift_core.influence.base import PointwiseInfluence
from nncift_core.influence.model_access import ModelAccess
from nncift_core.influence.rating_prompts import RATING_PROMPTS, SCORES, K, rating_message
from nncift_core.influence.shards import digest
from nncift_core.lm.loading import LanguageModel
from nncift_core.lm.prompts import Prompter, flatten
from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, Row

_ANCHOR = "\n"


class SelectIT(PointwiseInfluence):
    """How highly and how clearly the model rates a row: from 0, and at most 5.

    A row whose longest rating prompt does not fit the context of a model is not cut: its score
    is NaN. All models stay open, so together they must fit into memory.

    Args:
        model: A name (``demo``, a hub id or a folder), settings, or an opened model.
        settings: How ratings become a score; ``more_models`` share the settings of ``model``, but
            not its adapter.
    """

    unit = "rows"

    def __init__(
        self,
        model: str | Path | LanguageModelConfig | LanguageModel = DEFAULT_MODEL,
        settings: SelectITConfig | None = None,
    ) -> None:
        self._settings = settings or SelectITConfig()
        self._accesses = [ModelAccess(model)]
        shared = dataclasses.replace(self._accesses[0].settings, adapter="")
        for name in map(str.strip, self._settings.more_models.split(",")):
            if name:
                self._accesses.append(ModelAccess(dataclasses.replace(shared, model=name)))
        self._misfits: list[set[str]] = [set() for _ in self._accesses]

    @functools.cached_property
    def identity(self) -> str:
        """Changes with everything besides the rows that scores depend on. Raises: ModelError."""
        models = [access.identity for access in self._accesses]
        return digest(
            "selectit", repr(self._settings.alpha), self._settings.variant, models, RATING_PROMPTS
        )

    def open(self, progress: Progress) -> None:
        """Open all models. Raises: ModelError, Cancelled."""
        for access in self._accesses:
            access.open(progress)

    def scores(self, rows: Sequence[Row], progress: Progress | None = None) -> FloatArray:
        """True scores, ``(len(rows),)`` float32, higher is better; NaN for rows that do not fit.

        Args:
            rows: The rows to rate.
            progress: ``advance(0)`` is called after every pass, so that it can cancel the work.

        Raises:
            ModelError: A model cannot be opened, does not fit, has no tokens for the digits or
                gives no numbers.
            Cancelled: Between passes.
        """
        progress = progress or SilentProgress()
        if not rows:
            return np.empty(0, dtype=np.float32)
        scores: list[NDArray[np.float64]] = []
        weights: list[float] = []
        for number, access in enumerate(self._accesses):
            with access.computing(progress) as language_model:
                chances = self._chances(number, rows, progress)
                weights.append(float(language_model.parameters))
            scores.append(
                sentence_score(token_scores(chances, self._settings.variant), self._settings.alpha)
            )
        return np.average(scores, axis=0, weights=weights).astype(np.float32)

    def notes(self) -> list[str]:
        """What a user should know about the scores so far."""
        notes = list(dict.fromkeys(note for access in self._accesses for note in access.notes()))
        for access, misfits in zip(self._accesses, self._misfits, strict=True):
            if misfits:
                notes.append(
                    f"{len(misfits):,} {'rows have' if len(misfits) > 1 else 'row has'} no score: "
                    f"with the rating prompt longer than the context of "
                    f"{access.language_model.context:,} tokens of {access.settings.model!r} "
                    f"({min(misfits)}{', ...' if len(misfits) > 1 else ''})."
                )
        return notes

    def _chances(self, number: int, rows: Sequence[Row], progress: Progress) -> NDArray[np.float64]:
        """P of one model, ``(len(rows), K, 5)``; NaN where a row does not fit."""
        access = self._accesses[number]
        language_model = access.language_model
        prompter = language_model.prompter
        tokens = digit_tokens(prompter)
        choices = sorted({token for some in tokens for token in some})
        found: NDArray[np.float64] = np.full((len(rows), K, len(SCORES)), np.nan)
        groups, places = [], []
        for place, row in enumerate(rows):
            prefix, suffixes = rating_tokens(prompter, row)
            if len(prefix) + max(map(len, suffixes)) > language_model.context:
                self._misfits[number].add(row.id)
            else:
                groups.append((prefix, suffixes))
                places.append(place)
        if groups:
            answers = access.engine.choice_log_probs(
                groups, choices, lambda done: progress.advance(0)
            )
            columns = [[choices.index(token) for token in some] for some in tokens]
            for place, log_probs in zip(places, answers, strict=True):
                found[place] = digit_chances(log_probs, columns)
        return found


def rating_tokens(prompter: Prompter, row: Row) -> tuple[list[int], list[list[int]]]:
    """The K rating prompts of a row: what they share, and how each goes on to the answer."""
    messages = [rating_message(number, row.prompt, row.response) for number in range(K)]
    shared = flatten(prompter.message_start(messages[0][:-1]))
    return shared, [flatten(prompter.message_end(message[-1:])) for message in messages]


def digit_tokens(prompter: Prompter) -> list[list[int]]:
    """For each score the tokens that spell it, alone or with a space before it.

    Raises:
        ModelError: A digit is not one token of this tokenizer.
    """
    found = []
    for score in SCORES:
        spelled = {_single(prompter, text) for text in (str(score), f" {score}")}
        # Some tokenizers put a space before any text; behind a line break it shows that it is two.
        spelled |= {_single(prompter, text, _ANCHOR) for text in (str(score), f" {score}")}
        tokens = sorted(token for token in spelled if token is not None)
        if not tokens:
            raise ModelError(
                f"The tokenizer of {prompter.tokenizer.name_or_path!r} writes the digit {score} "
                "in several tokens, so SelectIT cannot read its probability.",
                "Choose another model; all common families have digits of one token.",
            )
        found.append(tokens)
    return found


def _single(prompter: Prompter, text: str, before: str = "") -> int | None:
    """The one token that ``text`` is after another text; None if it takes more, or is unknown."""
    start = prompter.text_ids(before) if before else []
    ids = prompter.text_ids(before + text)
    if ids[: len(start)] != start or len(ids) != len(start) + 1:
        return None
    decoded: Any = prompter.tokenizer.decode(ids[-1:])
    return ids[-1] if str(decoded).strip() == text.strip() else None


def digit_chances(
    log_probs: FloatArray | NDArray[np.float64], columns: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """P: probabilities of the scores, normalised to a sum of 1.

    Args:
        log_probs: ``(n, n_choices)`` natural logarithms of the probabilities of tokens.
        columns: For each score the columns of its tokens.

    Returns:
        ``(n, len(columns))``.
    """
    logs = log_probs.astype(np.float64)
    digits = np.stack([np.logaddexp.reduce(logs[:, some], axis=1) for some in columns], axis=1)
    normalised: NDArray[np.float64] = np.exp(
        digits - np.logaddexp.reduce(digits, axis=1, keepdims=True)
    )
    return normalised


def token_scores(chances: NDArray[np.float64], variant: str = "paper") -> NDArray[np.float64]:
    """S = base · ¼ Σ |P_base - P_k| over the other scores k; of equals the higher one is base.

    Args:
        chances: ``(..., 5)`` P of the scores 1 to 5.
        variant: ``code`` puts P through one more softmax before.

    Returns:
        ``(...,)`` from 0 to 5.
    """
    if variant == "code":
        powers = np.exp(chances)
        chances = powers / powers.sum(axis=-1, keepdims=True)
    last = chances.shape[-1] - 1
    base = last - np.argmax(chances[..., ::-1], axis=-1)
    highest = np.take_along_axis(chances, base[..., None], axis=-1)
    scores: NDArray[np.float64] = (base + 1) * np.abs(highest - chances).sum(axis=-1) / last
    return scores


def sentence_score(scores: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Mean over the rating prompts, lowered by how much they disagree.

    Args:
        scores: ``(..., K)`` token-level scores.
        alpha: Weight of the population standard deviation.

    Returns:
        ``(...,)``.
    """
    agreed: NDArray[np.float64] = scores.mean(axis=-1) / (1 + alpha * scores.std(axis=-1))
    return agreed
