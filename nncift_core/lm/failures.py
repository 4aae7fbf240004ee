"""One clear sentence for whatever goes wrong while a language model is found and loaded.

The libraries underneath raise many kinds of errors, nested in each other; the kinds that a
person can mend are told apart here. Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterator

from nncift_core.errors import ModelError
from nncift_core.lm.memory import is_out_of_memory

_UNREACHABLE = {
    "OfflineModeIsEnabled",
    "LocalEntryNotFoundError",
    "ConnectionError",
    "ConnectError",
    "ConnectTimeout",
    "ReadTimeout",
    "Timeout",
    "TimeoutError",
    "ProxyError",
    "MaxRetryError",
}
_ELSEWHERE = "Give the folder of a model that is on this machine, or use the demo model."


def load_failure(error: BaseException, name: str, *, what: str = "model") -> ModelError:
    """The ModelError for an error that was raised while ``name`` was being loaded.

    Args:
        error: What was raised.
        name: The model as the user named it.
        what: ``model``, ``tokenizer`` or ``adapter``.
    """
    if isinstance(error, ModelError):
        return error
    chain = list(_chain(error))
    kinds = {kind.__name__ for link in chain for kind in type(link).__mro__}
    text = " ".join(str(link) for link in chain)
    if is_out_of_memory(error):
        return ModelError(
            f"The {what} {name!r} does not fit into memory.",
            "Choose a smaller one, or load it with the quantization nf4.",
        )
    if "GatedRepoError" in kinds or "gated repo" in text:
        return ModelError(
            f"The {what} {name!r} is only given to people who accepted its licence.",
            "Accept it on the model's page on the hub, then sign in with `hf auth login` or set "
            "HF_TOKEN.",
        )
    if kinds & {"RepositoryNotFoundError", "RevisionNotFoundError"}:
        return ModelError(
            f"There is no {what} {name!r} on the model hub.",
            "Check the name; a private one needs `hf auth login` first.",
        )
    if "safetensors" in text and ("does not appear to have" in text or "no file named" in text):
        return ModelError(
            f"The {what} {name!r} has no safetensors weights.",
            "Convert them: pickled weights can run code and are not loaded.",
        )
    if kinds & _UNREACHABLE or "couldn't connect" in text.lower():
        return ModelError(
            f"The {what} {name!r} is not on this machine and the model hub cannot be reached.",
            _ELSEWHERE,
        )
    if "trust_remote_code" in text or "custom code" in text:
        return ModelError(
            f"The {what} {name!r} brings Python code of its own, which is not run.",
            "If you trust its authors, switch on trust_remote_code.",
        )
    if "does not recognize this architecture" in text or "model type `" in text:
        return ModelError(
            f"The installed transformers library does not know the kind of model in {name!r}.",
            "Update transformers, or choose another model.",
        )
    if "Unrecognized configuration class" in text:
        return ModelError(
            f"The model {name!r} is not a causal language model.",
            "Choose a model that continues text, such as a Llama, Qwen, Phi or Gemma.",
        )
    if "SafetensorError" in kinds or ("safetensors" in text.lower() and "header" in text.lower()):
        return ModelError(
            f"The weight files of {name!r} are broken.", "Copy or download the model again."
        )
    if "size mismatch" in text or "ignore_mismatched_sizes" in text:
        return ModelError(
            f"The weights of the {what} {name!r} do not have the shapes that its settings say.",
            "Copy or download it again; an adapter must belong to this very model.",
        )
    if kinds & {"ImportError", "ModuleNotFoundError"}:
        return ModelError(
            f"The {what} {name!r} needs a package that is missing: {_first_line(chain[-1])}",
            "Install it, or choose another model.",
        )
    return ModelError(f"The {what} {name!r} could not be loaded: {_first_line(error)}", _ELSEWHERE)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, at most ten links."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]
