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
from pages._ui.format import counted, plain
from pages._ui.row_actions import take_done

if TYPE_CHECKING:
    from nncift_core.pipeline.browsing import Change, Shown
    from nncift_core.pipeline.curation import Desk

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


def choose(desk: Desk, objective: str, settings: SelectionConfig, wanted: int) -> Shown:
    """The first ``wanted`` rows by an objective, or as many as the demands allow.

    Raises:
        NNCIFTError: The demands contradict each other, or the objective cannot be used.
    """
    from nncift_core.pipeline import browsing

    most = browsing.rows_to_order(len(desk.roles.pool), wanted, settings)
    with st.spinner("Choosing rows: in a large pool the first time takes a while ..."):
        live = desk.select(objective, settings, most)
    return browsing.shown(desk, live, min(wanted, len(live.order)))


def what_changed(run_id: str, shown: Shown) -> str:
    """After an action of the curator: one sentence of what it did to the chosen rows.

    It stays until the next action, so that moving a slider does not make it go away unread. Empty
    where nothing was done yet.
    """
    from nncift_core.pipeline import browsing

    done = take_done()
    before = st.session_state.get(_BEFORE)
    if done:
        words = done
        if before is not None and before[0] == run_id:
            words += f": {change_sentence(browsing.change(before[1], shown.chosen))}"
        st.session_state[_CHANGE] = (run_id, f"{words}.")
    st.session_state[_BEFORE] = (run_id, shown.chosen)
    change = st.session_state.get(_CHANGE)
    return plain(change[1]) if change is not None and change[0] == run_id else ""


def change_sentence(change: Change) -> str:
    """``3 rows left, 3 came in``."""
    if not change.any:
        return "the chosen rows stay the same"
    return f"{counted(change.left, 'row')} left, {change.came:,} came in"
