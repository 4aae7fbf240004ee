"""Export: take it to the trainer. Format, preview, the file with its manifest, earlier files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import streamlit as st

from nncift_core.export import SCHEMAS, manifest_path, suffix_for
from nncift_core.store import ExportRecord, SelectionRecord
from nncift_core.store.ids import slug
from pages._ui import selections
from pages._ui.errors import user_errors
from pages._ui.format import counted, moment, plain
from pages._ui.navigation import next_step
from pages._ui.shell import Context, page_setup

Which = Literal["selected", "rest"]

_WHICH: dict[Which, str] = {"selected": "The selected rows", "rest": "The rows left out"}
_MIME = {".jsonl": "application/jsonl", ".parquet": "application/vnd.apache.parquet"}
_MOST_EARLIER = 20


def main() -> None:
    """Draw the page."""
    context = page_setup("Export", "Take it to the trainer.", needs="result")
    with user_errors(stop=True):
        stored = context.workspace.catalog.selections(context.run.run_id)
        if not stored:
            st.info("Nothing is selected yet, so there is nothing to export.")
            next_step("select", "Choose what to keep")
            return
        names = {record.id: selections.selection_words(record) for record in stored}
        current = selections.switcher(names)
        record = next(record for record in stored if record.id == current)
        which, schema = _choices(context, record)
        path = export_path(context, record, schema, which)
        left, right = st.columns([3, 2])
        with left:
            _preview(context, record, schema, which)
        with right:
            _build(context, record, path, schema, which)
        _earlier(context)


def export_path(context: Context, record: SelectionRecord, schema: str, which: Which) -> Path:
    """Where the file goes: a name made of letters, digits and hyphens, one per content."""
    kind = "" if which == "selected" else "-rest"
    name = f"{slug(context.project.name, 'project')}-{record.id}-{schema}{kind}"
    return context.workspace.exports_dir / f"{name}{suffix_for(schema)}"


def _choices(context: Context, record: SelectionRecord) -> tuple[Which, str]:
    left_out = context.n_train - record.row_count
    counts: dict[Which, int] = {"selected": record.row_count, "rest": left_out}
    offered = [which for which in _WHICH if counts[which] > 0]
    which = st.segmented_control(
        "Rows",
        offered,
        default="selected",
        required=True,
        format_func=lambda name: f"{_WHICH[name]} ({counts[name]:,})",
        key="which",
    )
    schema = st.radio(
        "Format",
        SCHEMAS.names,
        format_func=lambda name: SCHEMAS[name].title,
        captions=[entry.summary for entry in SCHEMAS],
        key="schema",
        horizontal=True,
    )
    return which, schema


def _preview(context: Context, record: SelectionRecord, schema: str, which: Which) -> None:
    st.markdown("**The first three rows**")
    for line in cached_preview(context.workspace.path, record.id, schema, which, context):
        st.code(line, language=None, wrap_lines=True, height=130)


@st.cache_data(max_entries=64, show_spinner="Reading rows ...")
def cached_preview(
    workspace_path: Path, selection_id: str, schema: str, which: Which, _context: Context
) -> list[str]:
    """The first rows as they will be in the file."""
    from nncift_core.pipeline import preview_selection

    return preview_selection(_context.workspace, selection_id, schema=schema, which=which)


def _build(
    context: Context, record: SelectionRecord, path: Path, schema: str, which: Which
) -> None:
    """The button that writes the file, then what was written and its downloads."""
    st.markdown("**The file**")
    made = next(
        (
            export
            for export in context.workspace.catalog.exports(selection_id=record.id)
            if export.path == str(path)
        ),
        None,
    )
    if made is None or not path.is_file():
        st.markdown(
            "Beside the file goes a manifest: hashes of the data, settings, seed, versions, "
            "metrics, and for every row its rank, gain, round and reason."
        )
        st.button(
            "Build the file",
            type="primary",
            key="build",
            icon=":material/build:",
            on_click=_write,
            args=(context, record.id, path, schema, which),
        )
        return
    st.markdown(f"**{counted(made.rows, 'row')}** in the file, written {moment(made.created_at)}.")
    _downloads(path, key="made", primary=True)
    st.caption("Where it lies")
    st.code(str(path), language=None, wrap_lines=True)
    st.caption("SHA-256")
    st.code(made.sha256, language=None, wrap_lines=True)


def _write(context: Context, selection_id: str, path: Path, schema: str, which: Which) -> None:
    with user_errors():
        from nncift_core.pipeline import export_selection

        export_selection(context.workspace, selection_id, path, schema=schema, which=which)


def _downloads(path: Path, *, key: str, primary: bool = False) -> None:
    manifest = manifest_path(path)
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


def _earlier(context: Context) -> None:
    """Files of this project that were written before."""
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
            "SHA-256": [export.sha256 for export in exports],
            "Folder": [str(Path(export.path).parent) for export in exports],
        },
        hide_index=True,
        height=min(420, 38 + 35 * len(exports)),
        key="earlier",
        alt="Earlier exports of this project",
    )
    there = [export for export in exports[:_MOST_EARLIER] if Path(export.path).is_file()]
    if not there:
        return
    with st.expander("Download one of them again"):
        chosen = st.selectbox(
            "File",
            there,
            format_func=lambda export: f"{Path(export.path).name} ({export.rows:,} rows)",
            key="earlier-file",
        )
        if chosen is not None:
            _downloads(Path(chosen.path), key="earlier-download")
            st.caption(f"Written {plain(moment(chosen.created_at))}")


def _schema_title(export: ExportRecord) -> str:
    return SCHEMAS[export.schema].title if export.schema in SCHEMAS else export.schema


main()
