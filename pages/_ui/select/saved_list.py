"""The kept selections of a run: open, rename, delete, compare.

Nothing here changes the rows of a stored selection. Knows what the catalog holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from nncift_core.store import SelectionRecord
from pages._ui import selections, state
from pages._ui.access import may_change
from pages._ui.compare.comparison import COMPARED, LEAST, MOST
from pages._ui.errors import user_errors
from pages._ui.format import ago, counted, plain
from pages._ui.navigation import link_to
from pages._ui.shell import Context

_FEW = 6


def saved_list(context: Context, stored: Sequence[SelectionRecord]) -> None:
    """Every stored selection of the run, the newest first, with what can be done to it."""
    st.subheader("Kept selections of this run", anchor=False)
    if not stored:
        st.caption("Nothing is kept yet. What you keep stays here, with its rows and demands.")
        return
    newest = stored[::-1]
    everything = len(newest) <= _FEW or st.toggle(f"Show all {len(newest):,}", key="saved-all")
    for record in newest if everything else newest[:_FEW]:
        _saved_line(context, record)
    if len(stored) >= LEAST:
        newest_ids = ",".join(record.id for record in newest[:MOST])
        link_to("compare", "Compare them", state.link() | {COMPARED: newest_ids})


def _saved_line(context: Context, record: SelectionRecord) -> None:
    """One selection with its buttons, which stay in one line as long as there is room."""
    fixed = record.exported_at is not None
    with st.container(horizontal=True, vertical_alignment="center", key=f"kept-{record.id}"):
        st.markdown(
            f"{plain(selections.selection_words(record))}  \n"
            f":gray[{ago(record.created_at)}{', exported: it stays as it is' if fixed else ''}]",
            width="stretch",
        )
        st.button(
            "Open",
            key=f"open-{record.id}",
            on_click=selections.open_selection,
            args=(record.id,),
        )
        if fixed or not may_change():
            return
        with st.popover("Rename"):
            key = f"name-{record.id}"
            st.text_input("Name", value=record.name, max_chars=80, key=key)
            st.button(
                "Rename it", key=f"rename-{record.id}", on_click=_rename, args=(context, record)
            )
        if record.is_first:
            return
        with st.popover("Delete"):
            st.markdown(f"Its list of {counted(record.row_count, 'row')} goes; the rows stay.")
            st.button(
                "Delete it", key=f"delete-{record.id}", on_click=_delete, args=(context, record)
            )


def _rename(context: Context, record: SelectionRecord) -> None:
    with user_errors():
        name = str(st.session_state[f"name-{record.id}"]).strip()
        if name and name != record.name:
            context.workspace.catalog.rename_selection(record.id, name)


def _delete(context: Context, record: SelectionRecord) -> None:
    with user_errors():
        context.workspace.delete_selection(record.id)
        if selections.wanted_selection() == record.id:
            selections.close_selection()
