"""How far the score of a row may be off: a column of a table of rows, and a sentence below it.

Knows a run's stored intervals, nothing of how they were calibrated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nncift_core.types import FloatArray
from pages._ui.format import number, percent

if TYPE_CHECKING:
    from nncift_core.pipeline.view import RunView

COLUMN = "±"
NEGLIGIBLE = 1e-4
"""Of the range of the influence: half widths below this share are not written out."""


def doubt_column(view: RunView, positions: Iterable[int]) -> dict[str, list[str]]:
    """A column for a table of these rows; no column where nothing is known."""
    widths = view.row_half_width()
    if not _known(widths):
        return {}
    return {COLUMN: [_words(view, float(widths[i])) for i in positions]}


def doubt_words(view: RunView) -> str:
    """What the column means; empty where there is none."""
    if not _known(view.row_half_width()):
        return ""
    level = float(view.uncertainty["level"])
    what = "score" if view.pointwise else "mean influence"
    return (
        f"{COLUMN}: the true {what} of {percent(level)} of such rows is that close or closer. "
        "It holds on average over rows, not for each of them."
    )


def _known(widths: FloatArray) -> bool:
    """Whether an interval is known; a label has none of its own."""
    return bool((widths > 0).any())


def small_doubt(view: RunView, width: float) -> str:
    """A half width to two digits; what no chart could show only as being below that."""
    least = NEGLIGIBLE * float(view.overview["highest"] - view.overview["lowest"])
    return f"< {number(least, 1)}" if 0 < width < least else number(width, 2)


def _words(view: RunView, width: float) -> str:
    return "label" if width == 0 else small_doubt(view, width)
