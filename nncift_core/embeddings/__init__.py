"""Embeddings: text encoders and a cache that never embeds the same text twice."""

from __future__ import annotations

from nncift_core.embeddings.base import Encoder
from nncift_core.embeddings.cache import EmbeddingCache, embed, embed_groups

__all__ = ["EmbeddingCache", "Encoder", "embed", "embed_groups", "open_encoder"]


def open_encoder(name: str) -> Encoder:
    """The encoder for a sentence-transformers id or folder; weights load on first use.

    Raises:
        EncoderError: There is no such model here, or it cannot be used safely.
    """
    from nncift_core.embeddings.sentence import SentenceEncoder

    return SentenceEncoder(name)
