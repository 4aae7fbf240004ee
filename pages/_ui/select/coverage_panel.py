"""How well the targets are covered: a part of the Select page.

Texts of rows are shown literally. Knows an explanation, nothing of how it is found.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages._ui.format import counted, number, percent, shortened
from pages._ui.select.coverage_charts import coverage_chart, coverage_title, drawn_groups
from pages._ui.select.explanation import LETTERS, HasExplanation, HasView, value_words

if TYPE_CHECKING:
    from nncift_core.pipeline.explained import CoverageReport, WorstLine
    from nncift_core.selection.explanations import GroupCoverage


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
            "Target": [shortened(line.prompt, LETTERS) for line in worst],
            **({"Subtask": [line.subtask or "" for line in worst]} if subtasks else {}),
            "Best chosen": [value_words(line.best, line.best_original) for line in worst],
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
