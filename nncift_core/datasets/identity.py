"""Row ids from content: equal text, equal hash. Knows nothing of files.

An id is the first 16 hex digits of the hash of normalised prompt and
response, ``-``, and the ordinal among equal rows in input order, counted from 0.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from nncift_core.datasets.lazy_rows import hashes_of
from nncift_core.types import IndexArray, Row


def normalised(text: str) -> str:
    """Unicode NFC, runs of white space collapsed to one space, ends stripped."""
    if text.isascii():
        # Printable ASCII has no other white space than the space: this spares most texts the
        # split into words, half of the time that ids take.
        flat = text.replace("\n", " ")
        return flat.strip() if flat.isprintable() and "  " not in flat else " ".join(text.split())
    return " ".join(unicodedata.normalize("NFC", text).split())


def content_hash(prompt: str, response: str) -> str:
    """16 hex digits that rows share exactly when their normalised texts are equal."""
    # Normalised text holds no line break, so the separator cannot occur inside it.
    text = f"{normalised(prompt)}\n{normalised(response)}"
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def assign_ids(texts: Iterable[tuple[str, str]]) -> list[str]:
    """The id of every (prompt, response), in input order."""
    seen: dict[str, int] = defaultdict(int)
    ids = []
    for prompt, response in texts:
        digest = content_hash(prompt, response)
        ids.append(f"{digest}-{seen[digest]}")
        seen[digest] += 1
    return ids


def find_self_pairs(helpers: Sequence[Row], helped: Sequence[Row]) -> tuple[IndexArray, IndexArray]:
    """All (helper, helped) positions whose content is equal.

    Args:
        helpers: ``n_train`` rows.
        helped: ``n_target`` rows.

    Returns:
        Two ``(n_pairs,)`` arrays of positions, ascending by helper, then by helped.
    """
    positions: dict[str, list[int]] = defaultdict(list)
    for position, content in enumerate(hashes_of(helped)):
        positions[content].append(position)
    first: list[int] = []
    second: list[int] = []
    for position, content in enumerate(hashes_of(helpers)):
        equal = positions.get(content, ())
        first.extend([position] * len(equal))
        second.extend(equal)
    return np.asarray(first, np.int64), np.asarray(second, np.int64)
