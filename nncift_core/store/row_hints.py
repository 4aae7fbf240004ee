r"""What may be wrong with stored rows, counted by SQL: rows that deserve a look.

Works inside a session of the catalog. A hint is a name of ``HINTS`` with a value where it needs
one. All values are bound parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nncift_core.errors import unknown_name
from nncift_core.store.database import Connection, first_row, storable
from nncift_core.types import IndexArray

SHORT = 10
"""A response of fewer characters is very short."""

OPENING_WORDS = 4
"""Words that make the beginning of a response."""

_COMMON_SHARE, _COMMON_LEAST, _MOST_OPENINGS = 0.02, 10, 3
# Of the beginning alone, and without trim() anywhere: both cost more than all the rest.
_FIRST_WORDS = rf"^\s*((?:\S+\s+){{{OPENING_WORDS - 1}}}\S+)"
_OPENING = (
    rf"lower(regexp_replace(regexp_extract(left(response, 120), '{_FIRST_WORDS}', 1),"
    r" '\s+', ' ', 'g'))"
)

HINTS = {
    "repeated": "NOT ends_with(row_id, '-0')",
    "short": f"length(response) < {SHORT}",
    "echo": "length(response) = length(prompt) AND lower(response) = lower(prompt)",
    "no-words": r"NOT regexp_matches(response, '[\pL\pN]')",
    "opening": f"{_OPENING} = ?",
}
"""Conditions by name: content that occurred before, very short responses, responses that repeat
the prompt, responses without a letter or digit, responses that begin with the same words."""

_COUNTED = ("short", "echo", "no-words")


@dataclass(frozen=True)
class RowHint:
    """Rows that deserve a look.

    Attributes:
        name: A name of ``HINTS``.
        value: What the condition compares with, where it does.
        count: Rows that meet it.
    """

    name: str
    value: str
    count: int


def hints_in(connection: Connection, dataset_id: str) -> list[RowHint]:
    """What is noticed in a dataset, without what is not there; the most frequent openings last."""
    total = first_row(connection, "SELECT count(*) FROM rows WHERE dataset_id = ?", [dataset_id])[0]
    found = []
    # One query each: in a WHERE the cheap part of a condition spares the dear one its rows.
    for name in _COUNTED:
        sql = f"SELECT count(*) FROM rows WHERE dataset_id = ? AND {HINTS[name]}"
        found.append(RowHint(name, "", first_row(connection, sql, [dataset_id])[0]))
    openings = connection.execute(
        f"SELECT {_OPENING} AS opening, count(*) AS amount FROM rows WHERE dataset_id = ?"
        " GROUP BY opening HAVING opening != '' AND amount >= ?"
        " ORDER BY amount DESC, opening LIMIT ?",
        [dataset_id, max(_COMMON_LEAST, _COMMON_SHARE * total), _MOST_OPENINGS],
    ).fetchall()
    found += [RowHint("opening", opening, amount) for opening, amount in openings]
    return [hint for hint in found if hint.count]


def hinted_in(connection: Connection, dataset_id: str, name: str, value: str = "") -> IndexArray:
    """``(n,)`` ascending positions of the rows that a hint is about. Raises: ConfigError."""
    if name not in HINTS:
        raise unknown_name("hint", name, HINTS)
    condition = HINTS[name]
    values = [storable(value)] if "?" in condition.replace("(?:", "") else []
    found = connection.execute(
        f"SELECT position FROM rows WHERE dataset_id = ? AND {condition}", [dataset_id, *values]
    ).fetchnumpy()
    return np.sort(np.asarray(found["position"], dtype=np.int64))
