"""The one colour of each method, from Okabe and Ito's palette.

Colours that are told apart with any common colour blindness. Knows names only.
"""

from __future__ import annotations

METHOD_COLORS = {
    "delift-se": "#0072B2",
    "delift": "#E69F00",
    "less": "#009E73",
    "selectit": "#CC79A7",
}
_OTHERS = ("#56B4E9", "#D55E00")


def method_color(name: str) -> str:
    """The colour of a method; one of two where it has none of its own."""
    return METHOD_COLORS.get(name) or _OTHERS[sum(name.encode()) % len(_OTHERS)]
