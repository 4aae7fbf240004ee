"""The first half of the data page: files, mapping in words, preview, import.

Ends with a new project. Reads only the beginning of a file until the import.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from nncift_core.datasets import FIELDS, ColumnMapping, Preview, preview_file
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.store import Workspace
from pages._ui.errors import error_box, user_errors
from pages._ui.format import counted, plain, shortened
from pages._ui.navigation import go
from pages._ui.state import PROJECT
from pages._ui.uploads import Upload, upload_box

NAME = "new"
PREVIEW_ROWS = 10
EXCERPT = 400
"""Characters of a text in the preview; the rest is in the opened row later."""

_TITLES = {
    "prompt": "Prompt",
    "input": "Input",
    "response": "Response",
    "subtask": "Subtask",
    "group": "Group",
    "id": "Id",
}
_MEANING = {
    "input": "Added to the prompt on a line of its own",
    "subtask": "Kind of task; round robin and charts tell rows apart by it",
    "group": "Where a row belongs, a conversation or a document for instance",
    "id": "Your own id of a row; it is kept",
}
_NONE = ""
_FILE, _SAMPLE = "A file of its own", "A sample of the pool"


def draw_import(workspace: Workspace) -> None:
    """Draw the way from files to a new project."""
    name = st.text_input(
        "Project name",
        key=NAME,
        bind="query-params",
        max_chars=120,
        placeholder="What you are choosing rows for",
        width=480,
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Pool", anchor=False)
        st.caption("The rows to choose from. Several files form one pool.")
        pool = upload_box(workspace, "pool", "Pool files", several=True)
        pool_overrides = draw_mapping(workspace, "pool", pool)
    with right:
        st.subheader("Target", anchor=False)
        st.caption("Rows that look like the job, a few hundred are enough.")
        kind = st.segmented_control(
            "Target rows come from",
            [_FILE, _SAMPLE],
            default=_FILE,
            required=True,
            key="target-kind",
            bind="query-params",
        )
        target: list[Upload] = []
        target_overrides: dict[str, str] | None = None
        sample: int | None = None
        if kind == _SAMPLE:
            sample = st.number_input(
                "Rows to sample",
                min_value=2,
                value=200,
                step=50,
                key="sample",
                bind="query-params",
                width=200,
                help="Drawn with the run's seed; they leave the pool.",
            )
        else:
            target = upload_box(workspace, "target", "Target file", several=False)
            target_overrides = draw_mapping(workspace, "target", target)
    missing = _missing(pool, target, sample, pool_overrides, target_overrides)
    if missing:
        st.caption(missing)
    if st.button(
        "Import",
        type="primary",
        disabled=bool(missing),
        icon=":material/download_done:",
        key="import",
    ):
        with user_errors():
            _import(workspace, name, pool, pool_overrides, target, target_overrides, sample)


def _missing(
    pool: Sequence[Upload],
    target: Sequence[Upload],
    sample: int | None,
    pool_overrides: dict[str, str] | None,
    target_overrides: dict[str, str] | None,
) -> str:
    """What keeps the import from starting, or nothing."""
    if not pool:
        return "Drop a pool file to begin."
    if not target and sample is None:
        return "Drop a target file, or take a sample of the pool."
    if pool_overrides is None or (target and target_overrides is None):
        return "Say first which columns hold the prompt and the response."
    return ""


def draw_mapping(workspace: Workspace, side: str, files: Sequence[Upload]) -> dict[str, str] | None:
    """Mapping in words, selectboxes to correct it, ten mapped rows.

    Returns:
        The columns that differ from the guess; None when the files cannot be read like this.
    """
    stored = [file for file in files if not file.hub]
    if not stored:
        return {}
    file = stored[0]
    if len(stored) > 1:
        file = st.selectbox(
            "Preview", stored, format_func=lambda upload: upload.name, key=f"{side}-shown"
        )
    path = workspace.uploads_dir / file.stored
    try:
        guess = _preview(path, file.name, ())
        changed = _draw_corrections(side, file, guess)
        preview = _preview(path, file.name, tuple(sorted(changed.items())))
    except NNCIFTError as error:
        error_box(error)
        return None
    if preview.mapping is None:
        columns = ", ".join(preview.columns) or "none"
        st.warning(
            f"Which columns hold the prompt and the response? Choose them above; the names "
            f"in this file tell nothing: {plain(shortened(columns, 300))}.",
            icon=":material/help:",
        )
        return None
    for warning in preview.warnings:
        st.info(plain(warning), icon=":material/info:")
    st.markdown(mapping_words(preview.mapping))
    st.dataframe(
        _table(preview),
        hide_index=True,
        height=35 * (PREVIEW_ROWS + 1) + 3,
        column_config={
            "Line": st.column_config.NumberColumn(width=50),
            "Check": st.column_config.TextColumn(width=110, help="Why a row is rejected"),
            "Prompt": st.column_config.TextColumn(width="medium"),
            "Response": st.column_config.TextColumn(width="medium"),
        },
        key=f"{side}-preview",
    )
    st.caption(f"The first {counted(len(preview.rows), 'row')} as they will be read.")
    return changed


def mapping_words(mapping: ColumnMapping) -> str:
    """``prompt ← instruction + input, response ← output``, safe for markdown."""
    return plain(mapping.describe().replace("<-", "←"))


@st.cache_data(show_spinner="Reading the first rows ...", max_entries=64)
def _preview(path: Path, name: str, overrides: tuple[tuple[str, str], ...]) -> Preview:
    # The file's name is the hash of its content, so that the answer never ages.
    return preview_file(path, name=name, limit=PREVIEW_ROWS, overrides=dict(overrides))


def _draw_corrections(side: str, file: Upload, guess: Preview) -> dict[str, str]:
    """Selectboxes for every field; the fields that differ from the guess."""
    guessed: dict[str, str] = {field: _NONE for field in FIELDS}
    if guess.mapping is not None:
        guessed |= {field: getattr(guess.mapping, field) or _NONE for field in FIELDS}
    # Columns inside objects have dotted names, which only the guess knows.
    options = list(dict.fromkeys([*guess.columns, *filter(None, guessed.values())]))
    chosen: dict[str, str] = {}
    with (
        st.expander("Change the mapping", expanded=guess.mapping is None),
        st.grid(min_column_width=150),
    ):
        for field in FIELDS:
            choices = [_NONE, *options]
            chosen[field] = st.selectbox(
                _TITLES[field],
                choices,
                index=choices.index(guessed[field]),
                format_func=lambda column: column or "(none)",
                help=_MEANING.get(field),
                key=f"{side}-{field}-{file.stored[:12]}",
            )
    changed = {field: column for field, column in chosen.items() if column != guessed[field]}
    if {"prompt", "response"} & changed.keys():
        # The other one is meant as it stands, not to be guessed anew.
        changed |= {field: chosen[field] for field in ("prompt", "response") if chosen[field]}
    return {
        field: column
        for field, column in changed.items()
        if column or field not in ("prompt", "response")
    }


def _table(preview: Preview) -> list[dict[str, Any]]:
    with_subtask = any(row.subtask for row in preview.rows)
    with_problem = any(row.reason for row in preview.rows)
    return [
        {
            "Line": row.line,
            **({"Check": row.reason or "ok"} if with_problem else {}),
            "Prompt": shortened(row.prompt, EXCERPT),
            "Response": shortened(row.response, EXCERPT),
            **({"Subtask": row.subtask or ""} if with_subtask else {}),
        }
        for row in preview.rows
    ]


def _import(
    workspace: Workspace,
    name: str,
    pool: Sequence[Upload],
    pool_overrides: dict[str, str] | None,
    target: Sequence[Upload],
    target_overrides: dict[str, str] | None,
    sample: int | None,
) -> None:
    from nncift_core import pipeline

    with st.spinner("Reading and storing the rows ...", show_time=True):
        imported = {}
        for side, files, overrides in (
            ("pool", pool, pool_overrides),
            ("target", target, target_overrides),
        ):
            if not files:
                continue
            hub = files[0].hub
            imported[side] = pipeline.import_files(
                workspace,
                [file.path(workspace) for file in files],
                names=None if hub else [file.name for file in files],
                overrides=overrides or None,
            )
        pool_record = imported["pool"].record
        if sample is not None and sample > pool_record.accepted - 2:
            # Refused here rather than by the first run.
            raise ConfigError(
                f"A target sample of {sample:,} rows leaves too little of a pool of "
                f"{pool_record.accepted:,}.",
                f"Sample at most {pool_record.accepted - 2:,} rows.",
            )
        project = workspace.catalog.add_project(
            name.strip() or _free_name(workspace, pool[0].name),
            pool_record.id,
            imported["target"].record.id if target else None,
            sample,
        )
    go("data", {PROJECT: project.id})


def _free_name(workspace: Workspace, file_name: str) -> str:
    """The file's name without its suffixes, with a number where it is taken."""
    stem = file_name.split(".")[0].replace("_", " ").strip() or "Project"
    taken = {project.name.lower() for project in workspace.catalog.projects()}
    candidates = (stem, *(f"{stem} {number}" for number in range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate.lower() not in taken)
