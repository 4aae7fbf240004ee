"""What an encoder is. Knows no model library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nncift_core.types import FloatArray


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def key(self) -> str:
        """Identity of model, weights and settings: equal keys give equal vectors."""

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before truncation."""

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that the encoder sees; the rest is cut."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """``(len(texts), d)`` float32 vectors of length 1, in the order of ``texts``."""
