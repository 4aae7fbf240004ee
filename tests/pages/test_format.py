"""Numbers, durations and escapes as people read them."""

from __future__ import annotations

import datetime
import math

import pytest

from pages._ui.format import (
    about,
    ago,
    duration,
    file_size,
    in_app,
    number,
    percent,
    plain,
    plus_minus,
    shortened,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.031234, "0.0312"),
        (12434.5, "12,400"),
        (0.99999, "1.00"),
        (99.96, "100"),
        (-0.5, "-0.500"),
        (0, "0"),
        (math.nan, "-"),
        (None, "-"),
    ],
)
def test_number(value, text) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0025, "0.25 %"), (0.61, "61 %"), (1.0, "100 %"), (0.05, "5 %")]
)
def test_percent(share, text) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (9.97, "10 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (3599.9, "1 h"),
        (7500, "2 h 5 min"),
        (300000, "3 days 11 h"),
        (-1, "-"),
        (math.inf, "-"),
    ],
)
def test_duration(seconds, text) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "~ 1 s"),
        (7, "~ 7 s"),
        (44, "~ 40 s"),
        (58, "~ 1 min"),
        (200, "~ 3 min"),
        (3599, "~ 1 h"),
        (5400, "~ 1.5 h"),
    ],
)
def test_about(seconds, text) -> None:
    assert about(seconds) == text


def test_ago() -> None:
    now = datetime.datetime(2026, 5, 4, 12, tzinfo=datetime.UTC)
    assert ago("2026-05-04T11:59:30+00:00", now) == "just now"
    assert ago("2026-05-04T10:30:00+00:00", now) == "1 h ago"
    assert ago("2026-05-02T10:30:00", now) == "2 days ago"
    assert ago("no time", now) == "no time"


def test_file_size() -> None:
    assert [file_size(size) for size in (1, 999, 14_000, 3_100_000)] == [
        "1 byte",
        "999 bytes",
        "14.0 kB",
        "3.10 MB",
    ]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<script>", r"\<script\>"),
        ("*a* _b_ `c` ~d~", r"\*a\* \_b\_ \`c\` \~d\~"),
        ("[x](y) ![z](w)", r"\[x\]\(y\) \!\[z\]\(w\)"),
        ("$x$ :red[y] &lt;", r"\$x\$ \:red\[y\] \&lt;"),
        ("# title", r"\# title"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("two\nlines", "two lines"),
        ("plain words: 3.5 - 2", "plain words: 3.5 - 2"),
    ],
)
def test_plain(text, escaped) -> None:
    assert plain(text) == escaped


def test_plain_breaks_shortcodes() -> None:
    assert ":smile:" not in plain(":smile:").replace("\\", "")
    assert ":material/home:" not in plain(":material/home:").replace("\\", "")


def test_plain_makes_no_links() -> None:
    assert plain("https://a.b www.c.d e@f.g") == "https:\u2060//a.b www\u2060.c.d e\u2060@f.g"


def test_in_app() -> None:
    hint = "Use a label fraction of 0.1 or more, or --exact; a--b.jsonl, '--label-fraction 1'."
    assert in_app(hint) == (
        "Use a label fraction of 0.1 or more, or exact; a--b.jsonl, 'label fraction 1'."
    )


def test_shortened() -> None:
    assert shortened("a b\n c", 10) == "a b c"
    assert shortened("x" * 300, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("value", "half_width", "text"),
    [
        (0.31, 0.0812, "0.310 ± 0.081"),
        (-0.31, 0.0812, "-0.310 ± 0.081"),
        (12345.6, 78.2, "12,346 ± 78"),
        (0.5, 0.0999, "0.500 ± 0.100"),
        (0.31, None, "~ 0.310"),
        (0.31, math.nan, "~ 0.310"),
        (math.nan, 0.1, "~ -"),
        # It is not off at all: a label.
        (0.31, 0.0, "0.310"),
    ],
)
def test_plus_minus(value, half_width, text) -> None:
    assert plus_minus(value, half_width) == text
