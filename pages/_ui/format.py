"""Numbers, durations and times as people read them, and user text made safe for markdown.

Knows nothing of Streamlit or of what the numbers mean.
"""

from __future__ import annotations

import datetime
import math
import re

_DIGITS = 3

# What Streamlit's markdown gives a meaning inside a line, HTML and formulas included, and what
# begins a list or a heading at its start.
_MARKDOWN = re.compile(
    r"([\\`*_{}\[\]()<>#!|~$&]|:(?=\w)|^[+\-=](?=\s|[+\-=]|$)|(?<=^\d)[.)]|(?<=^\d\d)[.)])"
)
# What is replaced only after escapes are resolved: shortcodes (:smile:, :material/home:) and
# bare addresses, which would become links.
_LATE = re.compile(r":(?=[\w+\-/]+:|//)|(?<=www)(?=\.)|(?<=\w)(?=@\w)")
_OPTION = re.compile(r"(?<![^\s('\"`])--([a-z]+(?:-[a-z]+)*)")
_NO_BREAK = "\u2060"


def number(value: float | None, digits: int = _DIGITS) -> str:
    """Three significant digits with thousands separators: ``0.0312``, ``12,400``; ``-`` if None."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    # 0.9999 became 1.0, which has one digit more before the point.
    if abs(rounded) >= 10.0 ** (digits - places):
        places -= 1
    return f"{rounded:,.{max(0, places)}f}"


def coefficient(value: float | None) -> str:
    """An R² or a correlation, to three decimals at most: ``0.432``, ``-0.005``, ``1.00``."""
    if value is None or not math.isfinite(value):
        return "-"
    rounded = round(value, _DIGITS)
    if rounded == 0:
        return "0"
    return f"{rounded:.{_DIGITS}f}" if abs(rounded) < 1 else number(rounded)


def plus_minus(value: float, half_width: float | None) -> str:
    """A value with how far it may be off, to two digits of that: ``0.310 ± 0.081``.

    Only the value, with a ``~``, where that is not known.
    """
    if half_width is None or not math.isfinite(half_width) or not math.isfinite(value):
        return f"~ {number(value)}"
    if half_width <= 0:
        return number(value)
    places = max(0, 1 - math.floor(math.log10(half_width)))
    return f"{value:,.{places}f} ± {half_width:,.{places}f}"


def count(value: int | None) -> str:
    """A whole number with thousands separators; ``-`` if None."""
    return "-" if value is None else f"{value:,}"


def counted(value: int, noun: str, plural: str = "") -> str:
    """``1 row``, ``1,200 rows``."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def percent(share: float | None) -> str:
    """A share as a percentage of at most three significant digits: ``0.25 %``, ``61 %``."""
    if share is None or not math.isfinite(share):
        return "-"
    text = number(100 * share)
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def duration(seconds: float | None) -> str:
    """``0.4 s``, ``42 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 days 4 h``; ``-`` if None."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return "-"
    if seconds < 9.95 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for large, name, small, rest in ((86_400, "day", 3_600, "h"), (3_600, "h", 60, "min")):
        if whole >= large:
            first, second = divmod(whole // small * small, large)
            plural = "s" if name == "day" and first > 1 else ""
            return f"{first} {name}{plural}" + (f" {second // small} {rest}" if second else "")
    if whole >= 60:
        first, second = divmod(whole, 60)
        return f"{first} min" + (f" {second} s" if second else "")
    return f"{whole} s"


def about(seconds: float | None) -> str:
    """A duration that is an estimate: ``~ 40 s``, ``~ 3 min``, ``~ 1.5 h``."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return "-"
    if seconds < 9.5:
        return f"~ {max(1, round(seconds))} s"
    if seconds < 55:
        return f"~ {round(seconds, -1):.0f} s"
    if seconds < 3_570:
        return f"~ {seconds / 60:.0f} min"
    return f"~ {seconds / 3_600:,.1f}".removesuffix(".0") + " h"


def file_size(size: int) -> str:
    """``512 bytes``, ``14 kB``, ``3.1 MB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{number(size / factor)} {unit}"
    return counted(size, "byte")


def moment(iso: str) -> str:
    """An ISO time as the local ``2026-05-04 13:20``; the text itself if it is none."""
    try:
        when = datetime.datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return when.astimezone().strftime("%Y-%m-%d %H:%M")


def ago(iso: str, now: datetime.datetime | None = None) -> str:
    """``just now``, ``5 min ago``, ``3 h ago``, ``2 days ago``, then the date."""
    try:
        when = datetime.datetime.fromisoformat(iso)
    except ValueError:
        return iso
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    seconds = ((now or datetime.datetime.now(datetime.UTC)) - when).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3_600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 86_400:
        return f"{seconds // 3_600:.0f} h ago"
    if seconds < 14 * 86_400:
        days = int(seconds // 86_400)
        return f"{counted(days, 'day')} ago"
    return when.astimezone().strftime("%Y-%m-%d")


def plain(text: str) -> str:
    """User text for a place that reads markdown (labels, captions): shown as it stands.

    Line breaks become spaces. Use ``st.text`` or ``st.code`` for longer texts.
    """
    one_line = " ".join(text.split())
    one_line = _LATE.sub(lambda found: f"{found[0]}{_NO_BREAK}", one_line)
    return _MARKDOWN.sub(r"\\\1", one_line)


def in_app(text: str) -> str:
    """A sentence of the library without the command line's dashes: ``--exact`` is ``exact``."""
    return _OPTION.sub(lambda found: found[1].replace("-", " "), text)


def shortened(text: str, length: int = 200) -> str:
    """The beginning of a text on one line, cut with an ellipsis."""
    one_line = " ".join(text[: 4 * length].split())
    if len(one_line) <= length and len(text) <= 4 * length:
        return one_line
    return one_line[: length - 1].rstrip() + "…"
