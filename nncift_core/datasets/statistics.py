"""How long texts are, and in which languages: figures that describe rows.

Languages are told by py3langid, which needs no network: a hint, not a measurement. Knows no store
and no tokenizer.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncift_core.types import IndexArray, Row

BINS = 30
LANGUAGE_CHARACTERS = 600
"""Of prompt and response together, half of each: enough to tell a language."""

SURE = 0.5
"""Least probability of a language that is told."""

_LETTERS = 20
_NAMES = (
    "af Afrikaans|ar Arabic|az Azerbaijani|be Belarusian|bg Bulgarian|bn Bengali|bs Bosnian|"
    "ca Catalan|cs Czech|cy Welsh|da Danish|de German|el Greek|en English|eo Esperanto|es Spanish|"
    "et Estonian|eu Basque|fa Persian|fi Finnish|fr French|ga Irish|gl Galician|gu Gujarati|"
    "he Hebrew|hi Hindi|hr Croatian|hu Hungarian|hy Armenian|id Indonesian|is Icelandic|it Italian|"
    "ja Japanese|ka Georgian|kk Kazakh|km Khmer|kn Kannada|ko Korean|la Latin|lt Lithuanian|"
    "lv Latvian|mk Macedonian|ml Malayalam|mn Mongolian|mr Marathi|ms Malay|nb Norwegian|"
    "ne Nepali|nl Dutch|nn Norwegian Nynorsk|no Norwegian|pa Punjabi|pl Polish|pt Portuguese|"
    "ro Romanian|ru Russian|si Sinhala|sk Slovak|sl Slovenian|sq Albanian|sr Serbian|sv Swedish|"
    "sw Swahili|ta Tamil|te Telugu|th Thai|tl Tagalog|tr Turkish|uk Ukrainian|ur Urdu|"
    "vi Vietnamese|yue Cantonese|zh Chinese"
)
_LANGUAGES = dict(entry.split(" ", 1) for entry in _NAMES.split("|"))


@dataclass(frozen=True)
class Spread:
    """How a length is spread over rows.

    Attributes:
        edges: ``bins + 1`` whole numbers; a bin holds its first one and not its last one.
        counts: Rows of each bin.
        median: Half of the rows are at most as long.
        ninetieth: Nine of ten rows are at most as long.
        longest: The greatest length.
        mean: The mean length.
    """

    edges: tuple[int, ...]
    counts: tuple[int, ...]
    median: float
    ninetieth: float
    longest: int
    mean: float


def spread_of(lengths: IndexArray, bins: int = BINS) -> Spread:
    """The spread of lengths, in bins that widen by the same factor.

    Args:
        lengths: ``(n,)`` lengths from 0.
        bins: Most bins; short texts give fewer.
    """
    if not len(lengths):
        return Spread((0, 1), (0,), 0.0, 0.0, 0, 0.0)
    first, last = max(1, int(lengths.min())), int(lengths.max()) + 1
    edges = np.unique(np.round(np.geomspace(first, max(first + 1, last), bins + 1)).astype(int))
    if lengths.min() == 0:
        edges = np.concatenate([[0], edges])
    # The last bin of numpy holds its upper edge too, which no length reaches.
    counts, _ = np.histogram(lengths, edges)
    return Spread(
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        float(np.median(lengths)),
        float(np.percentile(lengths, 90)),
        int(lengths.max()),
        float(lengths.mean()),
    )


def drawn_positions(count: int, most: int, seed: int = 0) -> NDArray[np.int64]:
    """``(min(count, most),)`` ascending positions, drawn at random; the same ones every time."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    drawn = np.random.default_rng(seed).choice(count, most, replace=False)
    return np.sort(drawn).astype(np.int64)


def language_codes(rows: Sequence[Row]) -> list[str]:
    """The code of each row's language; empty where it cannot be told: short texts, code, sums."""
    identifier = _identifier()
    half = LANGUAGE_CHARACTERS // 2
    return [_code(identifier, f"{row.prompt[:half]}\n{row.response[:half]}") for row in rows]


def language_name(code: str) -> str:
    """``English`` for ``en``."""
    return _LANGUAGES.get(code, code)


def _code(identifier: Any, text: str) -> str:
    if sum(sign.isalpha() for sign in text) < _LETTERS:
        return ""
    code, probability = identifier.classify(text)
    return str(code) if probability >= SURE and code != "zxx" else ""


@functools.lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Rare languages are told far more often than they are written.
    identifier.set_languages([code for code in identifier.labels if code in _LANGUAGES])
    return identifier
