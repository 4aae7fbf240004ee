"""Export: take it to the trainer. Format, preview, the file with its manifest, trainer, hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from nncift_core.export import SCORE_COLUMNS
from nncift_core.store import SelectionRecord
from pages._ui import selections
from pages._ui.errors import user_errors
from pages._ui.export.choice import Choice, draw_choice
from pages._ui.export.earlier import draw_earlier
from pages._ui.export.file import draw_file, find_made
from pages._ui.export.hub import draw_hub
from pages._ui.export.trainer import draw_trainer
from pages._ui.format import plain
from pages._ui.navigation import next_step
from pages._ui.select.state import Fields
from pages._ui.shell import Context, page_setup

if TYPE_CHECKING:
    from nncift_core.pipeline.export_rows import Which
    from nncift_core.pipeline.exporting import ExportPreview

# A longer row is cut in the preview, never in the file. (No string: Streamlit would show it.)
_SHOWN_CHARACTERS = 2_000


def main() -> None:
    """Draw the page."""
    context = page_setup("Export", "Take it to the trainer.", needs="result")
    with user_errors(stop=True):
        stored = context.workspace.catalog.selections(context.run.run_id)
        if not stored:
            st.info("Nothing is selected yet, so there is nothing to export.")
            next_step("select", "Choose what to keep")
            return
        record = _selection(stored)
        fields = Fields(context.run.run_id)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            choice = draw_choice(context, record, fields)
        made = find_made(context, choice)
        with right:
            preview = cached_preview(
                context.workspace.path,
                record.id,
                choice.schema,
                choice.which,
                choice.scores,
                context,
            )
            made = draw_file(context, choice, made, preview.rows, preview.notes)
            draw_hub(context, made)
        _preview(choice, preview.lines)
        draw_trainer(context, choice, fields)
        draw_earlier(context)


def _selection(stored: list[SelectionRecord]) -> SelectionRecord:
    """The selection that the URL names, or the newest; says so where there is no such one."""
    names = {record.id: selections.selection_words(record) for record in stored}
    wanted = st.query_params.get(selections.SELECTION)
    if wanted is not None and wanted not in names:
        st.info(
            f"The selection {plain(wanted[:80])} is not in this run (any more); "
            "this is the newest one.",
            icon=":material/info:",
        )
    current = selections.switcher(names)
    return next(record for record in stored if record.id == current)


def _preview(choice: Choice, lines: tuple[str, ...]) -> None:
    words = "as they will be written"
    if choice.schema == "parquet":
        words = "each row of the table as an object"
    st.markdown(f"**The first {len(lines)} rows**, {words}")
    for line in lines:
        st.code(line[:_SHOWN_CHARACTERS], language=None, wrap_lines=True, height=104)
        if len(line) > _SHOWN_CHARACTERS:
            st.caption(
                f"{_SHOWN_CHARACTERS:,} of {len(line):,} characters are shown; "
                "the file has all of them."
            )
    if choice.scores:
        with st.expander("What the extra columns mean"):
            for name, meaning in SCORE_COLUMNS.items():
                st.markdown(f"`{name}`: {meaning}")


@st.cache_data(max_entries=64, show_spinner="Reading rows ...")
def cached_preview(
    workspace_path: Path,
    selection_id: str,
    schema: str,
    which: Which,
    scores: bool,
    _context: Context,
) -> ExportPreview:
    """The first rows as they will be in the file, and what the format cannot hold."""
    from nncift_core.pipeline import preview_selection

    return preview_selection(
        _context.workspace, selection_id, schema=schema, which=which, scores=scores
    )


main()
