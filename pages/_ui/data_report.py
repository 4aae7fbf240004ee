"""The second half of the data page: what was accepted and rejected, and the rows to browse.

Rows come from the catalog a page at a time; the table in the browser never holds more.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from nncift_core.datasets import Rejection
from nncift_core.store import DatasetRecord, RowRecord, Workspace
from pages._ui.errors import user_errors
from pages._ui.format import count, counted, plain, shortened

PAGE_ROWS = 50
EXCERPT = 300
MOST_COMPARED = 50_000
"""Rows up to which near duplicates are counted while the page waits: some seconds."""

OPEN_ROW = "row"
SEARCH, ORDER, DESCENDING, SUBTASK, PAGE = "search", "order", "descending", "subtask", "page"

_ORDERS = {
    "position": "place in the file",
    "prompt": "prompt",
    "response": "response",
    "prompt-length": "length of the prompt",
    "response-length": "length of the response",
    "subtask": "subtask",
}
_ANY = ""
_ROUND = "rows-round"
_MOST_REJECTIONS = 1_000


def draw_report(workspace: Workspace, dataset: DatasetRecord, words: str) -> None:
    """Figures, mapping, warnings and rejected rows of one dataset.

    Args:
        workspace: Where it is stored.
        dataset: The dataset.
        words: What it is in the project: ``pool`` or ``target``.
    """
    with st.container(horizontal=True, key=f"figures-{words}"):
        st.metric("Accepted rows", count(dataset.accepted), width=180)
        st.metric("Rejected rows", count(dataset.rejected), width=180)
        st.metric(
            "Exact duplicates",
            count(dataset.exact_duplicates),
            width=180,
            help="Rows whose prompt and response occurred before. They are kept here; a selection "
            "takes one of each.",
        )
        if dataset.accepted <= MOST_COMPARED:
            found = cached_duplicates(workspace.path, dataset.id, workspace)
            st.metric(
                "Near duplicates",
                count(found["near"]),
                width=180,
                help="Rows that say the same as another one in other words, by their texts. A "
                f"selection takes one of each group: {count(found['removable'])} rows less, exact "
                "duplicates included.",
            )
    for source in dataset.sources:
        st.markdown(f":material/description: **{plain(str(source['name']))}** {_source(source)}")
    for warning in dataset.warnings:
        st.info(plain(warning), icon=":material/info:")
    if dataset.rejected:
        _draw_rejections(workspace, dataset)


@st.cache_data(max_entries=16, show_spinner="Looking for near duplicates ...")
def cached_duplicates(workspace_path: Path, dataset_id: str, _workspace: Any) -> dict[str, int]:
    """How many rows of a dataset are duplicates; a stored dataset never changes."""
    from nncift_core.pipeline import dataset_duplicates

    return dataset_duplicates(_workspace, dataset_id)


def _source(source: Any) -> str:
    from nncift_core.datasets import ColumnMapping
    from pages._ui.data_import import mapping_words

    mapping = ColumnMapping(**source["mapping"])
    return f"{counted(int(source['rows']), 'row')} · {mapping_words(mapping)}"


def _draw_rejections(workspace: Workspace, dataset: DatasetRecord) -> None:
    rejected = workspace.catalog.rejections(dataset.id)
    reasons = Counter(rejection.kind for rejection in rejected)
    label = f"{counted(len(rejected), 'rejected row')} and why"
    with st.expander(label, icon=":material/rule:"):
        st.dataframe(
            [{"Reason": kind, "Rows": amount} for kind, amount in reasons.most_common()],
            hide_index=True,
            width=420,
            key=f"reasons-{dataset.id}",
        )
        shown = rejected[:_MOST_REJECTIONS]
        st.dataframe(
            [
                {
                    "File": rejection.file,
                    "Line": rejection.line,
                    "Reason": rejection.reason,
                    "Beginning of the row": shortened(rejection.excerpt, EXCERPT),
                }
                for rejection in shown
            ],
            hide_index=True,
            height=min(280, 35 * (len(shown) + 1) + 3),
            key=f"rejections-{dataset.id}",
        )
        if len(rejected) > len(shown):
            st.caption(f"The first {len(shown):,}; the downloads hold all of them.")
        with st.container(horizontal=True):
            stem = dataset.name.split(".")[0][:60] or "rows"
            st.download_button(
                "Rejected rows as CSV",
                data=lambda: rejections_csv(rejected),
                file_name=f"{stem}_rejected.csv",
                mime="text/csv",
                on_click="ignore",
                key=f"csv-{dataset.id}",
            )
            st.download_button(
                "Rejected rows as JSON lines",
                data=lambda: rejections_jsonl(rejected),
                file_name=f"{stem}_rejected.jsonl",
                mime="application/x-ndjson",
                on_click="ignore",
                key=f"jsonl-{dataset.id}",
            )


def rejections_csv(rejected: Sequence[Rejection]) -> bytes:
    """File, line, reason and beginning of each rejected row, with a BOM for spreadsheets."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "line", "reason", "excerpt"])
    for rejection in rejected:
        # A cell that begins with = would be run as a formula.
        cells = (rejection.file, rejection.reason, rejection.excerpt)
        file, reason, excerpt = (
            f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in cells
        )
        writer.writerow([file, rejection.line, reason, excerpt])
    return text.getvalue().encode("utf-8-sig")


def rejections_jsonl(rejected: Sequence[Rejection]) -> bytes:
    """The same as JSON lines."""
    lines = (
        json.dumps(
            {
                "file": rejection.file,
                "line": rejection.line,
                "reason": rejection.reason,
                "excerpt": rejection.excerpt,
            },
            ensure_ascii=False,
        )
        for rejection in rejected
    )
    return "".join(f"{line}\n" for line in lines).encode()


def draw_browser(workspace: Workspace, dataset: DatasetRecord) -> None:
    """Search, order, a page of rows, and the row the URL names opened in full."""
    subtasks = [name for name in workspace.catalog.subtask_counts(dataset.id) if name]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search",
            key=SEARCH,
            bind="query-params",
            placeholder="Words in the prompt or response",
            icon=":material/search:",
            on_change=_to_first_page,
            width=320,
        )
        order = st.selectbox(
            "Order by",
            list(_ORDERS),
            format_func=_ORDERS.__getitem__,
            key=ORDER,
            bind="query-params",
            on_change=_to_first_page,
            width=220,
        )
        subtask = _ANY
        if subtasks:
            subtask = st.selectbox(
                "Subtask",
                [_ANY, *subtasks],
                format_func=lambda name: name or "all",
                key=SUBTASK,
                bind="query-params",
                on_change=_to_first_page,
                width=200,
            )
        descending = st.toggle(
            "Descending", key=DESCENDING, bind="query-params", on_change=_to_first_page
        )
    with user_errors():
        # The number of pages is known only after the first look.
        page = _page_number()
        found = {"search": search, "subtask": subtask or None, "order": order}
        rows, total = _page_of_rows(workspace, dataset, page, descending, found)
        if total and not rows:
            page = st.session_state[PAGE] = 1
            rows, total = _page_of_rows(workspace, dataset, page, descending, found)
        if not total:
            st.info(
                "No row matches. Search looks for the words as they stand, in prompts and "
                "responses, upper and lower case being equal.",
                icon=":material/search_off:",
            )
            return
        _draw_table(rows)
        first = (page - 1) * PAGE_ROWS + 1
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"{first:,} to {first + len(rows) - 1:,} of {counted(total, 'row')}. "
                "Select a row to read it in full.",
                width="stretch",
            )
            st.pagination(max(1, -(-total // PAGE_ROWS)), key=PAGE, bind="query-params")
        _draw_open_row(workspace, dataset)


def _page_number() -> int:
    named = str(st.session_state.get(PAGE) or st.query_params.get(PAGE, "1"))
    return max(1, int(named)) if named.isascii() and named.isdigit() else 1


def _page_of_rows(
    workspace: Workspace,
    dataset: DatasetRecord,
    page: int,
    descending: bool,
    found: Mapping[str, Any],
) -> tuple[list[RowRecord], int]:
    return workspace.catalog.browse_rows(
        dataset.id,
        **found,
        descending=descending,
        offset=(page - 1) * PAGE_ROWS,
        limit=PAGE_ROWS,
    )


def _to_first_page() -> None:
    st.session_state[PAGE] = 1


def _draw_table(rows: Sequence[RowRecord]) -> None:
    with_subtask = any(record.row.subtask for record in rows)
    key = f"rows-{st.session_state.get(_ROUND, 0)}"
    st.dataframe(
        [
            {
                "Row": record.position + 1,
                "Prompt": shortened(record.row.prompt, EXCERPT),
                "Response": shortened(record.row.response, EXCERPT),
                **({"Subtask": record.row.subtask or ""} if with_subtask else {}),
            }
            for record in rows
        ],
        hide_index=True,
        height=460,
        on_select=lambda: _open(key, [record.position for record in rows]),
        selection_mode="single-row",
        key=key,
        column_config={
            "Row": st.column_config.NumberColumn(width=70, help="Place among the accepted rows"),
            "Prompt": st.column_config.TextColumn(width=380),
            "Response": st.column_config.TextColumn(width=320),
            "Subtask": st.column_config.TextColumn(width=130),
        },
    )


def _open(key: str, positions: Sequence[int]) -> None:
    chosen = st.session_state[key].selection.rows
    if chosen:
        st.query_params[OPEN_ROW] = str(positions[chosen[0]] + 1)
        # A new key clears the selection, so that the same row can be opened again.
        st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def _close() -> None:
    if OPEN_ROW in st.query_params:
        del st.query_params[OPEN_ROW]


def _draw_open_row(workspace: Workspace, dataset: DatasetRecord) -> None:
    named = st.query_params.get(OPEN_ROW, "")
    if not (named.isascii() and named.isdigit() and 1 <= int(named) <= dataset.accepted):
        return
    position = int(named) - 1
    drawer = st.dialog(f"Row {position + 1:,}", width="medium", position="right", on_dismiss=_close)
    drawer(_draw_row)(workspace, dataset, position)


def _draw_row(workspace: Workspace, dataset: DatasetRecord, position: int) -> None:
    with user_errors():
        found, _ = workspace.catalog.browse_rows(dataset.id, offset=position, limit=1)
        raw = workspace.catalog.dataset_raw(dataset.id, [position])[0]
        row = found[0].row
        facts = [f"id {row.id}", f"{len(row.prompt):,} + {len(row.response):,} characters"]
        facts += [f"subtask {row.subtask}"] if row.subtask else []
        facts += [f"group {row.group}"] if row.group else []
        facts += [f"source id {found[0].source_id}"] if found[0].source_id else []
        st.caption(plain(" · ".join(facts)))
        st.markdown("**Prompt**")
        st.code(row.prompt, language=None, wrap_lines=True)
        st.markdown("**Response**")
        st.code(row.response, language=None, wrap_lines=True)
        with st.expander("The row as it stands in the file"):
            st.code(raw, language="json", wrap_lines=True)
