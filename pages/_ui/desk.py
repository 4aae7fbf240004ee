"""The run's desk, opened once a server, and the selection it gives for the form and the log.

Remembers what was chosen before an action, so that the page can say what the action changed.
Knows how to ask, nothing of how rows are chosen.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.errors import NNCIFTError
from nncift_core.selection_config import SelectionConfig
from pages._ui import curation
from pages._ui.format import plain

if TYPE_CHECKING:
    from nncift_core.pipeline.browsing import Shown
    from nncift_core.pipeline.curation import Desk
    from nncift_core.types import IndexArray

COUNTED_AT_ONCE = 20_000
"""Rows up to which tokens are counted when the desk is opened: some seconds at most."""

_BEFORE = "select-before"
_CHANGE = "select-change"


@st.cache_resource(
    max_entries=2,
    show_spinner="Opening the run's influence: this takes a moment the first time ...",
)
def open_desk(workspace_path: Path, run_id: str, _workspace: Any) -> Desk:
    """What a run's selections are made from; it never changes. Keyed by folder and id."""
    from nncift_core.pipeline import curation as pipeline_curation

    desk = pipeline_curation.open_desk(_workspace, run_id)
    if len(desk.roles.pool) <= COUNTED_AT_ONCE:
        # What a selection costs to train on is asked of every budget. A tokenizer that cannot be
        # had is no reason to choose nothing.
        with contextlib.suppress(NNCIFTError):
            count_tokens(desk)
    return desk


def count_tokens(desk: Desk) -> None:
    """Count the tokens of all rows, once a run. Raises: NNCIFTError."""
    _ = desk.facts.tokens


@st.cache_resource(max_entries=16, show_spinner="Searching the texts ...")
def search_pool(workspace_path: Path, run_id: str, search: str, _desk: Any) -> IndexArray:
    """Positions of the rows that hold a text; the rows of a run never change."""
    from nncift_core.pipeline import browsing

    return browsing.matching(_desk.roles.pool, search)


def choose(desk: Desk, objective: str, settings: SelectionConfig, wanted: int) -> Shown:
    """The first ``wanted`` rows by an objective, or as many as the demands allow.

    Raises:
        NNCIFTError: The demands contradict each other, or the objective cannot be used.
    """
    from nncift_core.pipeline import browsing

    most = browsing.rows_to_order(len(desk.roles.pool), wanted, settings)
    with st.spinner("Choosing rows ..."):
        live = desk.select(objective, settings, most)
    return browsing.shown(desk, live, min(wanted, len(live.order)))


def say_what_changed(run_id: str, shown: Shown) -> None:
    """After an action of the curator: one sentence of what it did to the chosen rows.

    It stays until the next action, so that moving a slider does not make it go away unread.
    """
    from nncift_core.pipeline import browsing

    done = curation.take_done()
    before = st.session_state.get(_BEFORE)
    if done:
        words = done
        if before is not None and before[0] == run_id:
            words += f": {curation.change_sentence(browsing.change(before[1], shown.chosen))}"
        st.session_state[_CHANGE] = (run_id, f"{words}.")
    st.session_state[_BEFORE] = (run_id, shown.chosen)
    change = st.session_state.get(_CHANGE)
    # Always there, so that nothing moves when the first action is done.
    said = change is not None and change[0] == run_id
    st.info(
        plain(change[1]) if said and change else "Nothing was pinned, banned or bounded just now.",
        icon=":material/difference:",
    )
