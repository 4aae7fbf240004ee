"""The objective of a new run, and the rows already tuned on where it reads them."""

from __future__ import annotations

import streamlit as st

from nncift_core.config import RunConfig, field_texts
from nncift_core.influence import METHODS
from nncift_core.selection import OBJECTIVES
from nncift_core.selection.use_cases import GENERAL, objective_for
from nncift_core.store import DatasetRecord
from pages._ui.format import counted, plain
from pages._ui.shell import Context

OBJECTIVE, EXISTING = "objective", "existing"
_EXISTING_MATRIX = "existing-matrix"


def other_datasets(context: Context) -> dict[str, DatasetRecord]:
    """Datasets of the workspace besides pool and target, by id."""
    taken = {dataset.id for dataset in (context.pool, context.target) if dataset is not None}
    found = context.workspace.catalog.datasets()
    return {dataset.id: dataset for dataset in found if dataset.id not in taken}


def usable_objectives(method: str, *, existing: bool) -> list[str]:
    """Objectives that go with a method; ``existing`` where there are rows already tuned on."""
    return [
        entry.name
        for entry in OBJECTIVES
        if (existing or _EXISTING_MATRIX not in entry.needs)
        and (not METHODS[method].pointwise or entry.needs <= {"row-scores"})
    ]


def draw_objective(context: Context, method: str) -> tuple[str, DatasetRecord | None]:
    """Draw the field; the objective, and the existing set where it reads one."""
    others = other_datasets(context)
    names = usable_objectives(method, existing=bool(others))
    chosen = str(
        st.selectbox(
            "Objective",
            names,
            index=names.index(objective_for(GENERAL, METHODS[method])),
            format_func=lambda name: OBJECTIVES[name].title,
            key=OBJECTIVE,
            bind="query-params",
            help=f"{field_texts(RunConfig)['objective']}  \n{plain(_summaries(names))}",
        )
    )
    if _EXISTING_MATRIX not in OBJECTIVES[chosen].needs:
        return chosen, None
    existing = st.selectbox(
        "Rows the model was already tuned on",
        list(others),
        format_func=lambda key: f"{others[key].name}, {counted(others[key].accepted, 'row')}",
        key=EXISTING,
        bind="query-params",
        help="Any other dataset of the workspace. Import one on the Data page of a new project.",
    )
    return chosen, others[str(existing)]


def _summaries(names: list[str]) -> str:
    return " ".join(f"{OBJECTIVES[name].title}: {OBJECTIVES[name].summary}" for name in names)
