"""Finding a model: folders, ids, the hub, identity, and one clear sentence for each that fails."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file

from nncift_core.errors import ModelError
from nncift_core.lm import sources
from nncift_core.lm.sources import (
    Source,
    find_adapter,
    find_model,
    loaded_bytes,
    resolve_model,
    source_digest,
)

CopyOf = Callable[[str], Path]


def test_a_folder_is_a_folder_and_an_id_an_id(tiny_models: dict[str, Path]) -> None:
    folder = tiny_models["llama"]
    assert resolve_model(str(folder)) == folder
    assert resolve_model("gpt2") == "gpt2"
    assert resolve_model("HuggingFaceTB/SmolLM2-135M-Instruct") == (
        "HuggingFaceTB/SmolLM2-135M-Instruct"
    )
    found = find_model(str(folder))
    assert (found.location, found.revision) == (str(folder), None)


@pytest.mark.parametrize(
    "name", ["/nowhere/model", "./model", "~/no/such/model", "a/b/c", "", " ", "two words", "C:\\m"]
)
def test_a_name_that_is_neither_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"does not exist.*id on the model hub"):
        resolve_model(name)


def test_folders_that_hold_no_model_say_what_is_missing(copy_of: CopyOf, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a file, not a folder"):
        find_model(str(copy_of("llama") / "config.json"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"holds no model \(config.json is missing\)"):
        find_model(str(empty))
    with pytest.raises(ModelError, match=r"holds no adapter \(adapter_config.json is missing\)"):
        find_adapter(str(empty))
    (empty / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds no weights"):
        find_model(str(empty))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_pickled_weights_are_not_even_opened(copy_of: CopyOf, name: str) -> None:
    folder = copy_of("llama")
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(ModelError, match=r"pickled weights only.*safetensors"):
        find_model(str(folder))


def test_the_demo_model_that_is_missing_says_how_to_make_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sources, "MODEL_FILE", "nothing.json")
    with pytest.raises(ModelError, match=r"train_demo_lm\.py"):
        resolve_model("demo")


# Identity


def test_the_digest_is_of_contents_not_of_places(
    copy_of: CopyOf, tiny_models: dict[str, Path]
) -> None:
    original = source_digest(find_model(str(tiny_models["llama"])))
    folder = copy_of("llama")
    assert source_digest(find_model(str(folder))) == original
    (folder / "README.md").write_text("something else")
    assert source_digest(find_model(str(folder))) == original


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja", "m.py"])
def test_the_digest_changes_with_every_file_that_is_read(copy_of: CopyOf, name: str) -> None:
    folder = copy_of("llama")
    before = source_digest(find_model(str(folder)))
    with (folder / name).open("a") as file:
        file.write(" ")
    assert source_digest(find_model(str(folder))) != before


def test_the_digest_changes_with_tuned_weights(copy_of: CopyOf) -> None:
    folder = copy_of("llama")
    before = source_digest(find_model(str(folder)))
    path = folder / "model.safetensors"
    size = path.stat().st_size
    weights = {name: weight * 1.001 for name, weight in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})
    assert path.stat().st_size == size
    assert source_digest(find_model(str(folder))) != before


@pytest.mark.parametrize("keep", [0, 5, 200, -4096])
def test_a_torn_weight_file_is_named(copy_of: CopyOf, keep: int) -> None:
    path = copy_of("llama") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"model\.safetensors is broken"):
        source_digest(find_model(str(path.parent)))


@pytest.mark.parametrize("header", [b"[]", b'{"a": {}}', b'{"a": 3}', b"\xff\xfe", b"{"])
def test_a_weight_file_with_a_strange_header_is_broken(copy_of: CopyOf, header: bytes) -> None:
    path = copy_of("llama") / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(100))
    with pytest.raises(ModelError, match=r"model\.safetensors is broken"):
        source_digest(find_model(str(path.parent)))


def test_loaded_bytes_count_the_numbers_and_not_the_file(tmp_path: Path) -> None:
    source = Source("here", tmp_path)
    halves = {"a": torch.zeros(10, 3, dtype=torch.bfloat16), "b": torch.zeros(5)}
    save_file(halves | {"c": torch.zeros(7, dtype=torch.uint8)}, tmp_path / "part.safetensors")
    assert loaded_bytes(source, 4) == 35 * 4 + 7
    assert loaded_bytes(source, 2) == 35 * 2 + 7
    # The same weights again under the usual name are what is loaded.
    save_file(halves, tmp_path / "model-00001-of-00001.safetensors")
    assert loaded_bytes(source, 4) == 35 * 4
    assert loaded_bytes(Source("someone/model", None, "c0ffee"), 4) == 0


# The hub, which no test may reach


class Response:
    """What the hub's errors want to know of an answer."""

    def __init__(self, status: int) -> None:
        self.status_code = status
        self.headers: dict[str, str] = {}
        self.request = None


def hub_raises(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(self: Any, name: str) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fails)


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_an_id_without_a_network_says_where_to_look() -> None:
    with pytest.raises(ModelError) as caught:
        find_model("someone/some-model")
    assert "'someone/some-model' is not on this machine" in caught.value.message
    assert "cannot be reached" in caught.value.message
    assert "demo model" in caught.value.hint


def test_a_gated_model_says_how_to_get_in(monkeypatch: pytest.MonkeyPatch) -> None:
    hub_raises(monkeypatch, GatedRepoError("403 Client Error", response=Response(403)))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"accepted its licence.*hf auth login"):
        find_model("meta/gated-model")


def test_an_id_that_the_hub_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RepositoryNotFoundError("404 Client Error", response=Response(404))  # type: ignore[arg-type]
    hub_raises(monkeypatch, error)
    with pytest.raises(ModelError, match="no model 'no/such-model' on the model hub"):
        find_model("no/such-model")
    hub_raises(monkeypatch, ConnectionError("no route"))
    with pytest.raises(ModelError, match="cannot be reached"):
        find_model("no/such-model")


def test_a_cached_id_is_pinned_to_its_commit(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = empty_cache / "models--someone--model"
    (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "snapshots" / commit / "config.json").write_text("{}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    found = find_model("someone/model")
    assert (found.location, found.revision) == ("someone/model", commit)
    assert source_digest(found) == f"someone/model@{commit}"
