"""Why a ticked row is in or out, and how well the targets are covered: parts of the Select page.

The sentence comes first, then a small table. Texts of rows are shown literally. Knows an
explanation, nothing of how it is found.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import streamlit as st

from pages._ui.charts_coverage import coverage_chart, coverage_title, drawn_groups
from pages._ui.format import counted, number, percent, plain, shortened

if TYPE_CHECKING:
    from nncift_core.pipeline.explained import CoverageReport, RowExplanation, TargetLine, WorstLine
    from nncift_core.pipeline.explanation import Explanation
    from nncift_core.pipeline.view import RunView
    from nncift_core.selection.explanations import GroupCoverage

_LETTERS = 120
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
    table: dict[str, list[Any]] = {"Target": [shortened(line.prompt, _LETTERS) for line in lines]}
    if any(line.subtask for line in lines):
        table["Subtask"] = [line.subtask or "" for line in lines]
    other = "Best other chosen row" if row.chosen else "Best chosen row"
    return table | {
        "This row": [_value(line.value, line.value_original) for line in lines],
        other: [_value(line.other, line.other_original) for line in lines],
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


def coverage_panel(desk: HasView, shown: HasExplanation) -> None:
    """How well the targets are covered: by subtask and by cluster, and the worst of them.

    Args:
        desk: The run.
        shown: The part of the live selection that the page shows.
    """
    if desk.view.pointwise:
        st.info(
            "This influence function scores rows alone, so there are no targets to be covered.",
            icon=":material/info:",
        )
        return
    with st.spinner("Reading what the whole pool could cover ..."):
        report = shown.explanation.coverage()
    st.markdown(coverage_words(report))
    with st.grid(min_column_width=420):
        for kind, groups in (("subtask", report.subtasks), ("cluster", report.clusters)):
            if len(groups) > 1:
                with st.container():
                    _group_chart(report, kind, groups)
    _worst_table(report.worst)


def coverage_words(report: CoverageReport) -> str:
    """The finding in words."""
    whole = report.everything
    if whole.share is None:
        return "No pool row helps any target, so nothing can be covered."
    return (
        f"The chosen rows reach **{percent(whole.share)}** of what the whole pool could give the "
        f"{counted(whole.n_target, 'target')}. {percent(whole.reached)} of them have a chosen row "
        f"that is at least {percent(report.reached)} as good as the best in the pool."
    )


def group_words(groups: Sequence[GroupCoverage], kind: str) -> str:
    """What the chart of these groups leaves out, and what a cluster is."""
    words = []
    hidden = len(groups) - len(drawn_groups(groups))
    if hidden:
        words.append(f"{hidden} of {len(groups)} {kind}s are not drawn; they are covered better.")
    if kind == "cluster":
        words.append("A cluster holds targets of similar text; point at a bar to read one of them.")
    return " ".join(words)


def _group_chart(report: CoverageReport, kind: str, groups: Sequence[GroupCoverage]) -> None:
    values = ", ".join(
        f"{shortened(group.name, 40)} {percent(group.share)}" for group in drawn_groups(groups)
    )
    st.plotly_chart(
        coverage_chart(groups, report.everything, kind, report.examples),
        key=f"coverage-{kind}",
        config={"displayModeBar": False},
        alt=f"{html.unescape(coverage_title(groups, kind))}. The lowest: {values}",
    )
    words = group_words(groups, kind)
    if words:
        st.caption(words)


def _worst_table(worst: Sequence[WorstLine]) -> None:
    st.subheader("Targets covered worst", anchor=False)
    if not worst:
        st.caption("No pool row helps any target.")
        return
    subtasks = any(line.subtask for line in worst)
    st.dataframe(
        {
            "Target": [shortened(line.prompt, _LETTERS) for line in worst],
            **({"Subtask": [line.subtask or "" for line in worst]} if subtasks else {}),
            "Best chosen": [_value(line.best, line.best_original) for line in worst],
            "Best in the pool": [number(line.possible) for line in worst],
            "Share": [percent(line.share) for line in worst],
            "Chosen row": [line.best_row_id or "nobody" for line in worst],
            "Target id": [line.target_id for line in worst],
        },
        hide_index=True,
        key="worst-covered",
        height=min(420, 38 + 35 * len(worst)),
        column_config={"Target": st.column_config.TextColumn(width="large")},
        alt=f"The {counted(len(worst), 'target')} covered worst, the worst first",
    )
    st.caption(
        "Influence from 0 at the lowest training label to 1 at the highest; in brackets as the "
        "influence function measures it. Targets that no pool row helps are not listed: only more "
        "rows could serve them."
    )


def _value(value: float | None, original: float | None) -> str:
    if value is None:
        return "-"
    return number(value) if original is None else f"{number(value)} ({number(original)})"


def _signed(line: TargetLine) -> str:
    sign = "+" if line.difference > 0 else "-" if line.difference < 0 else ""
    return f"{sign}{number(abs(line.difference))}"
