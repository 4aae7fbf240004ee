"""What the Select page's form says, kept in the URL and between pages.

Each field has a default and stands in the URL only where it differs, so that links stay short. The
session remembers the fields of a run because going to another page empties the URL's query. Knows
names and texts, nothing of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

_MEMORY = "select-form-{}"
_MOST_DIGITS = 12


@dataclass(frozen=True)
class Fields:
    """The form of one run."""

    run_id: str

    def text(self, name: str, default: str) -> str:
        """The field as the URL says, else as this session left it, else the default."""
        value = st.query_params.get(name)
        if value is None:
            value = self._memory.get(name)
            if value is not None and value != default:
                # So that the link in the browser brings this back.
                st.query_params[name] = value
        return default if value is None else value

    def choice(self, name: str, options: Mapping[str, object], default: str) -> str:
        """A field that holds one of a few names; the default where it holds anything else."""
        value = self.text(name, default)
        return value if value in options else default

    def whole(self, name: str, default: int = 0) -> int:
        """A field that holds a whole number; the default where it holds anything else."""
        value = self.text(name, str(default))
        return int(value) if is_whole(value) else default

    def put(self, name: str, value: str, default: str | None) -> None:
        """Remember a field; a value equal to the default leaves the URL."""
        self._memory[name] = value
        if value == default:
            if name in st.query_params:
                del st.query_params[name]
        elif st.query_params.get(name) != value:
            st.query_params[name] = value

    def forget(self, *names: str) -> None:
        """Back to the defaults of these fields."""
        for name in names:
            self._memory.pop(name, None)
            if name in st.query_params:
                del st.query_params[name]

    @property
    def _memory(self) -> dict[str, str]:
        memory: dict[str, str] = st.session_state.setdefault(_MEMORY.format(self.run_id), {})
        return memory


def follow(key: str, value: object) -> None:
    """Let a widget show a value that the URL decides.

    A value that it has already is not set again: that would be sent to the browser and take a
    slider back that has moved on meanwhile.
    """
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def is_whole(text: str) -> bool:
    """Whether a text is a whole number of a size that anything here can have."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
