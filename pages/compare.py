"""Compare: what if I choose otherwise? Two to four selections of the project side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from nncift_core.store import RunRecord, SelectionRecord
from pages._ui import selections
from pages._ui.compare import charts, comparison
from pages._ui.compare.composition_charts import composition_chart, length_chart
from pages._ui.compare.rows import draw_only
from pages._ui.compare.tables import draw_planted
from pages._ui.errors import user_errors
from pages._ui.format import count, counted, number, percent, plain
from pages._ui.navigation import next_step
from pages._ui.shell import Context, empty_state, page_setup

FIELDS = {"subtask": "by subtask", "group": "by group", "cluster": "by cluster of the texts"}


def main() -> None:
    """Draw the page."""
    context = page_setup("Compare", "What if I choose otherwise?", needs="run")
    with user_errors(stop=True):
        stored = comparison.stored_selections(context.workspace, context.runs)
        if len(stored) < comparison.LEAST:
            empty_state(
                "One selection so far" if stored else "No selection yet",
                "Two to four selections of this project stand side by side here: what they "
                "share, which covers the targets better, how diverse they are, and the rows that "
                "only one of them holds. Choose once more, with another objective, budget, "
                "method or seed.",
                "Make another selection" if stored else "Make a selection",
                "select",
            )
        names = {one: comparison.full_name(record, run) for one, (record, run) in stored.items()}
        chosen, gone = comparison.choose(names)
        _quick_choices(stored, chosen)
        if gone:
            st.info(
                f"{counted(gone, 'selection')} of this link "
                f"{'is' if gone == 1 else 'are'} not in this project (any more).",
                icon=":material/info:",
            )
        if len(chosen) < comparison.LEAST:
            st.info("Choose at least two selections above: they are compared here.")
            return
        _draw(context, [stored[one] for one in chosen])
        st.divider()
        next_step("export", "Take it to the trainer")


def _draw(context: Context, chosen: Sequence[tuple[SelectionRecord, RunRecord]]) -> None:
    ids = tuple(record.id for record, _ in chosen)
    place = context.workspace.path
    finished = tuple(run.run_id for run in context.runs if run.status == "done")
    usable = comparison.cached_yardsticks(place, ids, finished, context.workspace)
    wanted = st.query_params.get(comparison.MEASURED_BY)
    by = wanted if wanted in usable else next(iter(usable), None)
    found = comparison.cached_comparison(place, ids, by, context.workspace)
    _sentences(found)
    _figures(found)
    _list(found, chosen)
    for note in found["notes"]:
        st.info(plain(note), icon=":material/info:")
    _order(found)
    if found["coverage"] is not None:
        comparison.measured_by(usable, context.runs)
    _quality(found)
    _what_of(found)
    if found["planted"] is not None:
        draw_planted(found)
    draw_only(context, found, chosen)


def _quick_choices(
    stored: Mapping[str, tuple[SelectionRecord, RunRecord]], chosen: Sequence[str]
) -> None:
    """One click to compare the runs of the project: methods, seeds, shares of labels."""
    each = comparison.one_of_each(stored)
    if not each:
        return
    st.button(
        "One of each run",
        key="one-of-each",
        icon=":material/stacks:",
        disabled=list(chosen) == each,
        on_click=comparison.compare_these,
        args=(each,),
        help="Compares the newest selection of each run, of the newest four runs.",
    )


def _sentences(found: Mapping[str, Any]) -> None:
    from nncift_core.pipeline.comparison_words import headline

    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in headline(found)))


def _figures(found: Mapping[str, Any]) -> None:
    one, two, three, four = st.columns(4)
    names = charts.letters(found)
    one.metric(
        "Rows in all of them",
        count(found["in_all"]),
        delta=f"{percent(found['in_all'] / found['n_train'])} of the pool",
        delta_color="off",
        delta_arrow="off",
    )
    two.metric(
        "Rows in only one",
        count(sum(only["rows"] for only in found["only"])),
        delta=", ".join(
            f"{name} {only['rows']:,}" for name, only in zip(names, found["only"], strict=True)
        ),
        delta_color="off",
        delta_arrow="off",
    )
    _best(three, "Best coverage", found["coverage"], "gap_closed", names, _gap)
    _best(four, "Most diverse", found["diversity"], "nearest", names, number)


def _gap(share: float) -> str:
    """A share of the gap; below nothing the share says nothing to anybody."""
    return percent(share) if share > 0 else "no better than random"


def _best(
    column: Any,
    label: str,
    part: Mapping[str, Any] | None,
    key: str,
    names: Sequence[str],
    words: Any,
) -> None:
    values = [] if part is None else [one[key] for one in part["selections"]]
    known = [(value, name) for value, name in zip(values, names, strict=False) if value is not None]
    helps = {
        "gap_closed": "Share of the way from random rows of the same number to the whole pool.",
        "nearest": "Mean cosine distance of a row to the nearest other row of the selection.",
    }
    if not known:
        column.metric(label, "-", help=helps[key])
        return
    best, name = max(known, key=lambda item: item[0])
    others = ", ".join(f"{other} {words(value)}" for value, other in known if other != name)
    column.metric(
        label,
        f"{name}: {words(best)}",
        delta=others or None,
        delta_color="off",
        delta_arrow="off",
        help=helps[key],
    )


def _list(found: Mapping[str, Any], chosen: Sequence[tuple[SelectionRecord, RunRecord]]) -> None:
    """Which letter is which selection."""
    duplicates, tokens = found["duplicates"], found["lengths"].get("tokens")
    columns: dict[str, list[Any]] = {
        "": charts.letters(found),
        "Name": [record.name for record, _ in chosen],
        "Objective": [selections.objective_title(record.objective) for record, _ in chosen],
        "Budget": [selections.budget_words(record.budget) for record, _ in chosen],
        "Rows": [record.row_count for record, _ in chosen],
        "Influence": [comparison.run_name(run) for _, run in chosen],
        "Run": [run.run_id for _, run in chosen],
    }
    if tokens is not None:
        columns["Tokens"] = [one["total"] for one in tokens["selections"]]
    columns["Equal rows"] = [one["exact"]["surplus"] for one in duplicates]
    columns["Equal or nearly equal rows"] = [one["near"]["surplus"] for one in duplicates]
    st.dataframe(
        columns, hide_index=True, key="compared-list", alt="The selections that are compared"
    )


def _order(found: Mapping[str, Any]) -> None:
    left, right = _halves()
    names = charts.letters(found)
    overlap = found["overlap"]
    pairs = [
        (names[a], names[b], overlap["shared"][a][b], overlap["chance"][a][b])
        for a, b in (one["pair"] for one in found["agreement"])
    ]
    words = "; ".join(
        f"{a} and {b} share {counted(shared, 'row')}, by chance {number(chance)}"
        for a, b, shared, chance in pairs
    )
    with left:
        _chart("overlap", charts.overlap_chart(found), f"Shared rows. {words}.")
    coefficients = "; ".join(
        f"{names[one['pair'][0]]} and {names[one['pair'][1]]}: Spearman "
        f"{number(one['spearman'])}, Kendall {number(one['kendall'])}, mean overlap over all "
        f"depths {percent(round(one['average_overlap'], 3))} (chance "
        f"{percent(round(one['average_overlap_chance'], 3))})"
        for one in found["agreement"]
    )
    with right:
        _chart("agreement", charts.agreement_chart(found), f"Order. {coefficients}.")


def _quality(found: Mapping[str, Any]) -> None:
    names, coverage, diversity = charts.letters(found), found["coverage"], found["diversity"]
    left, right = _halves()
    if coverage is not None:
        words = "; ".join(
            f"{name} {percent(one['share'])} (random rows {percent(one['random_share'])})"
            for name, one in zip(names, coverage["selections"], strict=True)
        )
        kind = "true" if coverage["exact"] else "estimated"
        with left:
            _chart(
                "coverage",
                charts.coverage_chart(found),
                f"Mean over targets of the best chosen row's {kind} influence: {words}. Grey: "
                "random rows of the same number, with two standard deviations.",
            )
    if diversity is not None:
        words = "; ".join(
            f"{name} {number(one['nearest'])} and {number(one['novelsum'])} (random rows "
            f"{number(one['nearest_random'])} and {number(one['novelsum_random'])})"
            for name, one in zip(names, diversity["selections"], strict=True)
        )
        with right:
            _chart(
                "diversity",
                charts.diversity_chart(found),
                f"Nearest row and NovelSum: {words}. Both fall as a selection grows, so look at "
                f"the distance to the grey mark, random rows of the same number.{_sampled(found)}",
            )


def _sampled(found: Mapping[str, Any]) -> str:
    """That diversity was measured on a sample, where it was."""
    most = found["diversity"]["rows_at_most"]
    if found["n_train"] <= most:
        return ""
    return (
        f" Measured on a random sample of at most {count(most)} rows of each selection and of the "
        "pool."
    )


def _what_of(found: Mapping[str, Any]) -> None:
    left, right = _halves()
    names, lengths = charts.letters(found), found["lengths"]
    words = "; ".join(
        f"{'tokens of a row' if part == 'tokens' else f'characters of a {part}'}: pool "
        f"{number(content['pool']['median'])}, "
        + ", ".join(
            f"{name} {number(one['median'])}"
            for name, one in zip(names, content["selections"], strict=True)
        )
        for part, content in lengths.items()
    )
    with left:
        _chart("lengths", length_chart(found), f"Medians. {words}.")
    offered = [field for field in FIELDS if field in found["composition"]]
    if not offered:
        return
    with right:
        field = st.segmented_control(
            "Families",
            offered,
            default=offered[0],
            required=True,
            format_func=FIELDS.__getitem__,
            key="composition-field",
            label_visibility="collapsed",
        )
        content = found["composition"][field]
        words = "; ".join(
            f"{name} holds {one['families']:,}, {percent(round(one['distance'], 3))} away from "
            f"the pool (random rows {percent(round(one['distance_random'], 3))})"
            for name, one in zip(names, content["selections"], strict=True)
        )
        _chart(
            f"composition-{field}",
            composition_chart(found, field),
            f"Of {counted(content['families'], field)}: {words}.",
        )


def _halves() -> tuple[Any, Any]:
    """Two places side by side, one below the other where there is no room."""
    with st.grid(min_column_width=380):
        return st.container(), st.container()


def _chart(key: str, figure: Any, words: str) -> None:
    """A chart with its words below, which are also read out in its place."""
    st.plotly_chart(figure, key=f"compare-{key}", config={"displayModeBar": False}, alt=words)
    st.caption(plain(words))


main()
