"""Texts of rows as duplicates are told by them: words, signs, answers, pairs of words.

Case, punctuation and white space do not count; numbers and signs of arithmetic do. Scripts that
write no spaces are read character by character. Knows no rows' positions and no groups.
"""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, cached_property, lru_cache

from nncift_core.types import Row

PARTICULAR_SHARE, PARTICULAR_LEAST = 0.05, 3
"""A word is particular when it stands beside at most this share of the pool's different answers,
or beside at most so many."""

LEAST_MOVED = 3
"""Shared particular words that there must be for one part of them to change ends."""

MOST_SWAPPED = 2
"""Words in a row that count as one exchanged for another; more of them are other wording."""

_ASKING = frozenset(
    # Words of asking and of courtesy: they change what is asked in no pool, however small.
    "a an the this that these those it its is are was were be do does did can could would will of "
    "to at for as i we you me us my our your what which who how whats id im lets please tell give "
    "say says said ask asks asked write writes wrote name find want wants wanted need needs needed "
    "like let know here hi hello hey dear good morning evening day thanks thank cheers lot many "
    "much quick regards kindly sincerely question request task note".split()
)

_NEGATIONS = frozenset(
    "no not never none nor without cannot cant dont doesnt didnt isnt arent wasnt werent wont "
    "wouldnt couldnt shouldnt havent hasnt hadnt nicht kein keine ne pas jamais non nunca".split()
)

_ARITHMETIC = "+*/%^=<>|&~\\$@#"

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese, which write no spaces between words."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a row is compared for equality.

    Attributes:
        text: 16 bytes that rows share when they differ in case, punctuation and spacing only.
        answer: The same of the response alone.
        signs: The same of the prompt's numbers, signs and negations, in order.
        answers: Whether the response holds anything but white space.
    """

    text: bytes
    answer: bytes
    signs: bytes
    answers: bool


@dataclass(frozen=True)
class Prompt:
    """What of a prompt is compared by likeness.

    Attributes:
        words: Its words in order.
        particular: How often each word occurs that few answers of the pool stand beside.
    """

    words: Sequence[str]
    particular: Counter[str]

    @cached_property
    def content(self) -> Counter[str]:
        """How often each word occurs that is not one of asking or of courtesy."""
        return Counter(word for word in self.words if word not in _ASKING)

    @cached_property
    def shingles(self) -> frozenset[str | tuple[str, str]]:
        """Its words, and its pairs of neighbours; the ends count as neighbours too."""
        pairs = zip(["", *self.words], [*self.words, ""], strict=True)
        return frozenset([*self.words, *pairs])

    @property
    def features(self) -> list[bytes]:
        """What MinHash sees: near prompts have nearly the same particular words."""
        return [word.encode("utf-8", "surrogatepass") for word in self.particular or self.words]


def jaccard(one: Prompt, other: Prompt) -> float:
    """Jaccard similarity of the shingles of two prompts, between 0 and 1."""
    shared = len(one.shingles & other.shingles)
    return shared / (len(one.shingles) + len(other.shingles) - shared)


def same_order(one: Prompt, other: Prompt) -> bool:
    """Whether particular words that both have come in the same order.

    One part may have moved from one end to the other, as a sender's name does that stands before
    or after the task. Of two words only, such a move is a change of roles: *Rome* and *Paris* in
    *is Rome larger than Paris*.
    """
    if one.words == other.words:
        return True
    first = [word for word in one.words if word in one.particular and word in other.particular]
    second = [word for word in other.words if word in one.particular and word in other.particular]
    if first == second or len(first) != len(second):
        return True
    # A list that was cut once and put together again occurs in the list written twice.
    twice, once = "\n".join(["", *first, *first, ""]), "\n".join(["", *second, ""])
    return len(first) >= LEAST_MOVED and once in twice


def swaps_a_word(one: Prompt, other: Prompt) -> bool:
    """Whether between two prompts a word is exchanged for another, as one name for another.

    That is, a stretch of one or two words for one of equal length, all around it being the same.
    Templates with few words need it: there no word is particular.
    """
    first, second = _without_shared_ends(one.words, other.words)
    if not first or not second:
        return False
    steps = SequenceMatcher(None, first, second, autojunk=False).get_opcodes()
    return any(
        kind == "replace"
        and end - start == stop - begin <= MOST_SWAPPED
        and not any(
            a in _ASKING or b in _ASKING
            for a, b in zip(first[start:end], second[begin:stop], strict=True)
        )
        for kind, start, end, begin, stop in steps
    )


def _without_shared_ends(
    first: Sequence[str], second: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Two lists without what both begin and end with: most of it, and slow to align."""
    shorter = min(len(first), len(second))
    start = next((k for k in range(shorter) if first[k] != second[k]), shorter)
    first, second = first[start:], second[start:]
    shorter -= start
    end = next((k for k in range(shorter) if first[-1 - k] != second[-1 - k]), shorter)
    return first[: len(first) - end], second[: len(second) - end]


def words_of(text: str) -> list[str]:
    """The words and signs of a text in order, without case and punctuation."""
    if text.isascii():
        return _ascii_words().findall(_APOSTROPHE.sub("", text).lower())
    # Case first: what folding gives may compose anew.
    flat = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    flat = _APOSTROPHE.sub("", flat)
    return _all_words().findall(_UNSPACED_CHARACTER.sub(r" \g<0> ", flat))


_APOSTROPHE = re.compile(r"(?<=\w)['\u2019](?=\w)")
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")
# A minus counts where it makes a number negative; elsewhere it is a dash, a bullet or a hyphen.
_MINUS = r"(?<![\w)\]])-(?=\d)"


@cache
def _ascii_words() -> re.Pattern[str]:
    return re.compile(rf"\w+|[{re.escape(_ARITHMETIC)}]|{_MINUS}")


@cache
def _all_words() -> re.Pattern[str]:
    # Marks belong to words (they are the vowels of many scripts), and \w lacks them.
    characters = {chr(code): unicodedata.category(chr(code)) for code in range(0x80, 0x1FFFF)}
    marks = _ranges(c for c, kind in characters.items() if kind[0] == "M")
    signs = _ranges(c for c, kind in characters.items() if kind[0] == "S")
    return re.compile(rf"[\w{marks}]+|[{re.escape(_ARITHMETIC)}{signs}]|{_MINUS}")


def _ranges(characters: Iterable[str]) -> str:
    """Ascending characters as the ranges of a pattern's character class."""
    found: list[list[int]] = []
    for code in map(ord, characters):
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found)


@lru_cache(maxsize=1 << 16)
def _is_sign(word: str) -> bool:
    """Whether a word must be the same, at the same turn, in both of two near prompts."""
    if word in _NEGATIONS or any(character.isnumeric() for character in word):
        return True
    return word in _ARITHMETIC or word == "-" or unicodedata.category(word[0]) in ("Sm", "Sc")


def read_rows(rows: Sequence[Row]) -> Iterator[Reading]:
    """What of each row is compared for equality."""
    for row in rows:
        prompt, response = words_of(row.prompt), words_of(row.response)
        asked, answer = _digest(prompt, row.prompt), _digest(response, row.response)
        signs = _digest([word for word in prompt if _is_sign(word)], "")
        whole = hashlib.blake2b(asked + answer, digest_size=16).digest()
        yield Reading(whole, answer, signs, bool(row.response.strip()))


def _digest(words: Sequence[str], text: str) -> bytes:
    """16 bytes of the words, or of the bare text where it has none (a row of dots)."""
    bare = " ".join(unicodedata.normalize("NFC", text).split())
    content = "\n".join(words) if words else f"\n{bare}"
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def read_prompts(
    prompts: Sequence[str],
    answers: Sequence[Sequence[int]],
    wanted: Collection[int],
    check: Callable[[], None],
) -> dict[int, Prompt]:
    """The wanted prompts, with the words that are particular in this pool.

    Args:
        prompts: The prompts of all different texts.
        answers: For each different answer, the numbers of its prompts.
        wanted: Numbers of the prompts to give.
        check: Called now and then; may raise to stop.
    """
    if not wanted:
        return {}
    kept: dict[int, list[str]] = {}
    beside: Counter[str] = Counter()
    for count, numbers in enumerate(answers):
        if count % 512 == 0:
            check()
        union: set[str] = set()
        for number in numbers:
            words = words_of(prompts[number])
            union.update(words)
            if number in wanted:
                # One object a word in all prompts: texts repeat their words.
                kept[number] = [sys.intern(word) for word in words]
        beside.update(union)
    limit = max(PARTICULAR_LEAST, PARTICULAR_SHARE * len(answers))
    return {
        number: Prompt(
            words,
            Counter(word for word in words if beside[word] <= limit and word not in _ASKING),
        )
        for number, words in kept.items()
    }
