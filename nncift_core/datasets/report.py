"""What was accepted, what was rejected and why. Knows nothing of formats or columns.

A reason is ``kind`` or ``kind: detail``; reports count by kind. The kinds are the constants
below, so that readers, tests and pages agree on the words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

NO_PROMPT = "no prompt"
EMPTY_RESPONSE = "empty response"
NULL_RESPONSE = "null response"
BROKEN_JSON = "broken JSON"
BROKEN_CSV = "broken CSV"
RAGGED_ROW = "ragged row"
WRONG_TYPE = "wrong type"
BAD_ENCODING = "bad encoding"
LONE_SURROGATE = "lone surrogate"
TOO_LONG = "over the length limit"

MANY_ROWS = 200_000
"""From this many rows on, a report warns that the run will take long."""

EXCERPT_CHARACTERS = 2_000
"""How much of a rejected row is kept for the report and its download."""


@dataclass(frozen=True)
class Limits:
    """How large a dataset may be."""

    row_characters: int = 200_000
    """Characters of text in one row, all columns together; longer rows are rejected."""

    file_bytes: int = 4 * 1024**3
    """Bytes of one file after decompression; larger files are refused."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that was not accepted.

    Attributes:
        file: Display name of the file.
        line: Where the row begins, counted from 1: a line in text formats, a row in Parquet
            and in Hugging Face datasets.
        reason: ``kind`` or ``kind: detail``.
        excerpt: The beginning of the row as it stands in the file.
    """

    file: str
    line: int
    reason: str
    excerpt: str

    @property
    def kind(self) -> str:
        """The reason without its detail: what reports count by."""
        return self.reason.split(": ", 1)[0]


@dataclass(frozen=True)
class Report:
    """The result of validating a dataset.

    Attributes:
        accepted: Number of rows accepted.
        rejected: Every row that was not, in input order.
        exact_duplicates: Accepted rows whose normalised prompt and response occurred before;
            they are kept.
        warnings: Sentences that the user should read.
    """

    accepted: int
    rejected: tuple[Rejection, ...] = ()
    exact_duplicates: int = 0
    warnings: tuple[str, ...] = field(default=())

    def reasons(self) -> dict[str, int]:
        """Number of rejected rows by kind of reason, the most frequent first."""
        return dict(Counter(rejection.kind for rejection in self.rejected).most_common())


_SURROGATE = re.compile("[\ud800-\udfff]")


def _spelled(surrogate: str) -> str:
    code = ord(surrogate)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def excerpt_of(text: str) -> str:
    """The beginning of a rejected row, cut with an ellipsis and always writable as UTF-8."""
    cut = text[:EXCERPT_CHARACTERS].rstrip("\r\n")
    if not cut.isascii():
        # Bytes that were not UTF-8 arrive as surrogates U+DC80 to U+DCFF: show them as \xNN.
        cut = _SURROGATE.sub(lambda match: _spelled(match[0]), cut)
    return cut + "…" if len(text) > EXCERPT_CHARACTERS else cut


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 row``, ``1,200 rows``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def reasons_in_words(rejected: Sequence[Rejection]) -> str:
    """``198 null response, 1 broken JSON``."""
    counts = Counter(rejection.kind for rejection in rejected)
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())


def warnings_of(
    accepted: int, rejected: Sequence[Rejection], exact_duplicates: int, several_files: bool
) -> list[str]:
    """The sentences that follow from the counts of a report."""
    warnings = []
    for kinds, noun in (
        ((BROKEN_JSON, BROKEN_CSV), "broken row"),
        ((RAGGED_ROW,), "ragged row"),
        ((BAD_ENCODING,), "row that is not UTF-8"),
        ((TOO_LONG,), "row over the length limit"),
    ):
        hits = [rejection for rejection in rejected if rejection.kind in kinds]
        if hits:
            places = ", ".join(
                f"{hit.file}:{hit.line}" if several_files else str(hit.line) for hit in hits[:5]
            )
            more = ", ..." if len(hits) > 5 else ""
            plural = noun.replace("row", "rows", 1).replace("that is", "that are")
            was = "was" if len(hits) == 1 else "were"
            at = "line" if len(hits) == 1 else "lines"
            warnings.append(
                f"{counted(len(hits), noun, plural)} {was} rejected ({at} {places}{more})."
            )
    if exact_duplicates:
        verb = "repeats" if exact_duplicates == 1 else "repeat"
        warnings.append(
            f"{counted(exact_duplicates, 'row')} {verb} an earlier row exactly; "
            "repeated rows are kept."
        )
    if accepted >= MANY_ROWS:
        warnings.append(
            f"{accepted:,} rows are many: embedding and prediction will take a while "
            "on a machine without a GPU."
        )
    return warnings
