"""A language model ready for use: found, checked, on its device, in evaluation mode.

Takes any causal language model of the Hugging Face libraries, from a folder or the model hub,
from safetensors only and without running code that a model brings along unless asked. Knows
nothing of what it is used for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncift_core.config import LanguageModelConfig
from nncift_core.errors import ModelError
from nncift_core.lm.adapters import with_adapter
from nncift_core.lm.devices import choose_device, choose_dtype
from nncift_core.lm.failures import load_failure
from nncift_core.lm.memory import check_room
from nncift_core.lm.prompts import TEMPLATE_WORDS, Prompter, flatten
from nncift_core.lm.quantization import check_quantization, is_quantized, quantization_options
from nncift_core.lm.sources import (
    Source,
    demo_model_dir,
    find_adapter,
    find_model,
    loaded_bytes,
    resolve_model,
    source_digest,
)
from nncift_core.runtime import quiet_bitsandbytes

if TYPE_CHECKING:
    import torch

__all__ = ["LanguageModel", "demo_model_dir", "model_identity", "open_model", "resolve_model"]

SANE_LIMIT = 10_000_000
"""Tokenizers without a limit of their own name an absurdly large one."""

NOT_CAUSAL = 0.05
"""Later tokens move earlier logits by more than this share of their spread: not causal."""


@dataclass(eq=False)
class LanguageModel:
    """A model with its tokenizer and what is known of both.

    Attributes:
        model: Transformers causal language model in evaluation mode; no weight wants a gradient.
        tokenizer: Its tokenizer.
        prompter: Turns rows into tokens with the chosen template.
        settings: What it was opened with.
        device: Where its weights are.
        dtype: What it computes in.
        context: Most tokens of a prompt with its response.
        identity: See :func:`model_identity`.
        parameters: Count, tied weights once.
        description: For people, such as ``Llama, 134.5 M parameters, float32, cpu, sdpa``.
    """

    model: Any
    tokenizer: Any
    prompter: Prompter
    settings: LanguageModelConfig
    device: torch.device
    dtype: torch.dtype
    context: int
    identity: str
    parameters: int
    description: str


def model_identity(settings: LanguageModelConfig) -> str:
    """Changes with everything about the model that values depend on; 16 hex digits.

    That is its weights, tokenizer and adapter, number format, quantization, template and context,
    but not the device, memory or attention kernel, which change only the last bits. No weights
    are loaded: files are read in samples, hub ids go by commit.

    Raises:
        ModelError: The model or adapter cannot be found.
    """
    device = choose_device(settings.device)
    parts = [
        source_digest(find_model(settings.model)),
        source_digest(find_adapter(settings.adapter)) if settings.adapter else "",
        str(choose_dtype(settings.dtype, device)),
        settings.quantization,
        settings.template,
        settings.context,
        TEMPLATE_WORDS,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def open_model(settings: LanguageModelConfig) -> LanguageModel:
    """Find and load a model.

    Raises:
        ModelError: It is missing, gated, broken, too large, not causal, brings code that may not
            be run, or a setting cannot be met here.
    """
    source = find_model(settings.model)
    adapter = find_adapter(settings.adapter) if settings.adapter else None
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    check_quantization(settings.quantization, device)
    _check_attention(settings.attention, device)
    tokenizer = load_tokenizer(source, settings)
    prompter = Prompter(tokenizer, settings.template)  # type: ignore[arg-type]
    if settings.quantization == "none" and device.type == "cpu":
        check_room(source.name, loaded_bytes(source, dtype.itemsize), device)
    model = load_weights(source, settings, device, dtype)
    _check_vocabulary(source.name, model, tokenizer, prompter)
    if adapter is not None:
        model = with_adapter(model, adapter, merge=not is_quantized(model))
    model.eval().requires_grad_(False)
    if not is_quantized(model):
        # Quantised CPU weights are repacked by the first pass and then useless for gradients.
        _check_causal(source.name, model, device)
    parameters = int(model.num_parameters())
    return LanguageModel(
        model=model,
        tokenizer=tokenizer,
        prompter=prompter,
        settings=settings,
        device=device,
        dtype=dtype,
        context=_context(settings, model.config, tokenizer),
        identity=model_identity(settings),
        parameters=parameters,
        description=_description(settings, model, parameters, device, dtype),
    )


def load_weights(
    source: Source, settings: LanguageModelConfig, device: torch.device, dtype: torch.dtype
) -> Any:
    """The transformers model of a source, on its device.

    Raises:
        ModelError: It cannot be loaded, or weights are missing from its files.
    """
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = quantization_options(settings.quantization, device, dtype)
    if settings.attention != "auto":
        options["attn_implementation"] = settings.attention
    try:
        with quiet():
            model, report = AutoModelForCausalLM.from_pretrained(
                source.location,
                revision=source.revision or "main",
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=settings.trust_remote_code,
                local_files_only=source.folder is not None,
                output_loading_info=True,
                **options,
            )
            if not is_quantized(model):
                model = model.to(device)
    except Exception as error:  # Many layers, each with errors of its own.
        raise load_failure(error, source.name) from error
    missing = sorted(report.get("missing_keys") or ())
    if missing and not _may_be_causal(model.config):
        raise _not_causal(source.name)
    if missing:
        raise ModelError(
            f"The weights of {source.name!r} are incomplete: {missing[0]} is missing"
            f"{f', and {len(missing) - 1} more' if len(missing) > 1 else ''}.",
            "Copy or download the model again.",
        )
    return model


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the bars and remarks of the model libraries, which garble progress."""
    quiet_bitsandbytes()
    from transformers.utils import logging

    logging.disable_progress_bar()
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)


def load_tokenizer(source: Source, settings: LanguageModelConfig) -> Any:
    """The tokenizer of a source, without weights. Raises: ModelError."""
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(
                source.location,
                revision=source.revision or "main",
                trust_remote_code=settings.trust_remote_code,
                local_files_only=source.folder is not None,
            )
    except Exception as error:
        raise load_failure(error, source.name, what="tokenizer") from error
    return tokenizer


def _check_attention(attention: str, device: torch.device) -> None:
    if attention != "flash_attention_2":
        return
    from transformers.utils import is_flash_attn_2_available

    if device.type != "cuda" or not is_flash_attn_2_available():
        where = "" if device.type == "cuda" else f" on {device.type}"
        raise ModelError(
            f"FlashAttention is not available{where} here.",
            "Install flash-attn on a machine with a CUDA device, or choose the attention sdpa.",
        )


def _check_vocabulary(name: str, model: Any, tokenizer: Any, prompter: Prompter) -> None:
    rows = int(model.get_input_embeddings().num_embeddings)
    template = flatten(prompter.message([]))
    highest = max(tokenizer.vocab_size - 1, prompter.frame.close_id, *template)
    if highest >= rows:
        raise ModelError(
            f"The tokenizer of {name!r} gives tokens up to {highest}, the model reads {rows}.",
            "The tokenizer belongs to another model; copy or download both again.",
        )


def _check_causal(name: str, model: Any, device: torch.device) -> None:
    """Score two short texts that differ in their last token only."""
    import torch

    rows = int(model.get_input_embeddings().num_embeddings)
    ids = torch.arange(8, device=device).repeat(2, 1) * 7 % rows
    ids[1, -1] = (ids[1, -1] + rows // 2) % rows
    with torch.inference_mode():
        try:
            logits = model(input_ids=ids, use_cache=False).logits.float()
        except Exception as error:
            raise load_failure(error, name) from error
    if not bool(torch.isfinite(logits).all()):
        raise ModelError(
            f"The model {name!r} gives logits that are not numbers.",
            "Its weights may be broken, or too large for the number format: try float32.",
        )
    first, second = logits[:, :-1]
    if float((first - second).abs().max()) > NOT_CAUSAL * float(first.std()):
        raise _not_causal(name)


def _may_be_causal(config: Any) -> bool:
    """Whether the architectures that a model's settings name continue text; true if none is."""
    named = getattr(config, "architectures", None) or ["ForCausalLM"]
    ends = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
    return any(str(name).endswith(ends) for name in named)


def _not_causal(name: str) -> ModelError:
    return ModelError(
        f"The model {name!r} is not a causal language model: it does not continue text.",
        "Choose one that does, such as a Llama, Qwen, Phi or Gemma.",
    )


def _context(settings: LanguageModelConfig, config: Any, tokenizer: Any) -> int:
    text = config.get_text_config()
    limits = [settings.context or SANE_LIMIT, tokenizer.model_max_length]
    limits += [getattr(text, name, None) for name in ("max_position_embeddings", "n_positions")]
    return int(min(limit for limit in limits if limit and 0 < limit <= SANE_LIMIT))


def _description(
    settings: LanguageModelConfig,
    model: Any,
    parameters: int,
    device: torch.device,
    dtype: torch.dtype,
) -> str:
    name = type(model).__name__.removesuffix("ForCausalLM").removesuffix("LMHeadModel")
    size = f"{parameters / 1e9:.1f} G" if parameters >= 1e9 else f"{parameters / 1e6:.1f} M"
    attention = getattr(model.config, "_attn_implementation", None) or "eager"
    parts = [name, f"{size} parameters", str(dtype).removeprefix("torch."), str(device), attention]
    if settings.quantization != "none":
        parts.append(settings.quantization)
    if settings.adapter:
        parts.append(f"adapter {settings.adapter}")
    return ", ".join(parts)
