"""What a dataset is like: accepted, rejected, duplicates, lengths, languages, what to look at.

Figures of the import stand at once. Statistics are computed once a dataset and kept; where they are
not yet, they come after the rows, into places of their final size.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from nncift_core.datasets import ColumnMapping
from nncift_core.store import DatasetRecord, Workspace
from pages._ui.data.browser import to_first_page
from pages._ui.data.hints import draw_hints, hints_of
from pages._ui.data.length_charts import length_chart, length_words
from pages._ui.data.mapping import mapping_words
from pages._ui.data.rejections import draw_rejections
from pages._ui.errors import user_errors
from pages._ui.format import about, count, counted, number, plain

if TYPE_CHECKING:
    from nncift_core.pipeline.data_statistics import DataStatistics, NearDuplicates

COMPARED_AT_ONCE = 5_000
"""Rows up to which near duplicates are looked for unasked: half a second."""

_ROWS_A_SECOND = 10_000
_HEIGHT = 390
_UNIT = "unit"
_CHARACTERS, _TOKENS = "Characters", "Tokens"


def draw_report(workspace: Workspace, dataset: DatasetRecord, words: str) -> None:
    """Figures, mapping, warnings and rejected rows of one dataset.

    Args:
        workspace: Where it is stored.
        dataset: The dataset.
        words: What it is in the project: ``pool`` or ``target``.
    """
    near = _near(workspace, dataset)
    with st.container(horizontal=True, key=f"figures-{words}"):
        st.metric("Accepted rows", count(dataset.accepted), width=160)
        st.metric("Rejected rows", count(dataset.rejected), width=160)
        st.metric(
            "Exact duplicates",
            count(dataset.exact_duplicates),
            width=160,
            help="Rows whose prompt and response occurred before. They are kept here; a selection "
            "takes one of each.",
        )
        st.metric(
            "Near duplicates",
            count(near.near if near else None),
            width=160,
            help="Rows that say the same as another one in other words, by their texts. A "
            "selection takes one of each group.",
        )
        if near is None:
            st.button(
                "Look for near duplicates",
                key="find-near",
                icon=":material/search:",
                type="tertiary",
                on_click=_find_near,
                args=(workspace, dataset),
                help=f"Compares all rows, {about(dataset.accepted / _ROWS_A_SECOND)}. What is "
                "found is kept.",
            )
    for source in dataset.sources:
        st.markdown(f":material/description: **{plain(str(source['name']))}** {_source(source)}")
    if dataset.warnings:
        st.info("  \n".join(map(plain, dataset.warnings)), icon=":material/info:")


def statistics_places(dataset: DatasetRecord) -> tuple[Any, Any]:
    """Where hints and lengths will stand, of their final size."""
    grid = st.grid(2, min_column_width=420, gap="medium", key="statistics")
    left = grid.cell().container(height=_HEIGHT, border=True, key=f"hints-{dataset.id}")
    right = grid.cell().container(height=_HEIGHT, border=True, key=f"lengths-{dataset.id}")
    return left, right


def statistics_kept(workspace: Workspace, dataset: DatasetRecord) -> bool:
    """Whether statistics can be shown without computing them."""
    from nncift_core.pipeline.data_statistics import statistics_are_kept

    return statistics_are_kept(workspace, dataset.id)


def fill_statistics(workspace: Workspace, dataset: DatasetRecord, places: tuple[Any, Any]) -> None:
    """Hints and lengths in their places; computes what is not kept yet."""
    hints, lengths = places
    with hints, user_errors():
        st.markdown("**Worth a look**")
        if not dataset.accepted:
            st.caption("No row could be used.")
            return
        statistics = cached_statistics(workspace.path, dataset.id, workspace)
        draw_hints(hints_of(dataset, statistics, _near(workspace, dataset)), "data", to_first_page)
    with lengths, user_errors():
        _draw_lengths(cached_statistics(workspace.path, dataset.id, workspace))


def draw_rejected(workspace: Workspace, dataset: DatasetRecord) -> None:
    """The rejected rows and why, folded."""
    with user_errors():
        draw_rejections(workspace, dataset)


@st.cache_data(max_entries=16, show_spinner="Measuring lengths and languages ...")
def cached_statistics(path: Path, dataset_id: str, _workspace: Any) -> DataStatistics:
    """The statistics of a dataset, which never changes."""
    from nncift_core.pipeline.data_statistics import data_statistics

    return data_statistics(_workspace, dataset_id)


def _draw_lengths(statistics: DataStatistics) -> None:
    from nncift_core.pipeline.data_statistics import TOKENIZER

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**How long are the rows?**", width="stretch")
        unit = st.segmented_control(
            "Unit",
            [_CHARACTERS, _TOKENS],
            default=_CHARACTERS,
            required=True,
            key=_UNIT,
            bind="query-params",
            label_visibility="collapsed",
        )
    tokens = unit == _TOKENS
    spreads = statistics.tokens if tokens else statistics.characters
    name = "tokens" if tokens else "characters"
    st.plotly_chart(
        length_chart(spreads, name),
        key="lengths-chart",
        config={"displayModeBar": False},
        alt=length_words(spreads, name),
    )
    if not tokens:
        st.caption("All rows. A dotted line stands at the middle: half of the texts are shorter.")
        return
    in_all = sum(spread.mean for spread in spreads.values()) * statistics.rows
    sampled = statistics.sampled < statistics.rows
    of = (
        f"A sample of {statistics.sampled:,} of {statistics.rows:,} rows" if sampled else "All rows"
    )
    amount = f"~ {number(in_all)}" if sampled else f"{in_all:,.0f}"
    st.caption(f"{of}, by the tokenizer of {plain(TOKENIZER)}; {amount} tokens in all.")


def _near(workspace: Workspace, dataset: DatasetRecord) -> NearDuplicates | None:
    """Near duplicates as far as they are known, or found in no time."""
    from nncift_core.pipeline.data_statistics import kept_near_duplicates, near_duplicates

    if dataset.accepted <= COMPARED_AT_ONCE:
        return near_duplicates(workspace, dataset.id)
    return kept_near_duplicates(workspace, dataset.id)


def _find_near(workspace: Workspace, dataset: DatasetRecord) -> None:
    from nncift_core.pipeline.data_statistics import near_duplicates

    with user_errors(), st.spinner("Looking for near duplicates ...", show_time=True):
        near_duplicates(workspace, dataset.id)


def _source(source: Any) -> str:
    mapping = ColumnMapping(**source["mapping"])
    return f"{counted(int(source['rows']), 'row')} · {mapping_words(mapping)}"
