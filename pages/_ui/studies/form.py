"""What a study asks for: fractions and networks, or shapes; what it costs, the command, Start.

Knows requests and estimates; nothing of how points are computed or drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from nncift_core import jobs
from nncift_core.config import RunConfig
from nncift_core.errors import ConfigError, NNCIFTError
from nncift_core.network import ESTIMATORS
from nncift_core.store import DatasetRecord
from pages._ui.command import run_command
from pages._ui.errors import error_box, user_errors
from pages._ui.format import about, count, counted, percent
from pages._ui.job_panel import attempt
from pages._ui.run.cost import rate_words
from pages._ui.shell import Context
from pages._ui.studies.lines import used_network_words

if TYPE_CHECKING:
    from nncift_core.pipeline import RunSpec, Study, StudyCost, StudyRequest

FRACTIONS, NETWORKS, SEEDS = "study-fractions", "study-networks", "study-seeds"
SHAPES, LARGE, LONGER = "study-shapes", "study-large", "study-longer"
START = "study-start"

_SHAPE_WORDS = {"all": "All", "small": "Up to a million parameters"}


def study_data(context: Context, config: RunConfig) -> RunSpec:
    """The project's data with the settings of a run, as a study reads them."""
    from nncift_core.pipeline import DataSource, RunSpec

    pool, target = context.pool, context.target
    assert pool is not None

    def source(dataset: DatasetRecord) -> DataSource:
        return DataSource(dataset.id, dataset.name)

    return RunSpec(
        # An objective may need rows that a study does not read.
        config=replace(config, objective="", exact=False),
        train=source(pool),
        target=source(target) if target is not None else None,
        target_sample=context.project.target_sample,
    )


def draw_request(
    kind: str, shown: StudyRequest | None, changed: Callable[[], None]
) -> StudyRequest:
    """Draw the fields of a study and give what they say.

    Args:
        kind: ``label-size`` or ``network-size``.
        shown: What the study in view was asked for, with which the fields begin.
        changed: Called when a field is changed.

    Raises:
        ConfigError: The fields say nothing possible.
    """
    from nncift_core.pipeline import StudyRequest

    begin = shown if shown is not None and shown.kind == kind else StudyRequest(kind)
    first, second, third = st.columns([3, 3, 1], vertical_alignment="top")
    if kind == "label-size":
        text = first.text_input(
            "Label fractions u",
            value=", ".join(f"{u:g}" for u in begin.fractions),
            key=FRACTIONS,
            on_change=changed,
            help="Shares of the rows of each side, separated by commas. The labels of a smaller "
            "one are a part of those of a larger one, and all are measured on the same rows.",
        )
        networks = second.multiselect(
            "Networks and rivals",
            ESTIMATORS,
            default=list(begin.networks),
            format_func=used_network_words,
            key=NETWORKS,
            help="Each is trained on the labels of each fraction.",
        )
        seeds = _draw_seeds(third, begin.seeds)
        return StudyRequest(
            kind, fractions=_fractions(text), networks=tuple(networks), seeds=int(seeds)
        )
    shapes = first.segmented_control(
        "Shapes",
        list(_SHAPE_WORDS),
        default=begin.shapes,
        format_func=_SHAPE_WORDS.__getitem__,
        key=SHAPES,
        required=True,
        help="46 networks of 1 to 5 layers of 5 to 5,000 units; each layer is narrower than the "
        "one before it.",
    )
    with second.container():
        large = st.checkbox(
            "Also above 30 million parameters",
            value=begin.large,
            key=LARGE,
            disabled=shapes == "small",
            help="Without a GPU each of them takes many minutes.",
        )
        longer = st.checkbox(
            "Train each a second time, longer",
            value=begin.longer,
            key=LONGER,
            help="60 epochs at a learning rate of 1e-3 besides the paper's 20 at 1e-4.",
        )
    seeds = _draw_seeds(third, begin.seeds)
    return StudyRequest(
        kind, shapes=str(shapes), large=bool(large), longer=bool(longer), seeds=int(seeds)
    )


def draw_start(context: Context, spec: RunSpec, request: StudyRequest, study: Study | None) -> None:
    """What the study costs, the command that does the same, and the button that starts it.

    Args:
        context: What the page is about.
        spec: From ``study_data``.
        request: From ``draw_request``.
        study: The study of these data and settings, where there is one.
    """
    from nncift_core.pipeline import study_cost

    live = study is not None and study.state.live
    try:
        cost = study_cost(context.workspace, spec, request, context.n_train, context.n_target)
    except NNCIFTError as error:
        error_box(error)
        st.button("Start", type="primary", disabled=True, key=START)
        return
    st.markdown(f":material/timer: {cost_words(cost)}")
    for fraction in cost.left_out:
        st.caption(f"u = {percent(fraction)} gives too few labels of these data: left out.")
    same = study is not None and study.request == request
    if same and not live and study is not None:
        # Its panel says how it ended and resumes it; what is complete needs no button.
        started = study.state.status != "interrupted" or bool(study.planned)
    else:
        started = same
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            _start_words(cost, finished=same and not live and started),
            type="primary",
            key=START,
            icon=":material/play_arrow:",
            disabled=live or started,
            on_click=_start,
            args=(context, spec, request),
        )
        if live and not same:
            st.caption("This study is at work with other choices; wait for it or cancel it.")
    assert context.pool is not None
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(
            study_command(context, spec, request, context.pool), language="bash", wrap_lines=True
        )


def _start_words(cost: StudyCost, *, finished: bool) -> str:
    if finished and cost.finished:
        return "Nothing is missing" if cost.finished >= cost.points else "Resume it below"
    return "Compute what is missing" if cost.finished else "Start"


def cost_words(cost: StudyCost) -> str:
    """``1,200 pairs to label, ~ 3 min at 24 pairs/s · 16 trainings, 4 of them finished``."""
    labels = counted(cost.label_units, cost.unit.removesuffix("s"))
    if cost.label_seconds == 0:
        parts = [f"**{labels}**, which cost no language model"]
    elif cost.label_seconds is None:
        parts = [f"**{labels}** to compute, at a rate that is not known yet"]
    else:
        rate = rate_words(cost.label_rate, cost.unit)
        parts = [f"**{labels}** to compute, **{about(cost.label_seconds)}** at {rate}"]
    trainings = counted(cost.points, "training")
    if cost.finished:
        trainings += f", {count(cost.finished)} of them finished"
    return " · ".join([*parts, f"**{trainings}**"])


def study_command(
    context: Context, spec: RunSpec, request: StudyRequest, pool: DatasetRecord
) -> str:
    """The ``study`` command of these data, settings and choices, one option a line."""
    from nncift_core.pipeline import StudyRequest
    from nncift_core.pipeline.studies import study_spec

    # The settings that a study reads, and none that it would refuse.
    config = replace(study_spec(spec, request).config, objective="")
    run = run_command(
        context.workspace, config, pool, context.target, context.project.target_sample
    )
    lines = run.replace(" run ", f" study {request.kind} ", 1).split(" \\\n    ")
    usual = StudyRequest(request.kind)
    if request.kind == "label-size":
        if request.fractions != usual.fractions:
            lines.append(f"--fractions {','.join(f'{u:g}' for u in request.fractions)}")
        if request.networks != usual.networks:
            lines.append(f"--networks {','.join(request.networks)}")
    else:
        lines += [f"--shapes {request.shapes}"] if request.shapes != usual.shapes else []
        lines += [f"--{name}" for name in ("large", "longer") if getattr(request, name)]
    if request.seeds != usual.seeds:
        lines.append(f"--seeds {request.seeds}")
    return " \\\n    ".join("--output points.jsonl" if "--output " in s else s for s in lines)


def _draw_seeds(place: st.delta_generator.DeltaGenerator, value: int) -> int:
    return int(
        place.number_input(
            "Seeds",
            min_value=1,
            max_value=100,
            value=value,
            step=1,
            key=SEEDS,
            help="All of it is done so often, each time from the next seed. With several seeds "
            "the bands show their lowest and highest.",
        )
    )


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ConfigError(
            "The fractions are not numbers separated by commas.", "Write them as 0.01, 0.05, 0.1."
        ) from error


def _start(context: Context, spec: RunSpec, request: StudyRequest) -> None:
    from nncift_core.pipeline import create_study

    with user_errors():
        folder = create_study(context.workspace, spec, request)
        attempt(jobs.start, folder, "study")
