"""What a schema cannot hold of the rows, in sentences, so that nothing is lost in silence.

Looks at rows before they are written. Knows no files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from nncift_core.export.conversations import extras_of, role_of, text_of, turns_of
from nncift_core.export.exportable import ExportRow, Layout
from nncift_core.export.rows import SCHEMAS

_ANSWERS = {"assistant", "function_call"}
_NAMED = 6


def losses(schema: str, rows: Iterable[ExportRow], layouts: Iterable[Layout]) -> list[str]:
    """One sentence for each thing that is in the rows and will not be in the file as it is.

    Args:
        schema: A name of the export schemas.
        rows: The rows, or some of them.
        layouts: Where prompt and response lie in the original rows.

    Raises:
        ConfigError: Unknown schema.
    """
    found = Losses(schema, layouts)
    for item in rows:
        found.see(item)
    return found.sentences()


class Losses:
    """The same for rows that pass one by one.

    Args:
        schema: A name of the export schemas.
        layouts: Where prompt and response lie in the original rows.

    Raises:
        ConfigError: Unknown schema.
    """

    def __init__(self, schema: str, layouts: Iterable[Layout]) -> None:
        self._entry = SCHEMAS[schema]
        self._known = frozenset().union(*(layout.columns for layout in layouts))
        self._fields: Counter[str] = Counter()
        self._long = self._extras = self._unfinished = self._unnamed = 0

    def see(self, item: ExportRow) -> None:
        """Learn from a row that is written."""
        if "raw" in self._entry.needs:
            return
        original = json.loads(item.raw)
        if isinstance(original, Mapping):
            self._fields.update(
                name for name, value in original.items() if _meant(name, value, self._known)
            )
        turns = turns_of(item)
        if turns is None:
            return
        roles = [role_of(turn) for turn in turns]
        self._long += len(turns) > 2 or "system" in roles
        self._extras += any(extras_of(turn) or text_of(turn) is None for turn in turns)
        self._unfinished += not _alternating(roles)
        self._unnamed += not _ROLES.issuperset(roles)

    def sentences(self) -> list[str]:
        """What was lost so far."""
        entry, found = self._entry, []
        if self._long and "turns" not in entry.needs:
            found.append(
                f"{entry.title} has no turns: in {_rows(self._long)} the earlier turns become part "
                "of the prompt, each with its speaker's name; Chat messages and ShareGPT keep them "
                "apart."
            )
        if self._extras and entry.name != "messages":
            found.append(
                f"{entry.title} holds no tool calls or other fields of turns, as in "
                f"{_rows(self._extras)}; Chat messages and Raw JSON lines keep them."
            )
        if self._unfinished and "turns" in entry.needs:
            found.append(
                f"In {_rows(self._unfinished)} the turns do not alternate up to a last answer; "
                "they are written as they are, and LLaMA-Factory passes over such rows."
            )
        if self._unnamed and "turns" in entry.needs:
            found.append(
                f"In {_rows(self._unnamed)} somebody speaks whom chat templates do not know; "
                "the name is kept."
            )
        if self._fields:
            found.append(
                f"The rows' other fields ({_listed(self._fields)}) are not in this format; "
                "Raw JSON lines and Parquet keep them."
            )
        return found


_ROLES = frozenset({"user", "assistant", "system", "tool", "function_call"})


def _meant(name: str, value: Any, known: Collection[str]) -> bool:
    return name not in known and value not in (None, "", [], {})


def _alternating(roles: list[str]) -> bool:
    """Whether questions and answers take turns, from a question to an answer."""
    if roles[0] == "system":
        roles = roles[1:]
    answers = [role in _ANSWERS for role in roles]
    return len(answers) % 2 == 0 and answers == [False, True] * (len(answers) // 2)


def _rows(count: int) -> str:
    return f"{count:,} rows" if count != 1 else "one row"


def _listed(fields: Counter[str]) -> str:
    names = [name if len(name) <= 40 else f"{name[:39]}…" for name, _ in fields.most_common(_NAMED)]
    more = len(fields) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
