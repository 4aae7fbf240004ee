"""The gradient of one row's loss for the LoRA weights, and Adam's step along it.

A row is the prompt without an example and its response; its loss is the mean over the tokens of
the response, closing token included, each read from the logits one position earlier. Rows go
through the model one by one: there is no padding that could count, and several at once are
hardly faster on a CPU (1.2 times). Knows nothing of projections, checkpoints and influence.

Xia et al., "LESS: Selecting Influential Data for Targeted Instruction Tuning", ICML 2024,
section 3.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nncift_core.errors import ModelError
from nncift_core.lm.loading import LanguageModel
from nncift_core.lm.memory import is_out_of_memory
from nncift_core.lm.prompts import Prompter, flatten
from nncift_core.types import Row

BETA_FIRST, BETA_SECOND, EPSILON = 0.9, 0.999, 1e-8
"""Adam's settings, for the warm-up and for the step that a row would make."""


class RowTokens(NamedTuple):
    """A row as a language model reads it.

    Attributes:
        ids: Prompt and response.
        n_response: How many tokens at the end are the response with its closing token.
    """

    ids: tuple[int, ...]
    n_response: int


def tokenize(prompter: Prompter, row: Row) -> RowTokens:
    """The tokens of a row, in the prompt without an example."""
    prompt = flatten([*prompter.example_prefix([]), *prompter.query(row.prompt)])
    response = prompter.response(row.response)
    return RowTokens((*prompt, *response), len(response))


class RowGradients:
    """Gradients of single rows' losses for a model's LoRA weights.

    Args:
        language_model: With LoRA weights on it.
        parameters: Those weights by name.
    """

    def __init__(
        self, language_model: LanguageModel, parameters: Mapping[str, nn.Parameter]
    ) -> None:
        self._language_model = language_model
        self._parameters = dict(parameters)
        accepted = inspect.signature(language_model.model.forward).parameters
        # Models with code of their own may know only logits at all positions.
        self._chooses_logits = "logits_to_keep" in accepted

    def fits(self, tokens: RowTokens) -> bool:
        """Whether a row is within the model's context."""
        return len(tokens.ids) <= self._language_model.context

    def __call__(self, tokens: RowTokens) -> tuple[float, dict[str, Tensor]]:
        """The loss of a row, and its gradient by the weights' names.

        Raises:
            ModelError: Memory ran out, or the loss is not a number.
        """
        with room_for(f"the gradient of a row of {len(tokens.ids):,} tokens"):
            loss = self.loss(tokens)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise ModelError(
                    f"The model {self._language_model.settings.model!r} gives a loss that is not "
                    "a number.",
                    "Choose the number format float32, or a lower learning rate.",
                )
            found = torch.autograd.grad(loss, list(self._parameters.values()), allow_unused=True)
        return value, {
            name: torch.zeros_like(weight) if gradient is None else gradient
            for (name, weight), gradient in zip(self._parameters.items(), found, strict=True)
        }

    def loss(self, tokens: RowTokens) -> Tensor:
        """Mean negative log-probability of the response tokens; differentiable."""
        device = self._language_model.device
        ids = torch.tensor([tokens.ids], device=device)
        # The last token is only predicted. What predicts a token stands one place before it.
        keep: dict[str, Any] = {"logits_to_keep": tokens.n_response} if self._chooses_logits else {}
        logits = self._language_model.model(input_ids=ids[:, :-1], use_cache=False, **keep).logits
        logits = logits[0, -tokens.n_response :]
        # At least float32, also behind a model in half precision.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return nn.functional.cross_entropy(logits, ids[0, -tokens.n_response :])


@contextlib.contextmanager
def room_for(what: str) -> Iterator[None]:
    """Say what did not fit and what to do when memory runs out inside. Raises: ModelError."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise ModelError(
            f"The memory of the device does not hold {what}.",
            "Choose a shorter context, a smaller model, the quantization nf4, or a lower rank.",
        ) from error


class AdamDirection:
    """The step that Adam would make along a gradient: the helping side's feature.

    Γ = m' / sqrt(v' + 1e-8), m' = 0.9 m + 0.1 g, v' = 0.999 v + 0.001 g², elementwise and without
    bias correction.

    Args:
        exp_avg: m of every weight by name.
        exp_avg_sq: v of every weight by name.
        device: Where gradients are.
    """

    def __init__(
        self,
        exp_avg: Mapping[str, Tensor],
        exp_avg_sq: Mapping[str, Tensor],
        device: torch.device | str,
    ) -> None:
        self._first = {name: BETA_FIRST * m.to(device) for name, m in exp_avg.items()}
        self._second = {
            name: BETA_SECOND * v.to(device) + EPSILON for name, v in exp_avg_sq.items()
        }

    def __call__(self, gradient: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Γ by name, of the gradient by name."""
        steps: dict[str, Tensor] = {}
        for name, g in gradient.items():
            step = torch.addcmul(self._second[name], g, g, value=1 - BETA_SECOND).rsqrt_()
            steps[name] = step.mul_(torch.add(self._first[name], g, alpha=1 - BETA_FIRST))
        return steps
