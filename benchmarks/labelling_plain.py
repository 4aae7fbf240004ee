"""The plain way to score pairs, which the engine is compared with: padded batches, full logits.

Every pair is one whole prompt, encoded from scratch. Batches hold prompts of similar length, so
padding is not what makes it slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from nncift_core.lm.scoring import Group, Target

Prompt = tuple[list[int], int]
"""Tokens, and how many of the last are the response."""


def whole_prompts(groups: Sequence[Group]) -> list[Prompt]:
    """Every pair as one prompt, in the order of the groups."""
    return [
        ([*prefix, *target.query, *target.response], len(target.response))
        for prefix, targets in groups
        for target in targets
    ]


@torch.inference_mode()
def plain_log_probs(model: Any, groups: Sequence[Group], batch: int) -> list[torch.Tensor]:
    """``(response tokens,)`` log-probabilities for each pair, in the order of the groups."""
    prompts = whole_prompts(groups)
    found: list[torch.Tensor] = [torch.empty(0)] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number][0]))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        ids, mask = _padded([prompts[number][0] for number in chosen], model.device)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        scores = torch.log_softmax(logits[:, :-1].float(), -1)
        true = scores.gather(2, ids[:, 1:, None])[:, :, 0].cpu()
        for line, number in enumerate(chosen):
            tokens, count = prompts[number]
            found[number] = true[line, len(tokens) - 1 - count : len(tokens) - 1]
    return found


@torch.inference_mode()
def plain_choices(
    model: Any, prompts: Sequence[Sequence[int]], choices: Sequence[int], batch: int
) -> torch.Tensor:
    """``(n_prompts, n_choices)`` log-probabilities of the next token, last logits only."""
    found = torch.empty(len(prompts), len(choices))
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        ids, mask = _padded([prompts[number] for number in chosen], model.device, left=True)
        places = (mask.cumsum(1) - 1).clamp(min=0)
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=places,
            use_cache=False,
            logits_to_keep=1,
        ).logits[:, -1]
        found[chosen] = torch.log_softmax(logits.float(), -1)[:, list(choices)].cpu()
    return found


def _padded(
    prompts: Sequence[Sequence[int]], device: Any, *, left: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """``(n, longest)`` tokens and a mask that is 1 where there is one."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for line, prompt in enumerate(prompts):
        place = slice(longest - len(prompt), longest) if left else slice(0, len(prompt))
        ids[line, place] = torch.tensor(prompt)
        mask[line, place] = 1
    return ids.to(device), mask.to(device)


__all__ = ["Group", "Target", "plain_choices", "plain_log_probs", "whole_prompts"]
