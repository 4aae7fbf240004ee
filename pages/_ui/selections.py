"""Which selection a page shows, how selections are named, and one page of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from nncift_core.config import Budget
from nncift_core.errors import ConfigError
from nncift_core.selection import OBJECTIVES
from nncift_core.store import SelectionRecord
from pages._ui.format import counted, percent, plain

SELECTION = "selection"
PAGE_ROWS = 50

_MEMORY = "nncift_selection"
_SWITCHER = "selection-switcher"


def wanted_selection() -> str | None:
    """The selection in the URL, else the one this session looked at last."""
    value = st.query_params.get(SELECTION) or st.session_state.get(_MEMORY)
    return str(value) if value else None


def open_selection(selection_id: str) -> None:
    """Look at a selection from now on."""
    st.session_state[_MEMORY] = selection_id
    if st.query_params.get(SELECTION) != selection_id:
        st.query_params[SELECTION] = selection_id


def close_selection() -> None:
    """Back to choosing; the session still knows which selection was looked at last."""
    if SELECTION in st.query_params:
        del st.query_params[SELECTION]


def remember_selection(selection_id: str) -> None:
    """Let other pages begin with a selection, without opening it here."""
    st.session_state[_MEMORY] = selection_id


def switcher(names: Mapping[str, str], *, label: str = "Selection") -> str:
    """Let the user choose one of several selections, the newest at first.

    Args:
        names: What to call each selection, by id, the oldest first; at least one.
        label: Of the field.

    Returns:
        The id of the chosen one.
    """
    wanted = wanted_selection()
    current = wanted if wanted is not None and wanted in names else list(names)[-1]
    open_selection(current)
    # The URL decides; the field follows it, also when a new selection was begun.
    st.session_state[_SWITCHER] = current
    st.selectbox(
        label,
        list(names)[::-1],
        format_func=names.__getitem__,
        key=_SWITCHER,
        on_change=lambda: open_selection(st.session_state[_SWITCHER]),
    )
    return current


def selection_words(record: SelectionRecord) -> str:
    """``First try: FL (target), 543 rows``; not escaped, for fields that show plain text."""
    return named(record.name, record.objective, counted(record.row_count, "row"))


def named(name: str, objective: str, size: str) -> str:
    """Name, objective and size of a selection; one that is called after its objective, once."""
    title = objective_title(objective)
    return f"{title}, {size}" if name == title else f"{name}: {title}, {size}"


def objective_title(name: str) -> str:
    """An objective's title, or its name where it is not registered (any more)."""
    return OBJECTIVES[name].title if name in OBJECTIVES else name


def has_rounds(name: str) -> bool:
    """Whether an objective shares coverage between picks."""
    return name not in OBJECTIVES or bool(OBJECTIVES[name].rounds)


def budget_words(budget: str) -> str:
    """``30 % of the pool`` or ``500 rows``; the text itself if it is no budget."""
    try:
        Budget(budget)
    except ConfigError:
        return budget
    return f"{percent(float(budget))} of the pool" if "." in budget else f"{int(budget):,} rows"


def first_page(key: str) -> None:
    """Go back to the first page of a table, for callbacks."""
    st.session_state[f"{key}-offset"] = 0


def rows_page(
    key: str,
    fetch: Callable[[int, int], tuple[list[Any], int]],
    draw: Callable[[list[Any]], None],
    *,
    nothing: str,
) -> bool:
    """One page of rows, and the way to the next page.

    Args:
        key: Beginning of the keys of the widgets.
        fetch: Gives rows and the number of all matches for offset and limit.
        draw: Draws the rows of one page.
        nothing: What to say where there are no rows.

    Returns:
        Whether any row was drawn.
    """
    offset_key = f"{key}-offset"

    def move(to: int) -> None:
        st.session_state[offset_key] = max(0, to)

    offset = int(st.session_state.get(offset_key, 0))
    rows, total = fetch(offset, PAGE_ROWS)
    if not rows and offset:
        offset = 0
        move(0)
        rows, total = fetch(offset, PAGE_ROWS)
    if not rows:
        st.caption(plain(nothing))
        return False
    draw(rows)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Rows {offset + 1:,} to {offset + len(rows):,} of {total:,}", width="stretch")
        st.button(
            "Back",
            key=f"{key}-back",
            icon=":material/chevron_left:",
            disabled=offset == 0,
            on_click=move,
            args=(offset - PAGE_ROWS,),
        )
        st.button(
            "Next",
            key=f"{key}-forth",
            icon=":material/chevron_right:",
            disabled=offset + len(rows) >= total,
            on_click=move,
            args=(offset + PAGE_ROWS,),
        )
    return True
