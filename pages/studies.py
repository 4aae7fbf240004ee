"""Studies: how many labels the estimates need, and how large a network. Live charts of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from nncift_core.config import RunConfig
from nncift_core.errors import NNCIFTError
from nncift_core.files import json_text
from nncift_core.pipeline.trust_studies import study_of
from nncift_core.studies.common_scale import on_common_scale
from pages._ui.errors import error_box, user_errors
from pages._ui.format import about, ago, count, percent, plain
from pages._ui.job_panel import job_panel
from pages._ui.quadrants import Kind, kind_of
from pages._ui.runs import is_pointwise, label_unit, method_title, state_words
from pages._ui.shell import Context, page_setup
from pages._ui.studies.form import draw_request, draw_start, study_data
from pages._ui.studies.lines import METRICS, Metric, label_words, size_words
from pages._ui.studies.table import points_table
from pages._ui.trust.figures import KIND, LABEL_SIZE, NETWORK_SIZE
from pages._ui.url_choice import url_choice

if TYPE_CHECKING:
    from nncift_core.pipeline import RunSpec, Study

STUDY, METRIC = "study", "study-metric"
_MEMORY, _TYPED = "nncift_study", "nncift_study_typed"
_KINDS = {LABEL_SIZE: "How many labels?", NETWORK_SIZE: "How large a network?"}
_ABOUT = {
    LABEL_SIZE: "Labels a growing share of the rows, trains on each share and measures all of "
    "them on the same rows, which are never trained on. The labels of a smaller share are a part "
    "of those of a larger one.",
    NETWORK_SIZE: "Trains 46 plain networks of 1 to 5 layers on the labels of one run and "
    "measures them on rows that none of them was trained on.",
}


def main() -> None:
    """Draw the page."""
    context = page_setup("Studies", "How many labels, how large a network?")
    with user_errors():
        _draw(context)


def _draw(context: Context) -> None:
    from nncift_core.pipeline import studies_of

    pool = context.pool
    assert pool is not None
    target = context.target.id if context.target else None
    known = studies_of(context.workspace, pool.id, target, context.project.target_sample)
    config = _settings(context)
    wanted = _wanted(known)
    if wanted is not None and KIND not in st.session_state:
        st.session_state[KIND] = wanted.request.kind
    kind = url_choice("Study", _KINDS, key=KIND, default=LABEL_SIZE, on_change=_forget)
    if wanted is not None and wanted.request.kind != kind:
        wanted = None
    if wanted is None and not st.session_state.get(_TYPED):
        wanted = study_of(known, config, kind)
    # What is known stands above what may be asked for.
    answer, form = st.container(), st.container()
    config = config if wanted is None else wanted.spec.config
    spec = study_data(context, config)
    with form:
        st.subheader("What to measure", anchor=False)
        st.markdown(_ABOUT[kind])
        st.caption(_settings_words(context, config, kind))
        try:
            request = draw_request(kind, wanted.request if wanted else None, _typed)
        except NNCIFTError as error:
            error_box(error)
            return
        study = wanted or _of_settings(context, spec, request, known)
        draw_start(context, spec, request, study)
        _draw_others([one for one in known if study is None or one.id != study.id])
    with answer, user_errors():
        if study is None:
            with st.container(border=True, key="no-study"):
                st.markdown(
                    "**No such study yet.** Its chart is drawn here, point by point, while it is "
                    "computed. Points are kept: a study that was cancelled goes on where it "
                    "stopped."
                )
        else:
            _remember(study)
            _draw_study(study)


def _settings(context: Context) -> RunConfig:
    """Those of the run in view, else those that a new run begins with."""
    run = context.found_run
    return RunConfig() if run is None else RunConfig.from_json(run.config["config"])


def _settings_words(context: Context, config: RunConfig, kind: str) -> str:
    """What is studied: the data, the method and, where it is fixed, the label fraction."""
    whose = "of the run in view" if context.found_run else "that a new run begins with"
    share = f", u = {percent(config.label_fraction)}" if kind == "network-size" else ""
    title, encoder = plain(method_title(config.method)), plain(config.encoder)
    return f"Data of this project, settings {whose}: {title}, embeddings of {encoder}{share}."


def _of_settings(
    context: Context, spec: RunSpec, request: Any, known: Sequence[Study]
) -> Study | None:
    """The study whose folder these settings name."""
    from nncift_core.pipeline import study_folder

    name = study_folder(context.workspace, spec, request).name
    return next((study for study in known if study.id == name), None)


def _draw_study(study: Study) -> None:
    state = study.state
    kind = kind_of(pointwise=is_pointwise(study.spec.config.method))
    metrics = list(METRICS)
    line = st.container(horizontal=True, vertical_alignment="center")
    metric = line.segmented_control(
        "Shown",
        metrics,
        default=metrics[0] if study.request.kind == "label-size" else metrics[1],
        format_func=METRICS.__getitem__,
        key=f"{METRIC}-{study.request.kind}",
        required=True,
        label_visibility="collapsed",
    )
    if state.status != "done":
        with st.container(border=True, key="study-panel"):
            job_panel(
                study.folder,
                stages=_stages(study),
                draw_live=lambda _: _draw_live(study, kind, metric),
                key="study",
            )
    if not state.live:
        _draw_points(study, kind, cast(Metric, metric))


def _stages(study: Study) -> dict[str, str]:
    """The stages of its job; those of labelling and training come again for each point."""
    by_labels = study.request.kind == "label-size"
    unit = label_unit(study.spec.config.method)
    return {"embed": "rows", "label": unit, "train": "fits" if by_labels else "epochs"}


def _draw_live(study: Study, kind: Kind, metric: str) -> None:
    """The points so far, read again at every poll."""
    from nncift_core.pipeline import read_study

    _draw_points(read_study(study.folder), kind, cast(Metric, metric))


def _draw_points(study: Study, kind: Kind, metric: Metric) -> None:
    points = on_common_scale(study.points)
    st.caption(_progress_words(study))
    if not points:
        st.caption("The first point is drawn here as soon as it has been trained and measured.")
        return
    from pages._ui.studies.charts import label_chart
    from pages._ui.studies.network_size_chart import size_chart

    if study.request.kind == "label-size":
        figure = label_chart(
            points,
            metric,
            quadrants=kind.quadrants,
            noun=kind.noun,
            fractions=study.request.fractions,
        )
        words = label_words(points, metric, kind.quadrants)
    else:
        figure = size_chart(points, metric, quadrants=kind.quadrants, noun=kind.noun)
        words = size_words(points, metric, kind.quadrants)
    st.plotly_chart(figure, key="study-chart", config={"displayModeBar": False}, alt=words)
    st.caption(_reading_words(study, kind))
    with st.expander("The points as numbers"):
        st.dataframe(points_table(points, kind), hide_index=True)
        if not study.state.live:
            st.download_button(
                "Download the points",
                "".join(f"{json_text(point)}\n" for point in points),
                file_name=f"{study.id}.jsonl",
                mime="application/jsonl",
                icon=":material/download:",
            )


def _progress_words(study: Study) -> str:
    planned = len(study.planned)
    if not planned:
        return f"{count(len(study.points))} points of earlier times." if study.points else ""
    words = f"{count(len(study.points))} of {count(planned)} points"
    left = study.seconds_left
    if len(study.points) < planned and left is not None:
        words += f" · {about(left)} of training left, besides labels"
    return words


def _reading_words(study: Study, kind: Kind) -> str:
    """How to read the chart."""
    spread = (
        "the lowest and highest of the seeds"
        if study.request.seeds > 1 and study.request.kind == "label-size"
        else "95 % intervals"
    )
    if study.request.kind == "network-size":
        return f"Lines at the marks are {spread}; thin lines across are what has to be beaten."
    unseen = "rows" if kind.noun == "row" else "rows and targets"
    return (
        f"Bands are {spread}; thin lines are what has to be beaten. The unseen {unseen} are the "
        "same at every u, and squared errors are on the scale of the labels of the largest u. "
        "Q1 is measured on the labels of each u."
    )


def _draw_others(studies: Sequence[Study]) -> None:
    """The other studies of these data, each with a button that opens it."""
    if not studies:
        return
    st.subheader("Other studies of these data", anchor=False)
    for study in studies:
        with user_errors():
            words, state = study_words(study), state_words(study.state.status)
            left, middle, right = st.columns([5, 2, 1], vertical_alignment="center")
            left.markdown(plain(words))
            middle.caption(f"{len(study.points)} points, {state}, {ago(study.asked_at)}")
            right.button("Open", key=f"open-{study.id}", on_click=_open, args=(study,))


def study_words(study: Study) -> str:
    """``How many labels? DELIFT (SE), 8 fractions, paper and auto``; not escaped."""
    from nncift_core.pipeline.study_request import words_of

    title = method_title(study.spec.config.method)
    return f"{_KINDS[study.request.kind]} {title}, {words_of(study.request)}"


def _wanted(known: Sequence[Study]) -> Study | None:
    """The study in the URL, else the one this session looked at last, if it is of these data."""
    name = st.query_params.get(STUDY) or st.session_state.get(_MEMORY)
    found = next((study for study in known if study.id == name), None)
    if found is None and STUDY in st.query_params:
        st.info(
            f"The study {plain(str(name))} is not one of these data (any more).",
            icon=":material/info:",
        )
        _forget()
    return found


def _remember(study: Study) -> None:
    st.session_state[_MEMORY] = study.id
    if st.query_params.get(STUDY) != study.id:
        st.query_params[STUDY] = study.id


def _typed() -> None:
    """What the fields say decides from now on which study is in view."""
    _forget()
    st.session_state[_TYPED] = True


def _forget() -> None:
    """The latest study of the run's method is in view again."""
    st.session_state.pop(_TYPED, None)
    st.session_state.pop(_MEMORY, None)
    if STUDY in st.query_params:
        del st.query_params[STUDY]


def _open(study: Study) -> None:
    _forget()
    # Fields of another study would speak of it.
    for key in [key for key in st.session_state if str(key).startswith("study-")]:
        del st.session_state[key]
    st.session_state[KIND] = study.request.kind
    _remember(study)


main()
