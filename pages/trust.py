"""Trust: can I believe the estimates? The verdict in words, then errors and intervals."""

from __future__ import annotations

import streamlit as st

from nncift_core import jobs
from nncift_core.influence import METHODS
from nncift_core.jobs import JobState
from nncift_core.network.verdict import Verdict, judge
from nncift_core.pipeline.artifacts import RunFiles
from pages._ui import estimators
from pages._ui import quadrants as tables
from pages._ui.audit_panel import draw_audit
from pages._ui.charts import epoch_chart
from pages._ui.errors import user_errors
from pages._ui.format import count, number, percent
from pages._ui.intervals import draw_intervals, draw_points
from pages._ui.jobs import job_panel
from pages._ui.navigation import next_step
from pages._ui.quadrants import Kind, Table, interval_words
from pages._ui.run_view import open_run
from pages._ui.runs import is_extended, is_pointwise, stages_of
from pages._ui.shell import Context, page_setup

_MARKS = {
    "exact": ":material/verified:",
    "pairs": ":material/verified:",
    "rows": ":material/check:",
    "none": ":material/warning:",
    "unknown": ":material/help:",
}


def main() -> None:
    """Draw the page."""
    context = page_setup("Trust", "Can I believe the estimates?", needs="run")
    settings = context.run.config["config"]
    exact = bool(settings["exact"])
    pointwise = is_pointwise(settings["method"])
    kind = tables.kind_of(pointwise=pointwise)
    with user_errors(stop=True):
        stored = context.workspace.catalog.quadrant_metrics(context.run.run_id)
        state = jobs.read_state(context.job_dir)
        if state.status != "done":
            _unfinished(context, kind, draw_epochs=not exact and not stored)
        verdict = judge(stored, exact=exact, pointwise=pointwise)
        if stored or (exact and state.status == "done"):
            _verdict(verdict)
            if exact:
                _exact_figures(context, kind)
            else:
                _finished(context, kind, stored, drawn=state.status == "done")
        if state.status == "done" and not exact:
            draw_audit(context)
        if state.status == "done":
            _next_step(verdict)


def _unfinished(context: Context, kind: Kind, *, draw_epochs: bool) -> None:
    """The run's progress, with the errors drawn while estimators are fitted."""
    with st.container(border=True):
        state = job_panel(
            context.job_dir,
            stages=stages_of(context.run.config["config"], extended=is_extended(context.run)),
            draw_live=(lambda job: _draw_epochs(context, kind, job)) if draw_epochs else None,
            key="trust-job",
        )
        if state is not None and not state.live and draw_epochs:
            _draw_epochs(context, kind, state)


def _draw_epochs(context: Context, kind: Kind, state: JobState | None = None) -> None:
    """Errors by epoch so far, beside the baselines."""
    points = tables.last_training(jobs.read_points(context.job_dir, "epoch"))
    if not points:
        if state is not None and state.live:
            tried = estimators.tried_words(jobs.read_points(context.job_dir, "candidate"))
            st.caption(tried or "The errors are drawn here as soon as estimators are fitted.")
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
    if state is None:
        with st.expander("The errors as numbers"):
            st.dataframe(tables.epoch_table(kind, points), hide_index=True, height=280)


def _finished(context: Context, kind: Kind, stored: Table, *, drawn: bool) -> None:
    """Figures, errors and intervals of a run with estimates; ``drawn`` where it has predictions."""
    files = RunFiles(context.workspace.run_dir(context.run.run_id))
    if is_extended(context.run):
        st.caption(
            "Labels, estimates and errors are those of the run that this one extends. What holds "
            "for the added rows: the drift and the spot checks on the Run page."
        )
    candidates = files.candidates()
    if candidates:
        picked = estimators.picked_words(candidates), estimators.rival_words(candidates)
        st.markdown(" ".join(words for words in picked if words))
    _figures(context, kind, stored)
    _method_note(context)
    _draw_epochs(context, kind)
    st.subheader("How far off, and how far simpler guesses would be", anchor=False)
    real_test = (
        "The last line is the real test: rows that were never learned from."
        if kind.noun == "row"
        else "Each line is a kind of pair. The last one is the real test: rows and targets "
        "that were never learned from."
    )
    st.markdown(
        f"{real_test} Errors are on the scale of the training labels, 0 to 1; square brackets "
        "hold 95 % intervals."
    )
    _tables(kind, stored)
    _candidates(candidates, kind)
    draw_intervals(files.intervals(), kind)
    if drawn:
        draw_points(open_run(context.workspace.path, context.run.run_id, context.workspace), kind)
    for other in tables.further(stored):
        st.subheader(other.heading, anchor=False)
        st.markdown(
            "The objective reads this matrix too, so pairs of it were labelled and learned from."
        )
        _tables(other, stored)


def _candidates(candidates: estimators.Candidates, kind: Kind) -> None:
    """What was tried on held-out labels, with its error and its cost."""
    if not candidates:
        return
    st.subheader("What was tried to estimate with", anchor=False)
    st.dataframe(
        estimators.candidate_table(candidates),
        hide_index=True,
        key="candidates",
        alt="Estimators with their error on held-out labels, and what they cost",
    )
    st.caption(
        "Errors are on the scale of the training labels, 0 to 1, on labels that were held out "
        f"while fitting, weighted by the unlabelled {kind.noun}s that they stand for. A "
        f"{kind.noun} costs its multiply-adds once what it is made of is embedded and projected."
    )


def _tables(kind: Kind, stored: Table) -> None:
    st.table(tables.accuracy_table(kind, stored), hide_index=True, border="horizontal")
    st.markdown("**Mean squared error of the estimates and of what they have to beat**")
    st.table(tables.baseline_table(kind, stored), hide_index=True, border="horizontal")
    st.caption(tables.beaten_words(kind, stored))


def _verdict(verdict: Verdict) -> None:
    with st.container(border=True, key="verdict"):
        st.markdown(f"### {_MARKS[verdict.level]} {verdict.sentence}")


def _exact_figures(context: Context, kind: Kind) -> None:
    result = context.run.result or {}
    left, _ = st.columns(2)
    left.metric(f"{kind.noun.capitalize()}s computed", count(result.get("labelled_pairs")))
    what = "the score of every row" if kind.noun == "row" else "the influence of every pair"
    st.markdown(
        f"This run computed {what}, so there is no network, no error and no quadrant to "
        "measure. What remains to judge is the influence function itself: does what it measures "
        "fit your purpose?"
    )


def _figures(context: Context, kind: Kind, stored: Table) -> None:
    result = context.run.result or {}
    unseen = stored.get("q4") or {}
    all_of_them = context.n_train * (1 if kind.noun == "row" else context.n_target)
    labelled = result.get("labelled_pairs") or (stored.get("q1") or {}).get("n")
    noun = f"{kind.noun}s"
    one, two, three, four = st.columns(4)
    one.metric(
        f"R², {kind.unseen}",
        number(unseen.get("r2")),
        help=f"Share of the differences between {kind.unseen} that the estimates explain: 1 is "
        "perfect, predicting the mean has 0.",
    )
    two.metric(
        "Rank correlation",
        number(unseen.get("spearman")),
        help=f"Of estimates and true values of {kind.unseen}: 1 is the same order, 0 is none.",
    )
    three.metric(
        f"{noun.capitalize()} trained on",
        count(labelled),
        help=f"{percent(labelled / all_of_them)} of all {all_of_them:,} {noun}"
        if labelled and all_of_them and not tables.further(stored)
        else None,
    )
    measured = sum(
        m["n"] for name, m in stored.items() if m is not None and not name.endswith("q1")
    )
    four.metric(
        f"{noun.capitalize()} kept apart",
        count(measured),
        help="Labelled too, never trained on: the quadrants are measured with them.",
    )
    st.caption(
        f"95 % intervals on {kind.unseen}: R² {interval_words(unseen.get('r2_ci'))}, "
        f"rank correlation {interval_words(unseen.get('spearman_ci'))}."
    )


def _method_note(context: Context) -> None:
    """A method whose labels are the cosine of the inputs needs no estimator."""
    name = context.run.config["config"]["method"]
    if name in METHODS and "cosine-of-inputs" in METHODS[name].needs:
        st.info(
            f"With {METHODS[name].title} influence is the cosine of the very embeddings that the "
            "network sees, so plain cosine is exact and no network can beat it. An exact run "
            "costs about the same and has no error; this one reproduces the paper's setting.",
            icon=":material/info:",
        )


def _next_step(verdict: Verdict) -> None:
    st.divider()
    if verdict.level in ("none", "unknown"):
        next_step("run", "Label more: set up another run")
    else:
        next_step("influence", "See which rows help")


main()
