"""Select: what do I keep? A live selection that obeys the curator, and the ones that were kept."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from nncift_core.store import SelectionRecord
from pages._ui import selections
from pages._ui.access import may_change
from pages._ui.errors import user_errors
from pages._ui.format import plain
from pages._ui.job_panel import job_panel
from pages._ui.navigation import next_step
from pages._ui.select.desk import open_desk
from pages._ui.select.panel import live_panel
from pages._ui.select.saved import saved_view
from pages._ui.select.saved_list import saved_list
from pages._ui.shell import Context, page_setup


def main() -> None:
    """Draw the page."""
    context = page_setup("Select", "What do I keep?", needs="result")
    with user_errors(stop=True):
        stored = context.workspace.catalog.selections(context.run.run_id)
        pending = _pending(context)
        opened = _opened(stored, pending)
        if opened is not None:
            saved_view(context, opened)
            st.divider()
            next_step("export", "Take it to the trainer")
        else:
            desk = open_desk(context.workspace.path, context.run.run_id, context.workspace)
            live_panel(context, desk, stored)
            st.divider()
            saved_list(context, stored)


def _opened(stored: list[SelectionRecord], pending: Collection[str]) -> SelectionRecord | None:
    """The stored selection in the URL; None while something is being chosen."""
    wanted = st.query_params.get(selections.SELECTION)
    found = next((record for record in stored if record.id == wanted), None)
    if found is not None:
        selections.open_selection(found.id)
    elif wanted is not None and wanted not in pending:
        st.info(
            f"The selection {plain(wanted)} is not in this run (any more).",
            icon=":material/info:",
        )
    return found


def _pending(context: Context) -> list[str]:
    """Selections that jobs make: they wait, work, or ended without a result. Gives their ids."""
    from nncift_core.pipeline import pending_selections

    pending = pending_selections(context.workspace, context.run.run_id)
    for place, job in enumerate(pending):
        key = "selection-job" if place == 0 else f"selection-job-{place}"
        with st.container(border=True):
            budget = selections.budget_words(job.budget)
            st.text(selections.named(job.name, job.objective, f"{budget} (not done)"))
            state = job_panel(job.folder, stages={"select": "rows"}, key=key)
            if state is not None and not state.live:
                st.button(
                    "Remove it",
                    key="discard" if place == 0 else f"discard-{place}",
                    icon=":material/delete:",
                    on_click=_discard,
                    args=(context, job.id),
                    disabled=not may_change(),
                    help="Nothing was selected yet, so nothing is lost.",
                )
    return [job.id for job in pending]


def _discard(context: Context, selection_id: str) -> None:
    with user_errors():
        from nncift_core.pipeline import discard_selection

        discard_selection(context.workspace, context.run.run_id, selection_id)


main()
