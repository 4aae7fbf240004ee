"""Notices that a pool and its target are written in different languages or scripts.

A cheap guess from letters and a few dozen function words; knows eight languages of the Latin
script and tells other scripts apart. Silent where it is not sure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from nncift_core.types import Row

SAMPLE_ROWS = 400
ROW_CHARACTERS = 600

_SCRIPTS = {
    "Cyrillic script": "\u0400-\u052f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Arabic script": "\u0600-\u06ff\u0750-\u077f",
    "Hebrew": "\u0590-\u05ff",
    "Devanagari script": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Tamil": "\u0b80-\u0bff",
    "Thai": "\u0e00-\u0e7f",
    "Korean": "\uac00-\ud7af\u1100-\u11ff",
    "Japanese": "\u3040-\u30ff",
    "Chinese": "\u4e00-\u9fff\u3400-\u4dbf",
    "Latin": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
}
_LETTERS = {name: re.compile(f"[{ranges}]") for name, ranges in _SCRIPTS.items()}

_FUNCTION_WORDS = {
    "English": "the of and to is in that it for was with are this you what how he she his her my "
    "which have be by from on at an as",
    "German": "der die das und ist nicht ein eine zu den mit von für auf im wie wird sich dem des "
    "auch sind als an bei",
    "French": "le la les des et est une un dans pour que qui pas sur avec au aux du ce cette sont "
    "par plus vous il elle",
    "Spanish": "el la los las que y es en un una por con para del se no como más su al lo qué son "
    "está",
    "Italian": "il lo gli che è di e un una per con del della non sono si nel come più al dei le "
    "questo",
    "Portuguese": "o os as que é de e um uma para com não do da em por mais como se no na dos são "
    "você",
    "Dutch": "de het een en van is dat niet op te zijn met voor die er aan als ook wordt hoe wat",
    "Polish": "nie się na i w z do jest to że jak co po od dla są czy ale przez który",
}
_WORD_LISTS = {name: frozenset(words.split()) for name, words in _FUNCTION_WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")


def language_of(text: str) -> str | None:
    """The language, or the script where that is all that can be told; None if unsure."""
    letters = Counter({name: len(pattern.findall(text)) for name, pattern in _LETTERS.items()})
    total = letters.total()
    if total < 10:
        return None
    # Japanese mixes in Chinese characters; Chinese text has no kana.
    if letters["Japanese"] > 0.1 * total:
        return "Japanese"
    # A character of these scripts is worth about three Latin letters.
    letters["Chinese"] *= 3
    name, count = letters.most_common(1)[0]
    if count < 0.5 * letters.total():
        return None
    return name if name != "Latin" else _latin_language(text)


def _latin_language(text: str) -> str | None:
    words = _WORD.findall(text.lower())
    hits = Counter(
        {name: sum(word in known for word in words) for name, known in _WORD_LISTS.items()}
    )
    (first, most), (_, second) = hits.most_common(2)
    # Prose has a function word among three; code and formulas have hardly any.
    if most < max(2, 0.08 * len(words)) or most < 1.3 * second:
        return None
    return first


def languages_of(rows: Sequence[Row]) -> Counter[str]:
    """Languages of an even sample of the rows, those left out that cannot be told."""
    step = max(1, len(rows) // SAMPLE_ROWS)
    found: Counter[str] = Counter()
    for row in rows[::step][:SAMPLE_ROWS]:
        half = ROW_CHARACTERS // 2
        language = language_of(f"{row.prompt[:half]}\n{row.response[:half]}")
        if language:
            found[language] += 1
    return found


def language_warning(pool: Sequence[Row], target: Sequence[Row]) -> str | None:
    """A sentence if hardly a pool row is in the main language of the target, else None."""
    in_pool, in_target = languages_of(pool), languages_of(target)
    if not in_pool or not in_target:
        return None
    # Few recognised rows among many unrecognised ones prove nothing.
    if in_pool.total() < 0.1 * min(len(pool), SAMPLE_ROWS):
        return None
    wanted, count = in_target.most_common(1)[0]
    if count < 0.6 * in_target.total() or count < 0.3 * min(len(target), SAMPLE_ROWS):
        return None
    if in_pool[wanted] >= 0.1 * in_pool.total():
        return None
    main = in_pool.most_common(1)[0][0]
    return (
        f"The target seems to be in {wanted}, the training pool in {main}: "
        "influence across languages is estimated less surely."
    )
