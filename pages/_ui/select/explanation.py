"""Why a row is in or out: a part of the Select page.

The sentence comes first, then a small table. Texts of rows are shown literally. Knows an
explanation, nothing of how it is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import streamlit as st

from pages._ui.format import counted, number, plain, shortened

if TYPE_CHECKING:
    from nncift_core.pipeline.explained import RowExplanation, TargetLine
    from nncift_core.pipeline.explanation import Explanation
    from nncift_core.pipeline.view import RunView

LETTERS = 120
_ROWS_NAMED = 3


class HasView(Protocol):
    """A desk, or anything else that knows its run."""

    @property
    def view(self) -> RunView:
        """The run."""


class HasExplanation(Protocol):
    """What the page shows of a live selection, as far as it is read here."""

    @property
    def explanation(self) -> Explanation:
        """Why its rows are in and others out."""


def row_explanation(desk: HasView, shown: HasExplanation, position: int) -> None:
    """Why one row is in or out: a sentence, then its targets and who covers them.

    Args:
        desk: The run.
        shown: The part of the live selection that the page shows.
        position: The row's position in the pool.
    """
    row = shown.explanation.row(position)
    st.markdown(plain(row.sentence))
    if desk.view.pointwise or not row.targets:
        return
    st.dataframe(
        target_table(row),
        hide_index=True,
        key=f"targets-of-{row.row_id}",
        height=min(420, 38 + 35 * len(row.targets)),
        column_config={"Target": st.column_config.TextColumn(width="large")},
        alt=table_words(row),
    )
    st.caption(scale_words(row))


def target_table(row: RowExplanation) -> dict[str, list[Any]]:
    """The targets of a row: text, value, and the chosen row that it is compared with."""
    lines = row.targets
    table: dict[str, list[Any]] = {"Target": [shortened(line.prompt, LETTERS) for line in lines]}
    if any(line.subtask for line in lines):
        table["Subtask"] = [line.subtask or "" for line in lines]
    other = "Best other chosen row" if row.chosen else "Best chosen row"
    return table | {
        "This row": [value_words(line.value, line.value_original) for line in lines],
        other: [value_words(line.other, line.other_original) for line in lines],
        "Difference": [_signed(line) for line in lines],
        "Who": [line.other_row_id or "nobody" for line in lines],
        "Covered best by": ["this row" if line.best else "the other" for line in lines],
    }


def table_words(row: RowExplanation) -> str:
    """The table in words, for those who cannot see it."""
    best = sum(line.best for line in row.targets)
    return (
        f"{counted(len(row.targets), 'target')} of row {row.row_id}: {best} of them it covers "
        "better than every other chosen row"
    )


def scale_words(row: RowExplanation) -> str:
    """What the numbers mean, and who covers most of a left-out row's targets."""
    words = (
        "Influence on each target, 0 at the lowest training label and 1 at the highest; in "
        "brackets as the influence function measures it."
    )
    if not row.covered_by:
        return words
    rows = [
        f"{plain(row_id)} ({counted(targets, 'target')})"
        for row_id, targets in row.covered_by[:_ROWS_NAMED]
    ]
    return f"Most of them are covered by chosen rows {', '.join(rows)}. {words}"


def value_words(value: float | None, original: float | None) -> str:
    """``0.81 (0.4)``: on the common scale, and as the influence function measures it."""
    if value is None:
        return "-"
    return number(value) if original is None else f"{number(value)} ({number(original)})"


def _signed(line: TargetLine) -> str:
    sign = "+" if line.difference > 0 else "-" if line.difference < 0 else ""
    return f"{sign}{number(abs(line.difference))}"
