"""The rows that only one of the compared selections holds: filter, pins and bans, one row in full.

Draws what ``pipeline.compared`` found; computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.datasets.lazy_rows import subtask_names
from nncift_core.store import RunRecord, SelectionRecord
from pages._ui import selections
from pages._ui.compare.charts import letters
from pages._ui.compare.comparison import cached_only, run_name
from pages._ui.errors import user_errors
from pages._ui.format import plain, shortened
from pages._ui.row_actions import row_actions
from pages._ui.row_filter import filter_bar, pool_matches
from pages._ui.row_view import draw_texts
from pages._ui.run_view import open_run
from pages._ui.select.state import follow
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.compared import OnlyRow

HEIGHT = 420
_WHICH = "only"
"""In the URL: whose rows are listed, as a letter."""

_OPENED = "row"


@st.fragment
def draw_only(
    context: Context,
    found: Mapping[str, Any],
    chosen: Sequence[tuple[SelectionRecord, RunRecord]],
) -> None:
    """The rows that one selection holds and no other one, a page at a time.

    Args:
        context: What the page is about.
        found: From ``compare``.
        chosen: The selections with their runs.
    """
    # A fragment hands on no error of ours, so it must say it itself.
    with user_errors():
        _draw(context, found, chosen)


def _draw(
    context: Context,
    found: Mapping[str, Any],
    chosen: Sequence[tuple[SelectionRecord, RunRecord]],
) -> None:
    st.subheader("Rows that only one of them holds", anchor=False)
    ids = tuple(record.id for record, _ in chosen)
    which = _whose(found)
    run = chosen[which][1]
    rows = cached_only(context.workspace.path, ids, which, context.workspace)
    name, key = letters(found)[which], f"only-{ids[which]}"
    row_filter = filter_bar(
        key,
        subtasks=pool_subtasks(context.workspace.path, run.run_id, context.workspace),
        on_change=lambda: selections.first_page(key),
    )
    view = open_run(context.workspace.path, run.run_id, context.workspace)
    mask = pool_matches(context, view, row_filter)
    matches = rows if mask is None else [one for one in rows if mask[one.position]]
    bar = st.container()
    marked: list[OnlyRow] = []

    def fetch(offset: int, limit: int) -> tuple[list[OnlyRow], int]:
        return matches[offset : offset + limit], len(matches)

    def draw(shown: list[OnlyRow]) -> None:
        marked.extend(_table(key, name, shown))

    drawn = selections.rows_page(
        key,
        fetch,
        draw,
        nothing=f"Every row of {name} is in another selection too."
        if mask is None
        else "No such row matches the filter.",
    )
    with bar:
        row_actions(
            context.workspace,
            run.run_id,
            [one.row.id for one in marked],
            key=key,
            shortcuts=True,
        )
        st.caption(f"Pins and bans are those of the run of {name}: {plain(run_name(run))}.")
    _opened(key, rows, marked, drawn=drawn)


@st.cache_resource(max_entries=8, show_spinner=False)
def pool_subtasks(workspace_path: Path, run_id: str, _workspace: Any) -> Sequence[str]:
    """Names of the subtasks of a run's pool; its rows never change."""
    rows = open_run(workspace_path, run_id, _workspace).roles.pool
    return subtask_names(rows)


def _whose(found: Mapping[str, Any]) -> int:
    """Which selection's rows are listed, as the URL says."""
    names = letters(found)
    wanted = st.query_params.get(_WHICH)
    follow("only-in", names.index(wanted) if wanted in names else 0)
    sizes = [only["rows"] for only in found["only"]]

    def chosen() -> None:
        st.query_params[_WHICH] = names[int(st.session_state["only-in"])]

    st.segmented_control(
        "Rows only in",
        list(range(len(names))),
        required=True,
        format_func=lambda i: f"only in {names[i]} ({sizes[i]:,})",
        key="only-in",
        on_change=chosen,
        label_visibility="collapsed",
    )
    return int(st.session_state["only-in"])


def _table(key: str, name: str, shown: Sequence[OnlyRow]) -> list[OnlyRow]:
    """The table of a page; gives the rows that are marked in it."""
    ids = [one.row.id for one in shown]
    event = st.dataframe(
        {
            f"Rank in {name}": [one.chosen.rank for one in shown],
            "Why": [one.chosen.reason for one in shown],
            "Prompt": [shortened(one.row.prompt) for one in shown],
            "Response": [shortened(one.row.response) for one in shown],
            "Row id": ids,
        },
        hide_index=True,
        height=HEIGHT,
        # Marks are places in a table, so other rows mean another table.
        key=f"{key}-table-{hash(tuple(ids))}",
        on_select="rerun",
        selection_mode="multi-row",
        column_config={"Why": st.column_config.TextColumn(width="medium")},
        alt=f"Rows that only {name} holds, with rank, reason and text",
    )
    return [shown[place] for place in sorted(event["selection"]["rows"]) if place < len(shown)]


def _opened(key: str, rows: Sequence[OnlyRow], marked: Sequence[OnlyRow], *, drawn: bool) -> None:
    """The first marked row in full, or the one that a link names."""
    opened_by = f"{key}-opened"
    if marked:
        st.query_params[_OPENED] = st.session_state[opened_by] = marked[0].row.id
    elif st.session_state.pop(opened_by, None) is not None and _OPENED in st.query_params:
        # The mark was taken away, so what it opened closes.
        del st.query_params[_OPENED]
    wanted = st.query_params.get(_OPENED)
    one = next((one for one in rows if one.row.id == wanted), None) if wanted else None
    if one is None:
        if drawn:
            st.caption("Tick a row to read it in full.")
        return
    with st.container(border=True, key="opened-row"):
        st.markdown(f"**Rank {one.chosen.rank:,}** · `{one.row.id}` · {plain(one.chosen.reason)}")
        draw_texts(one.row, key=f"texts-{one.row.id}")
