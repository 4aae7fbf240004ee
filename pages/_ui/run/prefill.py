"""The form of a new run filled in from another one: ``from=RUN_ID`` in the address.

The name stays in the address until the start, so that a refresh fills the fields in again; a
field's own value in the address wins over it. What the form has no fields for (duplicates, lengths,
pins and so on) is taken over as well and said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import streamlit as st

from nncift_core.config import LanguageModelConfig, LessConfig, RunConfig, SelectITConfig
from nncift_core.errors import NNCIFTError
from nncift_core.influence import METHODS
from nncift_core.selection.use_cases import GENERAL
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import RunRecord
from pages._ui.format import number, plain
from pages._ui.run.config_fields import field_key
from pages._ui.run.estimate_form import INPUTS, NETWORK, PLACING, SECOND_ROUND, SPLIT_ROUNDS
from pages._ui.run.form import (
    BUDGET,
    ENCODER,
    EXACT,
    LABELS,
    LEAST_LABELS,
    MOST_LABELS,
    NEW,
    SEED,
)
from pages._ui.run.method_cards import METHOD
from pages._ui.run.model_form import NOT_OFFERED
from pages._ui.run.objective_field import EXISTING, OBJECTIVE, other_datasets, usable_objectives
from pages._ui.runs import settings_words
from pages._ui.shell import Context

FROM = "from"
_PROBLEMS, _TAKEN = "nncift_prefill", "nncift_prefill_taken"
_GROUPS = {"less": LessConfig, "selectit": SelectITConfig}


def take_over(context: Context) -> None:
    """Fill the fields from the run that the address names; must run before they are drawn.

    Once a visit: what is changed afterwards stays changed.
    """
    wanted = st.query_params.get(FROM)
    if wanted is None or st.session_state.get(_TAKEN) == wanted:
        return
    st.session_state[_TAKEN] = wanted
    st.query_params[NEW] = "1"
    run = _run(context, wanted)
    if run is None:
        st.session_state[_PROBLEMS] = [
            f"The run {plain(wanted)} is not in this workspace (any more); these are the usual "
            "settings."
        ]
        return
    try:
        config = RunConfig.from_json(run.config["config"])
        METHODS[config.method]
    except (NNCIFTError, KeyError, TypeError):
        st.session_state[_PROBLEMS] = [
            f"The settings of the run {plain(wanted)} are none of this version; these are the "
            "usual ones."
        ]
        return
    problems: list[str] = []
    values = _values(context, run, config, problems)
    given = set(st.query_params)
    if METHOD not in given:
        st.query_params[METHOD] = config.method
    # What stands in the address beside it was asked for on purpose.
    st.session_state.update({k: value for k, value in values.items() if k not in given})
    st.session_state[_PROBLEMS] = problems


def draw_taken_over(context: Context) -> SelectionConfig | None:
    """Say what was taken over; the selection settings of the run that the address names, if any."""
    for problem in st.session_state.get(_PROBLEMS, ()):
        st.info(problem, icon=":material/info:")
    wanted = st.query_params.get(FROM)
    run = _run(context, wanted) if wanted else None
    if run is None:
        return None
    try:
        selection = _own_selection(RunConfig.from_json(run.config["config"]))
    except (NNCIFTError, KeyError, TypeError):
        return None
    usual = asdict(SelectionConfig(use_case=GENERAL))
    changed = [name for name, value in asdict(selection).items() if value != usual[name]]
    if not changed:
        return None
    names = ", ".join(name.replace("_", " ") for name in changed)
    st.caption(f"Also as in {settings_words(run)}: {names}.")
    return selection


def forget_taken_over() -> None:
    """The form begins afresh the next time."""
    for key in (_PROBLEMS, _TAKEN):
        st.session_state.pop(key, None)
    st.query_params.pop(FROM, None)


def _run(context: Context, run_id: str) -> RunRecord | None:
    found = next((run for run in context.runs if run.run_id == run_id), None)
    if found is None:
        try:
            found = context.workspace.catalog.run(run_id)
        except NNCIFTError:
            return None
    return found


def _own_selection(config: RunConfig) -> SelectionConfig:
    """Its selection settings; the objective is a field of its own."""
    return replace(config.selection, use_case=GENERAL)


def _values(
    context: Context, run: RunRecord, config: RunConfig, problems: list[str]
) -> dict[str, Any]:
    """What each field holds, by its key; what no field can hold goes to ``problems``."""
    method = METHODS[config.method]
    share = 100 * config.label_fraction
    shown = min(max(share, LEAST_LABELS), MOST_LABELS)
    if shown != share:
        problems.append(
            f"The run labelled {number(share)} %; the form offers {number(LEAST_LABELS)} to "
            f"{number(MOST_LABELS)} %."
        )
    values: dict[str, Any] = {
        LABELS: float(shown),
        BUDGET: config.budget,
        ENCODER: config.encoder,
        SEED: config.seed,
        EXACT: config.exact,
        NETWORK: config.network,
        PLACING: config.design,
        INPUTS: config.inputs,
    }
    if config.second_round in SPLIT_ROUNDS:
        values[SECOND_ROUND] = config.second_round
    elif config.second_round:
        problems.append(
            f"The run had a second round of {number(config.second_round)}, which the form does "
            "not offer."
        )
    others = other_datasets(context)
    objective = config.objective or method.default_objective
    if objective in usable_objectives(config.method, existing=bool(others)):
        values[OBJECTIVE] = objective
    existing: Mapping[str, Any] = run.config.get("existing") or {}
    if existing.get("id") in others:
        values[EXISTING] = existing["id"]
    for setting in fields(LanguageModelConfig):
        if setting.name not in NOT_OFFERED:
            values[field_key("", setting.name)] = getattr(config.lm, setting.name)
    for name, group in _GROUPS.items():
        own = getattr(config, name)
        for setting in fields(group):
            values[field_key(f"{name}-", setting.name)] = getattr(own, setting.name)
    return values
