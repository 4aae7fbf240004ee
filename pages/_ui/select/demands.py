"""Rules and quotas of the curator on the Select page; pins and bans are those of ``row_actions``.

Everything goes into the run's log, so that a refresh or a second tab finds it. Knows texts; what
they do to a selection is told to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from nncift_core.errors import NNCIFTError
from nncift_core.selection.actions import Curation
from nncift_core.selection.rules import parse_quotas, parse_rules
from nncift_core.store import Workspace
from pages._ui.access import may_change
from pages._ui.format import plain, shortened
from pages._ui.row_actions import act, refuse, refused

RULE_EXAMPLES = (
    "response contains I cannot",
    "tokens < 12",
    "subtask = chat",
    "cluster = 3",
    "score < 0.1",
)
QUOTA_EXAMPLES = ("subtask:math=10..", "cluster:3=..0.2", "group:web=5..50")

_RULE, _QUOTA = "rule-text", "quota-text"

Check = Callable[[str, str], str]
"""``check(kind, text)``: raises ConfigError, or says in words what the demand is about."""


def rules_and_quotas(workspace: Workspace, run_id: str, log: Curation, check: Check) -> None:
    """The fields for rules and quotas, folded away, with those that are in force.

    Args:
        workspace: Where the log is kept.
        run_id: The run.
        log: The demands in force.
        check: Looks at a rule or quota before it joins the log.
    """
    number = len(log.rules) + len(log.quotas)
    with st.expander(f"Rules and quotas ({number})", icon=":material/rule:"):
        _field(workspace, run_id, "ban-where", _RULE, "Ban rows where", RULE_EXAMPLES, check)
        _listed(workspace, run_id, log.rules, "drop-ban-where", "rule", check, "ban-where")
        _field(workspace, run_id, "quota", _QUOTA, "Bounds of a group", QUOTA_EXAMPLES, check)
        _listed(workspace, run_id, log.quotas, "drop-quota", "quota", check, "quota")


def _field(
    workspace: Workspace,
    run_id: str,
    kind: str,
    key: str,
    label: str,
    examples: Sequence[str],
    check: Check,
) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(label, key=key, max_chars=1_000, placeholder=examples[0])
        st.button(
            "Add",
            key=f"{key}-add",
            on_click=_add_text,
            args=(workspace, run_id, kind, key, check),
            disabled=not may_change(),
        )
    st.caption("For example " + ", ".join(f"`{example}`" for example in examples))


def _add_text(workspace: Workspace, run_id: str, kind: str, key: str, check: Check) -> None:
    text = str(st.session_state[key]).strip()
    try:
        words = f"'{text}' {check(kind, text)}"
        parsed = parse_rules(text) if kind == "ban-where" else parse_quotas(text)
    except NNCIFTError as error:
        refuse(error)
        return
    # Each is an action of its own. Where there is none, the log says so.
    texts = [part.text for part in parsed] or [text]
    act(workspace, run_id, [(kind, part) for part in texts], words)
    if not refused():
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
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(gap=None):
                st.text(shortened(text, 120))
                try:
                    st.caption(plain(check(kind, text)))
                except NNCIFTError as error:
                    st.caption(plain(str(error)))
            st.button(
                "Drop",
                key=f"{drop}-{place}",
                on_click=act,
                args=(workspace, run_id, [(drop, text)], f"Dropped the {noun} {text}"),
                disabled=not may_change(),
            )
