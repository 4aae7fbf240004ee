"""Settings of a new run: method, labels, budget, model; what it will cost; Start; all the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from nncift_core import jobs
from nncift_core.config import Budget, RunConfig, field_texts
from nncift_core.errors import NNCIFTError
from nncift_core.influence import METHODS
from nncift_core.pipeline import DataSource, RunSpec, estimate_cost
from nncift_core.selection.use_cases import GENERAL
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import DatasetRecord
from pages._ui import state
from pages._ui.access import may_change
from pages._ui.command import run_command
from pages._ui.errors import error_box, user_errors
from pages._ui.format import count, counted
from pages._ui.run.cost import draw_pilot, label_words, saving_words, source_words
from pages._ui.run.estimate_form import draw_estimate_fields
from pages._ui.run.method_cards import draw_methods
from pages._ui.run.model_form import draw_model_fields, draw_model_name, refuse_folder
from pages._ui.run.objective_field import OBJECTIVE, draw_objective
from pages._ui.run.plan_panel import draw_plan
from pages._ui.run.queue_words import queue_words
from pages._ui.shell import Context

LABELS, BUDGET = "labels", "budget"
ENCODER, SEED, EXACT = "encoder", "seed", "exact"
NEW = "new"
"""In the address: the form is wanted, whatever run there is."""
LEAST_LABELS, MOST_LABELS = 0.5, 50.0
"""Percent of the rows that the slider offers."""

_DEFAULTS = RunConfig()
_HELP = field_texts(RunConfig)
_LABELS_POINTWISE = "Share u of the pool's rows that is labelled; all others are predicted."


def draw_form(context: Context, selection: SelectionConfig | None = None) -> None:
    """Draw the settings; Start makes the run and looks at it.

    Args:
        context: What the page is about.
        selection: Selection settings to take over from another run; None for the usual ones.
    """
    method = draw_methods(OBJECTIVE)
    needs = METHODS[method].needs
    pointwise = METHODS[method].pointwise
    model: Mapping[str, Any] = {}
    encoder = ""
    left, middle, right = st.columns(3, gap="large")
    with left:
        labels, exact, labelled = _draw_labels(pointwise)
    with middle:
        budget = st.text_input(
            "Rows to keep",
            value=_DEFAULTS.budget,
            key=BUDGET,
            bind="query-params",
            help=_HELP["budget"],
        )
        kept = st.empty()
    with right:
        if "language-model" in needs:
            model = draw_model_name()
        else:
            encoder = _draw_encoder()
            if "cosine-of-inputs" in needs:
                st.caption(
                    "With this method influence *is* the cosine of the network's own inputs, so "
                    "**Exact** is recommended: it is cheaper and has no error."
                )
    go_on = st.container()
    with st.expander("More settings", icon=":material/tune:", key="more"):
        with st.grid(min_column_width=220):
            objective, existing = draw_objective(context, method)
            if "language-model" in needs:
                encoder = _draw_encoder()
            estimates = draw_estimate_fields(method, exact=exact)
            seed = st.number_input(
                "Seed",
                min_value=0,
                max_value=2**32 - 1,
                value=_DEFAULTS.seed,
                step=1,
                key=SEED,
                bind="query-params",
                help=_HELP["seed"],
            )
        models = draw_model_fields(method, model)
    with go_on:
        try:
            kept.caption(_budget_words(budget, context.n_train))
            refuse_folder("encoder", encoder)
            config = RunConfig(
                method=method,
                label_fraction=round(labels / 100, 6),
                budget=budget.strip(),
                objective=objective,
                encoder=encoder.strip() or _DEFAULTS.encoder,
                seed=int(seed),
                exact=exact,
                selection=selection or SelectionConfig(use_case=GENERAL),
                **estimates,
                **models.settings(),
            )
            spec = _spec(context, config, existing)
            sizes = context.n_train, context.n_target, 0 if existing is None else existing.accepted
            embedded = _embedded_before(context, config)
            cost = estimate_cost(context.workspace, config, *sizes, embedded=embedded)
            whole = replace(config, exact=True, second_round=0.0)
            full = estimate_cost(context.workspace, whole, *sizes, embedded=embedded)
        except NNCIFTError as error:
            error_box(error)
            st.button("Start", type="primary", disabled=True, key="start")
            return
        labelled.caption(label_words(cost, exact=exact, pointwise=pointwise))
        _draw_start(context, spec, saving_words(cost, full, exact=exact), source_words(cost))
        if "language-model" in needs:
            with user_errors():
                draw_pilot(context, spec, cost)
    with user_errors():
        draw_plan(context, spec, labels_key=LABELS, exact_key=EXACT)
    _draw_command(context, config, existing)


def _draw_labels(pointwise: bool) -> tuple[float, bool, st.delta_generator.DeltaGenerator]:
    """The share of labels, the switch that makes it needless, and the place for their number."""
    share, number = st.container(), st.empty()
    exact = st.toggle("Exact", key=EXACT, bind="query-params", help=_HELP["exact"])
    labels = share.slider(
        "Labelled rows" if pointwise else "Labelled rows of each side",
        min_value=LEAST_LABELS,
        max_value=MOST_LABELS,
        value=100 * _DEFAULTS.label_fraction,
        step=0.5,
        format="%g %%",
        key=LABELS,
        bind="query-params",
        disabled=exact,
        help=_LABELS_POINTWISE if pointwise else _HELP["label_fraction"],
    )
    return labels, exact, number


def _draw_encoder() -> str:
    return st.text_input(
        "Encoder",
        value=_DEFAULTS.encoder,
        key=ENCODER,
        bind="query-params",
        help=_HELP["encoder"],
    )


def _draw_start(context: Context, spec: RunSpec, saving: str, source: str) -> None:
    """The button beside what the run costs, and below where that is known from."""
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "Start",
            type="primary",
            key="start",
            icon=":material/play_arrow:",
            disabled=not may_change(),
        )
        st.markdown(f":material/timer: {saving}")
    waits = queue_words(context.workspace) or "Starts at once; it goes on when you close the page."
    st.caption(f"{waits} {source}")
    if pressed:
        with user_errors():
            _start(context, spec)


def _draw_command(context: Context, config: RunConfig, existing: DatasetRecord | None) -> None:
    assert context.pool is not None
    with st.expander("The same on the command line", icon=":material/terminal:"):
        command = run_command(
            context.workspace,
            config,
            context.pool,
            context.target,
            context.project.target_sample,
            existing,
        )
        st.code(command, language="bash", wrap_lines=True)


def _budget_words(budget: str, n_train: int) -> str:
    return f"{counted(Budget(budget).rows(n_train), 'row')} of {count(n_train)}"


def _embedded_before(context: Context, config: RunConfig) -> bool:
    return any(
        run.result and run.config.get("config", {}).get("encoder") == config.encoder
        for run in context.runs
    )


def _spec(context: Context, config: RunConfig, existing: DatasetRecord | None) -> RunSpec:
    pool, target = context.pool, context.target
    assert pool is not None
    return RunSpec(
        config=config,
        train=_source(pool),
        target=_source(target) if target is not None else None,
        target_sample=context.project.target_sample,
        existing=_source(existing) if existing is not None else None,
    )


def _source(dataset: DatasetRecord) -> DataSource:
    return DataSource(dataset.id, dataset.name)


def _start(context: Context, spec: RunSpec) -> None:
    with st.spinner("Starting the run ..."):
        from nncift_core import pipeline

        run_id = pipeline.create_run(context.workspace, context.project.id, spec)
        jobs.start(context.workspace.run_dir(run_id))
    for name in (NEW, "from"):
        if name in st.query_params:
            del st.query_params[name]
    state.open_run(run_id)
    st.rerun()
