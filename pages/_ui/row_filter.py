"""The filter of rows, one and the same on every page, with its state in the URL.

Draws one row of widgets and finds the rows of a run's pool that match. What a filter means is
said by ``nncift_core.datasets.row_filter``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from nncift_core.datasets.row_filter import RowFilter
from nncift_core.store import Workspace
from pages._ui.format import plain
from pages._ui.run_view import open_run
from pages._ui.shell import Context

if TYPE_CHECKING:
    from nncift_core.pipeline.view import RunView

SEARCH, SUBTASK, SHORTEST, LONGEST = "q", "subtask", "shortest", "longest"
"""In the URL, on every page."""

LONGEST_SEARCH = 300
_MOST_DIGITS = 8
_ANY = ""


def filter_bar(
    key: str, *, subtasks: Sequence[str] = (), on_change: Callable[[], None] | None = None
) -> RowFilter:
    """Draw the filter and return what it says.

    The URL decides; the widgets follow it. So several bars of one page show the same filter.

    Args:
        key: Of this bar, unique on the page.
        subtasks: Names to choose from; without any the choice is left out.
        on_change: Called when the filter changes, to go back to the first page of a table.
    """
    current, problems = read_filter()
    _follow(key, current)

    def write() -> None:
        _write(key)
        if on_change is not None:
            on_change()

    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}-filter"):
        st.text_input(
            "Search",
            key=f"{key}-{SEARCH}",
            placeholder="Words in the prompt or response",
            icon=":material/search:",
            max_chars=LONGEST_SEARCH,
            on_change=write,
            width=270,
            help="All words must occur in the prompt or the response, upper and lower case "
            'alike, also inside longer words. "Quoted words" stay together.',
        )
        names = list(dict.fromkeys([_ANY, *subtasks, current.subtask or _ANY]))
        if len(names) > 1:
            st.selectbox(
                "Subtask",
                names,
                format_func=lambda name: name or "all",
                key=f"{key}-{SUBTASK}",
                on_change=write,
                width=160,
            )
        for label, name in (("Shortest", SHORTEST), ("Longest", LONGEST)):
            st.number_input(
                label,
                min_value=0,
                max_value=10**_MOST_DIGITS - 1,
                value=None,
                step=100,
                key=f"{key}-{name}",
                placeholder="any",
                on_change=write,
                width=120,
                help="Characters of prompt and response together.",
            )
        st.button(
            "Clear",
            key=f"{key}-clear",
            icon=":material/filter_alt_off:",
            type="tertiary",
            disabled=current.empty and not problems,
            on_click=_clear,
            args=(on_change,),
            help="Show all rows again.",
        )
    for problem in problems:
        st.caption(f":material/info: {problem}")
    return current


def read_filter() -> tuple[RowFilter, list[str]]:
    """The filter in the URL, and a sentence about each part of it that means nothing."""
    problems = []
    lengths: dict[str, int | None] = {SHORTEST: None, LONGEST: None}
    for name in lengths:
        given = st.query_params.get(name, "")
        if given.isascii() and given.isdigit() and len(given) <= _MOST_DIGITS:
            lengths[name] = int(given)
        elif given:
            problems.append(
                f"{name}={plain(given[:40])} in the address is no number of characters and was "
                "left out."
            )
    shortest, longest = lengths[SHORTEST], lengths[LONGEST]
    if shortest is not None and longest is not None and shortest > longest:
        problems.append("The shortest length is above the longest one, so no row can match.")
    search = st.query_params.get(SEARCH, "")
    if len(search) > LONGEST_SEARCH:
        problems.append(f"The search was cut to {LONGEST_SEARCH} characters.")
    search = search[:LONGEST_SEARCH]
    return RowFilter(search, st.query_params.get(SUBTASK) or None, shortest, longest), problems


def filter_query(row_filter: RowFilter) -> dict[str, str]:
    """A filter as part of a link."""
    parts = {
        SEARCH: row_filter.search,
        SUBTASK: row_filter.subtask or "",
        SHORTEST: "" if row_filter.shortest is None else str(row_filter.shortest),
        LONGEST: "" if row_filter.longest is None else str(row_filter.longest),
    }
    return {name: value for name, value in parts.items() if value}


def write_filter(row_filter: RowFilter) -> None:
    """Make a filter the one in the URL; for callbacks."""
    query = filter_query(row_filter)
    for name in (SEARCH, SUBTASK, SHORTEST, LONGEST):
        if name in query:
            st.query_params[name] = query[name]
        elif name in st.query_params:
            del st.query_params[name]


def pool_matches(
    workspace: Context | Workspace, run: RunView | str, row_filter: RowFilter
) -> NDArray[np.bool_] | None:
    """Which rows of a run's pool match.

    Args:
        workspace: Where the run is, or the page's context.
        run: The opened run, or its id.
        row_filter: What to look for.

    Returns:
        ``(n_train,)`` in the order of the run's pool, read-only; None where the filter is empty.

    Raises:
        ConfigError: There is no such run.
        WorkspaceError: The catalog cannot be read.
    """
    if row_filter.empty:
        return None
    found = workspace.workspace if isinstance(workspace, Context) else workspace
    run_id = run if isinstance(run, str) else run.run_id
    return _pool_matches(found.path, run_id, row_filter, found, run)


@st.cache_resource(max_entries=64, show_spinner=False)
def _pool_matches(
    path: Path, run_id: str, row_filter: RowFilter, _workspace: Any, _run: Any
) -> NDArray[np.bool_]:
    view: RunView = open_run(path, run_id, _workspace) if isinstance(_run, str) else _run
    catalog, dataset = _workspace.catalog, view.spec.train.id
    stored = np.zeros(catalog.dataset(dataset).accepted, dtype=np.bool_)
    stored[catalog.matching_positions(dataset, row_filter)] = True
    found: NDArray[np.bool_] = stored[view.roles.pool_positions]
    found.flags.writeable = False
    return found


def _follow(key: str, current: RowFilter) -> None:
    """Let the widgets show what the URL says."""
    st.session_state[f"{key}-{SEARCH}"] = current.search
    st.session_state[f"{key}-{SUBTASK}"] = current.subtask or _ANY
    st.session_state[f"{key}-{SHORTEST}"] = current.shortest
    st.session_state[f"{key}-{LONGEST}"] = current.longest


def _write(key: str) -> None:
    state = st.session_state
    write_filter(
        RowFilter(
            (state.get(f"{key}-{SEARCH}") or "").strip(),
            state.get(f"{key}-{SUBTASK}") or None,
            state.get(f"{key}-{SHORTEST}"),
            state.get(f"{key}-{LONGEST}"),
        )
    )


def _clear(on_change: Callable[[], None] | None) -> None:
    write_filter(RowFilter())
    if on_change is not None:
        on_change()
