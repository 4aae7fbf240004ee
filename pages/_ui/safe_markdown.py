"""User text as markdown that can do no harm: paragraphs, lists, emphasis, tables and code only.

Everything else that markdown or Streamlit gives a meaning (HTML, links, images, formulas, colours,
icons) is shown as the signs it is made of. Knows nothing of pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pages._ui.format import plain

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]{0,30})[^`]*$")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*$")
# An item without words below a paragraph would make a heading of that.
_LIST = re.compile(r"^( *)([-*+]|\d{1,9}[.)])\s+(\S.*)$")
_QUOTE = re.compile(r"^ {0,3}>\s?(.*)$")
_TABLE = re.compile(r"^\s*\|.*\|\s*$")
_TABLE_LINE = re.compile(r"^\s*\|(\s*:?-+:?\s*\|)+\s*$")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
# Stars that stand around words, as ``plain`` left them.
_STRONG = re.compile(r"\\\*\\\*(?=\S)(.+?)(?<=[^\s\\])\\\*\\\*")
_EMPHASIS = re.compile(r"\\\*(?=[^\s\\])(.+?)(?<=[^\s\\])\\\*")
_DEEPEST = 6
_LONGEST_EMPHASIS = 2_000
"""Letters; looking for pairs of stars takes time that grows with the square of a line's length."""


class Part(NamedTuple):
    """A piece of a text: code in a language, or markdown that is safe to render."""

    kind: str
    text: str
    language: str | None = None


def parts_of(text: str) -> Iterator[Part]:
    """The fenced code of a text and what stands between, in order.

    Args:
        text: Anything. An open fence reaches to the end of the text.
    """
    lines: list[str] = []
    fence, language = "", None
    for line in text.splitlines():
        opening = _FENCE.match(line)
        if not fence and opening:
            yield from _prose(lines)
            lines, fence, language = [], opening[1], opening[2].lower() or None
        elif fence and opening and not opening[2] and _closes(opening[1], fence):
            yield Part("code", "\n".join(lines), language)
            lines, fence = [], ""
        else:
            lines.append(line)
    if fence:
        yield Part("code", "\n".join(lines), language)
    else:
        yield from _prose(lines)


def _closes(closing: str, fence: str) -> bool:
    return closing[0] == fence[0] and len(closing) >= len(fence)


def _prose(lines: list[str]) -> Iterator[Part]:
    if any(line.strip() for line in lines):
        yield Part(
            "prose", "\n".join(_line(line, place, lines) for place, line in enumerate(lines))
        )


def _line(line: str, place: int, lines: list[str]) -> str:
    """One line as markdown; a line break stays one."""
    if not line.strip():
        return ""
    if heading := _HEADING.match(line):
        return f"\n**{inline(heading[1])}**\n"
    if item := _LIST.match(line):
        indent = " " * (min(len(item[1]), 4 * _DEEPEST) // 2 * 2)
        return f"{indent}{item[2]} {inline(item[3])}"
    if quote := _QUOTE.match(line):
        return f"> {inline(quote[1])}  "
    if _TABLE_LINE.match(line) and place and _TABLE.match(lines[place - 1]):
        return line.strip()
    if _TABLE.match(line) and _in_table(place, lines):
        cells = line.strip().strip("|").split("|")
        return f"| {' | '.join(inline(cell.strip()) for cell in cells)} |"
    return f"{inline(line.strip())}  "


def _in_table(place: int, lines: list[str]) -> bool:
    """Whether a line that looks like one belongs to a table with a line below its head."""
    first = place
    while first > 0 and _TABLE.match(lines[first - 1]):
        first -= 1
        if place - first > 200:
            return False
    return first + 1 < len(lines) and bool(_TABLE_LINE.match(lines[first + 1]))


def inline(text: str) -> str:
    """A line's words, with emphasis and code, everything else as it stands."""
    pieces = []
    end = 0
    for code in _CODE.finditer(text):
        pieces.append(_emphasised(text[end : code.start()]))
        pieces.append(code[0])
        end = code.end()
    pieces.append(_emphasised(text[end:]))
    return "".join(pieces)


def _emphasised(text: str) -> str:
    before = " " if text[:1].isspace() else ""
    after = " " if len(text) > 1 and text[-1:].isspace() else ""
    safe = plain(text)
    if len(text) <= _LONGEST_EMPHASIS:
        safe = _STRONG.sub(r"**\1**", safe)
        safe = _EMPHASIS.sub(r"*\1*", safe)
    return f"{before}{safe}{after}"
