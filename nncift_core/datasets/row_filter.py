"""Which rows a person wants to see: words in their texts, a subtask, a length.

Says what a filter means, on rows at hand. ``store.dataset_tables`` finds the same rows by SQL and
much faster, on texts that ``prepared`` made. Knows no store and no page.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncift_core.types import Row

_TERM = re.compile(r'"([^"]*)"(?!\S)|(\S+)')


@dataclass(frozen=True)
class RowFilter:
    """Conditions that a row must meet, all of them.

    Attributes:
        search: All words must occur in prompt or response, whatever the case, also as parts of
            longer words; "quoted words" stay together.
        subtask: The exact name of the row's subtask, or None for any.
        shortest: Fewest characters of prompt and response together, or None.
        longest: Most characters of both together, or None.
    """

    search: str = ""
    subtask: str | None = None
    shortest: int | None = None
    longest: int | None = None

    @property
    def empty(self) -> bool:
        """Whether every row matches."""
        return not self.terms and (self.subtask, self.shortest, self.longest) == (None,) * 3

    @functools.cached_property
    def terms(self) -> tuple[str, ...]:
        """What must occur in a row's folded texts, each once, in the order typed."""
        # A lone surrogate can be typed into an address, and no stored text can hold it.
        typed = self.search.encode("utf-8", "replace").decode()
        found = (folded(quoted or word) for quoted, word in _TERM.findall(typed))
        return tuple(dict.fromkeys(filter(None, found)))

    def matches(self, rows: Sequence[Row]) -> NDArray[np.bool_]:
        """``(n,)`` whether each row meets all conditions: row by row, so not for a whole pool."""
        return np.fromiter((self._meets(row) for row in rows), dtype=np.bool_, count=len(rows))

    def _meets(self, row: Row) -> bool:
        characters = len(row.prompt) + len(row.response)
        texts = folded(row.prompt), folded(row.response)
        return (
            (self.subtask is None or row.subtask == self.subtask)
            and (self.shortest is None or characters >= self.shortest)
            and (self.longest is None or characters <= self.longest)
            and all(any(term in text for text in texts) for term in self.terms)
        )


def folded(text: str) -> str:
    """``text`` as searches compare it: upper and lower case, white space and Unicode forms alike.

    ``Straße`` and ``STRASSE`` become equal, and so do ``é`` in one character and in two.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFC", text.casefold()).split())


def prepared(prompt: str, response: str) -> str:
    """Both texts folded into one that may be searched for each term of a filter.

    No folded text holds a line break, so none is found where prompt and response meet.
    """
    return f"{folded(prompt)}\n{folded(response)}"
