"""The rows of a dataset: filter, order, fifty a page, and one row opened in full.

Rows come from the catalog a page at a time. Filter, hint, order, page and the opened row are in
the URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from nncift_core.datasets.row_filter import RowFilter
from nncift_core.store import DatasetRecord, RowRecord, Workspace
from nncift_core.types import IndexArray
from pages._ui.data.hints import close_hint, hint_words, is_hint, open_hint, rows_of_hint
from pages._ui.errors import user_errors
from pages._ui.format import counted, plain, shortened
from pages._ui.row_filter import filter_bar
from pages._ui.row_view import draw_texts, excerpt, facts_of, visible

PAGE_ROWS = 50
EXCERPT = 300

OPEN_ROW = "row"
ORDER, DESCENDING, PAGE = "order", "descending", "page"

_FILE_ORDER = "position"
_ORDERS = {
    _FILE_ORDER: "place in the file",
    "length": "length",
    "prompt-length": "length of the prompt",
    "response-length": "length of the response",
    "prompt": "prompt",
    "response": "response",
    "subtask": "subtask",
}
_ROUND = "rows-round"
_ROW_PLACE = "row-place"
"""Place in the list of the row that *Previous* and *Next* led to, by its position."""

_FAR = 10**9
"""Places beyond this are no places, whatever the address says."""


@dataclass(frozen=True)
class Listing:
    """What the table lists.

    Attributes:
        row_filter: Which rows.
        among: The rows of an open hint; None for all.
        order: A name of the catalog's orders.
        descending: Whether the other way round.
    """

    row_filter: RowFilter
    among: IndexArray | None
    order: str
    descending: bool

    def page(
        self, workspace: Workspace, dataset: DatasetRecord, first: int, limit: int
    ) -> tuple[list[RowRecord], int]:
        """The rows from a place of the list on, and how many there are in all."""
        return workspace.catalog.browse_rows(
            dataset.id,
            row_filter=self.row_filter,
            among=self.among,
            order=self.order,
            descending=self.descending,
            offset=first,
            limit=limit,
        )


def draw_browser(workspace: Workspace, dataset: DatasetRecord) -> None:
    """Filter, order, a page of rows, and the row the URL names opened in full."""
    with user_errors():
        subtasks = [name for name in workspace.catalog.subtask_counts(dataset.id) if name]
        row_filter = filter_bar("rows", subtasks=subtasks, on_change=to_first_page)
        order, descending = _draw_order()
        among = _draw_hint(workspace, dataset)
        listing = Listing(row_filter, among, order, descending)
        page = page_number()
        rows, total = listing.page(workspace, dataset, (page - 1) * PAGE_ROWS, PAGE_ROWS)
        if total and not rows:
            st.caption(f":material/info: There is no page {page:,}; this is the first one.")
            page = st.session_state[PAGE] = 1
            rows, total = listing.page(workspace, dataset, 0, PAGE_ROWS)
        if total:
            _draw_table(rows)
            first = (page - 1) * PAGE_ROWS + 1
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(
                    f"{first:,} to {first + len(rows) - 1:,} of {counted(total, 'row')}. "
                    "Select a row to read it in full.",
                    width="stretch",
                )
                st.pagination(max(1, -(-total // PAGE_ROWS)), key=PAGE, bind="query-params")
        elif dataset.accepted:
            st.info(
                "No row matches. Take a word away, or press Clear to see all rows again.",
                icon=":material/search_off:",
            )
        else:
            st.info("No row of this dataset could be used.", icon=":material/search_off:")
        _draw_open_row(workspace, dataset, listing, rows, page)


def _draw_order() -> tuple[str, bool]:
    """The order in the URL; the widgets follow it."""
    order = st.query_params.get(ORDER, _FILE_ORDER)
    unknown = order if order not in _ORDERS else ""
    order = _FILE_ORDER if unknown else order
    descending = st.query_params.get(DESCENDING, "") == "true"
    st.session_state[ORDER], st.session_state[DESCENDING] = order, descending
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Order by",
            list(_ORDERS),
            format_func=_ORDERS.__getitem__,
            key=ORDER,
            on_change=_write_order,
            width=220,
        )
        st.toggle("Descending", key=DESCENDING, on_change=_write_order)
    if unknown:
        st.caption(
            f":material/info: order={plain(shortened(unknown, 40))} in the address is no order; "
            "rows stand as in the file."
        )
    return order, descending


def _write_order() -> None:
    for name, value in (
        (ORDER, st.session_state[ORDER]),
        (DESCENDING, "true" if st.session_state[DESCENDING] else ""),
    ):
        if value and value != _FILE_ORDER:
            st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]
    to_first_page()


def _draw_hint(workspace: Workspace, dataset: DatasetRecord) -> IndexArray | None:
    """The rows of the open hint, said above the table; None for all rows."""
    name, value = open_hint()
    if not name:
        return None
    with st.container(horizontal=True, vertical_alignment="center", key="open-hint"):
        if is_hint(name):
            st.markdown(f":material/filter_alt: {hint_words(name, value)}", width="content")
        else:
            st.caption(
                f":material/info: hint={plain(shortened(name, 40))} in the address names "
                "nothing that can be shown, so all rows are.",
                width="content",
            )
        st.button("All rows", key="close-hint", type="tertiary", on_click=_all_rows)
    return rows_of_hint(workspace, dataset)


def _all_rows() -> None:
    close_hint()
    to_first_page()


def page_number() -> int:
    """The page in the URL, 1 where that is none."""
    return _place(str(st.session_state.get(PAGE) or st.query_params.get(PAGE, "1"))) or 1


def to_first_page() -> None:
    """Show the first page; for callbacks."""
    st.session_state[PAGE] = 1


def forget_rows() -> None:
    """Show the first page of another dataset, no row opened; for callbacks."""
    to_first_page()
    close_hint()
    _close()


def _place(text: str) -> int | None:
    """A place from 1 in an address; None where the text is none."""
    if not (text.isascii() and text.isdigit() and len(text) < 11):
        return None
    return int(text) if 1 <= int(text) <= _FAR else None


def _draw_table(rows: Sequence[RowRecord]) -> None:
    with_subtask = any(record.row.subtask for record in rows)
    key = f"rows-{st.session_state.get(_ROUND, 0)}"
    st.dataframe(
        [
            {
                "Row": record.position + 1,
                "Prompt": excerpt(record.row.prompt, EXCERPT),
                "Response": excerpt(record.row.response, EXCERPT),
                "Characters": len(record.row.prompt) + len(record.row.response),
                **({"Subtask": visible(record.row.subtask or "")} if with_subtask else {}),
            }
            for record in rows
        ],
        hide_index=True,
        height=460,
        on_select=lambda: _open(key, [record.position for record in rows]),
        selection_mode="single-row",
        key=key,
        alt="Rows of the dataset, fifty a page",
        column_config={
            "Row": st.column_config.NumberColumn(width=70, help="Place among the accepted rows"),
            "Prompt": st.column_config.TextColumn(width=380),
            "Response": st.column_config.TextColumn(width=320),
            "Characters": st.column_config.NumberColumn(
                width=90, format="localized", help="Of prompt and response together"
            ),
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


def _draw_open_row(
    workspace: Workspace,
    dataset: DatasetRecord,
    listing: Listing,
    rows: Sequence[RowRecord],
    page: int,
) -> None:
    named = st.query_params.get(OPEN_ROW, "")
    if not named:
        return
    if not 1 <= (_place(named) or 0) <= dataset.accepted:
        st.caption(
            f":material/info: There is no row {plain(shortened(named, 40))}; the rows are "
            f"numbered 1 to {dataset.accepted:,}."
        )
        return
    st.session_state.pop(_ROW_PLACE, None)
    places = {record.position: first for first, record in enumerate(rows, (page - 1) * PAGE_ROWS)}
    drawer = st.dialog("One row", width="medium", position="right", on_dismiss=_close)
    drawer(_draw_row)(workspace, dataset, listing, places)


def _draw_row(
    workspace: Workspace, dataset: DatasetRecord, listing: Listing, places: dict[int, int]
) -> None:
    """The drawer. Reads the URL itself, since its buttons run nothing but the drawer."""
    with user_errors():
        position = (_place(st.query_params.get(OPEN_ROW, "")) or 1) - 1
        place = st.session_state.get(_ROW_PLACE, {}).get(position, places.get(position))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Row {position + 1:,}** of {dataset.accepted:,}", width="stretch")
            for label, icon, step in (
                ("previous", ":material/chevron_left:", -1),
                ("next", ":material/chevron_right:", 1),
            ):
                st.button(
                    f"{label.capitalize()} row",
                    icon=icon,
                    key=f"row-{label}",
                    on_click=_step,
                    args=(workspace, dataset, listing, position, place, step),
                )
        record = workspace.catalog.rows_at(dataset.id, [position])[0]
        raw = workspace.catalog.dataset_raw(dataset.id, [position])[0]
        st.caption(facts_of(record.row))
        if record.source_id:
            st.caption(plain(f"source id {record.source_id}"))
        draw_texts(record.row, key=f"row-{position}", raw=raw)


def _step(
    workspace: Workspace,
    dataset: DatasetRecord,
    listing: Listing,
    position: int,
    place: int | None,
    step: int,
) -> None:
    """Open the neighbour: in the table's order where the row is in the table, else in the file."""
    with user_errors():
        if place is None:
            following = position + step
            found = following if 0 <= following < dataset.accepted else None
        else:
            following = place + step
            rows, _ = listing.page(workspace, dataset, following, 1) if following >= 0 else ([], 0)
            found = rows[0].position if rows else None
        if found is None:
            st.toast("This is the last row." if step > 0 else "This is the first row.")
            return
        st.query_params[OPEN_ROW] = str(found + 1)
        if place is not None:
            st.session_state[_ROW_PLACE] = {found: following}
            st.session_state[PAGE] = following // PAGE_ROWS + 1
