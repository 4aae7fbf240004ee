"""Trust: can I believe the estimates? The verdict in words, the errors by epoch, the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from nncift_core import jobs
from nncift_core.influence import METHODS
from nncift_core.jobs import JobState
from nncift_core.network.verdict import BASELINES, QUADRANTS, Verdict, judge
from pages._ui.charts import epoch_chart
from pages._ui.errors import user_errors
from pages._ui.format import count, number, percent
from pages._ui.jobs import EXACT_STAGES, RUN_STAGES, job_panel
from pages._ui.navigation import next_step
from pages._ui.shell import Context, page_setup

Quadrants = Mapping[str, Mapping[str, Any] | None]

_MARKS = {
    "exact": ":material/verified:",
    "pairs": ":material/verified:",
    "rows": ":material/check:",
    "none": ":material/warning:",
    "unknown": ":material/help:",
}

_ROUNDING = 1e-9


def main() -> None:
    """Draw the page."""
    context = page_setup("Trust", "Can I believe the estimates?", needs="run")
    settings = context.run.config["config"]
    exact = bool(settings["exact"])
    with user_errors(stop=True):
        quadrants = context.workspace.catalog.quadrant_metrics(context.run.run_id)
        state = jobs.read_state(context.job_dir)
        if state.status != "done":
            _unfinished(context, draw_epochs=not exact and not quadrants, exact=exact)
        if quadrants or (exact and state.status == "done"):
            _finished(context, quadrants, exact=exact)
        _next_step(quadrants, state, exact=exact)


def _unfinished(context: Context, *, draw_epochs: bool, exact: bool) -> None:
    """The run's progress, with the errors drawn while the network trains."""
    with st.container(border=True):
        state = job_panel(
            context.job_dir,
            stages=EXACT_STAGES if exact else RUN_STAGES,
            draw_live=(lambda job: _draw_epochs(context, job)) if draw_epochs else None,
            key="trust-job",
        )
        if state is not None and not state.live and draw_epochs:
            _draw_epochs(context, state)


def _draw_epochs(context: Context, state: JobState | None = None) -> None:
    """Errors by epoch so far, beside the baselines."""
    points = jobs.read_points(context.job_dir, "epoch")
    if not points:
        if state is not None and state.live:
            st.caption("The errors are drawn here as soon as the network trains.")
        return
    # Of several attempts the last one's measurements count.
    baselines = (jobs.read_points(context.job_dir, "baselines") or [{}])[-1]
    text = _epoch_words(points)
    st.plotly_chart(
        epoch_chart(points, baselines),
        key="epochs",
        config={"displayModeBar": False},
        alt=text,
    )
    st.caption(text)
    if state is None:
        with st.expander("The errors as numbers"):
            st.dataframe(_epoch_table(points), hide_index=True, height=280)


def _epoch_words(points: Sequence[Mapping[str, Any]]) -> str:
    first, last = points[0], points[-1]
    parts = [
        f"{words} ({name.upper()}) {number(first[name])} to {number(last[name])}"
        for name, words in QUADRANTS.items()
        if first.get(name) is not None and last.get(name) is not None
    ]
    return (
        f"Mean squared error before training and after epoch {int(last['epoch'])}, on the scale "
        f"from the lowest to the highest training label: {'; '.join(parts)}."
    )


def _epoch_table(points: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"Epoch": [int(point["epoch"]) for point in points]}
    for name, words in QUADRANTS.items():
        columns[f"{name.upper()} {words}"] = [number(point.get(name)) for point in points]
    return columns


def _finished(context: Context, quadrants: Quadrants, *, exact: bool) -> None:
    verdict = judge(quadrants, exact=exact)
    _verdict(verdict)
    if exact:
        _exact_figures(context)
        return
    _figures(context, quadrants)
    _method_note(context)
    _draw_epochs(context)
    st.subheader("How far off, and what would be without a network", anchor=False)
    st.markdown(
        "Each line is a kind of pair. The last one is the real test: rows and targets that the "
        "network never saw. Errors are on the scale of the training labels, 0 to 1; square "
        "brackets hold 95 % intervals."
    )
    st.table(_accuracy_table(quadrants), hide_index=True, border="horizontal")
    st.markdown("**Mean squared error of the network and of what it has to beat**")
    st.table(_baseline_table(quadrants), hide_index=True, border="horizontal")
    st.caption(_beaten_words(quadrants))


def _verdict(verdict: Verdict) -> None:
    with st.container(border=True, key="verdict"):
        st.markdown(f"### {_MARKS[verdict.level]} {verdict.sentence}")


def _exact_figures(context: Context) -> None:
    result = context.run.result or {}
    left, _ = st.columns(2)
    left.metric("Pairs computed", count(result.get("labelled_pairs")))
    st.markdown(
        "This run computed the influence of every pair, so there is no network, no error and "
        "no quadrant to measure. What remains to judge is the influence function itself: does "
        "what it measures fit your purpose?"
    )


def _figures(context: Context, quadrants: Quadrants) -> None:
    result = context.run.result or {}
    unseen = quadrants.get("q4") or {}
    pairs = context.n_train * context.n_target
    labelled = result.get("labelled_pairs") or (quadrants.get("q1") or {}).get("n")
    one, two, three, four = st.columns(4)
    one.metric(
        "R², unseen pairs",
        number(unseen.get("r2")),
        help="Share of the differences between unseen pairs that the estimates explain: 1 is "
        "perfect, predicting the mean has 0.",
    )
    two.metric(
        "Rank correlation",
        number(unseen.get("spearman")),
        help="Of estimates and true influence of unseen pairs: 1 is the same order, 0 is none.",
    )
    three.metric(
        "Pairs trained on",
        count(labelled),
        help=f"{percent(labelled / pairs)} of all {pairs:,} pairs" if labelled and pairs else None,
    )
    measured = sum((quadrants.get(name) or {}).get("n", 0) for name in ("q2", "q3", "q4"))
    four.metric(
        "Pairs kept apart",
        count(measured),
        help="Labelled too, never trained on: the quadrants are measured with them.",
    )
    st.caption(
        f"95 % intervals on unseen pairs: R² {_interval(unseen.get('r2_ci'))}, "
        f"rank correlation {_interval(unseen.get('spearman_ci'))}."
    )


def _method_note(context: Context) -> None:
    """A method whose labels are the cosine of the network's inputs needs no network."""
    name = context.run.config["config"]["method"]
    if name in METHODS and "cosine-of-inputs" in METHODS[name].needs:
        st.info(
            f"With {METHODS[name].title} influence is the cosine of the very embeddings that the "
            "network sees, so plain cosine is exact and no network can beat it. An exact run "
            "costs about the same and has no error; this one reproduces the paper's setting.",
            icon=":material/info:",
        )


def _accuracy_table(quadrants: Quadrants) -> dict[str, list[str]]:
    rows = [(name, quadrants.get(name)) for name in QUADRANTS]
    return {
        "Pairs of": [_words(name) for name, _ in rows],
        "Pairs": [count(m["n"]) if m else "none" for _, m in rows],
        "Mean squared error": [_with_interval(m, "mse") for _, m in rows],
        "R²": [_with_interval(m, "r2") for _, m in rows],
        "Rank correlation": [_with_interval(m, "spearman") for _, m in rows],
    }


def _baseline_table(quadrants: Quadrants) -> dict[str, list[str]]:
    rows = [(name, quadrants.get(name)) for name in QUADRANTS]
    columns = {
        "Pairs of": [_words(name) for name, _ in rows],
        "Network": [_error(m["mse"]) if m else "-" for _, m in rows],
    }
    for key, words in BASELINES.items():
        columns[words.capitalize()] = [
            "-" if m is None else "not known" if m.get(key) is None else _error(m[key])
            for _, m in rows
        ]
    return columns


def _beaten_words(quadrants: Quadrants) -> str:
    """A text alternative of the baseline table's last line."""
    unseen = quadrants.get("q4")
    if unseen is None:
        return "No pair of unseen rows and unseen targets could be measured."
    beaten = [w for key, w in BASELINES.items() if _is_worse(unseen.get(key), unseen["mse"])]
    ahead = [
        words
        for key, words in BASELINES.items()
        if unseen.get(key) is not None and words not in beaten
    ]
    sentence = f"On unseen pairs the network beats: {', '.join(beaten) or 'nothing'}."
    return f"{sentence} It does not beat: {', '.join(ahead)}." if ahead else sentence


def _is_worse(baseline: float | None, error: float) -> bool:
    return baseline is not None and baseline > error


def _error(value: float) -> str:
    """A squared error; what is only rounding reads as none."""
    return "0" if value < _ROUNDING else number(value)


def _words(name: str) -> str:
    return f"{QUADRANTS[name]} ({name.upper()})"


def _with_interval(metrics: Mapping[str, Any] | None, key: str) -> str:
    if metrics is None or metrics.get(key) is None:
        return "-"
    interval = metrics.get(f"{key}_ci")
    text = number(metrics[key])
    return text if interval is None else f"{text} {_interval(interval)}"


def _interval(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "not known"
    return f"[{number(interval[0])}, {number(interval[1])}]"


def _next_step(quadrants: Quadrants, state: JobState, *, exact: bool) -> None:
    if state.status != "done":
        return
    st.divider()
    if judge(quadrants, exact=exact).level in ("none", "unknown"):
        next_step("run", "Label more: set up another run")
    else:
        next_step("influence", "See which rows help")


main()
