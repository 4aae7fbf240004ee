"""Files that were exported before: a list with their hashes, and each to download again."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from nncift_core.export import SCHEMAS
from nncift_core.store import ExportRecord
from pages._ui.export.file import downloads
from pages._ui.format import file_size, moment
from pages._ui.shell import Context

_MOST_OFFERED = 50


def draw_earlier(context: Context) -> None:
    """The exports of the project, the newest first."""
    exports = context.workspace.catalog.exports(project_id=context.project.id)
    st.subheader("Exports of this project", anchor=False)
    if not exports:
        st.caption("None yet: they are listed here with their hashes.")
        return
    st.dataframe(
        {
            "Written": [moment(export.created_at) for export in exports],
            "File": [Path(export.path).name for export in exports],
            "Format": [_schema_title(export) for export in exports],
            "Rows": [export.rows for export in exports],
            "Size": [_size(export) for export in exports],
            "SHA-256": [export.sha256 for export in exports],
            "Folder": [str(Path(export.path).parent) for export in exports],
        },
        hide_index=True,
        height=min(420, 38 + 35 * len(exports)),
        key="earlier",
        alt="Earlier exports of this project",
    )
    there = [export for export in exports[:_MOST_OFFERED] if Path(export.path).is_file()]
    if not there:
        st.caption("None of these files is where it was written any more.")
        return
    with st.expander("Download one of them again"):
        chosen = st.selectbox(
            "File",
            there,
            format_func=lambda export: f"{Path(export.path).name} ({export.rows:,} rows)",
            key="earlier-file",
        )
        if chosen is not None:
            downloads(Path(chosen.path), key="earlier-download")


def _size(export: ExportRecord) -> str:
    path = Path(export.path)
    return file_size(path.stat().st_size) if path.is_file() else "gone"


def _schema_title(export: ExportRecord) -> str:
    return SCHEMAS[export.schema].title if export.schema in SCHEMAS else export.schema
