"""What is exported: which rows of the selection, in which format, with or without scores.

The choice stands in the address of the page where it differs from the default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from nncift_core.export import SCHEMAS, suffix_for
from nncift_core.store import SelectionRecord
from nncift_core.store.ids import slug
from pages._ui import selections
from pages._ui.format import counted, number, percent, plain
from pages._ui.select.state import Fields
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.export_rows import Which

_WHICH: dict[Which, str] = {"selected": "Selected rows", "rest": "Rows left out"}


@dataclass(frozen=True)
class Choice:
    """One file that can be built.

    Attributes:
        record: The selection.
        schema: A name of the export schemas.
        which: ``selected`` or ``rest``.
        scores: Whether rows carry their scores.
        path: Where the file goes.
    """

    record: SelectionRecord
    schema: str
    which: Which
    scores: bool
    path: Path


def draw_choice(context: Context, record: SelectionRecord, fields: Fields) -> Choice:
    """The fields, with what they say now."""
    st.markdown(_figures(context, record))
    left_out = context.n_train - record.row_count
    counts: dict[Which, int] = {"selected": record.row_count, "rest": left_out}
    offered = [which for which in _WHICH if counts[which] > 0]
    with st.container(horizontal=True, vertical_alignment="bottom", key="export-rows"):
        _follow(fields, "which", {name: name for name in offered}, "selected")
        picked = st.segmented_control(
            "Rows",
            offered,
            required=True,
            format_func=lambda name: f"{_WHICH[name]} ({counts[name]:,})",
            key="which",
            on_change=_keep(fields, "which", "selected"),
        )
        which: Which = picked or "selected"
        st.session_state["scores"] = fields.text("scores", "") == "1"
        scores = st.toggle(
            "Add scores",
            key="scores",
            on_change=lambda: fields.put("scores", "1" if st.session_state["scores"] else "", ""),
            help="Columns with the row's id, score, rank, gain, the reason why it is in or out, "
            "and whether it was labelled. Without them, raw rows stay as they are to the byte.",
        )
    _follow(fields, "schema", {name: name for name in SCHEMAS.names}, "raw")
    schema = st.radio(
        "Format",
        SCHEMAS.names,
        format_func=lambda name: SCHEMAS[name].title,
        captions=[entry.summary for entry in SCHEMAS],
        key="schema",
        on_change=_keep(fields, "schema", "raw"),
    )
    return Choice(record, schema, which, scores, _path(context, record, schema, which, scores))


def _path(
    context: Context, record: SelectionRecord, schema: str, which: Which, scores: bool
) -> Path:
    """A name made of letters, digits and hyphens, one per content."""
    kind = ("" if which == "selected" else "-rest") + ("-scores" if scores else "")
    name = f"{slug(context.project.name, 'project')}-{record.id}-{schema}{kind}"
    return context.workspace.exports_dir / f"{name}{suffix_for(schema)}"


def _figures(context: Context, record: SelectionRecord) -> str:
    """What the selection is, in one line."""
    share = percent(record.row_count / max(1, context.n_train))
    parts = [
        f"**{counted(record.row_count, 'row')}**, {share} of the pool",
        plain(selections.objective_title(record.objective)),
    ]
    tokens = record.meta.get("tokens")
    if isinstance(tokens, int):
        parts.append(f"{tokens:,} tokens")
    value = record.meta.get("value")
    if isinstance(value, int | float) and selections.has_rounds(record.objective):
        parts.append(f"value of the set {number(value)}")
    return " · ".join(parts)


def _follow(fields: Fields, name: str, options: dict[str, str], default: str) -> None:
    """Let a field show what the address says."""
    fallback = default if default in options else next(iter(options))
    st.session_state[name] = fields.choice(name, options, fallback)


def _keep(fields: Fields, name: str, default: str) -> Callable[[], None]:
    return lambda: fields.put(name, st.session_state[name], default)
