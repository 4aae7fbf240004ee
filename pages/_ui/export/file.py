"""The file of the current choice: the button that builds it, then its downloads and hash."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from nncift_core.export import manifest_path
from nncift_core.store import ExportRecord
from pages._ui.access import may_change
from pages._ui.errors import user_errors
from pages._ui.export.choice import Choice
from pages._ui.format import counted, file_size, moment, plain
from pages._ui.shell import Context

_MIME = {".jsonl": "application/jsonl", ".parquet": "application/vnd.apache.parquet"}
_LARGEST_DOWNLOAD = 400_000_000
"""Bytes. The server holds a file in memory while it is handed out; larger ones stay on its disk."""


def find_made(context: Context, choice: Choice) -> ExportRecord | None:
    """The file of this choice, if it was built and is still there."""
    if not choice.path.is_file():
        return None
    return next(
        (
            export
            for export in context.workspace.catalog.exports(selection_id=choice.record.id)
            if export.path == str(choice.path)
        ),
        None,
    )


def draw_file(
    context: Context,
    choice: Choice,
    made: ExportRecord | None,
    n_rows: int,
    notes: Sequence[str],
) -> ExportRecord | None:
    """The file, or the way to it.

    Args:
        context: What the page is about.
        choice: What is to be in the file.
        made: The file, where it was built.
        n_rows: Rows that it has or will have.
        notes: What its format cannot hold.

    Returns:
        ``made``.
    """
    with st.container(border=True, key="export-file"):
        st.markdown(f"**The file** · {counted(n_rows, 'row')}")
        if made is None:
            _build(context, choice, n_rows)
            st.caption(
                "Beside it goes a manifest: hashes of the data, settings, seed, versions, metrics, "
                "and for every chosen row its rank, gain, round and reason."
            )
        else:
            downloads(choice.path, key="made", primary=True)
            st.caption(
                f"{file_size(_size(choice.path))}, written {moment(made.created_at)}. SHA-256:"
            )
            st.code(made.sha256, language=None, wrap_lines=True)
            st.caption("Where it lies on the server:")
            st.code(str(choice.path), language=None, wrap_lines=True)
        for note in notes:
            st.caption(f":material/info: {plain(note)}")
    return made


def _build(context: Context, choice: Choice, n_rows: int) -> None:
    pressed = st.button(
        "Build the file",
        type="primary",
        key="build",
        icon=":material/build:",
        width="stretch",
        disabled=not may_change(),
    )
    if not pressed:
        return
    written = False
    with user_errors(), st.spinner(f"Writing {counted(n_rows, 'row')} ..."):
        from nncift_core.pipeline import export_selection

        export_selection(
            context.workspace,
            choice.record.id,
            choice.path,
            schema=choice.schema,
            which=choice.which,
            scores=choice.scores,
        )
        written = True
    if written:
        st.rerun()


def downloads(path: Path, *, key: str, primary: bool = False) -> None:
    """The file and its manifest to take along; files that are too large are named instead."""
    manifest = manifest_path(path)
    if _size(path) > _LARGEST_DOWNLOAD:
        st.info(
            f"The file has {file_size(_size(path))}: copy it from its folder on the server, "
            "a browser is not the way for it.",
            icon=":material/folder_open:",
        )
    else:
        st.download_button(
            "Download the file",
            # Read on the click: a page must not hold every export in memory.
            path.read_bytes,
            file_name=path.name,
            mime=_MIME.get(path.suffix, "application/octet-stream"),
            type="primary" if primary else "secondary",
            key=f"{key}-file",
            icon=":material/download:",
            on_click="ignore",
            width="stretch",
        )
    if manifest.is_file():
        st.download_button(
            "Download the manifest",
            manifest.read_bytes,
            file_name=manifest.name,
            mime="application/json",
            key=f"{key}-manifest",
            icon=":material/description:",
            on_click="ignore",
            width="stretch",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
