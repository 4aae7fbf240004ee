"""LoRA adapters on top of a model. Knows nothing of how either is used."""

from __future__ import annotations

import warnings
from typing import Any

from nncift_core.errors import ModelError
from nncift_core.lm.failures import load_failure
from nncift_core.lm.sources import ADAPTER_FILE, Source

_WEIGHTS = "adapter_model.safetensors"


def with_adapter(model: Any, adapter: Source, *, merge: bool) -> Any:
    """The model with an adapter's update.

    Args:
        model: A transformers model.
        adapter: From :func:`~nncift_core.lm.sources.find_adapter`.
        merge: Add the update to the weights, so that nothing shows there was an adapter. Quantised
            weights would lose it by rounding; there it stays beside them.

    Returns:
        A model of the same class.

    Raises:
        ModelError: The adapter is broken or belongs to another model.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    try:
        folder = str(adapter.folder) if adapter.folder is not None else _download(adapter)
        with safe_open(f"{folder}/{_WEIGHTS}", framework="pt") as file:
            stored = set(file.keys())
        with warnings.catch_warnings():
            # What does not fit is told below, once and clearly.
            warnings.simplefilter("ignore")
            wrapped = PeftModel.from_pretrained(model, folder, local_files_only=True)
        taken = set(get_peft_model_state_dict(wrapped))
        if stored != taken:
            odd = sorted(stored ^ taken)[0]
            raise ModelError(
                f"The adapter {adapter.name!r} does not fit the model: {odd} has no counterpart.",
                "Use the model that the adapter was trained on.",
            )
        if not merge:
            return wrapped.base_model.model
        return wrapped.merge_and_unload(safe_merge=True)
    except Exception as error:
        raise load_failure(error, adapter.name, what="adapter") from error


def _download(adapter: Source) -> str:
    from huggingface_hub import snapshot_download

    return snapshot_download(
        adapter.name, revision=adapter.commit, allow_patterns=[ADAPTER_FILE, _WEIGHTS]
    )
