"""Texts of users as markdown, built at random from what has a meaning there: nothing of it acts."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import streamlit
from markdown_it import MarkdownIt

from pages._ui.format import plain
from pages._ui.safe_markdown import parts_of
from pages._ui.style import _CSS

PIECES = [
    *("<script>", "<img src=x onerror=1>", "![x](http://a)", "[a](javascript:1)", "[a]: http://x"),
    *("`", "``", "```", "~~~", "*", "**", "_", "\\", "|", "|--|", "| a | b |", "\n", "\n\n"),
    *(" ", "    ", "\t", "$x$", "$$", ":red[x]", "<", "&lt;", "http://a.b", "www.a.b", "a@b.c"),
    *("#", "- ", "> ", "1. ", "---", "===", "[^1]", "x", "a"),
]
HARMLESS = {
    *("text", "text_special", "strong_open", "strong_close", "em_open", "em_close", "code_inline"),
    *("softbreak", "hardbreak"),
}


def texts(count: int) -> list[str]:
    draw = random.Random(0)
    return ["".join(draw.choices(PIECES, k=draw.randint(1, 14))) for _ in range(count)]


@pytest.fixture(scope="module")
def reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def test_formatted_texts_hold_no_html_link_picture_or_heading(reader: MarkdownIt) -> None:
    for text in texts(4_000):
        for part in parts_of(text):
            tokens = reader.parse(part.text) if part.kind == "prose" else []
            for token in tokens:
                assert token.type not in ("html_block", "fence", "heading_open"), text
                kinds = {child.type for child in token.children or []}
                assert kinds <= HARMLESS, (text, part.text)


def test_texts_in_labels_are_nothing_but_words(reader: MarkdownIt) -> None:
    for text in texts(4_000):
        for token in reader.parse(plain(text)):
            assert token.type in ("paragraph_open", "inline", "paragraph_close"), text
            kinds = {child.type for child in token.children or []}
            assert kinds <= {"text", "text_special", "softbreak"}, text


@pytest.mark.parametrize("piece", ["*a ", "**a ", "`a``", "\\", "| a |\n", "- ", "[", "```\n"])
def test_no_text_takes_long(piece: str) -> None:
    begun = time.process_time()
    list(parts_of(piece * (10_000 // len(piece))))
    assert time.process_time() - begun < 0.3


def test_the_csv_of_streamlit_tables_is_out_of_reach() -> None:
    # It writes cells as they are, "=cmd()" too; the app's own files are written otherwise.
    assert 'aria-label^="Download as CSV"' in _CSS
    scripts = Path(streamlit.__file__).parent / "static" / "static" / "js"
    tables = [file.read_text("utf-8") for file in scripts.glob("DataFrame.*.js")]
    assert any("label:`Download as CSV`" in text for text in tables)
    assert any("stElementToolbarButton" in f.read_text("utf-8") for f in scripts.glob("*.js"))
