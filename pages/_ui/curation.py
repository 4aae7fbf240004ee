"""The curator's demands on the Select page: pins, bans, rules and quotas, with undo and redo.

Everything goes into the run's log, so that a refresh or a second tab finds it. Says after each
action what it changed. Knows ids and texts; what they do to a selection is told to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.errors import NNCIFTError
from nncift_core.selection.actions import Curation
from nncift_core.selection.rules import parse_quotas, parse_rules
from nncift_core.store import Workspace
from pages._ui.errors import error_box
from pages._ui.format import counted, plain, shortened

if TYPE_CHECKING:
    from nncift_core.pipeline.browsing import Change

RULE_EXAMPLES = (
    "response contains I cannot",
    "tokens < 12",
    "subtask = chat",
    "cluster = 3",
    "score < 0.1",
)
QUOTA_EXAMPLES = ("subtask:math=10..", "cluster:3=..0.2", "group:web=5..50")

_PROBLEM = "curation-problem"
_DONE = "curation-done"
_RULE, _QUOTA = "rule-text", "quota-text"

Check = Callable[[str, str], str]
"""``check(kind, text)``: raises ConfigError, or says in words what the demand is about."""


def demands_panel(workspace: Workspace, run_id: str, log: Curation, check: Check) -> None:
    """What is demanded so far, undo and redo, and the fields for rules and quotas.

    Args:
        workspace: Where the log is kept.
        run_id: The run.
        log: The demands in force.
        check: Looks at a rule or quota before it joins the log.
    """
    st.markdown(f"**Your demands** · {_counts(log)}")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Undo",
            key="undo",
            icon=":material/undo:",
            shortcut="U",
            disabled=not log.can_undo,
            on_click=act,
            args=(workspace, run_id, [("undo", "")], f"Taken back: {log.undo_words}"),
            help=f"Takes back: {plain(log.undo_words)}" if log.can_undo else "Nothing to undo.",
        )
        st.button(
            "Redo",
            key="redo",
            icon=":material/redo:",
            shortcut="Shift+U",
            disabled=not log.can_redo,
            on_click=act,
            args=(workspace, run_id, [("redo", "")], f"Done again: {log.redo_words}"),
            help=f"Does again: {plain(log.redo_words)}" if log.can_redo else "Nothing to redo.",
        )
        if log.can_undo or log.can_redo:
            st.caption(plain(_next_words(log)))
    _draw_problem()
    with st.expander(f"Rules and quotas ({len(log.rules) + len(log.quotas)})"):
        _field(workspace, run_id, "ban-where", _RULE, "Ban rows where", RULE_EXAMPLES, check)
        _listed(workspace, run_id, log.rules, "drop-ban-where", "rule", check, "ban-where")
        _field(workspace, run_id, "quota", _QUOTA, "Bounds of a group", QUOTA_EXAMPLES, check)
        _listed(workspace, run_id, log.quotas, "drop-quota", "quota", check, "quota")


def row_buttons(
    place: Any, workspace: Workspace, run_id: str, log: Curation, ticked: Sequence[str]
) -> None:
    """Pin, ban and release the ticked rows.

    Args:
        place: Where to draw the buttons, above the table.
        workspace: Where the log is kept.
        run_id: The run.
        log: The demands in force.
        ticked: Ids of the rows that are ticked in the table.
    """
    pinned, banned = set(log.pinned), set(log.banned)
    to_pin = [row_id for row_id in ticked if row_id not in pinned]
    to_ban = [row_id for row_id in ticked if row_id not in banned]
    held = [
        ("unpin" if row_id in pinned else "unban", row_id)
        for row_id in ticked
        if row_id in pinned or row_id in banned
    ]
    pins = [("pin", row_id) for row_id in to_pin]
    bans = [("ban", row_id) for row_id in to_ban]
    with place.container(horizontal=True, vertical_alignment="center"):
        for label, key, icon, shortcut, actions, words, help_text in (
            ("Pin", "pin", "keep", "P", pins, "Pinned", "Always in."),
            ("Ban", "ban", "block", "B", bans, "Banned", "Never in."),
            ("Release", "release", "lock_open", None, held, "Released", "No pin and no ban."),
        ):
            st.button(
                label,
                key=key,
                icon=f":material/{icon}:",
                shortcut=shortcut,
                disabled=not actions,
                on_click=act,
                args=(workspace, run_id, actions, f"{words} {counted(len(actions), 'row')}"),
                help=help_text,
            )
        st.caption(
            f"{counted(len(ticked), 'row')} ticked"
            if ticked
            else "Tick rows to pin or ban them; keys p, b, and u for undo."
        )


def act(workspace: Workspace, run_id: str, actions: Collection[tuple[str, str]], done: str) -> None:
    """Add actions to the log, for callbacks; ``done`` says what was done."""
    st.session_state.pop(_PROBLEM, None)
    try:
        workspace.catalog.add_actions(run_id, actions)
    except NNCIFTError as error:
        st.session_state[_PROBLEM] = error
    else:
        st.session_state[_DONE] = done


def change_sentence(change: Change) -> str:
    """``3 rows left, 3 came in``."""
    if not change.any:
        return "the chosen rows stay the same"
    return f"{counted(change.left, 'row')} left, {change.came:,} came in"


def take_done() -> str:
    """What the last action was, once; empty where there was none since."""
    return str(st.session_state.pop(_DONE, ""))


def _counts(log: Curation) -> str:
    parts = [f"pinned {len(log.pinned):,}", f"banned {len(log.banned):,}"]
    if log.rules:
        parts.append(counted(len(log.rules), "rule"))
    if log.quotas:
        parts.append(counted(len(log.quotas), "quota"))
    return " · ".join(parts)


def _next_words(log: Curation) -> str:
    parts = []
    if log.can_undo:
        parts.append(f"Undo takes back: {shortened(log.undo_words, 60)}.")
    if log.can_redo:
        parts.append(f"Redo does again: {shortened(log.redo_words, 60)}.")
    return " ".join(parts)


def _draw_problem() -> None:
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        error_box(problem)


def _field(
    workspace: Workspace,
    run_id: str,
    kind: str,
    key: str,
    label: str,
    examples: Sequence[str],
    check: Check,
) -> None:
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    left.text_input(label, key=key, max_chars=1_000, placeholder=examples[0])
    right.button(
        "Add",
        key=f"{key}-add",
        on_click=_add_text,
        args=(workspace, run_id, kind, key, check),
        width="stretch",
    )
    st.caption("For example " + ", ".join(f"`{example}`" for example in examples))


def _add_text(workspace: Workspace, run_id: str, kind: str, key: str, check: Check) -> None:
    st.session_state.pop(_PROBLEM, None)
    text = str(st.session_state[key]).strip()
    try:
        words = f"'{text}' {check(kind, text)}"
        parsed = parse_rules(text) if kind == "ban-where" else parse_quotas(text)
    except NNCIFTError as error:
        st.session_state[_PROBLEM] = error
        return
    # Each is an action of its own. Where there is none, the log says so.
    texts = [part.text for part in parsed] or [text]
    act(workspace, run_id, [(kind, part) for part in texts], words)
    if _PROBLEM not in st.session_state:
        st.session_state[key] = ""


def _listed(
    workspace: Workspace,
    run_id: str,
    texts: Sequence[str],
    drop: str,
    noun: str,
    check: Check,
    kind: str,
) -> None:
    for place, text in enumerate(texts):
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.text(shortened(text, 120))
        try:
            left.caption(plain(check(kind, text)))
        except NNCIFTError as error:
            left.caption(plain(str(error)))
        right.button(
            "Drop",
            key=f"{drop}-{place}",
            on_click=act,
            args=(workspace, run_id, [(drop, text)], f"Dropped the {noun} {text}"),
            width="stretch",
        )
