"""Keeping the selection that is shown, under a name; or saying under which name it is kept.

Knows the live selection and the stored ones; what a stored selection holds is the library's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.errors import NNCIFTError
from nncift_core.store import SelectionRecord
from pages._ui import selections
from pages._ui.access import may_change
from pages._ui.errors import error_box
from pages._ui.format import counted, plain
from pages._ui.navigation import next_step
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.browsing import Shown
    from nncift_core.pipeline.curation import Desk

_NAME = "selection-name"
_PROBLEM = "save-problem"
_SAVED = "selection-saved"


def save_form(
    context: Context, desk: Desk, shown: Shown, stored: Sequence[SelectionRecord]
) -> None:
    """Name and button while the selection is not kept; else its name and the next step.

    Args:
        context: What the page is about.
        desk: The run's desk.
        shown: What is chosen.
        stored: The run's stored selections, the oldest first.
    """
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        error_box(problem)
    if st.session_state.pop(_SAVED, False):
        # The page lists what is kept, and this part of it is drawn by itself.
        st.rerun()
    if not shown.n_rows or shown.demanded > shown.n_rows:
        # Nothing, or not what was demanded: the page says so.
        return
    kept = _kept_as(context, shown, stored)
    with st.container(horizontal=True, vertical_alignment="center", key="select-keep"):
        if kept is not None:
            selections.remember_selection(kept.id)
            st.markdown(
                f":material/check_circle: Kept as **{plain(kept.name)}**, "
                f"{counted(kept.row_count, 'row')}.",
                width="stretch",
            )
            next_step("export", "Take it to the trainer")
            return
        title = selections.objective_title(shown.live.objective)
        st.text_input(
            "Keep it under the name",
            max_chars=80,
            key=_NAME,
            placeholder=f"Name, for example {title}",
            label_visibility="collapsed",
            width=320,
        )
        st.button(
            "Keep this selection",
            type="primary",
            key="select",
            icon=":material/bookmark_add:",
            on_click=_save,
            args=(desk, shown, title),
            disabled=not may_change(),
            help="So that you can compare and export it. It then stays as it is, whatever you "
            "change here.",
        )


def _save(desk: Desk, shown: Shown, title: str) -> None:
    from nncift_core.pipeline.curation import save_selection

    name = str(st.session_state.get(_NAME, "")).strip() or title
    try:
        record = save_selection(desk, shown.live, shown.n_rows, name)
    except NNCIFTError as error:
        st.session_state[_PROBLEM] = error
        return
    selections.remember_selection(record.id)
    st.session_state[_NAME] = ""
    st.session_state[_SAVED] = True


def _kept_as(
    context: Context, shown: Shown, stored: Sequence[SelectionRecord]
) -> SelectionRecord | None:
    """The newest stored selection of the same rows in the same order, None if there is none."""
    chosen: list[str] | None = None
    for record in reversed(stored):
        if (record.objective, record.row_count) != (shown.live.objective, shown.n_rows):
            continue
        chosen = shown.chosen_ids if chosen is None else chosen
        if cached_ids(context.workspace.path, record.id, context.workspace) == chosen:
            return record
    return None


@st.cache_resource(max_entries=8, show_spinner=False)
def cached_ids(workspace_path: Path, selection_id: str, _workspace: Any) -> list[str]:
    """Ids of a stored selection's rows in their order; they never change."""
    return [row.row_id for row in _workspace.catalog.selection_rows(selection_id)]
