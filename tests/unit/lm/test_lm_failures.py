"""Errors of the libraries underneath, and the sentence for each."""

from __future__ import annotations

import pytest

from nncift_core.errors import ModelError
from nncift_core.lm.failures import load_failure


class OfflineModeIsEnabled(Exception):
    pass


class GatedRepoError(Exception):
    pass


class RepositoryNotFoundError(Exception):
    pass


class SafetensorError(Exception):
    pass


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


CASES = [
    (OfflineModeIsEnabled("offline"), "not on this machine", "demo model"),
    (caused(OSError("We couldn't connect to the hub"), ConnectionError()), "cannot be reached", ""),
    (caused(OSError("no"), GatedRepoError("403")), "accepted its licence", "hf auth login"),
    (RepositoryNotFoundError("404"), "no model 'some/model' on the model hub", "Check the name"),
    (
        OSError("some/model does not appear to have a file named model.safetensors"),
        "no safetensors weights",
        "pickled",
    ),
    (ValueError("Set trust_remote_code=True to run custom code"), "of its own", "If you trust"),
    (ValueError("Unrecognized configuration class BertConfig"), "not a causal", "Llama"),
    (ValueError("does not recognize this architecture"), "does not know the kind", "Update"),
    (SafetensorError("Error while deserializing header"), "are broken", "again"),
    (RuntimeError("size mismatch for lm_head"), "shapes", "again"),
    (ModuleNotFoundError("No module named 'mamba_ssm'"), "No module named 'mamba_ssm'", "Install"),
    (MemoryError(), "does not fit into memory", "nf4"),
    (RuntimeError("CUDA out of memory"), "does not fit into memory", "nf4"),
    (KeyError("rope_theta"), "could not be loaded: 'rope_theta'", ""),
    (RuntimeError(), "could not be loaded: RuntimeError", ""),
]


@pytest.mark.parametrize(("error", "message", "hint"), CASES)
def test_each_kind_has_its_sentence(error: Exception, message: str, hint: str) -> None:
    found = load_failure(error, "some/model")
    assert message in found.message and "some/model" in found.message
    assert hint in found.hint and found.hint
    assert "\n" not in found.message


def test_a_sentence_that_is_there_already_is_kept() -> None:
    error = ModelError("This is it.", "Do that.")
    assert load_failure(error, "name") is error


def test_long_errors_are_cut_and_circles_end() -> None:
    error = RuntimeError("x" * 5000 + "\nsecond line")
    error.__cause__ = error
    found = load_failure(error, "name", what="adapter")
    assert "adapter 'name'" in found.message and len(found.message) < 400
