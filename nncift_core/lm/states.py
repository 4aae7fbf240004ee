"""Hidden states of rows: what a language model makes of a row that it is shown as an example.

A row is put where an in-context example stands, and the hidden states in the middle of the model
are read: their mean over the tokens of the response, and the one of the last token. Only the lower
half of the model runs, once a row, and no logits are made. Rows of similar length go together,
padded on the right, where a causal model cannot look. Knows nothing of influence and estimators.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nncift_core.errors import ModelError
from nncift_core.lm.heads import body
from nncift_core.lm.memory import LEAST_TOKENS, halving, tokens_per_pass
from nncift_core.lm.prompts import Prompter, cut_example, flatten
from nncift_core.lm.seeds import hashed
from nncift_core.lm.ways import fixed_positions
from nncift_core.progress import Progress, SilentProgress
from nncift_core.types import FloatArray, Row

if TYPE_CHECKING:
    from nncift_core.lm.loading import LanguageModel

MOST_DIMENSIONS = 512
"""Hidden states that are wider are projected to so many dimensions."""

VERSION = "middle-mean-last-1"
"""Changes with everything here that values depend on."""

CPU_TOKENS = 512
"""Most tokens of a pass on a CPU; more are slower (two thirds of the time of rows one by one)."""

SAME = 0.01
"""Largest error of what a layer gives, as a share of what the layer changes."""


class Example(NamedTuple):
    """A row as the model reads it.

    Attributes:
        ids: The prompt up to the end of the example.
        n_response: How many tokens at the end are the example's response; may be 0.
    """

    ids: list[int]
    n_response: int


def as_example(prompter: Prompter, row: Row, context: int) -> Example:
    """A row as an in-context example, cut to ``context`` tokens as an example is cut."""
    segments = cut_example(prompter.example_prefix([(row.prompt, row.response)]), context)
    n_response = len(segments[-1].ids) if segments[-1].kind == "response" else 0
    # Where the template alone is too long, no response is left.
    return Example(flatten(segments)[:context], n_response)


def plan_batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Places of rows that go together: of similar length, with padding at most ``tokens``.

    A row that is longer than that goes alone.
    """
    batch: list[int] = []
    # The longest first, so that memory runs out early or not at all.
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        if batch and (len(batch) + 1) * lengths[batch[0]] > tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


class StateReader:
    """Reads hidden states of rows with one language model.

    In float32 the state of a row does not depend on what is read beside it but for rounding.

    Attributes:
        layer: How many layers a row passes.
        width: Numbers of each of the two states of a row.

    Args:
        language_model: The model.
        memory_mb: Memory in MB for one pass; by default what the model was opened with.

    Raises:
        ModelError: The model does not show its hidden states.
    """

    def __init__(self, language_model: LanguageModel, *, memory_mb: int | None = None) -> None:
        self._language_model = language_model
        self._body = body(language_model.model)
        self._stop: Any = None
        self.layer, hidden = self._try_out()
        self.width = min(hidden, MOST_DIMENSIONS)
        self._projection = None if hidden == self.width else _projection(hidden)
        budget = language_model.settings.memory_mb if memory_mb is None else memory_mb
        self._tokens = self._first_tokens(budget)

    @property
    def stops(self) -> bool:
        """Whether a pass ends at the layer that is read; else all layers run."""
        return self._stop is not None

    def states(self, rows: Sequence[Row], progress: Progress | None = None) -> FloatArray:
        """Two states of each row side by side, ``(len(rows), 2 * width)`` float32.

        First the mean over the tokens of the response, then the state of the last token, each
        scaled to length 1. Without a response both are the state of the last token.

        Args:
            rows: The rows; one that does not fit the context loses the end of its response.
            progress: ``advance(0)`` is called after every pass, so that it can cancel the work.

        Raises:
            ModelError: Memory does not hold the smallest pass, or states are not finite.
            Cancelled: Between passes.
        """
        from nncift_core.lm.loading import quiet

        progress = progress or SilentProgress()
        prompter, context = self._language_model.prompter, self._language_model.context
        examples = [as_example(prompter, row, context) for row in rows]
        done: dict[int, NDArray[np.float64]] = {}

        def attempt(tokens: int) -> None:
            left = [place for place in range(len(examples)) if place not in done]
            for batch in self._batches([len(examples[place].ids) for place in left], tokens):
                some = [left[number] for number in batch]
                found = self._read([examples[place] for place in some])
                done.update(zip(some, found, strict=True))
                progress.advance(0)

        with torch.inference_mode(), quiet():
            _, self._tokens = halving(attempt, self._tokens, LEAST_TOKENS)
        result = np.empty((len(rows), 2 * self.width), dtype=np.float32)
        for place, pair in done.items():
            result[place] = pair.reshape(-1)
        return result

    def _batches(self, lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
        config = self._language_model.model.config
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        if fixed_positions(text, self._language_model.context):
            return plan_batches(lengths, tokens)
        # The positions of a row would depend on the longest row beside it.
        return ([place] for place in range(len(lengths)))

    def _read(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        """``(n, 2, width)`` states of length 1, in one pass."""
        device = self._language_model.device
        longest = max(len(example.ids) for example in examples)
        ids = torch.zeros(len(examples), longest, dtype=torch.long)
        mask = torch.zeros(len(examples), longest, dtype=torch.long)
        for number, example in enumerate(examples):
            ids[number, : len(example.ids)] = torch.tensor(example.ids)
            mask[number, : len(example.ids)] = 1
        hidden = self._hidden({"input_ids": ids.to(device), "attention_mask": mask.to(device)})
        pairs = []
        for number, (tokens, n_response) in enumerate(examples):
            end = len(tokens)
            response = hidden[number, end - max(1, n_response) : end].float()
            pairs.append(torch.stack([response.mean(0), response[-1]]))
        found = torch.stack(pairs).cpu().numpy().astype(np.float64)
        if not np.isfinite(found).all():
            raise ModelError(
                f"The model {self._language_model.settings.model!r} gives hidden states that are "
                f"not numbers in {str(self._language_model.dtype).removeprefix('torch.')}.",
                "Use the number format float32; if that does not help, its weights are broken.",
            )
        if self._projection is not None:
            found = found @ self._projection
        lengths = np.linalg.norm(found, axis=2, keepdims=True)
        states: NDArray[np.float64] = found / np.where(lengths > 0, lengths, 1.0)
        return states

    def _hidden(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """``(n, tokens, hidden)`` what leaves the layer that is read."""
        if self._stop is None:
            states = self._body(**inputs, use_cache=False, output_hidden_states=True).hidden_states
            return states[self.layer]  # type: ignore[no-any-return]
        return _until(self._body, self._stop, inputs)

    def _try_out(self) -> tuple[int, int]:
        """The layer that is read and the size of its states; finds where a pass can end.

        A part of the model is taken for that layer only where it gives what the model itself
        calls its hidden states there.
        """
        from nncift_core.lm.loading import quiet

        model = self._language_model.model
        vocabulary = int(model.get_input_embeddings().num_embeddings)
        ids = torch.arange(min(8, self._language_model.context)) * 7 % vocabulary
        inputs = {"input_ids": ids[None].to(self._language_model.device)}
        with torch.inference_mode(), quiet():
            try:
                states = self._body(
                    **inputs, use_cache=False, output_hidden_states=True
                ).hidden_states
                layers = len(states) - 1
                layer = max(1, round(layers / 2))
                before, wanted = states[layer - 1], states[layer]
            except (AttributeError, TypeError, IndexError) as error:
                raise ModelError(
                    f"The model {self._language_model.settings.model!r} does not show its hidden "
                    "states.",
                    "Choose another model, or set the inputs to text.",
                ) from error
            change = float((wanted.float() - before.float()).norm())
            for stack in _stacks(self._body, layers):
                with contextlib.suppress(Exception):  # Then it is not where a pass can end.
                    found = _until(self._body, stack[layer - 1], inputs)
                    off = float((found.float() - wanted.float()).norm())
                    if found.shape == wanted.shape and off <= SAME * change:
                        self._stop = stack[layer - 1]
                        break
        return layer, int(wanted.shape[-1])

    def _first_tokens(self, memory_mb: int) -> int:
        model = self._language_model
        try:
            tokens = tokens_per_pass(model.model.config, model.dtype, memory_mb)
        except (AttributeError, TypeError):  # A configuration that names its sizes otherwise.
            tokens = LEAST_TOKENS * 4
        return min(tokens, CPU_TOKENS) if model.device.type == "cpu" else tokens


def row_states(
    language_model: LanguageModel,
    rows: Sequence[Row],
    progress: Progress | None = None,
    *,
    memory_mb: int | None = None,
) -> FloatArray:
    """``(len(rows), 2 * width)`` float32: see :meth:`StateReader.states`.

    Raises:
        ModelError: As there, or the model does not show its hidden states.
        Cancelled: Between passes.
    """
    return StateReader(language_model, memory_mb=memory_mb).states(rows, progress)


class _Reached(Exception):
    """A pass got to where it may end."""


def _until(whole: Any, layer: torch.nn.Module, inputs: Mapping[str, Any]) -> torch.Tensor:
    """What leaves a layer; nothing behind it runs."""
    seen: list[torch.Tensor] = []

    def look(_: Any, __: Any, output: Any) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output)
        raise _Reached

    hook = layer.register_forward_hook(look)
    try:
        with contextlib.suppress(_Reached):
            whole(**inputs, use_cache=False)
    finally:
        hook.remove()
    return seen[0]


def _stacks(whole: torch.nn.Module, layers: int) -> Iterator[torch.nn.ModuleList]:
    """Lists of so many parts, outer ones first: one of them are the layers."""
    for part in whole.modules():
        if isinstance(part, torch.nn.ModuleList) and len(part) == layers:
            yield part


def _projection(hidden: int) -> NDArray[np.float64]:
    """``(hidden, MOST_DIMENSIONS)`` Gaussian, the same for all rows and devices."""
    draw = np.random.default_rng(hashed("states", hidden))
    matrix: NDArray[np.float64] = draw.standard_normal((hidden, MOST_DIMENSIONS))
    return matrix / math.sqrt(MOST_DIMENSIONS)
