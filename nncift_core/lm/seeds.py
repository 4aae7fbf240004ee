"""Random draws that depend on a seed and a name, and on nothing else.

They come from a generator on the CPU, so that every device gets the same. Knows nothing of what
is drawn.
"""

from __future__ import annotations

import hashlib

import torch


def hashed(*parts: int | str) -> int:
    """A number below 2**63 that changes with every part."""
    text = "\0".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """A generator on the CPU that is seeded by all parts."""
    return torch.Generator().manual_seed(hashed(*parts))
