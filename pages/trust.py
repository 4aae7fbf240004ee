"""Trust: can I believe the estimates? The verdict in words, then figures; tables are folded."""

from __future__ import annotations

import streamlit as st

from nncift_core import jobs
from nncift_core.influence import METHODS
from nncift_core.jobs import JobState
from nncift_core.network.verdict import Verdict, judge
from nncift_core.pipeline.artifacts import RunFiles
from pages._ui import quadrants as tables
from pages._ui import state
from pages._ui.errors import user_errors
from pages._ui.format import coefficient, count, percent
from pages._ui.job_panel import job_panel
from pages._ui.navigation import go, next_step
from pages._ui.quadrants import Kind, Table, interval_words
from pages._ui.run_view import open_run
from pages._ui.runs import is_extended, is_pointwise, stages_of
from pages._ui.shell import Context, page_setup
from pages._ui.trust import estimators
from pages._ui.trust.audit_panel import draw_audit
from pages._ui.trust.cost_bars import draw_cost_bars
from pages._ui.trust.figures import draw_epochs, draw_errors, draw_sizes, project_studies
from pages._ui.trust.intervals import draw_interval_table, draw_points

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
        done = jobs.read_state(context.job_dir).status == "done"
        if not done:
            _unfinished(context, kind, with_epochs=not exact and not stored)
        if stored or (exact and done):
            verdict = judge(stored, exact=exact, pointwise=pointwise)
            _draw_verdict(verdict, done=done)
            if exact:
                _exact_words(context, kind)
                return
            _draw_figures(context, kind, stored)
            _draw_notes(context)
    if stored and not exact:
        _draw_charts(context, kind, stored, done=done)


def _unfinished(context: Context, kind: Kind, *, with_epochs: bool) -> None:
    """The run's progress, with the errors drawn while estimators are fitted."""
    with st.container(border=True):
        now = job_panel(
            context.job_dir,
            stages=stages_of(context.run.config["config"], extended=is_extended(context.run)),
            draw_live=(lambda job: _draw_live(context, kind, job)) if with_epochs else None,
            key="trust-job",
        )
        if now is not None and not now.live and with_epochs:
            _draw_live(context, kind, now)


def _draw_live(context: Context, kind: Kind, job: JobState) -> None:
    """Errors by epoch so far, or what was tried before there are any."""
    if jobs.read_points(context.job_dir, "epoch"):
        draw_epochs(context, kind)
    elif job.live:
        tried = estimators.tried_words(jobs.read_points(context.job_dir, "candidate"))
        st.caption(tried or "The errors are drawn here as soon as estimators are fitted.")


def _draw_verdict(verdict: Verdict, *, done: bool) -> None:
    with st.container(border=True, key="verdict"):
        st.markdown(f"### {_MARKS[verdict.level]} {verdict.sentence}")
        if not done:
            return
        if verdict.level in ("none", "unknown"):
            if st.button(
                "Label more: set up another run",
                type="primary",
                key="next-step",
                icon=":material/arrow_forward:",
            ):
                go("run", {**state.link(), "from": str(state.run_id())})
        else:
            next_step("influence", "See which rows help")


def _exact_words(context: Context, kind: Kind) -> None:
    result = context.run.result or {}
    what = "the score of every row" if kind.noun == "row" else "the influence of every pair"
    st.metric(f"{kind.noun.capitalize()}s computed", count(result.get("labelled_pairs")))
    st.markdown(
        f"This run computed {what}, so there is no network, no error and no quadrant to "
        "measure. What remains to judge is the influence function itself: does what it measures "
        "fit your purpose?"
    )


def _draw_figures(context: Context, kind: Kind, stored: Table) -> None:
    result = context.run.result or {}
    unseen = stored.get("q4") or {}
    all_of_them = context.n_train * (1 if kind.noun == "row" else context.n_target)
    labelled = result.get("labelled_pairs") or (stored.get("q1") or {}).get("n")
    noun = f"{kind.noun}s"
    measured = sum(
        m["n"] for name, m in stored.items() if m is not None and not name.endswith("q1")
    )
    with st.container(horizontal=True, key="figures"):
        st.metric(
            f"R², {kind.unseen}",
            coefficient(unseen.get("r2")),
            width=165,
            help=f"Share of the differences between {kind.unseen} that the estimates explain: 1 "
            "is perfect, predicting the mean has 0. 95 % interval "
            f"{interval_words(unseen.get('r2_ci'))}.",
        )
        st.metric(
            "Rank correlation",
            coefficient(unseen.get("spearman")),
            width=165,
            help=f"Of estimates and true values of {kind.unseen}: 1 is the same order, 0 is none. "
            f"95 % interval {interval_words(unseen.get('spearman_ci'))}.",
        )
        st.metric(
            f"{noun.capitalize()} trained on",
            count(labelled),
            width=165,
            help=f"{percent(labelled / all_of_them)} of all {all_of_them:,} {noun}"
            if labelled and all_of_them and not tables.further(stored)
            else None,
        )
        st.metric(
            f"{noun.capitalize()} kept apart",
            count(measured),
            width=165,
            help="Labelled too, never trained on: the quadrants are measured with them.",
        )
    st.caption(
        f"95 % intervals on {kind.unseen}: R² {interval_words(unseen.get('r2_ci'))}, "
        f"rank correlation {interval_words(unseen.get('spearman_ci'))}."
    )


def _draw_notes(context: Context) -> None:
    """What one must know of this run: taken over labels, or a method that needs no estimator."""
    if is_extended(context.run):
        st.caption(
            "Labels, estimates and errors are those of the run that this one extends. What holds "
            "for the added rows: the drift and the spot checks on the Run page."
        )
    name = context.run.config["config"]["method"]
    if name in METHODS and "cosine-of-inputs" in METHODS[name].needs:
        st.info(
            f"With {METHODS[name].title} influence is the cosine of the very embeddings that the "
            "network sees, so plain cosine is exact and no network can beat it. An exact run "
            "costs about the same and has no error; this one reproduces the paper's setting.",
            icon=":material/info:",
        )


def _draw_charts(context: Context, kind: Kind, stored: Table, *, done: bool) -> None:
    """The figures, then what is folded; a part that fails leaves the others."""
    with user_errors():
        studies = project_studies(context)
        draw_errors(context, kind, stored, studies)
    files = RunFiles(context.workspace.run_dir(context.run.run_id))
    if done:
        with user_errors():
            st.subheader("How close single estimates come", anchor=False)
            view = open_run(context.workspace.path, context.run.run_id, context.workspace)
            draw_points(view, kind)
        with user_errors():
            draw_cost_bars(context)
        with user_errors():
            draw_audit(context)
    with user_errors():
        draw_sizes(context, kind, studies)
    with user_errors():
        _draw_numbers(context, kind, stored, files)


def _draw_numbers(context: Context, kind: Kind, stored: Table, files: RunFiles) -> None:
    """Everything as numbers, folded."""
    st.subheader("All of it as numbers", anchor=False)
    with st.expander("Errors of the estimates and of simpler guesses", key="numbers-errors"):
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
        for other in tables.further(stored):
            st.markdown(f"**{other.heading}**")
            st.markdown(
                "The objective reads this matrix too, so pairs of it were labelled and learned "
                "from."
            )
            _tables(other, stored)
    epochs = tables.last_training(jobs.read_points(context.job_dir, "epoch"))
    if epochs:
        with st.expander("Errors by epoch", key="numbers-epochs"):
            st.dataframe(tables.epoch_table(kind, epochs), hide_index=True, height=280)
    candidates = files.candidates()
    if candidates:
        with st.expander("What was tried to estimate with", key="numbers-estimators"):
            _candidates(candidates, kind)
    draw_interval_table(files.intervals(), kind)


def _candidates(candidates: estimators.Candidates, kind: Kind) -> None:
    """What was tried on held-out labels, with its error and its cost."""
    picked = estimators.picked_words(candidates), estimators.rival_words(candidates)
    st.markdown(" ".join(words for words in picked if words))
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


main()
