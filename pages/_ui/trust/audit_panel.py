"""The audit of a run: the button, its live progress, and its checks as a list.

Knows an audit's job and result, nothing of how checks are made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from nncift_core import jobs
from pages._ui.errors import user_errors
from pages._ui.format import ago, counted, in_app, plain
from pages._ui.job_panel import attempt, job_panel
from pages._ui.runs import label_unit
from pages._ui.shell import Context

AUDIT = "audit"
_MARKS = {
    "passed": ":green[:material/check_circle:]",
    "failed": ":red[:material/cancel:]",
    "reported": ":blue[:material/info:]",
    "skipped": ":gray[:material/remove_circle:]",
}


def draw_audit(context: Context) -> None:
    """Draw the audit of the run in view, which has finished and has a network."""
    from nncift_core.pipeline import last_audit, read_audit

    st.subheader("Audit", anchor=False)
    st.markdown(
        "Trains again on shuffled labels, copies rows exactly and with wrong answers, and compares "
        "subsets with true influence on a sample. It takes a few minutes at most."
    )
    with user_errors():
        folder = last_audit(context.workspace, context.run.run_id)
        state = jobs.read_state(folder) if folder is not None else None
        if state is None or not state.live:
            st.button(
                "Audit this run" if folder is None else "Audit again",
                key=AUDIT,
                icon=":material/fact_check:",
                on_click=_start,
                args=(context,),
            )
        if folder is None or state is None:
            return
        if state.status == "done":
            result = read_audit(folder)
            if result is not None:
                _draw_result(result)
            return
        with st.container(border=True, key="audit-panel"):
            method = str(context.run.config["config"]["method"])
            stages = {
                "embed": "rows",
                "shuffle": "fits",
                "copies": "rows",
                "wrong answers": "rows",
                "label": label_unit(method),
            }
            job_panel(
                folder, stages=stages, draw_live=lambda _: _draw_so_far(folder), key=f"{AUDIT}-job"
            )
            if not state.live:
                _draw_so_far(folder)


def _draw_so_far(folder: Path) -> None:
    _draw_checks(jobs.read_points(folder, "check"))


def _draw_result(result: Mapping[str, Any]) -> None:
    st.markdown(f"**{summary_words(result)}**")
    _draw_checks(result["checks"])
    st.caption(f"Checked {ago(result['at'])}, estimator {plain(result['network'])}.")


def _draw_checks(checks: Sequence[Mapping[str, Any]]) -> None:
    for check in checks:
        mark = _MARKS.get(check["status"], _MARKS["reported"])
        st.markdown(
            f"{mark} **{plain(check['title'])}**: {check['status']}  \n"
            f"{plain(_spaced(in_app(check['sentence'])))}"
        )


def _spaced(sentence: str) -> str:
    """Percentages as everywhere in the app: ``34 %``."""
    return re.sub(r"(?<=\d)%", " %", sentence)


def summary_words(result: Mapping[str, Any]) -> str:
    """How many checks passed and failed, in words."""
    failed = result["counts"].get("failed", 0)
    total = len(result["checks"])
    if failed:
        return f"{failed} of {counted(total, 'check')} failed."
    return (
        f"No check failed: {result['counts'].get('passed', 0)} of {total} passed, the others "
        "report numbers or were left out."
    )


def _start(context: Context) -> None:
    from nncift_core.pipeline import create_audit

    with user_errors():
        attempt(jobs.start, create_audit(context.workspace, context.run.run_id), AUDIT)
