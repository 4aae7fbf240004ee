"""More rows for a finished run: files, mapping, and the button that makes the longer run."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from nncift_core import jobs
from nncift_core.errors import NNCIFTError
from pages._ui.data.mapping import draw_mapping
from pages._ui.data.uploads import Upload, upload_box, uploads
from pages._ui.errors import user_errors
from pages._ui.format import counted, plain
from pages._ui.navigation import go
from pages._ui.runs import run_status, settings_words
from pages._ui.selections import budget_words
from pages._ui.shell import Context
from pages._ui.state import PROJECT, RUN

ADDED = "added"
"""In the URL: the files to add."""


def draw_extend(context: Context) -> None:
    """The way from new files to a run on the longer pool, folded until somebody wants it."""
    if context.found_run is None:
        return
    opened = bool(uploads(context.workspace, ADDED))
    with (
        st.expander("Add rows to this run", icon=":material/playlist_add:", expanded=opened),
        user_errors(),
    ):
        if run_status(context.workspace, context.run) != "done":
            st.caption("Rows can be added once the run in view has finished.")
            return
        problem = _problem(context)
        if problem is not None:
            st.caption(f"{plain(problem.message)} {plain(problem.hint)}")
            return
        _draw_files(context)


def _problem(context: Context) -> NNCIFTError | None:
    """Why the run in view cannot be extended, None where it can."""
    from nncift_core.pipeline import extendable

    try:
        extendable(context.workspace, context.run.run_id)
    except NNCIFTError as error:
        return error
    return None


def _draw_files(context: Context) -> None:
    budget = str(context.run.config.get("config", {}).get("budget", ""))
    st.markdown(
        f"The run **{settings_words(context.run)}** takes new rows without labelling or training: "
        "they are embedded, its estimates predict them, and the selection is made again from "
        f"all rows. As before it keeps {budget_words(budget)}. The longer pool becomes a project "
        "of its own; this one stays as it is."
    )
    files = upload_box(context.workspace, ADDED, "Files with new rows", several=True)
    overrides = draw_mapping(context.workspace, ADDED, files)
    if not files:
        st.caption("Rows that the pool holds already are left out.")
    if st.button(
        "Add the rows",
        disabled=not files or overrides is None,
        icon=":material/playlist_add_check:",
        key="extend",
    ):
        _extend(context, files, overrides or {})


def _extend(context: Context, files: Sequence[Upload], overrides: dict[str, str]) -> None:
    from nncift_core import pipeline

    workspace = context.workspace
    with st.spinner("Reading and storing the rows ...", show_time=True):
        imported = pipeline.import_files(
            workspace,
            [file.path(workspace) for file in files],
            names=None if files[0].hub else [file.name for file in files],
            overrides=overrides or None,
        )
        run_id = pipeline.extend_run(workspace, context.run.run_id, imported.source)
    jobs.start(workspace.run_dir(run_id))
    st.toast(f"{counted(imported.record.accepted, 'row')} read; the longer run has begun.")
    go("run", {PROJECT: workspace.catalog.run(run_id).project_id, RUN: run_id})
