"""Texts of rows: shown as they stand, whatever they hold."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages._ui.row_view import SHOWN, excerpt, visible
from pages._ui.safe_markdown import inline, parts_of


def _page(text: str) -> None:
    from nncift_core.types import Row
    from pages._ui.row_view import draw_texts, draw_two

    row = Row("ab-0", text, "short")
    draw_texts(row, key="one", raw='{"a": 1}')
    draw_two(row, Row("cd-0", "p", "r", "s", "g"), titles=("Training *row*", "Target"), key="two")


def show(text: str) -> AppTest:
    return AppTest.from_function(_page, args=(text,), default_timeout=30).run()


def test_texts_stand_as_they_are() -> None:
    text = "<b>x</b> ![i](http://a.b/c) $y$ :red[z]\n# t"
    app = show(text)
    assert not app.exception
    assert [code.value for code in app.code][:3] == [text, "short", '{"a": 1}']
    assert all("<b>" not in markdown.value for markdown in app.markdown)
    assert r"**Training \*row\***" in [markdown.value for markdown in app.markdown]
    assert "1 + 1 characters · subtask s · group g · id cd-0" in [c.value for c in app.caption]


def test_long_texts_are_cut_until_all_is_asked_for() -> None:
    app = show("x" * 450_000)
    assert len(app.code[0].value) == SHOWN + 1
    app.toggle(key="one-prompt-all").set_value(True).run()
    assert not app.exception
    assert len(app.code[0].value) == 200_000
    app.number_input(key="one-prompt-part").set_value(3).run()
    assert len(app.code[0].value) == 50_000


def test_formatted_lays_out_and_follows_nothing() -> None:
    app = show(
        "# Title\n- *one* `a$b`\n<img src=x> [l](http://a.b)\n```python\nprint('<b>')\n```\nend"
    )
    app.toggle(key="one-formatted").set_value(True).run()
    assert not app.exception
    assert app.code[0].value == "print('<b>')"
    text = "\n".join(markdown.value for markdown in app.markdown)
    assert "**Title**" in text
    assert "- *one* `a$b`" in text
    assert r"\<img src=x\> \[l\]\(http:" in text


def test_signs_that_show_nothing_are_escaped() -> None:
    assert visible("\x1b[31m\x07 a\tb\nc\r\nd\r") == "\\x1b[31m\\x07 a\tb\nc\nd\\x0d"
    assert visible("a\u202eb\u2066\ufeff\x00\x85") == "a\\u202eb\\u2066\\ufeff\\x00\\x85"
    assert visible("👩‍👩‍👧 مرحبا é") == "👩‍👩‍👧 مرحبا é"
    assert excerpt("a\n\x1bb" + "c" * 100, 10) == "a \\x1bbcccc…" or "\\x1b" in excerpt(
        "a\x1bb", 10
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**b** and *i* and `c*d*`", "**b** and *i* and `c*d*`"),
        ("2 * 3 * 4", r"2 \* 3 \* 4"),
        ("![x](http://a.b)", "\\!\\[x\\]\\(http:\u2060//a.b\\)"),
        ("a <b> $x$ :red[y]", r"a \<b\> \$x\$ \:red\[y\]"),
        ("open ` tick", r"open \` tick"),
    ],
)
def test_lines_keep_emphasis_and_code_only(text: str, expected: str) -> None:
    assert inline(text) == expected


def test_parts_are_code_and_safe_prose() -> None:
    text = "intro\n~~~js\nlet a = '`'\n~~~\n| a | b |\n|---|---|\n| <i> | 2 |\n> said\n```\nopen"
    found = list(parts_of(text))
    assert [(part.kind, part.language) for part in found] == [
        ("prose", None),
        ("code", "js"),
        ("prose", None),
        ("code", None),
    ]
    assert found[1].text == "let a = '`'"
    assert "|---|---|" in found[2].text
    assert r"| \<i\> | 2 |" in found[2].text
    assert found[3].text == "open"


def test_a_line_of_pipes_alone_is_no_table() -> None:
    (part,) = parts_of("| a | b |\nmore")
    assert part.text.startswith(r"\| a \| b \|")
