"""Registries: named families of interchangeable parts, listed without importing them.

An entry holds what a person chooses by (title, summary, citation) and what drivers read
(``needs``), and a ``module:attribute`` string that is imported on first use, so that help
texts and pages never wait for torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nncift_core.errors import unknown_name


@dataclass(frozen=True)
class Entry:
    """One member of a family."""

    name: str
    target: str
    """Where it is implemented, as ``module:attribute``."""
    title: str
    """Its name as people write it."""
    summary: str
    """One sentence: what it does or measures."""
    citation: str = ""
    """Paper or source."""
    needs: frozenset[str] = field(default_factory=frozenset)
    """What drivers must provide or check, e.g. ``pairwise``, ``language-model``."""

    def load(self) -> Any:
        """Import and return the implementation."""
        module, attribute = self.target.split(":")
        return getattr(importlib.import_module(module), attribute)


E = TypeVar("E", bound=Entry)


class Registry(Generic[E]):
    """An ordered family of entries of one kind."""

    def __init__(self, kind: str, *entries: E) -> None:
        self.kind = kind
        self._entries = {entry.name: entry for entry in entries}
        if len(self._entries) < len(entries):
            names = [entry.name for entry in entries]
            raise ValueError(f"a {kind} is registered twice: {names}")

    def __getitem__(self, name: str) -> E:
        """The entry called ``name``. Raises: ConfigError that names the nearest."""
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

    def __iter__(self) -> Iterator[E]:
        return iter(self._entries.values())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @property
    def names(self) -> list[str]:
        """All names, in the order of registration."""
        return list(self._entries)
