"""The tables of a selection: chosen rows and rows left out, with the filter and the opened row.

One page of rows goes to the browser at a time. Knows lines of a table, not how rows are chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.selection.left_out import KINDS
from pages._ui import selections
from pages._ui.errors import user_errors
from pages._ui.format import counted, number, plain, shortened
from pages._ui.row_filter import filter_bar, pool_matches
from pages._ui.row_view import draw_texts
from pages._ui.select.explanation import row_explanation
from pages._ui.select.state import Fields, follow

if TYPE_CHECKING:
    from nncift_core.pipeline.curation import Desk
    from nncift_core.pipeline.row_pages import ChosenLine, LeftOutLine, RowPages
    from pages._ui.shell import Context

CHOSEN, LEFT_OUT, COVERAGE = "Chosen rows", "Left out", "Coverage"
HEIGHT = 420

_OPENED = "row"
"""In the URL: the row that is read in full."""


class Tables:
    """The tables of one page view; each gives the ids of the rows that are marked in it.

    Args:
        context: What the page is about.
        desk: The run's desk.
        fields: Where it is kept what is open.
        pages: The selection.
        version: Changes with every action, so that marks do not move on to other rows.
        key: Beginning of the keys of all fields.
    """

    def __init__(
        self,
        context: Context,
        desk: Desk,
        fields: Fields,
        pages: RowPages,
        *,
        version: str,
        key: str = "",
    ) -> None:
        self._context, self._desk, self._fields = context, desk, fields
        self._pages, self._version, self._key = pages, version, key
        self._marked: list[str] = []

    def chosen(self) -> list[str]:
        """Chosen rows by rank."""
        key = f"{self._key}chosen"
        mask = self._mask(key)
        selections.rows_page(
            key,
            lambda offset, limit: self._pages.chosen_page(mask=mask, offset=offset, limit=limit),
            self._draw_chosen,
            nothing="Nothing is chosen." if mask is None else "No chosen row matches the filter.",
        )
        self._opened_row()
        return self._marked

    def left_out(self) -> list[str]:
        """Rows left out, with why; those that a larger budget takes come first."""
        key = f"{self._key}left-out"
        kind = self._kind(key)
        mask = self._mask(key)
        selections.rows_page(
            key,
            lambda offset, limit: self._pages.left_out_page(
                kind=kind, mask=mask, offset=offset, limit=limit
            ),
            self._draw_left_out,
            nothing="No row is left out." if mask is None else "No such row matches the filter.",
        )
        self._opened_row()
        return self._marked

    def _mask(self, key: str) -> Any:
        row_filter = filter_bar(
            key,
            subtasks=self._desk.subtasks,
            on_change=lambda: selections.first_page(key),
        )
        return pool_matches(self._context, self._desk.view, row_filter)

    def _kind(self, key: str) -> str:
        counts = self._pages.left_out_counts
        options = {"all": f"all of them ({sum(counts.values()):,})"} | {
            kind: f"{words} ({counts[kind]:,})" for kind, words in KINDS.items() if kind in counts
        }
        widget = f"{key}-kind"
        follow(widget, self._fields.choice("out", options, "all"))

        def chosen() -> None:
            self._fields.put("out", st.session_state[widget], "all")
            selections.first_page(key)

        st.selectbox(
            "Rows left out because",
            list(options),
            format_func=options.__getitem__,
            key=widget,
            on_change=chosen,
            width=420,
        )
        return str(st.session_state[widget])

    def _draw_chosen(self, lines: list[ChosenLine]) -> None:
        columns: dict[str, list[Any]] = {
            "Rank": [line.rank for line in lines],
            "Gain" if self._pages.has_rounds else "Score": [number(line.gain) for line in lines],
        }
        if self._pages.has_rounds:
            columns["Round"] = [line.round for line in lines]
        columns["Why"] = [line.why for line in lines]
        self._table("chosen", columns, lines, "Chosen rows with rank, reason and text")

    def _draw_left_out(self, lines: list[LeftOutLine]) -> None:
        columns: dict[str, list[Any]] = {"Why it is out": [line.why for line in lines]}
        self._table("left-out", columns, lines, "Rows left out with reason and text")

    def _table(
        self,
        name: str,
        columns: dict[str, list[Any]],
        lines: Sequence[ChosenLine] | Sequence[LeftOutLine],
        alt: str,
    ) -> None:
        """The table of a page; remembers which rows are marked, and opens the first of them."""
        columns |= {
            "Prompt": [shortened(line.row.prompt) for line in lines],
            "Response": [shortened(line.row.response) for line in lines],
            "Input row": [line.input_row for line in lines],
            "Row id": [line.row.id for line in lines],
        }
        # Marks are places in a table, so other rows mean another table.
        key = f"{self._key}{name}-table-{self._version}-{hash(tuple(columns['Row id']))}"
        event = st.dataframe(
            columns,
            hide_index=True,
            height=HEIGHT,
            key=key,
            on_select="rerun",
            selection_mode="multi-row",
            column_config={
                "Why": st.column_config.TextColumn(width="medium"),
                "Why it is out": st.column_config.TextColumn(width="large"),
            },
            alt=alt,
        )
        places = sorted(place for place in event["selection"]["rows"] if place < len(lines))
        self._marked = [lines[place].row.id for place in places]
        opened_by = f"{self._key}opened-by"
        if self._marked:
            self._fields.put(_OPENED, self._marked[0], "")
            st.session_state[opened_by] = key
        elif st.session_state.get(opened_by) == key:
            # The mark was taken away, so what it opened closes.
            self._close()

    def _opened_row(self) -> None:
        """The row in the URL, in full, with why it is in or out."""
        row_id = self._fields.text(_OPENED, "")
        if not row_id:
            st.caption("Tick a row to read it in full and to see why it is in or out.")
            return
        position = self._desk.facts.place.get(row_id)
        if position is None:
            st.info(
                f"The row {plain(shortened(row_id, 40))} is not in the pool of this run.",
                icon=":material/info:",
            )
            return
        others = len(self._marked) - 1
        words = f" It is the first of {counted(others + 1, 'marked row')}." if others > 0 else ""
        with st.container(border=True, key=f"{self._key}opened-row"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(
                    f"**Input row {self._desk.input_row(position):,}** · `{row_id}`{words}",
                    width="stretch",
                )
                if not self._marked:
                    st.button(
                        "Close",
                        key=f"{self._key}close-row",
                        icon=":material/close:",
                        type="tertiary",
                        on_click=self._close,
                    )
            with user_errors():
                row_explanation(self._desk, self._pages, position)
            draw_texts(self._desk.roles.pool[position], key=f"{self._key}texts-{row_id}")

    def _close(self) -> None:
        self._fields.forget(_OPENED)
        st.session_state.pop(f"{self._key}opened-by", None)
