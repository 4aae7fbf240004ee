"""Slow and obvious stand-ins for what language models are asked: one prompt at a time, in float64.

Every prompt is read whole, without a cache, and all logits are there. Faults can be planted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from nncift_core.lm.loading import LanguageModel
from nncift_core.lm.scoring import Target


class SlowModel:
    """Probabilities of a model that was read in float64.

    Args:
        folder: The model's folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()

    def log_probs(self, ids: Sequence[int]) -> np.ndarray:
        """``(len(ids), vocabulary)``: row t says what follows token t."""
        with torch.no_grad():
            logits = self.model(torch.tensor([list(ids)]), use_cache=False).logits[0]
        return logits.double().log_softmax(-1).numpy()


class SlowEngine:
    """The scoring engine's interface on a :class:`SlowModel`.

    Args:
        language_model: Names the folder.

    Attributes:
        shift: Logits this many positions before a token tell its probability; 1 is right.
        loses: What a prompt that is too long loses: ``response`` or ``query``, from the right;
            empty: nothing, such prompts are refused.
    """

    shift = 1
    loses = ""

    def __init__(self, language_model: LanguageModel) -> None:
        self.language_model = language_model
        self._slow = SlowModel(language_model.settings.model)
        self.probed: list[tuple[int, int, int]] = []

    def log_probs_of_groups(self, groups: Any, on_done: Any = None) -> list[list[np.ndarray]]:
        found = []
        for prefix, targets in groups:
            found.append([self._response(list(prefix), target) for target in targets])
            if on_done:
                on_done(len(targets))
        return found

    def _response(self, prefix: list[int], target: Target) -> np.ndarray:
        before, response = prefix + list(target.query), list(target.response)
        room = self.language_model.context
        if len(before) + len(response) > room:
            if not self.loses:
                raise ValueError("longer than the context")
            if self.loses == "query":
                before = before[: room - len(response)]
        # A token that was cut away has nothing against it, as if it were certain.
        known = min(len(response), max(0, room - len(before)))
        logs = np.zeros(len(response))
        table = self._slow.log_probs((before + response)[:room])
        for number in range(known):
            logs[number] = table[len(before) + number - self.shift, response[number]]
        return logs.astype(np.float32)

    def choice_log_probs(
        self, groups: Any, choices: Sequence[int], on_done: Any = None
    ) -> list[np.ndarray]:
        found = []
        for prefix, suffixes in groups:
            tables = [self._slow.log_probs([*prefix, *suffix]) for suffix in suffixes]
            found.append(np.stack([table[-self.shift, list(choices)] for table in tables]))
            if on_done:
                on_done(len(suffixes))
        return [values.astype(np.float32) for values in found]

    def probe(self, prefix_tokens: int, target_tokens: int, response_tokens: int) -> None:
        self.probed.append((prefix_tokens, target_tokens, response_tokens))
