"""An encoder without a model, and the command line that uses it.

A text's vector is the sum of its words' seeded random directions and a little noise of its own,
so texts that share words are alike; it does not depend on any other text. Called as a script,
``python tests/fake_encoder.py run ...`` is the ``nncift`` command with this encoder.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import time
from collections.abc import Sequence

import numpy as np

DIMENSION = 16
NOISE = 0.5


@functools.cache
def _direction(text: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(DIMENSION)


def fake_vector(text: str) -> np.ndarray:
    vector = NOISE * _direction(f"whole text: {text}")
    for word in text.split():
        vector = vector + _direction(word.lower())
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class FakeEncoder:
    """Counts what it is asked for; ``max_tokens`` words are seen in name only."""

    def __init__(self, key: str = "fake-encoder", max_tokens: int = 256) -> None:
        self.key = key
        self.max_tokens = max_tokens
        self.encoded: list[str] = []

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded.extend(texts)
        time.sleep(float(os.environ.get("FAKE_ENCODER_SECONDS", "0")))
        return np.stack([fake_vector(text) for text in texts])


PLACES = (
    "nncift_core.pipeline.embedding",
    "nncift_core.pipeline.inheriting",
    "nncift_core.pipeline.tokens",
    "nncift_core.influence.delift_se",
)
"""The modules that open encoders."""


def main(arguments: list[str]) -> int:
    import importlib

    from nncift_core.cli import main as command_line

    for place in PLACES:
        importlib.import_module(place).open_encoder = lambda name: FakeEncoder()
    if os.environ.get("FAKE_ENCODER_SECONDS"):
        importlib.import_module("nncift_core.embeddings.cache").SHARD_TEXTS = 8
    return command_line(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
