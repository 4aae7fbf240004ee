"""Which columns are read how: the guess in words, corrections, ten rows, what would be rejected.

Reads only the beginning of a file. Knows uploads and nothing of datasets that are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from nncift_core.datasets import FIELDS, ColumnMapping, Preview, preview_file
from nncift_core.errors import NNCIFTError
from nncift_core.store import Workspace
from pages._ui.data.uploads import Upload
from pages._ui.errors import error_box
from pages._ui.format import counted, plain, shortened
from pages._ui.row_view import excerpt

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


def draw_mapping(workspace: Workspace, side: str, files: Sequence[Upload]) -> dict[str, str] | None:
    """Mapping in words, selectboxes to correct it, ten mapped rows, and what would be rejected.

    Corrections are made on the first file and hold for all files of the side.

    Returns:
        The columns that differ from the guess; None when the files cannot be read like this.
    """
    stored = [file for file in files if not file.hub]
    if not stored:
        return {}
    try:
        guess = read_preview(path_of(workspace, stored[0]), stored[0].name, ())
    except NNCIFTError as error:
        error_box(error)
        return None
    changed = _draw_corrections(side, stored[0], guess)
    shown = stored[0]
    if len(stored) > 1:
        shown = st.selectbox(
            "Preview", stored, format_func=lambda upload: upload.name, key=f"{side}-shown"
        )
    fits, drawn = True, None
    for file in stored:
        try:
            preview = read_preview(
                path_of(workspace, file), file.name, tuple(sorted(changed.items()))
            )
        except NNCIFTError as error:
            error_box(error)
            fits = False
            continue
        fits = _draw_check(file, preview, alone=len(stored) == 1) and fits
        if file == shown and preview.mapping is not None:
            drawn = preview
    if drawn is not None:
        _draw_preview(side, drawn)
    return changed if fits else None


def path_of(workspace: Workspace, file: Upload) -> Path:
    """Where an uploaded file lies."""
    return workspace.uploads_dir / file.stored


def _draw_check(file: Upload, preview: Preview, *, alone: bool) -> bool:
    """What a file's mapping is and what is wrong with it; whether the file can be read so."""
    name = "" if alone else f"**{plain(file.name)}** "
    if preview.mapping is None:
        columns = ", ".join(preview.columns) or "none"
        where = "this file" if alone else plain(file.name)
        st.warning(
            f"Which columns hold the prompt and the response? Choose them above; the names "
            f"in {where} tell nothing: {plain(shortened(columns, 300))}.",
            icon=":material/help:",
        )
        return False
    for warning in preview.warnings:
        st.info(plain(warning), icon=":material/info:")
    st.markdown(f"{name}{mapping_words(preview.mapping)}")
    problem = mapping_problem(preview)
    if problem:
        st.warning(f"{name}{plain(problem)}", icon=":material/error:")
        return False
    words = rejected_words(preview)
    if words:
        st.warning(f"{name}{plain(words)}", icon=":material/rule:")
    return True


def mapping_problem(preview: Preview) -> str:
    """Why nothing useful can come of a mapping, as one sentence; empty where something can."""
    mapping = preview.mapping
    assert mapping is not None
    chat = mapping.kind in ("messages", "sharegpt")
    if mapping.prompt == mapping.response and not chat:
        return (
            f"Prompt and response are both read from the column {mapping.response!r}, so each row "
            "would only repeat itself; choose another column for one of them."
        )
    if mapping.input and mapping.input in (mapping.prompt, mapping.response):
        return (
            f"The column {mapping.input!r} is added to the prompt and used once more; choose "
            "another column for Input, or none."
        )
    if preview.checked and not preview.usable:
        line, reason = next(iter(preview.examples.values()))
        return (
            f"None of {_of_the(preview)} can be used like this: line {line:,}, {reason}. "
            "Choose other columns."
        )
    return ""


def rejected_words(preview: Preview) -> str:
    """How many of the first rows would be rejected and why; empty where none would."""
    rejected = preview.checked - preview.usable
    if not rejected:
        return ""
    reasons = [
        f"{amount:,} {kind} (first: line {preview.examples[kind][0]:,}"
        + f"{_detail(preview.examples[kind][1])})"
        for kind, amount in preview.rejected.items()
    ]
    return f"{rejected:,} of {_of_the(preview)} would be rejected: {'; '.join(reasons)}."


def _of_the(preview: Preview) -> str:
    rows = counted(preview.checked, "row")
    return f"all {rows}" if preview.whole else f"the first {rows}"


def _detail(reason: str) -> str:
    _, _, detail = reason.partition(": ")
    return f", {detail}" if detail else ""


def _draw_preview(side: str, preview: Preview) -> None:
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
        alt="The first rows as they will be read",
    )
    checked = _of_the(preview).removeprefix("all ").removeprefix("the ")
    st.caption(
        f"The first {counted(len(preview.rows), 'row')} as they will be read; "
        f"{checked} checked, {preview.usable:,} can be used."
    )


def mapping_words(mapping: ColumnMapping) -> str:
    """``prompt ← instruction + input, response ← output``, safe for markdown."""
    return plain(mapping.describe().replace("<-", "←"))


@st.cache_data(show_spinner="Reading the first rows ...", max_entries=64)
def read_preview(path: Path, name: str, overrides: tuple[tuple[str, str], ...]) -> Preview:
    """The beginning of a file as it would be read. Raises: DataError, ConfigError."""
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
            key = f"{side}-{field}-{file.stored[:12]}"
            if key not in st.session_state:
                # A column of the address counts only where the file has it.
                named = st.query_params.get(key, guessed[field])
                st.session_state[key] = named if named in choices else guessed[field]
            chosen[field] = st.selectbox(
                _TITLES[field],
                choices,
                format_func=lambda column: column or "(none)",
                help=_MEANING.get(field),
                key=key,
                on_change=_write_correction,
                args=(key, guessed[field]),
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


def _write_correction(key: str, guessed: str) -> None:
    """Name a correction in the URL, so that a refresh keeps it."""
    column = st.session_state[key]
    if column != guessed:
        st.query_params[key] = column
    elif key in st.query_params:
        del st.query_params[key]


def _table(preview: Preview) -> list[dict[str, Any]]:
    with_subtask = any(row.subtask for row in preview.rows)
    with_group = any(row.group for row in preview.rows)
    with_problem = any(row.reason for row in preview.rows)
    return [
        {
            "Line": row.line,
            **({"Check": row.reason or "ok"} if with_problem else {}),
            "Prompt": excerpt(row.prompt, EXCERPT),
            "Response": excerpt(row.response, EXCERPT),
            **({"Subtask": excerpt(row.subtask or "", EXCERPT)} if with_subtask else {}),
            **({"Group": excerpt(row.group or "", EXCERPT)} if with_group else {}),
        }
        for row in preview.rows
    ]
