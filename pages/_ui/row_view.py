"""One row in full, and two rows side by side. Texts are shown as they stand, whatever they hold.

Knows nothing of where rows come from.
"""

from __future__ import annotations

import re
from typing import Literal

import streamlit as st

from nncift_core.types import Row
from pages._ui.format import plain, shortened
from pages._ui.safe_markdown import parts_of

SHOWN = 10_000
"""Characters of a text that are shown at once; the rest on demand."""

PART = 200_000
"""Characters of one part of a text of which all is shown: more of them make a browser slow."""

_MOST_PARTS = 60
_FORMATTED = "texts-formatted"
"""In the session: how texts were shown last, so that the next row is shown alike."""

_SIDE_BY_SIDE = 320

# Controls but tab and line feed, and signs that turn the order of letters around or mark nothing.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def draw_texts(row: Row, *, key: str, raw: str | None = None) -> None:
    """Prompt and response in full, and the line of the file.

    Args:
        row: The row.
        key: Unique on the page.
        raw: Its line in the file, if it is to be shown.
    """

    def remember() -> None:
        st.session_state[_FORMATTED] = st.session_state[f"{key}-formatted"]

    formatted = st.toggle(
        "Formatted",
        value=st.session_state.get(_FORMATTED, False),
        key=f"{key}-formatted",
        on_change=remember,
        help="Lists, tables and code are laid out. HTML, links, images, formulas and colours are "
        "never followed.",
    )
    for title, text in (("Prompt", row.prompt), ("Response", row.response)):
        st.markdown(f"**{title}**")
        draw_text(text, key=f"{key}-{title.lower()}", formatted=formatted)
    if raw is not None:
        with st.expander("The row as it stands in the file"):
            draw_text(raw, key=f"{key}-raw")


def draw_two(left: Row, right: Row, *, titles: tuple[str, str], key: str) -> None:
    """Two rows side by side, one below the other where there is no room.

    Args:
        left: The first row.
        right: The second row.
        titles: What they are.
        key: Unique on the page.
    """
    grid = st.grid(2, min_column_width=_SIDE_BY_SIDE, gap="medium", key=f"{key}-rows")
    for row, title, side in ((left, titles[0], "left"), (right, titles[1], "right")):
        with grid.cell(), st.container(key=f"{key}-{side}-row"):
            st.markdown(f"**{plain(title)}**")
            st.caption(facts_of(row))
            draw_texts(row, key=f"{key}-{side}")


def facts_of(row: Row) -> str:
    """Lengths, subtask, group and id of a row on one line, safe for markdown."""
    facts = [f"{len(row.prompt):,} + {len(row.response):,} characters"]
    facts += [f"subtask {row.subtask}"] if row.subtask else []
    facts += [f"group {row.group}"] if row.group else []
    return plain(" · ".join([*facts, f"id {row.id}"]))


def draw_text(text: str, *, key: str, formatted: bool = False) -> None:
    """One text: its beginning where it is long, all of it on demand.

    Args:
        text: The text.
        key: Unique on the page.
        formatted: Whether lists, tables and code are laid out.
    """
    shown = text
    if len(text) > SHOWN:
        everything = st.toggle(f"Show all {len(text):,} characters", key=f"{key}-all")
        shown = _part(text, key) if everything else f"{text[:SHOWN]}…"
        if everything:
            # A markdown renderer would work on such a text for seconds.
            formatted = False
    if formatted:
        _draw_formatted(visible(shown))
    elif shown:
        st.code(visible(shown), language=None, wrap_lines=True, height=_height(shown))
    else:
        st.caption("(empty)")


def visible(text: str) -> str:
    r"""``text`` with escapes such as ``\x1b`` for signs that show nothing or mislead."""
    return _CONTROL.sub(_escape, text.replace("\r\n", "\n"))


def excerpt(text: str, length: int) -> str:
    """The beginning of a text for a cell of a table: on one line, with the same escapes."""
    return visible(shortened(text, length))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _part(text: str, key: str) -> str:
    """A part of a very long text, chosen by its number."""
    parts = -(-len(text) // PART)
    if parts == 1:
        return text
    number = st.number_input(
        f"Part of {parts:,}", min_value=1, max_value=parts, value=1, key=f"{key}-part", width=160
    )
    return text[(number - 1) * PART : number * PART]


def _height(text: str) -> int | Literal["content"]:
    """Longer texts scroll inside themselves."""
    lines = text.count("\n") + len(text) // 80
    return 420 if lines > 18 else "content"


def _draw_formatted(text: str) -> None:
    for number, part in enumerate(parts_of(text)):
        if number == _MOST_PARTS:
            st.caption("The rest is shown when *Formatted* is off.")
            return
        if part.kind == "code":
            st.code(part.text, language=part.language, wrap_lines=True)
        else:
            st.markdown(part.text)
