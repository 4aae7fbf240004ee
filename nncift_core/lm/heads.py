"""The output head of a language model, asked only at the positions that matter.

Logits of a whole prompt would be by far the largest thing in memory (49,152 numbers a token for
a small model), so the head sees the positions that are read, some at a time. Models whose logits
cannot be made that way are asked for them in the model library's own ways. Knows no prompts.
"""

from __future__ import annotations

from typing import Any, Literal

import torch

Head = Literal["pieces", "kept", "full"]
"""Who makes logits: the head alone, in pieces; the model, at the positions read, or at all."""

LOGIT_BYTES = 96_000_000
"""Most memory of the float32 logits that exist at once."""


def body(model: Any) -> Any:
    """The part of a causal language model before its output head."""
    found = model.base_model
    # Some name it otherwise than they say.
    return getattr(model, "model", model) if found is model else found


def read_logits(
    model: Any,
    head: Head,
    ids: torch.Tensor,
    positions: torch.Tensor,
    columns: torch.Tensor,
    **inputs: Any,
) -> torch.Tensor:
    """Log-probabilities of some tokens at some positions of a sequence.

    Args:
        model: A causal language model.
        head: How to make logits.
        ids: ``(1, tokens)``.
        positions: ``(n,)`` where to read.
        columns: ``(n, k)`` tokens whose probability is wanted, at each position.
        inputs: What else the model is given.

    Returns:
        ``(n, k)`` float32 log-softmax over the vocabulary, on the model's device.
    """
    if head != "pieces":
        options = {"logits_to_keep": positions} if head == "kept" else {}
        logits = model(input_ids=ids, use_cache=False, **options, **inputs).logits[0]
        return _log_probs(logits if head == "kept" else logits[positions], columns)
    hidden = body(model)(input_ids=ids, use_cache=False, **inputs).last_hidden_state[0]
    hidden = hidden[positions]
    output = model.get_output_embeddings()
    rows = max(1, LOGIT_BYTES // (4 * int(output.weight.shape[0])))
    config = model.config.get_text_config()
    pieces = zip(torch.split(hidden, rows), torch.split(columns, rows), strict=True)
    return torch.cat([_log_probs(_scaled(output(some), config), few) for some, few in pieces])


def _scaled(logits: torch.Tensor, config: Any) -> torch.Tensor:
    """What some families do to their logits (Gemma, Cohere, Granite)."""
    softcap = getattr(config, "final_logit_softcapping", None)
    if softcap:
        logits = torch.tanh(logits / softcap) * softcap
    factor = (getattr(config, "logit_scale", None) or 1) / (
        getattr(config, "logits_scaling", None) or 1
    )
    return logits if factor == 1 else logits * factor


def _log_probs(logits: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    logits = logits.float()
    return logits.gather(1, columns) - logits.logsumexp(1, keepdim=True)
