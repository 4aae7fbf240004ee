"""The tables of a live selection: chosen rows and rows left out, with search, pins and bans.

One page of rows goes to the browser at a time. Knows lines of a table, not how rows are chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.selection.left_out import KINDS
from pages._ui import selections
from pages._ui.curation import row_buttons
from pages._ui.format import number, shortened
from pages._ui.selection_state import Fields, follow

if TYPE_CHECKING:
    from nncift_core.pipeline.browsing import ChosenLine, LeftOutLine, Shown
    from nncift_core.selection.actions import Curation
    from nncift_core.store import Workspace
    from nncift_core.types import IndexArray, Row

CHOSEN, LEFT_OUT, COVERAGE = "Chosen rows", "Left out", "Coverage"
HEIGHT = 420

Search = Callable[[str], "IndexArray"]
Explain = Callable[[int], None]


class Tables:
    """The tables of one page view.

    Args:
        workspace: Where the log is kept.
        run_id: The run.
        shown: What is chosen.
        log: The demands in force.
        version: Changes with every action, so that ticks do not move on to other rows.
        search: Positions of the rows that hold a text.
        explain: Draws why the row at a position is in or out.
    """

    def __init__(
        self,
        workspace: Workspace,
        run_id: str,
        shown: Shown,
        log: Curation,
        version: str,
        search: Search,
        explain: Explain,
    ) -> None:
        self._workspace, self._run_id = workspace, run_id
        self._shown, self._log, self._version = shown, log, version
        self._search, self._explain = search, explain

    def chosen(self) -> None:
        """Chosen rows by rank."""
        bar = st.container()
        drawn = selections.rows_page(
            "chosen", self._fetch_chosen, self._draw_chosen(bar), nothing="Nothing is chosen."
        )
        if not drawn:
            self._buttons(bar, [])

    def left_out(self, fields: Fields) -> None:
        """Rows left out, with why; those that a larger budget takes come first."""
        kind = self._kind(fields)
        bar = st.container()

        def fetch(search: str, offset: int, limit: int) -> tuple[list[LeftOutLine], int]:
            return self._shown.left_out_page(
                kind=kind, matches=self._matches(search), offset=offset, limit=limit
            )

        drawn = selections.rows_page(
            "left-out", fetch, self._draw_left_out(bar), nothing="No row is left out."
        )
        if not drawn:
            self._buttons(bar, [])

    def _fetch_chosen(self, search: str, offset: int, limit: int) -> tuple[list[ChosenLine], int]:
        return self._shown.chosen_page(matches=self._matches(search), offset=offset, limit=limit)

    def _matches(self, search: str) -> IndexArray | None:
        return self._search(search) if search else None

    def _kind(self, fields: Fields) -> str:
        counts = self._shown.left_out_counts
        options = {"all": f"all of them ({sum(counts.values()):,})"} | {
            kind: f"{words} ({counts[kind]:,})" for kind, words in KINDS.items() if kind in counts
        }
        follow("left-out-kind", fields.choice("out", options, "all"))

        def chosen() -> None:
            fields.put("out", st.session_state["left-out-kind"], "all")
            st.session_state["left-out-offset"] = 0

        st.selectbox(
            "Rows left out because",
            list(options),
            format_func=options.__getitem__,
            key="left-out-kind",
            on_change=chosen,
        )
        return str(st.session_state["left-out-kind"])

    def _draw_chosen(self, bar: Any) -> Callable[[list[ChosenLine]], None]:
        def draw(lines: list[ChosenLine]) -> None:
            columns: dict[str, list[Any]] = {
                "Rank": [line.rank for line in lines],
                "Gain" if self._shown.has_rounds else "Score": [
                    number(line.gain) for line in lines
                ],
            }
            if self._shown.has_rounds:
                columns["Round"] = [line.round for line in lines]
            columns["Why"] = [line.why for line in lines]
            self._table("chosen", columns, lines, bar, "Chosen rows with rank, reason and text")

        return draw

    def _draw_left_out(self, bar: Any) -> Callable[[list[LeftOutLine]], None]:
        def draw(lines: list[LeftOutLine]) -> None:
            columns: dict[str, list[Any]] = {"Why it is out": [line.why for line in lines]}
            self._table("left-out", columns, lines, bar, "Rows left out with reason and text")

        return draw

    def _table(
        self,
        key: str,
        columns: dict[str, list[Any]],
        lines: Sequence[ChosenLine] | Sequence[LeftOutLine],
        bar: Any,
        alt: str,
    ) -> None:
        """The table of a page, the buttons above it, and the ticked row below it."""
        columns |= {
            "Prompt": [shortened(line.row.prompt) for line in lines],
            "Response": [shortened(line.row.response) for line in lines],
            "Input row": [line.input_row for line in lines],
            "Row id": [line.row.id for line in lines],
        }
        # Ticks are places in a table, so other rows mean another table.
        ids = hash(tuple(columns["Row id"]))
        event = st.dataframe(
            columns,
            hide_index=True,
            height=HEIGHT,
            key=f"{key}-table-{self._version}-{ids}",
            on_select="rerun",
            selection_mode="multi-row",
            column_config={
                name: st.column_config.TextColumn(width="medium")
                for name in ("Why", "Why it is out")
            },
            alt=alt,
        )
        places = [place for place in event["selection"]["rows"] if place < len(lines)]
        ticked = [lines[place] for place in sorted(places)]
        self._buttons(bar, [line.row.id for line in ticked])
        if not ticked:
            st.caption("Tick a row to read it in full and to see why it is in or out.")
            return
        if len(ticked) > 1:
            st.caption(f"{len(ticked):,} rows are ticked; the first of them in full:")
        self._explain(ticked[0].position)
        draw_row(ticked[0].input_row, ticked[0].row)

    def _buttons(self, bar: Any, ticked: Sequence[str]) -> None:
        row_buttons(bar, self._workspace, self._run_id, self._log, ticked)


def draw_row(input_row: int, row: Row) -> None:
    """A row in full, shown literally."""
    left, right = st.columns(2)
    for column, title, text in (
        (left, f"Prompt of input row {input_row:,}", row.prompt),
        (right, "Response", row.response),
    ):
        with column:
            st.caption(title)
            st.code(text, language=None, wrap_lines=True, height=240)
