"""Settings of a new run: method cards, labels, budget, what it will cost, the command, Start."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from nncift_core import jobs
from nncift_core.config import Budget, RunConfig, field_texts
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.influence import METHODS
from nncift_core.network import NETWORKS
from nncift_core.pipeline import CostEstimate, DataSource, estimate_cost
from nncift_core.selection import OBJECTIVES
from nncift_core.store import DatasetRecord
from pages._ui import state
from pages._ui.command import run_command
from pages._ui.errors import error_box, user_errors
from pages._ui.format import about, count, counted, percent, plain
from pages._ui.shell import Context

METHOD, LABELS, BUDGET, OBJECTIVE = "method", "labels", "budget", "objective"
ENCODER, NETWORK, SEED, EXACT = "encoder", "network", "seed", "exact"

_DEFAULTS = RunConfig()
_HELP = field_texts(RunConfig)


def draw_form(context: Context) -> None:
    """Draw the settings; Start makes the run and looks at it."""
    method = _draw_methods()
    pairwise = "pairwise" in METHODS[method].needs
    same_as_input = "cosine-of-inputs" in METHODS[method].needs
    exact = st.toggle("Exact", key=EXACT, bind="query-params", help=_HELP["exact"])
    if same_as_input and not exact:
        st.markdown(
            ":material/lightbulb: With this method influence *is* the cosine of the network's "
            "own inputs, so **Exact** is recommended: it is cheaper and has no error."
        )
    left, middle, right = st.columns(3, gap="large")
    with left:
        labels = st.slider(
            "Labelled rows of each side",
            min_value=0.5,
            max_value=50.0,
            value=100 * _DEFAULTS.label_fraction,
            step=0.5,
            format="%g %%",
            key=LABELS,
            bind="query-params",
            disabled=exact,
            help=_HELP["label_fraction"],
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
        objective = _draw_objective(method, pairwise)
    encoder, network, seed = _draw_more(exact)
    try:
        kept.caption(_budget_words(budget, context.n_train))
        _refuse_folder(encoder)
        config = RunConfig(
            method=method,
            label_fraction=round(labels / 100, 6),
            budget=budget.strip(),
            objective=objective,
            encoder=encoder.strip() or _DEFAULTS.encoder,
            network=network,
            seed=int(seed),
            exact=exact,
        )
        embedded = any(
            run.result and run.config.get("config", {}).get("encoder") == config.encoder
            for run in context.runs
        )
        cost = estimate_cost(
            context.workspace, config, context.n_train, context.n_target, embedded=embedded
        )
    except NNCIFTError as error:
        error_box(error)
        st.button("Start", type="primary", disabled=True, key="start")
        return
    labelled.caption(_label_words(cost, exact))
    _draw_cost(cost)
    if st.button("Start", type="primary", key="start", icon=":material/play_arrow:"):
        with user_errors():
            _start(context, config)
    assert context.pool is not None
    with st.expander("The same on the command line", icon=":material/terminal:"):
        command = run_command(
            context.workspace,
            config,
            context.pool,
            context.target,
            context.project.target_sample,
        )
        st.code(command, language="bash", wrap_lines=True)


def _draw_methods() -> str:
    """A card for each method; the chosen one."""
    chosen = st.query_params.get(METHOD, _DEFAULTS.method)
    chosen = chosen if chosen in METHODS else _DEFAULTS.method
    with st.grid(min_column_width=300, border=True, key="methods"):
        for method in METHODS:
            with st.container(gap="xsmall"):
                st.markdown(f"**{plain(method.title)}**")
                st.markdown(plain(method.summary))
                needs = _needs_words(method.needs)
                st.caption(f"Needs {needs}  \nCost: {plain(method.cost)}")
                st.caption(f":material/menu_book: {plain(method.citation)}")
                st.button(
                    "Chosen" if method.name == chosen else "Choose",
                    key=f"method-{method.name}",
                    icon=":material/check_circle:" if method.name == chosen else None,
                    disabled=method.name == chosen,
                    on_click=_choose_method,
                    args=(method.name,),
                )
    return chosen


def _choose_method(name: str) -> None:
    st.query_params[METHOD] = name


def _needs_words(needs: frozenset[str]) -> str:
    parts = []
    if "encoder" in needs:
        parts.append("a sentence encoder")
    if "language-model" in needs:
        parts.append("a language model")
    return " and ".join(parts) or "nothing besides the rows"


def _draw_objective(method: str, pairwise: bool) -> str:
    default = METHODS[method].default_objective
    # An existing set cannot be given in the app.
    usable = [
        entry
        for entry in OBJECTIVES
        if "existing-matrix" not in entry.needs and (pairwise or not entry.needs - {"row-scores"})
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
    return str(chosen)


def _draw_more(exact: bool) -> tuple[str, str, int]:
    """Encoder, network, seed."""
    with st.expander("More settings"), st.grid(min_column_width=220):
        encoder = st.text_input(
            "Encoder",
            value=_DEFAULTS.encoder,
            key=ENCODER,
            bind="query-params",
            help=_HELP["encoder"],
        )
        network = st.selectbox(
            "Network",
            NETWORKS.names,
            index=NETWORKS.names.index(_DEFAULTS.network),
            format_func=_network_words,
            key=NETWORK,
            bind="query-params",
            disabled=exact,
            help=_HELP["network"],
        )
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
    return encoder, str(network), seed


def _refuse_folder(encoder: str) -> None:
    """A browser may name a model, not a place on the server's disk. Raises: ConfigError."""
    name = encoder.strip()
    if name.startswith((".", "~", "/")) or "\\" in name or name.count("/") > 1:
        folder = True
    else:
        folder = bool(name) and Path(name).exists()
    if folder:
        raise ConfigError(
            f"The encoder {name!r} names a folder, which the app does not open.",
            "Give a model id here, or use the command line with --encoder.",
        )


def _network_words(name: str) -> str:
    return f"{NETWORKS[name].title}: {NETWORKS[name].summary}"


def _budget_words(budget: str, n_train: int) -> str:
    return f"{counted(Budget(budget).rows(n_train), 'row')} of {count(n_train)}"


def _label_words(cost: CostEstimate, exact: bool) -> str:
    if exact:
        return f"Exact: all {counted(cost.all_pairs, 'pair')} are computed, none is predicted."
    share = percent(cost.training_pairs / cost.all_pairs)
    return (
        f"{counted(cost.training_pairs, 'pair')} to train on ({share} of all), "
        f"{count(cost.evaluation_pairs)} more to measure with"
    )


def _draw_cost(cost: CostEstimate) -> None:
    source = (
        "measured in earlier runs on this machine"
        if cost.measured_here
        else "from a 2-core machine without a GPU; measured here after the first run"
    )
    st.markdown(
        f":material/timer: **{about(cost.seconds)}** for {counted(cost.all_pairs, 'pair')}, "
        f"with {_embed_words(cost.rows_to_embed)}. "
        f"Rates are {source}."
    )


def _embed_words(rows: int) -> str:
    return f"up to {counted(rows, 'row')} to embed" if rows else "all rows embedded before"


def _start(context: Context, config: RunConfig) -> None:
    with st.spinner("Starting the run ..."):
        from nncift_core import pipeline

        project, pool, target = context.project, context.pool, context.target
        assert pool is not None
        spec = pipeline.RunSpec(
            config=config,
            train=_source(pool),
            target=_source(target) if target is not None else None,
            target_sample=project.target_sample,
        )
        run_id = pipeline.create_run(context.workspace, project.id, spec)
        jobs.start(context.workspace.run_dir(run_id))
    state.open_run(run_id)
    st.rerun()


def _source(dataset: DatasetRecord) -> DataSource:
    return DataSource(dataset.id, dataset.name)
