"""The figures of the Trust page: errors by label share, by epoch, and by size of the network.

Draws what studies of the run's method have measured, with the run marked among them, or one line
with the button that leads to such a study. Knows no study's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import streamlit as st

from nncift_core import jobs
from nncift_core.config import RunConfig
from nncift_core.pipeline.artifacts import RunFiles
from nncift_core.pipeline.studies import Study, studies_of
from nncift_core.pipeline.trust_studies import label_range, run_as_point, study_of
from nncift_core.studies.common_scale import on_common_scale
from pages._ui import quadrants as tables
from pages._ui import state
from pages._ui.charts import epoch_chart
from pages._ui.navigation import go, link_to
from pages._ui.quadrants import Kind, Table
from pages._ui.shell import Context
from pages._ui.studies.lines import Metric, label_words, run_words, size_words
from pages._ui.url_choice import url_choice

FIGURE = "figure"
_FIGURES = {"r2": "R² by labels", "mse": "Squared error by labels", "epoch": "By epoch"}
LABEL_SIZE, NETWORK_SIZE = "label-size", "network-size"
KIND = "study-kind"
"""In the address of the Studies page: which study its form begins with."""


def project_studies(context: Context) -> list[Study]:
    """The studies of the project's data, the latest first."""
    pool, target = context.pool, context.target
    assert pool is not None
    target_id = target.id if target is not None else None
    return studies_of(context.workspace, pool.id, target_id, context.project.target_sample)


def draw_errors(context: Context, kind: Kind, stored: Table, studies: Sequence[Study]) -> None:
    """Figure 2: R² or squared error of Q1 to Q4 by label share, or errors by epoch."""
    config = RunConfig.from_json(context.run.config["config"])
    study = study_of(studies, config, LABEL_SIZE)
    epochs = tables.last_training(jobs.read_points(context.job_dir, "epoch"))
    default = "r2" if study is not None or not epochs else "epoch"
    chosen = url_choice("Figure", _FIGURES, key=FIGURE, default=default)
    if chosen == "epoch":
        draw_epochs(context, kind)
    elif study is None:
        _empty(
            "How errors fall with more labels has not been measured for this method and data.",
            "Measure it in a study",
            LABEL_SIZE,
        )
    else:
        _draw_study(context, kind, stored, config, study, cast(Metric, chosen))


def _draw_study(
    context: Context,
    kind: Kind,
    stored: Table,
    config: RunConfig,
    study: Study,
    metric: Metric,
) -> None:
    from pages._ui.studies.charts import label_chart

    points = on_common_scale(study.points)
    scale = label_range(RunFiles(context.job_dir).network)
    mark = run_as_point(config, stored, scale, study.points)
    st.plotly_chart(
        label_chart(
            points,
            metric,
            quadrants=kind.quadrants,
            noun=kind.noun,
            fractions=study.request.fractions,
            run=mark,
        ),
        key="errors-by-labels",
        config={"displayModeBar": False},
        alt=label_words(points, metric, kind.quadrants),
    )
    st.markdown(run_words(points, mark, metric, kind.unseen))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Bands and bars are 95 % intervals, thin lines what has to be beaten. The star is this "
            "run, measured on its own kept labels."
        )
        link_to("studies", "Open the study", {**state.link(), "study": study.id})


def draw_epochs(context: Context, kind: Kind) -> None:
    """Errors by epoch, beside the baselines."""
    points = tables.last_training(jobs.read_points(context.job_dir, "epoch"))
    if not points:
        st.caption("No errors by epoch were recorded.")
        return
    # Of several attempts the last one's measurements count.
    baselines = (jobs.read_points(context.job_dir, "baselines") or [{}])[-1]
    text = tables.epoch_words(kind, points)
    st.plotly_chart(
        epoch_chart(points, baselines, quadrants=kind.quadrants, unseen=kind.unseen),
        key="epochs",
        config={"displayModeBar": False},
        alt=text,
    )
    st.caption(text)


def draw_sizes(context: Context, kind: Kind, studies: Sequence[Study]) -> None:
    """Figure 4: errors by number of parameters, where the study was made."""
    st.subheader("How large a network it needs", anchor=False)
    config: Mapping[str, Any] = context.run.config["config"]
    study = study_of(studies, RunConfig.from_json(config), NETWORK_SIZE)
    if study is None:
        _empty(
            "Networks of other sizes have not been tried on this method and data.",
            "Try them in a study",
            NETWORK_SIZE,
        )
        return
    from pages._ui.studies.network_size_chart import size_chart

    points = on_common_scale(study.points)
    words = size_words(points, "mse", kind.quadrants)
    st.plotly_chart(
        size_chart(points, "mse", quadrants=kind.quadrants, noun=kind.noun),
        key="errors-by-size",
        config={"displayModeBar": False},
        alt=words,
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Lines at the marks are 95 % intervals, thin lines across what has to be beaten. The "
            "ring is the paper's network."
        )
        link_to("studies", "Open the study", {**state.link(), "study": study.id})


def _empty(words: str, label: str, kind: str) -> None:
    """One sentence, and the one button that gets what would be here."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(words)
        if st.button(label, key=f"study-{kind}", icon=":material/query_stats:"):
            go("studies", {**state.link(), KIND: kind})
