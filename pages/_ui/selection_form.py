"""What another selection needs to know: objective, budget, name. Starts its job."""

from __future__ import annotations

from typing import Any

import streamlit as st

from nncift_core import jobs
from pages._ui import selections
from pages._ui.errors import user_errors
from pages._ui.format import counted, percent, plain
from pages._ui.shell import Context

_SHARE, _COUNT = "Share", "Rows"


def selection_form(context: Context, *, first: bool) -> None:
    """Objective, budget and name of another selection, and the button that makes it.

    Args:
        context: What the page is about; its run is finished.
        first: Whether there is no selection yet, so that making one is the next step.
    """
    from nncift_core.pipeline import RunSpec

    spec = RunSpec.read(context.job_dir / "config.json")
    usable = {entry.name: entry for entry in spec.usable_objectives()}
    default = spec.config.objective if spec.config.objective in usable else next(iter(usable))
    with st.container(border=True, key="new-selection"):
        one, two, three = st.columns([2, 2, 2])
        objective = one.selectbox(
            "Objective",
            list(usable),
            index=list(usable).index(default),
            format_func=lambda name: usable[name].title,
            key="objective",
            help="What makes a set of rows good.",
        )
        entry = usable[objective]
        one.caption(f"{plain(entry.summary)} {_cites(entry.citation)}")
        budget = _budget(two, context.n_train, spec.config.budget)
        name = three.text_input(
            "Name",
            value="",
            max_chars=80,
            key="selection-name",
            placeholder=entry.title,
            help="So that you know it again.",
        )
        three.button(
            "Select rows",
            type="primary" if first else "secondary",
            key="select",
            icon=":material/checklist:",
            on_click=_start,
            args=(context, objective, budget, name.strip() or entry.title),
        )


def _cites(citation: str) -> str:
    return f"({plain(citation)})" if citation else ""


def _budget(column: Any, n_train: int, default: str) -> str:
    """The budget as the pipeline reads it: ``0.30`` or ``500``."""
    kinds = (_SHARE, _COUNT)
    with column:
        kind = st.segmented_control(
            "Budget",
            kinds,
            default=_SHARE if "." in default else _COUNT,
            required=True,
            key="budget-kind",
        )
        if kind == _SHARE:
            start = round(100 * float(default)) if "." in default else 30
            share = st.slider(
                "Share of the pool",
                min_value=1,
                max_value=100,
                value=min(100, max(1, start)),
                format="%d %%",
                key="budget-share",
                label_visibility="collapsed",
            )
            rows = max(1, share * n_train // 100)
            st.caption(f"{counted(rows, 'row')} of {n_train:,}")
            return f"{share / 100:.2f}"
        rows = st.number_input(
            "Number of rows",
            min_value=1,
            max_value=n_train,
            value=min(n_train, int(default) if default.isdigit() else max(1, n_train // 10)),
            step=1,
            key="budget-count",
            label_visibility="collapsed",
        )
        st.caption(f"{percent(rows / n_train)} of {counted(n_train, 'row')}")
        return str(int(rows))


def _start(context: Context, objective: str, budget: str, name: str) -> None:
    with user_errors():
        from nncift_core.pipeline import create_selection

        selection_id = create_selection(
            context.workspace, context.run.run_id, objective, budget, name
        )
        selections.open_selection(selection_id)
        jobs.start(context.workspace.selection_dir(context.run.run_id, selection_id))
