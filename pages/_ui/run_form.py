"""Settings of a new run: method, labels, budget, models, what it will cost, the command, Start."""

from __future__ import annotations

from typing import Any

import streamlit as st

from nncift_core import jobs
from nncift_core.config import Budget, RunConfig, field_texts
from nncift_core.errors import NNCIFTError
from nncift_core.influence import METHODS
from nncift_core.pipeline import DataSource, RunSpec, estimate_cost
from nncift_core.selection import OBJECTIVES
from nncift_core.selection.use_cases import GENERAL, objective_for
from nncift_core.selection_config import SelectionConfig
from nncift_core.store import DatasetRecord
from pages._ui import state
from pages._ui.command import run_command
from pages._ui.errors import error_box, user_errors
from pages._ui.estimate_form import draw_estimate_fields
from pages._ui.format import count, counted, plain
from pages._ui.method_cards import draw_methods
from pages._ui.model_form import draw_model_fields, refuse_folder
from pages._ui.plan_panel import draw_plan
from pages._ui.run_cost import draw_cost, draw_pilot, label_words
from pages._ui.shell import Context

LABELS, BUDGET, OBJECTIVE, EXISTING = "labels", "budget", "objective", "existing"
ENCODER, SEED, EXACT = "encoder", "seed", "exact"

_DEFAULTS = RunConfig()
_HELP = field_texts(RunConfig)
_LABELS_POINTWISE = "Share u of the pool's rows that is labelled; all others are predicted."


def draw_form(context: Context) -> None:
    """Draw the settings; Start makes the run and looks at it."""
    method = draw_methods(OBJECTIVE)
    pointwise, needs = METHODS[method].pointwise, METHODS[method].needs
    exact = st.toggle("Exact", key=EXACT, bind="query-params", help=_HELP["exact"])
    if "cosine-of-inputs" in needs and not exact:
        st.markdown(
            ":material/lightbulb: With this method influence *is* the cosine of the network's "
            "own inputs, so **Exact** is recommended: it is cheaper and has no error."
        )
    left, middle, right = st.columns(3, gap="large")
    with left:
        labels = st.slider(
            "Labelled rows" if pointwise else "Labelled rows of each side",
            min_value=0.5,
            max_value=50.0,
            value=100 * _DEFAULTS.label_fraction,
            step=0.5,
            format="%g %%",
            key=LABELS,
            bind="query-params",
            disabled=exact,
            help=_LABELS_POINTWISE if pointwise else _HELP["label_fraction"],
        )
        labelled = st.empty()
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
        objective, existing = _draw_objective(context, method)
    models = draw_model_fields(method)
    encoder, estimates, seed = _draw_more(method, exact)
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
            selection=SelectionConfig(use_case=GENERAL),
            **estimates,
            **models.settings(),
        )
        spec = _spec(context, config, existing)
        cost = estimate_cost(
            context.workspace,
            config,
            context.n_train,
            context.n_target,
            0 if existing is None else existing.accepted,
            embedded=_embedded_before(context, config),
        )
    except NNCIFTError as error:
        error_box(error)
        st.button("Start", type="primary", disabled=True, key="start")
        return
    labelled.caption(label_words(cost, exact=exact, pointwise=pointwise))
    draw_cost(cost, pointwise=pointwise)
    if "language-model" in needs:
        with user_errors():
            draw_pilot(context, spec, cost)
    with user_errors():
        draw_plan(context, spec, labels_key=LABELS, exact_key=EXACT)
    if st.button("Start", type="primary", key="start", icon=":material/play_arrow:"):
        with user_errors():
            _start(context, spec)
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


def _draw_objective(context: Context, method: str) -> tuple[str, DatasetRecord | None]:
    """The objective, and the existing set where it reads one."""
    default = objective_for(GENERAL, METHODS[method])
    taken = {dataset.id for dataset in (context.pool, context.target) if dataset is not None}
    others = {
        dataset.id: dataset
        for dataset in context.workspace.catalog.datasets()
        if dataset.id not in taken
    }
    usable = [
        entry
        for entry in OBJECTIVES
        if (others or "existing-matrix" not in entry.needs)
        and (not METHODS[method].pointwise or entry.needs <= {"row-scores"})
    ]
    names = [entry.name for entry in usable]
    chosen = st.selectbox(
        "Objective",
        names,
        index=names.index(default),
        format_func=lambda name: OBJECTIVES[name].title,
        key=OBJECTIVE,
        bind="query-params",
        help=_HELP["objective"],
    )
    st.caption(plain(OBJECTIVES[chosen].summary))
    if "existing-matrix" not in OBJECTIVES[chosen].needs:
        return str(chosen), None
    existing = st.selectbox(
        "Rows the model was already tuned on",
        list(others),
        format_func=lambda key: f"{others[key].name}, {counted(others[key].accepted, 'row')}",
        key=EXISTING,
        bind="query-params",
        help="Any other dataset of the workspace. Import one on the Data page of a new project.",
    )
    return str(chosen), others[str(existing)]


def _draw_more(method: str, exact: bool) -> tuple[str, dict[str, Any], int]:
    """Encoder, how pairs are estimated, seed."""
    with st.expander("More settings"), st.grid(min_column_width=220):
        encoder = st.text_input(
            "Encoder",
            value=_DEFAULTS.encoder,
            key=ENCODER,
            bind="query-params",
            help=_HELP["encoder"],
        )
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
    return encoder, estimates, seed


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
    state.open_run(run_id)
    st.rerun()
