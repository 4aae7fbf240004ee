"""What an export is made of: a row with its original text, and where its parts lie in that text.

Knows neither formats nor where rows are stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nncift_core.types import Row

CHATS = ("messages", "sharegpt")
"""Kinds of layouts whose one column holds a whole conversation."""


@dataclass(frozen=True)
class Layout:
    """Where prompt and response lie in the original rows of one source.

    Attributes:
        kind: ``alpaca``, ``pairs``, ``messages``, ``sharegpt`` or ``instances``.
        prompt: Column of the prompt; of the conversation for ``messages`` and ``sharegpt``.
        response: Column of the response.
        input: Column that was added to the prompt, or None.
    """

    kind: str
    prompt: str
    response: str
    input: str | None = None

    @property
    def chat(self) -> bool:
        """Whether a column holds conversations."""
        return self.kind in CHATS

    @property
    def columns(self) -> frozenset[str]:
        """Top-level columns that prompt and response were taken from."""
        named = (self.prompt, self.response, self.input)
        return frozenset(part for name in named if name for part in (name, name.partition(".")[0]))

    @classmethod
    def of_sources(cls, sources: tuple[Mapping[str, Any], ...]) -> tuple[Layout, ...]:
        """The different layouts of a stored dataset's sources, in their order."""
        found = []
        for source in sources:
            mapping = source.get("mapping")
            if isinstance(mapping, Mapping):
                known = {name: mapping.get(name) for name in ("kind", "prompt", "response")}
                if all(isinstance(value, str) for value in known.values()):
                    found.append(cls(**known, input=mapping.get("input")))  # type: ignore[arg-type]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One row to write.

    Attributes:
        raw: The original row's JSON text, on one line.
        row: The row as it was read.
        scores: Extra columns by name, or None for none.
        chat_columns: Columns that may hold the row's conversation.
    """

    raw: str
    row: Row
    scores: Mapping[str, Any] | None = None
    chat_columns: tuple[str, ...] = ()


class ExportRows(Protocol):
    """Rows in the order of the file; may be gone through several times."""

    def __iter__(self) -> Iterator[ExportRow]:
        """The rows, from the first again each time."""
