"""Pin, ban and release rows from any table, map or pair, with undo and redo.

Rows that are given together become one action of the run's log, so one undo takes them back. Knows
ids only: which rows they are is the business of the caller, and what they do to a selection that of
the page Select.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from nncift_core.errors import NNCIFTError
from nncift_core.selection.actions import Action, Curation, curation
from nncift_core.selection_config import join_ids
from nncift_core.store import Workspace
from pages._ui.access import may_change
from pages._ui.errors import error_box
from pages._ui.format import counted, plain, shortened

_PROBLEM = "curation-problem"
_DONE = "curation-done"
_LOG = "curation-log"
_WORDS = 60
"""Letters of what an undo takes back."""


def row_actions(
    workspace: Workspace,
    run_id: str,
    row_ids: Sequence[str],
    *,
    key: str,
    shortcuts: bool = False,
) -> None:
    """One line: pin, ban or release some rows of the pool, undo, redo, and what is in force.

    Args:
        workspace: Where the run's log is kept.
        run_id: The run.
        row_ids: Of rows of the run's pool; where there are none, nothing can be pinned.
        key: Beginning of the keys of the buttons.
        shortcuts: Whether p, b and u work; for one line of a page at most.
    """
    log = curation(workspace.catalog.actions(run_id))
    action_bar(workspace, run_id, log, row_ids, key=key, shortcuts=shortcuts)
    draw_problem()


def action_bar(
    workspace: Workspace,
    run_id: str,
    log: Curation,
    row_ids: Sequence[str],
    *,
    key: str,
    shortcuts: bool = False,
) -> None:
    """The line of ``row_actions`` for a log that was read already; draws no problem."""
    ids = list(dict.fromkeys(row_ids))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for label, icon, shortcut, kind, wanted, help_text in _row_buttons(log, ids):
            _button(
                label,
                f"{key}-{kind}",
                icon,
                shortcut if shortcuts else None,
                not wanted,
                help_text,
                (workspace, run_id, [(kind, join_ids(wanted))], _done_words(kind, wanted)),
            )
        for label, icon, shortcut, kind, words in (
            ("Undo", "undo", "U", "undo", log.undo_words),
            ("Redo", "redo", "Shift+U", "redo", log.redo_words),
        ):
            past = "Taken back" if kind == "undo" else "Done again"
            does = "Takes back" if kind == "undo" else "Does again"
            _button(
                label,
                f"{key}-{kind}",
                icon,
                shortcut if shortcuts else None,
                not words,
                f"{does}: {plain(shortened(words, _WORDS))}" if words else f"Nothing to {kind}.",
                (workspace, run_id, [(kind, "")], f"{past}: {words}"),
            )
        st.caption(f"{_marked_words(ids)}{in_force_words(log)}")


def read_log(workspace: Workspace, run_id: str, *, again: bool) -> Sequence[Action]:
    """A run's log, for parts of a page that are drawn more often than the page.

    Args:
        workspace: Where the log is kept.
        run_id: The run.
        again: Whether to ask the catalog although nothing was done here since it was asked.
    """
    known = st.session_state.get(_LOG)
    if again or known is None or known[0] != run_id:
        known = st.session_state[_LOG] = (run_id, workspace.catalog.actions(run_id))
    actions: Sequence[Action] = known[1]
    return actions


def act(workspace: Workspace, run_id: str, actions: Collection[tuple[str, str]], done: str) -> None:
    """Add actions to the log, for callbacks; ``done`` says what was done."""
    st.session_state.pop(_PROBLEM, None)
    st.session_state.pop(_LOG, None)
    try:
        workspace.catalog.add_actions(run_id, actions)
    except NNCIFTError as error:
        refuse(error)
    else:
        st.session_state[_DONE] = done


def refuse(error: NNCIFTError) -> None:
    """Remember why nothing was done, for callbacks; said once by ``draw_problem``."""
    st.session_state[_PROBLEM] = error


def refused() -> bool:
    """Whether the last action was not done."""
    return _PROBLEM in st.session_state


def draw_problem() -> None:
    """Say why the last action was not done, once."""
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        error_box(problem)


def take_done() -> str:
    """What the last action was, once; empty where there was none since."""
    return str(st.session_state.pop(_DONE, ""))


def in_force_words(log: Curation) -> str:
    """``pinned 12, banned 40, 1 rule``."""
    parts = [f"pinned {len(log.pinned):,}", f"banned {len(log.banned):,}"]
    if log.rules:
        parts.append(counted(len(log.rules), "rule"))
    if log.quotas:
        parts.append(counted(len(log.quotas), "quota"))
    return ", ".join(parts)


def _row_buttons(
    log: Curation, ids: Sequence[str]
) -> list[tuple[str, str, str | None, str, list[str], str]]:
    """Label, icon, shortcut, kind, the rows that it changes, and what it means."""
    pinned, banned = set(log.pinned), set(log.banned)
    to_pin = [row_id for row_id in ids if row_id not in pinned]
    to_ban = [row_id for row_id in ids if row_id not in banned]
    held = [row_id for row_id in ids if row_id in pinned or row_id in banned]
    return [
        ("Pin", "keep", "P", "pin", to_pin, "Always in the selection."),
        ("Ban", "block", "B", "ban", to_ban, "Never in the selection."),
        ("Release", "lock_open", None, "release", held, "Neither pinned nor banned any more."),
    ]


def _button(
    label: str,
    key: str,
    icon: str,
    shortcut: str | None,
    disabled: bool,
    help_text: str,
    args: tuple[Workspace, str, list[tuple[str, str]], str],
) -> None:
    st.button(
        label,
        key=key,
        icon=f":material/{icon}:",
        shortcut=shortcut,
        disabled=disabled or not may_change(),
        on_click=act,
        args=args,
        help=help_text,
    )


def _done_words(kind: str, ids: Sequence[str]) -> str:
    past = {"pin": "Pinned", "ban": "Banned", "release": "Released"}[kind]
    return f"{past} {counted(len(ids), 'row')}"


def _marked_words(ids: Sequence[str]) -> str:
    return f"{counted(len(ids), 'row')} marked · " if ids else ""
